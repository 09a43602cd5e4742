"""Rows on their way between engine, lake and warehouse: Arrow datasets, read in pieces, so that any number fits.

Spark Connect's messages are bounded (128 MiB), and so is memory: what may grow with a feed is written by the engine as
Parquet into staging (`bring_back`), looked at column by column or piece by piece, and never is in memory as a whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from cic_assets.lake.zones import Lake

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# An Arrow dataset: of files, of a table in memory, or of several such.
Rows: TypeAlias = pads.Dataset
# Some 10 MB of the widest rows; one piece ahead is read while the one before is worked on.
ROWS_PER_PIECE = 20_000


def rows_of(table: pa.Table) -> Rows:
    """Rows that are in memory anyway."""
    return pads.dataset(table)


def union(parts: Sequence[Rows], schema: pa.Schema) -> Rows:
    """The rows of several, one after the other, under one schema."""
    return pads.dataset([part.replace_schema(schema) for part in parts]) if parts else rows_of(schema.empty_table())


def bring_back(frame: DataFrame, staging: Lake, schema: pa.Schema | None = None) -> Rows:
    """The rows of a frame, written by the engine: none of them goes through its channel.

    Args:
        frame: any.
        staging: scratch that lives as long as the rows are used.
        schema: columns and types of the result; the frame's own if not said.
    """
    from pyspark.sql.pandas.types import to_arrow_schema

    path = f"back/{uuid.uuid4().hex}"
    chosen = frame if schema is None else frame.select(*schema.names)
    chosen.write.mode("overwrite").parquet(staging.uri(path))
    return staging.parquet(path, schema or to_arrow_schema(frame.schema))


def group_number(groups: int, column: str = "charge_point_id") -> Column:
    """In which of so many groups of charge points a row is: what is looked at together is in one of them."""
    from pyspark.sql import functions as F

    return F.pmod(F.crc32(F.coalesce(F.col(column), F.lit(""))), F.lit(groups))


def in_group(number: int, groups: int, column: str = "charge_point_id") -> Column:
    """Whether a row is of one of so many groups of charge points."""
    from pyspark.sql import functions as F

    return group_number(groups, column) == number if groups > 1 else F.lit(True)


def pieces(
    rows: Rows, columns: Sequence[str] | None = None, condition: pc.Expression | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows in pieces of at most `ROWS_PER_PIECE`; never empty ones."""
    names = None if columns is None else list(columns)
    scanner = rows.scanner(
        columns=names, filter=condition, batch_size=ROWS_PER_PIECE, batch_readahead=1, fragment_readahead=1,
        use_threads=False,
    )  # fmt: skip
    return (piece for piece in scanner.to_batches() if piece.num_rows)


def reader(rows: Rows) -> pa.RecordBatchReader:
    """The rows as a stream for libraries that take one."""
    return pa.RecordBatchReader.from_batches(rows.schema, pieces(rows))


def distinct(rows: Rows, columns: Sequence[str]) -> pa.Table:
    """Each combination of some columns' values once."""
    names = list(columns)
    found = pa.schema([rows.schema.field(name) for name in names]).empty_table()
    for piece in pieces(rows, names):
        one = pa.Table.from_batches([piece]).group_by(names).aggregate([])
        found = pa.concat_tables([found, one]).group_by(names).aggregate([])
    return found.select(names)


def total(rows: Rows, column: str) -> Any:
    """The exact sum of a column, 0 of none; a column that is not there has none."""
    if column not in rows.schema.names:
        return 0
    sums = (pc.sum(piece[column]).as_py() for piece in pieces(rows, [column]))
    return sum(found for found in sums if found is not None)


def write(rows: Rows, staging: Lake, path: str, keep: Callable[[pa.RecordBatch], Any] | None = None) -> Rows:
    """The rows as one Parquet file in staging; those for which `keep` has a true in its mask, in order."""
    with staging.write_scratch(path) as file, pq.ParquetWriter(file, rows.schema) as writer:
        for piece in pieces(rows):
            writer.write_batch(piece if keep is None else piece.filter(keep(piece)))
    return staging.parquet(path, rows.schema)


def choose(rows: Rows, condition: pc.Expression, schema: pa.Schema, staging: Lake, path: str) -> Rows:
    """Some columns of the rows that meet a condition, as one Parquet file in staging."""
    with staging.write_scratch(path) as file, pq.ParquetWriter(file, schema) as writer:
        for piece in pieces(rows, schema.names, condition):
            writer.write_batch(piece.cast(schema))
    return staging.parquet(path, schema)
