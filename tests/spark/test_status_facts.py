"""Timelines by hand, and against a slow oracle that looks at every span between two moments on its own."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from cic_assets.facts.status import READ, Feed, edges, status_facts
from cic_assets.kinds.vocabulary import FOLD_ORDER, STATES
from tests.builders import entries_frame, entry, poll, window_frame

LONDON = ZoneInfo("Europe/London")
NOW = dt.datetime(2027, 6, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
D = dt.date


def at(*parts: int, fold: int = 0) -> dt.datetime:
    """A moment on London's wall clock."""
    return dt.datetime(*parts, tzinfo=LONDON, fold=fold).astimezone(dt.UTC)


def feed(stream_id: str = "s", silence: dt.timedelta | None = 7 * DAY, cover: dt.datetime | None = None, **values):
    return Feed(
        stream_id, "p", "a", "Europe/London", silence, cover or at(2027, 1, 1), values.pop("first", None), **values
    )


def days(spark, rows, first, last, feeds=None, listed=None, now=NOW, older=None, groups=1):
    """The rows of first..last, by (charge point, date), and how many records became what, by arrival date.

    With `older`, edges of earlier rows stand in their place.
    """
    feeds = feeds or [feed()]
    known = [*rows, *(older or [])]
    feeds = [
        replace(each, first_at=each.first_at or min(row["at"] for row in known if row["stream_id"] == each.stream_id))
        for each in feeds
    ]
    points = [(row["charge_point_id"], row["stream_id"]) for row in known]
    entries = window_frame(spark, rows, points, first, last, listed or [])
    providers = {provider for _, provider in listed or ()}
    found = status_facts(entries, feeds, first, last + DAY, providers, now, groups).toArrow().to_pylist()
    table = [row for row in found if row["outcome"] is None]
    placed: dict[dt.date, Counter[str]] = defaultdict(Counter)
    for row in found:
        if row["outcome"] not in (None, READ):
            placed[row["arrival_date"]][row["outcome"]] += row["row_count"]
    assert sum(row["row_count"] for row in found if row["outcome"] == READ) == sum(map(Counter.total, placed.values()))
    return {(row["charge_point_id"], row["status_date"]): row for row in table}, placed


def one(spark, rows, date, **values):
    found, _ = days(spark, rows, date, date, **values)
    return spent(found["p/1", date])


def spent(row):
    """The states that took time, in seconds."""
    names = [*(state.lower() for state in STATES), "unreported", "unobserved"]
    assert sum(row[f"{name}_seconds"] for name in names) == row["day_seconds"]
    return {name: float(row[f"{name}_seconds"]) for name in names if row[f"{name}_seconds"]}


def test_a_day_with_three_states_is_as_long_as_the_clock_makes_it(spark):
    lengths = {D(2026, 3, 29): 23, D(2026, 10, 25): 25, D(2026, 7, 1): 24}
    rows = [entry(at(2026, 3, 27))]
    for date in lengths:
        noon, later = at(date.year, date.month, date.day, 12), at(date.year, date.month, date.day, 18)
        rows += [entry(noon - 2 * DAY), entry(noon, "CHARGING"), entry(later, "OUTOFORDER")]
    found, _ = days(spark, rows, D(2026, 3, 28), D(2026, 10, 26))
    for date, hours in lengths.items():
        row = found["p/1", date]
        assert float(row["day_seconds"]) == hours * 3600
        assert spent(row) == {"available": (hours - 12) * 3600, "charging": 6 * 3600, "outoforder": 6 * 3600}


def test_both_readings_of_the_hour_that_occurs_twice_count(spark):
    rows = [
        entry(at(2026, 10, 24)),
        entry(at(2026, 10, 25, 1, 30), "CHARGING"),
        entry(at(2026, 10, 25, 1, 30, fold=1), "AVAILABLE"),
    ]
    assert one(spark, rows, D(2026, 10, 25)) == {"available": 24 * 3600.0, "charging": 3600.0}


def test_microseconds_add_up_exactly(spark):
    rows = [
        entry(at(2026, 5, 3, 10) + dt.timedelta(microseconds=1)),
        entry(at(2026, 5, 4, 9, 59, 59, 999999), "CHARGING"),
    ]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 4))
    assert found["p/1", D(2026, 5, 3)]["unobserved_seconds"] == Decimal("36000.000001")
    assert found["p/1", D(2026, 5, 4)]["available_seconds"] == Decimal("35999.999999")


def test_removed_on_1_march_and_silent_leaves_no_denominator_from_2_march(spark):
    rows = [entry(at(2026, 2, 27)), entry(at(2026, 3, 1, 9), "REMOVED")]
    found, _ = days(spark, rows, D(2026, 3, 1), D(2026, 4, 30), feeds=[feed(cover=at(2026, 3, 1, 9))])
    assert spent(found["p/1", D(2026, 3, 1)]) == {"available": 9 * 3600, "removed": 15 * 3600}
    later = [row for (_, date), row in found.items() if date > D(2026, 3, 1)]
    assert len(later) == 60 and all(row["removed_seconds"] == row["day_seconds"] for row in later)


def test_time_is_unobserved_before_the_first_event_ever_and_not_after_it(spark):
    rows = [entry(at(2026, 5, 4, 6)), entry(at(2026, 5, 3, 12), charge_point_id="p/2")]
    found, _ = days(spark, rows, D(2026, 5, 2), D(2026, 5, 5))
    # Days since the feed's first entry: a charge point that was not heard yet is unobserved, wholly or in part.
    assert sorted(found) == [(f"p/{n}", D(2026, 5, day)) for n in (1, 2) for day in (3, 4, 5)]
    assert spent(found["p/1", D(2026, 5, 3)]) == {"unobserved": 86400}
    assert spent(found["p/1", D(2026, 5, 4)]) == {"unobserved": 6 * 3600, "available": 18 * 3600}
    assert spent(found["p/2", D(2026, 5, 3)]) == {"unobserved": 12 * 3600, "available": 12 * 3600}


def test_silence_ends_what_is_believed(spark):
    rows = [entry(at(2026, 5, 3, 12), "CHARGING")]
    found, _ = days(spark, rows, D(2026, 5, 10), D(2026, 5, 11))
    assert spent(found["p/1", D(2026, 5, 10)]) == {"charging": 12 * 3600, "unreported": 12 * 3600}
    assert spent(found["p/1", D(2026, 5, 11)]) == {"unreported": 86400}
    assert one(spark, rows, D(2026, 6, 11), feeds=[feed(silence=None)]) == {"charging": 86400}


def test_a_poll_that_repeats_an_old_last_updated_restarts_the_silence(spark):
    half_hour = [feed(silence=HOUR / 2)]
    since = at(2026, 5, 3, 8)
    rows = [
        poll(at(2026, 5, 3, 8), "CHARGING", since),
        poll(at(2026, 5, 3, 8, 10), "CHARGING", since),
        # Nothing for nearly three hours; the state goes on when the poll comes back.
        poll(at(2026, 5, 3, 11), "CHARGING", since),
    ]
    believed = 40 * 60 + 30 * 60
    assert one(spark, rows, D(2026, 5, 3), feeds=half_hour) == {
        "unobserved": 8 * 3600, "charging": believed, "unreported": 16 * 3600 - believed,
    }  # fmt: skip


def test_a_poll_that_goes_back_to_an_older_event_of_a_log_confirms_and_changes_nothing(spark):
    rows = [
        entry(at(2026, 5, 3, 8), "AVAILABLE"), entry(at(2026, 5, 3, 9), "CHARGING"),
        poll(at(2026, 5, 3, 10), "AVAILABLE", at(2026, 5, 3, 8), stream_id="t"),
    ]  # fmt: skip
    feeds = [feed("s"), feed("t", first=at(2026, 5, 3, 8))]
    assert one(spark, rows, D(2026, 5, 3), feeds=feeds)["charging"] == 15 * 3600


MAY_2 = at(2026, 5, 2)
STANDING = {
    # Polls at 0, 6, 12, 18 and 24 o'clock: state, and the instant that the feed gives with it.
    "the stamp stands still": (["A", "A", "A", "O", "O"], [MAY_2] * 5, {"available": 18, "outoforder": 6}, True),
    "and the state goes back": (["A", "O", "A", "A", "A"], [MAY_2] * 5, {"available": 18, "outoforder": 6}, True),
    "the stamp moves, to before the last poll": (
        ["A", "A", "O", "O", "O"], [MAY_2] * 2 + [at(2026, 5, 3, 5)] * 3, {"available": 12, "outoforder": 12}, True,
    ),
    "the stamp moves, and the state does not": (
        ["A"] * 5, [MAY_2] * 2 + [at(2026, 5, 3, 5)] * 3, {"available": 24}, False,
    ),
    "the stamp says when": (
        ["A", "A", "O", "O", "O"], [MAY_2] * 2 + [at(2026, 5, 3, 7)] * 3, {"available": 7, "outoforder": 17}, False,
    ),
    "the stamp is ahead of the poll": (
        ["A", "A", "O", "O", "O"], [MAY_2] * 2 + [at(2026, 5, 3, 13)] * 3, {"available": 12, "outoforder": 12}, False,
    ),
    "two changes, one stamp each": (
        ["A", "C", "O", "O", "O"], [MAY_2, at(2026, 5, 3, 2), *[at(2026, 5, 3, 8)] * 3],
        {"available": 2, "charging": 6, "outoforder": 16}, False,
    ),
}  # fmt: skip
LETTERS = {"A": "AVAILABLE", "O": "OUTOFORDER", "C": "CHARGING"}


def test_a_poll_is_evidence_that_no_later_stamp_rewrites(spark):
    rows = []
    for name, (states, since, _, _) in STANDING.items():
        for hour, letter, stamp in zip((0, 6, 12, 18, 24), states, since, strict=True):
            rows.append(poll(MAY_3 + hour * HOUR, LETTERS[letter], stamp, charge_point_id=name))
    feeds = [feed(first=MAY_3, cover=MAY_3 + DAY)]
    found, placed = days(spark, rows, D(2026, 5, 1), D(2026, 5, 3), feeds=feeds)
    assert {point: spent(row) for (point, _), row in found.items()} == {
        name: {state: hours * 3600 for state, hours in expected.items()}
        for name, (_, _, expected, _) in STANDING.items()
    }
    marked = {point for (point, _), row in found.items() if "instant_stands_still" in row["flags"]}
    assert marked == {name for name, (*_, still) in STANDING.items() if still}
    assert sum(counts["in_facts"] for counts in placed.values()) == 4 * len(STANDING)


def test_of_the_time_before_the_first_poll_nothing_is_known_and_there_are_no_days(spark):
    rows = [
        poll(at(2026, 5, 3, 6), "OUTOFORDER", at(2025, 1, 1)),
        poll(at(2026, 5, 3, 18), "OUTOFORDER", at(2025, 1, 1)),
        # Listed later; the state began after the feed's first poll, or before it.
        poll(at(2026, 5, 3, 18), "CHARGING", at(2026, 5, 3, 9), charge_point_id="p/2"),
        poll(at(2026, 5, 3, 18), "CHARGING", at(2026, 5, 2), charge_point_id="p/3"),
    ]
    feeds = [feed(first=at(2026, 5, 3, 6), cover=at(2026, 5, 3, 18))]
    found, _ = days(spark, rows, D(2026, 4, 25), D(2026, 5, 3), feeds=feeds)
    assert {point: spent(row) for (point, _), row in found.items()} == {
        "p/1": {"unobserved": 6 * 3600, "outoforder": 12 * 3600, "unreported": 6 * 3600},
        "p/2": {"unobserved": 9 * 3600, "charging": 9 * 3600, "unreported": 6 * 3600},
        "p/3": {"unobserved": 6 * 3600, "charging": 12 * 3600, "unreported": 6 * 3600},
    }


def test_one_id_at_two_places_holds_the_worse_state_but_what_is_removed(spark):
    places = {
        "p/1": (["AVAILABLE", "OUTOFORDER"], "outoforder"),
        "p/2": (["REMOVED", "AVAILABLE"], "available"),
        "p/3": (["CHARGING", "UNKNOWN"], "unknown"),
        "p/4": (["AVAILABLE", "REMOVED"], "available"),
    }
    two = {"flags": ["two_places"]}
    # Also where the worse state stands on the first page of a response.
    for order, pages in ((-1, "aa"), (1, "ba")):
        rows = [
            poll(MAY_3, state, charge_point_id=point, source_line=line, source_file=pages[line], **two)
            for point, (states, _) in places.items()
            for line, state in enumerate(states)
        ]
        found, placed = days(spark, rows[::order], D(2026, 5, 3), D(2026, 5, 3), feeds=[feed(first=MAY_3)])
        assert {point: (spent(row), row["flags"]) for (point, _), row in found.items()} == {
            point: ({state: 86400}, ["two_places"]) for point, (_, state) in places.items()
        }
        assert list(placed.values()) == [{"in_facts": 4, "superseded": 4}]


def test_what_lies_between_two_feeds_of_a_charge_point_is_nobodys(spark):
    rows = [entry(at(2026, 5, 3)), entry(at(2026, 5, 6)), entry(at(2026, 5, 8, 6), "CHARGING", stream_id="t")]
    feeds = [feed("s", ends=D(2026, 5, 4)), feed("t", first=at(2026, 5, 8, 6))]
    found, _ = days(spark, rows, D(2026, 5, 1), D(2026, 5, 9), feeds=feeds)
    assert [date.day for _, date in sorted(found)] == [3, 4, 8, 9]
    assert spent(found["p/1", D(2026, 5, 8)]) == {"available": 6 * 3600, "charging": 18 * 3600}


def test_days_end_with_yesterday_or_with_the_feed(spark):
    rows = [entry(at(2026, 5, 3)), entry(at(2026, 5, 6, 12), "CHARGING")]
    feeds = [feed(ends=D(2026, 5, 4), silence=None)]
    found, placed = days(spark, rows, D(2026, 5, 1), D(2026, 5, 10), feeds=feeds)
    assert sorted(found) == [("p/1", D(2026, 5, day)) for day in (3, 4)] and spent(found["p/1", D(2026, 5, 4)]) == {
        "available": 86400
    }
    assert list(placed.values()) == [{"in_facts": 2}]
    found, _ = days(spark, rows, D(2026, 5, 1), D(2026, 5, 10), now=at(2026, 5, 6, 13))
    assert sorted(found) == [("p/1", D(2026, 5, day)) for day in (3, 4, 5)]


def test_nothing_is_known_after_the_cover_or_after_now(spark):
    rows = [entry(at(2026, 5, 3))]
    assert one(spark, rows, D(2026, 5, 3), feeds=[feed(cover=at(2026, 5, 3, 7))]) == {
        "available": 7 * 3600, "unreported": 17 * 3600,
    }  # fmt: skip
    # A day that is not over has no row; the day before it ends at its midnight.
    removed = [entry(at(2026, 5, 3), "REMOVED")]
    found, _ = days(spark, removed, D(2026, 5, 3), D(2026, 5, 4), now=at(2026, 5, 4, 6))
    assert {key: spent(row) for key, row in found.items()} == {("p/1", D(2026, 5, 3)): {"removed": 86400}}


@pytest.mark.parametrize("order", [1, -1])
def test_equal_instants_in_two_files_the_last_arrival_wins_in_either_order(spark, order):
    since = at(2026, 5, 3)
    first = entry(since, "CHARGING", arrived_at=at(2026, 6, 1), arrival_date=D(2026, 6, 1), source_file="b.csv")
    last = entry(since, "INOPERATIVE", arrived_at=at(2026, 6, 2), arrival_date=D(2026, 6, 2), source_file="a.csv")
    found, placed = days(spark, [first, last][::order], D(2026, 5, 3), D(2026, 5, 3))
    assert spent(found["p/1", D(2026, 5, 3)]) == {"inoperative": 86400}
    assert placed == {D(2026, 6, 1): {"superseded": 1}, D(2026, 6, 2): {"in_facts": 1}}


MAY_3 = at(2026, 5, 3)
TIES = {
    "file": ({"source_file": "a.csv"}, {"source_file": "b.csv"}, "available"),
    "line": ({"source_line": 2}, {"source_line": 10}, "available"),
    "worse state": ({}, {}, "outoforder"),
}


@pytest.mark.parametrize("order", [1, -1])
def test_equal_instants_of_one_arrival_go_by_file_line_and_worse_state(spark, order):
    rows = []
    for point, (first, last, _) in TIES.items():
        where = {"charge_point_id": point}
        rows += [entry(MAY_3, "OUTOFORDER", **first, **where), entry(MAY_3, "AVAILABLE", **last, **where)]
    found, _ = days(spark, rows[::order], D(2026, 5, 3), D(2026, 5, 3))
    assert {point: list(spent(row)) for (point, _), row in found.items()} == {
        point: [winner] for point, (_, _, winner) in TIES.items()
    }


def test_the_same_word_again_is_a_duplicate_and_the_event_counts_once(spark):
    since = at(2026, 5, 3)
    rows = [
        entry(since),
        entry(since, source_line=3),
        poll(at(2026, 5, 3, 1), since=since),
        poll(at(2026, 5, 3, 1), since=since, source_line=9),
    ]
    found, placed = days(spark, rows, D(2026, 5, 3), D(2026, 5, 3))
    assert found["p/1", D(2026, 5, 3)]["event_count"] == 1
    assert list(placed.values()) == [{"in_facts": 2, "duplicates": 2}]


FOLDS = {
    "any in use": (["AVAILABLE", "CHARGING"], "charging"),
    "any reserved": (["AVAILABLE", "RESERVED"], "reserved"),
    "any available": (["OUTOFORDER", "AVAILABLE"], "available"),
    "inoperative before out of order": (["OUTOFORDER", "INOPERATIVE"], "inoperative"),
    "out of order before unknown": (["UNKNOWN", "OUTOFORDER"], "outoforder"),
    "gone says nothing of the other": (["REMOVED", "UNKNOWN"], "unknown"),
}


def test_connectors_fold_into_their_charge_point(spark):
    rows = [
        entry(MAY_3, state, charge_point_id=point, connector_id=str(n))
        for point, (states, _) in FOLDS.items()
        for n, state in enumerate(states, start=1)
    ]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 3))
    assert {point: spent(row) for (point, _), row in found.items()} == {
        point: {winner: 86400} for point, (_, winner) in FOLDS.items()
    }


def test_connectors_change_on_their_own_and_connector_0_takes_the_whole_out(spark):
    rows = [
        entry(at(2026, 5, 3), connector_id="1"),
        entry(at(2026, 5, 3), "OUTOFORDER", connector_id="2"),
        entry(at(2026, 5, 3, 2), "CHARGING", connector_id="1"),
        entry(at(2026, 5, 3, 5), "AVAILABLE", connector_id="1"),
        entry(at(2026, 5, 3, 10), "INOPERATIVE", connector_id="0"),
        entry(at(2026, 5, 3, 12), "AVAILABLE", connector_id="0"),
    ]
    assert one(spark, rows, D(2026, 5, 3)) == {"available": 19 * 3600, "charging": 3 * 3600, "inoperative": 2 * 3600}


def test_two_feeds_of_one_charge_point_make_one_timeline(spark):
    feeds = [feed("s", silence=DAY), feed("t", silence=HOUR)]
    rows = [entry(at(2026, 5, 3), "AVAILABLE"), entry(at(2026, 5, 3, 6), "CHARGING", stream_id="t")]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 4), feeds=feeds)
    assert spent(found["p/1", D(2026, 5, 3)]) == {"available": 6 * 3600, "charging": 18 * 3600}
    assert found["p/1", D(2026, 5, 4)]["stream_id"] == "t"


def test_use_that_is_not_reported_and_what_a_row_says_beside_its_seconds(spark):
    rows = [
        entry(at(2026, 5, 3)),
        entry(at(2026, 5, 3, 4), "UNKNOWN", flags=["unmapped_status"]),
        poll(at(2026, 5, 3, 8), "UNKNOWN", at(2026, 5, 3, 4)),
    ]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 3), feeds=[feed(reports_use=False)])
    row = found["p/1", D(2026, 5, 3)]
    assert (row["reports_use"], row["event_count"], row["confirmation_count"]) == (False, 2, 1)
    assert row["flags"] == ["unmapped_status"]


def test_more_than_six_changes_within_an_hour_are_flapping(spark):
    start = at(2026, 5, 3, 22)
    rows = []
    for minutes in (9, 10):
        where, step = {"charge_point_id": f"p/{minutes}"}, dt.timedelta(minutes=minutes)
        rows += [entry(start - DAY, "CHARGING", **where)]
        rows += [entry(start + n * step, "AVAILABLE" if n % 2 == 0 else "CHARGING", **where) for n in range(7)]
        # The same state again is no change.
        rows += [entry(start + 7 * step, "AVAILABLE", **where)]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 4))
    flags = {(point, date.day): row["flags"] for (point, date), row in found.items()}
    assert flags == {("p/9", 3): ["flapping"], ("p/9", 4): [], ("p/10", 3): [], ("p/10", 4): []}


def test_a_charge_point_outside_its_providers_registry_is_flagged(spark):
    rows = [entry(at(2026, 5, 3)), entry(at(2026, 5, 3), charge_point_id="p/2")]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 3), listed=[("p/2", "p")])
    assert {point: row["flags"] for (point, _), row in found.items()} == {"p/1": ["E05"], "p/2": []}
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 3), listed=[("q/2", "q")])
    assert all(row["flags"] == [] for row in found.values())


SILENCES = {"s": 2 * DAY, "t": 5 * HOUR}


def random_history(seed: int, first: dt.date, length: int) -> list[dict[str, object]]:
    """A log and polls of a few charge points with one or two connectors: equal instants, and stamps of any kind."""
    random = Random(seed)
    start = dt.datetime.combine(first, dt.time(), dt.UTC)
    rows = []
    for point in range(4):
        connectors = ["1", "2"] if point % 2 else [""]
        begins = start + random.random() * length * DAY / 4
        for number in range(150):
            # On whole minutes half of the time, so that instants meet.
            moment = begins + random.random() * length * DAY * 0.7
            if random.random() < 0.5:
                moment = moment.replace(minute=0, second=0, microsecond=0)
            where = {
                "charge_point_id": f"p/{point}", "connector_id": random.choice(connectors), "source_line": number,
                "arrived_at": start + random.randrange(5) * DAY, "source_file": random.choice(["a", "b"]),
            }  # fmt: skip
            if random.random() < 0.5:
                rows.append(entry(moment, random.choice(STATES), stream_id="s", **where))
            else:
                # A stamp that stands still, moves back, or says when; some are ahead of the poll.
                stamp = random.choice([begins, moment - random.random() * 20 * DAY, moment - HOUR, moment + HOUR])
                rows.append(poll(moment, random.choice(STATES[:4]), stamp, stream_id="t", **where))
    return rows


BADNESS = [
    "AVAILABLE", "CHARGING", "RESERVED", "BLOCKED", "PLANNED", "REMOVED", "UNKNOWN", "INOPERATIVE", "OUTOFORDER",
]  # fmt: skip


def order(row):
    return row["arrived_at"], row["source_file"], row["source_line"], BADNESS.index(row["state"])


def change(before, seen, covers_from):
    """The event that a poll shows, in view of the connector's poll before it; as numbers.md 2 says it."""
    since = min(seen["since_at"], seen["at"])
    if before is None:
        began = max(since, covers_from)
    elif since > before["at"]:
        began = since
    elif seen["state"] != before["state"]:
        began = seen["at"]
    else:
        return None
    return {**seen, "entry": "event", "at": began}


def shown(rows, covers_from):
    """The rows, and the events that polls show."""
    found = list(rows)
    for key in {(row["charge_point_id"], row["connector_id"]) for row in rows}:
        seen = {}
        for row in rows:
            if (row["charge_point_id"], row["connector_id"], row["entry"]) == (*key, "poll"):
                seen[row["at"]] = max(seen.get(row["at"], row), row, key=order)
        line = [None, *(seen[moment] for moment in sorted(seen))]
        found += [event for pair in pairwise(line) if (event := change(*pair, covers_from))]
    return found


def oracle(rows, feeds, first, last, now):
    """Seconds by (charge point, date, word): every span between two moments is looked at on its own."""
    feeds = {each.stream_id: each for each in feeds}
    dates = [first + n * DAY for n in range((last - first).days + 2)]
    midnights = [dt.datetime.combine(date, dt.time(), LONDON).astimezone(dt.UTC) for date in dates]
    found = {}
    for point in {row["charge_point_id"] for row in rows}:
        mine = [row for row in rows if row["charge_point_id"] == point]
        heard = [
            (row["at"], min(row["at"] + feeds[row["stream_id"]].silence, feeds[row["stream_id"]].cover_at))
            for row in mine
        ]
        moments = {*(m for pair in heard for m in pair), *midnights, now}
        for since, until in pairwise(sorted(moments)):
            # A day that is not over has no row.
            if not midnights[0] <= since < min(midnights[-1], max(m for m in midnights if m <= now)):
                continue
            date = max(date for date, midnight in zip(dates, midnights, strict=True) if midnight <= since)
            state = state_at(mine, since)
            believed = any(said <= since < end for said, end in heard) or state in ("REMOVED", "PLANNED")
            word = "unobserved" if state is None else state.lower() if believed and since < now else "unreported"
            key = point, date, word
            found[key] = found.get(key, dt.timedelta()) + (until - since)
    return {key: Decimal(value // dt.timedelta(microseconds=1)) / 1_000_000 for key, value in found.items() if value}


def state_at(rows, moment):
    last = {}
    events = [row for row in rows if row["entry"] == "event" and row["at"] <= moment]
    for row in sorted(events, key=lambda row: (row["at"], *order(row))):
        last[row["connector_id"]] = row["state"]
    return min(last.values(), key=FOLD_ORDER.index) if last else None


@pytest.mark.parametrize("seed", range(2))
def test_a_random_year_equals_the_oracle_and_ten_days_alone_equal_the_year(spark, seed):
    first, length = D(2026, 3, 1), 365
    rows = random_history(seed, first, length)
    begins = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    feeds = [
        feed(name, silence, cover=max(row["at"] for row in rows if row["stream_id"] == name) + HOUR, first=begins)
        for name, silence in SILENCES.items()
    ]
    last, now = first + length * DAY, dt.datetime(2027, 1, 20, 15, tzinfo=dt.UTC)
    whole, _ = days(spark, rows, first, last, feeds=feeds, now=now)
    words = [*(state.lower() for state in STATES), "unreported", "unobserved"]
    found = {
        (point, date, word): row[f"{word}_seconds"]
        for (point, date), row in whole.items()
        for word in words
        if row[f"{word}_seconds"]
    }
    assert found == oracle(shown(rows, begins), feeds, first, last, now)

    # Ten days on edges, as the platform computes them: what is older is one small row per charge point and date.
    start = first + 230 * DAY
    older = [row for row in rows if row["event_date"] < start - 2 * DAY]
    later = [row for row in rows if row["event_date"] >= start + 12 * DAY]
    recent = [row for row in rows if start - 2 * DAY <= row["event_date"] < start + 12 * DAY]
    carried = carry(edges(entries_frame(spark, older)).toArrow().to_pylist(), begins)
    carried += coming(edges(entries_frame(spark, later)).toArrow().to_pylist())
    alone, _ = days(spark, recent + carried, start, start + 9 * DAY, feeds=feeds, now=now, older=rows)
    assert len(alone) == 40
    assert alone == {key: row for key, row in whole.items() if start <= key[1] <= start + 9 * DAY}


def carry(found, covers_from):
    """Older edges as entries: of each connector and feed the last event and the last poll, and what was heard last."""
    lines = {}
    for row in sorted(found, key=lambda row: row["event_date"]):
        lines.setdefault((row["charge_point_id"], row["connector_id"], row["stream_id"]), []).append(row)
    rows = []
    for key, line in lines.items():
        names = dict(zip(("charge_point_id", "connector_id", "stream_id"), key, strict=True))
        last = event = None
        for row in line:
            if row["first_poll_at"]:
                event = change(last, first_poll(row), covers_from) or event
                last = poll(row["last_poll_at"], row["last_poll_state"], **names)
            if row["last_state"]:
                said = {name: row[name] for name in ("arrived_at", "source_file", "source_line")}
                event = entry(row["last_event_at"], row["last_state"], **names, **said)
        rows += [event] if event else []
        rows += [{**last, "since_at": None}] if last else []
        rows.append(entry(max(row["last_heard_at"] for row in line), None, entry="heard", **names))
    return rows


def first_poll(row):
    names = ("charge_point_id", "connector_id", "stream_id")
    said = {name: row[f"first_poll_{name}"] for name in ("arrived_at", "source_file", "source_line")}
    return poll(
        row["first_poll_at"], row["first_poll_state"], row["first_poll_since_at"], **said,
        **{name: row[name] for name in names},
    )  # fmt: skip


def coming(found):
    """Later edges as entries: each connector's and feed's first poll."""
    polled = sorted((row for row in found if row["first_poll_at"]), key=lambda row: row["event_date"], reverse=True)
    first = {(row["charge_point_id"], row["connector_id"], row["stream_id"]): first_poll(row) for row in polled}
    return list(first.values())


def test_no_entries_give_no_rows(spark):
    nothing = window_frame(spark, [], [], D(2026, 5, 3), D(2026, 5, 3))
    found = status_facts(nothing, [feed()], D(2026, 5, 3), D(2026, 5, 4), (), NOW).toArrow().to_pylist()
    assert not [row for row in found if row["row_count"] != 0]


def lost(row):
    return float(row["receiver_seconds"])


def test_of_unreported_time_what_we_did_not_fetch_is_the_receivers_and_nothing_else(spark):
    day, since = D(2026, 5, 3), at(2026, 5, 2)
    hourly = {"silence": HOUR, "cover": at(2026, 5, 3, 23)}

    def polled(*hours, point="p/1", stream="s"):
        return [
            poll(at(2026, 5, 3, hour), "AVAILABLE", since, charge_point_id=point, stream_id=stream) for hour in hours
        ]

    first = [poll(at(2026, 5, 2, 23), "AVAILABLE", since, charge_point_id=p) for p in ("p/1", "p/2")]
    rows = [*first, *polled(*range(0, 9), *range(15, 24)), *polled(*range(0, 4), *range(20, 24), point="p/2")]
    gaps = [(at(2026, 5, 3, 8), at(2026, 5, 3, 15))]
    found, _ = days(spark, rows, day, day, feeds=[feed(gaps=gaps, **hourly)])
    one_, two = found["p/1", day], found["p/2", day]
    # Believed for an hour after the last word; then unreported, as the feed was not fetched.
    assert spent(one_) == {"available": 17 * 3600, "unreported": 7 * 3600}
    assert lost(one_) == 6 * 3600
    # It was silent before and after our gap: that is the operator's.
    assert spent(two) == {"available": 7 * 3600, "unreported": 17 * 3600}
    assert lost(two) == 7 * 3600
    # Of another stream's gaps nothing is lost, and without gaps nothing.
    other = [feed(**hourly), feed("t", gaps=gaps, first=at(2026, 5, 2), **hourly)]
    assert lost(days(spark, rows, day, day, feeds=other)[0]["p/1", day]) == 0
    assert lost(days(spark, rows, day, day, feeds=[feed(**hourly)])[0]["p/1", day]) == 0


def test_several_gaps_on_several_days_are_summed_and_cut_at_midnight(spark):
    rows = [poll(at(2026, 5, 3, hour), "CHARGING", at(2026, 5, 3)) for hour in (0, 1)]
    gaps = [
        (at(2026, 5, 3, 4), at(2026, 5, 3, 5)),
        (at(2026, 5, 3, 22), at(2026, 5, 4, 6, 30)),
        (at(2026, 5, 4, 23, 59, 59, 999999), at(2026, 5, 6)),
    ]
    feeds = [feed(silence=HOUR, cover=at(2026, 5, 8), gaps=gaps)]
    found, _ = days(spark, rows, D(2026, 5, 3), D(2026, 5, 6), feeds=feeds)
    assert [found["p/1", D(2026, 5, day)]["receiver_seconds"] for day in (3, 4, 5, 6)] == [
        3 * 3600, Decimal(6 * 3600 + 30 * 60) + Decimal("0.000001"), 86400, 0,
    ]  # fmt: skip
    # What comes later, and computes a single day, says the same of it.
    alone, _ = days(spark, rows, D(2026, 5, 4), D(2026, 5, 4), feeds=feeds)
    assert alone["p/1", D(2026, 5, 4)] == found["p/1", D(2026, 5, 4)]
