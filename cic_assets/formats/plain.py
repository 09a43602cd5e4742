"""Plain CSV as columns: each line is a record, each delimiter parts two cells, and nothing has to be told apart.

Arrow reads it in a sixth of the time that is taken by one row after the other. Whatever needs a second look (a quote, a
lone carriage return, bytes that are no UTF-8, a line with other cells than the header, an empty row, a doubled name) is
not plain, and the whole file is the exact reader's (`formats/read.py`), to whose records these are equal
(`tests/unit/test_plain.py`).
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from cic_assets.formats.bounds import RAW_KEPT, UnreadableError
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import AROUND, disguise, unpacked

# Looked at together; an Arrow column of text holds 2 GiB.
_BLOCK_BYTES = 8 << 20
_ODD = (b'"', b"\0")
# Each line has one of these, so that none is empty or holds nothing but what nobody sees.
_SEEN = np.zeros(256, bool)
_SEEN[[*b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]] = True
_LF = ord("\n")
Places = np.ndarray[Any, np.dtype[np.int64]]


class ChangedError(Exception):
    """The file holds other bytes than when it was looked through."""


@dataclass(frozen=True)
class PlainTable:
    """A file that has been looked through; it is read once more for its records.

    Attributes:
        columns: names of the header.
        count: how many records there are.
    """

    columns: tuple[str, ...]
    count: int
    _sums: tuple[int, ...]
    _source: BinaryIO
    _delimiter: str

    def pieces(self, names: Sequence[str]) -> Iterator[tuple[pa.StringArray, dict[str, pa.StringArray]]]:
        """The records in order: each one's text as received, and the cells of some columns, null where empty.

        Raises:
            ChangedError: somebody has written to the file since.
        """
        for (block, is_first), known in zip_longest(_blocks(self._source), self._sums, fillvalue=(b"", False)):
            if zlib.crc32(block) != known:
                raise ChangedError("it holds other bytes than when it was looked through")
            lines = _Lines.of(block, is_first=is_first)
            if len(lines.starts):
                texts = pc.utf8_rtrim(lines.texts(), "\r\n")
                yield texts, self._cells(block, names, is_first=is_first) if names else {}

    def _cells(self, block: bytes, names: Sequence[str], *, is_first: bool) -> dict[str, pa.StringArray]:
        read = pyarrow.csv.ReadOptions(
            column_names=self.columns, skip_rows=int(is_first), block_size=len(block) + 1, use_threads=False
        )
        parse = pyarrow.csv.ParseOptions(delimiter=self._delimiter, quote_char=False)
        convert = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=list(names),
            null_values=[""],
            strings_can_be_null=True,
        )
        found = pyarrow.csv.read_csv(pa.py_buffer(block), read, parse, convert)
        return {name: found[name].combine_chunks() for name in names}


def plain_table(handle: BinaryIO, form: FeedFormat) -> PlainTable | None:
    """The table of a file, gzip or not, if all of it is plain; None if not. Leaves the file at its start."""
    delimiter = form.delimiter
    is_simple = form.type == "csv" and not (form.unpivot or form.names or form.skip_lines)
    is_simple = is_simple and codecs.lookup(form.encoding).name == "utf-8" and delimiter.isascii()
    # A delimiter that could be a row's only visible sign would hide an empty one.
    if not is_simple or delimiter.isalnum():
        return None
    try:
        source = unpacked(handle)
        if disguise(source, form):
            return None
        columns: tuple[str, ...] = ()
        count = 0
        sums = []
        for block, is_first in _blocks(source):
            if is_first:
                columns = _header(block, delimiter)
            if not columns or not _is_plain(block, ord(delimiter), len(columns) - 1):
                return None
            count += len(_Lines.of(block, is_first=is_first).starts)
            sums.append(zlib.crc32(block))
        source.seek(0)
        return PlainTable(columns, count, tuple(sums), source, delimiter) if columns else None
    except (UnreadableError, EOFError, zlib.error):
        # What is broken is told by who reads record by record.
        return None
    finally:
        handle.seek(0)


class _TooLongError(UnreadableError):
    """A line is longer than a block."""


def _blocks(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Whole lines, as many as a block holds, the mark at the file's start left out; and whether they are the first."""
    held, is_first = b"", True
    while chunk := source.read(_BLOCK_BYTES):
        if is_first and not held:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        end = chunk.rfind(b"\n") + 1
        if not end:
            held += chunk
            if len(held) > _BLOCK_BYTES:
                raise _TooLongError("a line is longer than a block")
            continue
        yield held + chunk[:end], is_first
        held, is_first = chunk[end:], False
    if held:
        yield held, is_first


@dataclass(frozen=True)
class _Lines:
    """Where the lines of a block begin and end, their ends included; of the first block without the header."""

    content: bytes
    starts: Places
    ends: Places

    @classmethod
    def of(cls, block: bytes, *, is_first: bool) -> _Lines:
        """All of them."""
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LF) + 1
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(block))
        starts = np.concatenate([[0], ends[:-1]])
        return cls(block, starts[int(is_first) :], ends[int(is_first) :])

    def texts(self) -> pa.StringArray:
        """As they are, ends included."""
        if not len(self.starts):
            return pa.array([], pa.string())
        offsets = np.append(self.starts, self.ends[-1]).astype(np.int32)
        return pa.StringArray.from_buffers(len(self.starts), pa.py_buffer(offsets), pa.py_buffer(self.content))


def _header(block: bytes, delimiter: str) -> tuple[str, ...]:
    """The names of the first line; none where the exact reader has something to say about them."""
    line = block.partition(b"\n")[0].rstrip(b"\r")
    try:
        names = tuple(name.strip(AROUND) for name in line.decode().split(delimiter))
    except UnicodeDecodeError:
        return ()
    is_said = line.lower().startswith(b"sep=")
    return names if all(names) and len({*names}) == len(names) and not is_said else ()


def _is_plain(block: bytes, delimiter: int, delimiters: int) -> bool:
    """Whether each line has so many delimiters, something that is seen, and no sign that needs a second look."""
    if any(odd in block for odd in _ODD) or block.count(b"\r") != block.count(b"\r\n"):
        return False
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return False
    signs = np.frombuffer(block, np.uint8)
    lines = _Lines.of(block, is_first=False)
    if (lines.ends - lines.starts).max() > RAW_KEPT:
        return False
    parted = np.add.reduceat(signs == delimiter, lines.starts, dtype=np.int64)
    seen = np.add.reduceat(_SEEN[signs], lines.starts, dtype=np.int64)
    return bool((parted == delimiters).all() and (seen > 0).all())
