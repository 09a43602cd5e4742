"""Data older than the calendar's beginning: ingested and computed all the same, and no start computes it again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from dagster import AssetKey, DagsterInstance, RunsFilter

from cic_assets.facts.every import FACT_NAMES
from cic_assets.ingest.landing import land
from cic_assets.ledger.periods import oldest_day
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.runner import Runner
from cic_assets.simulate import ASHBOURNE, simulate
from cic_assets.streams.load import load_streams
from tests.doors import connect

pytestmark = pytest.mark.usefixtures("forked_dbt")
FACT = AssetKey(["facts", "charging_session"])


def run_all(runner: Runner) -> list[tuple[str, dt.date | None, dt.date | None]]:
    reports = [*runner.ingest(), *runner.days(), *runner.months()]
    assert not [line for each in reports for line in each.troubles]
    return [(each.job, each.first, each.last) for each in reports]


def months_of(settings, table):
    with connect(settings) as connection:
        rows = connection.execute(f"select month_date, sum(session_count) from {table} group by 1".encode()).fetchall()
    return {month: int(count) for month, count in rows}


def test_data_before_the_calendar_is_computed_and_another_start_computes_nothing_again(settings, tmp_path):
    streams = load_streams(settings.streams)
    sent = simulate(tmp_path / "sent", last_day=dt.date(2026, 10, 11), days=14, charge_points=3)
    for file in sent.files:
        if file.stream_id == ASHBOURNE:
            land(parts_of(settings), streams[ASHBOURNE], file.path, file.arrived_at)
    late = replace(settings, calendar_said=dt.date(2026, 11, 1))
    with DagsterInstance.ephemeral() as instance:
        ran = run_all(Runner(late, streams, instance))
        # The ledger's ranges, not the calendar's.
        assert ("monthly", dt.date(2026, 9, 1), dt.date(2026, 10, 1)) in ran
        assert {job for job, *_ in ran} == {"ingest", "monthly"}
        months = months_of(settings, "marts.network_overview_month")
        assert set(months) == {dt.date(2026, 9, 1), dt.date(2026, 10, 1)} and all(months.values())
        with connect(settings) as connection:
            stored = connection.execute("select count(*) from facts.charging_session").fetchone()
            assert stored == (sum(months.values()),)
            assert oldest_day(connection, FACT_NAMES) == dt.date(2026, 9, 1)
        assert instance.get_materialized_partitions(FACT) == {"2026-11-01"}
        done = instance.get_runs_count()
        # The setting is taken back: the first year with data.
        runner = Runner(settings, streams, instance)
        assert settings.calendar_start == dt.date(2026, 1, 1)
        assert run_all(runner) == [] and instance.get_runs_count() == done
        # What has a partition stands on it.
        runner.window(["monthly"], dt.date(2026, 9, 1), dt.date(2026, 10, 1))
        assert instance.get_materialized_partitions(FACT) == {"2026-09-01", "2026-10-01", "2026-11-01"}
        assert months_of(settings, "marts.network_overview_month") == months
        (newest,) = instance.get_runs(RunsFilter(job_name="monthly"), limit=1)
        assert "cic/window" not in newest.tags
