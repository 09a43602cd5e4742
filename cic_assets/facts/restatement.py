"""Which local days a change of accepted states may alter (numbers.md 2, Restatement)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cic_assets.facts.status import local_days, micros_of, moment
from cic_assets.facts.timeline import (
    ENTRY_COLUMNS,
    EPOCH,
    EVENT,
    HEARD,
    LATEST,
    NONE,
    Ints,
    Mask,
    Names,
    Resolved,
    in_groups,
    integers,
    micros,
    resolve,
    starts_of,
    words_of,
)
from cic_assets.kinds.vocabulary import NEVER_EXPIRE, STATES
from cic_assets.lake.rows import group_number

# E04 looks an hour back, so a change is seen an hour on.
FLAPPING = dt.timedelta(hours=1)
# Whether an entry goes, comes, or is there before.
REMOVED, ADDED, KNOWN = 0, 1, 2
_SPANS = pa.schema([("first", pa.date32()), ("last", pa.date32())])
_STAYS = np.array([state in NEVER_EXPIRE for state in STATES] + [False])


def affected_spans(
    removed: DataFrame,
    added: DataFrame,
    known: DataFrame,
    points: pa.Table,
    feeds: pa.Table,
    *,
    zone: str,
    silence: dt.timedelta | None,
    feed_first: dt.datetime,
    horizon: dt.datetime,
    groups: int = 1,
    passes: int = 1,
) -> list[tuple[dt.date, dt.date]]:
    """Local days, as (first, last), whose seconds or flags may differ once entries of timelines went and came.

    Both timelines are resolved, and their events and polls compared. A changed event reaches from its day to the day of
    its connector's next event or end of silence: the fold carries each connector's state to that connector's own next
    word. Where PLANNED or REMOVED is involved, silence ends nothing. An event before which the charge point had none,
    or that leaves it without any, changes what is unobserved: it reaches from the feed's first cover, and without a
    next event to the horizon. A poll reaches to the end of its silence. Whoever won an instant and still wins it, with
    the same word, changes nothing.

    Args:
        removed: accepted status rows that go.
        added: accepted status rows that come.
        known: `ENTRY_COLUMNS` of the accepted rows as they are, at least those since the earliest change, and of each
            connector and feed the last event and poll before.
        points: charge_point_id, first_event_at, and `ever_stays`: whether it ever was PLANNED or REMOVED.
        feeds: stream_id and first_at of all feeds of these charge points.
        zone: of the local days.
        silence: the longest that any feed of these charge points is believed; None for ever.
        feed_first: from when the feed covers time.
        horizon: nothing after it has been computed or can be said yet.
        groups: of charge points, each of which is one table in memory.
        passes: into which the groups are put, one after the other: the engine holds all rows of one.
    """
    sides = ((removed, REMOVED), (added, ADDED), (known, KNOWN))
    frames = [frame.select(*ENTRY_COLUMNS, F.lit(side).alias("side")) for frame, side in sides]
    reach = _Reach(
        points, feeds, zone, None if silence is None else micros_of(silence), moment(feed_first), moment(horizon)
    )

    def kernel(table: pa.Table) -> pa.Table:
        return _spans(table, reach)

    entries = frames[0].unionByName(frames[1]).unionByName(frames[2])
    spans: set[tuple[dt.date, dt.date]] = set()
    for number in range(passes):
        mine = entries.where(F.pmod(group_number(groups), F.lit(passes)) == number) if passes > 1 else entries
        rows = in_groups(mine, kernel, _SPANS, groups).toArrow().to_pylist()
        spans |= {(row["first"], row["last"]) for row in rows}
    return sorted(spans)


@dataclass(frozen=True)
class _Reach:
    """What a kernel knows: as the arguments of `affected_spans`, in µs."""

    points: pa.Table
    feeds: pa.Table
    zone: str
    silence: int | None
    feed_first: int
    horizon: int


def _spans(table: pa.Table, reach: _Reach) -> pa.Table:
    """`_SPANS` of some charge points."""
    words, names = words_of(table, reach.feeds["stream_id"].to_pylist())
    side = integers(table["side"], KNOWN)
    changed = np.zeros(len(names.points) + 1, bool)
    changed[words.point[side != KNOWN]] = True
    changed[-1] = False
    is_before = changed[words.point] & (side == KNOWN)
    place = [words.stream, words.file, words.source_line, words.arrived, words.entry, words.at]
    # A row is known by where it stands in its delivery; an edge stands in none.
    stands = (words.file >= 0) & (words.source_line != NONE) & (words.arrived != NONE) & (words.at != NONE)
    goes = np.zeros(len(words), bool)
    candidates = np.flatnonzero(stands & (is_before | (side == REMOVED)))
    order = candidates[np.lexsort([key[candidates] for key in place])]
    runs = np.cumsum(starts_of([key[order] for key in place])) - 1
    is_gone = np.zeros(len(order), bool)
    is_gone[runs[side[order] == REMOVED]] = True
    goes[order] = is_gone[runs]
    first_at = np.full(len(names.streams) + 1, NONE)
    numbers_of = {stream: number for number, stream in enumerate(names.streams)}
    for stream, first in zip(reach.feeds["stream_id"].to_pylist(), micros(reach.feeds["first_at"]), strict=True):
        first_at[numbers_of[stream]] = first
    told = [
        _said(resolve(words.take(mask), names, first_at), names)
        for mask in (is_before, (is_before & ~goes) | (side == ADDED))
    ]
    since, until = _reaches(_compared(*told), names, reach)
    return _local_spans(since, until, reach.zone)


@dataclass(frozen=True)
class _Said:
    """What a timeline says of instants, a row for each word: who won it, how, and who was heard.

    A state that no map knew is another word, and so is one that stands at two places, or that an older stamp came with.
    """

    line: Ints
    point: Ints
    entry: Ints
    at: Ints
    word: Ints
    stays: Mask


def _said(resolved: Resolved, names: Names) -> _Said:
    words, wins = resolved.words, resolved.wins
    known = (words.entry != HEARD) & (words.state >= 0)
    words, wins = words.take(known), wins[known]
    states = words.state * len(names.flag_sets) + words.flags
    # Whose word it is matters for a poll only: its feed's silence begins anew.
    feed = np.where(words.entry == EVENT, 0, 1 + words.stream)
    won = 1 + len(names.streams) + feed * len(STATES) * len(names.flag_sets) + states
    # Whoever else was heard at the instant may keep the state alive for longer.
    heard = words.stream
    stays = _STAYS[words.state]

    def twice(values: Ints) -> Ints:
        return np.concatenate([values, values[wins]])

    return _Said(
        twice(words.line), twice(words.point), twice(words.entry), twice(words.at),
        np.concatenate([heard, won[wins]]), np.concatenate([stays, stays[wins]]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Instants:
    """Instants of two timelines: whether they say the same, whether the second has it, and whether a state stays."""

    line: Ints
    point: Ints
    entry: Ints
    at: Ints
    differs: Mask
    is_left: Mask
    stays: Mask


def _compared(before: _Said, after: _Said) -> _Instants:
    is_after = np.repeat([False, True], [len(before.line), len(after.line)])
    keys = [
        np.concatenate([getattr(each, name) for each in (before, after)])
        for name in ("line", "entry", "at", "word", "point")
    ]
    stays = np.concatenate([before.stays, after.stays])
    order = np.lexsort(keys[3::-1])
    line, entry, at, word, point = (key[order] for key in keys)
    stays, is_after = stays[order], is_after[order]
    words = np.flatnonzero(starts_of([line, entry, at, word]))
    if not len(words):
        return _Instants(line, point, entry, at, stays, stays, stays)

    def any_of(values: Mask, starts: Ints) -> Mask:
        found: Mask = np.logical_or.reduceat(values, starts)
        return found

    was, will = any_of(~is_after, words), any_of(is_after, words)
    instants = starts_of([line, entry, at])
    first, of_words = np.flatnonzero(instants), np.flatnonzero(instants[words])
    return _Instants(
        line[first], point[first], entry[first], at[first], any_of(was != will, of_words), any_of(will, of_words),
        any_of(stays, first),
    )  # fmt: skip


def _reaches(found: _Instants, names: Names, reach: _Reach) -> tuple[Ints, Ints]:
    """(since, until) in µs of every instant whose winner is another one."""
    # By charge point and time; of one instant the events come first.
    order = np.lexsort((found.entry, found.line, found.at, found.point))
    line, point, entry, at = (values[order] for values in (found.line, found.point, found.entry, found.at))
    differs, is_left, stays = found.differs[order], found.is_left[order], found.stays[order]
    is_event = entry == EVENT
    end = reach.horizon
    firsts = np.flatnonzero(starts_of([point]))
    of_point = np.cumsum(starts_of([point])) - 1

    def whole(values: Ints) -> Ints:
        """The highest of each charge point."""
        return np.maximum.reduceat(values, firsts)[of_point] if len(values) else values

    first_event, ever_stays = _known_of(reach.points, names)
    left = whole((is_event & is_left).astype(np.int64)) == 1
    earliest = -whole(-at)
    first_event, ever_stays = first_event[point], ever_stays[point]
    had_before = (first_event != NONE) & (first_event < earliest)
    does_stay = (whole(stays.astype(np.int64)) == 1) | ever_stays
    is_first = (first_event == NONE) | (at <= first_event) | (~left & ~had_before)
    next_own = np.where(is_event, _next(line, at, is_event), LATEST)
    next_left = _later(point, at, is_event & is_left)
    quiet_end = _quiet_end(point, at, next_own, of_point, reach)
    until = np.where(does_stay | is_first, end, quiet_end)
    hour = at + FLAPPING // dt.timedelta(microseconds=1)
    event_end = np.maximum(np.minimum(next_own, until), hour)
    # What was unobserved or will be ends with the next event that is left; without any, it does not end.
    without = np.maximum(event_end, np.where(next_left == LATEST, end, next_left))
    event_end = np.where(is_first, without, event_end)
    poll_end = np.full(len(at), end) if reach.silence is None else at + reach.silence
    since = np.where(is_event & is_first, np.minimum(at, reach.feed_first), at)
    last = np.maximum(at, np.minimum(np.where(is_event, event_end, poll_end), end) - 1)
    return since[differs], last[differs]


def _known_of(points: pa.Table, names: Names) -> tuple[Ints, Mask]:
    """By number of a charge point: its first word, and whether it ever stayed."""
    numbers_of = {point: number for number, point in enumerate(names.points)}
    first, stays = np.full(len(names.points) + 1, NONE), np.zeros(len(names.points) + 1, bool)
    moments = micros(points["first_event_at"])
    known = (points["charge_point_id"].to_pylist(), moments, points["ever_stays"].to_pylist())
    for point, at, ever in zip(*known, strict=True):
        if point in numbers_of:
            first[numbers_of[point]], stays[numbers_of[point]] = at, bool(ever)
    return first, stays


def _next(line: Ints, at: Ints, is_event: Mask) -> Ints:
    """Of events: the connector's next one; later than any instant without."""
    events = np.flatnonzero(is_event)
    order = events[np.lexsort((at[events], line[events]))]
    found = np.full(len(line), LATEST)
    follows = line[order[1:]] == line[order[:-1]]
    found[order[:-1][follows]] = at[order[1:]][follows]
    return found


def _later(point: Ints, at: Ints, which: Mask) -> Ints:
    """The first later instant of the charge point that has such a row; later than any instant without."""
    # From behind, each row knows the nearest such row at or after it; the next instant's first row gives what is later.
    rows = np.arange(len(at))
    nearest = np.minimum.accumulate(np.where(which, rows, len(at))[::-1])[::-1]
    instants = np.flatnonzero(starts_of([point, at]))
    following = np.append(instants, len(at))[np.searchsorted(instants, rows, side="right")]
    found = np.append(nearest, len(at))[following]
    is_own = (found < len(at)) & (np.append(point, -2)[found] == point)
    return np.where(is_own, np.append(at, 0)[found], LATEST)


def _quiet_end(point: Ints, at: Ints, next_own: Ints, of_point: Ints, reach: _Reach) -> Ints:
    """When the words around an instant have been silent for too long, before its next own event.

    If something is heard again before that event, the state goes on then: until the silence after the last word.
    """
    if reach.silence is None or not len(at):
        return np.full(len(at), reach.horizon)
    begins = starts_of([point])
    breaks = ~begins & (at - np.roll(at, 1) > reach.silence)
    runs = begins | breaks
    last = np.maximum.reduceat(at, np.flatnonzero(runs))[np.cumsum(runs) - 1]
    latest = np.maximum.reduceat(at, np.flatnonzero(begins))[of_point]
    next_run = _later(point, at, breaks)
    heard_again = next_run < np.where(next_own == LATEST, reach.horizon, next_own)
    return np.where(heard_again, latest, last) + reach.silence


def _local_spans(since: Ints, until: Ints, zone: str) -> pa.Table:
    """Each (first, last) local date once."""
    if not len(since):
        return _SPANS.empty_table()
    first = EPOCH + dt.timedelta(days=int(since.min() // micros_of(_DAY)) - 1)
    end = EPOCH + dt.timedelta(days=int(until.max() // micros_of(_DAY)) + 3)
    bounds, dates, _ = local_days(zone, first, end)
    spans = np.unique(
        np.stack([dates[np.searchsorted(bounds, moments, side="right") - 1] for moments in (since, until)]), axis=1
    )
    return pa.Table.from_arrays([pa.array(days.astype(np.int32)).cast(pa.date32()) for days in spans], schema=_SPANS)


_DAY = dt.timedelta(days=1)
