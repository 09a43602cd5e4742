"""How a file of an unknown feed is read: its format, where its records are, and their fields."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from cic_assets.errors import PlatformError
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import GZIP_MAGIC, read_records
from cic_assets.onboard.fields import KEPT, Field, fields_of

_DELIMITERS = (",", ";", "\t", "|")
_START = 1 << 20
_ZIP = b"PK\x03\x04"
# Of a document: when it was made.
_MADE_AT = ("timestamp", "generated", "generated_at", "created", "created_at", "last_updated", "updated_at", "time")


class SampleError(PlatformError):
    """A sample says nothing; the message says what was looked for."""


@dataclass(frozen=True)
class Shape:
    """A file as it can be read.

    Attributes:
        format: its keys, as a stream file has them.
        because: key → what was seen.
        fields: of its records.
        levels: JSON: the lists within records, outer to inner, as far as they go.
    """

    format: Mapping[str, Any]
    because: Mapping[str, str]
    fields: Mapping[str, Field]
    levels: tuple[str, ...] = ()
    document: Mapping[str, str] = field(default_factory=dict)


def shape_of(path: Path) -> Shape:
    """What a file is and has.

    Raises:
        SampleError: it has no records that can be read.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(GZIP_MAGIC):
        with gzip.open(path) as packed:
            try:
                start = packed.read(_START)
            except (OSError, EOFError) as error:
                raise SampleError(f"{path}: {error}") from error
    if not start.strip():
        raise SampleError(f"{path} is empty")
    if start.startswith(_ZIP):
        return _with_fields(path, {"type": "xlsx"}, {"type": "it begins as a workbook does"})
    text = start.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text[:1] in ("{", "["):
        return _json(path, text)
    return _table(path, start)


def _with_fields(path: Path, form: dict[str, Any], because: dict[str, str], **more: Any) -> Shape:
    with path.open("rb") as file:
        reading = read_records(file, FeedFormat(**form))
        found = fields_of(record.values for record in islice(reading.records, KEPT) if record.values)
    if not found:
        raise SampleError(f"{path}: read as {form['type']}, it has no records")
    return Shape(form, because, found, **more)


def _table(path: Path, start: bytes) -> Shape:
    encoding = "utf-8"
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        # A character may be cut at the end of what was looked at.
        encoding = "utf-8" if error.start > len(start) - 4 else "cp1252"
        text = start.decode(encoding, "replace")
    lines = text.lstrip("\ufeff").splitlines()[:200]
    widths = {sign: Counter(len(row) for row in csv.reader(lines, delimiter=sign)) for sign in _DELIMITERS}
    # The sign by which most lines have equally many cells, the more cells the better.
    sign = max(_DELIMITERS, key=lambda each: (_regular(widths[each]), -_DELIMITERS.index(each)))
    width, count = widths[sign].most_common(1)[0]
    form: dict[str, Any] = {"type": "csv"}
    because = {"type": f"{count} of {sum(widths[sign].values())} lines have {width} cells"}
    if sign != ",":
        form["delimiter"] = sign
    if encoding != "utf-8":
        form["encoding"] = encoding
        because["encoding"] = "it is no UTF-8"
    above = _above(lines, sign, width)
    if above:
        form["skip_lines"] = above
        because["skip_lines"] = f"the first line with {width} cells is line {above + 1}"
    return _with_fields(path, form, because)


def _regular(widths: Counter[int]) -> float:
    width, count = widths.most_common(1)[0]
    return 0.0 if width < 2 else count / sum(widths.values()) + min(width, 50) / 1000


def _above(lines: list[str], sign: str, width: int) -> int:
    """Lines above the header: those with fewer cells, or that leave most of them empty."""
    rows = [sum(bool(cell.strip()) for cell in row) for row in csv.reader(lines, delimiter=sign)]
    usual = sorted(rows)[len(rows) // 2]
    for number, count in enumerate(rows[:20]):
        if count * 2 > min(usual, width) and not (number == 0 and lines[0].startswith("sep=")):
            return number
    return 0


def _json(path: Path, text: str) -> Shape:
    """A document, or an object a line."""
    first, _, second = text.partition("\n")
    try:
        is_lines = isinstance(json.loads(first), dict) and second.lstrip()[:1] in ("{", "")
    except ValueError:
        is_lines = False
    if is_lines and second.strip():
        return _with_fields(path, {"type": "jsonl"}, {"type": "each line is an object"})
    content = _document(path)
    lists = sorted(_lists(content), key=lambda each: -len(each[1]))
    if not lists:
        if not isinstance(content, dict):
            raise SampleError(f"{path}: JSON without an object in a list")
        return _with_fields(path, {"type": "json", "single": True}, {"single": "the document is one record"})
    records, elements = lists[0]
    form: dict[str, Any] = {"type": "json"}
    because = {"type": f"a list of {len(elements)} objects" + (f" stands under `{records}`" if records else "")}
    if records:
        form["records"] = records
    beside = content if isinstance(content, dict) else {}
    document = {name: str(value) for name, value in beside.items() if name in _MADE_AT and isinstance(value, str)}
    if document:
        form["document"] = sorted(document)[:1]
        because["document"] = f"`{form['document'][0]}` says when it was made"
    levels = tuple(_levels(elements))
    return _with_fields(
        path, form | ({"each": list(levels)} if levels else {}), because, levels=levels, document=document
    )


def _document(path: Path) -> Any:
    content = path.read_bytes()
    try:
        return json.load(io.BytesIO(gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content))
    except (ValueError, OSError, EOFError, RecursionError) as error:
        raise SampleError(f"{path} begins as JSON does, and can't be read: {error}") from error


def _lists(content: Any, path: str = "") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The lists of objects that a document has outside of lists: (dotted path, objects)."""
    if isinstance(content, list):
        objects = [each for each in content if isinstance(each, dict)]
        if objects:
            yield path, objects
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _lists(value, f"{path}.{name}" if path else name)


# Lists of a location or CDR that are no parts of it that have a state, a price or a place.
_BESIDE = ("images", "directions", "capabilities", "facilities", "related_locations", "status_schedule", "energy_mix",
           "regular_hours", "exceptional_openings", "exceptional_closings", "charging_periods", "dimensions", "tariffs",
           "energy_sources", "environ_impact")  # fmt: skip


def _levels(elements: list[dict[str, Any]]) -> Iterator[str]:
    """Lists of objects within records, outer to inner: at each level the one that most have."""
    while elements:
        counted: Counter[str] = Counter()
        for each in elements[:500]:
            counted.update({path for path, _ in _lists(each) if path.rpartition(".")[2] not in _BESIDE})
        if not counted:
            return
        path = counted.most_common(1)[0][0]
        yield path
        elements = [inner for each in elements[:500] for name, found in _lists(each) if name == path for inner in found]
