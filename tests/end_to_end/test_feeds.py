"""Feeds that gave a wrong number once, each as a kind, from landing to facts: all in one home, as operators send them.

Values by hand. What can be said of a row alone is in the spark tier (`test_values.py`, `test_judge*.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.doors import parts_of, set_up
from cic_assets.settings import Settings, load_settings
from cic_assets.warehouse import embedded
from tests.doors import connect
from tests.end_to_end.steps import compute_charge_points, run_days, run_facts, run_ingest

OCPI = {"type": "json", "records": "data", "document": ["timestamp"]}
EVSE_STATUS = {
    "charge_point": "`evses.evse_id`", "status": "`evses.status`", "changed_at": "`evses.last_updated`",
    "confirmed_at": "`document.timestamp`",
}  # fmt: skip
REGISTRY = {
    "charge_point": "`evses.evse_id`", "connector_id": "`evses.connectors.id`", "location_id": "id",
    "rated_power": "`evses.connectors.max_electric_power`", "valid_from": "`document.timestamp`",
}  # fmt: skip
SESSIONS = {
    "session_id": "Id", "charge_point": "Charger", "started_at": "Start", "ended_at": "End", "energy": "kWh",
    "cost": "Cost", "currency": "'GBP'", "rated_power": "kW",
}  # fmt: skip
CDRS = "Id,Charger,Start,End,kWh,Cost,kW\n"
PATCH = {
    "charge_point": "regexp_extract(path, '/locations/[^/]+/[^/]+/[^/]+/([^/]+)$', 1)", "status": "`body.status`",
    "changed_at": "`body.last_updated`",
}  # fmt: skip


def stream(name: str, kind: str, party: str, columns: dict[str, str], form: dict[str, Any], **more: Any) -> Stream:
    content = {
        "id": name, "kind": kind, "description": "d", "provider": {"id": f"GB*{party}", "name": party},
        "authority": {"id": "X-1", "name": "A"}, "zone": "Europe/London", "format": form, "claims": [f"{name}*"],
        "columns": columns, "licence": "l", "contact": "c",
    }  # fmt: skip
    if kind == "sessions":
        content["vat_basis"] = "excluded"
    if kind == "status":
        content |= {"vocabulary": {"standard": "OCPI 2.2.1"}, "ends": "2026-05-31"}
    return parse_stream({**content, **more})


def location(site: str, *evses: dict[str, Any]) -> dict[str, Any]:
    return {"id": site, "evses": list(evses)}


def evse(uid: str, evse_id: str | None, status: str = "AVAILABLE", since: str = "2026-05-01", **more: Any) -> dict:
    kw = more.pop("kw", None)
    connectors = [{"id": "1", "max_electric_power": kw * 1000}] if kw else more.pop("connectors", [])
    return {
        "uid": uid, "evse_id": evse_id, "status": status, "last_updated": f"{since}T00:00:00Z",
        "connectors": connectors,
    }  # fmt: skip


def response(moment: str, *locations: dict[str, Any]) -> str:
    return json.dumps({"timestamp": f"{moment}:00Z", "data": locations})


def patch(evse_uid: str, **body: str) -> str:
    return json.dumps({"path": f"/ocpi/emsp/2.2.1/locations/GB/XXX/L1/{evse_uid}", "body": body})


@dataclass(frozen=True)
class Home:
    """A platform that all feeds of this module went through."""

    settings: Settings

    def rows(self, query: str) -> list[tuple]:
        with connect(self.settings) as connection:
            return connection.execute(query.encode()).fetchall()


PLACES = [
    (
        "2026-05-30",
        response(
            "2026-05-30T00:00",
            location("N", evse("1", "GB*PLA*E1", "OUTOFORDER", kw=50), evse("2", "GB*PLA*E2", "REMOVED", kw=7)),
            location("S", evse("1", "GB*PLA*E1", kw=7), evse("2", "GB*PLA*E2", kw=22)),
            location("T", evse("3", "GB*PLA*E3"), evse("4", None, connectors=None), {"evse_id": "GB*PLA*E5"}),
            {"id": "U"},
            {"id": "V", "evses": []},
            {"id": "W", "evses": None},
        ),
    )
]

FEEDS: list[tuple[Stream, list[tuple[str, str]]]] = [
    # Each charger counts its own sessions; a version of one of them; a counter that begins anew every day.
    (
        stream("ids", "sessions", "IDS", SESSIONS, {"type": "csv"}),
        [(
            "2026-06-02",
            "Id,Charger,Start,End,kWh,Cost,kW\n"
            "1,C1,2026-05-02T10:00Z,2026-05-02T11:00Z,5,1,22\n"
            "1,C2,2026-05-02T14:00Z,2026-05-02T15:00Z,7,1,22\n"
            "1,C2,2026-05-02T14:00Z,2026-05-02T15:00Z,7.5,1,22\n"
            "7,C1,2026-05-03T08:00Z,2026-05-03T09:00Z,1,1,22\n"
            "7,C1,2026-05-04T07:00Z,2026-05-04T08:00Z,2,1,22\n"
            "7,C1,2026-05-05T06:00Z,2026-05-05T07:00Z,4,1,22\n"
            "9,C1,2026-05-06T08:00Z,2026-05-06T09:00Z,8,1,22\n"
            "9,C1,2026-05-06T08:05Z,2026-05-06T09:00Z,9,1,22\n",
        )],
    ),
    # A floor's change, a Location's and a connector's are no states; a state without a word still is one in a poll.
    (
        stream("patches", "status", "PAT", PATCH, {"type": "jsonl"}),
        [(
            "2026-06-02",
            "\n".join([
                patch("E1", status="AVAILABLE", last_updated="2026-05-10T00:00:00Z"),
                patch("E1", floor_level="-1", last_updated="2026-05-10T06:00:00Z"),
                '{"path": "/locations/GB/XXX/L1", "body": {"name": "New", "last_updated": "2026-05-10T07:00:00Z"}}',
                patch("E1/1", tariff_ids="7", last_updated="2026-05-10T08:00:00Z"),
                patch("E1", status="CHARGING", last_updated="2026-05-10T12:00:00Z"),
                patch("E1", status="AVAILABLE", last_updated="2026-05-10T18:00:00Z"),
                patch("E1", status="AVAILABLE", last_updated="2026-05-11T00:00:00Z"),
            ]),
        )],
    ),
    # Six-hourly polls whose stamp stands still; a charge point whose stamp is older than the poll before.
    (
        stream("stands", "status", "STA", EVSE_STATUS, {**OCPI, "each": ["evses"]}, period="PT6H"),
        [
            (
                f"2026-05-20T{hour:02d}:01:00",
                response(
                    f"2026-05-20T{hour:02d}:00",
                    location("L1", evse("1", "GB*STA*E1", word), evse("2", "GB*STA*E2", other, since)),
                ),
            )
            for hour, word, other, since in (
                (0, "AVAILABLE", "AVAILABLE", "2026-05-19"), (6, "AVAILABLE", "CHARGING", "2026-05-20"),
                (12, "OUTOFORDER", "CHARGING", "2026-05-20"), (18, "OUTOFORDER", "AVAILABLE", "2026-05-20"),
            )
        ],
    ),
    # An id at two sites: one copy removed, or both there; connectors none, null or missing; a site without any.
    (
        stream("places", "locations", "PLA", REGISTRY, {**OCPI, "each": ["evses", "connectors"]}, units={"power": "W"}),
        PLACES,
    ),
    (stream("places_states", "status", "PLA", EVSE_STATUS, {**OCPI, "each": ["evses"]}, period="P7D"), PLACES),
    # One EVSE by two names: Locations know both, PATCHes the uid, CDRs another spelling of the eMI3 id.
    (
        stream("names", "locations", "NAM", REGISTRY, {**OCPI, "each": ["evses", "connectors"]}, units={"power": "W"}),
        [("2026-05-02", response("2026-05-01T00:00", location("L1", evse("3256", "GB*NAM*E0415", kw=22))))],
    ),
    (
        stream("names_patch", "status", "NAM", PATCH, {"type": "jsonl"}),
        [("2026-06-01", "\n".join([
            patch("3256", status="OUTOFORDER", last_updated="2026-05-12T06:00:00Z"),
            patch("3256", status="AVAILABLE", last_updated="2026-05-12T22:00:00Z"),
        ]))],
    ),
    (
        stream("names_cdr", "sessions", "NAM", SESSIONS, {"type": "csv"}),
        [("2026-06-01", CDRS + "S1,gb-nam-e0415,2026-05-12T22:10Z,2026-05-12T23:10Z,5,1,22\n")],
    ),
    # Around the end of April by London's clock, and a registry whose list has no ratings.
    (
        stream("months", "sessions", "MON", SESSIONS, {"type": "csv"}),
        [(
            "2026-06-01",
            "Id,Charger,Start,End,kWh,Cost,kW\nS1,C1,2026-04-15T10:00Z,2026-04-15T11:00Z,5,1,7\n"
            "S2,C2,2026-04-30T23:10Z,2026-05-01T00:10Z,5,1,7\n",
        )],
    ),
    (
        stream("removed", "status", "REM", PATCH, {"type": "jsonl"}),
        [("2026-06-02", "\n".join([
            patch("E1", status="AVAILABLE", last_updated="2026-04-29T00:00:00Z"),
            patch("E1", status="REMOVED", last_updated="2026-04-30T23:30:00Z"),
        ]))],
    ),
    (
        stream(
            "listed", "locations", "LIS", {"charge_point": "Charger", "location_name": "Site", "rated_power": "kW",
            "valid_from": "Since"}, {"type": "csv"},
        ),
        [("2026-04-02", "Charger,Site,kW,Since\nC1,High Street,50,2026-03-01\nC2,High Street,7,2026-03-01\n")],
    ),
    (
        stream("unrated", "locations", "LIS", {"charge_point": "Charger", "location_id": "Site", "valid_from": "Since"},
               {"type": "csv"}),
        [("2026-04-20", "Charger,Site,Since\nC1,L7,2026-04-10\n")],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def home(server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("feeds")
    server, name = embedded.locate(server_home), f"feeds_{abs(hash(folder)) % 10**9}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = replace(load_settings({"CIC_HOME": str(folder / "home")}), warehouse_url=server.url(name))
    set_up(settings)
    for each, deliveries in FEEDS:
        for number, (arrived, content) in enumerate(deliveries):
            path = folder / f"{each.id}_{number}.{each.format.type}"
            path.write_text(content)
            land(parts_of(settings), each, path, dt.datetime.fromisoformat(arrived).replace(tzinfo=dt.UTC))
    streams = {each.id: each for each, _ in FEEDS}
    run_ingest(settings, streams)
    run_days(settings, streams)
    run_facts(settings, asked_for=True)
    return Home(settings)


def test_an_id_that_does_not_identify_keeps_every_session_and_says_so(home):
    found = home.rows(
        "select session_id, charge_point_id, energy_kwh, flags from facts.charging_session"
        " where provider_id = 'GB*IDS' order by 1, 2, 3"
    )
    reused = ["id_reused"]
    assert [(name, point[-2:], float(kwh), flags) for name, point, kwh, flags in found] == [
        ("1", "C1", 5, reused), ("1", "C2", 7.5, reused), ("7", "C1", 1, reused), ("7", "C1", 2, reused),
        ("7", "C1", 4, reused), ("9", "C1", 9, []),
    ]  # fmt: skip
    assert home.rows("select superseded, unresolved from quality.reconciliation where stream_id = 'ids'") == [(2, 0)]


def seconds(home: Home, point: str, day: str) -> dict[str, float]:
    names = ("available", "charging", "outoforder", "unknown", "unreported", "unobserved")
    (row,) = home.rows(
        f"select {', '.join(f'{name}_seconds' for name in names)} from facts.charge_point_status_day"
        f" where charge_point_id = '{point}' and status_date = '{day}'"
    )
    return {name: float(value) / 3600 for name, value in zip(names, row, strict=True) if value}


def test_a_message_without_a_state_is_no_state(home):
    # The day is London's: an hour before it, and its last hour, belong to the others.
    assert seconds(home, "GB*PAT/E1", "2026-05-10") == {"unobserved": 1, "available": 17, "charging": 6}
    counts = "select rows_in, accepted, quarantined, skipped from quality.reconciliation where stream_id = 'patches'"
    assert home.rows(counts) == [(7, 4, 0, 3)]


def test_what_a_poll_saw_is_not_rewritten_by_an_older_stamp(home):
    assert seconds(home, "GB*STA/GB*STA*E1", "2026-05-20") == {
        "unobserved": 1, "available": 12, "outoforder": 6, "unreported": 5,
    }  # fmt: skip
    # E2 began to charge at midnight, after the poll of midnight had seen it free; it stopped at 18:00 at the latest.
    assert seconds(home, "GB*STA/GB*STA*E2", "2026-05-20") == {
        "unobserved": 1, "available": 6, "charging": 12, "unreported": 5,
    }  # fmt: skip
    flags = home.rows(
        "select distinct flags from facts.charge_point_status_day where 'instant_stands_still' = any(flags)"
    )
    assert flags == [(["instant_stands_still"],)]
    first = "select min(status_date)::text from facts.charge_point_status_day where stream_id = 'stands'"
    assert home.rows(first) == [("2026-05-20",)]


def test_an_id_at_two_places_has_place_and_rating_of_one_of_them_and_a_flag(home):
    found = home.rows(
        "select charge_point_id, location_id, rated_power_kw, also_at, flags from facts.charge_point"
        " where provider_id = 'GB*PLA' order by 1"
    )
    two = ["two_places"]
    assert found == [
        ("GB*PLA/4", "T", None, [], []),
        ("GB*PLA/GB*PLA*E1", "S", Decimal(7), ["N"], two), ("GB*PLA/GB*PLA*E2", "S", Decimal(22), ["N"], two),
        ("GB*PLA/GB*PLA*E3", "T", None, [], []), ("GB*PLA/GB*PLA*E5", "T", None, [], []),
    ]  # fmt: skip
    states = home.rows(
        "select charge_point_id, last_poll_state from facts.charge_point_edge where stream_id = 'places_states'"
        " order by 1"
    )
    assert [state for _, state in states] == ["AVAILABLE", "OUTOFORDER", "AVAILABLE", "AVAILABLE"]
    counts = "select rows_in, quarantined from quality.reconciliation where stream_id like 'places%' order by stream_id"
    # E5 says no state and no time; sites without EVSEs are no records.
    assert home.rows(counts) == [(7, 0), (7, 1)]


def test_uid_and_evse_id_are_one_charge_point(home):
    assert home.rows(
        "select charge_point_id, charge_point_alias from facts.charge_point where provider_id = 'GB*NAM'"
    ) == [("GB*NAM/GB*NAM*E0415", "3256")]
    assert seconds(home, "GB*NAM/GB*NAM*E0415", "2026-05-12")["outoforder"] == 16
    said = home.rows(
        "select charge_point_id, flags from facts.charging_session where provider_id = 'GB*NAM'"
        " union all select distinct charge_point_id, flags from facts.charge_point_status_day"
        " where provider_id = 'GB*NAM'"
    )
    assert said == [("GB*NAM/GB*NAM*E0415", [])] * 2


@pytest.fixture(scope="module")
def months(home: Home) -> Callable[[str, str], dict[str, tuple[int, int, int]]]:
    """(provider, month) → power class → registered, heard from, online."""
    streams = {each.id: each for each, _ in FEEDS}
    compute_charge_points(home.settings, streams, dt.date(2026, 3, 1), dt.date(2026, 7, 1))
    names = ("month_date", "provider_id", "power_class", "registered_count", "heard_from_count", "online_count")
    rows = [
        dict(zip(names, row, strict=True))
        for row in home.rows(f"select {', '.join(names)} from facts.charge_point_month")
    ]

    def found(party: str, month: str) -> dict[str, tuple[int, int, int]]:
        mine = [row for row in rows if (row["provider_id"], str(row["month_date"])[:7]) == (f"GB*{party}", month)]
        names = ("registered_count", "heard_from_count", "online_count")
        return {row["power_class"]: tuple(row[name] for name in names) for row in mine}

    return found


def test_a_month_ends_by_the_authoritys_clock_and_a_registry_alone_is_enough(months):
    assert months("MON", "2026-04") == {"0-8": (1, 1, 1)}
    # Removed at half past midnight of 1 May in London: available for half an hour of May.
    assert (months("REM", "2026-04"), months("REM", "2026-05")) == ({"unknown": (1, 1, 1)}, {"unknown": (0, 1, 1)})
    # A list without ratings takes none away; nobody was heard.
    for month in ("2026-03", "2026-05", "2026-06"):
        assert months("LIS", month) == {"0-8": (1, 0, 0), "50-150": (1, 0, 0)}
