"""The command line as somebody types it, on an embedded warehouse of its own."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cic_assets.settings import PROJECT

CIC = Path(sys.executable).with_name("cic")
# Another council: other names, a zone of its own, watt-hours, cents, and nothing but a YAML file.
OTHER = """\
id: porto_sessions
kind: sessions
description: Another feed.
provider: {id: PT*ABC, name: Provedor}
authority: {id: PT-13, name: Porto}
zone: Atlantic/Azores
format: {type: csv, delimiter: ";", encoding: latin-1}
claims: ["porto_*.csv"]
columns:
  charge_point: Posto
  connector_id: Tomada
  started_local: to_timestamp(`Início`, 'dd.MM.yyyy HH:mm')
  ended_local: to_timestamp(Fim, 'dd.MM.yyyy HH:mm')
  energy: "`Energia (Wh)`"
  cost: "cast(Valor as int) * 0.01"
  currency: "'EUR'"
units: {energy: Wh}
vat_basis: unknown
licence: none
contact: nobody@example.org
"""
ROWS = (
    "Posto;Tomada;Início;Fim;Energia (Wh);Valor\n"
    "7;1;31.08.2026 23:30;01.09.2026 01:00;12500;460\n"
    "8;1;05.09.2026 10:00;05.09.2026 10:00;1;1\n"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("cli")
    streams = home / "streams"
    streams.mkdir()
    (streams / "porto.yml").write_text(OTHER)
    (home / "porto_2026.csv").write_bytes(ROWS.encode("latin-1"))
    yield home
    cic(home, "down", "--delete")


def cic(home: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    shipped = PROJECT / "cic_assets" / "streams" / "files"
    environment = {
        **os.environ,
        "CIC_HOME": str(home / "home"),
        "CIC_STREAMS": f"{shipped}:{home / 'streams'}",
        **variables,
    }
    done = subprocess.run([CIC, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, f"{arguments}: {done.stdout[-800:]} {done.stderr[-800:]}"
    return done.stdout + done.stderr


def query(home: Path, text: str, role: str = "analyst") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(cic(home, "sql", "--format", "csv", "--role", role, text).split("[20")[0])))


def test_a_feed_with_other_names_zone_and_units_goes_in_by_one_file(home):
    shown = cic(home, "streams", "check", str(home / "streams/porto.yml"), "--sample", str(home / "porto_2026.csv"))
    assert "2 rows: 1 accepted, 1 rejected" in shown and "S02 1: the end is not after the start" in shown
    cic(home, "land", "auto", str(home / "porto_2026.csv"))
    assert "known since" in cic(home, "land", "porto_sessions", str(home / "porto_2026.csv"))
    cic(home, "run", "daily")
    assert "monthly 2026-08-01 2026-08-01: done" in cic(home, "run", "monthly")
    assert "nothing pending" in cic(home, "run", "monthly")
    (row,) = query(
        home, "select started_at, start_date, energy_kwh, revenue, currency from facts.charging_session", "etl"
    )
    # 23:30 on the Azores' summer clock is UTC; the local date stays the 31st.
    assert row == {
        "started_at": "2026-08-31 23:30:00+00:00", "start_date": "2026-08-31", "energy_kwh": "12.5000",
        "revenue": "4.6000", "currency": "EUR",
    }  # fmt: skip
    assert query(home, "select authority_name, session_count from marts.network_overview_month") == [
        {"authority_name": "Porto", "session_count": "1"}
    ]


def test_the_analyst_and_wrong_calls_get_a_plain_message(home):
    cic(home, "up", "--no-ui")
    denied = cic(home, "sql", "select * from facts.charging_session", code=1)
    assert "permission denied" in denied and "Traceback" not in denied
    assert "no stream 'nobody'" in cic(home, "land", "nobody", "x.csv", code=2)
    assert "x.csv: no such file" in cic(home, "land", "porto_sessions", "x.csv", code=1)
    assert "give both --from and --to" in cic(home, "run", "daily", "--from", "2026-01-01", code=2)
    assert "CIC_SPARK='duck'" in cic(home, "streams", "list", code=1, CIC_SPARK="duck")
    assert "set CIC_LAKE, CIC_WAREHOUSE_URL" in cic(home, "streams", "list", code=1, CIC_ENVIRONMENT="prod")


def test_a_wrong_stream_file_fails_with_path_key_and_reason(home):
    wrong = home / "wrong.yml"
    wrong.write_text(OTHER.replace("Atlantic/Azores", "Atlantic/Atlantis").replace("energy: Wh", "energy: Ws"))
    said = cic(home, "streams", "check", str(wrong), code=1)
    assert re.search(r"wrong\.yml: zone: .*Atlantis", said) and "units.energy" in said


def test_an_undeclared_swap_fails_the_check(home, data):
    text = (PROJECT / "cic_assets/streams/files/dundee_sessions.yml").read_text()
    undeclared = home / "undeclared.yml"
    undeclared.write_text(re.sub(r"date_repair:\n.*\n.*\n", "", text))
    swapped, right = (data / "sessions" / f"dundee_{name}.csv.gz" for name in ("2017-09_2017-12", "2018-06_2018-09"))
    assert "day and month are swapped" in cic(
        home, "streams", "check", str(undeclared), "--sample", str(swapped), code=1
    )
    assert "accepted" in cic(home, "streams", "check", str(undeclared), "--sample", str(right))


def test_doctor_names_what_is_missing_and_how_to_get_it(home):
    cic(home, "up", "--no-ui")
    assert "stale months" in cic(home, "doctor")
    cic(home, "down")
    assert "cic up" in cic(home, "doctor", code=1)


def test_plain_dagster_says_what_to_do_when_the_warehouse_is_down(home):
    cic(home, "down")
    environment = {**os.environ, "CIC_HOME": str(home / "home")}
    environment.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "dagster", "dev", "-p", "3997"]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0 and "start it with `cic up`" in done.stdout + done.stderr


PORT = 3998


def graphql(text: str, **variables: object) -> dict[str, object]:
    body = json.dumps({"query": text, "variables": variables}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


def wait_for(what, seconds: int = 400):
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
licence: none
contact: nobody@example.org
"""
DAILY_ASSETS = [
    ["accepted", "sessions"], ["accepted", "status"], ["accepted", "locations"], ["quality", "quarantine"],
    ["quality", "ingest_count"], ["quality", "rule_count"], ["facts", "charge_point_status_day"],
    ["quality", "status_disposition"], ["marts", "charge_point_health_day"], ["marts", "data_quality_day"],
    ["marts", "data_quality_rule_day"],
]  # fmt: skip
MONTHLY_ASSETS = [
    ["facts", "charging_session"], ["facts", "charging_session_day"], ["quality", "disposition"],
    ["facts", "charge_point_month"], ["marts", "session_statistics_day"], ["marts", "network_overview_month"],
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
    cic(home, "up", "--port", str(PORT))
    other = home / "porto_2025.csv"
    other.write_bytes(ROWS.replace("31.08.2026", "31.08.2025").replace("01.09.2026", "01.09.2025").encode("latin-1"))
    log = home / "porto_ocpp_1.jsonl"
    line = '{"station": "P1", "connector": 1, "status": "%s", "timestamp": "2025-08-%02dT08:00:00Z"}\n'
    log.write_text("".join(line % ("Charging" if day % 2 else "Available", day) for day in range(1, 32)))
    cic(home, "land", "auto", str(other), str(log))
    month = (
        "select to_char(month_date, 'YYYY-MM') as month, session_count as sessions, operational_pct as up,"
        " charging_pct as used from marts.network_overview_month where month_date < '2026-01-01'"
        " order by session_count desc"
    )
    # August has 744 hours, 9 of them unobserved; the log tells of 360 hours in use and 360 free, to the 31st at nine.
    wanted = [
        {"month": "2025-08", "sessions": "1", "up": "", "used": ""},
        {"month": "2025-08", "sessions": "0", "up": "97.959184", "used": "48.979592"},
    ]

    def both():
        found = query(home, month)
        return found if len(found) == 2 else None

    assert wait_for(both) == wanted

    months = [f"{year}-{number:02d}-01" for year in (2024, 2025) for number in range(1, 13)]
    days = [str(dt.date(2025, 7, 1) + dt.timedelta(days=n)) for n in range(90)]
    launched = [(launch(assets, keys), keys) for assets, keys in ((DAILY_ASSETS, days), (MONTHLY_ASSETS, months))]
    for backfill, keys in launched:
        found = end_of(backfill)
        assert (found["status"], found["numPartitions"]) == ("COMPLETED_SUCCESS", len(keys))
        assert found["runs"] == [{"status": "SUCCESS"}]
