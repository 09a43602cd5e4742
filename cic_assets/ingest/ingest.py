"""Ingest: one stream's arrivals, from landed objects to accepted and quarantined rows, every kind the same way.

Write, audit, swap: rows are judged into a staging folder, counted and audited there, and replace each arrival's old
rows only then. What depends on them is marked before the swap and again after it (`facts/reach.py`), so that neither a
crash between the two nor a fact computed meanwhile loses a restatement. No Dagster here.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import Window
from pyspark.sql import functions as F

from cic_assets.errors import PlatformError
from cic_assets.facts import rated as identity
from cic_assets.facts import reach
from cic_assets.facts.status_edges import Entries
from cic_assets.facts.touch import renew_registry
from cic_assets.ingest import accounted, deliveries
from cic_assets.ingest.change import Loss, losses
from cic_assets.ingest.decode import DecodeError, decode, decoded_schema, other_decodings
from cic_assets.ingest.deliveries import Looked
from cic_assets.ingest.engine_errors import engine_failure
from cic_assets.ingest.judge import (
    EVERY,
    SKIPPED,
    count_by_rule,
    count_unreadable,
    is_accepted,
    is_quarantined,
    judge,
)
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.kind import Kind
from cic_assets.kinds.profile import Key
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.rows import Rows, bring_back, distinct, in_group, rows_of, write
from cic_assets.lake.zones import Lake
from cic_assets.ledger import accepted_files, catalogue, published
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger.arrivals import Cover
from cic_assets.ledger.catalogue import Arrival, Incomplete
from cic_assets.parts import Parts
from cic_assets.streams.register import register_streams
from cic_assets.warehouse.connect import Connection, Warehouse
from cic_assets.warehouse.load import Staged, insert_staged, rewrite, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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
# Of words for a state that no vocabulary knows, by arrival.
WORDS_KEPT = 100
OTHER_WORDS = "(others)"
MAX_WORD_CHARS = 200


class IngestError(PlatformError):
    """Rows were lost on the way or an identity does not hold; nothing was replaced."""


@dataclass(frozen=True)
class IngestCount:
    """What one ingest of an arrival counted; the batch that expectations look at.

    Attributes:
        rows_in: decoded records of all objects of the arrival; of polls without a time of their own, of each sighting.
        accepted: records among the rows that are to be written to `accepted`.
        quarantined: rows that are to be written to `quarantine`.
        fired: rule id → rows on which it fired.
        disagreements: rule id → rows on which the rule contradicts itself (a defect of the rule).
        newest: the latest moment among accepted rows.
        unmapped: word that no vocabulary knows → rows.
        cover_at: up to when the arrival covers time; None where it covers none or its kind has no cover.
        first_at: from when it does.
        new_columns: fields of its files that no earlier arrival had.
        skipped: decoded records that the stream leaves out.
        dates: the first and last local date of accepted records; None where their kind has no days.
        entries: of a status stream, its accepted entries by date (UTC).
        unreadable: column of the stream file → (values that are there, of these not read).
        incomplete: its deliveries that lack a personal field, or of which the stream file asks for more than is left.
        loss: accepted rows that would leave as the stream file was changed: then nothing is replaced.
        deliveries: what each of its deliveries is like as a whole, and what holds it.
    """

    stream_id: str
    arrival_date: dt.date
    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    disagreements: dict[str, int] = field(default_factory=dict)
    newest: dt.datetime | None = None
    unmapped: dict[str, int] = field(default_factory=dict)
    cover_at: dt.datetime | None = None
    new_columns: tuple[str, ...] = ()
    first_at: dt.datetime | None = None
    skipped: int = 0
    dates: tuple[dt.date, dt.date] | None = None
    unreadable: dict[str, tuple[int, int]] = field(default_factory=dict)
    entries: tuple[Entries, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()
    loss: Loss | None = None
    deliveries: tuple[Looked, ...] = ()

    @property
    def held(self) -> int:
        """Of the quarantined rows, those of deliveries that are held; they break no rule by themselves."""
        return self.fired.get("D03", 0) + self.fired.get(deliveries.HELD, 0)

    @property
    def unaccounted(self) -> int:
        """Decoded records that are neither about to be written nor left out; negative if there are too many."""
        return self.rows_in - self.accepted - self.quarantined - self.skipped

    @property
    def doubt(self) -> str:
        """Why a changed stream file may not replace the arrival's rows, and what it gives; empty if it may."""
        gives = f"it gives {self.accepted} accepted, {self.quarantined} rejected, {self.skipped} skipped"
        return f"{self.loss} ({gives})" if self.loss else ""


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
    for batch, decoded in _batches(parts, stream, arrivals, lost):
        with parts.staging() as staging:
            judged, looked = _looked_at(parts, stream, batch, decoded, staging)
            rows = _outcome(judged, stream, staging)
            counts = _counted(judged, rows, parts, stream, batch, decoded, looked)
            counts = _asking(parts, stream, counts, rows.accepted)
            kept = [count for count in counts if audit(count) and count.loss is None]
            _demand_identity(kept)
            if kept:
                mine = rows.of([count.arrival_date for count in kept])
                _replace(parts, stream, mine, batch, kept, run_id, claim, staging)
                done += kept
    if lost:
        raise DecodeError("; ".join(lost))
    return done


@dataclass(frozen=True)
class Outcome:
    """The rows of some arrivals as they go to the tables."""

    accepted: Rows
    quarantined: Rows

    def of(self, days: Sequence[dt.date]) -> Outcome:
        """Those of some arrivals."""
        wanted = pc.field("arrival_date").isin(pa.array(days, pa.date32()))
        return Outcome(self.accepted.filter(wanted), self.quarantined.filter(wanted))


def _asking(parts: Parts, stream: Stream, counts: Sequence[IngestCount], new: Rows) -> list[IngestCount]:
    """The counts, with what a changed stream file would take away."""
    found = losses(parts, parts.lake, stream, [count.arrival_date for count in counts], new)
    return [replace(count, loss=found.get(count.arrival_date)) for count in counts]


def _by_arrival(rows: Rows) -> dict[dt.date, int]:
    counts = rows.to_table(["arrival_date"]).group_by("arrival_date").aggregate([([], "count_all")])
    return dict(zip(counts.column("arrival_date").to_pylist(), counts.column("count_all").to_pylist(), strict=True))


def _dates(rows: Rows, column: str | None) -> dict[dt.date, tuple[dt.date, dt.date]]:
    """First and last date in a column, by arrival."""
    if column is None:
        return {}
    found = rows.to_table(["arrival_date", column]).group_by("arrival_date")
    return {
        row["arrival_date"]: (row[f"{column}_min"], row[f"{column}_max"])
        for row in found.aggregate([(column, "min"), (column, "max")]).to_pylist()
    }


def _entries(rows: Rows) -> dict[dt.date, tuple[Entries, ...]]:
    """The accepted entries of a status stream by date, by arrival."""
    found: dict[dt.date, tuple[Entries, ...]] = {}
    if "entry" not in rows.schema.names:
        return found
    keys = ["arrival_date", "event_date"]
    grouped = rows.to_table([*keys, "at"]).group_by(keys).aggregate([("at", "min"), ([], "count_all")])
    for row in grouped.to_pylist():
        one = Entries(row["event_date"], row["count_all"], row["at_min"])
        found[row["arrival_date"]] = (*found.get(row["arrival_date"], ()), one)
    return found


def _outcome(judged: DataFrame, stream: Stream, staging: Lake) -> Outcome:
    kind = KINDS[stream.kind]
    accepted = bring_back(kind.work.entries(judged.where(is_accepted()), stream), staging, kind.schema)
    return Outcome(accepted, bring_back(judged.where(is_quarantined()), staging, tables.QUARANTINE))


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


def _demand_taken(stream: Stream, table: str, rows: Rows, taken: Mapping[dt.date, int]) -> None:
    """A table has as many rows of each arrival as it was given."""
    given = _by_arrival(rows)
    wrong = [
        f"arrival {day}: {taken.get(day, 0)} of {given.get(day, 0)} rows"
        for day in sorted({*given, *taken})
        if given.get(day, 0) != taken.get(day, 0)
    ]
    if wrong:
        raise IngestError(f"{stream.id}: {table} has {'; '.join(wrong)}; the arrivals stay pending, run again")


Decoded = dict[str, tuple[str, int]]


def _batches(
    parts: Parts, stream: Stream, arrivals: Sequence[Arrival], lost: list[str]
) -> Iterator[tuple[list[Arrival], Decoded]]:
    """Arrivals decoded, in groups of bounded size. Decoded: SHA-256 → (path, number of records).

    An arrival that can't be decoded any more is left out, and `lost` says so.
    """
    batch: list[Arrival] = []
    decoded: Decoded = {}
    for arrival in arrivals:
        try:
            objects = decode(parts, stream, arrival.objects)
        except DecodeError as error:
            lost.append(str(error))
            continue
        records = sum(count for _, count in [*decoded.values(), *objects.values()])
        if batch and records > MAX_RECORDS:
            yield batch, decoded
            batch, decoded = [], {}
        batch.append(arrival)
        decoded |= objects
    if batch:
        yield batch, decoded


def _deliveries(stream: Stream, arrival: Arrival) -> list[tuple[str, str, dt.datetime]]:
    """(object, name, when) of each delivery: once per content, or once per sighting where the time is the poll's."""
    if stream.reads_sightings:
        return [(landed.sha256, name, seen_at) for landed in arrival.objects for seen_at, name in landed.sightings]
    return [(landed.sha256, landed.original_name, landed.arrived_at) for landed in arrival.objects]


def _looked_at(
    parts: Parts, stream: Stream, batch: Sequence[Arrival], decoded: Decoded, staging: Lake
) -> tuple[DataFrame, list[Looked]]:
    """The judged rows, and what each delivery is like."""
    records = {sha256: count for sha256, (_, count) in decoded.items()}

    files = _few_files(parts.lake, stream, decoded, staging)

    def judged(swapped: Collection[Key]) -> DataFrame:
        return _judged(parts, stream, batch, decoded, files, staging, swapped)

    return deliveries.judged_with(judged, parts.warehouse, stream, batch, records)


def _few_files(lake: Lake, stream: Stream, decoded: Decoded, staging: Lake) -> list[str]:
    """What the engine reads the decoded records from; many small files are one, as each stands in every plan."""
    small = [path for path, count in decoded.values() if count <= SMALL_RECORDS]
    if len(small) < MANY_FILES:
        return [lake.uri(path) for path, _ in decoded.values()]
    schema = decoded_schema(stream)
    with staging.write_scratch("small.parquet") as target, pq.ParquetWriter(target, schema) as writer:
        some: list[pa.Table] = []
        for path in small:
            some.append(_read(lake, path, schema))
            if sum(table.nbytes for table in some) > _BYTES_AT_ONCE or len(some) == _FILES_AT_ONCE:
                writer.write_table(pa.concat_tables(some))
                some = []
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
    batch: Sequence[Arrival],
    decoded: Decoded,
    files: Sequence[str],
    staging: Lake,
    swapped: Collection[Key],
) -> DataFrame:
    """The judged rows, materialised once in staging."""
    delivered = deliveries.keys(stream, batch, {sha256: count for sha256, (_, count) in decoded.items()})
    # Sail skips a missing file in silence and gives no schema of its own: say the schema, count the rows.
    schema = tables.spark_schema(decoded_schema(stream))
    records = parts.spark.read.schema(schema).parquet(*files)
    seen = [(arrival.arrival_date, *each) for arrival in batch for each in _deliveries(stream, arrival)]
    origin = pa.table(
        {
            "arrival_date": pa.array([day for day, *_ in seen], pa.date32()),
            "object": [sha256 for _, sha256, _, _ in seen],
            "source_file": [name for _, _, name, _ in seen],
            "arrived_at": pa.array([moment for *_, moment in seen], pa.timestamp("us", tz="UTC")),
            "cic.delivery": [delivered[day, sha256][1] for day, sha256, _, _ in seen],
            "cic.shows_swap": [delivered[day, sha256] in swapped for day, sha256, _, _ in seen],
        }
    )
    objects = tables.hand_over(parts.spark, origin, staging)
    named = records.withColumn("object", F.col("`cic.sha256`")).join(objects, "object").drop("object")
    rules = rules_of(parts.rule_set_of(stream), stream.kind)
    # What is judged beside other rows is judged beside those about the same thing.
    groups = 1 + sum(count for _, count in decoded.values()) * BYTES_PER_RECORD // parts.memory_bytes
    folders = [f"{'repaired' if swapped else 'judged'}/{number}" for number in range(groups)]
    try:
        judged = judge(KINDS[stream.kind].work.harmonise(named, stream), rules, stream.overrides)
        for number, folder in enumerate(folders):
            mine = judged.where(in_group(number, groups, KINDS[stream.kind].grain))
            mine.write.mode("overwrite").parquet(staging.uri(folder))
        return parts.spark.read.schema(judged.schema).parquet(*(staging.uri(folder) for folder in folders))
    except PySparkException as error:
        raise IngestError(engine_failure(stream, error, named)) from error


def _counted(
    judged: DataFrame,
    rows: Outcome,
    parts: Parts,
    stream: Stream,
    batch: Sequence[Arrival],
    decoded: Decoded,
    looked: Sequence[Looked],
) -> list[IngestCount]:
    kind = KINDS[stream.kind]
    found = count_by_rule(judged, rules_of(parts.rule_set_of(stream), stream.kind))
    summary = _summary(judged, kind)
    unmapped = _unmapped(judged) if kind.has_words else {}
    unreadable = count_unreadable(judged)
    accepted, quarantined = _by_arrival(rows.accepted), _by_arrival(rows.quarantined)
    dates, entries = _dates(rows.accepted, kind.dated), _entries(rows.accepted)
    with parts.warehouse.transaction() as connection:
        new_columns = catalogue.new_columns(connection, stream.id)
        incomplete = catalogue.incomplete(connection, stream.id)
    counts = []
    for arrival in batch:
        day = arrival.arrival_date
        rules = dict(found.get(day, {}))
        skipped, _ = rules.pop(SKIPPED, (0, 0))
        rules.pop(EVERY, None)
        newest, cover_at, first_at = summary.get(day, (None, None, None))
        counts.append(
            IngestCount(
                stream.id, day,
                sum(decoded[sha256][1] for sha256, _, _ in _deliveries(stream, arrival)),
                accepted.get(day, 0), quarantined.get(day, 0),
                {rule: fired for rule, (fired, _) in rules.items()},
                {rule: wrong for rule, (_, wrong) in rules.items()},
                newest, unmapped.get(day, {}), cover_at, new_columns.get(day, ()), first_at, skipped,
                dates.get(day), unreadable.get(day, {}), entries.get(day, ()),
                tuple(each for each in incomplete if each.arrival_date == day),
                deliveries=tuple(each for each in looked if each.key[0] == day),
            )
        )  # fmt: skip
    return counts


def _summary(judged: DataFrame, kind: Kind) -> dict[dt.date, tuple[dt.datetime | None, ...]]:
    """Per arrival: the latest moment, and the moments up to which and from which time is covered, if it is."""
    none = F.lit(None).cast("timestamp")
    cover, first = kind.work.cover() if kind.work.cover else (none, none)
    rows = judged.where(is_accepted()).groupBy("arrival_date")
    found = (
        rows.agg(F.max(kind.newest).alias("n"), F.max(cover).alias("c"), F.min(first).alias("f")).toArrow().to_pylist()
    )
    return {row["arrival_date"]: (row["n"], row["c"], row["f"]) for row in found}


def _unmapped(judged: DataFrame) -> dict[dt.date, dict[str, int]]:
    """Per arrival: the most frequent words that no vocabulary knows; all others, which may be free text, as one."""
    # The beginning of a long one: no index takes all of it.
    beginning = F.substring("source_status", 1, MAX_WORD_CHARS).alias("source_status")
    words = judged.where(is_accepted() & F.col("mapped_state").isNull()).groupBy("arrival_date", beginning)
    order = Window.partitionBy("arrival_date").orderBy(F.desc("count"), "source_status")
    word = F.when(F.row_number().over(order) <= WORDS_KEPT, F.col("source_status")).otherwise(OTHER_WORDS)
    named = words.count().withColumn("word", word).groupBy("arrival_date", "word").agg(F.sum("count").alias("rows"))
    found: dict[dt.date, dict[str, int]] = {}
    for row in named.toArrow().to_pylist():
        found.setdefault(row["arrival_date"], {})[row["word"]] = int(row["rows"])
    return found


def _replace(
    parts: Parts,
    stream: Stream,
    rows: Outcome,
    batch: Sequence[Arrival],
    kept: Sequence[IngestCount],
    run_id: str,
    claim: int,
    staging: Lake,
) -> None:
    lake, days = parts.lake, [count.arrival_date for count in kept]
    covers = {count.arrival_date: (count.first_at, count.cover_at) for count in kept}
    mark, found = _reach(parts, stream, lake, days, rows.accepted, covers, staging)
    mark()
    intended = accounted.digests(rows.accepted, KINDS[stream.kind].identity)
    with parts.warehouse.transaction() as connection:
        ledger.demand_claim(connection, stream.id, days, claim)
        nothing = dict.fromkeys(days, accounted.NOTHING)
        ledger.begin_swap(connection, stream.id, days, nothing | found, nothing | intended)

    def demand_claim() -> None:
        with parts.warehouse.transaction() as connection:
            ledger.demand_claim(connection, stream.id, days, claim)

    tables.replace_arrivals(lake, stream.kind, stream.id, days, rows.accepted, demand_claim)
    files = tables.arrival_files(lake, stream.kind, stream.id, days)
    _demand_taken(stream, f"accepted/{stream.kind}", rows.accepted, _rows_of(files))
    noted = accepted_files.note(lake, stream.kind, files)
    arrivals = [arrival for arrival in batch if arrival.arrival_date in covers]
    with parts.warehouse.transaction() as connection:
        staged = stage_rows(connection, "quality.quarantine", rows.quarantined)
        names = identity.stage_names(connection, rows.accepted) if KINDS[stream.kind].has_points else None
        ledger.demand_claim(connection, stream.id, days, claim)
        shown = published.shown(connection)
        _record(connection, parts, stream, kept, staged)
        accepted_files.keep(connection, stream.kind, stream.id, days, noted)
        ledger.note_taken(connection, stream.id, covers)
        _demand_taken(stream, "quality.quarantine", rows.quarantined, _quarantined(connection, stream, days))
        is_renamed = names is not None and identity.renew_names(connection, stream.id, days, names)
        published.touch_published(connection, stream.id, days, shown)
    if is_renamed or reach.makes_registry(stream):
        renew_registry(parts)
    mark()
    _forget(parts.warehouse, stream, lake, arrivals, claim)
    # Last of all: whatever a crash leaves out is done by the next ingest, for which the arrival is still pending.
    with parts.warehouse.transaction() as connection:
        ledger.demand_claim(connection, stream.id, days, claim)
        ledger.note_ingested(connection, parts.recipe_of(stream), arrivals, run_id)


def _reach(
    parts: Parts,
    stream: Stream,
    lake: Lake,
    days: Sequence[dt.date],
    new: Rows,
    covers: Mapping[dt.date, Cover],
    staging: Lake,
) -> tuple[Callable[[], None], dict[dt.date, str]]:
    """What marks all that the swap makes stale; decided before it.

    Where accepted rows are not whole, or are another warehouse's, all that was computed is stale: nobody knows of which
    rows it was made.

    Returns:
        (what marks it, digests of the rows that are there).
    """
    removed, added, is_known = rows_of(new.schema.empty_table()), new, False
    found: dict[dt.date, str] = {}
    try:
        accepted_files.demand_arrivals(parts.warehouse, lake, stream.kind, stream.id, days)
        old = tables.arrival_rows(lake, stream.kind, KINDS[stream.kind].schema, stream.id, days)
        found = accounted.digests(old, KINDS[stream.kind].identity)
        with parts.warehouse.transaction() as connection:
            strange = accounted.strangers(connection, stream.id, days, found)
        removed, added = _changed(_without(old, strange), stream, new, staging)
        touched = reach.touched_by(parts, stream, removed, added, covers, _entries(new))
        if strange:
            touched |= reach.touched_by_damage(parts.warehouse, stream, added)
        else:
            is_known = True
    except LakeDamagedError as damage:
        LOG.warning("all that was computed is computed again once the table is whole: %s", damage)
        touched = reach.touched_by_damage(parts.warehouse, stream, added)
    dates = {
        date for changed in (removed, added) for date in distinct(changed, ["event_date"])["event_date"].to_pylist()
    }

    def mark() -> None:
        reach.mark(parts.warehouse, stream, touched, dates, are_all_known=is_known)

    return mark, found


def _rows_of(files: Sequence[tables.AcceptedFile]) -> dict[dt.date, int]:
    counts: dict[dt.date, int] = {}
    for file in files:
        counts[file.arrival_date] = counts.get(file.arrival_date, 0) + file.row_count
    return counts


def _forget(warehouse: Warehouse, stream: Stream, lake: Lake, arrivals: Sequence[Arrival], claim: int) -> None:
    """Removes what other stream files made of the arrivals, which may show what is personal by now.

    The decodings go last: as long as they are there, the next ingest tries again.
    """
    days = [arrival.arrival_date for arrival in arrivals]
    others = other_decodings(lake, stream, [landed for arrival in arrivals for landed in arrival.objects])
    if not others:
        return
    with warehouse.transaction() as connection:
        # Until its end nobody else can claim, and write files of, these arrivals.
        ledger.demand_claim(connection, stream.id, days, claim)
        tables.forget(lake, stream.kind, stream.id, days)
    rewrite(warehouse, "quality.quarantine", ("raw", "detail"))
    for path in others:
        lake.delete(path)
    with warehouse.transaction() as connection:
        catalogue.drop_files(connection, others)


def _without(rows: Rows, days: set[dt.date]) -> Rows:
    """Rows of other arrivals."""
    return rows.filter(~pc.field("arrival_date").isin(pa.array(sorted(days), pa.date32()))) if days else rows


def _changed(old: Rows, stream: Stream, new: Rows, staging: Lake) -> tuple[Rows, Rows]:
    """Rows that the swap removes and adds, as far as the warehouse knows the old ones; none on a rerun."""
    if old.count_rows() == 0:
        return rows_of(old.schema.empty_table()), new
    columns = KINDS[stream.kind].identity
    before, after = accounted.Fingerprints(old, columns), accounted.Fingerprints(new, columns)
    removed = write(old, staging, "removed.parquet", lambda piece: after.lack(piece))
    return removed, write(new, staging, "added.parquet", lambda piece: before.lack(piece))


def _quarantined(connection: Connection, stream: Stream, days: Sequence[dt.date]) -> dict[dt.date, int]:
    found = connection.execute(
        "select arrival_date, count(*) from quality.quarantine"
        " where stream_id = %s and arrival_date = any(%s) group by 1",
        [stream.id, list(days)],
    )
    return {day: int(rows) for day, rows in found.fetchall()}


def _record(
    connection: Connection,
    parts: Parts,
    stream: Stream,
    counts: Sequence[IngestCount],
    quarantined: Staged,
) -> None:
    """The warehouse's side of an ingest, in one transaction."""
    rule_set = parts.rule_set_of(stream)
    severities = {rule.id: rule.severity for rule in rules_of(rule_set, stream.kind)}
    days = [count.arrival_date for count in counts]
    for table in (
        "quality.quarantine", "quality.ingest_count", "quality.rule_count", "quality.unmapped_status",
        "quality.unreadable_value", "catalogue.stream_entry",
    ):  # fmt: skip
        connection.execute(
            f"delete from {table} where stream_id = %s and arrival_date = any(%s)",  # noqa: S608 - the names above
            [stream.id, days],
        )
    insert_staged(connection, "quality.quarantine", quarantined)
    deliveries.record(connection, stream.id, days, [each for count in counts for each in count.deliveries])
    with connection.cursor() as cursor:
        for count in counts:
            _record_count(cursor, stream, count, severities)
    register_streams(connection, [stream], parts.rule_set)


def _record_count(
    cursor: psycopg.Cursor[Any], stream: Stream, count: IngestCount, severities: Mapping[str, str]
) -> None:
    """What one arrival's ingest counted."""
    key = [stream.id, count.arrival_date]
    cursor.execute(
        "insert into quality.ingest_count (stream_id, arrival_date, rows_in, accepted, quarantined, skipped,"
        " held, first_date, last_date, stream_fingerprint) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *key,
            count.rows_in,
            count.accepted,
            count.quarantined,
            count.skipped,
            count.held,
            *(count.dates or (None, None)),
            stream.fingerprint(),
        ],
    )
    cursor.executemany(
        "insert into quality.unreadable_value values (%s, %s, %s, %s, %s)",
        [[*key, name, present, unread] for name, (present, unread) in count.unreadable.items() if unread],
    )
    cursor.executemany(
        "insert into quality.rule_count values (%s, %s, %s, %s, %s)",
        [[*key, rule, severities[rule], fired] for rule, fired in count.fired.items() if fired],
    )
    cursor.executemany(
        "insert into quality.unmapped_status values (%s, %s, %s, %s)",
        [[*key, word, rows] for word, rows in count.unmapped.items()],
    )
    cursor.executemany(
        "insert into catalogue.stream_entry values (%s, %s, %s, %s, %s)",
        [[*key, each.date, each.count, each.first_at] for each in count.entries],
    )
