"""Packed content, unpacked within bounds: gzip as a stream, workbooks as bytes whose directory was looked at."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import TYPE_CHECKING, BinaryIO, cast

from cic_assets.formats.bounds import (
    MAX_INFLATED_BYTES,
    MAX_RATIO,
    MAX_WORKBOOK_BYTES,
    MAX_WORKBOOK_INFLATED_BYTES,
    RATIO_FROM_BYTES,
    UnreadableError,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def inflated(handle: BinaryIO) -> BinaryIO:
    """The content of a gzip file; reading raises UnreadableError where it is a bomb."""
    return cast(BinaryIO, io.BufferedReader(_Inflated(handle), 1 << 18))


class _Inflated(io.RawIOBase):
    def __init__(self, handle: BinaryIO) -> None:
        self.packed, self.content, self.count = handle, gzip.GzipFile(fileobj=handle), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.count = self.content.seek(offset, whence)
        return self.count

    def readinto(self, buffer: WriteableBuffer) -> int:
        # What comes before a break is handed over first.
        found = self.content.read1(len(memoryview(buffer)))
        memoryview(buffer)[: len(found)] = found
        self.count += len(found)
        refuse_bomb(self.count, self.packed.tell(), MAX_INFLATED_BYTES)
        return len(found)


def refuse_bomb(inflated_bytes: int, packed_bytes: int, most: int) -> None:
    """Says no to content that unpacks to far more than a feed would.

    Raises:
        UnreadableError: more than `most` bytes, or beyond the first 4 MiB more than 200 times its packed size.
    """
    if inflated_bytes > most:
        raise UnreadableError(f"it unpacks to more than {most:,} bytes")
    if inflated_bytes > RATIO_FROM_BYTES and inflated_bytes > MAX_RATIO * packed_bytes:
        raise UnreadableError(f"it unpacks to more than {MAX_RATIO} times its size: a bomb, or one line over and over")


def workbook_bytes(source: BinaryIO) -> tuple[bytes, int]:
    """A workbook's bytes, if its directory promises to fit into memory; zipfile reads no more than is promised.

    Returns:
        (its bytes, how many its parts have, unpacked).

    Raises:
        UnreadableError: no zip, or too large, packed or unpacked.
    """
    content = source.read(MAX_WORKBOOK_BYTES + 1)
    if len(content) > MAX_WORKBOOK_BYTES:
        raise UnreadableError(f"the workbook is larger than {MAX_WORKBOOK_BYTES:,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            promised = sum(part.file_size for part in archive.infolist())
    except Exception as error:  # zipfile raises BadZipFile, struct.error, ValueError, NotImplementedError and more
        raise UnreadableError(f"no XLSX workbook: {type(error).__name__}") from error
    refuse_bomb(promised, len(content), MAX_WORKBOOK_INFLATED_BYTES)
    return content, promised
