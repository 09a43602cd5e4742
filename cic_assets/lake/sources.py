"""Bytes of a landed object that readers can trust: gzip undone, bombs and disguises refused, lines bounded.

Knows no formats: those are in `lake/records.py`.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, cast

GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
# Longest first: UTF-32's begins like UTF-16's.
_MARKS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"),
          (codecs.BOM_UTF16_BE, "UTF-16"))  # fmt: skip
CHUNK = 1 << 20
# A record of a charge is a few kB; a line beyond this is a broken feed and would fill the memory.
MAX_LINE_BYTES = 16 << 20
# What is kept of such a line.
KEPT_BYTES = 1000
# Operators' files shrink five- to twentyfold; zeros a thousandfold.
MAX_RATIO, FREE_BYTES = 200, 64 << 20


class UnreadableError(Exception):
    """The content is not what the stream file says it is; the message may quote it."""


class RefusedError(UnreadableError):
    """The same, and the message says nothing of the content: nothing personal can be in it."""


def opened(handle: BinaryIO, form: str) -> BinaryIO:
    """An object's bytes without gzip.

    Args:
        handle: seekable, at its start.
        form: format type of the stream; only XLSX may be a zip archive.

    Raises:
        RefusedError: empty, a zip archive in disguise, UTF-16 or UTF-32 by its mark. While reading: a gzip bomb.
    """
    head = _head(handle)
    source = cast(BinaryIO, io.BufferedReader(_Bounded(handle), CHUNK)) if head.startswith(GZIP_MAGIC) else handle
    head = _head(source)
    if not head:
        raise RefusedError("the file is empty")
    if form == "xlsx":
        return source
    if head.startswith(ZIP_MAGIC):
        raise RefusedError(f"a zip archive (or XLSX) under the name of {form}: send the files in it one by one")
    for mark, name in _MARKS:
        if head.startswith(mark):
            raise RefusedError(f"{name} by its byte order mark: have the file sent as utf-8")
    return source


def _head(source: BinaryIO) -> bytes:
    head = source.read(4)
    source.seek(0)
    return head


class _Bounded(io.RawIOBase):
    """Decompressed gzip, as long as it is no bomb."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._plain, self._count = packed, gzip.GzipFile(fileobj=packed), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._count = self._plain.seek(offset, whence)
        return self._count

    def tell(self) -> int:
        return self._plain.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._plain.read1(len(buffer))
        buffer[: len(data)] = data
        self._count += len(data)
        if self._count > FREE_BYTES and self._count > MAX_RATIO * self._packed.tell():
            packed = self._packed.tell()
            raise RefusedError(
                f"a gzip bomb: {packed:,} bytes hold more than {self._count:,}, over {MAX_RATIO} times as much"
            )
        return len(data)


def unbombed_archive(source: BinaryIO) -> BinaryIO:
    """A zip archive whose parts are no bombs.

    Raises:
        RefusedError: a bomb, or too large to be held.
    """
    packed = source.read(FREE_BYTES * 4 + 1)
    if len(packed) > FREE_BYTES * 4:
        raise RefusedError(f"a workbook of more than {FREE_BYTES * 4:,} bytes: have it sent as CSV")
    # Never more comes out of a part than its entry in the directory says.
    plain = sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(packed)).infolist())
    if plain > FREE_BYTES and plain > MAX_RATIO * len(packed):
        raise RefusedError(f"a zip bomb: {len(packed):,} bytes hold {plain:,}, over {MAX_RATIO} times as much")
    return io.BytesIO(packed)


def lines(source: BinaryIO, encoding: str) -> Iterator[tuple[str, str | None]]:
    """(text, fault) of each physical line, its end included; one bad byte spoils its own line only.

    Lines end with LF, CR LF or CR. Of a line beyond `MAX_LINE_BYTES` the start is given, and nothing of it is held.
    """
    first = True
    for line, is_whole in _raw_lines(source):
        if first:
            line, first = line.removeprefix(codecs.BOM_UTF8), False
        if not is_whole:
            yield line.decode(encoding, "replace"), f"a line is longer than {MAX_LINE_BYTES:,} bytes"
            continue
        try:
            yield line.decode(encoding), None
        except UnicodeDecodeError as error:
            yield line.decode(encoding, "replace"), f"not {encoding}: {error.reason} at byte {error.start + 1}"


def _raw_lines(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """(line, whether it is all of it)."""
    rest, too_long = b"", False
    # One read at a time: what came before a truncation is given out before the next read fails.
    while chunk := source.read1(CHUNK):  # type: ignore[attr-defined]
        # A CR at the end may be half of a CR LF.
        found = (rest + chunk).splitlines(keepends=True)
        rest = b"" if found[-1].endswith(b"\n") else found.pop()
        for line in found:
            yield _bounded(line, too_long)
            too_long = False
        if too_long or len(rest) > MAX_LINE_BYTES:
            rest, too_long = _start_of(rest), True
    if rest:
        yield _bounded(rest, too_long)


def _bounded(line: bytes, too_long: bool) -> tuple[bytes, bool]:
    return (line[:KEPT_BYTES], False) if too_long or len(line) > MAX_LINE_BYTES else (line, True)


def _start_of(line: bytes) -> bytes:
    """The start of a line that is too long; a CR at its end may still be half of its end."""
    return line[:KEPT_BYTES] + (b"\r" if line.endswith(b"\r") and len(line) > KEPT_BYTES else b"")


class Utf8:
    """A text document as UTF-8 without a byte order mark, for parsers that know nothing else.

    Attributes:
        is_spoiled: whether bytes were found that are not of its encoding; U+FFFD stands in their place.
    """

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        self._source, self._first, self.is_spoiled = source, True, False
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int = CHUNK) -> bytes:
        """Some bytes, about as many as asked for; none at the end. With 0 it says what it gives."""
        if size == 0:
            return b""
        while data := self._source.read1(CHUNK):  # type: ignore[attr-defined]
            if text := self._decoded(data, final=False):
                return text.encode()
        return self._decoded(b"", final=True).encode()

    def _decoded(self, data: bytes, *, final: bool) -> str:
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError:
            # A decoder that raises has taken nothing yet.
            self.is_spoiled, self._decoder.errors = True, "replace"
            text = self._decoder.decode(data, final)
        if self._first and text:
            text, self._first = text.removeprefix("\ufeff"), False
        return text
