"""Decoding by whole columns, where a delivery allows it: the rows are those of the exact way (`decoded.py`).

Of records of one shape, the exact way is gone once, with marks in place of the values; where they come out again, the
values of all of them are put, or hashes of those. So what is personal is decided in one place only.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.formats.bounds import RAW_KEPT
from cic_assets.formats.csv import Line
from cic_assets.formats.plain import PlainTable, plain_table
from cic_assets.formats.read import Reading, Record, json_line, read_records
from cic_assets.formats.shapes import MARKED, MAX_VALUES, Group, JsonLines, json_lines, mark
from cic_assets.ingest.decoded import bounded, bounded_row, decoded_row, decoded_schema, header_faults
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds.columns import POSITION
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream

# What is meant by a shape takes as long to find out as some ten records.
MIN_ROWS = 16
# A feed whose keys are ids has as many shapes as records.
_SHAPES_REMEMBERED = 1_000


class ByColumns(Protocol):
    """A delivery that has been looked through; it is read once more for its rows."""

    @property
    def guard(self) -> Guard:
        """Its guard."""

    @property
    def count(self) -> int:
        """How many records there are."""

    def batches(self, sha256: str) -> Iterator[pa.RecordBatch]:
        """Its rows, in order.

        Raises:
            ChangedError: somebody has written to the file since.
        """


def by_columns(source: BinaryIO, stream: Stream, keys: Keys) -> ByColumns | None:
    """A delivery's rows by columns; None where each record has to be looked at. Leaves the source at its start."""
    # Whether a field is personal may depend on what others say.
    if POSITION in stream.fields or stream.personal_unless:
        return None
    if stream.format.type == "jsonl":
        lines = json_lines(source, stream.format)
        guard = Guard(stream, Reading(iter(()), []), keys)
        return _Shapes(guard, lines.count, _Lines(stream, lines)) if lines else None
    table = plain_table(source, stream.format)
    if table is None or len(table.columns) > MAX_VALUES:
        return None
    guard = Guard(stream, Reading(iter(()), list(table.columns)), keys)
    if header_faults(stream, guard.reading):
        return None
    if stream.personal_fields or KINDS[stream.kind].has_content or guard.hides_columns():
        return _Shapes(guard, table.count, _Rows(stream, table))
    return _Columns(guard, table)


@dataclass(frozen=True)
class _Columns:
    """A table of which no cell has to be looked at by itself.

    Nothing in it may be personal, none of its records is told by its content, and the header has what the stream reads.
    """

    guard: Guard
    _table: PlainTable

    @property
    def count(self) -> int:
        return self._table.count

    def batches(self, sha256: str) -> Iterator[pa.RecordBatch]:
        stream = self.guard.stream
        line = 2
        for texts, cells in self._table.pieces([name for name in stream.fields if name in self._table.columns]):
            yield _batch(stream, sha256, range(line, line + len(texts)), {"cic.raw": texts} | cells)
            line += len(texts)


def _batch(stream: Stream, sha256: str, lines: Iterable[int], columns: Mapping[str, pa.StringArray]) -> pa.RecordBatch:
    numbers = pa.array(lines, pa.int64())
    own = {"cic.sha256": pa.repeat(sha256, len(numbers)), "cic.line": numbers}
    nothing = pa.nulls(len(numbers), pa.string())
    schema = decoded_schema(stream)
    return pa.RecordBatch.from_arrays([(own | {**columns}).get(name, nothing) for name in schema.names], schema=schema)


class _Block(NamedTuple):
    """Lines of a file: those of a shape, and others as text, by number.

    `first`: the number of row 0.
    """

    first: int
    groups: list[Group]
    odd: dict[int, str]


class _Source(Protocol):
    """What shapes come from."""

    def blocks(self) -> Iterator[_Block]:
        """All lines of a file."""

    def read(self, number: int, text: str, reading: Reading) -> Iterator[Record]:
        """A line's records, exactly."""


@dataclass(frozen=True)
class _Lines:
    """JSON lines."""

    stream: Stream
    lines: JsonLines

    def blocks(self) -> Iterator[_Block]:
        first = 1
        for count, groups, odd in self.lines.blocks():
            yield _Block(first, groups, odd)
            first += count

    def read(self, number: int, text: str, reading: Reading) -> Iterator[Record]:
        level = len(self.stream.format.each)
        return json_line(number, Line(text, None, False), self.stream.format, reading, level)


@dataclass(frozen=True)
class _Rows:
    """A plain table, in which rows are of one shape that have the same cells empty."""

    stream: Stream
    table: PlainTable

    def blocks(self) -> Iterator[_Block]:
        first = 2
        for texts, cells in self.table.pieces(self.table.columns):
            yield _Block(first, [*self._groups(texts, [*cells.values()])], {})
            first += len(texts)

    def _groups(self, texts: pa.StringArray, cells: Sequence[pa.StringArray]) -> Iterator[Group]:
        filled = np.stack([each.is_valid().to_numpy(zero_copy_only=False) for each in cells], axis=1)
        shapes, codes = np.unique(np.packbits(filled, axis=1), axis=0, return_inverse=True)
        for number, shape in enumerate(shapes):
            rows = np.flatnonzero(codes.reshape(-1) == number)
            there = np.flatnonzero(filled[rows[0]]).tolist()
            marks = {place: mark(value) for value, place in enumerate(there)}
            text = self.stream.format.delimiter.join(marks.get(place, "") for place in range(len(cells)))
            taken = pa.array(rows)
            yield Group(shape.tobytes(), text, rows, texts.take(taken), [cells[place].take(taken) for place in there])

    def read(self, number: int, text: str, reading: Reading) -> Iterator[Record]:
        form = self.stream.format
        content = f"{form.delimiter.join(self.table.columns)}\n{text}".encode(form.encoding)
        for record in read_records(io.BytesIO(content), form, self.stream.record_level).records:
            yield replace(record, line=number)


class _Marking(Guard):
    """A guard that hashes nothing: a mark stands for each hash, and what it is of is kept."""

    def __init__(self, guard: Guard, values: int) -> None:
        super().__init__(guard.stream, guard.reading, guard.keys)
        self.hashed: list[tuple[Callable[[str], str], str]] = []
        self._guard, self._first = guard, values

    def pseudonym(self, text: str) -> str:
        return self._hash(self._guard.pseudonym, text)

    def content(self, text: str) -> str:
        return self._hash(self._guard.content, text)

    def _hash(self, how: Callable[[str], str], text: str) -> str:
        self.hashed.append((how, text))
        return mark(self._first + len(self.hashed) - 1)


@dataclass(frozen=True)
class _Plan:
    """How the rows of a shape are made of its values.

    Attributes:
        names: of the record's fields, where no header has them.
        texts: column → its text, with marks.
        hashed: what the marks behind those of the values stand for: a hash, and the text that it is of.
        is_raw: whether the record's text stays as received.
    """

    names: tuple[str, ...]
    texts: Mapping[str, str]
    hashed: Sequence[tuple[Callable[[str], str], str]]
    is_raw: bool

    def columns(self, group: Group) -> dict[str, pa.StringArray]:
        """The rows of a group of the shape."""
        made: dict[int, pa.StringArray] = {}

        def value(number: int) -> pa.StringArray:
            if number not in made:
                if number < len(group.values):
                    made[number] = group.values[number]
                else:
                    how, text = self.hashed[number - len(group.values)]
                    made[number] = _hashes(how, filled(text))
            return made[number]

        def filled(text: str) -> pa.StringArray:
            around = MARKED.split(text)
            if len(around) == 1:
                return pa.repeat(text, len(group.rows))
            # Texts and marks in turn, a text first and last.
            parts = [value(int(part)) if place % 2 else part for place, part in enumerate(around)]
            parts = [part for part in parts if not isinstance(part, str) or part]
            return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")

        columns = {name: filled(text) for name, text in self.texts.items()}
        raw = group.texts if self.is_raw else columns["cic.raw"]
        if pc.max(pc.utf8_length(raw)).as_py() > RAW_KEPT:
            raw = pa.array(map(bounded, raw.to_pylist()), pa.string())
        return columns | {"cic.raw": raw}


def _hashes(how: Callable[[str], str], texts: pa.StringArray) -> pa.StringArray:
    """Each different text is hashed once: a card charges often."""
    encoded = texts.dictionary_encode()
    return pa.array(map(how, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)


@dataclass(frozen=True)
class _Shapes:
    """Records by shape."""

    guard: Guard
    count: int
    _source: _Source
    _plans: dict[bytes, _Plan | None] = field(default_factory=dict)

    def batches(self, sha256: str) -> Iterator[pa.RecordBatch]:
        for block in self._source.blocks():
            yield from self._batches(block, sha256)

    def _batches(self, block: _Block, sha256: str) -> Iterator[pa.RecordBatch]:
        stream, reading = self.guard.stream, self.guard.reading
        odd, plans = dict(block.odd), []
        for group in block.groups:
            if plan := self._plan(group):
                plans.append((group, plan))
            else:
                odd.update(zip(group.rows.tolist(), group.texts.to_pylist(), strict=True))
        # Names are noted in the order of the file.
        firsts = {int(group.rows[0]): plan for group, plan in plans}
        rows = []
        for row in sorted({*odd, *firsts}):
            if row in firsts:
                reading.note(firsts[row].names)
            else:
                records = self._source.read(block.first + row, odd[row], reading)
                rows += [bounded_row(decoded_row(self.guard, sha256, record)) for record in records]
        found = [
            _batch(stream, sha256, (group.rows + block.first).tolist(), plan.columns(group)) for group, plan in plans
        ]
        if rows:
            found.append(pa.RecordBatch.from_pylist(rows, schema=decoded_schema(stream)))
        if len(found) == 1:
            yield from found
        elif found:
            together = pa.Table.from_batches(found)
            yield from together.take(pc.sort_indices(together["cic.line"])).combine_chunks().to_batches()

    def _plan(self, group: Group) -> _Plan | None:
        if group.shape not in self._plans:
            if len(group.rows) < MIN_ROWS or len(self._plans) == _SHAPES_REMEMBERED:
                return None
            self._plans[group.shape] = self._look(group)
        return self._plans[group.shape]

    def _look(self, group: Group) -> _Plan | None:
        """How the exact way makes a row of the shape; None where it has something to say about it."""
        if len(MARKED.findall(group.text)) != len(group.values):
            return None
        marking = _Marking(self.guard, len(group.values))
        records = [*self._source.read(1, group.text, Reading(iter(()), []))]
        if len(records) != 1 or records[0].values is None:
            return None
        row = decoded_row(marking, "", records[0])
        if len(marking.hashed) > MAX_VALUES:
            return None
        texts = {name: text for name, text in row.items() if isinstance(text, str) and name != "cic.sha256"}
        is_raw = texts["cic.raw"] == records[0].raw == group.text
        if is_raw:
            del texts["cic.raw"]
        # Those of a table are in its header.
        names = tuple(records[0].values) if self.guard.stream.format.type == "jsonl" else ()
        return _Plan(names, texts, marking.hashed, is_raw)
