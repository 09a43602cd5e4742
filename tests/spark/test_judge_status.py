"""States and locations as feeds send them: vocabularies, times, rules; every rule of theirs broken on purpose."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache

import pyarrow as pa
import pytest

from cic_assets.ingest.count import count_by_rule
from cic_assets.ingest.judge import judge
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.locations import harmonise as locations
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.status import harmonise as status
from cic_assets.lake.tables import hand_over
from tests.builders import judged_rows

ARRIVED = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)
COMMON = {
    "id": "s", "description": "d", "provider": {"id": "GB*ACM", "name": "P"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/London", "format": {"type": "csv"}, "claims": ["*.csv"], "licence": "l", "contact": "c",
}  # fmt: skip
STATUS = {
    **COMMON,
    "kind": "status",
    "columns": {
        "charge_point": "cp", "status": "word", "changed_at": "since", "confirmed_at": "seen", "invalid": "bad",
        "covers_until": "covers",
    },
    "vocabulary": {"standard": "OCPI 2.2.1", "words": {"Kaputt": "OUTOFORDER"}},
}  # fmt: skip
GOOD = {"cp": "E1", "word": "AVAILABLE", "since": "2026-11-01T10:00:00Z", "seen": "2026-11-02T05:00:00Z"}


def records(spark, stream, rows):
    names = ["source_file", "cic.raw", "cic.fault", "cic.fault_text", "cic.content", *stream.fields]
    return hand_over(
        spark,
        pa.table(
            {
                **{
                    name: pa.array(
                        [row.get(name, "f.csv") if name == "source_file" else row.get(name) for row in rows],
                        pa.string(),
                    )
                    for name in names
                },
                "cic.line": pa.array(range(2, len(rows) + 2), pa.int64()),
                "arrival_date": pa.array([ARRIVED.date()] * len(rows), pa.date32()),
                "arrived_at": pa.array([row.get("arrived_at", ARRIVED) for row in rows], pa.timestamp("us", tz="UTC")),
            }
        ),
    )


def judged(spark, *rows, **changes):
    stream = parse_stream({**STATUS, **changes})
    frame = judge(status.harmonise(records(spark, stream, rows), stream), rules_of("default", "status"), {})
    found = sorted(frame.toArrow().to_pylist(), key=lambda row: row["source_line"])
    assert all(row["disagreements"] == [] for row in found)
    return found


WORDS = {
    "OCPI 2.2.1": {"AVAILABLE": "AVAILABLE", "blocked": "BLOCKED", " Charging ": "CHARGING", "REMOVED": "REMOVED"},
    "OCPP 1.6": {
        "Available": "AVAILABLE", "Preparing": "CHARGING", "Charging": "CHARGING", "SuspendedEV": "CHARGING",
        "SuspendedEVSE": "CHARGING", "Finishing": "CHARGING", "Reserved": "RESERVED", "Unavailable": "INOPERATIVE",
        "Faulted": "OUTOFORDER",
    },
    "OCPP 2.0.1": {
        "Available": "AVAILABLE", "Occupied": "CHARGING", "Reserved": "RESERVED", "Unavailable": "INOPERATIVE",
        "Faulted": "OUTOFORDER",
    },
}  # fmt: skip


@pytest.mark.parametrize("standard", WORDS)
def test_words_of_the_standards_and_of_the_feed_keep_their_spelling_beside_the_state(spark, standard):
    words = {**WORDS[standard], "KAPUTT": "OUTOFORDER"}
    vocabulary = {"standard": standard, "words": {"Kaputt": "OUTOFORDER"}}
    rows = [{**GOOD, "cp": f"E{number}", "word": word} for number, word in enumerate(words)]
    found = judged(spark, *rows, vocabulary=vocabulary)
    assert {row["source_status"]: row["state"] for row in found} == {
        word.strip(): state for word, state in words.items()
    }
    assert all((row["reasons"], row["flags"]) == ([], []) for row in found)


CASES = {
    "good": ({}, [], []),
    "E01 charge point": ({"cp": " "}, ["E01"], []),
    "E01 instant": ({"since": "soon"}, ["E01"], ["unreadable:changed_at"]),
    "E01 poll's time": ({"seen": "yesterday"}, ["E01"], ["unreadable:confirmed_at"]),
    "E02 instant after arrival": ({"since": "2026-11-02T06:05:01Z"}, ["E02"], []),
    "E02 within five minutes": ({"since": "2026-11-02T06:05:00Z"}, [], []),
    "E02 poll after arrival": ({"seen": "2026-11-02T06:06:00Z"}, ["E02"], []),
    "E02 before 2010": ({"since": "2009-12-31T23:59:59Z"}, ["E02"], []),
    "E02 epoch": ({"since": "1970-01-01T00:00:00Z"}, ["E02"], []),
    "E03": ({"word": "Rebooting"}, [], ["unmapped_status"]),
    "E03 without a word": ({"word": None}, [], ["unmapped_status"]),
    "E06": ({"bad": "true"}, ["E06"], []),
    "all reasons": ({"cp": None, "bad": "true", "word": "?"}, ["E01", "E06"], ["unmapped_status"]),
}


def test_each_rule_fires_on_its_row_and_unknown_words_become_unknown(spark):
    rows = [{**GOOD, "cp": f"E{number}", **changes} for number, (changes, _, _) in enumerate(CASES.values())]
    found = judged(spark, *rows)
    assert {case: (row["reasons"], row["flags"]) for case, row in zip(CASES, found, strict=True)} == {
        case: (reasons, flags) for case, (_, reasons, flags) in CASES.items()
    }
    assert {row["source_status"] for row in found if row["state"] == "UNKNOWN"} == {"Rebooting", "(none)", "?"}


def test_a_promise_covers_no_more_than_what_has_happened(spark):
    rows = [{**GOOD, "covers": text} for text in (None, "2026-11-02T01:00:00Z", "2026-12-01T00:00:00Z")]
    assert [row["covers_until"] for row in judged(spark, *rows)] == [
        None,
        dt.datetime(2026, 11, 2, 1, tzinfo=dt.UTC),
        ARRIVED,
    ]


def test_wall_clocks_are_read_as_for_sessions(spark):
    columns = {"charge_point": "cp", "status": "word", "changed_local": "since", "confirmed_local": "seen"}
    rows = [
        {"cp": "1", "word": "AVAILABLE", "since": "2026-10-25 01:30:00", "seen": "2026-10-25 02:00:00"},
        {"cp": "2", "word": "AVAILABLE", "since": "2026-03-29 01:30:00", "seen": "2026-03-29 03:00:00"},
        {"cp": "3", "word": "AVAILABLE", "since": "2026-07-01 01:30:00", "seen": "2026-07-01 02:00:00"},
    ]
    found = judged(spark, *rows, columns=columns)
    assert [f"{row['event_at']:%H:%M}" for row in found] == ["00:30", "01:30", "00:30"]
    assert [row["flags"] for row in found] == [["dst"], ["dst"], []]


def test_a_record_of_a_poll_is_a_poll_and_any_other_an_event(spark):
    since, seen = "2026-10-20T08:00:00Z", "2026-11-01T23:30:00Z"
    push = {name: text for name, text in STATUS["columns"].items() if name != "confirmed_at"}
    found = []
    for columns in (STATUS["columns"], push):
        stream = parse_stream({**STATUS, "columns": columns, "zone": "Europe/Berlin"})
        rows = records(spark, stream, [{**GOOD, "since": since, "seen": seen}])
        judged_rows = judge(status.harmonise(rows, stream), rules_of("default", "status"), {})
        (row,) = status.entries(judged_rows, stream).toArrow().to_pylist()
        moments = (row["at"], row["since_at"])
        found.append((row["entry"], *(moment and f"{moment:%d %H}" for moment in moments), str(row["status_date"])))
    assert found == [("poll", "01 23", "20 08", "2026-11-02"), ("event", "20 08", None, "2026-10-20")]


LATER = ARRIVED + dt.timedelta(minutes=1)
TWO = {
    "other state": ([{}, {"word": "CHARGING"}], True),
    "other instant": ([{}, {"since": "2026-11-01T09:00:00Z"}], True),
    "three, two alike": ([{}, {}, {"word": "REMOVED"}], True),
    "said twice": ([{}, {}], False),
    "another poll": ([{}, {"word": "CHARGING", "seen": "2026-11-02T04:00:00Z"}], False),
    "a page of the same delivery": ([{}, {"word": "CHARGING", "source_file": "g.csv"}], True),
    "another delivery": ([{}, {"word": "CHARGING", "source_file": "g.csv", "arrived_at": LATER}], False),
    "the other is rejected": ([{}, {"word": "CHARGING", "bad": "true"}], False),
}


def test_one_id_at_two_places_of_one_poll_is_flagged(spark):
    rows = [{**GOOD, "cp": name, **change} for name, (changes, _) in TWO.items() for change in changes]
    found = judged(spark, *rows)
    marked = {row["charge_point"] for row in found if "two_places" in row["flags"]}
    assert marked == {name for name, (_, two) in TWO.items() if two}
    # Changes that a log tells at one instant are no places: the last one holds.
    columns = {name: text for name, text in STATUS["columns"].items() if name != "confirmed_at"}
    assert all(row["flags"] == [] for row in judged(spark, *rows, columns=columns))


def test_two_places_are_those_of_one_provider(spark):
    one, other, none = {"party": "A"}, {"party": "B"}, {"party": None}
    pairs = {"one": (one, one), "two": (one, other), "none": (none, none), "some": (none, one)}
    words = ("AVAILABLE", "CHARGING")
    rows = [
        {**GOOD, "cp": name, "word": word, **party}
        for name, parties in pairs.items()
        for word, party in zip(words, parties, strict=True)
    ]
    found = judged(spark, *rows, columns={**STATUS["columns"], "provider": "party"})
    # Of whom nobody says, nothing is known.
    assert {row["charge_point"] for row in found if "two_places" in row["flags"]} == {"one"}


BREAKS = [
    (rule, how)
    for rule in rules_of("default", "status")
    for how in ("false", "true")
    # No row of these is at two places.
    if (rule.id[0], how) != ("D", "true") and (rule.id, how) != ("E08", "false")
]


@cache
def faulty(spark):
    """Each fault once, harmonised once."""
    columns = {**STATUS["columns"]}
    columns["changed_local"] = columns.pop("changed_at")
    stream = parse_stream({**STATUS, "columns": columns})
    rows = [{**GOOD, **changes} for changes, _, _ in CASES.values()]
    rows.append({**GOOD, "since": "2026-10-25 01:30:00"})
    rows += [{"cic.fault": name} for name in ("D01", "D02", "D03", "D04")]
    return hand_over(spark, status.harmonise(records(spark, stream, rows), stream).toArrow())


@pytest.mark.parametrize(("rule", "broken"), BREAKS, ids=lambda value: getattr(value, "id", value))
def test_breaking_a_predicate_is_seen_by_its_own_audit(spark, rule, broken):
    rules = [replace(each, predicate=broken) if each.id == rule.id else each for each in rules_of("default", "status")]
    (counts,) = count_by_rule(judged_rows(judge(faulty(spark), rules, {})), rules).values()
    assert {name for name, found in counts.wrong.items() if found} == {rule.id}


def test_locations_give_kilowatts_and_keep_what_they_can_read(spark):
    columns = {
        "charge_point": "cp",
        "device_id": "post",
        "rated_power": "watts",
        "valid_from": "since",
        "latitude": "lat",
    }
    stream = parse_stream({**COMMON, "kind": "locations", "columns": columns, "units": {"power": "W"}})
    rows = [
        {"cp": "E1", "post": "P", "watts": "7400", "since": "2025-01-01T00:00:00Z", "lat": "51.5"},
        {"cp": "E2", "watts": "much", "since": "2025-01-01T00:00:00Z", "lat": "north"},
        {"watts": "7400"},
    ]
    frame = judge(locations.harmonise(records(spark, stream, rows), stream), rules_of("default", "locations"), {})
    first, second, third = sorted(frame.toArrow().to_pylist(), key=lambda row: row["source_line"])
    assert (first["charge_point_id"], str(first["rated_power_kw"]), first["device_id"]) == ("GB*ACM/E1", "7.4000", "P")
    assert second["flags"] == ["unreadable:rated_power", "unreadable:latitude"]
    assert (second["rated_power_kw"], second["latitude"], second["device_id"]) == (None, None, None)
    assert second["valid_from"] == first["valid_from"] and (second["reasons"], third["reasons"]) == ([], ["L01"])


def test_one_id_at_two_sites_is_flagged_and_a_missing_id_is_the_other_one(spark):
    columns = {
        "charge_point": "`evses.evse_id`", "location_id": "site", "valid_from": "since", "status": "word",
    }  # fmt: skip
    stream = parse_stream({**COMMON, "kind": "locations", "columns": columns})
    rows = [
        {"evses.evse_id": "E1", "evses.uid": "1", "site": "N"}, {"evses.evse_id": "E1", "site": "S", "word": "removed"},
        {"evses.evse_id": "E2", "site": "N", "word": "out"}, {"evses.evse_id": "E2", "site": "N"},
        {"evses.evse_id": "E3", "site": "N", "since": "2025-01-01T00:00:00Z"}, {"evses.evse_id": "E3", "site": "S"},
        {"evses.uid": "77", "site": "N"}, {"evses.uid": " ", "site": "S"},
        # On two pages of one delivery, and in the next one.
        {"evses.evse_id": "E4", "site": "N"}, {"evses.evse_id": "E4", "site": "S", "source_file": "g.csv"},
        {"evses.evse_id": "E5", "site": "N"}, {"evses.evse_id": "E5", "site": "S", "arrived_at": LATER},
    ]  # fmt: skip
    rules = rules_of("default", "locations")
    frame = judge(locations.harmonise(records(spark, stream, rows), stream), rules, {}).orderBy("source_line")
    found = frame.toArrow().to_pylist()
    assert [row["flags"] for row in found[:8]] == [["two_places"]] * 2 + [["unreadable:status"]] + [[]] * 5
    assert [row["flags"] for row in found[8:]] == [["two_places"]] * 2 + [[]] * 2
    assert [row["status"] for row in found[:3]] == [None, "REMOVED", None]
    assert (found[0]["charge_point_alias"], found[6]["charge_point_id"]) == ("1", "GB*ACM/77")
    assert [row["reasons"] for row in found] == [[]] * 7 + [["L01"]] + [[]] * 4
    broken = [replace(rule, predicate="false") if rule.id == "E08" else rule for rule in rules]
    frame = judge(locations.harmonise(records(spark, stream, rows), stream), broken, {})
    (counts,) = count_by_rule(judged_rows(frame), broken).values()
    assert (counts.fired["E08"], counts.wrong["E08"]) == (0, 4)
