"""Ingest: one stream's one arrival, from landed objects to accepted and quarantined rows. No Dagster here.

Write, audit, swap: rows are judged into a staging folder, counted and audited there, and replace the arrival's old rows
only then. Months that may change are marked before the swap, so that a crash between the two loses no restatement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from cic_assets.facts.restatement import affected_months
from cic_assets.harmonise.sessions import harmonise
from cic_assets.lake import catalogue, tables
from cic_assets.lake.catalogue import Arrival
from cic_assets.lake.decode import decode, decoded_schema
from cic_assets.lake.staging import staging_folder, write_and_read
from cic_assets.lake.zones import Lake, lake_of
from cic_assets.quality.judge import count_by_rule, is_accepted, judge
from cic_assets.quality.rules import rules_of
from cic_assets.settings import Settings
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect
from cic_assets.warehouse.load import copy_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class IngestError(Exception):
    """Rows were lost on the way or an identity does not hold; nothing was replaced."""


@dataclass(frozen=True)
class IngestCount:
    """What one ingest counted; the batch that expectations look at.

    Attributes:
        rows_in: decoded records of all objects of the arrival.
        fired: rule id → rows on which it fired.
        disagreements: rule id → rows on which the rule contradicts itself (a defect of the rule).
        newest_start: the latest start among accepted rows.
    """

    stream_id: str
    arrival_date: dt.date
    rows_in: int
    accepted: int
    quarantined: int
    fired: dict[str, int]
    disagreements: dict[str, int]
    newest_start: dt.datetime | None


Audit = Callable[[IngestCount], None]


def rule_set_of(settings: Settings, stream: Stream) -> str:
    """The rule set in force: `CIC_RULE_SET` for all streams, else the stream's own."""
    return settings.rule_set or stream.rule_set


def ingest(
    settings: Settings, spark: SparkSession, stream: Stream, arrival: Arrival, run_id: str, audit: Audit
) -> IngestCount:
    """Replaces the accepted and quarantined rows of one stream's one arrival.

    Args:
        settings: where lake and warehouse are.
        spark: the engine.
        stream: whose arrival it is.
        arrival: the objects.
        run_id: kept beside the result.
        audit: called before the swap; what it raises stops the swap.

    Raises:
        IngestError: a decoded record is missing after harmonising, or rows in ≠ accepted + quarantined.
    """
    with staging_folder(settings) as staging:
        judged, expected = _judged(settings, spark, stream, arrival, staging)
        count = _counted(judged, settings, stream, arrival, expected)
        audit(count)
        accepted = _accepted_rows(judged, arrival)
        quarantined = _quarantined_rows(judged, arrival)
        changed = _changed(settings, stream, arrival, accepted)
        if changed.num_rows:
            _mark_touched(settings, spark, stream, changed)
        _swap(settings, stream, arrival, accepted, quarantined)
        _record(settings, stream, arrival, run_id, count, quarantined)
    return count


def _judged(
    settings: Settings, spark: SparkSession, stream: Stream, arrival: Arrival, staging: Lake
) -> tuple[DataFrame, int]:
    """The arrival's judged rows, materialised once in staging, and the number of records that were decoded."""
    lake = lake_of(settings)
    decoded = [decode(settings, stream, landed) for landed in arrival.objects]
    # Sail skips a missing file in silence and gives no schema of its own: say the schema, count the rows.
    schema = tables.spark_schema(decoded_schema(stream))
    records = spark.read.schema(schema).parquet(*(lake.uri(path) for path, _ in decoded))
    origin = pa.table(
        {
            "object": [landed.sha256 for landed in arrival.objects],
            "source_file": [landed.original_name for landed in arrival.objects],
            "arrived_at": pa.array([landed.arrived_at for landed in arrival.objects], pa.timestamp("us", tz="UTC")),
        }
    )
    objects = spark.createDataFrame(origin)
    named = records.withColumn("object", F.col("`cic.sha256`")).join(objects, "object").drop("object")
    judged = judge(harmonise(named, stream), rules_of(rule_set_of(settings, stream)), stream.overrides)
    return write_and_read(spark, judged, staging.uri("judged")), sum(count for _, count in decoded)


def _counted(judged: DataFrame, settings: Settings, stream: Stream, arrival: Arrival, expected: int) -> IngestCount:
    counts = count_by_rule(judged, rules_of(rule_set_of(settings, stream)))
    rows_in, rejected = counts.pop("*")
    if rows_in != expected:
        raise IngestError(
            f"{stream.id}, arrival {arrival.arrival_date}: {expected} records were decoded and {rows_in} came out of "
            "harmonising; nothing was replaced"
        )
    newest = judged.where(is_accepted()).agg(F.max("started_at")).toArrow().column(0)[0].as_py()
    return IngestCount(
        stream.id, arrival.arrival_date, rows_in, rows_in - rejected, rejected,
        {rule: fired for rule, (fired, _) in counts.items()},
        {rule: wrong for rule, (_, wrong) in counts.items()},
        newest,
    )  # fmt: skip


def _accepted_rows(judged: DataFrame, arrival: Arrival) -> pa.Table:
    known = judged.where(is_accepted()).withColumn("arrival_date", F.lit(arrival.arrival_date))
    return known.select(*tables.ACCEPTED_SESSIONS.names).toArrow().cast(tables.ACCEPTED_SESSIONS)


def _quarantined_rows(judged: DataFrame, arrival: Arrival) -> pa.Table:
    known = judged.where(~is_accepted()).withColumn("arrival_date", F.lit(arrival.arrival_date))
    return known.select(*tables.QUARANTINE.names).toArrow().cast(tables.QUARANTINE)


def _changed(settings: Settings, stream: Stream, arrival: Arrival, new: pa.Table) -> pa.Table:
    """Rows that the swap adds or removes; none on a rerun."""
    lake = lake_of(settings)
    names = tables.ACCEPTED_SESSIONS.names
    old = tables.arrival_rows(lake, "accepted", "sessions", stream.id, arrival.arrival_date, names).select(names)
    if old.num_rows == 0:
        return new
    old_keys, new_keys = _row_keys(old), _row_keys(new)
    gone, come = set(old_keys) - set(new_keys), set(new_keys) - set(old_keys)
    removed = old.filter(pa.array([key in gone for key in old_keys], pa.bool_()))
    added = new.filter(pa.array([key in come for key in new_keys], pa.bool_()))
    return pa.concat_tables([removed.cast(tables.ACCEPTED_SESSIONS), added])


def _row_keys(rows: pa.Table) -> list[tuple[object, ...]]:
    names = (
        "source_file",
        "source_line",
        "content_hash",
        "start_date",
        "authority_id",
        "provider_id",
        "revenue",
        "flags",
    )
    columns = [rows.column(name).to_pylist() for name in names]
    columns[-1] = [tuple(flags) for flags in columns[-1]]
    return list(zip(*columns, strict=True))


def _mark_touched(settings: Settings, spark: SparkSession, stream: Stream, changed: pa.Table) -> None:
    known = tables.read_accepted(spark, settings.spark, lake_of(settings), "sessions")
    months = affected_months(tables.hand_over(spark, changed), known)
    with connect(settings) as connection:
        for month in months:
            connection.execute(
                "insert into catalogue.touched_month values (%s, %s, nextval('catalogue.touch_id'))"
                " on conflict (stream_id, month_date) do update"
                " set touch_id = excluded.touch_id, touched_at = excluded.touched_at",
                [stream.id, month],
            )


def _swap(settings: Settings, stream: Stream, arrival: Arrival, accepted: pa.Table, quarantined: pa.Table) -> None:
    lake = lake_of(settings)
    for table, rows in (("quarantine", quarantined), ("accepted", accepted)):
        tables.replace_arrival(lake, table, "sessions", stream.id, arrival.arrival_date, rows)


def _record(
    settings: Settings, stream: Stream, arrival: Arrival, run_id: str, count: IngestCount, quarantined: pa.Table
) -> None:
    """The warehouse's side of an ingest, in one transaction; until it commits, the ingest counts as not done."""
    key = [stream.id, arrival.arrival_date]
    severities = {rule.id: rule.severity for rule in rules_of(rule_set_of(settings, stream))}
    with connect(settings) as connection:
        for table in ("quality.quarantine", "quality.ingest_count", "quality.rule_count", "catalogue.ingest"):
            connection.execute(
                f"delete from {table} where stream_id = %s and arrival_date = %s",  # noqa: S608 - the four names above
                key,
            )
        copy_rows(connection, "quality.quarantine", quarantined)
        connection.execute(
            "insert into quality.ingest_count values (%s, %s, %s, %s, %s)",
            [*key, count.rows_in, count.accepted, count.quarantined],
        )
        for rule, fired in count.fired.items():
            if fired:
                connection.execute(
                    "insert into quality.rule_count values (%s, %s, %s, %s, %s)", [*key, rule, severities[rule], fired]
                )
        fingerprint = arrival.fingerprint(stream, rule_set_of(settings, stream))
        connection.execute("insert into catalogue.ingest values (%s, %s, %s, now(), %s)", [*key, fingerprint, run_id])
        catalogue.register_streams(connection, [stream], settings.rule_set)
