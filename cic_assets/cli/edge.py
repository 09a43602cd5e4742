"""The edge of every `cic` command: whatever goes wrong inside is one message and an exit code, never a stack trace.

The platform's own errors say what to do (`errors.py`). The system's (`OSError`) and Postgres' are told with the place
and a way out. What is left is a defect: its stack trace goes into a log, which the message names.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from cic_assets.errors import PlatformError
from cic_assets.settings import Settings, load_settings

# Ours is the first; Dagster has the others.
_DRIVERS = ("psycopg", "psycopg2", "sqlalchemy")
# What failed has given back its part of the room.
_SCARCE_BYTES = 1 << 20
_HINTS = {
    errno.ENOSPC: "make room there and run again; nothing was replaced",
    errno.EDQUOT: "make room there and run again; nothing was replaced",
    errno.EACCES: "this user has no right to it: choose another place, or have its owner or mode changed",
    errno.EPERM: "this user has no right to it: choose another place, or have its owner or mode changed",
    errno.EROFS: "choose a place that can be written",
    errno.ENOENT: "is the path right?",
    errno.ENOTDIR: "a file stands where a folder should: choose another place, or move the file away",
    errno.EEXIST: "a file stands where a folder should: choose another place, or move the file away",
    errno.EISDIR: "a folder stands where a file should: name the file",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
}


def exit_code_of(command: Callable[[], object], say: Callable[[str], None]) -> int:
    """Runs a command.

    Args:
        command: what the user called.
        say: takes the message of what went wrong.

    Returns:
        0 done, 1 failed, 2 wrong call.
    """
    import psycopg

    try:
        command()
    except PlatformError as error:
        say(_text(error))
        return error.exit_code
    except OSError as error:
        say(of_system(error, _settings()))
        return 1
    except psycopg.Error as error:
        say(_text(error))
        return 1
    except Exception as error:
        if gone := _gone(error):
            say(f"the warehouse went away: {gone}\nrun again once it answers (`cic up`): nothing half-done stays")
            return 1
        said = _text(error).partition("\n")[0]
        say(f"unexpected {type(error).__name__}: {said}\nthis is a defect; its stack trace is in {_log(error)}")
        return 1
    return 0


def _gone(error: BaseException | None) -> str:
    """What a driver of Postgres said of its connection, wherever it stands in the chain; empty where nothing did."""
    while error is not None:
        kind = type(error)
        if kind.__name__ == "OperationalError" and kind.__module__.partition(".")[0] in _DRIVERS:
            return _text(error).partition("\n")[0]
        error = error.__cause__ or error.__context__
    return ""


def of_system(error: OSError, settings: Settings | None) -> str:
    """What the system refused: where, which setting says so, and what to do."""
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    if not place and error.errno == errno.ENOSPC:
        place = _full_place(settings)
    what = error.strerror or _text(error)
    hint = _HINTS.get(error.errno or 0)
    setting = _setting_of(place, settings) if place and settings else ""
    return (f"{place}{setting}: " if place else "") + what + (f"; {hint}" if hint else "")


def _full_place(settings: Settings | None) -> str:
    """Which of the platform's places has no room; empty where none is known."""
    places = [Path(tempfile.gettempdir())]
    if settings is not None:
        places = [settings.home, *([] if settings.lake.startswith("s3://") else [Path(settings.lake)]), *places]
    full = (place for place in places if place.exists() and shutil.disk_usage(place).free < _SCARCE_BYTES)
    return str(next(full, ""))


def _setting_of(place: str, settings: Settings) -> str:
    """The variable that says where the platform keeps what is meant, if it is one of its own places."""
    for name, root in (("CIC_LAKE", settings.lake), ("CIC_HOME", str(settings.home))):
        # Where a folder can't be made, the fault is above it.
        if Path(place).is_relative_to(root) or (name == "CIC_HOME" and Path(root).is_relative_to(place)):
            return f" ({name})"
    return ""


def _text(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


def _settings() -> Settings | None:
    try:
        return load_settings()
    except PlatformError:
        return None


def _log(error: Exception) -> Path:
    """Writes a stack trace into the home's log, or beside it where the home takes none."""
    settings = _settings()
    call = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ} {' '.join(sys.argv)}\n"
    text = call + "".join(traceback.format_exception(error)) + "\n"
    if settings is not None and settings.home.is_dir():
        path = settings.home / "cic.log"
        try:
            with path.open("a") as file:
                file.write(text)
        except OSError:
            pass
        else:
            return path
    descriptor, name = tempfile.mkstemp(prefix="cic-", suffix=".log")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return Path(name)
