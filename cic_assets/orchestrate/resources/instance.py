"""Dagster's storage in the platform's Postgres, through dagster-postgres, found by the platform's own settings.

`dagster.yaml` names this class, so that plain `dagster dev` works after `cic up` and says what to do without it.
"""

from __future__ import annotations

from typing import Any

from dagster import Field
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.settings import load_settings


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
        return cls(
            postgres_url=warehouse_of(load_settings()).dagster_url(),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
        )

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
