"""`cic streams new`: a stream file to start from; each kind has a template of its own keys."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.streams.load import StreamFileError, load_stream

_HEAD = """\
id: {id}
kind: {kind}
description: What this feed is and how it comes.
provider: {id: my-provider, name: My Provider}
authority: {id: E10000000, name: My County Council}
# The clock of the *_local columns, and of the days that facts are about.
zone: Europe/London
"""
_TAIL = """\
# Fields about persons, such as RFID tokens: they become keyed hashes, and only fields named in this file are shown.
personal_fields: []
licence: as agreed with the operator
contact: data@example.org
"""
_EXPRESSIONS = """\
columns:
  # One Spark SQL expression per column (`cic streams functions`); fields of the feed by name, in backticks where they
  # have spaces. *_local: the wall clock of `zone`; *_at: an instant with its offset, `concat(x, 'Z')` if it is UTC."""
NEW_KINDS = tuple(KINDS)


def write_new(folder: Path, stream_id: str, kind: str) -> Path:
    """Writes a stream file to start from, and its folder.

    Args:
        folder: where it goes; made if it isn't there.
        stream_id: of the new stream.
        kind: one of `NEW_KINDS`.

    Raises:
        StreamFileError: the id can't be one, or the file is there already.
        OSError: the folder takes none.
    """
    text = _HEAD + KINDS[kind].template + _TAIL
    for name, value in {"expressions": _EXPRESSIONS, "kind": kind, "id": stream_id}.items():
        text = text.replace(f"{{{name}}}", value)
    try:
        parse_stream(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise StreamFileError(
            f"{stream_id!r} is no id of a stream: give a-z, 0-9, _ and -, such as acme_{kind}"
        ) from error
    return write_file(folder, stream_id, text)


def write_file(folder: Path, stream_id: str, text: str) -> Path:
    """Writes a new stream file, and its folder.

    Raises:
        StreamFileError: it is there already, or it can't be loaded.
        OSError: the folder takes none.
    """
    path = folder / f"{stream_id}.yml"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StreamFileError(f"{path} is there already: choose another id, or edit that file") from None
    load_stream(path)
    return path
