"""Dagster's events in the platform's Postgres: what a run plans."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as db
from dagster import AssetCheckKey, AssetKey, DagsterEventType, DailyPartitionsDefinition, EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable

from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.orchestrate.resources.instance import EventLog
from cic_assets.settings import Settings

STREAM = AssetKey(["accepted", "status", "acme"])
TABLE = AssetKey(["quality", "quarantine"])
DAYS = DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
CHECKS = ("held", "known")


@pytest.fixture
def log(settings: Settings) -> Iterator[EventLog]:
    found = EventLog(warehouse_of(settings).dagster_url(), should_autocreate_tables=True)
    yield found
    found.dispose()


def entry(event: DagsterEvent) -> EventLogEntry:
    return EventLogEntry(
        error_info=None, level=logging.DEBUG, user_message="", run_id="a run", timestamp=time.time(),
        job_name="ingest", step_key="ingest", dagster_event=event,
    )  # fmt: skip


def plans() -> list[EventLogEntry]:
    """Of a run over a month: a table of days, and two checks of an asset without partitions."""
    keys = [str(dt.date(2026, 1, 1) + dt.timedelta(days=n)) for n in range(31)]
    subset = DAYS.subset_with_partition_keys(keys)
    of_days = [AssetMaterializationPlannedData(TABLE, partition=key, partitions_subset=None) for key in keys]
    of_checks = [
        AssetCheckEvaluationPlanned(asset_key=STREAM, check_name=name, partitions_subset=subset) for name in CHECKS
    ]
    kind = DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value
    return [
        *(entry(DagsterEvent.build_asset_materialization_planned_event("ingest", "ingest", each)) for each in of_days),
        *(entry(DagsterEvent(kind, "ingest", step_key="ingest", event_specific_data=each)) for each in of_checks),
    ]


def kept(log: EventLog) -> list[tuple[object, ...]]:
    columns = (AssetCheckExecutionsTable.c[name] for name in ("check_name", "partition", "execution_status"))
    with log.index_connection() as connection:
        return sorted(tuple(row) for row in connection.execute(db.select(*columns)))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_check_is_planned_once_and_its_evaluation_takes_that_row(log, at_once):
    if at_once:
        log.store_event_batch(plans())
    else:
        for each in plans():
            log.store_event(each)
    assert kept(log) == [(name, None, "PLANNED") for name in CHECKS]
    evaluation = AssetCheckEvaluation(asset_key=STREAM, check_name="held", passed=True, metadata={})
    kind = DagsterEventType.ASSET_CHECK_EVALUATION.value
    log.store_event(entry(DagsterEvent(kind, "ingest", step_key="ingest", event_specific_data=evaluation)))
    assert kept(log) == [("held", None, "SUCCEEDED"), ("known", None, "PLANNED")]
    (found,) = log.get_asset_check_execution_history(AssetCheckKey(STREAM, "held"), limit=9)
    assert found.run_id == "a run"


def test_plans_of_partitions_are_all_there_and_the_asset_knows_its_run(log):
    log.store_event_batch(plans())
    table = SqlEventLogStorageTable
    with log.index_connection() as connection:
        days = db.select(db.func.count(table.c.partition.distinct())).where(table.c.asset_key == TABLE.to_string())
        assert connection.execute(days).scalar() == 31
    (record,) = log.get_asset_records([TABLE])
    assert record.asset_entry.last_run_id == "a run"
