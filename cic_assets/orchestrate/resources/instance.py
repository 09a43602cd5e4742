"""Dagster's storage in the platform's Postgres, through dagster-postgres, found by the platform's own settings.

`dagster.yaml` names this class, so that plain `dagster dev` works after `cic up` and says what to do without it.
"""

from __future__ import annotations

from typing import Any

import psycopg2
from dagster import Field
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.settings import load_settings

# Of a connection's life and of a statement. As many threads as Dagster has may open more, which are not kept.
_KEPT_SECONDS, _STATEMENT_MILLIS, _MORE = 60, 3_600_000, 50


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
        storage.keep_connections()
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
