"""Reads a feed's formats record by record, streaming. Each format yields what it could and could not read.

Nothing here knows streams' meaning, hashes or Parquet: that is `lake/decode.py`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError

import ijson
import openpyxl

from cic_assets.streams.model import FeedFormat

GZIP_MAGIC = b"\x1f\x8b"
# A record of a charge is a few kB; a line beyond this is a broken feed and would fill the memory.
MAX_LINE_BYTES = 16 << 20
csv.field_size_limit(MAX_LINE_BYTES)


class UnreadableError(Exception):
    """The content is not what the stream file says it is."""


@dataclass(frozen=True)
class Record:
    """One record of a feed.

    Attributes:
        line: physical line where it starts, or its ordinal in a document format; from 1.
        raw: its text as received (JSON and XLSX documents: one line of JSON).
        values: field → text; nested objects under dotted names, lists as JSON. None where it could not be read.
        fault: why it could not be read.
    """

    line: int
    raw: str
    values: dict[str, str | None] | None
    fault: str | None = None


@dataclass
class Reading:
    """Records of one file, and the field names seen in its header (CSV, XLSX) or records (JSON)."""

    records: Iterator[Record]
    columns: list[str]


def read_records(handle: BinaryIO, form: FeedFormat) -> Reading:
    """The records of one file. Faults of the file itself (truncated gzip, broken document) become a last record."""
    reading = Reading(iter(()), [])
    head = handle.read(2)
    handle.seek(0)
    source = cast(BinaryIO, gzip.GzipFile(fileobj=handle)) if head == GZIP_MAGIC else handle
    reader = _READERS[form.type]
    reading.records = _guarded(reader, source, form, reading.columns)
    return reading


_CONTENT_FAULTS = (
    gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, ParseError, ijson.JSONError, csv.Error, RecursionError,
    UnreadableError,
)  # fmt: skip
Reader = Callable[[BinaryIO, FeedFormat, list[str]], Iterator[Record]]


def _guarded(reader: Reader, source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    line = 0
    try:
        for record in reader(source, form, columns):
            line = record.line
            yield record
    except _CONTENT_FAULTS as error:
        # Faults of the content only: an error of the disk or of S3 is no operator's fault and stops the ingest.
        yield Record(line + 1, "", None, f"the file can't be read beyond record {line}: {error}")


def _lines(source: BinaryIO, encoding: str) -> Iterator[tuple[str, str | None]]:
    """(text, fault) of each line; one bad byte spoils its own line only."""
    first = True
    while line := source.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise UnreadableError(f"a line is longer than {MAX_LINE_BYTES:,} bytes")
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        try:
            yield line.decode(encoding), None
        except UnicodeDecodeError as error:
            yield line.decode(encoding, "replace"), f"not {encoding}: {error.reason} at byte {error.start + 1}"


def _csv(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    taken: list[str] = []
    faults: list[str] = []

    def feed() -> Iterator[str]:
        for text, fault in _lines(source, form.encoding):
            taken.append(text)
            if fault:
                faults.append(fault)
            yield text

    # Strict: an unclosed quote must not swallow the rows below it in silence.
    rows = csv.reader(feed(), delimiter=form.delimiter, strict=True)
    header = next(rows, None)
    if header is None:
        return
    if faults:
        raise UnreadableError(f"the header is {faults[0]}")
    columns.extend(name.strip() for name in header)
    while True:
        line, fault = rows.line_num + 1, None
        taken.clear()
        faults.clear()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            cells, fault = [], str(error)
        if cells is None:
            return
        raw = "".join(taken).rstrip("\r\n")
        if raw:
            fault = fault or "; ".join(faults) or _cell_fault(cells, columns)
            yield Record(line, raw, None if fault else _cells(cells, columns), fault)


def _cell_fault(cells: list[str], columns: list[str]) -> str | None:
    surplus = [cell for cell in cells[len(columns) :] if cell]
    if len(cells) < len(columns) or surplus:
        return f"{len(cells)} cells under a header of {len(columns)}"
    return None


def _cells(cells: list[str], columns: list[str]) -> dict[str, str | None]:
    """First column of a name wins; an empty cell is null."""
    values: dict[str, str | None] = {}
    for name, cell in zip(columns, cells, strict=False):
        values.setdefault(name, cell or None)
    return values


def _jsonl(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    for line, (text, fault) in enumerate(_lines(source, form.encoding), start=1):
        raw = text.strip()
        if not raw:
            continue
        if fault is None:
            try:
                content = json.loads(raw, parse_float=Decimal)
            except (ValueError, RecursionError) as error:
                fault = f"not JSON: {error}"
            else:
                if isinstance(content, dict):
                    # The line is where it stands in the file, for each of the records that it holds.
                    for part in _parts(content, form.each):
                        yield _document(line, raw if part is content else _compact(part), part, columns)
                    continue
                fault = "not a JSON object"
        yield Record(line, raw, None, fault)


def _json(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    """An array of objects somewhere in a document, read as a stream."""
    prefix = f"{form.records}.item" if form.records else "item"
    beside = _beside(source, form.document)
    ordinal = 0
    for content in ijson.items(source, prefix):
        if not isinstance(content, dict):
            ordinal += 1
            yield Record(ordinal, _compact(content), None, "not a JSON object")
            continue
        for part in _parts(content, form.each):
            ordinal += 1
            whole = {**part, "document": beside} if beside else part
            yield _document(ordinal, _compact(whole), whole, columns)


def _beside(source: BinaryIO, names: tuple[str, ...]) -> dict[str, str]:
    """Fields of the document itself, which may stand behind its records: a pass of its own."""
    found: dict[str, str] = {}
    if names:
        for prefix, event, value in ijson.parse(source):
            if prefix in names and event in ("string", "number", "boolean"):
                found[prefix] = str(value)
        source.seek(0)
    return found


def _parts(content: dict[str, Any], each: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The record once per element of a list in it, the element in the list's place; nothing where the list is empty."""
    if not each:
        yield content
        return
    path = each[0].split(".")
    holder: Any = content
    for key in path[:-1]:
        holder = holder.get(key) if isinstance(holder, dict) else None
    elements = holder.get(path[-1]) if isinstance(holder, dict) else None
    if not isinstance(elements, list):
        # No list where the stream file says there is one: kept, so that the judge sees a record without its fields.
        yield content
        return
    for element in elements:
        if not isinstance(element, dict):
            yield _with(content, path, element)
        else:
            for part in _parts(element, each[1:]):
                yield _with(content, path, part)


def _with(content: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A copy with another value at the path."""
    inner = value if len(path) == 1 else _with(content[path[0]], path[1:], value)
    return {**content, path[0]: inner}


def _document(line: int, raw: str, content: dict[str, Any], columns: list[str]) -> Record:
    values = dict(_flat(content))
    columns.extend(name for name in values if name not in columns)
    return Record(line, raw, values)


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, list):
            yield name, _compact(value)
        else:
            yield name, None if value in (None, "") else str(value)


def _compact(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=float)


def _xlsx(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    try:
        # The zip's directory is at its end: openpyxl needs to seek.
        book = openpyxl.load_workbook(io.BytesIO(source.read()), read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises what zipfile and its XML parser raise, of no common class
        raise UnreadableError(f"no XLSX workbook: {error}") from error
    if form.sheet is not None and form.sheet not in book.sheetnames:
        raise UnreadableError(f"no sheet {form.sheet!r}, only {', '.join(book.sheetnames)}")
    rows = (book[form.sheet] if form.sheet else book.worksheets[0]).iter_rows(values_only=True)
    columns.extend((_text(cell) or "").strip() for cell in next(rows, ()))
    for line, cells in enumerate(rows, start=2):
        texts = [_text(cell) for cell in cells]
        if any(texts):
            values: dict[str, str | None] = {}
            for name, cell in zip(columns, texts, strict=False):
                values.setdefault(name, cell)
            yield Record(line, json.dumps(values, ensure_ascii=False), values)


def _text(cell: object) -> str | None:
    """A cell as text: ISO for dates, `5` and not `5.0` for whole numbers."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    isoformat = getattr(cell, "isoformat", None)
    return isoformat() if isoformat else str(cell)


_READERS: dict[str, Reader] = {"csv": _csv, "json": _json, "jsonl": _jsonl, "xlsx": _xlsx}
