"""The lake's Delta tables: accepted and quarantine, by kind. Replaced per stream and arrival, read by event date."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from cic_assets.lake.zones import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

_AMOUNT = pa.decimal128(12, 4)
_INSTANT = pa.timestamp("us", tz="UTC")
# What `facts/sessions.py` reads: the common model with its provenance (DEFINITIONS 1 and 3).
ACCEPTED_SESSIONS = pa.schema(
    [
        ("stream_id", pa.string()),
        ("arrival_date", pa.date32()),
        ("event_date", pa.date32()),
        ("source_file", pa.string()),
        ("source_line", pa.int64()),
        ("arrived_at", _INSTANT),
        ("session_id", pa.string()),
        ("record_kind", pa.string()),
        ("status", pa.string()),
        ("is_open", pa.bool_()),
        ("cdr_session_id", pa.string()),
        ("credit", pa.bool_()),
        ("credit_reference_id", pa.string()),
        ("provider_id", pa.string()),
        ("authority_id", pa.string()),
        ("charge_point_id", pa.string()),
        ("connector_id", pa.string()),
        ("started_at", _INSTANT),
        ("ended_at", _INSTANT),
        ("start_date", pa.date32()),
        ("duration_seconds", pa.decimal128(18, 6)),
        ("energy_kwh", _AMOUNT),
        ("revenue", _AMOUNT),
        ("currency", pa.string()),
        ("rated_power_kw", _AMOUNT),
        ("last_updated", _INSTANT),
        ("flags", pa.list_(pa.string())),
        ("content_hash", pa.string()),
    ]
)
QUARANTINE = pa.schema(
    [
        ("stream_id", pa.string()),
        ("arrival_date", pa.date32()),
        ("source_file", pa.string()),
        ("source_line", pa.int64()),
        ("reasons", pa.list_(pa.string())),
        ("raw", pa.string()),
    ]
)
_PARTITIONS = {"accepted": ["stream_id", "arrival_date", "event_date"], "quarantine": ["stream_id", "arrival_date"]}
_COMMIT_ATTEMPTS = 8


def replace_arrival(lake: Lake, table: str, kind: str, stream_id: str, arrival: dt.date, rows: pa.Table) -> None:
    """Swaps the rows of one stream's one arrival in one commit; readers see the old rows or the new ones.

    Raises:
        CommitFailedError: other writers were faster eight times.
    """
    # Not user text: a stream id is [a-z0-9_-] by the model of stream files.
    predicate = f"stream_id = '{stream_id}' AND arrival_date = '{arrival.isoformat()}'"
    uri = lake.uri(f"{table}/{kind}")
    for attempt in range(_COMMIT_ATTEMPTS):
        exists = DeltaTable.is_deltatable(uri)
        mode: dict[str, Any] = {"mode": "overwrite", "predicate": predicate} if exists else {"mode": "append"}
        try:
            write_deltalake(uri, rows, partition_by=_PARTITIONS[table], **mode)
            return
        except CommitFailedError:
            if attempt == _COMMIT_ATTEMPTS - 1:
                raise
            time.sleep(0.1 * 2**attempt)


def arrival_rows(
    lake: Lake, table: str, kind: str, stream_id: str, arrival: dt.date, columns: Iterable[str]
) -> pa.Table:
    """Columns of one stream's one arrival, as they are now; empty where the table does not exist yet."""
    schema = ACCEPTED_SESSIONS if table == "accepted" else QUARANTINE
    try:
        existing = DeltaTable(lake.uri(f"{table}/{kind}"))
    except TableNotFoundError:
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    filters = [("stream_id", "=", stream_id), ("arrival_date", "=", arrival.isoformat())]
    return existing.to_pyarrow_table(partitions=filters, columns=list(columns))


def spark_schema(schema: pa.Schema) -> StructType:
    """The Spark schema of an Arrow one."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema, prefer_timestamp_ntz=False)


def hand_over(spark: SparkSession, rows: pa.Table) -> DataFrame:
    """Arrow rows as a DataFrame on any engine, empty ones too (whose schema Spark does not infer)."""
    if rows.num_rows:
        return spark.createDataFrame(rows)
    return spark.createDataFrame([], schema=spark_schema(rows.schema))


def read_accepted(spark: SparkSession, engine: str, lake: Lake, kind: str) -> DataFrame:
    """The accepted rows of a kind, all streams and arrivals, lazily.

    Sail and clusters read Delta themselves. Apache Spark on this machine has no Delta jar, so it is handed Arrow.
    """
    uri = lake.uri(f"accepted/{kind}")
    if not DeltaTable.is_deltatable(uri):
        return hand_over(spark, ACCEPTED_SESSIONS.empty_table())
    if engine.startswith("local["):
        return hand_over(spark, DeltaTable(uri).to_pyarrow_table().select(ACCEPTED_SESSIONS.names))
    return spark.read.format("delta").load(uri).select(*ACCEPTED_SESSIONS.names)
