"""Records of one shape as columns: a machine writes the same text around other values, thousands of times.

What is meant by a shape is known from one of its records, read exactly; of the others only the values are taken, each
as it was sent. A value that may change what is made of the record (an empty text, a list as text, a text in a list
that is no moment) is no value here but belongs to the shape. What needs a second look (an escape, a line that is no
object) is `odd` and the exact reader's (`formats/read.py`), line by line. Records are equal to those of the exact
reader (`tests/unit/test_shapes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.formats.blocks import Blocks, Lines, Places, looked_through
from cic_assets.formats.bounds import RAW_KEPT
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import AROUND

Mask: TypeAlias = npt.NDArray[np.bool_]
# Stands for a value in the text of a shape, with its number behind it: as a text and as a number it is itself.
_MARK, _DIGITS = "8061973025463817", 4
MARKED = re.compile(rf"{_MARK}(\d{{{_DIGITS}}})")
# No record has more values.
MAX_VALUES = 5_000
_JSON_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def mark(number: int) -> str:
    """What stands for a value, or for what is made of some."""
    return f"{_MARK}{number:0{_DIGITS}d}"


def _signs(signs: str) -> Mask:
    table = np.zeros(256, bool)
    table[[*signs.encode()]] = True
    return table


_NUMBER, _BRACKET, _BEHIND = _signs("+-.0123456789eE"), _signs("[]"), _signs(",:}]")
# Of these, moments in a list are made; they say nothing of a person.
_IN_LIST = _signs("0123456789TZ:.+- ")
_ODD = _signs("\\" + "".join(sign for sign in map(chr, range(32)) if sign not in "\r\n"))
# No text has this sign: a value in a shape.
_VALUE = 1


class Group(NamedTuple):
    """Records of one shape.

    Attributes:
        shape: equal for records of one shape only.
        text: one of the records, a mark in place of each value.
        rows: which of the block's lines, or records, they are.
        texts: as received.
        values: by number, each a text that is not empty.
    """

    shape: bytes
    text: str
    rows: Places
    texts: pa.StringArray
    values: Sequence[pa.StringArray]


class _Values(Sequence[pa.StringArray]):
    """Values of some lines, taken as they are asked for."""

    def __init__(self, pieces: pa.StringArray, first: Places, count: int) -> None:
        self._pieces, self._first, self._count = pieces, first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        # Between two values stands what is around them.
        return self._pieces.take(pa.array(2 * (self._first + number)))


@dataclass(frozen=True)
class JsonLines:
    """A file that has been looked through; it is read once more for its records.

    Attributes:
        count: how many records there are.
    """

    count: int
    _blocks: Blocks

    def blocks(self) -> Iterator[tuple[int, list[Group], dict[int, str]]]:
        """Of each block: how many lines it has, those of a shape, and those for the exact reader, by number from 0.

        Raises:
            ChangedError: somebody has written to the file since.
        """
        for block, _ in self._blocks:
            lines = Lines.of(block)
            groups, odd = _grouped(lines)
            texts = {int(row): block[lines.starts[row] : lines.ends[row]].decode() for row in odd}
            yield len(lines.starts), groups, texts


def json_lines(handle: BinaryIO, form: FeedFormat) -> JsonLines | None:
    """The lines of a file, gzip or not, each of them one record; None where the exact reader takes them all."""
    if form.type != "jsonl" or form.each or form.unpivot:
        return None
    count = 0

    def is_plain(block: bytes, is_first: bool) -> bool:
        nonlocal count
        lines = Lines.of(block)
        starts = np.frombuffer(block, np.uint8)[lines.starts]
        others = np.flatnonzero(starts != ord("{"))
        blank = sum(not block[lines.starts[row] : lines.ends[row]].decode().strip(AROUND) for row in others)
        count += len(starts) - blank
        return True

    blocks = looked_through(handle, form, is_plain)
    return JsonLines(count, blocks) if blocks else None


def _grouped(lines: Lines) -> tuple[list[Group], Places]:
    """The lines by shape, and those that are odd."""
    odd = _odd(lines)
    if len(plain := np.flatnonzero(~odd)) < len(odd):
        kept = b"".join(lines.content[lines.starts[row] : lines.ends[row]] for row in plain)
        lines = Lines.of(kept) if kept else Lines(b"", plain, plain)
    if not len(plain):
        return [], np.flatnonzero(odd)
    tokens = _tokens(lines)
    odd[plain[tokens.odd]] = True
    groups = [each._replace(rows=plain[each.rows]) for each in _by_shape(lines, tokens)]
    return groups, np.flatnonzero(odd)


def _odd(lines: Lines) -> Mask:
    """Lines that are no object at first sight, that have an escape, or quotes without an end."""
    signs = np.frombuffer(lines.content, np.uint8)
    ends = lines.ends - (signs[lines.ends - 1] == ord("\n"))
    ends -= (ends > lines.starts) & (signs[ends - 1] == ord("\r"))
    odd: Mask = (signs[lines.starts] != ord("{")) | (signs[ends - 1] != ord("}")) | (ends - lines.starts > RAW_KEPT)
    odd[_line_of(lines, np.flatnonzero(_ODD[signs]))] = True
    quotes = np.bincount(_line_of(lines, np.flatnonzero(signs == ord('"'))), minlength=len(odd))
    odd |= (quotes % 2 == 1) | (quotes > 2 * MAX_VALUES)
    return odd


def _line_of(lines: Lines, places: Places) -> Places:
    return np.searchsorted(lines.starts, places, "right") - 1


class _Tokens(NamedTuple):
    """The values of lines: where they start and end, and in which line; and lines that are odd."""

    starts: Places
    ends: Places
    lines: Places
    odd: Places
    # Values, and between each two what is around them.
    pieces: pa.StringArray


def _tokens(lines: Lines) -> _Tokens:
    signs = np.frombuffer(lines.content, np.uint8)
    is_quote = signs == ord('"')
    quotes = np.flatnonzero(is_quote)
    opened, closed = quotes[0::2], quotes[1::2]
    is_outside = np.bitwise_xor.accumulate(is_quote) == 0
    behind = signs[closed + 1]
    is_text = (behind != ord(":")) & (closed - opened > 1) & (signs[opened + 1] != ord("["))
    is_text &= ~_in_lists(lines, is_outside, opened, closed)
    # A number's first sign; `e` may be one of `true` too.
    edges = np.flatnonzero(np.diff((_NUMBER[signs] & is_outside).view(np.int8))) + 1
    is_number = _signs("-0123456789")[signs[edges[0::2]]]
    starts = np.concatenate([opened[is_text] + 1, edges[0::2][is_number]])
    ends = np.concatenate([closed[is_text], edges[1::2][is_number]])
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    between = np.empty(2 * len(starts), np.int32)
    between[0::2], between[1::2] = starts, ends
    pieces = pa.StringArray.from_buffers(
        max(len(between) - 1, 0), pa.py_buffer(between if len(between) else np.zeros(1, np.int32)),
        pa.py_buffer(lines.content),
    )  # fmt: skip
    numbers = np.flatnonzero(order >= np.count_nonzero(is_text))
    right = pc.match_substring_regex(pieces.take(pa.array(2 * numbers)), _JSON_NUMBER)
    of_line = _line_of(lines, starts)
    odd = [of_line[numbers[~right.to_numpy(zero_copy_only=False)]], _line_of(lines, closed[~_BEHIND[behind]])]
    odd.append(np.flatnonzero(np.bincount(of_line, minlength=len(lines.starts)) > MAX_VALUES))
    return _Tokens(starts, ends, of_line, np.unique(np.concatenate(odd)), pieces)


def _in_lists(lines: Lines, is_outside: Mask, opened: Places, closed: Places) -> Mask:
    """Of each text between two quotes, whether it stands in a list and may be other than a moment."""
    signs = np.frombuffer(lines.content, np.uint8)
    brackets = np.flatnonzero(_BRACKET[signs] & is_outside)
    found = np.zeros(len(opened), bool)
    if not len(brackets):
        return found
    depths = np.concatenate([[0], np.cumsum(np.where(signs[brackets] == ord("["), 1, -1))])

    def depth(places: Places) -> Places:
        return depths[np.searchsorted(brackets, places)]

    # Of its own line: what is not closed in another is that one's fault.
    found |= depth(opened) != depth(lines.starts)[_line_of(lines, opened)]
    some = np.flatnonzero(found)
    around = np.empty(2 * len(some), np.int64)
    around[0::2], around[1::2] = opened[some] + 1, closed[some]
    if len(some):
        found[some] = np.add.reduceat(~_IN_LIST[signs], around, dtype=np.int64)[0::2] > 0
        # An empty text, of which the sum above says nothing, is no value anyway.
    return found


def _by_shape(lines: Lines, tokens: _Tokens) -> Iterator[Group]:
    signs = np.frombuffer(lines.content, np.uint8)
    count = len(lines.starts)
    around = signs.copy()
    around[tokens.starts] = _VALUE
    # Of a value one sign stays.
    steps = np.zeros(len(signs) + 1, np.int8)
    steps[tokens.starts + 1] += 1
    steps[tokens.ends] -= 1
    around = around[np.cumsum(steps[:-1], dtype=np.int8) == 0]
    left_out = np.bincount(tokens.lines, tokens.ends - tokens.starts - 1, count).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lines.ends - lines.starts - left_out)]).astype(np.int32)
    shapes = pa.BinaryArray.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(around)]
    ).dictionary_encode()
    codes = shapes.indices.to_numpy().copy()
    codes[tokens.odd] = -1
    order = np.argsort(codes, kind="stable")
    texts = pc.utf8_rtrim(lines.texts(), "\r\n")
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if codes[rows[0]] < 0:
            continue
        first = np.searchsorted(tokens.starts, lines.starts[rows])
        values = int(np.searchsorted(tokens.starts, lines.ends[rows[0]]) - first[0])
        places = slice(int(first[0]), int(first[0]) + values)
        text = _marked(lines, int(rows[0]), tokens.starts[places], tokens.ends[places])
        shape = shapes.dictionary[int(codes[rows[0]])].as_py()
        yield Group(shape, text, rows, texts.take(pa.array(rows)), _Values(tokens.pieces, first, values))


def _marked(lines: Lines, row: int, starts: Places, ends: Places) -> str:
    """A line with a mark in place of each value."""
    at, pieces = int(lines.starts[row]), []
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        pieces += [lines.content[at:start], mark(number).encode()]
        at = end
    return b"".join([*pieces, lines.content[at : lines.ends[row]]]).decode().rstrip("\r\n")
