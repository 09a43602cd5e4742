"""Facts as assets: one factory makes all of them, and `facts/fact.py` is their life."""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Failure,
    MaterializeResult,
    ResourceParam,
    TableColumn,
    TableSchema,
    multi_asset,
)

from cic_assets.facts.fact import Fact, FactNeedsError, FactRefusedError, Published, compute_window
from cic_assets.ledger.periods import Window
from cic_assets.orchestrate.assets.checks import check_result, check_spec, key_of
from cic_assets.orchestrate.assets.raw import OWNERS
from cic_assets.orchestrate.doors import opened
from cic_assets.orchestrate.partitions import Calendar, day_range, keys_of, month_range
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.resources.spark import SparkResource


def fact_assets(fact: Fact, calendar: Calendar) -> AssetsDefinition:
    """The multi-asset of a fact: its tables, partitioned by its periods, with its checks."""
    first = fact.tables[0]

    @multi_asset(
        name=fact.asset,
        specs=[
            AssetSpec(
                key_of(table.name),
                deps=[key_of(name) for name in (fact.reads if table == first else (first.name,))],
                description=table.description,
                group_name=key_of(table.name).path[0],
                owners=OWNERS,
                kinds={"spark", "postgres"},
            )
            for table in fact.tables
        ],
        partitions_def=calendar.months if fact.is_monthly else calendar.days,
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=_specs(fact),
    )
    def assets(
        context: AssetExecutionContext, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        keys = keys_of(context)
        if keys is None:
            raise Failure("a fact is computed for a window: choose partitions")
        window = fact.window(*(month_range if fact.is_monthly else day_range)(*keys))
        try:
            with opened(platform.settings, platform.streams.values(), lambda: spark.session) as parts:
                published = compute_window(fact, parts, window, f"{context.run_id}:{context.retry_number}")
        except FactRefusedError as error:
            yield from map(check_result, error.findings)
            raise Failure(str(error)) from None
        except FactNeedsError as error:
            raise Failure(str(error)) from None
        yield from map(check_result, published.findings)
        yield from _materialized(published, window)

    return assets


def _specs(fact: Fact) -> list[AssetCheckSpec]:
    return [check_spec(check) for check in fact.checks]


def _materialized(published: Published, window: Window) -> Iterator[MaterializeResult[Any]]:
    """One materialisation per table, with its rows, its columns and the window."""
    for table, (rows, schema) in published.rows.items():
        columns = [TableColumn(column.name, str(column.type)) for column in schema]
        yield MaterializeResult(
            asset_key=key_of(table),
            metadata={
                "rows in run": rows,
                "window": f"[{window.start}, {window.end})",
                "dagster/column_schema": TableSchema(columns),
            },
        )
