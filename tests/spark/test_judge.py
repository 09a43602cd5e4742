from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from cic_assets.ingest.count import count_by_rule
from cic_assets.ingest.judge import judge
from cic_assets.kinds.common import cleaned, number_of
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.sessions.harmonise import harmonise
from cic_assets.lake.tables import hand_over
from tests.builders import judged_rows

ARRIVED = dt.datetime(2026, 2, 1, 6, tzinfo=dt.UTC)
STREAM = parse_stream(
    {
        "id": "s", "kind": "sessions", "description": "d", "provider": {"id": "p", "name": "P"},
        "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "csv"}, "claims": ["*.csv"],
        "columns": {
            "session_id": "id", "charge_point": "cp", "connector_id": "'1'", "started_local": "start",
            "ended_local": "stop", "energy": "kwh", "cost": "cost", "currency": "'GBP'", "rated_power": "kw",
            "charging_seconds": "charging", "status": "status",
        },
        "date_repair": {"kind": "day_month_swap", "files": ["swapped*"]},
        "vat_basis": "included", "vat_rate": 0.2, "licence": "l", "contact": "c",
    }
)  # fmt: skip
GOOD = {
    "id": "1", "cp": "A", "start": "2026-01-20 10:00:00", "stop": "2026-01-20 12:00:00", "kwh": "12.5", "cost": "6",
    "kw": "22", "charging": "3600", "status": None,
}  # fmt: skip


def harmonised(spark, rows, stream):
    names = ["source_file", "cic.raw", "cic.fault", "cic.fault_text", "cic.content", *stream.fields]
    table = pa.table(
        {
            **{name: pa.array([row.get(name) for row in rows], pa.string()) for name in names},
            "cic.line": pa.array(range(2, len(rows) + 2), pa.int64()),
            "arrival_date": pa.array([ARRIVED.date()] * len(rows), pa.date32()),
            "arrived_at": pa.array([ARRIVED] * len(rows), pa.timestamp("us", tz="UTC")),
        }
    )
    return harmonise(hand_over(spark, table), stream)


def judged(spark, *rows, rule_set="default"):
    frame = judge(harmonised(spark, rows, STREAM), rules_of(rule_set, "sessions"), {})
    return sorted(frame.toArrow().to_pylist(), key=lambda row: row["source_line"])


def one(spark, rule_set="default", **changes):
    (row,) = judged(spark, {"source_file": "f.csv", **GOOD, **changes}, rule_set=rule_set)
    assert row["disagreements"] == []
    return row


def test_without_ids_charge_point_connector_and_start_identify(spark):
    content = {**STREAM.model_dump(by_alias=True), "session_id": "none"}
    del content["columns"]["session_id"]
    other = {"stop": "2026-01-20 12:30:00", "kwh": "13", "id": "2"}
    rows = [GOOD, GOOD | other, GOOD | {"cp": "a"}, GOOD | {"cp": "B"}, GOOD | {"start": "2026-01-20 10:00:01"}]
    frame = harmonised(spark, [{"source_file": "f.csv", **row} for row in rows], parse_stream(content))
    ids = [row["session_id"] for row in frame.orderBy("source_line").toArrow().to_pylist()]
    assert ids[0] == ids[1] == ids[2] and len(set(ids)) == 3 and None not in ids


def test_a_good_row_has_no_reason_and_exact_values(spark):
    row = one(spark)
    assert (row["reasons"], row["flags"]) == ([], [])
    assert row["started_at"] == dt.datetime(2026, 1, 20, 10, tzinfo=dt.UTC)
    assert str(row["duration_seconds"]) == "7200.000000"
    assert (str(row["energy_kwh"]), str(row["revenue"])) == ("12.5000", "5.0000")
    assert row["charge_point_id"] == "p/A"


REJECTS = {
    "S01 charge point": ({"cp": " "}, ["S01"]),
    "S01 start": ({"start": "soon"}, ["S01"]),
    "S01 end": ({"stop": None}, ["S01"]),
    "S02 equal": ({"stop": GOOD["start"], "kwh": "0"}, ["S02"]),
    "S02 before": ({"stop": "2026-01-20 09:00:00", "kwh": "0"}, ["S02"]),
    "S03 missing": ({"kwh": None}, ["S03"]),
    "S03 negative": ({"kwh": "-0.1"}, ["S03"]),
    "S03 not a number": ({"kwh": "NaN"}, ["S03"]),
    "S03 too large": ({"kwh": "1e308"}, ["S03"]),
    "S04 future": ({"start": "2026-02-01 06:06:00", "stop": "2026-02-01 08:00:00"}, ["S04"]),
    "S04 epoch": ({"start": "1970-01-01 00:00:00", "stop": "1970-01-01 02:00:00"}, ["S04"]),
    "S04 year 14": ({"start": "0014-01-01 00:00:00", "stop": "0014-01-01 02:00:00"}, ["S04"]),
    "S05": ({"kwh": "67"}, ["S05"]),
    "all reasons": ({"cp": None, "kwh": None}, ["S01", "S03"]),
}


FLAGS = {
    "S06": ({"kwh": "50"}, ["S06"]),
    "S07": ({"kwh": "0", "cost": "0"}, ["failed_start", "S08"]),
    "S08 low": ({"kwh": "0.49", "cost": "0.2"}, ["S08"]),
    "S08 high": ({"kwh": "251", "kw": "300", "cost": "100"}, ["S08"]),
    "S09 short": ({"stop": "2026-01-20 10:00:59", "kwh": "0.6", "kw": "50", "cost": "0.3", "charging": "30"}, ["S09"]),
    "S09 long": ({"stop": "2026-01-22 10:00:01"}, ["S09"]),
    "S10": ({"charging": "7260"}, ["S10"]),
    "S14 price": ({"cost": "26"}, ["S14"]),
    "S14 watt-hours": ({"kwh": "0.0125", "cost": None}, ["S08", "S14"]),
}


@cache
def judged_cases(spark):
    """The rows of all cases by name, judged at once, each out of a file of its own."""
    cases = {name: changes for name, (changes, _) in (REJECTS | FLAGS).items()}
    rows = judged(spark, *({"source_file": f"{name}.csv", **GOOD, **changes} for name, changes in cases.items()))
    assert [row["disagreements"] for row in rows] == [[]] * len(cases)
    return dict(zip(cases, rows, strict=True))


@pytest.mark.parametrize("case", REJECTS)
def test_rejects(spark, case):
    _, reasons = REJECTS[case]
    assert judged_cases(spark)[case]["reasons"] == reasons


@pytest.mark.parametrize("case", FLAGS)
def test_flags(spark, case):
    _, flags = FLAGS[case]
    row = judged_cases(spark)[case]
    assert (row["reasons"], row["flags"]) == ([], flags)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"stop": "2026-01-21 09:59:00"}, True),
        ({"stop": "2026-01-21 10:00:00"}, False),
        ({"kwh": "99.9999", "kw": None}, True),
        ({"kwh": "100", "kw": None}, False),
        ({"kwh": "0"}, False),
        ({"kwh": "99", "kw": "2"}, True),
    ],
)
def test_academic_rule_set(spark, changes, kept):
    assert (one(spark, rule_set="academic", **changes)["reasons"] == []) is kept


def test_active_sessions_are_open_and_not_erroneous(spark):
    row = one(spark, status="ACTIVE", stop=None, kwh=None)
    assert (row["reasons"], row["is_open"]) == ([], True)


def test_rows_are_equal_in_what_was_sent_and_in_what_was_read(spark):
    without_id = replace_columns(STREAM, "session_id")
    sent = [("f.csv", "x"), ("f.csv", "x"), ("f.csv", "y"), ("swapped.csv", "x")]
    rows = [{"source_file": file, **GOOD, "start": "2026-01-02 10:00:00", "stop": "2026-01-02 12:00:00",
             "cic.content": content} for file, content in sent]  # fmt: skip
    found = harmonised(spark, rows, without_id).select("source_line", "session_id", "content_hash").toArrow()
    ids = [row["session_id"] for row in sorted(found.to_pylist(), key=lambda row: row["source_line"])]
    assert ids[0] == ids[1] and len(set(ids)) == 3


def replace_columns(stream, *names):
    kept = {name: text for name, text in stream.columns.items() if name not in names}
    return parse_stream({**stream.model_dump(mode="json", by_alias=True), "columns": kept})


def test_undecodable_rows_break_no_other_rule(spark):
    (row,) = judged(spark, {"source_file": "f.csv", "cic.fault": "D01", "cic.raw": "half a li"})
    assert (row["reasons"], row["flags"], row["raw"]) == (["D01"], [], "half a li")


def test_exponents_and_whole_numbers_read_alike(spark):
    assert [str(one(spark, kwh=text)["energy_kwh"]) for text in ("1.25e1", "12.5", "-0")] == [
        "12.5000", "12.5000", "0.0000",
    ]  # fmt: skip


def test_day_and_month_are_swapped_back_in_declared_files_only(spark):
    row = {**GOOD, "start": "2026-03-01 10:00:00", "stop": "2026-03-01 12:00:00"}
    declared, other = judged(spark, {**row, "source_file": "swapped.csv"}, {**row, "source_file": "f.csv"})
    assert (declared["start_date"], declared["flags"]) == (dt.date(2026, 1, 3), ["S15"])
    assert (other["start_date"], other["flags"]) == (dt.date(2026, 3, 1), [])


DST = {
    # (start, end) on the wall clock in London → instants, and whether it is flagged.
    "first reading": ("2025-10-26 01:30:00", "2025-10-26 03:00:00", "00:30", "03:00", True),
    "second reading of the end": ("2025-10-26 01:50:00", "2025-10-26 01:10:00", "00:50", "01:10", True),
    "hour that does not exist": ("2025-03-30 01:30:00", "2025-03-30 03:30:00", "01:30", "02:30", True),
    "an ordinary summer day": ("2025-07-01 01:30:00", "2025-07-01 03:30:00", "00:30", "02:30", False),
}


@pytest.mark.parametrize("case", DST)
def test_daylight_saving(spark, case):
    start, stop, started, ended, flagged = DST[case]
    row = one(spark, start=start, stop=stop, charging=None, kwh="5")
    assert (f"{row['started_at']:%H:%M}", f"{row['ended_at']:%H:%M}") == (started, ended)
    assert ("dst" in row["flags"]) is flagged
    assert row["reasons"] == []


# A D rule that always fires hides every other one, by design.
BREAKS = [
    (rule, how)
    for rule in rules_of("default", "sessions") + rules_of("academic", "sessions")[-2:]
    for how in ("false", "true")
    if (rule.id[0], how) != ("D", "true")
]


@cache
def faulty(spark):
    """Each fault once, harmonised once."""
    rows = [{"source_file": "f.csv", **GOOD}]
    rows += [{"source_file": "f.csv", **GOOD, **changes} for changes, _ in [*REJECTS.values(), *FLAGS.values()]]
    rows += [{"source_file": "swapped.csv", **GOOD, "start": "2026-03-01 10:00:00", "stop": "2026-03-01 12:00:00"}]
    rows += [{"source_file": "f.csv", **GOOD, "start": "2025-10-26 01:30:00", "stop": "2025-10-26 03:00:00"}]
    rows += [{"source_file": "f.csv", "cic.fault": "D01"}, {"source_file": "f.csv", "cic.fault": "D02"}]
    rows += [{"source_file": "f.csv", "cic.fault": "D03"}, {"source_file": "f.csv", "cic.fault": "D04"}]
    return hand_over(spark, harmonised(spark, rows, STREAM).toArrow())


@pytest.mark.parametrize(("rule", "broken"), BREAKS, ids=lambda value: getattr(value, "id", value))
def test_breaking_a_predicate_is_seen_by_its_own_audit(spark, rule, broken):
    """The rows have each fault once, so a predicate that never or always fires contradicts what holds."""
    rule_set = "academic" if rule.id.startswith("A") else "default"
    rules = [replace(each, predicate=broken) if each.id == rule.id else each for each in rules_of(rule_set, "sessions")]
    (counts,) = count_by_rule(judged_rows(judge(faulty(spark), rules, {})), rules).values()
    wrong = {name: found for name, found in counts.wrong.items() if found}
    assert set(wrong) == {rule.id}
    assert wrong[rule.id] >= 1


NUMBERS = {
    "12.5": "12.5000", " 7 ": "7.0000", "\t7\n": "7.0000", ".5": "0.5000", "5.": "5.0000", "+1.e2": "100.0000",
    "1E-3": "0.0010", "-0.0": "0.0000", "0." + "3" * 40: "0.3333", "1e400": None, "9" * 40: None, "1e": None, ".": None,
    # What one engine took for a number and the other did not.
    "٣": None, "1٣": None, "７": None, "7\x1b": None, "\u00a07": "7.0000", "\u200b7\ufeff": "7.0000", "7\u00a05": None,
    "1e5d": None, "1e5f": None,
    "NaN": None, "Infinity": None, "0x10": None, "1,5": None, "1_000": None, "": None,
}  # fmt: skip


def test_what_a_number_is_does_not_hang_on_the_engine(spark):
    frame = spark.createDataFrame([(text,) for text in NUMBERS], "given_energy string")
    frame = frame.withColumn("text", F.col("given_energy")).withColumn("given_energy", cleaned("given_energy"))
    found = frame.select("text", number_of("energy").cast("string").alias("number")).collect()
    assert {row["text"]: row["number"] for row in found} == NUMBERS
