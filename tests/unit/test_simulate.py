from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
import re
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from cic_assets.formats.read import read_records
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.simulate import ASHBOURNE, BRACKENDALE, Simulation, simulate
from cic_assets.simulate.clock import (
    DAY,
    HOUR,
    MINUTE,
    at,
    is_repeated,
    midnight,
    utc,
    wall_minute,
    wall_with_offset,
)
from cic_assets.simulate.dirt import CDR_KINDS, KINDS, Row, soil
from cic_assets.simulate.exchange import INVALID_EVERY
from cic_assets.simulate.expected import Manner, expected
from cic_assets.simulate.life import Era, life
from cic_assets.simulate.network import build
from cic_assets.simulate.told import HEADER, Told
from cic_assets.streams.load import claimants, load_streams

LAST = dt.date(2026, 11, 1)
SHORT = {"last_day": LAST, "days": 14, "charge_points": 20}
START = at(dt.date(2026, 3, 1))


def uid(charge_point_id: str) -> str:
    """Brackendale's technical id of an EVSE, which stands in paths of PATCH requests, Sessions and CDRs."""
    return f"B{charge_point_id.removeprefix('GB*BRK/GB*BRK*E')}"


@pytest.fixture(scope="module")
def county(tmp_path_factory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("county"), last_day=LAST, exchange=True)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("clean"), last_day=LAST, days=28, charge_points=15, dirt=0)


@pytest.fixture(scope="module")
def streams():
    return load_streams([EXAMPLE_STREAMS])


def folder(path: Path) -> dict[str, bytes]:
    return {str(found.relative_to(path)): found.read_bytes() for found in path.rglob("*") if found.is_file()}


def out(county: Simulation) -> Path:
    return county.files[0].path.parent


def truth_rows(county: Simulation, table: str) -> list[dict[str, str]]:
    paths = sorted((out(county) / "truth").glob(f"*_{table}.csv"))
    return [row for path in paths for row in csv.DictReader(path.open(newline=""))]


def lines(county: Simulation, stream_id: str) -> list[str]:
    return [line for f in county.files if f.stream_id == stream_id for line in f.path.read_text().splitlines()]


def test_one_seed_has_the_same_bytes_in_one_process_and_in_two_and_another_seed_has_others(tmp_path):
    for name, seed, workers in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        simulate(tmp_path / name, seed=seed, workers=workers, exchange=True, **SHORT)
    first, again, other = (folder(tmp_path / name) for name in "abc")
    assert first == again
    # Prices do not depend on the seed, and in two weeks hardly a site has planned works.
    kept = {name for name in first if other.get(name) == first[name]}
    assert {name for name in kept if not name.startswith("exchange")} <= {
        name for name in first if name.endswith(("tariffs.json", "planned_works.csv"))
    }
    assert "truth.json" in first and len(first) > 100


def test_progress_ascends_to_all(tmp_path):
    seen: list[float] = []
    simulate(tmp_path, progress=seen.append, **{**SHORT, "charge_points": 1})
    assert seen == sorted(set(seen)) and seen[-1] == 1


def test_the_readers_find_the_records_and_the_broken_ones_that_the_truth_says(county, streams):
    truth = {**county.truth, **county.status}
    rows, broken = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for file in county.files:
        if file.stream_id in truth:
            with file.path.open("rb") as handle:
                found = list(read_records(handle, streams[file.stream_id].format).records)
            rows[file.stream_id] += len(found)
            broken[file.stream_id] += sum(record.fault is not None for record in found)
    assert rows == {name: found.rows for name, found in truth.items()}
    assert broken == {name: found.fired["D01"] for name, found in truth.items()}


def test_the_truth_on_disk_is_the_truth_returned(county):
    on_disk = json.loads((out(county) / "truth.json").read_text())
    assert on_disk == {name: truth.as_json() for name, truth in {**county.truth, **county.status}.items()}


def test_each_file_is_claimed_by_its_own_stream_and_what_is_beside_by_none(county, streams):
    for file in county.files:
        claims = {stream.id for stream in claimants(streams.values(), file.path.name)}
        assert claims == {each.stream_id for each in county.files if each.path == file.path}
    assert county.beside
    assert [path for path in county.beside if claimants(streams.values(), path.name)] == []


def test_arrivals_ascend_and_weekly_files_come_on_mondays_at_six(county):
    moments = [(file.arrived_at, file.stream_id) for file in county.files]
    assert moments == sorted(set(moments))
    weekly = {moment for moment, stream_id in moments if re.search("(ne|e|t|h)_sessions$", stream_id)}
    assert {(moment.weekday(), moment.timetz()) for moment in weekly} == {(0, dt.time(6, tzinfo=dt.UTC))}


def test_clean_feeds_tell_charging_exactly_while_sessions_run(clean):
    """OCPI pushes of every change: time in CHARGING is the time of the sessions, and of those that still run."""
    told: dict[str, int] = Counter()
    for row in truth_rows(clean, "status_day"):
        if row["charge_point_id"].startswith("GB*BRK/"):
            told[row["charge_point_id"]] += int(row["charging_seconds"])
    took: dict[str, int] = Counter()
    for row in truth_rows(clean, "sessions"):
        seconds = dt.datetime.fromisoformat(row["ended_at"]) - dt.datetime.fromisoformat(row["started_at"])
        took[row["charge_point_id"]] += int(seconds.total_seconds())
    running = {point for point in told if told[point] != took[point]}
    last = {point: json.loads(line)["body"]["status"] for point in told for line in lines(clean, "brackendale_status")
            if uid(point) == json.loads(line)["path"].rpartition("/")[2]}  # fmt: skip
    assert sum(told.values()) > 100 * HOUR
    assert running <= {point for point, word in last.items() if word == "CHARGING"}


def test_a_day_is_as_long_as_the_clock_says_whatever_was_told(county):
    lengths: dict[str, set[int]] = defaultdict(set)
    for row in truth_rows(county, "status_day"):
        lengths[row["status_date"]].add(sum(int(row[name]) for name in HEADER[2:-1]))
    assert lengths.pop("2026-10-25") == {25 * HOUR}
    assert len(lengths) == 89 and set().union(*lengths.values()) == {DAY}


def test_told_believes_a_state_until_its_silence_and_nothing_after_the_cover():
    table = io.StringIO()
    told = Told("p/1", table, START, START + 4 * DAY)
    told.say(START + 6 * HOUR, "AVAILABLE", DAY)
    told.hear(START + 18 * HOUR, DAY)
    told.say(START + 54 * HOUR, "CHARGING", DAY)
    told.finish(START + 60 * HOUR)
    days = [row.split(",")[2:] for row in table.getvalue().splitlines()]
    place = {name: number for number, name in enumerate(HEADER[2:])}
    hours = [{n: int(day[p]) // HOUR for n, p in place.items() if day[p] != "0"} for day in days]
    assert hours == [
        {"unobserved_seconds": 6, "available_seconds": 18},
        {"available_seconds": 18, "unreported_seconds": 6},
        {"unreported_seconds": 6 + 12, "charging_seconds": 6},
        {"unreported_seconds": 24},
    ]
    assert told.charging_seconds == 6 * HOUR


def test_told_never_doubts_what_is_removed_and_sees_seven_changes_in_an_hour():
    table = io.StringIO()
    told = Told("p/1", table, START, START + 3 * DAY)
    for number in range(8):
        told.say(START + HOUR + number * 5 * MINUTE, "AVAILABLE" if number % 2 else "OUTOFORDER", DAY)
    told.say(START + 3 * HOUR, "REMOVED", HOUR)
    told.finish(START + 60 * HOUR)
    days = [row.split(",") for row in table.getvalue().splitlines()]
    removed = HEADER.index("removed_seconds")
    assert [int(day[removed]) // HOUR for day in days] == [21, 24, 12]
    assert [day[-1] for day in days] == ["1", "0", "0"] and told.flapping_days == 1


def test_the_wall_clock_repeats_an_hour_in_autumn_and_days_are_23_and_25_hours_long():
    first, second = at(dt.date(2026, 10, 25), 0, 30), at(dt.date(2026, 10, 25), 1, 30)
    assert wall_minute(first) == wall_minute(second) == "25/10/2026 01:30"
    assert (wall_with_offset(first)[-6:], wall_with_offset(second)[-6:]) == ("+01:00", "+00:00")
    assert [is_repeated(moment) for moment in (first - HOUR, first, second, second + HOUR)] == [
        False,
        True,
        True,
        False,
    ]
    lengths = {
        day: midnight(day + dt.timedelta(days=1)) - midnight(day)
        for day in (dt.date(2026, 3, 29), dt.date(2026, 7, 1), dt.date(2026, 10, 25))
    }
    assert list(lengths.values()) == [23 * HOUR, DAY, 25 * HOUR]
    assert (utc(0), wall_minute(0)) == ("1970-01-01T00:00:00Z", "01/01/1970 01:00")


def row(**values: object) -> Row:
    """An hour at 7.4 kW with 7 kWh for 3.15."""
    usual = {
        "session_id": "X1", "point": "X", "start": START, "end": START + HOUR, "energy_wh": 7000, "pence": 315,
        "rated_w": 7400, "charging": HOUR, "token": "T", "last_updated": START + HOUR,
    }  # fmt: skip
    return Row(**{**usual, **values})


# numbers.md 4, by hand: what is sent, and the rules that it breaks.
FAULTS: list[tuple[dict[str, object], set[str]]] = [
    ({}, set()),
    ({"point": None}, {"S01"}),
    ({"end": None}, {"S01"}),
    ({"end": None, "status": "ACTIVE"}, set()),
    ({"end": START}, {"S02", "S09", "S10"}),
    ({"energy_wh": None}, {"S03"}),
    ({"energy_wh": -1}, {"S03", "S08"}),
    ({"start": START + 10 * DAY, "end": START + 10 * DAY + HOUR}, {"S04"}),
    ({"start": 12 * HOUR, "end": 13 * HOUR}, {"S04"}),
    ({"energy_wh": 11_101}, {"S05", "S06"}),
    ({"energy_wh": 8_141}, {"S06"}),
    ({"energy_wh": 8_140}, set()),
    ({"energy_wh": 0, "pence": 0}, {"S07", "S08"}),
    ({"energy_wh": 499}, {"S08", "S14"}),
    ({"energy_wh": 500, "pence": 23}, set()),
    ({"end": START + 2881 * MINUTE, "energy_wh": 251_000, "pence": 9999, "charging": 1}, {"S08", "S09"}),
    ({"charging": HOUR + 60}, {"S10"}),
    ({"energy_wh": 740_000, "pence": 9999}, {"S05", "S06", "S08", "S14"}),
    ({"energy_wh": 7, "pence": 0}, {"S08", "S14"}),
    ({"pence": 34}, {"S14"}),
    ({"broken": True, "point": None}, {"D01"}),
]


@pytest.mark.parametrize(("fault", "rules"), FAULTS)
def test_the_expected_rules_are_those_of_the_definitions(fault, rules):
    assert set(expected(row(**fault), START + 7 * DAY, Manner(says_charging=True), is_swapped=False)) == rules


def test_swapped_days_and_repeated_hours_are_expected_on_the_wall_clock_only():
    swapped = row(start=at(dt.date(2026, 3, 12), 23), end=at(dt.date(2026, 3, 13), 0))
    for moved, fires in ((swapped, True), (row(start=at(dt.date(2026, 3, 3)), end=at(dt.date(2026, 3, 3), 1)), False)):
        found = expected(moved, START + 90 * DAY, Manner(on_wall_clock=True), is_swapped=True)
        assert ("S15" in found) == fires
    repeated = row(start=at(dt.date(2026, 10, 25), 0, 10), end=at(dt.date(2026, 10, 25), 1, 10))
    for manner, fires in ((Manner(on_wall_clock=True), ["DST"]), (Manner(), [])):
        assert expected(repeated, START + 300 * DAY, manner, is_swapped=False) == fires


def test_sites_close_works_stop_use_and_points_appear_move_and_go(county):
    starts = defaultdict(list)
    for found in truth_rows(county, "sessions"):
        if found["charge_point_id"].startswith("GB*BRK/"):
            starts[uid(found["charge_point_id"])].append(dt.datetime.fromisoformat(found["started_at"]))
    snapshots = [json.loads(f.path.read_text()) for f in county.files if f.stream_id == "brackendale_snapshot"]
    places: dict[str, list[str]] = defaultdict(list)
    words: dict[str, list[str]] = defaultdict(list)
    for snapshot in snapshots:
        for site in snapshot["data"]:
            hours = site["opening_times"]
            for evse in site["evses"]:
                places[evse["uid"]].append(site["id"])
                words[evse["uid"]].append(evse["status"])
                if not hours["twentyfourseven"]:
                    local = {s.astimezone(dt.timezone(dt.timedelta(hours=1))).hour for s in starts[evse["uid"]]}
                    assert hours["regular_hours"][0]["period_begin"] == "07:00" and not local & set(range(1, 6))
    assert words["B0007"][0] == "PLANNED" != words["B0007"][-1] and not starts["B9002"][0] < starts["B0007"][0]
    assert words["B0011"][-1] == "REMOVED" == words["B9001"][-1]
    assert len(set(places["B0013"])) == 2 and len(set(places["B0014"])) == 1
    works = list(csv.DictReader((out(county) / "brackendale_planned_works.csv").open()))
    assert works and {site["location_id"] for site in works} <= {place for found in places.values() for place in found}
    for closed in works:
        since, until = (dt.datetime.fromisoformat(closed[name]) for name in ("from", "until"))
        for point, found in starts.items():
            if set(places[point]) == {closed["location_id"]}:
                assert [start for start in found if since <= start < until] == []


def test_planned_works_and_the_end_of_a_charge_point_are_told(county):
    said = [json.loads(line)["body"] for line in lines(county, "brackendale_status") if line.endswith("}}")]
    assert {body["status"] for body in said} >= {"PLANNED", "REMOVED", "INOPERATIVE", "OUTOFORDER", "CHARGING"}


def test_tariffs_say_what_sessions_cost(clean):
    """Before and after the change of prices, by rated power."""
    tariffs = json.loads((out(clean) / "brackendale_tariffs.json").read_text())
    prices = {(t["id"], "start_date_time" in t): t["elements"][0]["price_components"][0]["price"] for t in tariffs}
    change = dt.datetime.fromisoformat(next(t["start_date_time"] for t in tariffs if "start_date_time" in t))
    assert len(prices) == 8
    for line in lines(clean, BRACKENDALE):
        cdr = json.loads(line)
        key = (
            f"T{cdr['cdr_location']['max_electric_power'] // 1000}",
            dt.datetime.fromisoformat(cdr["start_date_time"]) >= change,
        )
        assert abs(cdr["total_energy"] * prices[key] - cdr["total_cost"]["excl_vat"]) < 0.0051


def test_every_other_gap_has_room_for_an_outage_and_works_and_sessions_never_overlap():
    random = Random("life")
    end = START + 365 * DAY
    points = build(random, "A", 40, False, START, end)
    down = 0
    for number, point in enumerate(points):
        changes = list(life(point, Era(START, end, 1.0, 60, True, "s"), number == 0))
        moments = [change.at for change in changes]
        assert moments == sorted(set(moments)), "two things at once"
        for change, later in itertools.pairwise(changes):
            # Only a session goes on or ends after a time in use, and nothing else does after other times.
            in_session = later.phase not in ("", "Preparing") or (later.charge is not None and not later.phase)
            assert (change.state == "CHARGING") == in_session, (change, later)
            down += (later.at - change.at) * (change.state in ("OUTOFORDER", "INOPERATIVE"))
        for change in changes:
            if change.charge and change.phase == "":
                assert change.charge.charging <= change.charge.end - change.charge.start
                assert not (is_repeated(change.at) and not is_repeated(change.at + HOUR)), "the hour after the change"
    assert 0.01 < down / (40 * 365 * DAY) < 0.06


def test_ashbournes_twins_are_the_overlaps_of_the_truth(county):
    ids = {found["Session"] for found in ashbourne(county)}
    twins = {name for name in ids if name.endswith("X")}
    assert twins and {name[:-1] for name in twins} <= ids
    assert county.truth[ASHBOURNE].overlapping == 2 * len(twins)


def ashbourne(county: Simulation):
    for file in county.files:
        if file.stream_id == ASHBOURNE:
            yield from csv.DictReader(io.StringIO(file.path.read_text(), newline=""))


def test_each_credit_cdr_credits_a_cdr_that_was_sent(county):
    found = [json.loads(line) for line in lines(county, BRACKENDALE) if line.endswith("}")]
    sent = {cdr["id"]: cdr for cdr in found if "credit" not in cdr}
    credits = [cdr for cdr in found if cdr.get("credit")]
    assert len(credits) == county.truth[BRACKENDALE].credits > 0
    for cdr in credits:
        credited = sent[cdr["credit_reference_id"]]
        assert cdr["total_cost"]["excl_vat"] == -credited["total_cost"]["excl_vat"]
        assert cdr["session_id"] == credited["session_id"]


def test_sessions_of_ocpi_have_cdrs_or_stay_open(county):
    sessions = [json.loads(line) for line in lines(county, "brackendale_ocpi_sessions")]
    billed = {json.loads(line)["session_id"] for line in lines(county, BRACKENDALE) if line.endswith("}")}
    by_status = Counter((session["status"], session["id"] in billed) for session in sessions)
    assert {status for status, _ in by_status} == {"ACTIVE", "COMPLETED", "INVALID", "RESERVATION"}
    assert not by_status["COMPLETED", False]
    unbilled = {session["id"] for session in sessions if session["status"] == "ACTIVE"} - billed
    # Those whose CDR is dirt wait too.
    assert len(unbilled) <= county.truth["brackendale_ocpi_sessions"].open


def test_each_kind_of_dirt_occurs_at_about_its_rate(county):
    kinds = Counter[str]()
    for truth in county.truth.values():
        kinds += truth.planted
    rows, cdrs = (
        sum(kinds.values()),
        sum(sum(county.truth[f"{p}_sessions"].planted.values()) for p in ("brackendale", "dunholt")),
    )
    for kind, (share, _) in CDR_KINDS.items():
        base = rows if kind in KINDS else cdrs
        # What would be too little for its kind of dirt stays clean.
        floor = 8 if kind == "in_wh" else 2
        assert share / floor < kinds[kind] / base < share * 1.6, (kind, kinds[kind] / base)


def test_no_dirt_and_double_dirt():
    random, clean_row = Random("soil"), row()
    assert [soil(random, clean_row, KINDS, 0) for _ in range(2000)] == [clean_row] * 2000
    shares = [
        sum(soil(random, clean_row, KINDS, dirt).planted != "" for _ in range(20_000)) / 20_000 for dirt in (1, 2)
    ]
    assert shares[1] / shares[0] == pytest.approx(2, rel=0.15)


def test_bays_are_taken_while_sessions_run_and_now_and_then_by_others(county):
    bays = truth_rows(county, "bays")
    others = [bay for bay in bays if not bay["session_id"]]
    assert 0.02 < len(others) / len(bays) < 0.1
    sessions = {found["session_id"]: found for found in truth_rows(county, "sessions")}
    for bay in bays:
        if bay["session_id"]:
            session = sessions[bay["session_id"]]
            assert bay["occupied_from"] <= session["started_at"] < session["ended_at"] <= bay["occupied_until"]
    said = Counter[str]()
    for path in county.beside:
        if "_bays_" in path.name:
            for line in path.read_text().splitlines():
                entity = json.loads(line)
                assert entity["type"] == "ParkingSpot" and entity["status"]["type"] == "Property"
                said[entity["status"]["value"]] += 1
    # A silent sensor per provider; and cars that still charge at the end.
    assert 0 < 2 * len(bays) - said["free"] - said["occupied"] < 0.1 * len(bays)


def test_the_exchange_lays_each_message_where_its_content_says(county):
    """`UdxStreamPartitioner` decides by the payload alone; so does this test."""
    lake = out(county) / "exchange"
    places = Counter[str]()
    for path in lake.rglob("*.json"):
        (line,) = path.read_text().splitlines()
        place = "/".join(path.relative_to(lake).parts[:-1])
        places[re.sub(r"\W.*", "", partition(line).replace("invalid_payloads/corrupt", "corrupt"))] += 1
        assert re.sub(r"stream_uuid=[^/]+", "stream_uuid=*", place) == partition(line), path
        assert re.fullmatch(r"wealdshire\.(sessions|locations)\+0\+\d{10}\.json", path.name)
    sent = sum((Counter(counted) for counted in county.exchange.values()), Counter())
    assert sum(places.values()) == sum(sent.values())
    assert set(sent) == {"stream", "corrupt", "no_id", "bad_timestamp"}
    assert sent["stream"] / sum(sent.values()) == pytest.approx(1 - 3 / INVALID_EVERY, abs=0.005)


def partition(line: str) -> str:
    envelope = json.loads(line)
    if set(envelope) != {"payload"}:
        return "invalid_payloads/corrupt_payloads"
    body = json.loads(envelope["payload"])
    if "id" not in body:
        return "invalid_payloads/stream_uuid=*"
    stamp = body["timestamp"]["value"] if isinstance(body["timestamp"], dict) else body["timestamp"]
    name = re.sub(r"[^A-Za-z0-9!\-_.*'()]", "_", body["id"])
    try:
        is_number = isinstance(stamp, int) or stamp.isdigit()
        moment = dt.datetime.fromtimestamp(int(stamp) / 1000, dt.UTC) if is_number else dt.datetime.fromisoformat(stamp)
    except ValueError:
        return f"invalid_payloads/stream_uuid=*/entity_id={name}/{re.sub(r'[^A-Za-z0-9!._*-]', '_', stamp)}"
    return f"stream_uuid=*/entity_id={name}/year_month={moment:%Y-%m}/day={moment:%d}/hour={moment:%H}"


def test_true_costs_are_whole_pence(clean):
    assert {Decimal(found["cost"]).as_tuple().exponent for found in truth_rows(clean, "sessions")} == {-2}
