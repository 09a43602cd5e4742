from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cic_assets.facts.charge_points import charge_point_month, registry
from cic_assets.facts.restatement import affected_spans
from cic_assets.kinds.locations.schema import ACCEPTED
from cic_assets.lake.tables import hand_over
from tests.builders import entries_frame, entry, poll

D = dt.date
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def noon(day: int, month: int = 5) -> dt.datetime:
    return dt.datetime(2026, month, day, 12, tzinfo=dt.UTC)


def listed(day: int, kw: str | None = "7", **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "stream_id": "l", "arrival_date": D(2026, 5, day), "event_date": D(2026, 5, day), "source_file": "f",
        "source_line": 1, "arrived_at": noon(day), "provider_id": "p", "authority_id": "a", "charge_point_id": "p/1",
        "connector_id": "1", "location_id": "L1", "location_name": "High Street", "device_id": "P1",
        "rated_power_kw": kw and Decimal(kw), "latitude": None, "longitude": None, "valid_from": noon(day),
        "status": None, "charge_point_alias": None, "flags": [], "valid_to": None, "tariff_ids": None,
    }  # fmt: skip
    return row | values


def versions(spark, *rows):
    table = pa.Table.from_pylist(list(rows), schema=pa.schema([f.with_nullable(True) for f in ACCEPTED]))
    found = registry(hand_over(spark, table)).toArrow().to_pylist()
    return sorted(found, key=lambda row: (row["charge_point_id"], row["valid_from"]))


def history(spark, *rows):
    found = versions(spark, *rows)
    return [(row["charge_point_id"], row["rated_power_kw"], row["valid_from"], row["valid_to"]) for row in found]


def test_the_registry_keeps_versions_and_not_repetitions(spark):
    rows = [
        listed(1), listed(1, "22", connector_id="2"), listed(2, "22"), listed(3, "50"), listed(4, "50"),
        listed(4, "11", charge_point_id="p/2"),
        # Two words about one instant: the last arrival.
        listed(9, "150"), listed(9, "300", arrived_at=noon(10)),
    ]  # fmt: skip
    assert history(spark, *rows) == [
        ("p/1", Decimal(22), noon(1), noon(3)), ("p/1", Decimal(50), noon(3), noon(9)),
        ("p/1", Decimal(300), noon(9), None), ("p/2", Decimal(11), noon(4), None),
    ]  # fmt: skip


def test_a_charge_point_ends_when_its_registry_says_so(spark):
    gone = [listed(day, status="REMOVED") for day in (5, 6, 7)]
    # Rows of one charge point each → (day of valid_from, day of ended_at) of its versions.
    cases = [
        # Listed with its end: while both connectors end, and until a newer word lists it without one.
        ([listed(1, valid_to=noon(20))], [(1, 20)]),
        ([listed(1, valid_to=noon(20)), listed(1, connector_id="2")], [(1, None)]),
        ([listed(1, valid_to=noon(20)), listed(1, connector_id="2", valid_to=noon(22))], [(1, 22)]),
        ([listed(1), listed(5, valid_to=noon(3))], [(1, 3), (5, 3)]),
        ([listed(1, valid_to=noon(3)), listed(5)], [(1, 3), (5, None)]),
        # REMOVED since the first word that says so; a word after it opens it again.
        ([listed(1), *gone], [(1, 5), (5, 5)]),
        ([listed(1), *gone, listed(9)], [(1, None), (5, 5), (9, None)]),
    ]
    rows = [{**row, "charge_point_id": f"p/{n}"} for n, (said, _) in enumerate(cases) for row in said]
    found = versions(spark, *rows)
    for n, (_, expected) in enumerate(cases):
        mine = [row for row in found if row["charge_point_id"] == f"p/{n}"]
        assert [(row["valid_from"].day, row["ended_at"] and row["ended_at"].day) for row in mine] == expected, n


def test_of_two_sites_in_one_delivery_one_holds_as_a_whole_and_both_are_shown(spark):
    north = {"location_id": "N", "location_name": "North", "latitude": Decimal("51.5")}
    south = {"location_id": "S", "location_name": "South", "latitude": Decimal("51.9")}
    rows = [
        listed(1, "50", **north), listed(1, "3", source_line=2, **south), listed(1, "7", source_line=3, **south),
        # The last one was taken away.
        listed(1, "50", charge_point_id="p/2", **north, flags=["L02"]),
        listed(1, "7", charge_point_id="p/2", source_line=2, status="REMOVED", **south),
        # A move is no conflict.
        listed(1, charge_point_id="p/3", **north), listed(1, charge_point_id="p/3", **south, valid_from=noon(2)),
    ]  # fmt: skip
    expected = [
        ("p/1", "S", "South", Decimal("51.9"), 7, ["two_places"], ["N"]),
        ("p/2", "N", "North", Decimal("51.5"), 50, ["L02", "two_places"], ["S"]),
        ("p/3", "N", "North", Decimal("51.5"), 7, [], []), ("p/3", "S", "South", Decimal("51.9"), 7, [], []),
    ]  # fmt: skip
    names = ("charge_point_id", "location_id", "location_name", "latitude", "rated_power_kw", "flags", "also_at")
    for order in (rows, rows[::-1]):
        assert [tuple(row[name] for name in names) for row in versions(spark, *order)] == expected


def test_what_a_source_does_not_say_erases_nothing_and_each_column_has_its_source(spark):
    nothing = {"location_id": None, "location_name": None, "device_id": None}
    rows = [
        listed(1, "50", latitude=Decimal("51.5"), charge_point_alias="3256"),
        listed(2, None, stream_id="m", location_name="Market"), listed(3, None, stream_id="n", **nothing),
        # At another site the old one's coordinates mean nothing.
        listed(4, None, stream_id="m", location_id="L2", location_name=None),
    ]  # fmt: skip
    names = ("location_id", "location_name", "latitude", "rated_power_kw", "charge_point_alias", "valid_from")
    found = versions(spark, *rows)
    assert [tuple(row[name] for name in names) for row in found] == [
        ("L1", "High Street", Decimal("51.5"), 50, "3256", noon(1)),
        ("L1", "Market", Decimal("51.5"), 50, "3256", noon(2)), ("L2", None, None, 50, "3256", noon(4)),
    ]  # fmt: skip
    assert sorted(found[1]["sources"]) == [
        "charge_point_alias=l", "device_id=m", "latitude=l", "location_id=m", "location_name=m", "rated_power_kw=l",
    ]  # fmt: skip


def test_tariffs_are_those_of_all_connectors_and_another_one_is_another_version(spark):
    rows = [
        listed(1, tariff_ids="B,C"), listed(1, connector_id="2", tariff_ids="A,B"), listed(2, tariff_ids=None),
        listed(3, tariff_ids="A"), listed(4, tariff_ids="A", connector_id="2"),
    ]  # fmt: skip
    found = versions(spark, *rows)
    assert [(row["tariff_ids"], row["valid_from"]) for row in found] == [("A,B,C", noon(1)), ("A", noon(3))]
    assert "tariff_ids=l" in found[0]["sources"]


def test_charge_points_are_counted_by_class_and_may_be_heard_without_being_registered(spark):
    point = [
        ("month_date", pa.date32()), ("charge_point_id", pa.string()), ("provider_id", pa.string()),
        ("authority_id", pa.string()), ("power_class", pa.string()),
    ]  # fmt: skip
    classes = ["0-8", "8-50", "8-50", "50-150", "50-150", "150+", "unknown"]
    known = [[D(2026, 5, 1), f"p/{n}", "p", "a", name] for n, name in enumerate(classes)]
    activity = [
        [*known[0], True, True],
        [*known[1], True, False],
        # Online by a state that is carried over, and neither.
        [*known[5], False, True],
        [*known[6][:1], "p/7", *known[6][2:], False, False],
        [D(2026, 5, 1), "p/new", "p", "a", "8-50", True, True],
    ]
    words = [("is_heard", pa.bool_()), ("is_online", pa.bool_())]
    frames = [
        spark.createDataFrame(
            pa.Table.from_pylist(
                [dict(zip([n for n, _ in schema], row, strict=True)) for row in rows], schema=pa.schema(schema)
            )
        )
        for rows, schema in ((known, point), (activity, [*point, *words]))
    ]
    found = {
        row["power_class"]: (row["registered_count"], row["heard_from_count"], row["online_count"])
        for row in charge_point_month(*frames).toArrow().to_pylist()
    }
    assert found == {
        "0-8": (1, 1, 1), "8-50": (2, 2, 1), "50-150": (2, 0, 0), "150+": (1, 0, 1), "unknown": (1, 0, 0),
    }  # fmt: skip


KNOWN = [
    entry(noon(1)), entry(noon(10), "CHARGING"), entry(noon(20), "AVAILABLE"), poll(noon(22), since=noon(20)),
]  # fmt: skip


FIRST, LAST = noon(1), noon(30)


def spans(spark, removed=(), added=(), known=KNOWN, silence=3 * DAY, ever_stays=False):
    names = [("charge_point_id", pa.string()), ("first_event_at", pa.timestamp("us", tz="UTC"))]
    point = {"charge_point_id": "p/1", "first_event_at": FIRST, "ever_stays": ever_stays}
    firsts = pa.Table.from_pylist([point], schema=pa.schema([*names, ("ever_stays", pa.bool_())]))
    feeds = pa.table({"stream_id": ["s", "t"], "first_at": pa.array([FIRST] * 2, pa.timestamp("us", tz="UTC"))})
    found = affected_spans(
        entries_frame(spark, list(removed)), entries_frame(spark, list(added)), entries_frame(spark, list(known)),
        firsts, feeds, zone="Europe/London", silence=silence, feed_first=FIRST,
        horizon=LAST,
    )  # fmt: skip
    return [(since.day, until.day) for since, until in found]


def test_a_changed_event_reaches_to_the_next_event_or_the_end_of_silence(spark):
    assert spans(spark, added=[entry(noon(9), "INOPERATIVE")]) == [(9, 10)]
    assert spans(spark, added=[entry(noon(5), "INOPERATIVE")]) == [(5, 8)]
    # Polls keep it alive: until three days after the last one.
    assert spans(spark, added=[entry(noon(21), "CHARGING")]) == [(21, 25)]
    assert spans(spark, added=[entry(noon(21), "CHARGING")], silence=None) == [(21, 30)]
    assert spans(spark, added=[entry(noon(21), "REMOVED")]) == [(21, 30)]
    assert spans(spark, removed=[KNOWN[1]]) == [(10, 13)]


def test_a_word_that_is_known_already_changes_nothing(spark):
    assert spans(spark, added=[entry(noon(10), "CHARGING", source_line=99)]) == []
    assert spans(spark, removed=[KNOWN[1]], added=[entry(noon(10), "CHARGING", source_line=99)]) == []
    assert spans(spark, added=[entry(noon(10), "RESERVED")]) == [(10, 13)]


def test_a_new_first_event_reaches_back_to_the_feeds_first_and_on_while_there_is_no_other(spark):
    new = {"charge_point_id": "p/new"}
    assert spans(spark, added=[entry(noon(9), **new)]) == [(1, 30)]
    assert spans(spark, added=[entry(noon(9), **new), entry(noon(12), **new)]) == [(1, 12), (1, 30)]


def test_a_confirmation_reaches_to_the_end_of_its_silence(spark):
    assert spans(spark, removed=[KNOWN[3]]) == [(22, 25)]
    polls = [poll(noon(day), since=noon(2)) for day in (2, 22)]
    assert spans(spark, known=polls, added=[poll(noon(14), since=noon(2))]) == [(14, 17)]


def test_each_connector_keeps_its_state_until_its_own_next_event(spark):
    known = [entry(noon(2), connector_id="1"), entry(noon(9), connector_id="1")]
    known += [entry(noon(day), connector_id="2") for day in range(2, 10)]
    assert spans(spark, known=known, added=[entry(noon(4), "CHARGING", connector_id="1")]) == [(4, 9)]


def test_removed_or_planned_before_or_withdrawn_reaches_on(spark):
    gone = [entry(noon(1)), entry(noon(5), "REMOVED")]
    assert spans(spark, known=gone, added=[entry(noon(12))]) == [(12, 30)]
    assert spans(spark, known=gone, removed=[gone[1]]) == [(5, 30)]
    # The word is older than what is read of the lake: edges know.
    assert spans(spark, known=[], added=[entry(noon(12))], ever_stays=True) == [(12, 30)]


def test_a_charge_point_that_loses_all_its_events_reaches_to_the_end(spark):
    # What the poll says is left: it began on the 20th, and what comes before is unobserved now.
    assert spans(spark, removed=KNOWN[:3]) == [(1, 20), (10, 13)]
    assert spans(spark, removed=KNOWN) == [(1, 30), (22, 25)]
    assert spans(spark, known=KNOWN[:1], removed=KNOWN[:1]) == [(1, 30)]


def test_a_word_that_a_map_learns_and_flapping_restate_flags(spark):
    odd = entry(noon(10), "UNKNOWN", flags=["unmapped_status"])
    assert spans(spark, known=[KNOWN[0], odd], removed=[odd], added=[{**odd, "flags": []}]) == [(10, 13)]
    late = dt.datetime(2026, 5, 4, 22, 30, tzinfo=dt.UTC)
    assert spans(spark, known=[KNOWN[0], entry(late + HOUR / 4)], added=[entry(late, "CHARGING")]) == [(4, 5)]


def test_a_poll_reaches_to_where_its_state_may_have_begun_and_the_next_poll_too(spark):
    """A poll in between says when the next one's state can have begun at the earliest."""
    polls = [poll(noon(2), since=noon(1)), poll(noon(8), "CHARGING", noon(4))]
    # The state was seen on the 8th as one that began on the 4th; on the 6th the old one is seen: it began on the 8th.
    assert spans(spark, known=polls, added=[poll(noon(6), since=noon(1))], silence=None) == [(4, 8), (6, 30), (8, 30)]
    assert spans(spark, known=polls, added=[poll(noon(12), "CHARGING", noon(4))]) == [(12, 15)]
    # A stamp that stands still while the state changes does not reach back.
    assert spans(spark, known=polls, added=[poll(noon(12), "AVAILABLE", noon(4))]) == [(12, 15)]
    again = [*polls, poll(noon(12), "AVAILABLE", noon(4))]
    assert spans(spark, known=again, added=[poll(noon(13), "AVAILABLE", noon(4))]) == [(13, 16)]
