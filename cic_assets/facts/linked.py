"""Which months of sessions a change of accepted rows may alter (numbers.md 2, Restatement). In Arrow, past the engine.

Of a day's sessions, planning the joins took the engine 0.8 s for each feed, and reading them all history six times.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.calendar import month_of
from cic_assets.kinds.schema import INSTANT
from cic_assets.lake.rows import Rows, choose, pieces
from cic_assets.lake.zones import Lake

_IDS = ("session_id", "cdr_session_id", "credit_reference_id")
_ROW = ("charge_point_id", "started_at", "ended_at", "start_date")
# What is read of accepted sessions.
READ = pa.schema(
    [
        ("provider_id", pa.string()),
        *((name, pa.string()) for name in _IDS),
        ("charge_point_id", pa.string()),
        ("started_at", INSTANT),
        ("ended_at", INSTANT),
        ("start_date", pa.date32()),
    ]
)
# Looked at together: some 150 bytes each.
_ROWS_AT_ONCE = 1_000_000
Ints = npt.NDArray[np.int64]


def affected_months(
    changed: Sequence[Rows], accepted: Rows, names: Mapping[str, str], mine: Collection[dt.date], staging: Lake
) -> list[dt.date]:
    """Months (their first day) that may differ now.

    They are the months of the changed rows themselves (new ones and ones that vanished), of all rows with the same id,
    of what a CDR bills or a credit credits, and of sessions that overlap any of these on the same charge point: a row
    that comes may make versions of one session different ones, and the other way round.

    Args:
        changed: accepted rows that were added or removed.
        accepted: all accepted rows of the changed ones' providers, as they are now.
        names: charge points' ids as given → the canonical ones, where they differ.
        mine: the months of `changed`.
        staging: scratch.
    """
    known = choose(accepted, pc.scalar(True), READ, staging, "linked.parquet")
    ids = _distinct(_linked(piece) for piece in _tables(*changed))
    for _ in range(2):
        # A rival of a linked row may be known by its own id only.
        owners = _distinct(_own(piece).filter(_has_any(piece, ids)) for piece in _tables(known))
        ids = _distinct(_linked(piece.filter(pc.is_in(_own(piece), value_set=owners))) for piece in _tables(known))
    related = (piece.filter(pc.is_in(_own(piece), value_set=ids)) for piece in _tables(known))
    moved = pa.concat_tables([piece.select(_ROW) for pieces in (_tables(*changed), related) for piece in pieces])
    spans = _Spans(moved, names)
    months = _months(moved)
    for piece in _tables(known):
        # Of a month that is affected anyway nothing needs to be compared, which is all of a first load.
        others = piece.filter(pc.invert(pc.is_in(_month(piece), value_set=pa.array(sorted(mine), pa.date32()))))
        months |= _months(others.filter(pa.array(spans.overlap(others))))
    return sorted({*mine, *months})


def _tables(*rows: Rows) -> Iterator[pa.Table]:
    """The rows in large pieces, at least one."""
    held: list[pa.RecordBatch] = []
    count = 0
    for piece in (piece for each in rows for piece in pieces(each, READ.names)):
        held.append(piece)
        count += piece.num_rows
        if count >= _ROWS_AT_ONCE:
            yield pa.Table.from_batches(held).cast(READ)
            held, count = [], 0
    yield pa.Table.from_batches(held, READ if not held else None).cast(READ)


def _key(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """An id within its provider; null where the row has none."""
    return pc.binary_join_element_wise(rows["provider_id"], rows[name], "\0")


def _own(rows: pa.Table) -> pa.ChunkedArray:
    return _key(rows, "session_id")


def _linked(rows: pa.Table) -> pa.ChunkedArray:
    """All ids by which rows are linked."""
    return pa.chunked_array([chunk for name in _IDS for chunk in _key(rows, name).chunks], pa.string()).drop_null()


def _has_any(rows: pa.Table, ids: pa.Array) -> pa.ChunkedArray:
    """Whether a row is linked by one of some ids."""
    found = [pc.is_in(_key(rows, name), value_set=ids) for name in _IDS]
    return pc.or_(pc.or_(found[0], found[1]), found[2])


def _distinct(found: Iterator[pa.ChunkedArray]) -> pa.Array:
    """The different texts of several columns, without null."""
    known = pa.array([], pa.string())
    for each in found:
        known = pa.concat_arrays([known, pc.unique(each).cast(pa.string())]).unique()
    return known.drop_null()


def _month(rows: pa.Table) -> pa.ChunkedArray:
    return pc.floor_temporal(rows["start_date"], unit="month")


def _months(rows: pa.Table) -> set[dt.date]:
    return {month_of(date) for date in pc.unique(rows["start_date"]).to_pylist() if date is not None}


class _Spans:
    """The times of some sessions, by charge point; those without an end overlap nothing."""

    def __init__(self, sessions: pa.Table, names: Mapping[str, str]) -> None:
        self._given = pa.array([*names], pa.string())
        self._canonical = pa.array([*names.values()], pa.string())
        timed = sessions.filter(pc.and_(sessions["started_at"].is_valid(), sessions["ended_at"].is_valid()))
        points = self._points(timed)
        self._known = pc.unique(points).cast(pa.string()).drop_null()
        codes, starts, ends = self._numbers(timed.filter(points.is_valid()))
        order = np.lexsort([starts, codes])
        self._codes, self._starts = codes[order], starts[order]
        # The latest end of those that start no later, of each charge point by itself.
        self._ends = _running_maximum(self._codes, ends[order])

    def _points(self, sessions: pa.Table) -> pa.ChunkedArray:
        given = sessions["charge_point_id"]
        return pc.coalesce(self._canonical.take(pc.index_in(given, value_set=self._given).combine_chunks()), given)

    def _numbers(self, sessions: pa.Table) -> tuple[Ints, Ints, Ints]:
        codes = pc.index_in(self._points(sessions), value_set=self._known)
        columns = (codes, *(sessions[name].cast(pa.int64()) for name in ("started_at", "ended_at")))
        return tuple(column.cast(pa.int64()).to_numpy() for column in columns)

    def overlap(self, sessions: pa.Table) -> npt.NDArray[np.bool_]:
        """Whether each session overlaps one of these."""
        found = np.zeros(sessions.num_rows, bool)
        is_known = pc.is_in(self._points(sessions), value_set=self._known)
        timed = pc.and_(pc.and_(sessions["started_at"].is_valid(), sessions["ended_at"].is_valid()), is_known)
        rows = np.flatnonzero(timed.to_numpy())
        if not len(rows):
            return found
        codes, starts, ends = self._numbers(sessions.take(pa.array(rows)))
        # How many start before the session ends, of its charge point and of those before it in order.
        place = _count_before(self._codes, self._starts, codes, ends) - 1
        there = place >= 0
        there[there] = self._codes[place[there]] == codes[there]
        there[there] = self._ends[place[there]] > starts[there]
        found[rows[there]] = True
        return found


def _running_maximum(codes: Ints, values: Ints) -> Ints:
    """Of sorted codes, the maximum so far of each code's values."""
    ranks, places = np.unique(values, return_inverse=True)
    so_far = np.maximum.accumulate(codes * len(ranks) + places.reshape(-1)) - codes * len(ranks)
    found: Ints = ranks[so_far]
    return found


def _count_before(codes: Ints, values: Ints, of_codes: Ints, of_values: Ints) -> Ints:
    """How many of the pairs (code, value), in order, are less than each of others."""
    ranks = np.unique(np.concatenate([values, of_values]))
    pairs, of_pairs = (
        code * len(ranks) + np.searchsorted(ranks, value) for code, value in ((codes, values), (of_codes, of_values))
    )
    return np.searchsorted(pairs, of_pairs, "left").astype(np.int64)
