"""The marts: dbt models as assets, one definition per cadence, so that a window of partitions is one dbt run."""

import datetime as dt
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Output,
    ResourceParam,
)
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from psycopg import sql

from cic_assets.calendar import FIRST_DAY
from cic_assets.ledger.mart_sets import ARRIVAL, DAILY, DIMENSION, MONTHLY, manifest_of, mart_sets
from cic_assets.ledger.publication import ALWAYS, building
from cic_assets.orchestrate.assets.raw import OWNERS
from cic_assets.orchestrate.partitions import Calendar, day_range, keys_of, month_range
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Warehouse

_log = logging.getLogger(__name__)


def catalogue_assets() -> list[AssetSpec]:
    """What marts read and no run writes by itself: external, so that the lineage says where it comes from."""
    described = {
        ("catalogue", "stream"): "One row per stream file: provider, authority, zone, licence.",
        ("catalogue", "arrival"): "One row per arrival: what its last ingest was, and which time it covers.",
        ("facts", "charge_point"): "The registry with its history, as locations streams give it.",
        ("facts", "tariff"): "What charging costs, all versions, as tariffs streams give them.",
        ("facts", "network_status_day"): "Sums of the days of charge points, swapped with them.",
        ("facts", "network_session_day"): "Sums of the days of sessions, swapped with them.",
        ("facts", "charge_point_seen"): "In which months a charge point has sessions or days of status.",
        ("facts", "charge_point_rating"): "How strong a charge point is and whether it is rapid, by month.",
        ("quality", "new_column"): "A view: fields that came later than their stream, and with which arrival.",
        ("quality", "unmapped_status"): "Words for a state that no vocabulary knows.",
        ("quality", "unreadable_value"): "Values that are there and can't be read, by column of the stream file.",
        ("quality", "delivery"): "What each delivery is like as a whole, what is wrong with that, what is held.",
        ("quality", "feed_day"): "A view: what of its charge points nobody knows, and whether a feed is dead.",
        ("quality", "outcome"): "What became of accepted rows, by fact, stream, arrival and period.",
        ("quality", "rule"): "One row per quality rule, with its message and source.",
        ("quality", "reconciliation"): "A view: rows in against in facts, quarantined, open, duplicates, superseded.",
    }
    return [
        AssetSpec(key, description=text, group_name=key[0], owners=OWNERS, kinds={"postgres"})
        for key, text in described.items()
    ]


class Translator(DagsterDbtTranslator):
    """Sources are the assets that fill them: schema and table name are their key."""

    def __init__(self) -> None:
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_asset_checks=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """`facts.charging_session` is the asset facts/charging_session; a model is <its schema>/<its name>."""
        schema, name = dbt_resource_props["schema"], dbt_resource_props["name"]
        return AssetKey([schema, name])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """All are marts: what lies between them and their sources is no relation."""
        return "marts"

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """All models are the data engineers'."""
        return OWNERS


def mart_keys(name: str) -> list[AssetKey]:
    """The assets of a mart set."""
    return [AssetKey([schema, mart]) for schema, mart in sorted(mart_sets()[name].relations)]


# Rows of unit tests are the same on every day: `make test` runs them, against the same SQL. Nobody reads dbt's manifest
# and results as JSON, which take 0.3 of a build's 4.5 CPU seconds.
BUILD = ["build", "--exclude-resource-type", "unit_test", "--no-write-json"]


@contextmanager
def target_folder(settings: Settings, name: str) -> Iterator[Path]:
    """A folder of its own for what a dbt run writes."""
    home = settings.home / "dbt"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=home, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for a process that is started within, and for no other one; options for Postgres come after others."""
    if "PGOPTIONS" in os.environ:
        variables = {**variables, "PGOPTIONS": f"{os.environ['PGOPTIONS']} {variables['PGOPTIONS']}"}
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def mart_assets(calendar: Calendar) -> list[AssetsDefinition]:
    """Monthly marts, daily marts by local date and by arrival date, and the dimensions: views without partitions."""
    common: dict[str, Any] = {"manifest": manifest_of(), "dagster_dbt_translator": Translator()}
    single, by_day, by_month = BackfillPolicy.single_run(), calendar.days, calendar.months

    @dbt_assets(name="monthly_marts", select="tag:monthly", partitions_def=by_month, backfill_policy=single, **common)
    def monthly_marts(
        context: AssetExecutionContext, dbt: DbtCliResource, platform: ResourceParam[Platform]
    ) -> Iterator[Any]:
        yield from _build(context, dbt, platform, MONTHLY, _window(context, month_range))

    @dbt_assets(name="daily_marts", select="tag:daily", partitions_def=by_day, backfill_policy=single, **common)
    def daily_marts(
        context: AssetExecutionContext, dbt: DbtCliResource, platform: ResourceParam[Platform]
    ) -> Iterator[Any]:
        yield from _build(context, dbt, platform, DAILY, _window(context, day_range))

    @dbt_assets(name="arrival_marts", select="tag:arrival", partitions_def=by_day, backfill_policy=single, **common)
    def arrival_marts(
        context: AssetExecutionContext, dbt: DbtCliResource, platform: ResourceParam[Platform]
    ) -> Iterator[Any]:
        yield from _build(context, dbt, platform, ARRIVAL, _window(context, day_range))

    @dbt_assets(name="dimension_views", select="tag:dimension", **common)
    def dimensions(
        context: AssetExecutionContext, dbt: DbtCliResource, platform: ResourceParam[Platform]
    ) -> Iterator[Any]:
        yield from _build(context, dbt, platform, DIMENSION, (ALWAYS, ALWAYS + dt.timedelta(days=1)))

    return [monthly_marts, daily_marts, arrival_marts, dimensions]


def _window(
    context: AssetExecutionContext, of_keys: Callable[[str, str], tuple[dt.date, dt.date]]
) -> tuple[dt.date, dt.date]:
    """The run's window; all that can be where somebody executes a check alone, which has none."""
    keys = keys_of(context)
    return of_keys(*keys) if keys else (FIRST_DAY, dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1))


def _build(
    context: AssetExecutionContext,
    dbt: DbtCliResource,
    platform: ResourceParam[Platform],
    name: str,
    window: tuple[dt.date, dt.date],
) -> Iterator[Any]:
    settings, warehouse = platform.settings, platform.parts.warehouse
    # Of a part of a set, somebody's choice in the UI, nothing is said: the others may be old.
    is_whole = set(mart_keys(name)) <= set(context.selected_asset_keys)
    with building(warehouse, name, *window) if is_whole else nullcontext(), target_folder(settings, name) as target:
        with _environment(warehouse.dbt_environment(*window)):
            invocation = dbt.cli(BUILD, context=context, target_path=target)
        for event in invocation.stream():
            if isinstance(event, Output):
                rows = row_count(warehouse, context.asset_key_for_output(event.output_name))
                yield event if rows is None else event.with_metadata({**event.metadata, "dagster/row_count": rows})
            else:
                yield event


def row_count(warehouse: Warehouse, key: AssetKey) -> int | None:
    """Rows of a mart; None of a view.

    Not dagster-dbt's `fetch_row_counts`: while dbt is silent it asks 700,000 times a second whether it has said more,
    which took one of two cores from it. A daily run of the simulated county took 16.1 CPU seconds so, and takes 10.5.
    """
    with warehouse.transaction() as connection:
        table = sql.Identifier(*key.path)
        kind = connection.execute(
            "select relkind::text from pg_class where oid = to_regclass(%s)", [table.as_string(connection)]
        ).fetchone()
        if kind != ("r",):
            return None
        row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return int(row[0]) if row else None
