"""SHA-256 of the lake's files: taken while they are read or written for something else, or once per process."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from cic_assets.lake.zones import FileInfo, Lake, LakeError


class LakeDamagedError(LakeError):
    """A file of the lake is not what was put there, or is gone; the message names it. Nothing was replaced."""


# By place, size and times: a file that was written anew is another one.
_known: dict[tuple[object, ...], str] = {}


def digest_of(lake: Lake, info: FileInfo) -> str:
    """SHA-256 of a file's bytes; read once per process.

    Raises:
        LakeError: it can't be read.
    """
    key: tuple[object, ...] = (lake.uri(info.path), info.size, info.modified_at)
    with suppress(OSError):
        # A disk's own time of change, which nobody sets.
        key = key if lake.is_on_s3 else (*key, Path(lake.root, info.path).stat().st_ctime_ns)
    if key not in _known:
        with lake.read(info.path) as handle:
            _known[key] = hashlib.file_digest(cast(io.BufferedReader, handle), "sha256").hexdigest()
    return _known[key]


class HashedReader(io.RawIOBase):
    """A file that is hashed as far as it is read, in whatever order; `hexdigest` reads what is left."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._hash, self._end = source, hashlib.sha256(), 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True: workbooks are read from their end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As the file's."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """As the file's."""
        return self._source.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As the file's; what comes for the first time is hashed."""
        start = self._source.tell()
        block = self._source.read(len(buffer))
        buffer[: len(block)] = block
        if start <= self._end < start + len(block):
            self._hash.update(block[self._end - start :])
            self._end = start + len(block)
        return len(block)

    def hexdigest(self) -> str:
        """SHA-256 of the whole file."""
        self._source.seek(self._end)
        while block := self._source.read(1 << 20):
            self._hash.update(block)
            self._end += len(block)
        return self._hash.hexdigest()


@contextmanager
def checked(source: BinaryIO, sha256: str, said: str) -> Iterator[BinaryIO]:
    """A file's bytes as a stream; at the end of the block they are known to be those with this SHA-256.

    Raises:
        LakeDamagedError: they are others, whatever error they led to; the message is `said`.
    """
    hashed = HashedReader(source)
    try:
        yield cast(BinaryIO, io.BufferedReader(hashed, 1 << 20))
    except Exception as error:
        # One with a number is a disk's. Without, it may be what the other bytes led to, such as a gzip that is none.
        if getattr(error, "errno", None) is None and hashed.hexdigest() != sha256:
            raise LakeDamagedError(said) from error
        raise
    if hashed.hexdigest() != sha256:
        raise LakeDamagedError(said)


class HashedWriter(io.RawIOBase):
    """A file that is hashed and counted as it is written, from its start to its end."""

    def __init__(self, target: BinaryIO) -> None:
        self._target, self._hash, self.size = target, hashlib.sha256(), 0

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]
        """As the file's."""
        self._hash.update(block)
        count = self._target.write(block)
        self.size += count
        return count

    def flush(self) -> None:
        """As the file's."""
        if not self._target.closed:
            self._target.flush()

    def hexdigest(self) -> str:
        """SHA-256 of what was written."""
        return self._hash.hexdigest()
