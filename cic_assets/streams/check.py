"""`cic streams check`: a stream file tried on a sample, without lake, warehouse or Dagster."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from cic_assets.facts.sessions import named_ids, told_apart
from cic_assets.harmonise.swap import SwapEvidence, swap_evidence
from cic_assets.lake.decode import decoded_row, decoded_schema, names_twice
from cic_assets.lake.kinds import KINDS
from cic_assets.lake.personal import Guard, Keys, absent_fields, held_reason
from cic_assets.lake.records import Reading, read_records
from cic_assets.lake.tables import hand_over
from cic_assets.quality.judge import count_unreadable, is_accepted, is_quarantined, judge
from cic_assets.quality.rules import rules_of
from cic_assets.streams.model import SessionsStream, Stream
from cic_assets.streams.personal import undecided

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHOWN = {
    "sessions": (
        "session_id", "charge_point_id", "connector_id", "started_at", "ended_at", "start_date", "energy_kwh",
        "revenue", "currency", "rated_power_kw", "flags",
    ),
    "status": ("charge_point_id", "connector_id", "source_status", "state", "event_at", "confirmed_at", "flags"),
    "locations": (
        "charge_point_id", "connector_id", "location_id", "location_name", "device_id", "rated_power_kw", "latitude",
        "longitude", "valid_from",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class SampleReport:
    """What a stream file makes of a sample.

    Attributes:
        rows_in: records in the sample.
        accepted: the first accepted rows, harmonised.
        rejected: rule id → (how many, an example's line and text).
        swap: evidence for exchanged day and month; None where the stream sends instants.
        problems: why the check fails, empty if it doesn't.
        skipped: records that the stream leaves out.
        hints: what somebody should decide; the check passes all the same.
    """

    rows_in: int
    accepted_count: int
    accepted: list[dict[str, Any]]
    rejected: dict[str, tuple[int, int, str]]
    swap: SwapEvidence | None
    problems: list[str]
    skipped: int = 0
    hints: tuple[str, ...] = ()


def check_sample(spark: SparkSession, stream: Stream, sample: Path, rows_shown: int = 5) -> SampleReport:
    """Decodes, harmonises and judges a sample file.

    Raises:
        OSError: the sample can't be read.
    """
    with sample.open("rb") as handle:
        absent = absent_fields(handle, stream)
        reading = read_records(handle, stream.format, stream.record_level)
        # Nobody compares hashes of a sample.
        guard = Guard(stream, reading, Keys(secrets.token_bytes(), secrets.token_bytes()), absent)
        table = _sample_table(guard, sample)
    known_names = {*reading.columns, *reading.copies.values()}
    missing = [name for name in stream.required_fields if name not in known_names]
    harmonised = KINDS[stream.kind].harmonise(hand_over(spark, table), stream)
    # Once: each look below would plan and run all expressions anew.
    rows = judge(harmonised, rules_of(stream.rule_set, stream.kind), stream.overrides).toArrow()
    judged = hand_over(spark, pa.concat_tables([rows.schema.empty_table(), rows]).combine_chunks())
    known = judged.where(is_accepted())
    swap = _swap(judged) if isinstance(stream, SessionsStream) and "started_local" in stream.columns else None
    problems = [f"the sample has no field {', '.join(missing)}; it has {', '.join(reading.columns)}"] if missing else []
    problems += [held_reason(absent)] if absent else []
    problems += names_twice(stream, reading)
    if isinstance(stream, SessionsStream):
        problems += _swap_problems(stream, sample, swap)
        problems += _reused_problems(known)
    if stream.kind == "status":
        problems += _unmapped_problems(known)
    problems += _unreadable_problems(judged)
    accepted_count = known.count()
    skipped = judged.where("skipped").count()
    if table.num_rows > skipped and not accepted_count:
        problems.append("no row is accepted")
    return SampleReport(
        table.num_rows,
        accepted_count,
        known.select(*SHOWN[stream.kind]).limit(rows_shown).toArrow().to_pylist(),
        _rejected(judged),
        swap,
        problems,
        skipped,
        _person_hints(stream, reading),
    )


def _person_hints(stream: Stream, reading: Reading) -> tuple[str, ...]:
    """Names fields that look personal and of which the stream file does not say whether they are."""
    names = [reading.copies.get(name, name) for name in reading.columns]
    found = undecided(stream, [*stream.read_fields, *names])
    if not found:
        return ()
    return (f"{', '.join(found)} may be about persons: add to personal_fields, or to not_personal if that is not so",)


def _sample_table(guard: Guard, sample: Path) -> pa.Table:
    now = dt.datetime.now(dt.UTC)
    origin = {"arrival_date": now.date(), "source_file": sample.name, "arrived_at": now}
    rows = [{**origin, **decoded_row(guard, "", record)} for record in guard.reading.records]
    kinds = [("arrival_date", pa.date32()), ("source_file", pa.string()), ("arrived_at", pa.timestamp("us", tz="UTC"))]
    return pa.Table.from_pylist(rows, schema=pa.schema([*kinds, *decoded_schema(guard.stream)]))


def _rejected(judged: DataFrame) -> dict[str, tuple[int, int, str]]:
    rows = (
        judged.where(is_quarantined())
        .withColumn("raw", F.concat_ws(" ", F.col("raw"), F.concat(F.lit("("), F.col("detail"), F.lit(")"))))
        .select(F.explode("reasons").alias("rule"), "source_line", "raw")
        .groupBy("rule")
        .agg(F.count(F.lit(1)).alias("count"), F.min(F.struct("source_line", "raw")).alias("example"))
        .orderBy("rule")
        .collect()
    )
    return {row["rule"]: (int(row["count"]), int(row["example"]["source_line"]), row["example"]["raw"]) for row in rows}


def _unreadable_problems(judged: DataFrame) -> list[str]:
    counts = [each for of_arrival in count_unreadable(judged).values() for each in of_arrival.items()]
    said = ", ".join(f"{name} {unread} of {present}" for name, (present, unread) in counts if unread)
    return [f"values that are there can't be read (U01): {said}: mend the expressions or the feed"] if said else []


def _unmapped_problems(known: DataFrame) -> list[str]:
    rows = (
        known.where(F.col("mapped_state").isNull()).groupBy("source_status").count().orderBy("source_status").collect()
    )
    words = ", ".join(f"{row['source_status']!r} ({row['count']} times)" for row in rows)
    return [f"no vocabulary knows {words}: add to vocabulary.words, or they count as UNKNOWN"] if words else []


def _reused_problems(known: DataFrame) -> list[str]:
    """Names the ids that don't identify (S16), the most frequent first."""
    reused = told_apart(known).where("id_reused").groupBy("session_id")
    found = reused.agg(F.count(F.lit(1)).alias("count"), F.sort_array(F.collect_set("charge_point_id")).alias("points"))
    rows = found.orderBy(F.desc("count"), "session_id").toArrow().to_pylist()
    if not rows:
        return []
    return [
        f"{len(rows)} session ids are no ids, such as {named_ids(rows)}: their rows count as different sessions; "
        "say `session_id: none` if charge point, connector and start identify"
    ]


def _swap(judged: DataFrame) -> SwapEvidence:
    connector = F.concat_ws("/", "charge_point", "connector_id").alias("connector")
    rows = judged.where(F.col("started_wall_given").isNotNull() & F.col("ended_wall_given").isNotNull())
    table = rows.select(connector, "started_wall_given", "ended_wall_given").toArrow()
    columns = [column.to_pylist() for column in table.columns]
    naive = [columns[0], *([moment.replace(tzinfo=None) for moment in column] for column in columns[1:])]
    return swap_evidence(list(zip(*naive, strict=True)))


def _swap_problems(stream: SessionsStream, sample: Path, swap: SwapEvidence | None) -> list[str]:
    if swap is None:
        return []
    if stream.date_repair and stream.date_repair.auto:
        return []
    patterns = stream.date_repair.files if stream.date_repair else ()
    declared = any(Path(sample.name).match(pattern) for pattern in patterns)
    figures = (
        f"of {swap.doubtful} doubtful starts {swap.inside_as_given} fit the delivery as given and "
        f"{swap.inside_swapped} with day and month exchanged; overlaps {swap.overlaps_as_given} and "
        f"{swap.overlaps_swapped}"
    )
    if swap.is_swapped and not declared:
        return [f"day and month are swapped in {sample.name} ({figures}): add the file to date_repair.files"]
    if declared and swap.doubtful and not swap.is_swapped:
        return [f"date_repair.files names {sample.name}, which shows no swap ({figures})"]
    return []
