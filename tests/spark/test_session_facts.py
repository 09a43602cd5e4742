from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cic_assets.facts.charging_session import reused_ids
from cic_assets.facts.sessions import SESSION_FACT, session_day, session_facts
from cic_assets.lake.rows import rows_of
from cic_assets.lake.tables import hand_over
from cic_assets.onboard.problems import reused_problems
from tests.builders import NOON, accepted, accepted_table, frame, registry

JANUARY = (dt.date(2026, 1, 1), dt.date(2026, 2, 1))
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def made(spark, *rows, window=JANUARY, listed=None, groups=1):
    """Sessions, their days, and what became of the rows."""
    found = session_facts(frame(spark, *rows), listed or registry(spark), *window, groups)
    table = found.made.toArrow()
    session = table.filter(pc.field("outcome").is_null()).select(SESSION_FACT.names)
    placed = table.filter(pc.field("outcome").is_valid()).to_pylist()
    assert sum(row["row_count"] for row in placed) == found.rows_read
    return session, session_day(hand_over(spark, session.combine_chunks())), placed


def facts(spark, *rows, **values):
    session, day, placed = made(spark, *rows, **values)
    sessions = {row["session_id"]: row for row in session.to_pylist()}
    return sessions, day.toArrow().to_pylist(), placed


def counts(placed):
    """Of one arrival and month."""
    assert len({(row["stream_id"], row["arrival_date"], row["period_date"]) for row in placed}) == 1
    rows = {row["outcome"]: row["row_count"] for row in placed}
    return tuple(rows.pop(name, 0) for name in ("in_facts", "open", "duplicates", "superseded"))


def test_day_statistics_leave_failed_starts_out_of_energy_but_not_out_of_the_count(spark):
    rows = [
        accepted("1", energy_kwh="10.5", revenue="2"),
        accepted("2", start=NOON + 2 * HOUR, energy_kwh="4.25", revenue=None, minutes=30),
        accepted("3", start=NOON + 4 * HOUR, energy_kwh=0, revenue="0", minutes=3),
    ]
    _, (day,), placed = facts(spark, *rows)
    assert (day["session_count"], day["failed_session_count"], day["revenue_count"]) == (3, 1, 2)
    assert (day["energy_kwh_min"], day["energy_kwh_max"], day["energy_kwh_total"]) == (
        Decimal("4.2500"), Decimal("10.5000"), Decimal("14.7500"),
    )  # fmt: skip
    assert day["duration_seconds_total"] == Decimal(5580)
    assert day["revenue_total"] == Decimal("2.0000")
    assert counts(placed) == (3, 0, 0, 0)


def test_equal_rows_are_duplicates_and_older_versions_superseded(spark):
    later = NOON + DAY
    rows = [
        accepted("1", content_hash="a"),
        accepted("1", content_hash="a", source_line=3),
        accepted("2", start=NOON + 3 * HOUR, content_hash="b", energy_kwh=5, last_updated=NOON),
        accepted("2", start=NOON + 3 * HOUR, content_hash="c", energy_kwh=6, last_updated=later),
    ]
    sessions, _, placed = facts(spark, *rows)
    assert sessions["2"]["energy_kwh"] == Decimal(6)
    assert counts(placed) == (2, 0, 1, 1)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_without_last_updated_the_last_arrival_wins_in_any_order(spark, order):
    rows = [
        accepted("1", content_hash="a", energy_kwh=5),
        accepted("1", content_hash="b", energy_kwh=6, arrival_date=dt.date(2026, 1, 19)),
    ]
    session, _, _ = made(spark, *(rows[n] for n in order))
    assert session["energy_kwh"].to_pylist() == [Decimal(6)]


def test_a_newer_version_in_another_month_supersedes_the_one_in_this(spark):
    eve = dt.datetime(2026, 1, 31, 20, tzinfo=dt.UTC)
    february = eve + 8 * HOUR
    rows = [
        accepted("1", start=eve, content_hash="a", last_updated=NOON),
        accepted("1", content_hash="b", start=february, last_updated=february),
    ]
    sessions, _, placed = facts(spark, *rows)
    assert sessions == {}
    assert counts(placed) == (0, 0, 0, 1)


@pytest.mark.parametrize("reverse", [False, True])
def test_an_id_that_does_not_identify_keeps_all_its_sessions(spark, reverse):
    day_on, at_2 = NOON + DAY, {"charge_point_id": "p/2"}
    rows = [
        # Each charge point counts from 1; one of them is open still.
        accepted("1", content_hash="a", connector_id="9"), accepted("1", content_hash="b", energy_kwh=7, **at_2),
        accepted("1", content_hash="c", start=day_on, is_open=True, status="ACTIVE", **at_2),
        # The counter restarts: the same charge point, more than 24 h on; and a version of the second one.
        accepted("2", content_hash="d"),
        accepted("2", content_hash="e", start=day_on + HOUR, energy_kwh=5),
        accepted("2", content_hash="f", start=day_on + HOUR, energy_kwh=6, last_updated=day_on),
        accepted("2", content_hash="f", start=day_on + HOUR, energy_kwh=6, last_updated=day_on, source_line=9),
        # 24 h exactly: versions.
        accepted("3", content_hash="g", start=NOON + 5 * HOUR), 
        accepted("3", content_hash="h", start=NOON + 29 * HOUR, last_updated=day_on),
    ]  # fmt: skip
    session, _, placed = made(spark, *(reversed(rows) if reverse else rows))
    sessions = sorted(
        (row["session_id"], row["charge_point_id"], row["started_at"], int(row["energy_kwh"]), row["flags"])
        for row in session.to_pylist()
    )
    assert sessions == [
        ("1", "p/1", NOON, 10, ["id_reused"]), ("1", "p/2", NOON, 7, ["id_reused"]),
        ("2", "p/1", NOON, 10, ["id_reused"]), ("2", "p/1", day_on + HOUR, 6, ["id_reused"]),
        ("3", "p/1", NOON + 29 * HOUR, 10, []),
    ]  # fmt: skip
    assert counts(placed) == (5, 1, 1, 2)


def test_a_number_of_which_a_spreadsheet_kept_the_first_digits_is_no_id(spark):
    """Two charges of one evening would else be versions of one; a corrected one still is a version."""
    names = ("8.9E+15", "8,91E+12", "1E14", "8.91234567890123E+15", "E+15", "89E15x")
    rows = [
        accepted(name, content_hash=f"{name} {hours} {kwh}", start=NOON + hours * HOUR, energy_kwh=kwh, source_line=kwh)
        for name in names
        for hours, kwh in ((0, 1), (3, 2), (3, 4))
    ]
    found = made(spark, *rows)[0].to_pylist()
    kept = {name: sorted(int(row["energy_kwh"]) for row in found if row["session_id"] == name) for name in names}
    assert kept == {name: [1, 4] if name in names[:3] else [4] for name in names}
    assert {row["session_id"] for row in found if "id_reused" in row["flags"]} == {*names[:3]}


def test_a_cdr_bills_the_session_at_its_charge_point_and_a_credit_what_stands_there(spark):
    at_2 = {"charge_point_id": "p/2", "start": NOON + HOUR}
    rows = [
        accepted("1"), accepted("1", content_hash="b", **at_2), accepted("9", start=NOON + 5 * HOUR),
        accepted("C1", record_kind="cdr", cdr_session_id="1", **at_2),
        accepted("C9", record_kind="cdr", cdr_session_id="9", start=NOON + 30 * HOUR),
        # CDR ids per charge point too: the credit is of the one at its own.
        accepted("7", record_kind="cdr", start=NOON + 3 * HOUR),
        accepted("7", record_kind="cdr", charge_point_id="p/2", start=NOON + 3 * HOUR, content_hash="d"),
        accepted("8", record_kind="cdr", credit=True, credit_reference_id="7", start=NOON + 3 * HOUR),
        accepted("10", record_kind="cdr", credit=True, credit_reference_id="C1", start=NOON + 9 * HOUR),
    ]  # fmt: skip
    found = made(spark, *rows)[0].to_pylist()
    flags = {(row["session_id"], row["charge_point_id"]): sorted(set(row["flags"]) - {"S11"}) for row in found}
    assert flags == {
        ("1", "p/1"): ["id_reused"], ("9", "p/1"): ["id_reused"], ("C1", "p/2"): [], ("C9", "p/1"): ["id_reused"],
        ("7", "p/1"): ["credited", "id_reused"], ("7", "p/2"): ["id_reused"], ("8", "p/1"): ["credit"],
        ("10", "p/1"): ["credit", "credit_without_original"],
    }  # fmt: skip


def test_a_cdr_at_another_charge_point_than_its_session_is_never_counted_beside_it_in_silence(spark):
    late = NOON + 2 * DAY
    rows = [
        # Two ids of one point: the CDR wins, marked; so it does over one that is open.
        accepted("S1"), accepted("C1", record_kind="cdr", cdr_session_id="S1", charge_point_id="p/2"),
        accepted("S2", is_open=True, status="ACTIVE", charge_point_id="p/3"),
        accepted("C2", record_kind="cdr", cdr_session_id="S2", charge_point_id="p/4"),
        # Two days on: nobody wins, both are marked.
        accepted("S3", charge_point_id="p/5"),
        accepted("C3", record_kind="cdr", cdr_session_id="S3", charge_point_id="p/6", start=late),
        # The id is reused, and the CDR stands at neither.
        accepted("S4", charge_point_id="p/7"), accepted("S4", charge_point_id="p/8", content_hash="b"),
        accepted("C4", record_kind="cdr", cdr_session_id="S4", charge_point_id="p/9"),
        # One CDR agrees, another does not; and a credit, which has the time of the refund.
        accepted("S5", charge_point_id="q/1"),
        accepted("C5", record_kind="cdr", cdr_session_id="S5", charge_point_id="q/1"),
        accepted("D5", record_kind="cdr", cdr_session_id="S5", charge_point_id="q/2"),
        accepted("R5", record_kind="cdr", cdr_session_id="S5", charge_point_id="q/1", start=late, credit=True,
                 credit_reference_id="C5"),
    ]  # fmt: skip
    session, _, placed = made(spark, *rows)
    flags = {(row["session_id"], row["charge_point_id"]): row["flags"] for row in session.to_pylist()}
    assert flags == {
        ("C1", "p/2"): ["id_reused"], ("C2", "p/4"): ["id_reused"],
        ("S3", "p/5"): ["id_reused"], ("C3", "p/6"): ["id_reused"],
        ("S4", "p/7"): ["id_reused"], ("S4", "p/8"): ["id_reused"], ("C4", "p/9"): ["id_reused"],
        ("C5", "q/1"): ["credited"], ("D5", "q/2"): ["id_reused"], ("R5", "q/1"): ["credit"],
    }  # fmt: skip
    assert counts(placed) == (10, 0, 0, 3)


def test_a_sample_names_ids_that_are_none():
    rows = [accepted("1"), accepted("1", charge_point_id="p/2"), accepted("2"), accepted("2", start=NOON + DAY)]
    (problem,) = reused_problems(accepted_table(*rows))
    assert problem.startswith("1 session ids are no ids, such as '1' 2 times at p/1, p/2: ")
    assert reused_problems(accepted_table(*rows[1:])) == []


def test_the_check_names_ids_that_are_none():
    table = pa.table(
        {
            "session_id": ["1", "1", "2", "3"], "charge_point_id": ["p/1", "p/2", "p/1", "p/1"],
            "flags": [["id_reused"], ["id_reused"], ["S11", "id_reused"], []],
        }
    )  # fmt: skip
    result = reused_ids(rows_of(table))
    assert not result.passed and result.is_warning
    assert "2 ids, such as '1' 2 times at p/1, p/2; '2' 1 times at p/1" in str(result.text)
    assert reused_ids(rows_of(table.slice(3))).passed


def test_cdr_wins_over_session_and_open_sessions_wait(spark):
    rows = [
        accepted("S1"),
        accepted("C1", record_kind="cdr", cdr_session_id="S1", energy_kwh=11),
        accepted("S2", status="ACTIVE", is_open=True, start=NOON + 5 * HOUR),
    ]
    sessions, _, placed = facts(spark, *rows)
    assert set(sessions) == {"C1"}
    assert counts(placed) == (1, 1, 0, 1)


def test_credits_and_what_they_credit_stay_and_do_not_count(spark):
    rows = [
        accepted("C1", record_kind="cdr"),
        accepted("C2", record_kind="cdr", credit=True, credit_reference_id="C1"),
        accepted("C3", record_kind="cdr", credit=True, credit_reference_id="gone", start=NOON + 5 * HOUR),
        accepted("C4", record_kind="cdr", start=NOON + 8 * HOUR),
    ]
    sessions, (day,), _ = facts(spark, *rows)
    assert {name: row["flags"] for name, row in sessions.items()} == {
        "C1": ["credited"], "C2": ["credit"], "C3": ["credit", "credit_without_original"], "C4": [],
    }  # fmt: skip
    assert day["session_count"] == 1


def test_a_credit_that_comes_a_month_later_takes_the_original_out(spark):
    rows = [
        accepted("C1", record_kind="cdr"),
        accepted("C2", record_kind="cdr", credit=True, credit_reference_id="C1", start=NOON + 31 * DAY),
    ]
    sessions, days, _ = facts(spark, *rows)
    assert sessions["C1"]["flags"] == ["credited"]
    assert days == []


def test_overlap_flags_both_on_one_connector_only(spark):
    rows = [
        accepted("long", minutes=300),
        accepted("inside", start=NOON + HOUR, minutes=30),
        accepted("after", start=NOON + 4 * HOUR, minutes=30),
        accepted("touching", start=NOON + 5 * HOUR),
        accepted("other", connector_id="2", start=NOON + HOUR),
    ]
    sessions, _, _ = facts(spark, *rows)
    flagged = {name for name, row in sessions.items() if "S11" in row["flags"]}
    assert flagged == {"long", "inside", "after"}


def test_overlap_with_a_session_of_the_month_before_is_seen(spark):
    eve = dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)
    rows = [accepted("old", start=eve, minutes=180), accepted("new", start=eve + 2 * HOUR)]
    sessions, _, _ = facts(spark, *rows)
    assert sessions["new"]["flags"] == ["S11"]


def test_invalid_and_reservation_are_kept_and_flagged(spark):
    rows = [accepted("1", status="INVALID"), accepted("2", status="RESERVATION", start=NOON + 3 * HOUR)]
    sessions, days, _ = facts(spark, *rows)
    assert [sessions["1"]["flags"], sessions["2"]["flags"]] == [["invalid"], ["reservation"]]
    assert days == []


def test_any_month_alone_equals_the_same_month_out_of_a_range(spark):
    rows = [
        accepted(str(n), start=NOON + n * 17 * HOUR, minutes=60 + 100 * (n % 40), charge_point_id=f"p/{n % 3}")
        for n in range(120)
    ]
    whole, _, _ = made(spark, *rows, window=(dt.date(2026, 1, 1), dt.date(2026, 5, 1)), groups=3)
    march, _, _ = made(spark, *rows, window=(dt.date(2026, 3, 1), dt.date(2026, 4, 1)))
    of_march = [row for row in whole.to_pylist() if row["start_date"].month == 3]
    assert of_march
    assert sorted(march.to_pylist(), key=str) == sorted(of_march, key=str)
    assert any("S11" in row["flags"] for row in of_march)


def test_a_charge_point_outside_its_providers_registry_is_flagged_and_counted(spark):
    rows = [accepted("1"), accepted("2", charge_point_id="p/2"), accepted("3", charge_point_id="q/1", provider_id="q")]
    sessions, days, _ = facts(spark, *rows, listed=registry(spark, ("p/1", "p")))
    assert {name: row["flags"] for name, row in sessions.items()} == {"1": [], "2": ["S12"], "3": []}
    assert sum(day["session_count"] for day in days) == 3
