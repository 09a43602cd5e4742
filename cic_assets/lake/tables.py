"""The lake's Delta tables: accepted rows, by kind. Replaced per stream and arrival, read by event date.

Schemas of accepted rows: `kinds/<kind>/schema.py`.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.rows import Rows, reader, rows_of, write
from cic_assets.lake.zones import Lake, LakeError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

QUARANTINE = pa.schema(
    [
        ("stream_id", pa.string()),
        ("arrival_date", pa.date32()),
        ("source_file", pa.string()),
        ("source_line", pa.int64()),
        ("reasons", pa.list_(pa.string())),
        ("raw", pa.string()),
        # Of what could not be decoded: why.
        ("detail", pa.string()),
        ("portion", pa.string()),
    ]
)
_PARTITIONS = ["stream_id", "arrival_date", "event_date"]
_COMMIT_ATTEMPTS = 8
# Some 60 MB.
WHOLE_ROWS = 200_000
# No statistics of texts as they were sent, in files and log: they would outlive the rows.
_WRITER = WriterProperties(
    column_properties={name: ColumnProperties(statistics_enabled="NONE") for name in ("raw", "detail")}
)
# A plan holds the rows of a table once for each use of it: the changed rows of two timelines that are compared stand in
# it some 30 times (20 MB of them made a message of 614 MB), and Spark Connect takes 128 MiB.
IN_PLAN_BYTES = 1 << 16
# What is no more than so many rows is looked at in memory to know its bytes.
IN_PLAN_ROWS = 10_000


def replace_arrivals(
    lake: Lake,
    kind: str,
    stream_id: str,
    arrivals: Iterable[dt.date],
    rows: Rows,
    demand_claim: Callable[[], None],
    portions: Mapping[dt.date, Collection[str]] | None = None,
) -> None:
    """Swaps the rows of one stream's arrivals in one commit; readers see the old rows or the new ones.

    Whoever claims the arrivals after `demand_claim` and commits before this swap is in a version that it has not read:
    Delta refuses the swap, and the next attempt finds the claim lost. So a worker that was stopped for hours and wakes
    here overwrites nothing that is newer.

    Args:
        lake: where the table is.
        kind: of the stream.
        stream_id: whose rows.
        arrivals: which are replaced.
        rows: what replaces them.
        demand_claim: raises if another run has claimed the arrivals since.
        portions: of an arrival that keeps rows, the portions whose rows go or come; its others stay.

    Raises:
        CommitFailedError: other writers were faster eight times.
        LakeError: the folder takes nothing (full, read-only, broken).
    """
    predicate = _replaced(stream_id, sorted(arrivals), portions or {})
    uri = lake.uri(f"accepted/{kind}")
    for attempt in range(_COMMIT_ATTEMPTS):
        try:
            known = _opened(uri, rows.schema)
            demand_claim()
            # Merged: a table of an earlier release may lack a column.
            write_deltalake(
                known, _to_write(rows), mode="overwrite", predicate=predicate, schema_mode="merge",
                writer_properties=_WRITER,
            )  # fmt: skip
            return
        except CommitFailedError:
            if attempt == _COMMIT_ATTEMPTS - 1:
                raise
            time.sleep(0.1 * 2**attempt)
        except (OSError, DeltaError) as error:
            # delta-rs names no path; what a disk refuses while it writes Parquet, it calls a DeltaError.
            raise LakeError(f"{uri} can't be written: {error}; mend it and run again") from error


def _replaced(stream_id: str, arrivals: Sequence[dt.date], portions: Mapping[dt.date, Collection[str]]) -> str:
    """Which rows a swap replaces. No user text: a stream id is [a-z0-9_-] by the model of stream files."""

    def among(column: str, values: Iterable[str]) -> str:
        return f"{column} IN ({', '.join(repr(value) for value in values)})"

    text = f"stream_id = '{stream_id}' AND {among('arrival_date', [day.isoformat() for day in arrivals])}"
    if not portions:
        return text
    some = among("portion", sorted(portion for day in arrivals for portion in portions.get(day, ())))
    whole = [day.isoformat() for day in arrivals if day not in portions]
    return f"{text} AND ({among('arrival_date', whole)} OR {some})" if whole else f"{text} AND {some}"


def _to_write(rows: Rows) -> pa.Table | pa.RecordBatchReader:
    """Few rows as a whole, which delta-rs writes in this thread; many as a stream, never in memory as a whole."""
    return rows.to_table() if rows.count_rows() <= WHOLE_ROWS else reader(rows)


def forget(lake: Lake, kind: str, stream_id: str, arrivals: Iterable[dt.date]) -> None:
    """Removes what earlier versions of a table had of one stream's arrivals: files, and their statistics in the log.

    The caller keeps others from claiming the arrivals: then nobody has written files there that are in no version yet.
    Whoever reads an older version meanwhile fails and starts again.
    """
    uri = lake.uri(f"accepted/{kind}")
    if not DeltaTable.is_deltatable(uri):
        return
    known = DeltaTable(uri)
    now = {path.rpartition("/")[2] for path in known.file_uris()}
    for day in arrivals:
        for path in lake.files(f"accepted/{kind}/stream_id={stream_id}/arrival_date={day.isoformat()}"):
            if path.rpartition("/")[2] not in now:
                lake.delete(path)
    known.create_checkpoint()
    for path in lake.log_files(f"accepted/{kind}/_delta_log"):
        number = path.rpartition("/")[2].partition(".")[0]
        if number.isdigit() and int(number) < known.version():
            lake.delete(path)


def _opened(uri: str, schema: pa.Schema) -> DeltaTable:
    """The table as it is now; made empty first, as two first writers would each append what they have."""
    if not DeltaTable.is_deltatable(uri):
        DeltaTable.create(uri, schema, mode="ignore", partition_by=_PARTITIONS)
    return DeltaTable(uri)


def version(lake: Lake, kind: str) -> int:
    """The newest version of a kind's accepted table; -1 before the first."""
    uri = lake.uri(f"accepted/{kind}")
    return DeltaTable(uri).version() if DeltaTable.is_deltatable(uri) else -1


def arrival_rows(lake: Lake, kind: str, schema: pa.Schema, stream_id: str, arrivals: Iterable[dt.date]) -> Rows:
    """Accepted rows of one stream's arrivals, as they are now; empty where the table does not exist yet.

    Args:
        lake: where the table is.
        kind: whose table.
        schema: of the kind's accepted rows.
        stream_id: whose rows.
        arrivals: which.
    """
    try:
        existing = DeltaTable(lake.uri(f"accepted/{kind}"))
    except TableNotFoundError:
        return rows_of(schema.empty_table())
    filters = [("stream_id", "=", stream_id), ("arrival_date", "in", [day.isoformat() for day in arrivals])]
    # What a table of an earlier release lacks is null.
    return existing.to_pyarrow_dataset(partitions=filters, schema=schema)


def stream_rows(lake: Lake, kind: str, schema: pa.Schema, streams: Iterable[str]) -> Rows:
    """Accepted rows of some streams, as they are now; empty where the table does not exist yet."""
    try:
        existing = DeltaTable(lake.uri(f"accepted/{kind}"))
    except TableNotFoundError:
        return rows_of(schema.empty_table())
    return existing.to_pyarrow_dataset(partitions=[("stream_id", "in", sorted(streams))], schema=schema)


def kind_rows(lake: Lake, kind: str, schema: pa.Schema) -> Rows:
    """Accepted rows of all streams of a kind, as they are now; empty where the table does not exist yet."""
    try:
        existing = DeltaTable(lake.uri(f"accepted/{kind}"))
    except TableNotFoundError:
        return rows_of(schema.empty_table())
    return existing.to_pyarrow_dataset(schema=schema)


@dataclass(frozen=True)
class AcceptedFile:
    """A file of the accepted table, as its log names it: whose rows, below the table's folder, and how many."""

    stream_id: str
    arrival_date: dt.date
    event_date: dt.date | None
    path: str
    row_count: int


def files_of(lake: Lake, kind: str) -> list[AcceptedFile]:
    """The files that a table's log names now; none where there is no log.

    Raises:
        LakeDamagedError: there is a log, and it can't be read.
    """
    uri = lake.uri(f"accepted/{kind}")
    try:
        if not DeltaTable.is_deltatable(uri):
            return []
        actions = pa.table(DeltaTable(uri).get_add_actions(flatten=True))
    except (OSError, DeltaError) as error:
        raise LakeDamagedError(
            f"the log of {uri} can't be read: {str(error).splitlines()[0]}. Nothing was replaced: restore the folder "
            "from a backup, or move it away and ingest all arrivals again with `cic run daily --from … --to …`"
        ) from error
    names = [*(f"partition.{name}" for name in _PARTITIONS), "path", "num_records"]
    return [
        AcceptedFile(
            row["partition.stream_id"], row["partition.arrival_date"], row.get("partition.event_date"), row["path"],
            int(row["num_records"]),
        )
        for row in actions.select(names).to_pylist()
    ]  # fmt: skip


def arrival_files(lake: Lake, kind: str, stream_id: str, arrivals: Iterable[dt.date]) -> list[AcceptedFile]:
    """The files of one stream's arrivals, as the table's log has them now."""
    wanted = set(arrivals)
    found = files_of(lake, kind)
    return [file for file in found if file.stream_id == stream_id and file.arrival_date in wanted]


def entry_counts(lake: Lake, kind: str) -> dict[dt.date, int]:
    """Accepted rows per event date, from the table's log: no file is opened."""
    counts: dict[dt.date, int] = {}
    for file in files_of(lake, kind):
        if file.event_date is not None:
            counts[file.event_date] = counts.get(file.event_date, 0) + file.row_count
    return counts


def spark_schema(schema: pa.Schema) -> StructType:
    """The Spark schema of an Arrow one."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema, prefer_timestamp_ntz=False)


def hand_over(spark: SparkSession, rows: pa.Table | Rows, staging: Lake | None = None) -> DataFrame:
    """Arrow rows as a DataFrame on any engine, empty ones too (whose schema Spark does not infer).

    Args:
        spark: the engine.
        rows: what it gets.
        staging: scratch that lives as long as the frame is used; what is larger than `IN_PLAN_BYTES` lies there as
            Parquet. None only for what never grows.
    """
    if isinstance(rows, pa.Table):
        if staging is None or rows.nbytes <= IN_PLAN_BYTES:
            return _in_plan(spark, rows)
        rows = rows_of(rows)
    elif rows.head(IN_PLAN_ROWS + 1).num_rows <= IN_PLAN_ROWS:
        return hand_over(spark, rows.to_table(), staging)
    assert staging is not None
    path = f"handed/{uuid.uuid4().hex}.parquet"
    write(rows, staging, path)
    return spark.read.schema(spark_schema(rows.schema)).parquet(staging.uri(path))


def _in_plan(spark: SparkSession, rows: pa.Table) -> DataFrame:
    if not rows.num_rows:
        return spark.createDataFrame([], schema=spark_schema(rows.schema))
    return spark.createDataFrame(rows)


def read_accepted(
    spark: SparkSession,
    engine: str,
    lake: Lake,
    kind: str,
    schema: pa.Schema,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> DataFrame:
    """The accepted rows of a kind with start <= event date < end, all streams and arrivals, lazily.

    Sail and clusters read Delta themselves. Apache Spark on this machine has no Delta jar, so it is given the files
    that the table's log names, Parquet in Hive folders. (Handed 280,000 rows as Arrow, it ran out of heap.)
    """
    from pyspark.sql import functions as F

    uri = lake.uri(f"accepted/{kind}")
    if not DeltaTable.is_deltatable(uri):
        return hand_over(spark, schema.empty_table())
    first, last = start or dt.date.min, end or dt.date.max
    if engine.startswith("local["):
        bounds = [("event_date", ">=", first.isoformat()), ("event_date", "<", last.isoformat())]
        files = DeltaTable(uri).file_uris(bounds if start or end else None)
        if not files:
            return hand_over(spark, schema.empty_table())
        return spark.read.option("basePath", uri).schema(spark_schema(schema)).parquet(*files)
    frame = spark.read.format("delta").load(uri)
    kinds = {field.name: field.dataType for field in spark_schema(schema)}
    lacking = {name: F.lit(None).cast(kinds[name]) for name in schema.names if name not in frame.columns}
    frame = frame.withColumns(lacking).select(*schema.names) if lacking else frame.select(*schema.names)
    if start or end:
        frame = frame.where((F.col("event_date") >= F.lit(first)) & (F.col("event_date") < F.lit(last)))
    return frame
