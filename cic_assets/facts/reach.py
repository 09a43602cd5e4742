"""How far a change of accepted rows reaches, by kind of stream: which facts it makes stale, and how that is remembered.

A kind that is not in `REACH` has no facts: a change of its rows makes nothing stale.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cic_assets.calendar import days_of, month_of
from cic_assets.facts.status_edges import Entries, mark_all_edges, mark_edges
from cic_assets.facts.tariffs import renew_tariffs
from cic_assets.facts.touch import (
    CHARGE_POINTS,
    SESSIONS,
    STATUS,
    Touched,
    touched_by_sessions,
    touched_by_states,
    values_of,
)
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.lake.rows import Rows
from cic_assets.ledger.arrivals import Cover
from cic_assets.ledger.periods import ever_known, mark_stale
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Warehouse


def _nothing(*_: object) -> Touched:
    return set()


def _its_day(date: dt.date) -> dt.date:
    return date


@dataclass(frozen=True)
class Reach:
    """How far a change of a kind's rows reaches.

    Attributes:
        touched: what a change makes stale, of (parts, stream, rows that go, rows that come, covers, entries).
        facts: those that are made of its rows.
        period: of a date of `Kind.dated`, the period of these facts.
        has_edges: whether edges of timelines are made of its rows.
        makes_registry: whether the registry is made of its rows.
        renew: makes what stands for all of its rows together anew, once they are in place.
    """

    touched: Callable[
        [Parts, Stream, Rows, Rows, Mapping[dt.date, Cover], Mapping[dt.date, Sequence[Entries]]], Touched
    ] = _nothing
    facts: tuple[str, ...] = ()
    period: Callable[[dt.date], dt.date] = _its_day
    has_edges: bool = False
    makes_registry: bool = False
    renew: Callable[[Parts], None] = lambda parts: None


REACH: dict[str, Reach] = {
    "sessions": Reach(touched_by_sessions, (SESSIONS, CHARGE_POINTS), month_of),
    "status": Reach(touched_by_states, (STATUS,), has_edges=True),
    "locations": Reach(makes_registry=True),
    "tariffs": Reach(renew=renew_tariffs),
}
_NOWHERE = Reach()


def _reach_of(stream: Stream) -> Reach:
    return REACH.get(stream.kind, _NOWHERE)


def makes_registry(stream: Stream) -> bool:
    """Whether the registry is made of its rows."""
    return _reach_of(stream).makes_registry


def renew(parts: Parts, stream: Stream) -> None:
    """Makes what stands for all rows of the stream's kind together anew."""
    _reach_of(stream).renew(parts)


def mark(
    warehouse: Warehouse, stream: Stream, touched: Touched, dates: Iterable[dt.date], *, are_all_known: bool
) -> None:
    """Remembers that facts' periods are stale; a period computed before this moment is stale again.

    `dates` (UTC) are those of the changed rows, of which a status stream's edges are old; all are if others may be.
    """
    with warehouse.transaction() as connection:
        mark_stale(connection, stream.id, touched)
    if _reach_of(stream).has_edges:
        if are_all_known:
            mark_edges(warehouse, stream.id, dates)
        else:
            mark_all_edges(warehouse, dates)


def touched_by(
    parts: Parts,
    stream: Stream,
    removed: Rows,
    added: Rows,
    covers: Mapping[dt.date, Cover],
    entries: Mapping[dt.date, Sequence[Entries]],
) -> Touched:
    """What a change of accepted rows makes stale, before it happens.

    Args:
        parts: lake, warehouse and engine.
        stream: whose rows they are.
        removed: accepted rows that will go.
        added: accepted rows that will come.
        covers: arrival date → from when and up to when the arrival covers time, as it will be.
        entries: arrival date → the entries of a status stream's arrival by date, as they will be.
    """
    return _reach_of(stream).touched(parts, stream, removed, added, covers, entries)


def silenced(stream: Stream, start: dt.datetime, end: dt.datetime) -> Touched:
    """What a time in which the stream was not fetched makes stale: whose fault silence was, its days say."""
    reach = _reach_of(stream)
    if not reach.has_edges:
        return set()
    zone = ZoneInfo(stream.zone)
    first = start.astimezone(zone).date()
    # The last day has not ended; it is computed when it has.
    dates = days_of(first, end.astimezone(zone).date())
    return {(fact, reach.period(date)) for fact in reach.facts for date in dates}


def touched_by_damage(warehouse: Warehouse, stream: Stream, added: Rows) -> Touched:
    """What a change of accepted rows makes stale where nobody knows the rows before: all that was ever computed."""
    reach, dated = _reach_of(stream), KINDS[stream.kind].dated
    with warehouse.transaction() as connection:
        touched: Touched = ever_known(connection, reach.facts)
    if not reach.facts or dated is None:
        return touched
    periods = {reach.period(date) for date in values_of(added, dated)}
    return touched | {(fact, period) for fact in reach.facts for period in periods}
