"""The swap at an ingest's end: judged rows replace those of an arrival's portions, and the ledger says so.

What depends on the rows is marked before the swap and again after it (`facts/reach.py`), so that neither a crash
between the two nor a fact computed meanwhile loses a restatement.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.errors import PlatformError
from cic_assets.facts import rated as identity
from cic_assets.facts import reach
from cic_assets.facts.touch import Touched, renew_registry
from cic_assets.ingest import accounted, deliveries
from cic_assets.ingest.count import Counts, IngestCount, to_json
from cic_assets.ingest.decode import other_decodings
from cic_assets.ingest.portions import Renewal
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.kind import Kind
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.rows import Rows, distinct, rows_of, union, write
from cic_assets.lake.zones import Lake
from cic_assets.ledger import accepted_files, catalogue, portions, published
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger.arrivals import Cover
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.portions import Kept
from cic_assets.parts import Parts
from cic_assets.streams.register import register_streams
from cic_assets.warehouse.connect import Connection, Warehouse
from cic_assets.warehouse.load import Staged, insert_staged, rewrite, stage_rows

LOG = logging.getLogger(__name__)
# More files of one event date of an arrival are written as one: each portion may leave one.
FILES_PER_DATE = 16
_RECOMPUTED = "all that was computed is computed again once the table is whole: %s"


class IngestError(PlatformError):
    """Rows were lost on the way or an identity does not hold; nothing was replaced."""


Decoded = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Batch:
    """Arrivals that go through the engine together.

    Attributes:
        renewals: what is to be made of each.
        decoded: SHA-256 → (path, number of records), of objects whose rows are made.
        there: portions whose rows are in place.
    """

    renewals: Sequence[Renewal]
    decoded: Decoded
    there: Mapping[str, Kept]

    @property
    def days(self) -> list[dt.date]:
        """The arrivals' dates."""
        return [renewal.day for renewal in self.renewals]

    @cached_property
    def staying(self) -> set[str]:
        """Portions whose rows stay."""
        return {portion for renewal in self.renewals for portion in renewal.staying}

    @cached_property
    def records(self) -> dict[str, int]:
        """Of each object whose rows are made."""
        return {sha256: count for sha256, (_, count) in self.decoded.items()}

    def of(self, days: Collection[dt.date]) -> Batch:
        """Some of the arrivals."""
        return replace(self, renewals=[renewal for renewal in self.renewals if renewal.day in days])


@dataclass(frozen=True)
class Outcome:
    """The rows of some arrivals as they go to the tables."""

    accepted: Rows
    quarantined: Rows

    def of(self, days: Sequence[dt.date]) -> Outcome:
        """Those of some arrivals."""
        wanted = pc.field("arrival_date").isin(pa.array(days, pa.date32()))
        return Outcome(self.accepted.filter(wanted), self.quarantined.filter(wanted))


@dataclass(frozen=True)
class Judged:
    """What is about to replace what is there.

    Attributes:
        batch: arrivals.
        made: what was counted of each portion that is made anew.
        counts: what was counted of each arrival.
        rows: of the portions that are made anew.
    """

    batch: Batch
    made: Mapping[str, Counts]
    counts: Sequence[IngestCount]
    rows: Outcome

    @property
    def covers(self) -> dict[dt.date, Cover]:
        """From when and up to when each arrival covers time, as it will be."""
        return {count.arrival_date: (count.first_at, count.cover_at) for count in self.counts}


def _demand_taken(stream: Stream, table: str, given: Mapping[dt.date, int], taken: Mapping[dt.date, int]) -> None:
    """A table has as many rows of each arrival as were counted."""
    wrong = [
        f"arrival {day}: {taken.get(day, 0)} of {given.get(day, 0)} rows"
        for day in sorted({*given, *taken})
        if given.get(day, 0) != taken.get(day, 0)
    ]
    if wrong:
        raise IngestError(f"{stream.id}: {table} has {'; '.join(wrong)}; the arrivals stay pending, run again")


def replace_rows(parts: Parts, stream: Stream, judged: Judged, run_id: str, claim: int, staging: Lake) -> None:
    """Swaps accepted and quarantined rows, and records what was counted.

    Args:
        parts: lake, warehouse and engine.
        stream: whose arrivals they are.
        judged: what replaces what is there.
        run_id: kept beside the result.
        claim: that of the arrivals.
        staging: scratch that lives as long as this takes.

    Raises:
        IngestError: a table has not taken the rows that it was given.
        ArrivalLostError: another run has claimed one of the arrivals since; its rows stay.
        LakeDamagedError: other accepted locations are not whole, of which the registry would be made anew.
    """
    lake, batch, kept, rows = parts.lake, judged.batch, judged.counts, judged.rows
    days = batch.days
    change = _change(parts, stream, batch, rows.accepted, staging)
    mark = _reach(parts, stream, change, judged)
    mark()
    with parts.warehouse.transaction() as connection:
        ledger.demand_claim(connection, stream.id, days, claim)
        nothing = dict.fromkeys(days, accounted.NOTHING)
        ledger.begin_swap(connection, stream.id, days, {**nothing, **change.found}, {**nothing, **change.intended})

    def demand_claim() -> None:
        with parts.warehouse.transaction() as connection:
            ledger.demand_claim(connection, stream.id, days, claim)

    tables.replace_arrivals(lake, stream.kind, stream.id, days, change.written, demand_claim, change.replaced)
    files = tables.arrival_files(lake, stream.kind, stream.id, days)
    accepted = {count.arrival_date: count.accepted for count in kept}
    _demand_taken(stream, f"accepted/{stream.kind}", accepted, _rows_of(files))
    noted = accepted_files.note(lake, stream.kind, files)
    arrivals = [renewal.arrival for renewal in batch.renewals]
    with parts.warehouse.transaction() as connection:
        staged = stage_rows(connection, "quality.quarantine", rows.quarantined)
        names = None if change.names is None else identity.stage_names(connection, change.names)
        ledger.demand_claim(connection, stream.id, days, claim)
        shown = published.shown(connection)
        _record(connection, parts, stream, judged, staged)
        accepted_files.keep(connection, stream.kind, stream.id, days, noted)
        ledger.note_taken(connection, stream.id, judged.covers)
        rejected = {count.arrival_date: count.quarantined for count in kept}
        _demand_taken(stream, "quality.quarantine", rejected, _quarantined(connection, stream, days))
        is_renamed = names is not None and identity.renew_names(connection, stream.id, days, names)
        published.touch_published(connection, stream.id, days, shown)
    if is_renamed or reach.makes_registry(stream):
        renew_registry(parts)
    reach.renew(parts, stream)
    mark()
    _forget(parts.warehouse, stream, lake, arrivals, claim)
    # Last of all: whatever a crash leaves out is done by the next ingest, for which the arrival is still pending.
    with parts.warehouse.transaction() as connection:
        ledger.demand_claim(connection, stream.id, days, claim)
        ledger.note_ingested(connection, parts.recipe_of(stream), arrivals, run_id)


@dataclass(frozen=True)
class Change:
    """What a swap does to the accepted rows of some arrivals.

    Attributes:
        removed: rows that it removes and does not bring back, as far as this warehouse knows them.
        added: rows that it brings and that were not there.
        found: digests of the rows that are there.
        intended: digests of the rows that will be.
        written: what is written.
        replaced: of an arrival that keeps rows, the portions whose rows go or come.
        names: of charge points that the arrivals will give, all of their rows together; None of a kind without.
        is_known: whether this warehouse knew all that was there.
        is_damaged: whether that can't be read.
    """

    removed: Rows
    added: Rows
    found: Mapping[dt.date, str]
    intended: Mapping[dt.date, str]
    written: Rows
    replaced: Mapping[dt.date, Collection[str]]
    names: pa.Table | None
    is_known: bool = True
    is_damaged: bool = False


def _change(parts: Parts, stream: Stream, batch: Batch, new: Rows, staging: Lake) -> Change:
    """What replacing the batch's portions does; decided before it.

    Where accepted rows are not whole, or are another warehouse's, nobody knows of which rows facts were made.
    """
    kind, columns = KINDS[stream.kind], KINDS[stream.kind].identity
    nothing = rows_of(new.schema.empty_table())
    try:
        accepted_files.demand_arrivals(parts.warehouse, parts.lake, stream.kind, stream.id, batch.days)
        old = tables.arrival_rows(parts.lake, stream.kind, kind.schema, stream.id, batch.days)
        found = accounted.digests(old, columns)
        with parts.warehouse.transaction() as connection:
            strange = accounted.strangers(connection, stream.id, batch.days, found)
    except LakeDamagedError as damage:
        LOG.warning(_RECOMPUTED, damage)
        _demand_whole(parts, stream, batch, batch.days)
        intended = accounted.digests(new, columns)
        return Change(nothing, new, {}, intended, new, {}, _names(kind, new), is_known=False, is_damaged=True)
    _demand_whole(parts, stream, batch, strange)
    is_staying = pc.field("portion").isin(pa.array(sorted(batch.staying), pa.string()))
    staying = old.filter(is_staying) if batch.staying else nothing
    going = old.filter(~pc.coalesce(is_staying, False)) if batch.staying else old
    removed, added = _changed(_without(going, strange), stream, new, staging)
    intended = accounted.added(accounted.digests(staying, columns), accounted.digests(new, columns))
    written, replaced = _written(parts, stream, batch, staying, new, staging)
    return Change(removed, added, found, intended, written, replaced, _names(kind, staying, new), is_known=not strange)


def _names(kind: Kind, *rows: Rows) -> pa.Table | None:
    """Not read back from the table, where a year of rows lies in as many files as it has days."""
    return identity.names_in(*rows) if kind.has_points else None


def _demand_whole(parts: Parts, stream: Stream, batch: Batch, unknown: Collection[dt.date]) -> None:
    """Where rows are not what they were when they were found in place, none of them stays.

    Raises:
        IngestError: some were to stay; the next attempt makes their arrivals anew as a whole.
    """
    days = sorted(renewal.day for renewal in batch.renewals if renewal.staying and renewal.day in unknown)
    if not days:
        return
    with parts.warehouse.transaction() as connection:
        portions.forget(connection, stream.id, days)
    raise IngestError(
        f"{stream.id}: accepted rows of arrivals {', '.join(map(str, days))} are not those that were ingested; nothing"
        " was replaced: the next ingest makes all of them anew"
    )


def _written(
    parts: Parts, stream: Stream, batch: Batch, staying: Rows, new: Rows, staging: Lake
) -> tuple[Rows, dict[dt.date, Collection[str]]]:
    """What is written, and of arrivals that keep rows, which portions that replaces.

    An arrival in too many files is written as a whole: each portion may have left some.
    """
    replaced: dict[dt.date, Collection[str]] = {
        renewal.day: {*renewal.going, *(portion.id for portion in renewal.portions)}
        for renewal in batch.renewals
        if renewal.staying
    }
    files = tables.arrival_files(parts.lake, stream.kind, stream.id, list(replaced)) if replaced else []
    dates: dict[dt.date, list[dt.date | None]] = {}
    for file in files:
        dates.setdefault(file.arrival_date, []).append(file.event_date)
    crowded = [day for day, of_files in dates.items() if len(of_files) > FILES_PER_DATE * len(set(of_files))]
    if not crowded:
        return new, replaced
    mine = staying.filter(pc.field("arrival_date").isin(pa.array(crowded, pa.date32())))
    # A union takes no filtered rows.
    parts_of_it = [write(mine, staging, "staying.parquet"), write(new, staging, "coming.parquet")]
    whole = union(parts_of_it, new.schema)
    return whole, {day: some for day, some in replaced.items() if day not in crowded}


def _reach(parts: Parts, stream: Stream, change: Change, judged: Judged) -> Callable[[], None]:
    """What marks all that the swap makes stale; decided before it."""
    entries = {count.arrival_date: count.entries for count in judged.counts}
    touched: Touched = set()
    is_known = change.is_known
    try:
        if not change.is_damaged:
            touched = reach.touched_by(parts, stream, change.removed, change.added, judged.covers, entries)
    except LakeDamagedError as damage:
        LOG.warning(_RECOMPUTED, damage)
        is_known = False
    if not is_known:
        touched |= reach.touched_by_damage(parts.warehouse, stream, change.added)
    dates = {
        date
        for changed in (change.removed, change.added)
        for date in distinct(changed, ["event_date"])["event_date"].to_pylist()
    }

    def mark() -> None:
        reach.mark(parts.warehouse, stream, touched, dates, are_all_known=is_known)

    return mark


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


def _record(connection: Connection, parts: Parts, stream: Stream, judged: Judged, quarantined: Staged) -> None:
    """The warehouse's side of an ingest, in one transaction."""
    rule_set = parts.rule_set_of(stream)
    severities = {rule.id: rule.severity for rule in rules_of(rule_set, stream.kind)}
    batch, counts = judged.batch, judged.counts
    staying = batch.staying
    connection.execute(
        "delete from quality.quarantine where stream_id = %s and arrival_date = any(%s)"
        " and (portion is null or portion <> all(%s))",
        [stream.id, batch.days, sorted(staying)],
    )
    for table in (
        "quality.ingest_count", "quality.rule_count", "quality.unmapped_status", "quality.unreadable_value",
        "catalogue.stream_entry",
    ):  # fmt: skip
        connection.execute(
            f"delete from {table} where stream_id = %s and arrival_date = any(%s)",  # noqa: S608 - the names above
            [stream.id, batch.days],
        )
    insert_staged(connection, "quality.quarantine", quarantined)
    looked = [each for count in counts for each in count.deliveries if each.portion not in staying]
    deliveries.record(connection, stream.id, batch.days, staying, looked)
    new = [
        Kept(
            renewal.day,
            portion.id,
            {landed.sha256: batch.records[landed.sha256] for landed in portion.objects},
            to_json(judged.made[portion.id]),
        )
        for renewal in batch.renewals
        for portion in renewal.portions
    ]
    portions.replace(connection, parts.recipe_of(stream), batch.days, staying, new)
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
