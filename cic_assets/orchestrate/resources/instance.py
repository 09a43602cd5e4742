"""Dagster's storage in the platform's Postgres, through dagster-postgres, found by the platform's own settings.

`dagster.yaml` names this class, so that plain `dagster dev` works after `cic up` and says what to do without it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import psycopg2
from dagster import DagsterEventType, EventLogEntry, Field
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.settings import load_settings

# Of a connection's life and of a statement. As many threads as Dagster has may open more, which are not kept.
_KEPT_SECONDS, _STATEMENT_MILLIS, _MORE = 60, 3_600_000, 50


class EventLog(PostgresEventLogStorage):
    """Dagster's events in Postgres; what a run plans is stored at once.

    An ingest of 12 streams and 90 days has 2,900 plans, a transaction or two each: 20 of its 68 s. Dagster counts a
    check's plan for each partition of the run, also of a check that has none, as all of ours: 42,000 rows for 544
    checks, of which the evaluation then found none to update.
    """

    def store_event(self, event: EventLogEntry) -> None:
        """One event."""
        super().store_event(for_the_asset(event))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Several of one run."""
        found = [for_the_asset(event) for event in events]
        if {event.dagster_event_type for event in found} <= _PLANS:
            self._store_plans(found)
        else:
            super().store_event_batch(found)

    def _store_plans(self, events: Sequence[EventLogEntry]) -> None:
        statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self._connect() as connection:
            ids = [int(row[0]) for row in connection.execute(statement)]
        # Of an asset, its last plan alone is told.
        assets: dict[Any, tuple[EventLogEntry, int]] = {}
        checks: list[dict[str, Any]] = []
        for planned, event_id in zip(events, ids, strict=True):
            of_event = planned.get_dagster_event()
            if of_event.event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                assets[of_event.asset_key] = planned, event_id
            else:
                checks.append(self._check_row(planned, event_id))
        with self.index_transaction() as connection:
            for _, (planned, event_id) in sorted(assets.items(), key=lambda each: str(each[0])):
                self._store_asset_event(connection, planned, event_id)
            if checks:
                connection.execute(AssetCheckExecutionsTable.insert(), checks)

    def _check_row(self, planned: EventLogEntry, event_id: int) -> dict[str, Any]:
        check = planned.get_dagster_event().asset_check_planned_data
        return {
            "asset_key": check.asset_key.to_string(),
            "check_name": check.check_name,
            "partition": None,
            "run_id": planned.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(planned),
            "evaluation_event_timestamp": self._event_insert_timestamp(planned),
            "evaluation_event_storage_id": event_id,
        }


_PLANS = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}
# As many as a run of twelve streams plans in a year; each is some 2 kB.
_EVENTS_AT_ONCE = "5000"


def for_the_asset(event: EventLogEntry) -> EventLogEntry:
    """A check's plan for its asset, and not for the run's partitions."""
    if event.dagster_event_type != DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
        return event
    planned = event.get_dagster_event()
    check = planned.asset_check_planned_data
    data = AssetCheckEvaluationPlanned(asset_key=check.asset_key, check_name=check.check_name)
    return event._replace(dagster_event=planned._replace(event_specific_data=data))


class PlatformStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` whose address comes from `CIC_WAREHOUSE_URL` or the embedded server."""

    @classmethod
    def config_type(cls) -> Any:
        """No configuration but whether missing tables are made."""
        return {"should_autocreate_tables": Field(bool, is_required=False, default_value=True)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> PlatformStorage:
        """The storage of this process's settings.

        Raises:
            WarehouseDownError: the embedded server is down; the message names `cic up`.
        """
        storage = cls(
            postgres_url=warehouse_of(load_settings()).dagster_url(),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
        )
        storage._event_log_storage = EventLog(storage.postgres_url, storage.should_autocreate_tables)
        storage.keep_connections()
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _EVENTS_AT_ONCE)
        return storage

    def keep_connections(self) -> None:
        """Keeps one connection for runs, for events and for schedules each; by itself Dagster opens one per statement.

        A first `cic run daily` of two rows opened 962, now 34: Postgres took 6.1 CPU seconds for it, and takes 1.6.
        """
        for part in (self.run_storage, self.event_log_storage, self.schedule_storage):
            part.optimize_for_webserver(_STATEMENT_MILLIS, _KEPT_SECONDS, _MORE)
        for opened in (
            self._run_storage.connect(), self._event_log_storage.index_connection(), self._schedule_storage.connect(),
        ):  # fmt: skip
            with opened as connection:
                event.listen(connection.engine, "checkout", _demand_alive)

    @property
    def event_storage_data(self) -> None:
        """None: the parts are reached through this storage only."""
        return

    @property
    def run_storage_data(self) -> None:
        """None, as above."""
        return

    @property
    def schedule_storage_data(self) -> None:
        """None, as above."""
        return


def _demand_alive(connection: Any, *_: object) -> None:
    """Has SQLAlchemy open a kept connection anew that the server has closed, as after its restart."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error as error:
        raise DisconnectionError from error
