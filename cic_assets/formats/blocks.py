"""Text in blocks of whole lines, for readers that look at many records at once (`plain.py`, `shapes.py`).

A file is looked through before anything of it is written: what needs a second look is the exact reader's as a whole
(`read.py`). It is read once more for its records, and must be the same then.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from cic_assets.formats.bounds import UnreadableError
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import CONTENT_FAULTS, disguise, unpacked

# Looked at together; an Arrow column of text holds 2 GiB.
BLOCK_BYTES = 8 << 20
_LF = ord("\n")
Places = np.ndarray[Any, np.dtype[np.int64]]


class ChangedError(Exception):
    """The file holds other bytes than when it was looked through."""


class _TooLongError(UnreadableError):
    """A line is longer than a block."""


@dataclass(frozen=True)
class Blocks:
    """A file that has been looked through."""

    _source: BinaryIO
    _sums: tuple[int, ...]

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        """Whole lines, as many as a block holds, and whether they are the file's first.

        Raises:
            ChangedError: somebody has written to the file since.
        """
        for (block, is_first), known in zip_longest(_blocks(self._source), self._sums, fillvalue=(b"", False)):
            if zlib.crc32(block) != known:
                raise ChangedError("it holds other bytes than when it was looked through")
            yield block, is_first


def looked_through(handle: BinaryIO, form: FeedFormat, is_plain: Callable[[bytes, bool], bool]) -> Blocks | None:
    """A file in UTF-8, gzip or not, if all of its blocks are plain; None if not. Leaves the file at its start."""
    if codecs.lookup(form.encoding).name != "utf-8":
        return None
    try:
        source = unpacked(handle)
        if disguise(source, form):
            return None
        sums = []
        for block, is_first in _blocks(source):
            if not (_is_text(block) and is_plain(block, is_first)):
                return None
            sums.append(zlib.crc32(block))
        source.seek(0)
        return Blocks(source, tuple(sums))
    except CONTENT_FAULTS:
        # What is broken is told by who reads record by record.
        return None
    finally:
        handle.seek(0)


def _blocks(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """The mark at the file's start is left out."""
    held, is_first = b"", True
    while chunk := source.read(BLOCK_BYTES):
        if is_first and not held:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        end = chunk.rfind(b"\n") + 1
        if not end:
            held += chunk
            if len(held) > BLOCK_BYTES:
                raise _TooLongError("a line is longer than a block")
            continue
        yield held + chunk[:end], is_first
        held, is_first = chunk[end:], False
    if held:
        yield held, is_first


def _is_text(block: bytes) -> bool:
    r"""UTF-8, and lines end with \n or \r\n only."""
    if block.count(b"\r") != block.count(b"\r\n"):
        return False
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return False
    return True


@dataclass(frozen=True)
class Lines:
    """Where the lines of a block begin and end, their ends included."""

    content: bytes
    starts: Places
    ends: Places

    @classmethod
    def of(cls, block: bytes, *, but: int = 0) -> Lines:
        """All of them but the first few."""
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LF) + 1
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(block))
        starts = np.concatenate([[0], ends[:-1]])
        return cls(block, starts[but:], ends[but:])

    def texts(self) -> pa.StringArray:
        """As they are, ends included."""
        if not len(self.starts):
            return pa.array([], pa.string())
        offsets = np.append(self.starts, self.ends[-1]).astype(np.int32)
        return pa.StringArray.from_buffers(len(self.starts), pa.py_buffer(offsets), pa.py_buffer(self.content))
