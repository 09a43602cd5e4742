"""Opening files that others put somewhere: regular files only, never through a link, never waiting for a pipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from cic_assets.errors import PlatformError

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
)


class NotAFileError(PlatformError):
    """What stands under a name is no regular file; the message says what it is."""


def oddity(path: Path) -> str | None:
    """What stands there in place of a regular file; None for a regular file.

    Raises:
        OSError: nothing is there, or it may not be looked at.
    """
    return _oddity(path.lstat().st_mode)


def _oddity(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return next((name for is_one, name in _KINDS if is_one(mode)), "a device")


def open_regular(path: Path) -> BinaryIO:
    """The bytes of a regular file.

    Looked at before it is opened, as opening a device may do something, and after, as another may stand there by then.

    Raises:
        NotAFileError: it is a link, folder, pipe, socket or device.
        OSError: nothing is there, or it may not be read.
    """
    _demand_regular(path, path.lstat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _demand_regular(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _demand_regular(path: Path, mode: int) -> None:
    found = _oddity(mode)
    if found:
        raise NotAFileError(f"{path} is {found}; only regular files are read: give the file itself")
