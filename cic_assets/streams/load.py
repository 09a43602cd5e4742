"""Reads the folders of stream files. The model of one file: `streams/model.py`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from cic_assets.errors import PlatformError
from cic_assets.streams.columns import COLUMNS
from cic_assets.streams.model import Stream, parse_stream


class StreamFileError(PlatformError):
    """A stream file is wrong: the message gives path, key and reason."""


def load_stream(path: Path) -> Stream:
    """The stream of one YAML file.

    Raises:
        StreamFileError: unreadable, not YAML, or against the model; all reasons at once.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
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
    return ".".join(str(key) for key in keys if key not in COLUMNS) or "file"


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def load_streams(folders: Iterable[Path]) -> dict[str, Stream]:
    """All streams by id, ordered by id.

    Raises:
        StreamFileError: a file is wrong, two files have one id, or there is none.
    """
    folders = tuple(folders)
    paths = sorted({path.name: path for folder in folders for path in sorted(folder.glob("*.y*ml"))}.values())
    if not paths:
        places = ", ".join(map(str, folders))
        raise StreamFileError(f"no stream file (*.yml) in {places}: set CIC_STREAMS, or write one: cic streams new ID")
    streams: dict[str, tuple[Stream, Path]] = {}
    for path in paths:
        stream = load_stream(path)
        if stream.id in streams:
            raise StreamFileError(f"{path}: id: {stream.id!r} is taken by {streams[stream.id][1]}")
        streams[stream.id] = (stream, path)
    return {name: streams[name][0] for name in sorted(streams)}


def claimants(streams: Iterable[Stream], file_name: str) -> list[Stream]:
    """The streams whose patterns match a file name; none: nobody knows the file."""
    return [stream for stream in streams if any(fnmatch(file_name, pattern) for pattern in stream.claims)]
