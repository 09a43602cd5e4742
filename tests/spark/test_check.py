"""`cic streams check` on a file with something of everything: the same on both engines, and as ingest counts it."""

from __future__ import annotations

import datetime as dt

from cic_assets.kinds.every import parse_stream
from cic_assets.onboard.check import SampleReport, check_sample
from cic_assets.onboard.summary import lines
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import load_settings
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
    report = check_sample(parts_of(load_settings(environ or {}), session=lambda: spark), stream, sample, arrived_at)
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
