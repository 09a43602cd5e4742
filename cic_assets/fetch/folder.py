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
    """A file, and by what another content under its name is told: its size and when it was written to."""

    path: Path
    byte_count: int
    headers: Mapping[str, str]


def settled_files(source: FolderSource, claims: Iterable[str], now: dt.datetime) -> list[SettledFile]:
    """The files of the folder that the stream claims; those that are still written to, links and such are left.

    Raises:
        FetchError: the folder is not there or can't be read, as one that is not mounted, or a file is too long.
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
        if not stat.S_ISREG(info.st_mode) or now - written_at < source.settled:
            continue
        if info.st_size > source.limits.megabytes * 1_000_000:
            raise FetchError(f"{path}: more than {source.limits.megabytes:g} MB (limits.megabytes)")
        headers = {"content-length": str(info.st_size), "modified-ns": str(info.st_mtime_ns)}
        found.append(SettledFile(path, info.st_size, headers))
    return found
