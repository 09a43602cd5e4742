"""Scratch folders of the lake, for what is written once and read several times within one step."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cic_assets.lake.zones import Lake
from cic_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@contextmanager
def staging_folder(settings: Settings) -> Iterator[Lake]:
    """A folder of its own for one step, gone when the step ends; a killed step leaves one that nobody reads."""
    lake = Lake(f"{settings.lake}/_staging/{uuid.uuid4().hex}", settings.s3_endpoint)
    try:
        yield lake
    finally:
        lake.clear()


def write_and_read(spark: SparkSession, frame: DataFrame, uri: str) -> DataFrame:
    """A frame materialised as Parquet; its schema is said again, as engines guess another one."""
    frame.write.mode("overwrite").parquet(uri)
    return spark.read.schema(frame.schema).parquet(uri)
