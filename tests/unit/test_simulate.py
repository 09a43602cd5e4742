from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
from decimal import Decimal
from random import Random

import pytest

from cic_assets.lake.records import read_records
from cic_assets.settings import SHIPPED_STREAMS
from cic_assets.simulate import ASHBOURNE, BRACKENDALE, simulate
from cic_assets.simulate.dialects import CSV_HEADER
from cic_assets.simulate.dirt import KINDS, clean, soil
from cic_assets.simulate.network import build_points, charges
from cic_assets.simulate.status import timelines
from cic_assets.streams.load import claimants, load_streams

LAST = dt.date(2026, 11, 1)
SHORT = {"last_day": LAST, "days": 14, "charge_points": 20}


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("county"), last_day=LAST)


@pytest.fixture(scope="module")
def streams():
    return load_streams([SHIPPED_STREAMS])


def folder(path):
    return {found.name: found.read_bytes() for found in path.iterdir()}


def ashbourne(county):
    for file in county.files:
        if file.stream_id == ASHBOURNE:
            yield from csv.DictReader(io.StringIO(file.path.read_text(), newline=""))


def cdrs(county):
    for file in county.files:
        if file.stream_id == BRACKENDALE:
            yield from file.path.read_text().splitlines()


def dirty_rows():
    random = Random("kinds")
    for charge in charges(random, build_points(random, "A", 60), dt.date(2026, 1, 1), 90, "A"):
        yield soil(random, clean(charge))


def test_the_whole_folder_has_the_same_bytes_for_one_seed_and_others_for_another(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, seed=seed, **SHORT)
    first, again, other = (folder(tmp_path / name) for name in "abc")
    assert first == again
    assert set(first) == set(other) and "truth.json" in first
    assert [name for name in first if first[name] == other[name]] == []


def test_one_more_charge_point_each_changes_every_file(tmp_path):
    simulate(tmp_path / "a", **SHORT)
    simulate(tmp_path / "b", **{**SHORT, "charge_points": 21})
    assert [name for name, found in folder(tmp_path / "a").items() if found == folder(tmp_path / "b")[name]] == []


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
    on_disk = json.loads((county.files[0].path.parent / "truth.json").read_text())
    assert on_disk == {name: truth.as_json() for name, truth in {**county.truth, **county.status}.items()}


def test_each_file_is_claimed_by_its_own_stream(county, streams):
    for file in county.files:
        claims = {stream.id for stream in claimants(streams.values(), file.path.name)}
        assert claims == {each.stream_id for each in county.files if each.path == file.path}


def test_arrivals_ascend_and_weekly_files_come_on_mondays_at_six(county):
    moments = [(file.arrived_at, file.stream_id) for file in county.files]
    assert moments == sorted(set(moments))
    weekly = {moment for moment, stream_id in moments if stream_id.endswith("_sessions")}
    assert {(moment.weekday(), moment.timetz()) for moment in weekly} == {(0, dt.time(6, tzinfo=dt.UTC))}


def test_states_say_charging_exactly_while_a_session_runs(county):
    """OCPP's log of one provider against its sessions: every clean session is told from its start to its end."""
    told = {}
    for file in county.files:
        if file.stream_id == "dunholt_status":
            for line in file.path.read_text().splitlines():
                if line.endswith("}}"):
                    message = json.loads(line)
                    at = message["payload"]["timestamp"]
                    told.setdefault(f"{message['station']}-{message['payload']['evseId']}", {})[at] = message["payload"]
    sessions = matching = 0
    for file in county.files:
        if file.stream_id == "dunholt_sessions":
            for line in file.path.read_text().splitlines():
                cdr = json.loads(line) if line.endswith("}") else {}
                point = told.get(cdr.get("cdr_location", {}).get("evse_uid"))
                if cdr.get("end_date_time") and point:
                    edges = [
                        point.get(cdr[edge], {}).get("connectorStatus") for edge in ("start_date_time", "end_date_time")
                    ]
                    sessions, matching = sessions + 1, matching + (edges == ["Occupied", "Available"])
    # One station was silent for twelve days, and dirt shortens some sessions.
    assert sessions > 1000 and matching / sessions > 0.9


def test_outages_lie_between_sessions_and_take_about_a_thirtieth_of_the_time():
    random = Random("outages")
    points = build_points(random, "X", 40)
    found = list(charges(random, points, dt.date(2026, 6, 1), 60, "X"))
    lines = timelines(random, points, found, dt.date(2026, 6, 1), 60)
    down = dt.timedelta()
    for name, changes in lines.items():
        spans = [(a.at, b.at) for a, b in itertools.pairwise(changes) if a.state in ("OUTOFORDER", "INOPERATIVE")]
        down += sum((until - since for since, until in spans), dt.timedelta())
        mine = [charge for charge in found if charge.point.name == name]
        assert not any(since < charge.end and charge.start < until for since, until in spans for charge in mine)
        assert [change.at for change in changes] == sorted({change.at for change in changes})
    assert 0.01 < down / (40 * dt.timedelta(days=60)) < 0.06


def test_ashbournes_twins_are_the_overlaps_of_the_truth(county):
    ids = {row["Session"] for row in ashbourne(county)}
    twins = {name for name in ids if name.endswith("X")}
    assert twins and {name[:-1] for name in twins} <= ids
    assert county.truth[ASHBOURNE].overlapping == 2 * len(twins)


def test_ashbournes_energy_in_facts_is_that_of_its_good_sessions(county):
    energy, rejected = {}, 0
    for row in ashbourne(county):
        if is_rejected(row):
            rejected += 1
        else:
            energy[row["Session"]] = Decimal(row["kWh"])
    truth = county.truth[ASHBOURNE]
    assert (rejected, len(energy), sum(energy.values())) == (truth.quarantined, truth.in_facts, truth.energy_kwh)


def is_rejected(row):
    if row[CSV_HEADER[-1]] is None or not row["Charger"] or not row["Ended"]:
        return True
    start, end = (dt.datetime.strptime(row[edge], "%d/%m/%Y %H:%M") for edge in ("Started", "Ended"))
    energy, hours = float(row["kWh"]), (end - start).total_seconds() / 3600
    limit = float(row["Rated kW"]) * hours
    return end <= start or start.year < 2010 or energy < 0 or (energy > 1.5 * limit and energy - limit > 1)


def test_each_credit_cdr_credits_a_cdr_that_was_sent(county):
    found = [json.loads(line) for line in cdrs(county) if line.endswith("}")]
    sent = {cdr["id"]: cdr for cdr in found if "credit" not in cdr}
    credits = [cdr for cdr in found if cdr.get("credit")]
    assert len(credits) == county.truth[BRACKENDALE].credits > 0
    for cdr in credits:
        credited = sent[cdr["credit_reference_id"]]
        assert cdr["total_cost"]["excl_vat"] == -credited["total_cost"]["excl_vat"]
        assert cdr["session_id"] == credited["session_id"]


def test_each_kind_of_dirt_occurs_at_about_its_rate_and_changes_its_row():
    kinds = [kind for kind, _ in dirty_rows()]
    assert set(kinds) == {*KINDS, None}
    for kind, (share, _) in KINDS.items():
        assert share / 3 < kinds.count(kind) / len(kinds) < share * 3, kind


def test_dirt_names_a_rule_and_clean_rows_none():
    for kind, row in dirty_rows():
        assert bool(row.rules) == (kind is not None)
        assert not row.rejected or row.rules


def test_clean_sessions_never_overlap_on_a_connector():
    random = Random(3)
    free_from = {}
    for charge in charges(random, build_points(random, "A", 10), dt.date(2026, 3, 1), 60, "A"):
        assert charge.start >= free_from.get(charge.point.name, charge.start) and charge.end > charge.start
        free_from[charge.point.name] = charge.end
    assert len(free_from) == 10
