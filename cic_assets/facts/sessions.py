"""Sessions and their daily statistics (numbers.md 3). No files, no warehouse, no Dagster.

What needs other rows is resolved here, on read, over all arrivals: duplicates, superseded versions, CDR over Session,
credits, overlaps (S11), by a kernel over the rows of a group of providers. Only exact sums, counts, minima and maxima
leave here; Postgres divides.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cic_assets.facts.timeline import (
    EPOCH,
    LATEST,
    NONE,
    Ints,
    Mask,
    flags_of,
    highest,
    in_groups,
    integers,
    micros,
    numbered,
    starts_of,
    table_of,
    texts,
)
from cic_assets.kinds.schema import AMOUNT
from cic_assets.kinds.sessions.schema import ACCEPTED

# How many ids or charge points a message names.
SHOWN = 5
_DAY_MICROS = 24 * 3_600_000_000
# Excel shows 11 digits and less of a long number, and a CSV has what it shows.
_ROUNDED = r"^[0-9](?:[.,][0-9]{1,10})?[eE]\+?[0-9]{1,2}$"
_LINKS = ("session_id", "cdr_session_id", "credit_reference_id")
_DAY = ("charge_point_id", "provider_id", "authority_id", "stream_id", "start_date", "currency")


# The columns of `facts.charging_session`.
SESSION_FACT = pa.schema(
    [
        *(ACCEPTED.field(name) for name in (
            "session_id", "charge_point_id", "connector_id", "provider_id", "authority_id", "stream_id", "started_at",
            "ended_at", "start_date", "duration_seconds", "energy_kwh", "revenue", "currency", "flags",
            "rated_power_kw", "record_kind", "arrival_date",
        )),
        ("is_counted", pa.bool_()),
    ]
)  # fmt: skip
# One table of what a window gives: sessions, and what became of accepted rows.
SESSION_FACTS = pa.schema(
    [*SESSION_FACT, ("period_date", pa.date32()), ("outcome", pa.string()), ("row_count", pa.int64())]
)
_READ = (
    "stream_id", "arrival_date", "arrived_at", "source_file", "source_line", "provider_id", "record_kind", "session_id",
    "cdr_session_id", "credit_reference_id", "charge_point_id", "connector_id", "started_at", "ended_at", "start_date",
    "last_updated", "content_hash", "credit", "is_open", "status", "flags", "authority_id", "duration_seconds",
    "energy_kwh", "revenue", "currency", "rated_power_kw",
)  # fmt: skip
OUTCOMES = ("in_facts", "superseded", "duplicates", "open")
_IN_FACTS, _SUPERSEDED, _DUPLICATES, _OPEN = range(4)


@dataclass(frozen=True)
class SessionFacts:
    """The facts of one window of local start dates, lazily.

    Attributes:
        made: `SESSION_FACTS`: a row for each session, without an outcome; and per group, stream, arrival, month and
            outcome the number of accepted rows.
        rows_read: how many accepted rows start in the window; the outcomes add up to it.
    """

    made: DataFrame
    rows_read: int


def session_facts(
    accepted: DataFrame, registry: DataFrame, start: dt.date, end: dt.date, groups: int = 1
) -> SessionFacts:
    """Facts of all sessions with start <= local start date < end.

    Args:
        accepted: accepted rows of all arrivals, also those outside the window: versions and neighbours may lie there.
        registry: charge_point_id and provider_id of the charge points that locations streams list.
        start: first local date.
        end: the date after the last.
        groups: of providers, that are looked at one after the other.
    """
    in_window = (F.col("start_date") >= F.lit(start)) & (F.col("start_date") < F.lit(end))
    rows = _unlisted(_neighbourhood(accepted.select(*_READ), in_window), registry)
    window = ((start - EPOCH).days, (end - EPOCH).days)

    def kernel(table: pa.Table) -> pa.Table:
        return _facts(table, *window)

    made = in_groups(rows, kernel, SESSION_FACTS, groups, "provider_id")
    return SessionFacts(made, accepted.where(in_window).count())


def _unlisted(rows: DataFrame, registry: DataFrame) -> DataFrame:
    """Adds `is_unlisted` (S12): the provider has a registry, and the charge point is not in it."""
    listed = registry.select("charge_point_id").distinct().withColumn("is_listed", F.lit(True))
    providers = registry.select("provider_id").distinct().withColumn("has_registry", F.lit(True))
    known = rows.join(listed, "charge_point_id", "left").join(F.broadcast(providers), "provider_id", "left")
    unlisted = F.coalesce(F.col("has_registry"), F.lit(False)) & F.col("is_listed").isNull()
    return known.select(*_READ, unlisted.alias("is_unlisted"))


def _neighbourhood(accepted: DataFrame, in_window: Column) -> DataFrame:
    """The window's rows, and all that decide about them: same ids, or at the same charge point meanwhile."""
    members = accepted.select(
        "provider_id", "session_id", "start_date", F.explode(F.array(*_LINKS)).alias("linked_id")
    ).where(F.col("linked_id").isNotNull())
    ids = members.where(in_window).select("provider_id", "linked_id").distinct()
    # A rival of a linked row may be known by its own id only: two steps reach session → CDR → credit.
    for _ in range(2):
        owners = members.join(ids, ["provider_id", "linked_id"], "left_semi").select("provider_id", "session_id")
        ids = members.join(owners.distinct(), ["provider_id", "session_id"], "left_semi")
        ids = ids.select("provider_id", "linked_id").distinct()
    linked = ids.withColumnRenamed("linked_id", "session_id").withColumn("is_linked", F.lit(True))
    window = accepted.where(in_window)
    span = window.groupBy("charge_point_id").agg(F.min("started_at").alias("first"), F.max("ended_at").alias("last"))
    marked = accepted.join(linked, ["provider_id", "session_id"], "left").join(span, "charge_point_id", "left")
    # `<=` keeps too much rather than too little: the kernel decides who overlaps.
    meanwhile = (F.col("started_at") <= F.col("last")) & (F.col("ended_at") >= F.col("first"))
    keep = in_window | F.coalesce(F.col("is_linked"), F.lit(False)) | F.coalesce(meanwhile, F.lit(False))
    return marked.where(keep).select(*_READ)


@dataclass(frozen=True)
class _Rows:
    """Accepted rows as numbers; parallel arrays. Texts have numbers of their own column, ids of all three together."""

    provider: Ints
    kind: Ints
    is_cdr: Mask
    is_session: Mask
    id: Ints
    bills: Ints
    credits: Ints
    point: Ints
    connector: Ints
    start: Ints
    end: Ints
    content: Ints
    is_credit: Mask

    @staticmethod
    def of(table: pa.Table) -> tuple[_Rows, list[str]]:
        """The rows and the ids in order."""
        linked = [table[name].combine_chunks() for name in _LINKS] if table.num_rows else []
        names, number = numbered(pa.chunked_array(linked, pa.string()))
        own, bills, credits = np.split(number, len(_LINKS))
        kinds, kind = numbered(table["record_kind"], ("cdr", "session"))

        def of(name: str) -> Ints:
            return numbered(table[name])[1]

        rows = _Rows(
            of("provider_id"), kind, kind == kinds.index("cdr"), kind == kinds.index("session"), own, bills, credits,
            of("charge_point_id"), of("connector_id"), micros(table["started_at"]), micros(table["ended_at"]),
            of("content_hash"), flags_of(table["credit"]),
        )  # fmt: skip
        return rows, names


def _facts(table: pa.Table, first: int, end: int) -> pa.Table:
    """`SESSION_FACTS` of some providers; of days since 1970, first <= start date < end."""
    rows, names = _Rows.of(table)
    reused, session = told_apart(rows, names)
    order = _newest_first(table)
    outcome = _versioned(rows, session, order)
    superseded, apart = _billed(rows, session, reused, outcome)
    current = outcome == _IN_FACTS
    outcome[current & flags_of(table["is_open"])] = _OPEN
    outcome[current & superseded] = _SUPERSEDED
    credited, has_original = _credited(rows, session, reused, outcome)
    status = table["status"].combine_chunks() if table.num_rows else pa.array([], pa.string())
    is_invalid, is_reservation = (flags_of(pc.equal(status, word)) for word in ("INVALID", "RESERVATION"))
    is_credited = credited & ~rows.is_credit
    counted = (outcome == _IN_FACTS) & ~rows.is_credit & ~is_credited & ~is_invalid & ~is_reservation
    marks = (
        (rows.is_credit, "credit"), (is_credited, "credited"),
        (rows.is_credit & ~has_original, "credit_without_original"), (is_invalid, "invalid"),
        (is_reservation, "reservation"), (_overlapping(rows, counted), "S11"), (reused | apart, "id_reused"),
        (flags_of(table["is_unlisted"]), "S12"),
    )  # fmt: skip
    date = integers(table["start_date"].cast(pa.int32()), NONE)
    within = (first <= date) & (date < end)
    here = np.flatnonzero(within & (outcome == _IN_FACTS))
    sessions = table.take(pa.array(here))
    marked = _marked(sessions["flags"], [(which[here], word) for which, word in marks])
    found = {
        name: sessions[name].combine_chunks() for name in SESSION_FACT.names if name not in ("flags", "is_counted")
    }
    return pa.concat_tables(
        [
            table_of(SESSION_FACTS, len(here), **found, flags=marked, is_counted=pa.array(counted[here])),
            _counts(table, date, outcome, np.flatnonzero(within)),
        ]
    )


def told_apart(rows: _Rows, names: Sequence[str]) -> tuple[Mask, Ints]:
    """Whether a row's id is none (S16), and which session it is of (numbers.md 3).

    An id of which rows stand at two charge points, or with starts more than 24 h apart, does not identify: then charge
    point, connector and start do. Nor does a long number of which a spreadsheet kept the first digits (`8.9E+15`): of
    it, starts that differ at all are sessions. Needs all rows of each id given, open ones too.
    """
    _, record = _distinct(rows.provider, rows.kind, rows.id)
    count = int(record.max()) + 1 if len(record) else 0

    def lowest(values: Ints, start: int) -> Ints:
        found = np.full(count, start)
        np.minimum.at(found, record, values)
        return found[record]

    lasts = -lowest(-rows.start, LATEST) - lowest(rows.start, LATEST)
    points = -lowest(-rows.point, LATEST) != lowest(rows.point, LATEST)
    is_rounded = np.array([*(re.match(_ROUNDED, name) is not None for name in names), False], bool)
    reused = points | (lasts > _DAY_MICROS) | (is_rounded[rows.id] & (lasts > 0))
    told = [np.where(reused, values, -1) for values in (rows.point, rows.connector, rows.start)]
    return reused, _distinct(record, *told)[1]


# What `reused_rows` looks at.
TOLD_BY = (
    "provider_id", "record_kind", "session_id", "cdr_session_id", "credit_reference_id", "charge_point_id",
    "connector_id", "started_at", "ended_at", "content_hash", "credit",
)  # fmt: skip


def reused_rows(accepted: pa.Table) -> Mask:
    """Which rows have an id that is none (S16); of accepted rows, all of each id."""
    rows, names = _Rows.of(accepted)
    return told_apart(rows, names)[0]


def _distinct(*keys: Ints) -> tuple[Ints, Ints]:
    """Of rows that are the same by some keys: where the first of each stands, and which of them each row is."""
    order = np.lexsort(keys[::-1])
    starts = starts_of([key[order] for key in keys])
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(starts) - 1
    return order[starts], number


def _newest_first(table: pa.Table) -> Ints:
    """Each row's rank: a total order, so that no engine's or folder's order decides.

    The newest word wins, then the last arrival.
    """
    updated, arrived = micros(table["last_updated"]), micros(table["arrived_at"])
    arrival = integers(table["arrival_date"].cast(pa.int32()), NONE)
    _, file = numbered(table["source_file"])
    line = integers(table["source_line"], NONE)
    # `~` turns an order round without overflow; what is not said comes last.
    order = np.lexsort((~line, ~file, ~arrived, ~arrival, ~updated))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _first_of(rank: Ints, *keys: Ints) -> Mask:
    """Which row of those that are the same by some keys has the lowest rank."""
    order = np.lexsort((rank, *keys[::-1]))
    found = np.zeros(len(rank), bool)
    found[order[starts_of([key[order] for key in keys])]] = True
    return found


def _versioned(rows: _Rows, session: Ints, rank: Ints) -> Ints:
    """Outcomes: equal content again is a duplicate; of different versions, all but the newest are superseded."""
    different = np.flatnonzero(_first_of(rank, session, rows.content))
    outcome = np.full(len(rank), _DUPLICATES)
    outcome[different] = np.where(_first_of(rank[different], session[different]), _IN_FACTS, _SUPERSEDED)
    return outcome


def _pairs(left: Sequence[Ints], right: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Places of a left and a right row that are the same by all keys, for each such pair."""
    count = len(left[0])
    _, number = _distinct(*(np.concatenate(pair) for pair in zip(left, right, strict=True)))
    of_right = number[count:]
    order = np.argsort(of_right, kind="stable")
    first = np.searchsorted(of_right[order], number[:count])
    sizes = np.searchsorted(of_right[order], number[:count], side="right") - first
    lefts = np.repeat(np.arange(count), sizes)
    within = np.arange(len(lefts)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return lefts, order[np.repeat(first, sizes) + within]


def _billed(rows: _Rows, session: Ints, reused: Mask, outcome: Ints) -> tuple[Mask, Mask]:
    """Which rows are of a Session that a CDR bills (OCPI: CDR.session_id), and which of a pair that lies apart.

    As ids may be reused, the two must agree on the charge point, and on the start within 24 h. A CDR that finds its
    id and no Session that agrees is apart: it still bills a Session that starts within 24 h and whose id no other has,
    as some feeds name one point by two ids; else the Session is marked too, and both stay.
    """
    current = outcome == _IN_FACTS
    bills = np.flatnonzero(current & rows.is_cdr & (rows.bills >= 0))
    sessions = np.flatnonzero(current & rows.is_session)
    left, right = _pairs((rows.provider[bills], rows.bills[bills]), (rows.provider[sessions], rows.id[sessions]))
    bill, billed = bills[left], sessions[right]
    near = np.abs(rows.start[bill] - rows.start[billed]) <= _DAY_MICROS
    agrees = (rows.point[bill] == rows.point[billed]) & near
    found = np.zeros(len(session), bool)
    found[bill[agrees]] = True
    does_bill = agrees | (~found[bill] & ~reused[billed] & near)
    apart = ~found[bill] & ~rows.is_credit[bill]
    return _of_sessions(session, billed[does_bill]), _of_sessions(session, billed[apart], bill[apart])


def _of_sessions(session: Ints, *some: Ints) -> Mask:
    """Which rows are of the sessions of some rows."""
    found = np.zeros(int(session.max()) + 1 if len(session) else 0, bool)
    for rows in some:
        found[session[rows]] = True
    return found[session]


def _credited(rows: _Rows, session: Ints, reused: Mask, outcome: Ints) -> tuple[Mask, Mask]:
    """Which rows are of a session that a credit credits, and which of a credit that has an original.

    The two agree on the charge point; where the original's id is reused, on the start within 24 h too.
    """
    here = outcome == _IN_FACTS
    credits, others = (
        np.flatnonzero(here & rows.is_credit & (rows.credits >= 0)),
        np.flatnonzero(here & ~rows.is_credit),
    )
    left, right = _pairs(
        (rows.provider[credits], rows.point[credits], rows.credits[credits]),
        (rows.provider[others], rows.point[others], rows.id[others]),
    )
    credit, original = credits[left], others[right]
    fits = ~reused[original] | (np.abs(rows.start[credit] - rows.start[original]) <= _DAY_MICROS)
    return _of_sessions(session, original[fits]), _of_sessions(session, credit[fits])


def _overlapping(rows: _Rows, counted: Mask) -> Mask:
    """S11: an earlier session of the connector still runs, or the next one starts before this one's end."""
    some = np.flatnonzero(counted)
    order = some[np.lexsort([values[some] for values in (rows.end, rows.start, rows.connector, rows.point)])]
    starts = starts_of([rows.point[order], rows.connector[order]])
    start, end = rows.start[order], rows.end[order]
    latest = highest(end, starts)
    before = np.where(starts, NONE, np.append(NONE, latest)[:-1])
    after = np.where(np.append(starts, True)[1:], LATEST, np.append(start, LATEST)[1:])
    found = np.zeros(len(counted), bool)
    found[order] = (before > start) | (after < end)
    return found


def _marked(flags: pa.ChunkedArray, marks: Sequence[tuple[Mask, str]]) -> pa.Array:
    """Lists of flags, and behind them the words whose mark is true."""
    bits = np.zeros(len(flags), np.int64)
    for number, (which, _) in enumerate(marks):
        bits |= which.astype(np.int64) << number
    known = flags.combine_chunks() if len(flags) else pa.array([], pa.list_(pa.string()))
    some = np.flatnonzero(bits)
    words = [[word for number, (_, word) in enumerate(marks) if value >> number & 1] for value in bits[some].tolist()]
    before = known.take(pa.array(some)).to_pylist()
    more = pa.array([[*old, *new] for old, new in zip(before, words, strict=True)], known.type)
    place = np.arange(len(bits))
    place[some] = len(bits) + np.arange(len(some))
    return pa.concat_arrays([known, more]).take(pa.array(place))


def _counts(table: pa.Table, date: Ints, outcome: Ints, some: Ints) -> pa.Table:
    """How many rows became what, by stream, arrival and month."""
    months = pa.array(date[some].astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]"), pa.date32())
    chosen = table.select(["stream_id", "arrival_date"]).take(pa.array(some))
    chosen = chosen.append_column("period_date", months).append_column("outcome", texts(OUTCOMES, outcome[some]))
    found = chosen.group_by(chosen.column_names).aggregate([([], "count_all")])
    columns = {name: found[name].combine_chunks() for name in chosen.column_names}
    return table_of(SESSION_FACTS, found.num_rows, **columns, row_count=found["count_all"].combine_chunks())


_TOTAL = pa.decimal128(18, 4)
_LENGTH = pa.decimal128(18, 6)
# The columns of `facts.charging_session_day` that Spark gives.
SESSION_DAY = pa.schema(
    [
        *(ACCEPTED.field(name) for name in _DAY),
        ("session_count", pa.int64()), ("failed_session_count", pa.int64()), ("duration_seconds_min", _LENGTH),
        ("duration_seconds_max", _LENGTH), ("duration_seconds_total", pa.decimal128(24, 6)),
        ("energy_kwh_min", AMOUNT), ("energy_kwh_max", AMOUNT), ("energy_kwh_total", _TOTAL),
        ("revenue_count", pa.int64()), ("revenue_min", AMOUNT), ("revenue_max", AMOUNT), ("revenue_total", _TOTAL),
    ]
)  # fmt: skip


def session_day(session: DataFrame) -> DataFrame:
    """Statistics per charge point, local start date and currency. Zero-energy sessions are out of energy's minimum.

    Args:
        session: rows with the columns of `facts.charging_session`.
    """
    counted = session.where("is_counted")
    failed = F.col("energy_kwh") == 0
    with_energy = F.when(~failed, F.col("energy_kwh"))
    return counted.groupBy(*_DAY).agg(
        F.count(F.lit(1)).alias("session_count"),
        _count(failed).alias("failed_session_count"),
        F.min("duration_seconds").alias("duration_seconds_min"),
        F.max("duration_seconds").alias("duration_seconds_max"),
        F.sum("duration_seconds").cast("decimal(24,6)").alias("duration_seconds_total"),
        F.min(with_energy).alias("energy_kwh_min"),
        F.max(with_energy).alias("energy_kwh_max"),
        F.sum("energy_kwh").cast("decimal(18,4)").alias("energy_kwh_total"),
        F.count("revenue").alias("revenue_count"),
        F.min("revenue").alias("revenue_min"),
        F.max("revenue").alias("revenue_max"),
        F.sum("revenue").cast("decimal(18,4)").alias("revenue_total"),
    )


def _count(condition: Column) -> Column:
    return F.sum(F.when(condition, 1).otherwise(0)).cast("bigint")


def named_ids(reused: Sequence[Mapping[str, Any]]) -> str:
    """The first few ids that are none, as words: how often each stands, and at which charge points.

    Args:
        reused: `session_id`, `count` and `points`, a list of charge points, of each id.
    """

    def where(points: Sequence[str]) -> str:
        return ", ".join(points[:SHOWN]) + (f" and {len(points) - SHOWN} more" if len(points) > SHOWN else "")

    return "; ".join(f"{row['session_id']!r} {row['count']} times at {where(row['points'])}" for row in reused[:SHOWN])
