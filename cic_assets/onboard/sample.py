"""A file of a feed on its way through ingest's code, in scratch of its own: no lake, no warehouse."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from cic_assets.ingest.decoded import decoded_schema
from cic_assets.ingest.engine_errors import engine_failure
from cic_assets.ingest.judge import judge
from cic_assets.ingest.judged import JudgedRows
from cic_assets.ingest.personal import Guard
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.personal import undecided
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import Stream, referenced_fields
from cic_assets.lake.staging import write_and_read
from cic_assets.lake.tables import spark_schema
from cic_assets.lake.zones import Lake
from cic_assets.parts import Parts
from cic_assets.streams.load import StreamFileError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from cic_assets.lake.rows import Rows

HIDDEN = "(not shown)"


@dataclass(frozen=True)
class Trial:
    """A file on its way: what it says of itself, and its rows."""

    rule_set: str
    stream: Stream
    guard: Guard
    staging: Lake
    records: DataFrame
    judged: DataFrame

    @cached_property
    def rows(self) -> Rows:
        """The judged rows, read past the engine."""
        from pyspark.sql.pandas.types import to_arrow_schema

        return self.staging.parquet("judged", to_arrow_schema(self.judged.schema))

    @property
    def counted(self) -> JudgedRows:
        """The judged rows as ingest counts them."""
        return JudgedRows(self.rows)


@contextmanager
def staging_of(parts: Parts) -> Iterator[Lake]:
    """Scratch that the engine reaches: a cluster only the lake's."""
    if parts.engine.startswith("sc://"):
        with parts.staging() as staging:
            yield staging
    else:
        with tempfile.TemporaryDirectory(prefix="cic-check-") as folder:
            yield Lake(folder)


def judged_sample(
    parts: Parts,
    guard: Guard,
    staging: Lake,
    name: str,
    moment: dt.datetime,
    *,
    shows_swap: bool = False,
) -> Trial:
    """Harmonises and judges decoded records, and materialises them once, as ingest does.

    Args:
        parts: the engine and the rule set in force.
        guard: of the file; its stream's expressions and rules apply.
        staging: has the records as `decoded.parquet`, and takes the judged rows.
        name: of the file.
        moment: when it is taken to have arrived.
        shows_swap: whether the file shows day and month exchanged (`date_repair: auto`).

    Raises:
        StreamFileError: the engine fails on an expression.
    """
    stream = guard.stream
    decoded = parts.spark.read.schema(spark_schema(decoded_schema(stream))).parquet(staging.uri("decoded.parquet"))
    records = decoded.withColumns(
        {
            "arrival_date": F.lit(moment.date()),
            "source_file": F.lit(name),
            "arrived_at": F.lit(moment),
            "cic.shows_swap": F.lit(shows_swap),
        }
    )
    rules = rules_of(parts.rule_set_of(stream), stream.kind)
    try:
        judged = judge(KINDS[stream.kind].work.harmonise(records, stream), rules, stream.overrides)
        judged = write_and_read(parts.spark, judged, staging.uri("judged"))
    except PySparkException as error:
        raise StreamFileError(engine_failure(stream, error, records)) from error
    return Trial(parts.rule_set_of(stream), stream, guard, staging, records, judged)


def is_table(stream: Stream) -> bool:
    """Whether a file has a header; records of JSON leave out what is null, so that a field may be rare."""
    return stream.format.type in ("csv", "xlsx")


def hides(stream: Stream, column: str) -> bool:
    """Whether a column of the stream file reads a field that looks personal and of which the file does not say so."""
    ways = (column, column.replace("_at", "_local"))
    return any(undecided(stream, referenced_fields(stream.columns[way])) for way in ways if way in stream.columns)
