"""What a change of sessions reaches: versions, what is billed or credited, and neighbours in time."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cic_assets.facts import linked
from cic_assets.facts.linked import affected_months
from cic_assets.lake.rows import rows_of
from cic_assets.lake.zones import Lake
from tests.builders import NOON, accepted, accepted_table

DAY = dt.timedelta(days=1)


def months(folder, changed, known, mine, names=None):
    found = affected_months(
        [rows_of(accepted_table()), rows_of(accepted_table(*changed))],
        rows_of(accepted_table(*known)), names or {}, {dt.date(2026, month, 1) for month in mine}, Lake(str(folder)),
    )  # fmt: skip
    return [month.month for month in found]


def test_a_change_reaches_versions_credits_and_neighbours(tmp_path):
    changed = accepted("C9", record_kind="cdr", credit=True, credit_reference_id="C1", start=NOON + 90 * DAY)
    neighbour = accepted("N", start=NOON + 59 * DAY, minutes=60 * 24 * 40, charge_point_id="p/1")
    known = [accepted("C1", record_kind="cdr"), changed, neighbour, accepted("far", start=NOON + 200 * DAY)]
    assert months(tmp_path, [changed], known, [4]) == [1, 3, 4]
    # A row that makes an id a reused one: what was a version of it is a session again, with neighbours of its own.
    reuse = accepted("far", charge_point_id="p/2", content_hash="x")
    june = accepted("june", start=NOON + 140 * DAY, minutes=60 * 24 * 70)
    assert months(tmp_path, [reuse], [reuse, june, accepted("far", start=NOON + 200 * DAY)], [1]) == [1, 5, 7]


def test_two_names_of_one_charge_point_are_neighbours_and_two_providers_ids_are_none(tmp_path):
    changed = accepted("A", charge_point_id="p/alias", start=NOON + 20 * DAY, minutes=60 * 24 * 20)
    neighbour = accepted("B", start=NOON + 35 * DAY)
    assert months(tmp_path, [changed], [changed, neighbour], [1]) == [1]
    assert months(tmp_path, [changed], [changed, neighbour], [1], {"p/alias": "p/1"}) == [1, 2]
    other = accepted("A", provider_id="q", charge_point_id="q/1", start=NOON + 90 * DAY)
    assert months(tmp_path, [changed], [changed, other], [1]) == [1]


def test_neighbours_share_time_and_a_charge_point(tmp_path):
    changed = [
        accepted("A", start=NOON + 30 * DAY, minutes=1440), accepted("B", charge_point_id="p/2", start=NOON + 30 * DAY)
    ]  # fmt: skip
    # One ends as the other begins; one lasts as long, on another charge point.
    before = accepted("C", start=NOON, minutes=30 * 1440)
    assert months(tmp_path, changed, [*changed, before], [2]) == [2]
    assert months(tmp_path, changed, [*changed, before | {"ended_at": NOON + 30 * DAY + DAY / 9}], [2]) == [1, 2]
    long = accepted("L", start=NOON + 30 * DAY, minutes=60 * 1440)
    elsewhere = accepted("D", charge_point_id="p/2", start=NOON + 26 * DAY, minutes=4 * 1440)
    assert months(tmp_path, [long, changed[1]], [long, changed[1], elsewhere], [2]) == [2]


def test_of_nothing_nothing_is_reached(tmp_path):
    assert months(tmp_path, [], [accepted("A")], []) == []
    assert months(tmp_path, [accepted("A")], [], [1]) == [1]


def by_hand(changed, known, mine, names):
    """The same row by row, as the docstring says it."""
    links = ("session_id", "cdr_session_id", "credit_reference_id")

    def ids(row):
        return {(row["provider_id"], row[name]) for name in links if row[name] is not None}

    def own(row):
        return (row["provider_id"], row["session_id"])

    named = {each for row in changed for each in ids(row)}
    for _ in range(2):
        owners = {own(row) for row in known if ids(row) & named}
        named = {each for row in known if own(row) in owners for each in ids(row)}
    moved = [*changed, *(row for row in known if own(row) in named)]
    found = {row["start_date"].replace(day=1) for row in moved} | mine
    for row in known:
        for each in moved:
            same = names.get(row["charge_point_id"], row["charge_point_id"]) == names.get(
                each["charge_point_id"], each["charge_point_id"]
            )
            is_timed = same and row["ended_at"] and each["ended_at"]
            if is_timed and row["started_at"] < each["ended_at"] and each["started_at"] < row["ended_at"]:
                found.add(row["start_date"].replace(day=1))
    return sorted(found)


IDS = st.one_of(st.none(), st.sampled_from("ABCDEF"))
SESSIONS = st.builds(
    lambda name, cdr, credit, point, provider, start, length, is_open: accepted(
        name, cdr_session_id=cdr, credit_reference_id=credit, charge_point_id=point, provider_id=provider,
        start=NOON + 5 * start * DAY, minutes=5 * length * 1440,
    ) | ({"ended_at": None} if is_open else {}),
    st.sampled_from("ABCDEF"), IDS, IDS, st.sampled_from(["p/1", "p/2", "p/3", "q/1"]), st.sampled_from("pq"),
    st.integers(0, 30), st.integers(0, 6), st.booleans(),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(SESSIONS, max_size=2), st.lists(SESSIONS, max_size=6), st.integers(1, 4))
def test_any_change_reaches_what_it_reaches_by_hand(tmp_path_factory, changed, known, at_once):
    mine, names = {row["start_date"].replace(day=1) for row in changed}, {"p/3": "p/2"}
    folder = tmp_path_factory.mktemp("linked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linked, "_ROWS_AT_ONCE", at_once)
        found = affected_months(
            [rows_of(accepted_table(*changed))], rows_of(accepted_table(*known)), names, mine, Lake(str(folder))
        )
    assert found == by_hand(changed, known, mine, names)
