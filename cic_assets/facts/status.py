"""How every charge point spent its day (numbers.md 2). No files, no warehouse, no Dagster.

Entries around a window may be given whole or as edges, one small row per charge point and date: the days come out the
same, so that any day can be computed without those before it. All time is in whole microseconds; nothing is divided.
What wins an instant, and what polls show: `facts/timeline.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from cic_assets.facts.timeline import (
    ENTRY_COLUMNS,
    EPOCH,
    EVENT,
    LATEST,
    NONE,
    POLL,
    STANDS_STILL,
    TWO_PLACES,
    UNMAPPED,
    Ints,
    Mask,
    Names,
    Resolved,
    Words,
    highest,
    in_groups,
    instants,
    integers,
    newest,
    numbered,
    numbers,
    polled_events,
    resolve,
    starts_of,
    table_of,
    texts,
    words_of,
)
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.kinds.vocabulary import FOLD_ORDER, NEVER_EXPIRE, STATES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# The whole charge point, in OCPP 1.6; what it says of being out of order holds for all connectors.
WHOLE = "0"
UNUSABLE = ("INOPERATIVE", "OUTOFORDER")
# E04: more than 6 changes within an hour.
FLAPPING_CHANGES = 6
HOUR_MICROS = 3_600_000_000
# Rows among the entries that are none: that a stream ever spoke of a charge point, and that a registry lists it.
POINT, LISTED = "point", "listed"


@dataclass(frozen=True)
class Feed:
    """What a timeline must know of a stream.

    Attributes:
        silence: how long a state is believed after the last word; None for ever.
        cover_at: up to when its deliveries cover time; None: it has delivered nothing.
        first_at: from when its deliveries cover time: its first poll, or the first entry of a log. Its charge points
            have days since then, unobserved until they are first heard.
        reports_use: whether its states say if a charge point is in use.
        ends: the last local day of a feed that has ended.
        opens_at: the first entry that is not far before all others; days begin with it. As `first_at` if not said.
        gaps: (from, to) of each time in which we did not fetch it, in order, none within another.
    """

    stream_id: str
    provider_id: str
    authority_id: str
    zone: str
    silence: dt.timedelta | None
    cover_at: dt.datetime | None
    first_at: dt.datetime | None
    reports_use: bool = True
    ends: dt.date | None = None
    opens_at: dt.datetime | None = None
    gaps: Sequence[tuple[dt.datetime, dt.datetime]] = ()

    def days(self, now: dt.datetime) -> tuple[dt.date, dt.date] | None:
        """The first and last local day that its charge points have: to yesterday, or to its end; None before any."""
        if self.first_at is None:
            return None
        zone = ZoneInfo(self.zone)
        first = (self.opens_at or self.first_at).astimezone(zone).date()
        last = min(now.astimezone(zone).date() - dt.timedelta(days=1), self.ends or dt.date.max)
        return (first, last) if first <= last else None


SECONDS = tuple(f"{name}_seconds" for name in ("day", *(state.lower() for state in STATES), "unreported", "unobserved"))
STATUS_DAY = pa.schema(
    [
        *((name, pa.string()) for name in ("charge_point_id", "provider_id", "authority_id", "stream_id")),
        ("status_date", pa.date32()),
        *((name, pa.decimal128(18, 6)) for name in SECONDS),
        # Of the unreported: in the feed's gaps.
        ("receiver_seconds", pa.decimal128(18, 6)),
        ("event_count", pa.int64()),
        ("confirmation_count", pa.int64()),
        ("reports_use", pa.bool_()),
        ("flags", pa.list_(pa.string())),
    ]
)
# One table of what a window gives: days, and what became of its records, whose `status_date` is the period.
STATUS_FACTS = pa.schema(
    [*STATUS_DAY, ("arrival_date", pa.date32()), ("outcome", pa.string()), ("row_count", pa.int64())]
)
# An `outcome` of its own: how many records were there, before any was placed.
READ = "read"
OUTCOMES = ("in_facts", "superseded", "duplicates")
_NEVER_EXPIRES = np.array([state in NEVER_EXPIRE for state in STATES] + [False])
# A state's rank where connectors fold, and the state of a rank; what has none ranks behind all.
_RANK = np.array([FOLD_ORDER.index(state) for state in STATES] + [len(FOLD_ORDER)])
_OF_RANK = np.array([*(STATES.index(state) for state in FOLD_ORDER), -1])
_IS_UNUSABLE = np.array([state in UNUSABLE for state in FOLD_ORDER] + [False])
_MARKS = (UNMAPPED, CROSS_RULES["E04"].mark, STANDS_STILL, TWO_PLACES, CROSS_RULES["E05"].mark)


def status_facts(
    entries: DataFrame,
    feeds: Iterable[Feed],
    start: dt.date,
    end: dt.date,
    registries: Collection[str],
    now: dt.datetime,
    groups: int = 1,
) -> DataFrame:
    """Facts of the local days start <= day < end, and what became of the window's records.

    Args:
        entries: `ENTRY_COLUMNS`, arrival_date and status_date of all entries before the window's end, those before its
            start whole or as edges (without dates), and the first poll after it: it may say that a state began within
            the window. Beside them, as `entry`: `POINT`, the charge points of each stream that are ever heard, also
            after the window; `LISTED`, those that locations streams list.
        feeds: whose words count; others are not believed.
        start: the first day.
        end: after the last.
        registries: providers whose charge points are listed.
        now: nothing is known after it.
        groups: of charge points, that are looked at one after the other.

    Returns:
        `STATUS_FACTS`: a row per charge point and local day that its feeds have (`Feed.days`), without an outcome; and
        per group, stream, arrival, day and outcome the number of records, as `READ` before they were placed.
    """
    window = _Window.of(feeds, start, end, registries, now)

    def kernel(table: pa.Table) -> pa.Table:
        return _facts(table, window)

    read = entries.select(*ENTRY_COLUMNS, "arrival_date", "status_date")
    return in_groups(read, kernel, STATUS_FACTS, groups)


@dataclass(frozen=True)
class _Window:
    """What a kernel knows of feeds, days and registries. Moments in µs, dates in days since 1970.

    Attributes:
        ids: of streams.
        silence: µs of each; `NONE` for ever.
        cover: of each; `NONE`: it has delivered nothing.
        first_at: of each, as `cover`.
        spans: its first and last local day; None before any.
        days: of each: when its local days begin, which they are, and when they end; the last one closes the window.
        authority: of each.
        reports_use: of each.
        gaps: of each: when we did not fetch it, beginnings and ends.
        dates: the first day, and the one after the last.
        registries: providers.
        now: nothing is known after it.
    """

    ids: list[str]
    silence: list[int]
    cover: list[int]
    first_at: list[int]
    spans: list[tuple[int, int] | None]
    days: list[tuple[Ints, Ints, Ints]]
    authority: list[str]
    reports_use: list[bool]
    gaps: list[tuple[Ints, Ints]]
    dates: tuple[int, int]
    registries: frozenset[str]
    now: int

    @staticmethod
    def of(
        feeds: Iterable[Feed], start: dt.date, end: dt.date, registries: Collection[str], now: dt.datetime
    ) -> _Window:
        known = sorted(feeds, key=lambda feed: feed.stream_id)
        spans = [feed.days(now) for feed in known]
        zones = {feed.zone: local_days(feed.zone, start, end) for feed in known}
        return _Window(
            [feed.stream_id for feed in known],
            [NONE if feed.silence is None else micros_of(feed.silence) for feed in known],
            [NONE if feed.cover_at is None else moment(feed.cover_at) for feed in known],
            [NONE if feed.first_at is None else moment(feed.first_at) for feed in known],
            [None if span is None else (_number(span[0]), _number(span[1])) for span in spans],
            [zones[feed.zone] for feed in known],
            [feed.authority_id for feed in known],
            [feed.reports_use for feed in known],
            [_bounds(feed.gaps) for feed in known],
            (_number(start), _number(end)),
            frozenset(registries),
            moment(now),
        )


def _bounds(gaps: Sequence[tuple[dt.datetime, dt.datetime]]) -> tuple[Ints, Ints]:
    return np.array([moment(a) for a, _ in gaps], np.int64), np.array([moment(b) for _, b in gaps], np.int64)


def local_days(name: str, start: dt.date, end: dt.date) -> tuple[Ints, Ints, Ints]:
    """Local days of 23, 24 or 25 hours: begin, date and end; the date after the last closes it and has neither."""
    zone = ZoneInfo(name)
    count = (end - start).days
    bounds = [moment(dt.datetime.combine(start + dt.timedelta(days=n), dt.time(), zone)) for n in range(count + 1)]
    first = _number(start)
    dates = [*range(first, first + count), NONE]
    return np.array(bounds), np.array(dates), np.array([*bounds[1:], NONE])


def _number(date: dt.date) -> int:
    return (date - EPOCH).days


def micros_of(span: dt.timedelta) -> int:
    """A span in microseconds."""
    return span // dt.timedelta(microseconds=1)


def moment(instant: dt.datetime) -> int:
    """An instant in microseconds since 1970."""
    return micros_of(instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


def _facts(table: pa.Table, window: _Window) -> pa.Table:
    """`STATUS_FACTS` of some charge points."""
    words, names = words_of(table, window.ids)
    feeds = _Streams.of(window, names)
    said = np.asarray(table["entry"].to_numpy(zero_copy_only=False), object)
    is_point, is_listed = said == POINT, said == LISTED
    is_entry = ~is_point & ~is_listed & feeds.is_known[words.stream]
    resolved = resolve(words.take(is_entry), names, feeds.first_at)
    line = _line(resolved, names, feeds, _midnights(words.take(is_point), feeds, window))
    listed = np.zeros(len(names.points) + 1, bool)
    listed[words.point[is_listed]] = True
    return pa.concat_tables([_days(line, names, listed, window, feeds), _placed(table, words, names, window)])


@dataclass(frozen=True)
class _Streams:
    """Feeds by the number that a table gives their streams; the last place is for no stream."""

    is_known: Mask
    silence: Ints
    cover: Ints
    first_at: Ints
    place: Ints

    @staticmethod
    def of(window: _Window, names: Names) -> _Streams:
        place = np.full(len(names.streams) + 1, -1)
        number_of = {stream: number for number, stream in enumerate(names.streams)}
        for feed, stream in enumerate(window.ids):
            place[number_of[stream]] = feed

        def by_stream(values: Sequence[int]) -> Ints:
            found: Ints = np.array([*values, NONE])[place]
            return found

        is_known = place >= 0
        return _Streams(is_known, by_stream(window.silence), by_stream(window.cover), by_stream(window.first_at), place)


@dataclass(frozen=True)
class _Midnights:
    """The beginnings of the days that each charge point's feeds have, and the one that closes the window."""

    point: Ints
    at: Ints
    home: Ints
    date: Ints
    ends: Ints


def _midnights(points: Words, feeds: _Streams, window: _Window) -> _Midnights:
    """Each feed's own span: what lies between two feeds of a charge point is nobody's."""
    points = points.take(feeds.is_known[points.stream])
    order = np.lexsort((points.stream, points.point))
    point, stream = points.point[order], points.stream[order]
    firsts = np.flatnonzero(starts_of([point]))
    of_feeds: dict[tuple[int, ...], list[int]] = {}
    for some, number in zip(np.split(stream, firsts[1:]), point[firsts].tolist(), strict=False):
        of_feeds.setdefault(tuple(some.tolist()), []).append(number)
    found = [_Midnights(*(np.zeros(0, np.int64) for _ in range(5)))]
    for streams, mine in of_feeds.items():
        begins, dates, ends = window.days[feeds.place[streams[0]]]
        exists = dates == NONE
        for span in (window.spans[feeds.place[each]] for each in streams):
            if span is not None:
                exists |= (span[0] <= dates) & (dates <= span[1])
        count = int(exists.sum())
        each = [np.tile(values[exists], len(mine)) for values in (begins, dates, ends)]
        home = np.full(count * len(mine), streams[0])
        found.append(_Midnights(np.repeat(mine, count), each[0], home, each[1], each[2]))
    return _Midnights(*(np.concatenate([getattr(some, name) for some in found]) for name in _Midnights.__match_args__))


@dataclass(frozen=True)
class _Line:
    """A row per charge point and instant at which something happens: an event, a word heard, a midnight; in order.

    Attributes:
        point: place in `Names.points`.
        at: µs.
        changed_to: the state that events at the instant give, -1: none.
        state: since then, -1 before the first event.
        believed: until when the last words hold; `NONE`: for ever.
        stream: last heard; before any, the feed whose day it is.
        date: of the local day; `NONE` outside of the window, and after the last day of a feed that has ended.
        ends: of the day.
        next_at: of the next row of the charge point.
        counts: what happened at the instant: events, confirmations, and winners by flag.
    """

    point: Ints
    at: Ints
    changed_to: Ints
    state: Ints
    believed: Ints
    stream: Ints
    date: Ints
    ends: Ints
    next_at: Ints
    counts: list[Ints]


def _line(resolved: Resolved, names: Names, feeds: _Streams, midnights: _Midnights) -> _Line:
    words, wins = resolved.words, resolved.wins
    silence, cover = feeds.silence[words.stream], feeds.cover[words.stream]
    until = np.where(silence == NONE, LATEST, words.at + silence)
    until = np.minimum(until, np.where(cover == NONE, LATEST, cover))
    until[until == LATEST] = NONE
    folded = _folded(words.take(wins & (words.entry == EVENT)), names)
    parts = [len(words), len(folded.point), len(midnights.point)]

    def columns(*values: Ints | int) -> Ints:
        return np.concatenate([np.broadcast_to(value, (size,)) for value, size in zip(values, parts, strict=True)])

    point, at = columns(words.point, folded.point, midnights.point), columns(words.at, folded.at, midnights.at)
    order = np.lexsort((at, point))
    point, at = point[order], at[order]
    starts = np.flatnonzero(starts_of([point, at]))

    def most(*values: Ints | int) -> Ints:
        return np.maximum.reduceat(columns(*values)[order], starts) if len(starts) else np.zeros(0, np.int64)

    def number(which: Mask) -> Ints:
        counted = columns((wins & which).astype(np.int64), 0, 0)[order]
        return np.add.reduceat(counted, starts) if len(starts) else np.zeros(0, np.int64)

    has = [np.array([flag in flags for flags in names.flag_sets])[words.flags] for flag in _COUNTED]
    counts = [number(which) for which in (words.entry == EVENT, words.entry == POLL, *has)]
    point, at = point[starts], at[starts]
    rows = np.arange(len(point))
    is_first = starts_of([point])
    begins = np.maximum.accumulate(np.where(is_first, rows, 0)) if len(rows) else rows

    def carried(values: Ints, is_said: Mask, nothing: int) -> Ints:
        """The last value of the charge point that is said, up to and with each row."""
        last = np.maximum.accumulate(np.where(is_said, rows, -1)) if len(rows) else rows
        return np.where(last >= begins, values[last], nothing)

    changed_to, heard, home = most(-1, folded.state, -1), most(words.stream, -1, -1), most(-1, -1, midnights.home)
    stream = carried(heard, heard >= 0, -1)
    is_midnight = most(0, 0, 1) == 1
    days = (most(NONE, NONE, midnights.date), most(NONE, NONE, midnights.ends))
    date, ends = (carried(values, is_midnight, NONE) for values in days)
    return _Line(
        point, at, changed_to, carried(changed_to, changed_to >= 0, -1), highest(most(until, NONE, NONE), is_first),
        np.where(stream >= 0, stream, carried(home, home >= 0, -1)), np.where(at < ends, date, NONE), ends,
        np.where(np.append(is_first, True)[1:], LATEST, np.append(at, 0)[1:]), counts,
    )  # fmt: skip


_COUNTED = (UNMAPPED, STANDS_STILL, TWO_PLACES)


@dataclass(frozen=True)
class _Folded:
    """The charge point's state at each of its events; -1: none."""

    point: Ints
    at: Ints
    state: Ints


def _folded(events: Words, names: Names) -> _Folded:
    """From the last state of each connector (numbers.md 2); one event per connector and instant given."""
    events = events.take(np.lexsort((events.line, events.at, events.point)))
    is_new = starts_of([events.point, events.at])
    instant = np.cumsum(is_new) - 1
    point, at = events.point[is_new], events.at[is_new]
    # A grid of each charge point's connectors and instants: a line's cells lie side by side, in order.
    lines, place = np.unique(events.line, return_inverse=True)
    first_of = np.zeros(len(lines), np.int64)
    first_of[place[::-1]] = np.arange(len(events))[::-1]
    line_point = events.point[first_of]
    begins = np.searchsorted(point, line_point)
    sizes = np.searchsorted(point, line_point, side="right") - begins
    cells = np.cumsum(sizes) - sizes
    states = np.full(int(sizes.sum()), -1)
    states[cells[place] + instant - begins[place]] = events.state
    rows = np.arange(len(states))
    line_begins = np.repeat(cells, sizes)
    last = np.maximum.accumulate(np.where(states >= 0, rows, -1)) if len(rows) else rows
    states = np.where(last >= line_begins, states[last], -1)
    of_instant = rows - line_begins + np.repeat(begins, sizes)
    whole = names.connectors.index(WHOLE) if WHOLE in names.connectors else -2
    is_whole = np.repeat(events.connector[first_of] == whole, sizes)
    best, said_of_whole = (np.full(len(point), len(FOLD_ORDER)) for _ in range(2))
    np.minimum.at(best, of_instant[~is_whole], _RANK[states[~is_whole]])
    np.minimum.at(said_of_whole, of_instant[is_whole], _RANK[states[is_whole]])
    is_out = _IS_UNUSABLE[said_of_whole] | (best == len(FOLD_ORDER))
    return _Folded(point, at, _OF_RANK[np.where(is_out, said_of_whole, best)])


def _days(line: _Line, names: Names, listed: Mask, window: _Window, feeds: _Streams) -> pa.Table:
    """A row per charge point and day: each span is the time that its state was believed, and that nobody reported."""
    span_end = np.minimum(line.next_at, line.ends)
    believed = np.where(line.believed == NONE, window.now, np.minimum(line.believed, window.now))
    held = np.minimum(span_end, np.where(_NEVER_EXPIRES[line.state], window.now, believed))
    flaps = _flapping(line)
    within = line.date != NONE
    state, span = line.state[within], (span_end - line.at)[within]
    is_seen = state >= 0
    held_span = np.where(is_seen, np.maximum(0, held - line.at)[within], 0)
    point, date = line.point[within], line.date[within]
    starts = starts_of([point, date])
    first, of_day = np.flatnonzero(starts), np.cumsum(starts) - 1
    seconds = [np.zeros(len(first), np.int64) for _ in SECONDS]
    for number, values in (
        (0, span), *((1 + n, np.where(state == n, held_span, 0)) for n in range(len(STATES))),
        (len(STATES) + 1, np.where(is_seen, span - held_span, 0)), (len(STATES) + 2, np.where(is_seen, 0, span)),
    ):  # fmt: skip
        np.add.at(seconds[number], of_day, values)

    lost = np.zeros(len(first), np.int64)
    np.add.at(
        lost,
        of_day,
        np.where(is_seen, _lost(line.stream, np.maximum(held, line.at), span_end, window, feeds)[within], 0),
    )

    def summed(values: Ints) -> Ints:
        return np.add.reduceat(values[within], first) if len(first) else np.zeros(0, np.int64)

    events, confirmations, unmapped, standing, places = (summed(values) for values in line.counts)
    point, stream = point[first], line.stream[within][np.append(first, len(date))[1:] - 1]
    providers, provider = numbered(pa.chunked_array([[name.partition("/")[0] for name in names.points]], pa.string()))
    has_registry = np.array([name in window.registries for name in providers], bool)
    marked = np.zeros(len(first), bool)
    marked[of_day[flaps[within]]] = True
    unlisted = has_registry[provider[point]] & ~listed[point] if len(point) else marked
    marks = np.zeros(len(first), np.int64)
    for number, is_marked in enumerate((unmapped > 0, marked, standing > 0, places > 0, unlisted)):
        marks |= is_marked.astype(np.int64) << number
    sets = [[mark for n, mark in enumerate(_MARKS) if bits >> n & 1] for bits in range(1 << len(_MARKS))]
    feed = feeds.place[stream]
    return table_of(
        STATUS_FACTS, len(first),
        charge_point_id=texts(names.points, point), provider_id=texts(providers, provider[point]),
        authority_id=texts(window.authority, feed), stream_id=texts(names.streams, stream),
        status_date=pa.array(date[first].astype(np.int32)).cast(pa.date32()),
        **{name: _decimals(values) for name, values in zip(SECONDS, seconds, strict=True)},
        receiver_seconds=_decimals(lost), event_count=pa.array(events), confirmation_count=pa.array(confirmations),
        reports_use=pa.array(np.array([*window.reports_use, False], bool)[feed]),
        flags=pa.array(sets, pa.list_(pa.string())).take(pa.array(marks)),
    )  # fmt: skip


def _lost(stream: Ints, begins: Ints, ends: Ints, window: _Window, feeds: _Streams) -> Ints:
    """How long of each unreported span, from `begins` to `ends`, its feed was not fetched."""
    found = np.zeros(len(stream), np.int64)
    place = feeds.place[stream]
    for feed, (begin, end) in enumerate(window.gaps):
        rows = np.flatnonzero((place == feed) & (begins < ends)) if len(begin) else ()
        if len(rows):
            found[rows] = _covered(ends[rows], begin, end) - _covered(begins[rows], begin, end)
    return found


def _covered(at: Ints, begin: Ints, end: Ints) -> Ints:
    """How much of gaps lies before each instant."""
    before = np.concatenate([[0], np.cumsum(end - begin)])
    number = np.searchsorted(begin, at, side="right")
    last: Ints = np.where(number > 0, np.minimum(at, end[number - 1]) - begin[number - 1], 0)
    covered: Ints = before[np.maximum(number - 1, 0)] + last
    return covered


def _decimals(values: Ints) -> pa.Array:
    """Microseconds, none below 0, as decimal seconds: the same digits."""
    pairs = np.zeros((len(values), 2), np.int64)
    pairs[:, 0] = values
    return pa.Array.from_buffers(pa.decimal128(18, 6), len(values), [None, pa.py_buffer(pairs.tobytes())])


def _flapping(line: _Line) -> Mask:
    """Rows at which a charge point's state changed for the seventh time within an hour (E04)."""
    events = np.flatnonzero(line.changed_to >= 0)
    state, point = line.changed_to[events], line.point[events]
    changes = events[~starts_of([point]) & starts_of([state])]
    sixth = np.roll(changes, FLAPPING_CHANGES)
    is_rapid = (line.point[sixth] == line.point[changes]) & (line.at[changes] - line.at[sixth] < HOUR_MICROS)
    is_rapid[:FLAPPING_CHANGES] = False
    found = np.zeros(len(line.at), bool)
    found[changes[is_rapid]] = True
    return found


def _placed(table: pa.Table, words: Words, names: Names, window: _Window) -> pa.Table:
    """What became of the records: one word per connector and instant is in facts, and one poll of each stream.

    The same word again is a duplicate, another word about the same instant that came earlier is superseded.
    """
    first, end = window.dates
    date = integers(table["status_date"].cast(pa.int32()), NONE)
    arrival = integers(table["arrival_date"].cast(pa.int32()), NONE)
    records = words.take((first <= date) & (date < end))
    same = (records.line, np.where(records.entry == POLL, records.stream, -1), records.at)
    is_first = newest(records, names, *same, records.state, records.since)
    different = np.flatnonzero(is_first)
    is_word = np.zeros(len(records), bool)
    is_word[different] = newest(records.take(different), names, *(key[different] for key in same))
    outcome = np.where(is_word, 0, np.where(is_first, 1, 2))
    keys = {"stream": records.stream, "arrival": arrival[records.row], "day": date[records.row], "outcome": outcome}
    counted = pa.table(keys).group_by([*keys]).aggregate([([], "count_all")])
    stream, arrived, day, became = (np.asarray(counted[name], np.int64) for name in keys)
    found = table_of(
        STATUS_FACTS, len(stream), stream_id=texts(names.streams, stream), arrival_date=_dates(arrived),
        status_date=_dates(day), outcome=texts(OUTCOMES, became), row_count=counted["count_all"].combine_chunks(),
    )  # fmt: skip
    return pa.concat_tables(
        [found, table_of(STATUS_FACTS, 1, outcome=pa.array([READ]), row_count=pa.array([len(records)]))]
    )


def _dates(days: Ints) -> pa.Array:
    return pa.array(np.where(days == NONE, 0, days).astype(np.int32), pa.int32(), mask=days == NONE).cast(pa.date32())


_INSTANT = pa.timestamp("us", tz="UTC")
EDGES = pa.schema(
    [
        ("charge_point_id", pa.string()), ("connector_id", pa.string()), ("stream_id", pa.string()),
        ("event_date", pa.date32()), ("entry_count", pa.int64()), ("first_event_at", _INSTANT),
        ("last_event_at", _INSTANT), ("last_state", pa.string()), ("last_heard_at", _INSTANT),
        ("arrived_at", _INSTANT), ("source_file", pa.string()), ("source_line", pa.int64()),
        ("first_poll_at", _INSTANT), ("first_poll_since_at", _INSTANT), ("first_poll_state", pa.string()),
        ("first_poll_arrived_at", _INSTANT), ("first_poll_source_file", pa.string()),
        ("first_poll_source_line", pa.int64()), ("last_poll_at", _INSTANT), ("last_poll_state", pa.string()),
    ]
)  # fmt: skip


def edges(entries: DataFrame, groups: int = 1) -> DataFrame:
    """One row per charge point, connector, stream and UTC date: all that other days need to know of that date.

    Of polls: the first and the last one, and the last event among those that the date's polls show by themselves. What
    the first one shows is seen beside the last one of an earlier date (`facts/status_edges.py`).

    Args:
        entries: `ENTRY_COLUMNS` and event_date.
        groups: of charge points, that are looked at one after the other.

    Returns:
        `EDGES`.
    """
    return in_groups(entries.select(*ENTRY_COLUMNS, "event_date"), _edges, EDGES, groups)


def _edges(table: pa.Table) -> pa.Table:
    """`EDGES` of some charge points."""
    words, names = words_of(table)
    date = integers(table["event_date"].cast(pa.int32()), NONE)
    polls = words.take(words.entry == POLL)
    polls = polls.take(newest(polls, names, polls.line, polls.stream, polls.at))
    own = words.take(words.entry == EVENT)
    told = own.with_(polled_events(polls, names, None, date[polls.row]))
    told = told.take(newest(told, names, told.line, told.stream, date[told.row], told.at))

    keys = (words.line, words.stream, date)
    order = np.lexsort(keys[::-1])
    starts = starts_of([key[order] for key in keys])
    first = order[starts]
    key_of = np.empty(len(words), np.int64)
    key_of[order] = np.cumsum(starts) - 1

    def edge(some: Words, *, is_last: bool) -> Ints:
        """By key: the place of its first or last word; -1: none."""
        key = key_of[some.row]
        by_time = np.lexsort((some.at, key))
        if not is_last:
            by_time = by_time[::-1]
        place = np.full(len(first), -1)
        # Of several that are assigned, the last one stays.
        place[key[by_time]] = by_time
        return place

    def at(some: Words, place: Ints, name: str) -> Ints:
        nothing = -1 if name in ("state", "file") else NONE
        return np.append(getattr(some, name), nothing)[place]

    def texts_at(of: Sequence[str], some: Words, place: Ints, name: str) -> pa.Array:
        return texts(of, at(some, place, name))

    def said(some: Words, place: Ints) -> list[pa.Array]:
        """When it came, and where it stood."""
        return [
            instants(at(some, place, "arrived")), texts_at(names.files, some, place, "file"),
            numbers(at(some, place, "source_line")),
        ]  # fmt: skip

    event, own_event = edge(told, is_last=True), edge(own, is_last=False)
    first_poll, last_poll = edge(polls, is_last=False), edge(polls, is_last=True)
    columns = [
        texts(names.points, words.point[first]), texts(names.connectors, words.connector[first]),
        texts(names.streams, words.stream[first]), _dates(date[first]),
        pa.array(np.bincount(key_of, minlength=len(first))), instants(at(own, own_event, "at")),
        instants(at(told, event, "at")), texts_at(STATES, told, event, "state"),
        instants(at(words, edge(words, is_last=True), "at")), *said(told, event),
        instants(at(polls, first_poll, "at")), instants(at(polls, first_poll, "since")),
        texts_at(STATES, polls, first_poll, "state"), *said(polls, first_poll),
        instants(at(polls, last_poll, "at")), texts_at(STATES, polls, last_poll, "state"),
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=EDGES)
