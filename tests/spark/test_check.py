"""`cic streams check` on a file with something of everything: the same on both engines, and as ingest counts it."""

from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.settings import load_settings
from cic_assets.streams.advice import is_row, of_values, quiet_at_daytime
from cic_assets.streams.check import SampleReport, check_sample
from cic_assets.streams.model import parse_stream
from cic_assets.streams.summary import lines
from tests.spark.test_judge_status import COMMON

STREAM = {
    **COMMON, "id": "acme", "kind": "sessions", "vat_basis": "unknown", "personal_fields": ["card"],
    "where": "type <> 'test'", "claims": ["sent.csv"], "batch": {"min_rows": 3, "max_age_days": 30},
    "columns": {
        "session_id": "id", "charge_point": "cp", "started_local": "start", "ended_local": "stop", "energy": "kwh",
        "connector_id": "badge",
    },
}  # fmt: skip
HEADER = "id,cp,start,stop,kwh,card,badge,type"
ROWS = (
    "9,E2,2026-06-07 10:00,2026-06-07 11:00,5,SECRET1,B,",
    "1,E1,2026-06-01 10:00,2026-06-01 11:00,8,SECRET1,B,charge",
    "2,E1,2026-06-02 10:00,2026-06-02 11:00,0,SECRET1,,charge",
    "3,E1,2026-06-03 10:00,2026-06-03 09:00,5,SECRET2,\x1b[2J,charge",
    "4,E1,2026-06-04 10:00,2026-06-04 11:00,x,SECRET2,B,charge",
    "5,E3,2026-06-05 10:00,2026-06-05 12:00,16,SECRET2,B,test",
)
ARRIVED = dt.datetime(2026, 6, 8, 12, tzinfo=dt.UTC)


def checked(spark, tmp_path, rows=ROWS, arrived_at=ARRIVED, environ=None, **changes) -> tuple[SampleReport, str]:
    sample = tmp_path / "sent.csv"
    sample.write_text("\n".join((HEADER, *rows, "")))
    stream = parse_stream({**STREAM, **changes})
    report = check_sample(load_settings(environ or {}), spark, stream, sample, arrived_at)
    return report, "\n".join([*lines(report, stream), *report.problems, *report.hints])


def test_a_sample_is_counted_and_told_in_the_order_of_the_file(spark, tmp_path):
    report, text = checked(spark, tmp_path, where="coalesce(type, '') <> 'test'")
    count = report.count
    assert (count.rows_in, count.accepted, count.quarantined, count.skipped, count.unaccounted) == (6, 3, 2, 1, 0)
    assert [(line, row["session_id"], row["energy_kwh"]) for line, row in report.first_rows] == [
        (2, "9", 5), (3, "1", 8), (4, "2", 0),
    ]  # fmt: skip
    assert {rule: (each.rows, each.line) for rule, each in report.rejected.items()} == {"S02": (1, 5), "S03": (1, 6)}
    assert (report.flagged["failed_start"].rows, report.flagged["failed_start"].line) == (1, 4)
    assert report.skipped and (report.skipped.rows, report.skipped.line) == (1, 7)
    assert report.quantiles["energy, kWh"][0::2] == [0, 5, 8 * 2]
    assert report.profile.hours[10] == 5 and sum(report.profile.hours) == 5
    assert list(report.problems) == [
        "energy: 1 of 5 values can't be read (U01), such as kwh='x' in line 6: mend the expression kwh or the feed",
        "ingest would warn: share_rejected: at most batch.max_rejected_pct of the rows are rejected: "
        "rejected_pct is 33.33, at most 20",
    ]
    assert "SECRET" not in text and "skipped, 1 rows: left out by `where: coalesce(type, '') <> 'test'`" in text


def test_the_rule_set_of_the_environment_holds(spark, tmp_path):
    report, text = checked(spark, tmp_path, environ={"CIC_RULE_SET": "academic"})
    assert "A02" in report.rejected and "rule set academic" in text


def test_few_rows_are_a_hint_and_not_a_verdict(spark, tmp_path):
    rows = [row.replace(",8,", ",8000,") for row in ROWS[1:2]]
    report, _ = checked(spark, tmp_path, rows, batch={})
    assert list(report.problems) == [] and report.count.accepted == 1
    assert report.hints[0].startswith("1 rows are too few to tell a wrong unit, zone or date order")
    assert report.hints[1].startswith("in so few rows, but look: the median session has 8000 kWh")


def test_what_the_batch_expects_is_looked_at_as_if_it_had_arrived_then(spark, tmp_path):
    report, _ = checked(spark, tmp_path, ROWS[1:3], arrived_at=ARRIVED + dt.timedelta(days=60))
    said = [problem.partition(": ")[2].partition(":")[0] for problem in report.problems]
    assert said == ["volume", "freshness"]


def test_a_sample_without_rows_is_told(spark, tmp_path):
    report, text = checked(spark, tmp_path, ())
    assert report.count.rows_in == 0 and "0 rows: 0 accepted" in text
    assert [problem for problem in report.problems if "volume" in problem]
    (tmp_path / "sent.csv").write_bytes(b"")
    stream = parse_stream({**STREAM, "personal_fields": []})
    empty = check_sample(load_settings({}), spark, stream, tmp_path / "sent.csv", ARRIVED)
    assert [problem.partition(":")[0] for problem in empty.problems] == [
        "the sample has no field id, cp, start, stop, kwh, badge, type; no field was read",
        "1 of 1 records can't be decoded (D01)", "ingest would warn", "ingest would warn", "no row is accepted",
    ]  # fmt: skip
    assert "it is empty" in empty.rejected["D01"].text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("kwh='1,50'", ' (or say `numbers: {decimal: ","}`)'),
        ("kwh='1.234,50'", ' (or say `numbers: {decimal: ","}`)'),
        ("kwh='€ 3,40'", ' (or say `numbers: {decimal: ",", signs: ["€"]}`)'),
        ("kwh='1,234.50'", ' (or say `numbers: {thousands: ","}`)'),
        ("kwh='7 kW'", ' (or say `numbers: {signs: ["kW"]}`)'),
        ("kwh='none'", ""),
        ("kwh=''", ""),
    ],
)
def test_signs_of_numbers_are_named(values, said):
    assert of_values(parse_stream(STREAM), "energy", values) == said
    assert of_values(parse_stream(STREAM), "session_id", values) == ""


def test_a_row_is_told_from_names():
    assert is_row(["9001", "E1", "2026-03-01 10:00", "7.5"]) and is_row(["a@b.example"])
    assert not is_row([]) and not is_row(["Session", "kWh", "Start", "2026"])


def test_quiet_hours_of_daytime_are_told_from_those_at_night():
    day = [0] * 7 + [5] * 12 + [1] * 5
    assert [quiet_at_daytime(day[shift:] + day[:shift]) is None for shift in (0, 2, 9, 12)] == [
        True,
        True,
        False,
        False,
    ]
    assert quiet_at_daytime([0] * 24) is None and quiet_at_daytime(()) is None and quiet_at_daytime([3] * 24) is None
