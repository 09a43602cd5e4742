"""What is an instant, a wall clock, a value that is there and can't be read; the same on both engines."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from decimal import Decimal

import pytest

from cic_assets.ingest.count import count_by_rule, count_unreadable
from cic_assets.ingest.judge import judge
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.locations import harmonise as locations
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.sessions import harmonise as sessions
from cic_assets.kinds.status import harmonise as status
from tests.builders import judged_rows
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
            "2026-W23-1T10:00:00Z", "2026-152T10:00:00Z", "26-06-01 10:00:00Z", "2026-06-01TZ",
            "2026-06-01 10:00 AM", "2026-06-01 10:00:00PM", "1 June 2026 10:00", "Jun 1 2026 10:00AM",
            "01-Jun-2026 10:00:00Z", "2026-06-01T10:00:00+1", "2026-06-01T10:00:00+1:00", "2026-06-01T10:00:00Z+01",
            "2026-06-01T10:00:00+01:00:00", "2026-06-01T10:00:00\u221201:00", "2026-06-01T10:00:60Z", "45809.41",
            "epoch", "yesterday", "infinity", "+2026-06-01T10:00:00Z", "02026-06-01T10:00:00Z",
            "\uff12\uff10\uff12\uff16-06-01T10:00:00Z", "2026/06/01 10:00:00Z", "0000-00-00 00:00:00Z",
            "2026-06-01 10h00", "2026-06-01T10.00.00Z", "2026-06-01T10:00:00,Z", "2026-06-01 10:00:00 +01:00 GMT",
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
    (counts,) = count_unreadable(judged_rows(frame)).values()
    assert (counts["cost"], counts["rated_power"], counts["currency"], counts["status"]) == (
        (3, 3), (1, 1), (2, 1), (3, 1),
    )  # fmt: skip
    assert counts["started_at"] == (len(rows), 0)


def test_a_registry_has_its_own_words_for_states_and_ends_of_charge_points(spark):
    content = {**COMMON, "kind": "locations", "zone": "Europe/Berlin"}
    content["columns"] = {"charge_point": "cp", "location_id": "'x'", "status": "word", "valid_to": "gone"}
    content["vocabulary"] = {"words": {"In Betrieb": "AVAILABLE", "abgebaut": "REMOVED"}}
    rows = [
        {"cp": "1", "word": "in betrieb", "gone": None}, {"cp": "2", "word": "Abgebaut", "gone": "2026-06-01"},
        {"cp": "3", "word": "AVAILABLE", "gone": "2026-06-01T10:00:00Z"}, {"cp": "4", "word": "", "gone": "soon"},
    ]  # fmt: skip
    found = judged(spark, content, rows)
    assert [(row["status"], row["valid_to"]) for row in found] == [
        ("AVAILABLE", None), ("REMOVED", utc(2026, 5, 31, 22)), (None, TEN), (None, None),
    ]  # fmt: skip
    assert [row["flags"] for row in found] == [[], [], ["unreadable:status"], ["unreadable:valid_to"]]
    del content["vocabulary"]
    assert [row["status"] for row in judged(spark, content, rows)] == [None, None, "AVAILABLE", None]


def test_a_plain_cast_ends_no_ingest_and_its_value_is_unreadable(spark):
    """The shipped char.gy registry once ended `cic run daily` on `230.5` volts."""
    content = {**COMMON, "kind": "locations", "units": {"power": "W"}}
    content["columns"] = {
        "charge_point": "cp", "location_id": "'x'", "rated_power": "cast(volts as bigint) * amps / phases",
    }  # fmt: skip
    rows = [
        {"cp": "1", "volts": "230", "amps": "32", "phases": "1"}, {"cp": "2", "volts": "230 V", "amps": "32"},
        {"cp": "3", "volts": "230", "amps": "32", "phases": "0"}, {"cp": "4", "volts": "", "amps": "", "phases": ""},
    ]  # fmt: skip
    found = judged(spark, content, rows)
    assert [row["rated_power_kw"] for row in found] == [Decimal("7.3600"), None, None, None]
    unread = [flag for row in found for flag in row["flags"] if flag.startswith("unreadable")]
    assert unread == ["unreadable:rated_power"] * 2
    assert not any("unreadable:rated_power" in row["flags"] for row in (found[0], found[3]))


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


def test_the_row_of_a_total_is_no_session_though_it_spans_the_month(spark):
    named = [("Total", "2 chargers"), ("Subtotal:", "E1"), ("S1", "Summe"), ("Total 1", "E1"), ("S2", "TOTAL-0042")]
    found = judged(spark, SESSIONS, [{**SESSION, "id": name, "cp": point} for name, point in named])
    assert [row["reasons"] for row in found] == [["S01"]] * 3 + [[]] * 2


def test_where_ids_are_none_spellings_of_one_charge_point_are_one_session(spark):
    spelt = ["gb*chg*e0041", "GBCHGE0041", "GB-CHG-E0041", "A-12", "a-12", "A12"]
    content = {**SESSIONS, "session_id": "none", "columns": {k: v for k, v in SESSIONS["columns"].items() if v != "id"}}
    found = [row["session_id"] for row in judged(spark, content, [{**SESSION, "cp": text} for text in spelt])]
    assert [found.index(each) for each in found] == [0, 0, 0, 3, 3, 5]
    assert found[3] == hashlib.sha256(f"A-12|~|{TEN.timestamp():.0f}000000".encode()).hexdigest()[:32]


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


# Texts of 255 bytes and of more, in ids of one, two and four bytes a sign; the last is not even searched.
FITS = ("E" * 255, "\u00e9" * 127, "\U0001f50c" * 63, " " * 900 + "E1")
TOO_LONG = ("E" * 256, "\u00e9" * 128, "\U0001f50c" * 64, "E" * 2_800, "E" + "\u00a0" * 1_000_000 + "E")
OPTIONAL_IDS = {
    "sessions": ("session_id", "connector_id", "cdr_session_id", "credit_reference_id"),
    "status": ("connector_id",),
    "locations": ("connector_id", "location_id", "device_id"),
}
WITH_IDS = {
    "sessions": {**SESSIONS, "columns": {**SESSIONS["columns"], "status": "null"}},
    "status": {**STATUS, "columns": {"charge_point": "cp", "status": "word", "changed_at": "start"}},
    "locations": {**COMMON, "kind": "locations", "columns": {"charge_point": "cp"}},
}


@pytest.mark.parametrize("kind", HARMONISE)
def test_ids_that_no_index_takes_are_unreadable(spark, kind):
    rule = {"sessions": "S01", "status": "E01", "locations": "L01"}[kind]
    good = {**SESSION, "word": "AVAILABLE"}
    found = judged(spark, WITH_IDS[kind], [{**good, "cp": text} for text in (*FITS, *TOO_LONG)])
    assert [row["reasons"] for row in found] == [[]] * len(FITS) + [[rule]] * len(TOO_LONG)
    assert found[0]["charge_point"] == FITS[0] and found[3]["charge_point"] == "E1"
    names = OPTIONAL_IDS[kind]
    content = {**WITH_IDS[kind], "columns": {**WITH_IDS[kind]["columns"], **dict.fromkeys(names, "other")}}
    texts = enumerate((*FITS, *TOO_LONG, None))
    found = judged(spark, content, [{**good, "cp": f"E{number}", "other": text} for number, text in texts])
    ids = [{row[name] or None for name in names} - {row.get("session_id")} for row in found]
    assert ids[:2] == [{FITS[0]} - {found[0].get("session_id")}, {FITS[1]} - {found[1].get("session_id")}]
    marks = sorted(f"unreadable:{name}" for name in names)
    assert [sorted(row["flags"]) for row in found] == [[]] * len(FITS) + [marks] * len(TOO_LONG) + [[]]
    # Of a registry's row without anything but an id nobody knows whether it is one.
    assert kind == "locations" or all(row["reasons"] == [] for row in found)
    assert all(len(row.get("session_id") or "") <= 255 for row in found)


@pytest.mark.parametrize("kind", HARMONISE)
def test_words_and_names_that_are_too_long_are_cut_and_figures_are_unreadable(spark, kind):
    columns = {
        "sessions": {"cost": "other", "last_updated": "other", "status": "other", "currency": "other"},
        "status": {"status": "other", "changed_at": "start"},
        "locations": {"location_name": "other", "rated_power": "other"},
    }[kind]
    content = {**WITH_IDS[kind], "columns": {**WITH_IDS[kind]["columns"], **columns}}
    rows = [{**SESSION, "other": text} for text in ("1" * 256, "1" * 5_000, "\u00e9" * 5_000)]
    found = judged(spark, content, rows)
    marks = {f"unreadable:{name}" for name in columns if name not in ("location_name", "changed_at")}
    marks = {"unmapped_status"} if kind == "status" else marks
    assert [set(row["flags"]) for row in found] == [marks] * len(rows)
    if kind != "sessions":
        words = [row["source_status" if kind == "status" else "location_name"] for row in found]
        assert words == ["1" * 60 + "\u2026"] * 2 + ["\u00e9" * 60 + "\u2026"]


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


REGISTRY = {
    **COMMON, "kind": "locations",
    "columns": {
        "charge_point": "Charger", "location_id": "Site", "location_name": "Name", "device_id": "Post",
        "rated_power": "kW", "latitude": "lat", "longitude": "lon", "valid_from": "concat(Installed, 'T00:00:00Z')",
    },
}  # fmt: skip
POINT = {"Charger": "CH1", "Site": "S1", "Name": "Market", "Post": "P1", "kW": "7", "Installed": "2020-01-01"}
NOWHERE = dict.fromkeys(("Name", "Post", "Installed"))
# Cells beside (or in place of) a good row's → reasons, flags.
ROWS = {
    "good": ({}, [], []),
    "id like a total": ({"Charger": "TOTAL-0042"}, [], []),
    "eMI3 id": ({"Charger": "FR*TOT*E1"}, [], []),
    "id like a note": ({"Charger": "NOTE1"}, [], []),
    "missing": ({"Charger": "#REF!"}, ["L01"], []),
    "header": (
        {"Charger": " charger", "Site": "Site", "kW": "kW", "Installed": "Installed"},
        ["L01"], ["rated_power", "valid_from"],
    ),
    "total of a line": ({"Charger": "Total", "Site": "2 sites", "Post": "2", "kW": "64", "Installed": ""}, ["L01"], []),
    "grand total": ({"Charger": "GRAND TOTAL:"}, ["L01"], []),
    "total and number": ({"Charger": "Total: 64"}, ["L01"], []),
    "summe": ({"Charger": "Summe (3)"}, ["L01"], []),
    "sum of sites": ({"Charger": "Total charge points"}, ["L01"], []),
    "average": ({"Charger": "Average"}, ["L01"], []),
    "source": ({"Charger": "Source: asset register"}, ["L01"], []),
    "copyright": ({"Charger": "© 2026 the council"}, ["L01"], []),
    "star": ({"Charger": "* rated power per socket"}, ["L01"], []),
    "as of": ({"Charger": "Data as of 1 June"}, ["L01"], []),
    "alone": ({"Charger": "see next sheet", **dict.fromkeys(("Site", "Name", "Post", "kW", "Installed"))}, ["L01"], []),
    "no site": ({"Charger": "CH9", "Site": None, "Name": " ", "kW": "n/a"}, ["L01"], ["rated_power"]),
    "no site, but placed": (
        {"Charger": "CH9", "Site": None, "Name": " ", "kW": "7 kW", "lat": "51.5", "lon": "-0.1"}, [], ["rated_power"],
    ),
    "a stand": ({"Charger": "Stand 4"}, [], []),
    "as of, in German": ({"Charger": "Stand: 1.6.2026"}, ["L01"], []),
    "units": ({"Charger": "ID", "Site": "name", "kW": "[kW]", "Installed": "", "lat": "deg"}, ["L01"],
        ["rated_power", "latitude"]),
    "one unit": ({"Charger": "(text)", "kW": "kW", "Installed": ""}, ["L01"], ["rated_power"]),
    "unit and pattern": (
        {"Charger": "text", "kW": "kW", "Installed": "yyyy-mm-dd"}, ["L01"], ["rated_power", "valid_from"],
    ),
    "a name and a date": ({"Charger": "Town Hall", "kW": "kW"}, [], ["rated_power"]),
    "header in another language": (
        {"Charger": "Ladepunkt", "Site": "Standort", "kW": "Leistung", "Installed": "seit", "lat": "Breite"},
        ["L01"], ["rated_power", "latitude", "valid_from"],
    ),
    "a name without its numbers": ({"Charger": "Town Hall", "kW": "n/a", "lat": "unknown"}, [],
        ["rated_power", "latitude"]),
    "a unit without its number": ({"kW": "kW"}, [], ["rated_power"]),
    "subtotal of some": ({"Charger": "Subtotal North", **NOWHERE, "Site": None}, ["L01"], []),
    "total of some": ({"Charger": "North total", **NOWHERE}, ["L01"], []),
    "total of some, with a colon": ({"Charger": "Total: North", **NOWHERE}, ["L01"], []),
    "id like a sum of some": ({"Charger": "Total Garage 1"}, [], []),
    "id like an average": ({"Charger": "Media City", **NOWHERE}, [], []),
    "no date": ({"Installed": ""}, [], []),
    "unread": ({"kW": "7 kW"}, [], ["rated_power"]),
    "in place": ({"lat": "51.5", "lon": "-0.1"}, [], []),
    "nowhere": ({"lat": "0", "lon": "0.0"}, [], ["L02"]),
    "exchanged": ({"lat": "-0.1", "lon": "51.5"}, [], ["L02"]),
    "abroad": ({"lat": "51.5", "lon": "151.5"}, [], ["L02"]),
    "no degrees": ({"lat": "515.0", "lon": "-0.1"}, [], ["L02"]),
    "comma": ({"lat": "51,5", "lon": "-0.1"}, [], ["latitude"]),
    "weak": ({"kW": "1.2"}, [], ["L03"]),
    "watts": ({"kW": "7000"}, [], ["L03"]),
    "year one": ({"Installed": "0001-01-01"}, [], ["L04"]),
    "future": ({"Installed": "2099-01-01"}, [], ["L04"]),
}  # fmt: skip


def test_a_registry_lists_charge_points_and_says_what_is_odd_about_them(spark):
    found = judged(spark, REGISTRY, [{**POINT, **changes} for changes, _, _ in ROWS.values()])
    marked = {case: (row["reasons"], row["flags"]) for case, row in zip(ROWS, found, strict=True)}
    assert marked == {
        case: (reasons, [flag if flag.startswith("L0") else f"unreadable:{flag}" for flag in flags])
        for case, (_, reasons, flags) in ROWS.items()
    }
    arrived = {case: row["valid_from"] == row["arrived_at"] for case, row in zip(ROWS, found, strict=True)}
    assert {case for case, is_arrival in arrived.items() if is_arrival} >= {"no date", "year one", "future"}
    assert not arrived["good"]


def test_a_registry_of_ids_alone_has_no_totals_by_their_loneliness(spark):
    """OCPI's other columns come from the document; an id that stands alone is one."""
    columns = {
        "charge_point": "Charger",
        "valid_from": "`document.timestamp`",
        "location_id": "'here'",
        "device_id": "Charger",
    }
    rows = [{"Charger": "CH1", "document.timestamp": None}, {"Charger": "Total"}]
    found = judged(spark, {**REGISTRY, "columns": columns}, rows)
    assert [row["reasons"] for row in found] == [[], ["L01"]]


@pytest.mark.parametrize(("zone", "flags"), [("Europe/Paris", []), ("Europe/London", ["L02"]), ("UTC", [])])
def test_the_country_is_that_of_the_zone(spark, zone, flags):
    (row,) = judged(spark, {**REGISTRY, "zone": zone}, [{**POINT, "lat": "43.3", "lon": "5.4"}])
    assert row["flags"] == flags


BREAKS = [(name, how) for name in ("L01", "L02", "L03", "L04") for how in ("false", "true")]


@pytest.mark.parametrize(("name", "broken"), BREAKS)
def test_breaking_a_predicate_of_locations_is_seen_by_its_own_audit(spark, name, broken):
    stream = parse_stream(REGISTRY)
    frame = locations.harmonise(records(spark, stream, [{**POINT, **row} for row, _, _ in ROWS.values()]), stream)
    rules = [replace(rule, predicate=broken) if rule.id == name else rule for rule in rules_of("default", "locations")]
    wrong = judge(frame, rules, {}).selectExpr("explode(disagreements) as id").distinct().toArrow().to_pylist()
    assert wrong == [{"id": name}]


def test_a_stream_leaves_out_what_is_no_record_and_counts_it(spark):
    rows = [{**SESSION, "kind": kind} for kind in ("session", "test", None)]
    content = {**SESSIONS, "where": "coalesce(kind, '') <> 'test'"}
    found = judged(spark, content, [*rows, {"cic.fault": "D01", "kind": "test"}])
    assert [(row["skipped"], row["reasons"]) for row in found] == [
        (False, []), (True, []), (False, []), (False, ["D01"]),
    ]  # fmt: skip
    stream = parse_stream(content)
    rows = judge(sessions.harmonise(records(spark, stream, rows), stream), rules_of("default", "sessions"), {})
    (counts,) = count_by_rule(judged_rows(rows), rules_of("default", "sessions")).values()
    assert (counts.rows, counts.rejected, counts.skipped) == (3, 0, 1)


PATCHES = [
    {"cp": "E1", "word": "AVAILABLE", "since": "2026-11-01T10:00:00Z"},
    {"cp": "E1", "word": None, "since": "2026-11-01T11:00:00Z"},
    {"cp": "", "word": None, "since": "2026-11-01T11:00:00Z"},
    {"cp": "E1", "word": " ", "since": "2026-11-01T12:00:00Z"},
    {"cp": "E1", "word": "", "since": "2026-11-01T13:00:00Z"},
]


def test_a_message_without_a_state_is_none_and_a_table_s_empty_cell_is(spark):
    columns = {"charge_point": "cp", "status": "word", "changed_at": "since"}
    lines = {**STATUS, "format": {"type": "jsonl"}, "columns": columns}
    assert [row["skipped"] for row in judged(spark, lines, PATCHES)] == [False, True, True, True, True]
    # An expression that makes an empty text of nothing, and one in which a word gets lost: that one is UNKNOWN.
    letters = {**lines, "columns": {**columns, "status": "regexp_extract(coalesce(word, ''), '^[A-Z]+$', 0)"}}
    found = judged(spark, letters, [*PATCHES, {**PATCHES[0], "word": "in use"}])
    assert [row["skipped"] for row in found] == [False, True, True, True, True, False]
    assert (found[-1]["state"], found[-1]["flags"]) == ("UNKNOWN", ["unmapped_status"])
    marked = {**lines, "columns": {**columns, "invalid": "bad"}}
    (wrong,) = judged(spark, marked, [{**PATCHES[1], "bad": "true"}])
    assert (wrong["skipped"], wrong["reasons"]) == (False, ["E06"])
    table, polled = {**lines, "format": {"type": "csv"}}, {**lines, "period": "PT10M"}
    for content in (table, polled, {**lines, "columns": {**columns, "confirmed_at": "since"}}):
        found = judged(spark, content, PATCHES)
        assert not any(row["skipped"] for row in found)
        assert [row["flags"] for row in found][1] == ["unmapped_status"]


def test_ocpp_s_evse_zero_is_the_station_and_no_charge_point(spark):
    columns = {"charge_point": "concat(station, '-', `payload.evseId`)", "status": "word", "changed_at": "since"}
    rows = [{"station": "X", "payload.evseId": n, "word": "Available", "since": "2026-11-01T10:00:00Z"} for n in "012"]
    content = {**STATUS, "columns": columns, "vocabulary": {"standard": "OCPP 2.0.1"}, "format": {"type": "jsonl"}}
    found = judged(spark, content, rows)
    assert [(row["charge_point"], row["reasons"]) for row in found] == [(None, ["E01"]), ("X-1", []), ("X-2", [])]
    other = judged(spark, {**content, "vocabulary": {"words": {"Available": "AVAILABLE"}}}, rows)
    assert other[0]["charge_point"] == "X-0"


TEN_LOCAL = "2026-01-20 10:00:00"
# (start, end, duration, its unit) → seconds, reasons.
LASTING = {
    "only a duration": ((TEN_LOCAL, None, "33", "s"), 33, []),
    "no end in words": ((TEN_LOCAL, "yesterday", "33", "s"), 33, []),
    "share a minute": ((TEN_LOCAL, TEN_LOCAL, "33", "s"), 33, []),
    "cut to minutes": ((TEN_LOCAL, "2026-01-20 10:05:00", "0:05:41", "s"), 341, []),
    "minutes": ((TEN_LOCAL, "2026-01-20 10:30:00", "30.5", "min"), 1830, []),
    "hours": ((TEN_LOCAL, None, "1.5", "h"), 5400, []),
    "another duration": ((TEN_LOCAL, "2026-01-20 12:00:00", "1800", "s"), 7200, []),
    "unread": ((TEN_LOCAL, "2026-01-20 12:00:00", "long", "s"), 7200, []),
    "neither": ((TEN_LOCAL, None, "long", "s"), None, ["S01"]),
    "negative": ((TEN_LOCAL, None, "-60", "s"), -60, ["S02"]),
    "seconds differ": ((TEN_LOCAL, "2026-01-20 10:00:30", "31", "s"), 30, []),
    "the second reading": (("2025-10-26 01:30:00", "2025-10-26 01:40:00", "4200", "s"), 4200, []),
}


@pytest.mark.parametrize("unit", ["s", "min", "h"])
def test_a_duration_knows_what_the_clock_does_not_show(spark, unit):
    columns = {
        "charge_point": "cp",
        "started_local": "start",
        "ended_local": "stop",
        "duration": "lasted",
        "energy": "kwh",
    }
    cases = {case: row for case, row in LASTING.items() if row[0][3] == unit}
    rows = [{"cp": "E1", "start": a, "stop": b, "lasted": c, "kwh": "5"} for (a, b, c, _), _, _ in cases.values()]
    content = {**SESSIONS, "columns": columns, "units": {"duration": unit}}
    found = judged(spark, content, rows)
    read = {case: (row["duration_micros"], row["reasons"]) for case, row in zip(cases, found, strict=True)}
    assert read == {
        case: (seconds if seconds is None else seconds * 1_000_000, reasons)
        for case, (_, seconds, reasons) in cases.items()
    }
    # An end that can't be read is said to be, also where the duration gives one.
    unread = {case for case, row in zip(cases, found, strict=True) if "unreadable:ended_local" in row["flags"]}
    assert unread == {case for case in cases if case == "no end in words"}


def test_the_clock_s_step_and_its_change_accuse_nobody(spark):
    columns = {
        "charge_point": "cp", "started_local": "start", "ended_local": "stop", "energy": "kwh", "rated_power": "kw",
        "charging_seconds": "charging",
    }  # fmt: skip
    day = {"cp": "E1", "start": "2026-01-20 10:00:00", "stop": "2026-01-20 11:00:00", "kw": "7", "kwh": "5"}
    rows = [
        {**day, "charging": "3659"},
        {**day, "charging": "3660"},
        {**day, "start": "2026-01-20 10:00:01", "charging": "3599.5"},
        {**day, "start": "2026-01-20 10:00:01", "charging": "3600"},
        # 01:30 to 01:40 in the hour that occurs twice: ten minutes, or seventy.
        {**day, "start": "2025-10-26 01:30:00", "stop": "2025-10-26 01:40:00", "kwh": "8"},
        {**day, "start": "2025-10-26 01:30:00", "stop": "2025-10-26 01:40:00", "kwh": "30"},
        # 00:30 to 02:30 over the hour that does not exist: one hour, or two by the feed's clock.
        {**day, "start": "2026-03-29 00:30:00", "stop": "2026-03-29 02:30:00", "kwh": "14"},
    ]
    found = judged(spark, {**SESSIONS, "columns": columns}, rows)
    assert ["S10" in row["flags"] for row in found[:4]] == [False, True, False, True]
    assert [row["reasons"] for row in found[4:]] == [[], ["S05"], []]


# Text → as a number where decimals follow a comma; None: unreadable.
NUMBERS = {
    "1.234,5": "1234.5000", "1234,5": "1234.5000", "1.234": "1234.0000", "-1,5": "-1.5000", "0,5": "0.5000",
    ",5": "0.5000", "€ 3,40": "3.4000", "3,40 €": "3.4000", "-€3,40": "-3.4000", "€-3,40": "-3.4000",
    "3,40 EUR": "3.4000", "eur 3,40": "3.4000", "1.234.567": "1234567.0000", "\u00a03,40\u00a0€": "3.4000",
    "7": "7.0000",
    "3.40": None, "1.23": None, "1,234,5": None, "1.2345,6": None, "£3,40": None, "--1": None, "-€-1": None, "€": None,
    "3,40 EUR EUR": None, "1 234": None,
}  # fmt: skip


def test_numbers_are_read_as_the_feed_writes_them(spark):
    content = {**SESSIONS, "numbers": {"decimal": ",", "thousands": ".", "signs": ["€", "EUR"]}}
    rows = [{**SESSION, "kwh": "1,5", "cost": text, "charging": "0:10:00"} for text in NUMBERS]
    found = judged(spark, content, rows)
    costs = {text: row["cost"] and str(row["cost"]) for text, row in zip(NUMBERS, found, strict=True)}
    assert costs == NUMBERS
    assert {(str(row["energy_kwh"]), row["charging_seconds"]) for row in found} == {("1.5000", 600)}
    unread = {text for text, row in zip(NUMBERS, found, strict=True) if "unreadable:cost" in row["flags"]}
    assert unread == {text for text, value in NUMBERS.items() if value is None}


def test_thousands_may_be_spaces_or_apostrophes_and_nothing_is_guessed(spark):
    for sign, text in ((" ", "12 345.6 kWh"), (" ", "12\u202f345.6"), ("'", "12\u2019345.6"), (",", "12,345.6")):
        content = {**SESSIONS, "numbers": {"thousands": sign, "signs": ["kWh"]}}
        rows = [{**SESSION, "kwh": text}, {**SESSION, "kwh": "12,34.5"}, {**SESSION, "kwh": "5.5"}]
        good, bad, plain = judged(spark, content, rows)
        assert (str(good["energy_kwh"]), bad["energy_kwh"], str(plain["energy_kwh"])) == ("12345.6000", None, "5.5000")
        assert bad["reasons"] == ["S03"]
    with pytest.raises(ValueError, match="decimal and thousands are both"):
        parse_stream({**SESSIONS, "numbers": {"thousands": "."}})
    with pytest.raises(ValueError, match="neither digits nor"):
        parse_stream({**SESSIONS, "numbers": {"signs": ["kr."]}})


def test_a_twelve_hour_clock_is_read_with_its_half_of_the_day(spark):
    columns = {
        "charge_point": "cp", "status": "word",
        "changed_local": "try_to_timestamp(replace(since, '.', ''), 'dd/MM/yyyy h:mm a')",
    }  # fmt: skip
    moments = {
        "01/06/2026 9:05 PM": utc(2026, 6, 1, 20, 5), "01/06/2026 12:05 am": utc(2026, 5, 31, 23, 5),
        "01/06/2026 12:05 p.m.": utc(2026, 6, 1, 11, 5), "01/06/2026 21:05 PM": None, "01/06/2026 9:05": None,
    }  # fmt: skip
    rows = [{"cp": "1", "word": "AVAILABLE", "since": text} for text in moments]
    found = judged(spark, {**STATUS, "columns": columns}, rows)
    assert [row["event_at"] for row in found] == list(moments.values())
    assert [row["reasons"] for row in found] == [[] if moment else ["E01"] for moment in moments.values()]
