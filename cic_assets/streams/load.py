"""Reads the folders of stream files. The model of one file: `kinds/stream.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from cic_assets.errors import PlatformError
from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.kinds.stream import Stream

# What a fresh installation has, and what to do about it.
NO_STREAMS = (
    "no stream yet: write a stream file with `cic streams new ID --folder FOLDER`, and export CIC_STREAMS=FOLDER; "
    "`cic demo` and CIC_STREAMS=examples show the example feeds"
)


class StreamFileError(PlatformError):
    """A stream file is wrong: the message gives path, key and reason."""


def load_stream(path: Path) -> Stream:
    """The stream of one YAML file.

    Raises:
        StreamFileError: unreadable, not YAML, or against the model; all reasons at once.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StreamFileError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        # PyYAML lets through what Python says of 2026-02-30, of 5,000 digits and of a thousand brackets.
        raise StreamFileError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise StreamFileError(f"{path}: a stream file is a mapping of keys, starting with `id:`")
    try:
        stream = parse_stream(content)
        stream.fingerprint()
    except PydanticSerializationError as error:
        # YAML can escape half a surrogate pair.
        raise StreamFileError(f"{path}: a text in it is no UTF-8: {error}") from error
    except ValidationError as error:
        reasons = [f"{path}: {_where(fault['loc'])}: {_reason(fault['msg'])}" for fault in error.errors()]
        raise StreamFileError("\n".join(reasons)) from error
    except RecursionError as error:
        raise StreamFileError(f"{path}: columns: an expression is nested too deeply") from error
    return stream


def _where(keys: tuple[int | str, ...]) -> str:
    # The first one is the kind, by which the model was chosen.
    return ".".join(str(key) for key in keys if key not in KINDS) or "file"


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


@dataclass(frozen=True)
class BrokenFile:
    """A stream file that can't be loaded.

    Attributes:
        stream_id: whose it seems to be: its `id:`, as far as the text shows one, else its name.
        path: where it is.
        reason: path, key and reason; all reasons at once.
    """

    stream_id: str
    path: Path
    reason: str


@dataclass(frozen=True)
class StreamFiles:
    """All streams by id, ordered by id, and the files that are broken."""

    streams: dict[str, Stream]
    broken: tuple[BrokenFile, ...] = ()


def read_streams(folders: Iterable[Path]) -> StreamFiles:
    """The streams of all files that can be loaded: a broken one stops no other.

    Of a name that is in several folders, the last folder's file counts. Of two files with one id, the second is broken.
    Without a folder there is no stream, as in a fresh installation.

    Raises:
        StreamFileError: the folders have no file at all.
    """
    folders = tuple(folders)
    paths = sorted({path.name: path for folder in folders for path in sorted(folder.glob("*.y*ml"))}.values())
    streams: dict[str, tuple[Stream, Path]] = {}
    broken: list[BrokenFile] = []
    if folders and not paths:
        places = ", ".join(map(str, folders))
        raise StreamFileError(f"no stream file (*.yml) in {places}: set CIC_STREAMS, or write one: cic streams new ID")
    for path in paths:
        try:
            stream = _loaded(path)
            if stream.id in streams:
                raise StreamFileError(f"{path}: id: {stream.id!r} is taken by {streams[stream.id][1]}")
        except StreamFileError as error:
            broken.append(BrokenFile(_seems(path), path, str(error)))
            continue
        streams[stream.id] = (stream, path)
    return StreamFiles({name: streams[name][0] for name in sorted(streams)}, tuple(broken))


def load_streams(folders: Iterable[Path]) -> dict[str, Stream]:
    """All streams by id, ordered by id, where every file must be right.

    Raises:
        StreamFileError: a file is wrong, two files have one id, or the folders have none.
    """
    files = read_streams(folders)
    if files.broken:
        raise StreamFileError("\n".join(each.reason for each in files.broken))
    return files.streams


# Sensors read the files at each tick: path → (size and times, the stream or what is wrong).
_known: dict[Path, tuple[tuple[int, int, int], Stream | str]] = {}


def _loaded(path: Path) -> Stream:
    """The stream of a file; one that has not changed is not read again."""
    try:
        found = path.stat()
    except OSError as error:
        raise StreamFileError(f"{path}: {error.strerror}") from error
    stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if path not in _known or _known[path][0] != stamp:
        try:
            _known[path] = (stamp, load_stream(path))
        except StreamFileError as error:
            _known[path] = (stamp, str(error))
    result = _known[path][1]
    if isinstance(result, str):
        raise StreamFileError(result)
    return result


_ID = re.compile(r"""^id:[ \t]*["']?([\w-]+)""", re.MULTILINE)


def _seems(path: Path) -> str:
    try:
        found = _ID.search(path.read_bytes().decode("utf-8", "replace"))
    except OSError:
        found = None
    return found[1] if found else path.stem


def claimants(streams: Iterable[Stream], file_name: str) -> list[Stream]:
    """The streams whose patterns match a file name; none: nobody knows the file."""
    return [stream for stream in streams if any(fnmatch(file_name, pattern) for pattern in stream.claims)]
