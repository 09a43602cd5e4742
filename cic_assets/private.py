"""What the platform keeps on this machine is its owner's alone: folders 0700, files 0600.

New files get these modes by the umask that each process sets at its edge. Folders of earlier releases, which may be
open to other users, are closed once; who opens one on purpose afterwards (a sink that runs as another user) keeps that.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

UMASK = 0o077
# Lists the folders that were closed, one a line.
_CLOSED = "closed_folders"


def set_umask() -> None:
    """New files and folders of this process and its children are its user's alone."""
    os.umask(UMASK)


def close_folders(home: Path, *others: Path) -> None:
    """Takes others' rights on home and other folders, such as the local lake, away: once for each."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    marker = home / _CLOSED
    done = marker.read_text().splitlines() if marker.exists() else []
    folders = [str(home), *map(str, others)]
    new = [folder for folder in dict.fromkeys(folders) if folder not in done]
    if not new:
        return
    for folder in new:
        _close(Path(folder))
    with marker.open("a") as file:
        file.writelines(f"{folder}\n" for folder in new)
    marker.chmod(0o600)


def _close(folder: Path) -> None:
    """This folder's and its contents' modes without group's and others'; links are left alone, as are others' files."""
    for place, _, files in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in files)):
            with suppress(FileNotFoundError, PermissionError):
                mode = path.lstat().st_mode
                if not stat.S_ISLNK(mode) and mode & UMASK:
                    path.chmod(stat.S_IMODE(mode) & ~UMASK)
