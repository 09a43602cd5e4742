"""Timelines of charge points, in numpy: which word wins an instant, and what changes polls show (numbers.md 2).

The engine gathers what is said of some charge points in one Arrow table (`in_groups`); a kernel looks at it as
whole columns, sorted once. Eight windows and three joins of SQL said the same in ten plans, which took longer to plan
than a county's day to compute. All time is in whole microseconds (UTC); nothing is divided.

A timeline is built from entries: events (a state begins) and polls (a feed lists the state at a moment, and says since
when it holds), and from instants of which nothing is known but that a feed was `heard`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.kinds.vocabulary import STATES, WORST_FIRST

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

ENTRY_COLUMNS = (
    "charge_point_id", "connector_id", "stream_id", "entry", "at", "since_at", "state", "arrived_at", "source_file",
    "source_line", "flags",
)  # fmt: skip
TWO_PLACES = "two_places"
UNMAPPED = "unmapped_status"
STANDS_STILL = CROSS_RULES["E07"].mark
# An instant or a line that is not said. Every one that is said is greater.
NONE = int(np.iinfo(np.int64).min)
# Later than every instant that is said.
LATEST = int(np.iinfo(np.int64).max)
EPOCH = dt.date(1970, 1, 1)
EVENT, POLL, HEARD = 0, 1, 2
_ENTRIES = {"event": EVENT, "poll": POLL, "heard": HEARD}
# A state's number is its place in `STATES`; -1 is none, which takes the last place of what is looked up by it.
_STATE_NUMBERS: dict[str, int] = {state: number for number, state in enumerate(STATES)}
_WORST = np.array([1 + WORST_FIRST.index(state) for state in STATES] + [0])
_GONE = _STATE_NUMBERS["REMOVED"]
# So many rows are looked at together, at most and on average; some 150 bytes each in Arrow, as much again in numbers.
ROWS_PER_GROUP = 250_000


def group_count(rows: int) -> int:
    """Into how many groups of charge points so many rows are cut."""
    return 1 + rows // ROWS_PER_GROUP


def in_groups(
    frame: DataFrame,
    kernel: Callable[[pa.Table], pa.Table],
    schema: pa.Schema,
    groups: int,
    column: str = "charge_point_id",
) -> DataFrame:
    """What a kernel makes of the rows of each group: all rows with one value of a column are in one.

    Args:
        frame: any with the column.
        kernel: gets `frame`'s columns and `cic_group`; runs in the engine's Python, and knows what it closes over.
        schema: of its result.
        groups: how many.
        column: what rows are gathered by.
    """
    from cic_assets.lake.rows import group_number
    from cic_assets.lake.tables import spark_schema

    grouped = frame.withColumn("cic_group", group_number(groups, column)).groupBy("cic_group")
    return grouped.applyInArrow(kernel, spark_schema(schema))


@dataclass(frozen=True)
class Names:
    """The texts that stand for a table's numbers, sorted: a text's number is its place."""

    points: list[str]
    connectors: list[str]
    streams: list[str]
    files: list[str]
    flag_sets: list[tuple[str, ...]]


@dataclass(frozen=True)
class Words:
    """Entries of one table, a number for each text; parallel arrays.

    Attributes:
        point: place in `Names.points`; so `connector` and `stream`. -1: none.
        line: the charge point and its connector.
        entry: `EVENT`, `POLL`, `HEARD`.
        at: µs; `NONE` if it is not said, as in `since` and `arrived`.
        state: place in `STATES`, -1: none.
        file: place in `Names.files`, -1: none.
        source_line: `NONE` if it is not said.
        flags: place in `Names.flag_sets`.
        row: which of the table's.
    """

    point: Ints
    connector: Ints
    line: Ints
    stream: Ints
    entry: Ints
    at: Ints
    since: Ints
    state: Ints
    arrived: Ints
    file: Ints
    source_line: Ints
    flags: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.at)

    def take(self, rows: Ints | Mask) -> Words:
        """Some of them: by place or mask."""
        return Words(*(getattr(self, name)[rows] for name in Words.__match_args__))

    def with_(self, other: Words) -> Words:
        """These and others of the same table."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in Words.__match_args__)
        return Words(*(np.concatenate(pair) for pair in pairs))


def words_of(table: pa.Table, streams: Iterable[str] = ()) -> tuple[Words, Names]:
    """A table's entries as numbers.

    Args:
        table: `ENTRY_COLUMNS`; other entries than events and polls are `HEARD`.
        streams: that have numbers too.
    """
    points, point = numbered(table["charge_point_id"])
    connectors, connector = numbered(table["connector_id"])
    known, stream = numbered(table["stream_id"], streams)
    files, file = numbered(table["source_file"])
    flag_sets, flags = _flag_sets(table["flags"])
    words = Words(
        point, connector, point * max(1, len(connectors)) + connector, stream,
        _looked_up(table["entry"], _ENTRIES, HEARD), micros(table["at"]), micros(table["since_at"]),
        _looked_up(table["state"], _STATE_NUMBERS, -1), micros(table["arrived_at"]), file,
        integers(table["source_line"], NONE), flags, np.arange(table.num_rows),
    )  # fmt: skip
    return words, Names(points, connectors, known, files, flag_sets)


def _encoded(column: pa.ChunkedArray) -> tuple[list[Any], Ints]:
    """A column's different values, and which of them each row has; -1 for null."""
    encoded = pa.array([], pa.string()) if not len(column) else column.combine_chunks()
    encoded = encoded.cast(pa.string()).dictionary_encode()
    return encoded.dictionary.to_pylist(), integers(encoded.indices, -1)


def numbered(column: pa.ChunkedArray, more: Iterable[str] = ()) -> tuple[list[str], Ints]:
    """A column's texts and some more in order (of code points), and each row's place among them; -1 for null."""
    values, places = _encoded(column)
    names = sorted({*values, *more})
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([*(place[value] for value in values), -1], np.int64)[places]


def _looked_up(column: pa.ChunkedArray, numbers: dict[str, int], nothing: int) -> Ints:
    """Each row's number; of null, and of a text that has none, `nothing`."""
    values, places = _encoded(column)
    return np.array([*(numbers.get(value, nothing) for value in values), nothing], np.int64)[places]


def _flag_sets(column: pa.ChunkedArray) -> tuple[list[tuple[str, ...]], Ints]:
    """The different sets of flags, and each row's place among them; null is the empty set."""
    values, places = _encoded(pc.binary_join(column, ","))
    sets = [tuple(sorted(value.split(","))) if value else () for value in values]
    known = sorted({*sets, (), (STANDS_STILL,)})
    place = {flags: number for number, flags in enumerate(known)}
    return known, np.array([*(place[flags] for flags in sets), place[()]], np.int64)[places]


def integers(column: pa.ChunkedArray | pa.Array, nothing: int) -> Ints:
    """A column of whole numbers; `nothing` for null."""
    return np.asarray(pc.fill_null(column.cast(pa.int64()), nothing), np.int64)


def micros(column: pa.ChunkedArray | pa.Array) -> Ints:
    """A column of instants in microseconds; `NONE` for null."""
    return integers(column.cast(pa.timestamp("us", tz="UTC")), NONE)


def instants(values: Ints) -> pa.Array:
    """Microseconds as a column of instants, the other way round."""
    return numbers(values).cast(pa.timestamp("us", tz="UTC"))


def numbers(values: Ints) -> pa.Array:
    """Numbers as a column; null for `NONE`."""
    return pa.array(values, pa.int64(), mask=values == NONE)


def texts(names: Sequence[str], places: Ints) -> pa.Array:
    """Numbers as a column of texts; null for -1."""
    return pa.array(names, pa.string()).take(pa.array(places, pa.int64(), mask=places < 0))


def table_of(schema: pa.Schema, rows: int, **columns: pa.Array) -> pa.Table:
    """Columns as so many rows of a schema; those that are not given are null."""
    given = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(given, schema=schema)


def starts_of(keys: Sequence[Ints]) -> Mask:
    """Of sorted rows: which differ from the row before in any key."""
    found: Mask = np.ones(len(keys[0]), bool)
    if len(found):
        found[1:] = False
        for key in keys:
            found[1:] |= key[1:] != key[:-1]
    return found


def highest(values: Ints, is_first: Mask) -> Ints:
    """The highest value so far of each run of rows."""
    if not len(values):
        return values
    different, ranks = np.unique(values, return_inverse=True)
    # Each run's ranks lie above all of the run before.
    base = np.cumsum(is_first) * len(different)
    highest: Ints = different[np.maximum.accumulate(base + ranks) - base]
    return highest


def flags_of(column: pa.ChunkedArray | pa.Array) -> Mask:
    """A column of conditions; null is false."""
    return np.asarray(pc.fill_null(column, False), bool)


def newest(words: Words, names: Names, *keys: Ints) -> Mask:
    """Which of several words about one thing wins (numbers.md 2): the last arrival, else the worse state.

    Within one delivery that has an id at two places, a copy that is REMOVED loses, else the worse state holds (E08).

    Args:
        words: any.
        names: theirs.
        keys: what the thing is.
    """
    order = np.lexsort(keys[::-1])
    starts = np.flatnonzero(starts_of([key[order] for key in keys]))
    lengths = np.diff(starts, append=len(order))
    wins = np.zeros(len(words), bool)
    wins[order[starts[lengths == 1]]] = True
    tied = order[np.repeat(lengths > 1, lengths)]
    if len(tied):
        some = words.take(tied)
        same = [key[tied] for key in keys]
        # Sorted by the last key first: the last arrival, and so on, up to the thing itself.
        best = np.lexsort([*_from_newest(some, names)[::-1], *same[::-1]])
        wins[tied[best[starts_of([key[best] for key in same])]]] = True
    return wins


def _from_newest(words: Words, names: Names) -> list[Ints]:
    """Sort keys, the first one first; `~` turns an order round without overflow."""
    worst = _WORST[words.state]
    is_twice = np.array([TWO_PLACES in flags for flags in names.flag_sets], bool)[words.flags]
    gone_last = np.where(words.state == _GONE, len(STATES) + 1, worst)
    since = np.where(words.since == NONE, NONE, ~words.since)
    return [
        ~words.arrived, np.where(is_twice, gone_last, 0), ~words.file, ~words.source_line, worst, since,
        # What is left differs in nothing that a timeline says; but the order of the engine's rows must not decide.
        ~words.stream, words.flags,
    ]  # fmt: skip


@dataclass(frozen=True)
class Resolved:
    """Words, and which of them win: one event per connector and instant, one poll of each stream.

    What loses is still a word: its stream was heard at that instant.
    """

    words: Words
    wins: Mask


def resolve(words: Words, names: Names, first_at: Ints) -> Resolved:
    """Adds the events that polls show, and decides who wins.

    Args:
        words: entries.
        names: theirs.
        first_at: by number of a stream, from when it covers time, in µs; `NONE` if it is not said.
    """
    polls = words.take(words.entry == POLL)
    seen = newest(polls, names, polls.line, polls.stream, polls.at)
    events = words.take(words.entry == EVENT).with_(polled_events(polls.take(seen), names, first_at))
    heard = words.take(words.entry == HEARD)
    wins = np.concatenate([newest(events, names, events.line, events.at), seen, np.zeros(len(heard), bool)])
    return Resolved(events.with_(polls).with_(heard), wins)


def polled_events(polls: Words, names: Names, first_at: Ints | None, date: Ints | None = None) -> Words:
    """The changes of state that a stream's polls show, as events; one poll per connector and instant given.

    A poll is evidence (numbers.md 2): its state began where the feed says, if that is after the poll before. An older
    instant can't be: if the state is another one, it is dated by the poll that saw it first, and flagged (E07). Of the
    time before a feed's first poll nothing is known but what survived until then, so nothing begins before it. A poll
    without `since` shows no change; it is there for the one that follows.

    Args:
        polls: what is seen.
        names: theirs.
        first_at: as of `resolve`; without it each date is looked at by itself, and its first poll, of which the one
            before is not known, gives nothing.
        date: of each poll, where each date is looked at by itself.
    """
    dates = np.zeros(len(polls), np.int64) if date is None else date
    order = np.lexsort((polls.at, dates, polls.stream, polls.line))
    polls, dates = polls.take(order), dates[order]
    is_first = starts_of([polls.line, polls.stream, dates])
    before_at, before = np.roll(polls.at, 1), np.roll(polls.state, 1)
    is_said = polls.since != NONE
    # Some feeds' clocks are ahead of their own response's.
    since = np.minimum(polls.since, polls.at)
    nothing = np.full(len(polls), NONE)
    begins_first = nothing if first_at is None else np.maximum(since, first_at[polls.stream])
    is_new = (polls.state >= 0) & (before >= 0) & (polls.state != before)
    began = np.select(
        [~is_said, is_first, since > before_at, is_new], [nothing, begins_first, since, polls.at], default=NONE
    )
    stands_still = is_said & ~is_first & (since <= before_at)
    marked = np.where(stands_still, names.flag_sets.index((STANDS_STILL,)), names.flag_sets.index(()))
    events = replace(polls, entry=np.full(len(polls), EVENT), at=began, flags=marked)
    return events.take(began != NONE)
