"""UI and daemon up, as they run for users: what is landed ends in the marts, and a backfill is one run."""

from __future__ import annotations

import datetime as dt
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cic_assets.warehouse import embedded
from tests.end_to_end.porto import ROWS, cic, council, query

PORT = 3998


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with council(tmp_path_factory.mktemp("daemon")) as home:
        yield home


def graphql(text: str, **variables: object) -> dict[str, object]:
    body = json.dumps({"query": text, "variables": variables}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


def wait_for(what, seconds: int = 1200):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(2)
    raise AssertionError("it did not happen in time")


STATUS_FEED = """\
id: porto_status
kind: status
description: A log of OCPP 1.6 in another country.
provider: {id: porto-energia, name: Porto Energia}
authority: {id: PT-13, name: Porto}
zone: Europe/Lisbon
format: {type: jsonl}
claims: ["porto_ocpp_*.jsonl"]
columns: {charge_point: station, connector_id: connector, status: status, changed_at: timestamp}
vocabulary: {standard: OCPP 1.6}
ends: 2025-08-31
licence: none
contact: nobody@example.org
"""
DAILY_ASSETS = [
    ["accepted", "sessions"], ["accepted", "status"], ["accepted", "locations"], ["quality", "quarantine"],
    ["quality", "ingest_count"], ["quality", "rule_count"], ["facts", "charge_point_status_day"],
    ["marts", "charge_point_health_day"], ["marts", "data_quality_day"], ["marts", "data_quality_rule_day"],
]  # fmt: skip
MONTHLY_ASSETS = [
    ["facts", "charging_session"], ["facts", "charging_session_day"], ["facts", "charge_point_month"],
    ["marts", "session_statistics_day"], ["marts", "network_overview_month"],
    ["marts", "charge_points_month"],
]  # fmt: skip


def launch(assets: list[list[str]], partitions: list[str]) -> str:
    """A backfill, launched with the UI's own mutation; its id."""
    launched = graphql(
        "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p)"
        " { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        p={"assetSelection": [{"path": path} for path in assets], "partitionNames": partitions},
    )
    return str(launched["launchPartitionBackfill"]["backfillId"])


def end_of(backfill: str) -> dict[str, object]:
    def ended():
        found = graphql(
            "query($b: String!) { partitionBackfillOrError(backfillId: $b)"
            " { ... on PartitionBackfill { status numPartitions runs(limit: 50) { status } } } }",
            b=backfill,
        )["partitionBackfillOrError"]
        return found if found["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None

    return dict(wait_for(ended))


def test_with_the_daemon_up_a_bare_land_ends_in_the_marts_and_backfills_are_one_run(home):
    (home / "streams" / "porto_status.yml").write_text(STATUS_FEED)
    # Or a backfill of 2024 would wait for the next `cic up`: nothing has come yet.
    cic(home, "up", "--port", str(PORT), CIC_CALENDAR_START="2024-01-01")
    other = home / "porto_2025.csv"
    other.write_bytes(ROWS.replace("31.08.2026", "31.08.2025").replace("01.09.2026", "01.09.2025").encode("latin-1"))
    log = home / "porto_ocpp_1.jsonl"
    line = '{"station": "P1", "connector": 1, "status": "%s", "timestamp": "2025-08-%02dT08:00:00Z"}\n'
    log.write_text("".join(line % ("Charging" if day % 2 else "Available", day) for day in range(1, 32)))
    cic(home, "land", "auto", str(other), str(log))
    month = (
        "select to_char(month_date, 'YYYY-MM') as month, session_count as sessions, operational_pct as up,"
        " charging_pct as used from marts.network_overview_month order by session_count desc"
    )
    # August has 744 hours, 9 of them unobserved; the log tells of 360 hours in use and 360 free, to the 31st at nine.
    wanted = [
        {"month": "2025-08", "sessions": "1", "up": "", "used": ""},
        {"month": "2025-08", "sessions": "0", "up": "97.959184", "used": "48.979592"},
    ]

    def both():
        # Not by `cic sql`, which takes 1.8 CPU seconds: it was called 21 times.
        with psycopg.connect(embedded.locate(home / "home").url("cic")) as connection:
            if connection.execute("select to_regclass('marts.network_overview_month')").fetchone() == (None,):
                return False
            return connection.execute("select count(*) from marts.network_overview_month").fetchone() == (2,)

    wait_for(both)
    assert query(home, month) == wanted

    months = [f"{year}-{number:02d}-01" for year in (2024, 2025) for number in range(1, 13)]
    days = [str(dt.date(2025, 7, 1) + dt.timedelta(days=n)) for n in range(90)]
    launched = [(launch(assets, keys), keys) for assets, keys in ((DAILY_ASSETS, days), (MONTHLY_ASSETS, months))]
    for backfill, keys in launched:
        found = end_of(backfill)
        assert (found["status"], found["numPartitions"]) == ("COMPLETED_SUCCESS", len(keys))
        assert found["runs"] == [{"status": "SUCCESS"}]
