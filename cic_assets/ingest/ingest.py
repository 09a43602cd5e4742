"""Ingest: one stream's arrivals, from landed objects to accepted and quarantined rows, every kind the same way.

Write, audit, swap: rows are judged into a staging folder, counted and audited there, and replace each arrival's old
rows only then. What depends on them is marked before the swap and again after it (`facts/reach.py`), so that neither a
crash between the two nor a fact computed meanwhile loses a restatement. No Dagster here.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from cic_assets.ingest import deliveries
from cic_assets.ingest.change import losses
from cic_assets.ingest.count import Counts, IngestCount, counted, from_json, merged
from cic_assets.ingest.decode import DecodeError, decode
from cic_assets.ingest.decoded import decoded_schema
from cic_assets.ingest.deliveries import Looked
from cic_assets.ingest.engine_errors import engine_failure
from cic_assets.ingest.judge import judge
from cic_assets.ingest.judged import JudgedRows, split
from cic_assets.ingest.portions import Renewal, delivery_of, portion_of, renewal_of, seen
from cic_assets.ingest.replace import Batch, Decoded, IngestError, Judged, Outcome, replace_rows
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.profile import Key
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.rows import Rows, in_group
from cic_assets.lake.zones import Lake
from cic_assets.ledger import accepted_files, catalogue, portions
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.portions import Kept
from cic_assets.parts import Parts

LOG = logging.getLogger(__name__)
# Arrivals of one stream go through Spark together up to this many records: 65 arrivals of 100 rows took 2 s each one
# by one.
MAX_RECORDS = 1_000_000
# So many decoded files of at most so many records are put together for the engine: one more file in a day of 2,000 took
# 4.4 s of CPU with each by itself, and takes 2.8 (beside other work).
MANY_FILES, SMALL_RECORDS = 20, 1_000
# Of which so many, or so much, is in memory at once.
_FILES_AT_ONCE, _BYTES_AT_ONCE = 200, 64 << 20
# What judging takes for each record, at most.
BYTES_PER_RECORD = 3_000


# Says whether an arrival may be replaced.
Audit = Callable[[IngestCount], bool]


def ingest(parts: Parts, stream: Stream, arrivals: Sequence[Arrival], run_id: str, audit: Audit) -> list[IngestCount]:
    """Replaces the accepted and quarantined rows of one stream's arrivals.

    Args:
        parts: lake, warehouse and engine.
        stream: whose arrivals they are.
        arrivals: of that stream.
        run_id: kept beside the result.
        audit: called for each arrival before the swap; an arrival that it refuses stays as it was, and so does one of
            which a changed stream file would take accepted rows (`IngestCount.loss`).

    Returns:
        The counts of the arrivals that were replaced.

    Raises:
        IngestError: decoded ≠ accepted + quarantined + skipped, or a table has not taken the rows that it was given.
        ArrivalLostError: another run has claimed one of the arrivals since; its rows stay.
        LakeDamagedError: an original holds other bytes than were landed; or other accepted locations are not whole, of
            which the registry would be made anew: the arrivals' rows are in place then, and they stay pending.
        DecodeError: of some arrivals neither original nor decoding is there; their rows stay, the others are replaced.
    """
    done: list[IngestCount] = []
    lost: list[str] = []
    if not arrivals:
        return done
    with parts.warehouse.transaction() as connection:
        claim, arrivals = ledger.claim_arrivals(connection, stream.id, [each.arrival_date for each in arrivals])
    for batch in _batches(parts, stream, arrivals, lost):
        with parts.staging() as staging:
            judged, looked = _looked_at(parts, stream, batch, staging)
            rows = Outcome(*split(judged, KINDS[stream.kind].schema, tables.QUARANTINE, staging))
            made = _made(parts, stream, batch, judged, rows)
            counts = _counted(parts, stream, batch, made, looked)
            counts = _asking(parts, stream, counts, rows.accepted)
            kept = [count for count in counts if audit(count) and count.loss is None]
            _demand_identity(kept)
            if kept:
                days = [count.arrival_date for count in kept]
                replace_rows(parts, stream, Judged(batch.of(days), made, kept, rows.of(days)), run_id, claim, staging)
                done += kept
    if lost:
        raise DecodeError("; ".join(lost))
    return done


def _asking(parts: Parts, stream: Stream, counts: Sequence[IngestCount], new: Rows) -> list[IngestCount]:
    """The counts, with what a changed stream file would take away."""
    found = losses(parts, parts.lake, stream, [count.arrival_date for count in counts], new)
    return [replace(count, loss=found.get(count.arrival_date)) for count in counts]


def _demand_identity(counts: Sequence[IngestCount]) -> None:
    """Rows are counted as they are about to be written: what got lost on any step before is missing here."""
    wrong = [
        f"arrival {count.arrival_date}: {count.rows_in} records were decoded, but {count.accepted} accepted + "
        f"{count.quarantined} quarantined + {count.skipped} skipped came out"
        for count in counts
        if count.unaccounted
    ]
    if wrong:
        raise IngestError(f"{counts[0].stream_id}, {'; '.join(wrong)}; nothing was replaced")


def _batches(parts: Parts, stream: Stream, arrivals: Sequence[Arrival], lost: list[str]) -> Iterator[Batch]:
    """Arrivals decoded as far as they are made anew, in groups of bounded size.

    An arrival that can't be decoded any more is left out, and `lost` says so.
    """
    there = _in_place(parts, stream, arrivals)
    by_day: dict[dt.date, list[Kept]] = {}
    for kept in there.values():
        by_day.setdefault(kept.arrival_date, []).append(kept)
    renewals: list[Renewal] = []
    decoded: Decoded = {}
    size = 0
    for arrival in arrivals:
        try:
            renewal, objects = _renewal(parts, stream, arrival, by_day.get(arrival.arrival_date, ()))
        except DecodeError as error:
            lost.append(str(error))
            continue
        records = sum(count for _, count in objects.values())
        if renewals and size + records > MAX_RECORDS:
            yield Batch(renewals, decoded, there)
            renewals, decoded, size = [], {}, 0
        renewals.append(renewal)
        decoded |= objects
        size += records
    if renewals:
        yield Batch(renewals, decoded, there)


def _in_place(parts: Parts, stream: Stream, arrivals: Sequence[Arrival]) -> dict[str, Kept]:
    """The portions whose rows are as they were ingested, by the recipe of now."""
    recipe = parts.recipe_of(stream)
    with parts.warehouse.transaction() as connection:
        found = portions.in_place(connection, recipe, [arrival.arrival_date for arrival in arrivals])
    days = sorted({kept.arrival_date for kept in found})
    try:
        if days:
            accepted_files.demand_arrivals(parts.warehouse, parts.lake, stream.kind, stream.id, days)
    except LakeDamagedError as damage:
        LOG.warning("%s's arrivals are made anew as a whole: %s", stream.id, damage)
        return {}
    return {kept.portion: kept for kept in found}


def _renewal(parts: Parts, stream: Stream, arrival: Arrival, there: Sequence[Kept]) -> tuple[Renewal, Decoded]:
    """What is to be made of an arrival, and its objects decoded."""
    objects = {landed.sha256: landed for landed in arrival.objects}
    known: dict[str, int] = {}
    for kept in there:
        same = [objects[sha256] for sha256 in kept.records if sha256 in objects]
        if portion_of(stream, arrival, same).id == kept.portion:
            known |= kept.records
    decoded = decode(parts, stream, [landed for landed in arrival.objects if landed.sha256 not in known])
    records = known | {sha256: count for sha256, (_, count) in decoded.items()}
    found = renewal_of(stream, arrival, records, {kept.portion for kept in there})
    decoded |= decode(parts, stream, [landed for landed in found.objects if landed.sha256 not in decoded])
    return found, decoded


def _looked_at(parts: Parts, stream: Stream, batch: Batch, staging: Lake) -> tuple[JudgedRows, list[Looked]]:
    """The judged rows, and what each delivery is like."""
    delivered = {
        (renewal.day, sha256): (renewal.day, delivery)
        for renewal in batch.renewals
        for portion in renewal.portions
        for sha256, delivery in delivery_of(stream, renewal.arrival, portion, batch.records).items()
    }
    files = _few_files(parts.lake, stream, batch.decoded, staging)
    with parts.warehouse.transaction() as connection:
        recorded = deliveries.recorded(connection, stream.id, batch.days, batch.staying)
        past = deliveries.past(connection, stream.id, sorted(batch.days))

    def judged(swapped: Collection[Key]) -> JudgedRows:
        return _judged(parts, stream, batch, delivered, files, staging, swapped)

    rows, looked = deliveries.judged_with(judged, stream, batch.renewals, delivered, recorded, past)
    return rows, [*recorded, *looked]


def _few_files(lake: Lake, stream: Stream, decoded: Decoded, staging: Lake) -> list[str]:
    """What the engine reads the decoded records from; many small files are one, as each stands in every plan."""
    small = [path for path, count in decoded.values() if count <= SMALL_RECORDS]
    if len(small) < MANY_FILES:
        return [lake.uri(path) for path, _ in decoded.values()]
    schema = decoded_schema(stream)
    with staging.write_scratch("small.parquet") as target, pq.ParquetWriter(target, schema) as writer:
        some: list[pa.Table] = []
        size = 0
        for path in small:
            some.append(_read(lake, path, schema))
            size += some[-1].nbytes
            if size > _BYTES_AT_ONCE or len(some) == _FILES_AT_ONCE:
                writer.write_table(pa.concat_tables(some))
                some, size = [], 0
        if some:
            writer.write_table(pa.concat_tables(some))
    large = (path for path, count in decoded.values() if count > SMALL_RECORDS)
    return [staging.uri("small.parquet"), *map(lake.uri, large)]


def _read(lake: Lake, path: str, schema: pa.Schema) -> pa.Table:
    """A small decoded file; as a dataset, each takes twice as long."""
    try:
        with lake.read(path) as handle:
            return pq.ParquetFile(handle).read(schema.names, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise LakeDamagedError(f"{lake.uri(path)} can't be read: {error}; nothing was replaced, run again") from error


def _judged(
    parts: Parts,
    stream: Stream,
    batch: Batch,
    delivered: deliveries.Delivered,
    files: Sequence[str],
    staging: Lake,
    swapped: Collection[Key],
) -> JudgedRows:
    """The judged rows, materialised once in staging."""
    # Sail skips a missing file in silence and gives no schema of its own: say the schema, count the rows.
    schema = tables.spark_schema(decoded_schema(stream))
    records = parts.spark.read.schema(schema).parquet(*files)
    rows = [
        (renewal.day, portion.id, landed.sha256, name, moment)
        for renewal in batch.renewals
        for portion in renewal.portions
        for landed in portion.objects
        for moment, name in seen(stream, landed)
    ]
    origin = pa.table(
        {
            "arrival_date": pa.array([day for day, *_ in rows], pa.date32()),
            "object": [sha256 for _, _, sha256, _, _ in rows],
            "source_file": [name for *_, name, _ in rows],
            "arrived_at": pa.array([moment for *_, moment in rows], pa.timestamp("us", tz="UTC")),
            "cic.portion": [portion for _, portion, *_ in rows],
            "cic.delivery": [delivered[day, sha256][1] for day, _, sha256, _, _ in rows],
            "cic.shows_swap": [delivered[day, sha256] in swapped for day, _, sha256, _, _ in rows],
        }
    )
    objects = tables.hand_over(parts.spark, origin, staging)
    named = records.withColumn("object", F.col("`cic.sha256`")).join(objects, "object").drop("object")
    rules = rules_of(parts.rule_set_of(stream), stream.kind)
    # What is judged beside other rows is judged beside those about the same thing.
    groups = 1 + sum(batch.records.values()) * BYTES_PER_RECORD // parts.memory_bytes
    folder, work = "repaired" if swapped else "judged", KINDS[stream.kind].work
    try:
        judged = work.entries(judge(work.harmonise(named, stream), rules, stream.overrides), stream)
        for number in range(groups):
            mine = judged.where(in_group(number, groups, KINDS[stream.kind].grain))
            mine.write.mode("overwrite").parquet(staging.uri(f"{folder}/{number}"))
        return JudgedRows(staging.parquet(folder, to_arrow_schema(judged.schema)))
    except PySparkException as error:
        raise IngestError(engine_failure(stream, error, named)) from error


def _made(parts: Parts, stream: Stream, batch: Batch, judged: JudgedRows, rows: Outcome) -> dict[str, Counts]:
    """What is counted of the portions that are made anew."""
    rows_in = {
        portion.id: sum(batch.records[landed.sha256] * len(seen(stream, landed)) for landed in portion.objects)
        for renewal in batch.renewals
        for portion in renewal.portions
    }
    rules = rules_of(parts.rule_set_of(stream), stream.kind)
    return counted(judged, rows.accepted, rows.quarantined, stream, rules, rows_in)


def _counted(
    parts: Parts, stream: Stream, batch: Batch, made: Mapping[str, Counts], looked: Sequence[Looked]
) -> list[IngestCount]:
    """What is counted of each arrival, of its rows that stay too."""
    with parts.warehouse.transaction() as connection:
        new_columns = catalogue.new_columns(connection, stream.id)
        incomplete = catalogue.incomplete(connection, stream.id)
    counts = []
    for renewal in batch.renewals:
        day = renewal.day
        some = [made[portion.id] for portion in renewal.portions]
        some += [from_json(batch.there[portion].counts) for portion in sorted(renewal.staying)]
        counts.append(
            IngestCount(
                stream.id,
                day,
                **vars(merged(some)),
                new_columns=new_columns.get(day, ()),
                incomplete=tuple(each for each in incomplete if each.arrival_date == day),
                deliveries=tuple(each for each in looked if each.key[0] == day),
            )
        )
    return counts
