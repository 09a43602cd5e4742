"""What else `cic streams check` looks at in a sample; the sample of `tests/spark/test_check.py`, on one engine."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cic_assets.kinds.every import parse_stream
from cic_assets.onboard.check import check_sample
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.settings import load_settings
from tests.spark.test_check import ARRIVED, ROWS, STREAM, checked


@pytest.fixture
def spark() -> Any:
    return SparkResource(engine="embedded").session


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
    empty = check_sample(parts_of(load_settings({}), session=lambda: spark), stream, tmp_path / "sent.csv", ARRIVED)
    assert [problem.partition(":")[0] for problem in empty.problems] == [
        "the sample has no field id, cp, start, stop, kwh, badge, type; no field was read",
        "1 of 1 records can't be decoded (D01)", "ingest would warn", "ingest would warn", "no row is accepted",
    ]  # fmt: skip
    assert "it is empty" in empty.rejected["D01"].text
