"""What is an instant, a wall clock, a value that is there and can't be read; the same on both engines."""

from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.harmonise import locations, sessions, status
from cic_assets.quality.judge import count_unreadable, judge
from cic_assets.quality.rules import rules_of
from cic_assets.streams.model import parse_stream
from tests.spark.test_judge_status import COMMON, STATUS, records

HARMONISE = {"sessions": sessions.harmonise, "status": status.harmonise, "locations": locations.harmonise}
SESSIONS = {
    **COMMON, "kind": "sessions", "vat_basis": "excluded",
    "columns": {
        "session_id": "id", "charge_point": "cp", "started_at": "start", "ended_at": "stop", "energy": "kwh",
        "cost": "cost", "currency": "currency", "rated_power": "kw", "charging_seconds": "charging",
        "status": "status", "record_kind": "kind", "credit": "credit", "last_updated": "updated",
    },
}  # fmt: skip
SESSION = {"id": "1", "cp": "E1", "start": "2026-06-01T10:00:00Z", "stop": "2026-06-01T11:00:00Z", "kwh": "5"}


def judged(spark, content, rows):
    stream = parse_stream(content)
    frame = HARMONISE[stream.kind](records(spark, stream, rows), stream)
    frame = judge(frame, rules_of("default", stream.kind), {})
    found = sorted(frame.toArrow().to_pylist(), key=lambda row: row["source_line"])
    assert [row["disagreements"] for row in found] == [[]] * len(found)
    return found


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


# Text → as an instant, as a wall clock in Berlin (None: unreadable).
TEN, TEN_IN_BERLIN = utc(2026, 6, 1, 10), utc(2026, 6, 1, 8)
MOMENTS = {
    "2026-06-01T10:00:00Z": (TEN, TEN),
    "2026-06-01t10:00:00z": (TEN, TEN),
    "2026-06-01 10:00 UTC": (TEN, TEN),
    "2026-06-01 10:00:00 GMT": (TEN, TEN),
    "2026-06-01T12:00:00+02:00": (TEN, TEN),
    "2026-06-01 12:00:00+02": (TEN, TEN),
    "2026-06-01 05:30:00 -0430": (TEN, TEN),
    "2026-06-01T12:00+02:00": (TEN, TEN),
    "\u00a02026-6-1  10:00:00Z\u200b": (TEN, TEN),
    "2026-06-01T10:00:00,5Z": (utc(2026, 6, 1, 10, 0, 0, 500_000),) * 2,
    "2026-06-01T10:00:00.123456789Z": (utc(2026, 6, 1, 10, 0, 0, 123_456),) * 2,
    "2026-06-01 10:00": (None, TEN_IN_BERLIN),
    "2026-06-01T10:00:00": (None, TEN_IN_BERLIN),
    "2026-6-1 9:05": (None, utc(2026, 6, 1, 7, 5)),
    "2026-06-01 10:00:00.25": (None, utc(2026, 6, 1, 8, 0, 0, 250_000)),
    **dict.fromkeys(
        (
            "00:15", "T2", "10:00:00Z", "2026", "2026-06", "2026-06-01", "2026-06-01T10", "2026-06-01T10Z",
            "2026-06-01 10:00:00 BST", "2026-06-01 10:00:00 CET", "2026-06-01 10:00:00 IST",
            "2026-06-01T10:00:00[Europe/London]", "2026-06-01T10:00:00+01:00[Europe/London]",
            "2026-06-01 10:00:00 Europe/London", "01/06/2026 10:00", "01.06.2026 10:00:00", "1780308000",
            "1780308000000", "2023-02-29 10:00:00Z", "2026-06-31 10:00:00Z", "2026-06-01 24:00:00Z",
            "2026-06-01 10:60:00Z", "2026-06-01T10:00:00+18:30", "2026-06-01T10:00:00+01:75", "now", "today",
            "10000-01-01 00:00:00Z", "2026-06-01 10:00.5Z", "20260601T100000Z", "2026-06-01 10:00:00 UTC+1",
        ),
        (None, None),
    ),
}  # fmt: skip


def test_an_instant_has_date_time_and_offset_and_nothing_completes_a_text(spark):
    by_instant = {**STATUS, "columns": {"charge_point": "cp", "status": "word", "changed_at": "since"}}
    by_clock = {
        **STATUS, "zone": "Europe/Berlin",
        "columns": {"charge_point": "cp", "status": "word", "changed_local": "since"},
    }  # fmt: skip
    rows = [{"cp": "E1", "word": "AVAILABLE", "since": text} for text in MOMENTS]
    found = [judged(spark, content, rows) for content in (by_instant, by_clock)]
    read = {text: (a["event_at"], b["event_at"]) for text, a, b in zip(MOMENTS, *found, strict=True)}
    assert read == MOMENTS
    for column, side in zip(("changed_at", "changed_local"), found, strict=True):
        for row in side:
            lost = row["event_at"] is None
            assert (row["reasons"], row["flags"]) == ((["E01"], [f"unreadable:{column}"]) if lost else ([], []))


def test_times_that_the_expression_makes_are_read_by_their_type(spark):
    columns = {
        "charge_point": "cp", "status": "word", "changed_local": "try_to_timestamp(since, 'dd/MM/yyyy HH:mm')",
        "confirmed_at": "to_utc_timestamp(try_to_timestamp(seen, 'dd/MM/yyyy HH:mm'), 'Asia/Kolkata')",
        "covers_until": "timestamp_seconds(try_cast(covers as bigint))",
    }  # fmt: skip
    first = {"cp": "1", "word": "A", "since": "01/06/2026 10:00", "seen": "01/06/2026 15:30", "covers": "1780308000"}
    rows = [first, {"cp": "2", "word": "A", "since": "01/06/2026", "seen": None, "covers": "soon"}]
    first, second = judged(spark, {**STATUS, "columns": columns, "vocabulary": {"words": {"A": "AVAILABLE"}}}, rows)
    assert (first["event_at"], first["confirmed_at"], first["covers_until"]) == (utc(2026, 6, 1, 9), TEN, TEN)
    assert (first["flags"], second["reasons"]) == ([], ["E01"])
    assert second["flags"] == ["unreadable:changed_local", "unreadable:covers_until"]


def test_a_registry_dates_by_the_zone_of_its_stream(spark):
    rows = [
        {"cp": "1", "since": "2026-06-01"}, {"cp": "2", "since": "2026-06-01 10:00"}, {"cp": "3", "since": None},
        {"cp": "4", "since": "2026-06-01T10:00:00Z"}, {"cp": "5", "since": "June"},
    ]  # fmt: skip
    content = {**COMMON, "kind": "locations", "columns": {"charge_point": "cp", "location_id": "'x'"}}
    content["columns"]["valid_from"] = "since"
    found = judged(spark, content, rows)
    assert [row["valid_from_given"] for row in found] == [utc(2026, 5, 31, 23), utc(2026, 6, 1, 9), None, TEN, None]
    assert [row["flags"] for row in found] == [[], [], [], [], ["unreadable:valid_from"]]
    parsed = {**content, "columns": {**content["columns"], "valid_from": "try_to_timestamp(since, 'yyyy-MM-dd')"}}
    assert judged(spark, parsed, rows[:1])[0]["valid_from"] == utc(2026, 5, 31, 23)


UNREAD = {
    "nothing": ({}, []),
    "blank": ({"cost": " ", "kw": "\u00a0", "currency": "\u200b"}, []),
    "pound": ({"cost": "£3.40"}, ["cost"]),
    "comma": ({"cost": "3,40"}, ["cost"]),
    "thousands": ({"cost": "1,034.00", "kw": "7 kW"}, ["cost", "rated_power"]),
    "currency": ({"currency": "£"}, ["currency"]),
    "currency in small letters": ({"currency": " gbp "}, []),
    "charging": ({"charging": "an hour"}, ["charging_seconds"]),
    "charging as a clock": ({"charging": "0:30:00"}, []),
    "status": ({"status": "Cancelled"}, ["status"]),
    "status in small letters": ({"status": "completed"}, []),
    "kind": ({"kind": "invoice"}, ["record_kind"]),
    "credit": ({"credit": "perhaps"}, ["credit"]),
    "credit in words": ({"credit": "No"}, []),
    "updated": ({"updated": "2026-06-01"}, ["last_updated"]),
    "updated without an offset": ({"updated": "2026-06-01 12:00:00"}, ["last_updated"]),
    "open": ({"status": "ACTIVE", "stop": "later", "kwh": "?"}, ["ended_at", "energy"]),
}


def test_what_is_there_and_can_not_be_read_is_flagged_and_counted(spark):
    rows = [{**SESSION, **changes} for changes, _ in UNREAD.values()]
    found = judged(spark, SESSIONS, rows)
    flags = {case: (row["reasons"], row["flags"]) for case, row in zip(UNREAD, found, strict=True)}
    assert flags == {case: ([], [f"unreadable:{name}" for name in names]) for case, (_, names) in UNREAD.items()}
    stream = parse_stream(SESSIONS)
    frame = judge(sessions.harmonise(records(spark, stream, rows), stream), rules_of("default", "sessions"), {})
    (counts,) = count_unreadable(frame).values()
    assert (counts["cost"], counts["rated_power"], counts["currency"], counts["status"]) == (
        (3, 3), (1, 1), (2, 1), (3, 1),
    )  # fmt: skip
    assert counts["started_at"] == (len(rows), 0)


def test_a_text_that_the_expression_itself_could_not_read_is_there(spark):
    model = (
        "coalesce(nullif(regexp_extract(model, '([0-9]+) *kW', 1), ''), case when model like '%Rapid%' then '50' end)"
    )
    hours = "3600 * (try_cast(total as decimal(12,6)) - coalesce(try_cast(parked as decimal(12,6)), 0))"
    columns = {
        **SESSIONS["columns"],
        "rated_power": model,
        "charging_seconds": hours,
        "last_updated": "concat(day, 'Z')",
    }
    rows = [
        {**SESSION, "model": "APT 22kW", "total": "1", "day": "2026-06-01 11:00"},
        {**SESSION, "model": "APT Dual Outlet", "total": "", "day": " "},
        {**SESSION, "model": "", "total": "1 h", "day": "2026-06-01"},
    ]
    found = judged(spark, {**SESSIONS, "columns": columns}, rows)
    assert [row["flags"] for row in found] == [
        [], [], ["unreadable:charging_seconds", "unreadable:last_updated"],
    ]  # fmt: skip
    assert [str(row["charging_seconds"]) for row in found] == ["3600.0000", "None", "None"]


def test_a_stream_maps_its_own_words_for_the_status_of_a_session(spark):
    words = {"Cancelled": "INVALID", "läuft": "ACTIVE"}
    rows = [{**SESSION, "status": word} for word in ("CANCELLED", "Läuft", "invalid", "FAILED")]
    found = judged(spark, {**SESSIONS, "vocabulary": {"words": words}}, rows)
    assert [(row["status"], row["flags"]) for row in found] == [
        ("INVALID", []), ("ACTIVE", []), ("INVALID", []), ("COMPLETED", ["unreadable:status"]),
    ]  # fmt: skip


IDS = {
    "E1": "E1", " E1\t": "E1", "\u00a0E1": "E1", "E1\u200b": "E1", "\ufeffE1": "E1", "E\u00ad1": "E1",
    "E\u00a01": "E 1", "E\u20091": "E 1", "E 1": "E 1",
    **dict.fromkeys(("-", "--", "?", "n/a", "N/A", "#N/A", "null", "None", "NaN", "#REF!", "TBC", "\u2013"), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMONISE)
def test_ids_have_no_unseen_signs_and_placeholders_are_no_ids(spark, kind):
    columns = {"charge_point": "cp", "connector_id": "cp"}
    content = {**{"sessions": SESSIONS, "status": STATUS, "locations": COMMON}[kind], "kind": kind}
    content["columns"] = {**content.get("columns", {}), **columns}
    found = judged(spark, content, [{**SESSION, "cp": text} for text in IDS])
    assert {text: row["charge_point"] for text, row in zip(IDS, found, strict=True)} == IDS
    assert [row["connector_id"] for row in found][6:8] == ["E 1", "E 1"]


def test_truth_is_told_by_one_list_of_words(spark):
    words = {
        "true": True,
        "T": True,
        "Yes": True,
        "y": True,
        "1": True,
        "no": False,
        "f": False,
        "0": False,
        None: False,
    }
    rows = [{"cp": "1", "word": "AVAILABLE", "since": "2026-11-01T10:00:00Z", "bad": word} for word in [*words, "x"]]
    columns = {"charge_point": "cp", "status": "word", "changed_at": "since", "invalid": "bad"}
    found = judged(spark, {**STATUS, "columns": columns}, rows)
    assert [row["marked_invalid"] for row in found] == [*words.values(), False]
    assert found[-1]["flags"] == ["unreadable:invalid"]
