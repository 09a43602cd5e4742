"""Scratch folders of the lake, for what is written once and read several times within one step."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cic_assets.lake.zones import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


# A step takes minutes, so a folder that is as old was left by one that was killed.
_KEPT = dt.timedelta(days=2)


@contextmanager
def staging_folder(place: Lake) -> Iterator[Lake]:
    """A folder of its own for one step, gone when the step ends; those that killed steps left go two days later."""
    today = dt.datetime.now(dt.UTC).date()
    _clear_before(Lake(place.uri("_staging"), place.endpoint), today - _KEPT)
    lake = Lake(place.uri(f"_staging/{today}/{uuid.uuid4().hex}"), place.endpoint)
    try:
        yield lake
    finally:
        lake.clear()


def _clear_before(staging: Lake, first_kept: dt.date) -> None:
    for name in staging.folders():
        with suppress(ValueError):
            if dt.date.fromisoformat(name) < first_kept:
                Lake(staging.uri(name), staging.endpoint).clear()


def write_and_read(spark: SparkSession, frame: DataFrame, uri: str) -> DataFrame:
    """A frame materialised as Parquet; its schema is said again, as engines guess another one."""
    frame.write.mode("overwrite").parquet(uri)
    return spark.read.schema(frame.schema).parquet(uri)
