"""Files that others put into a folder: those that stand still, in order of their names."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from cic_assets.fetch.errors import FetchError
from cic_assets.kinds.source import FolderSource


@dataclass(frozen=True)
class SettledFile:
    r"""A file, and by what another content under its name is told: its size and when it was written to.

    Attributes:
        name: its path as text; a byte that is no UTF-8 stands as \xNN.
    """

    path: Path
    name: str
    byte_count: int
    headers: Mapping[str, str]

    @property
    def megabytes(self) -> float:
        """Of it, in millions of bytes."""
        return self.byte_count / 1_000_000


def settled_files(source: FolderSource, claims: Iterable[str], now: dt.datetime) -> list[SettledFile]:
    """The files of the folder that the stream claims; those that are still written to, links and such are left.

    Raises:
        FetchError: the folder is not there or can't be read, as one that is not mounted.
    """
    claims = tuple(claims)
    try:
        with os.scandir(source.path) as entries:
            names = sorted(entry.name for entry in entries if any(fnmatch(entry.name, claim) for claim in claims))
    except OSError as error:
        raise FetchError(f"{source.path}: {error.strerror}: is it mounted?") from error
    found = []
    for name in names:
        path = Path(source.path, name)
        try:
            info = path.lstat()
        except FileNotFoundError:
            continue
        written_at = dt.datetime.fromtimestamp(info.st_mtime, dt.UTC)
        # One that is dated ahead, by a clock that is wrong, stands still as well as one of long ago.
        if not stat.S_ISREG(info.st_mode) or abs(now - written_at) < source.settled:
            continue
        headers = {"content-length": str(info.st_size), "modified-ns": str(info.st_mtime_ns)}
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        found.append(SettledFile(path, shown, info.st_size, headers))
    return found
