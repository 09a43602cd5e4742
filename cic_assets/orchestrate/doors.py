"""Opens what a process works with, as its settings say: the one place where settings become parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cic_assets.kinds.stream import Stream
from cic_assets.lake.zones import Lake
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.parts import Parts
from cic_assets.private import close_folders
from cic_assets.settings import Settings
from cic_assets.warehouse import migrate
from cic_assets.warehouse.connect import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of a process's settings; connects to nothing by itself."""
    return Warehouse(settings.home, settings.warehouse_url, settings.analyst_url, settings.reader_url)


def lake_of(settings: Settings) -> Lake:
    """Where the lake of a process's settings is, unasked: `Parts.lake` asks first whether it is the right one."""
    return Lake(settings.lake, settings.s3_endpoint)


def parts_of(
    settings: Settings, streams: Iterable[Stream] = (), session: Callable[[], SparkSession] | None = None
) -> Parts:
    """Lake, warehouse and engine of a process's settings; nothing is reached before it is used.

    Args:
        settings: where they are.
        streams: all streams that are known, where a fact is computed.
        session: gives the engine's session, where the caller has one; else it is started at first use.
    """
    return Parts(
        place=lake_of(settings),
        warehouse=warehouse_of(settings),
        session=session or (lambda: SparkResource(engine=settings.spark, memory_bytes=settings.engine_bytes).session),
        engine=settings.spark,
        memory_bytes=settings.memory_bytes,
        home=settings.home,
        derived_key=settings.derived_key,
        secret=settings.secret,
        rule_set=settings.rule_set,
        restatement_horizon_days=settings.restatement_horizon_days,
        streams=tuple(streams),
    )


@contextmanager
def opened(
    settings: Settings, streams: Iterable[Stream] = (), session: Callable[[], SparkSession] | None = None
) -> Iterator[Parts]:
    """The same, for a step of work: its connections are kept from one transaction to the next."""
    parts = parts_of(settings, streams, session)
    with parts.warehouse:
        yield parts


def set_up(settings: Settings) -> None:
    """What every command begins with: folders that are the owner's alone, and the warehouse as this release needs it.

    Starts the embedded server.
    """
    close_folders(settings.home, *([] if lake_of(settings).is_on_s3 else [Path(settings.lake)]))
    migrate.set_up(warehouse_of(settings))
