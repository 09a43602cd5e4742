"""Reads a feed's formats record by record, streaming. Each format yields what it could and could not read.

Nothing here knows streams' meaning, hashes or Parquet: that is `lake/decode.py`.
"""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from gzip import BadGzipFile
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import ijson
import openpyxl

from cic_assets.lake.sources import (
    CHUNK,
    MAX_LINE_BYTES,
    RefusedError,
    UnreadableError,
    Utf8,
    lines,
    opened,
    unbombed_archive,
)
from cic_assets.streams.model import FeedFormat

csv.field_size_limit(MAX_LINE_BYTES + CHUNK)
# Names that are kept of one file's records; a feed of objects with ids as keys has a new one with every record.
MAX_COLUMNS = 2000
TOO_DEEP = "nested too deeply"


@dataclass(frozen=True)
class Record:
    """One record of a feed.

    Attributes:
        line: physical line where it starts, or its ordinal in a document format; from 1.
        raw: its text as received (JSON and XLSX documents: one line of JSON).
        values: field → text; nested objects under dotted names, lists as JSON. None where it could not be read.
        fault: why it could not be read.
        quotes: whether the fault may quote what was sent.
    """

    line: int
    raw: str
    values: dict[str, str | None] | None
    fault: str | None = None
    quotes: bool = True


@dataclass
class Reading:
    """Records of one file, and the field names seen in its header (CSV, XLSX) or records (JSON)."""

    records: Iterator[Record]
    columns: list[str]


def read_records(handle: BinaryIO, form: FeedFormat) -> Reading:
    """The records of one file. Faults of the file itself (truncated gzip, broken document) become a last record."""
    reading = Reading(iter(()), [])
    reading.records = _guarded(_READERS[form.type], handle, form, reading.columns)
    return reading


_CONTENT_FAULTS = (
    BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, ParseError, ijson.JSONError, csv.Error, RecursionError,
    UnreadableError,
    # The parser of documents makes half a surrogate pair of `\\ud83d`, which is no UTF-8.
    UnicodeDecodeError,
)  # fmt: skip
Reader = Callable[[BinaryIO, FeedFormat, list[str]], Iterator[Record]]


def _guarded(reader: Reader, handle: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    line = 0
    try:
        for record in reader(opened(handle, form.type), form, columns):
            line = record.line
            yield record
    except _CONTENT_FAULTS as error:
        # Faults of the content only: an error of the disk or of S3 is no operator's fault and stops the ingest.
        where = f"beyond record {line}" if line else "at all"
        quotes = not isinstance(error, RefusedError)
        yield Record(line + 1, "", None, f"the file can't be read {where}: {error}", quotes)


def _csv(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    taken: list[str] = []
    faults: list[str] = []

    def feed() -> Iterator[str]:
        for text, fault in lines(source, form.encoding):
            taken.append(text)
            if fault:
                faults.append(fault)
            # A part of a line may hold a quote that would swallow the lines below it.
            yield text if fault is None or text.endswith(("\n", "\r")) else "\n"

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
    for line, (text, fault) in enumerate(lines(source, form.encoding), start=1):
        raw = text.strip()
        if not raw:
            continue
        content = fault or _object(raw)
        if isinstance(content, str):
            yield Record(line, raw, None, content)
            continue
        # The line is where it stands in the file, for each of the records that it holds.
        for part in _parts(content, form.each):
            yield _document(line, raw if part is content else _compact(part), part, columns)


def _object(raw: str) -> dict[str, Any] | str:
    """The object in a line, or why there is none."""
    twice: list[str] = []
    try:
        content = json.loads(raw, parse_float=Decimal, object_pairs_hook=lambda pairs: _unique(pairs, twice))
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if twice:
        return _ambiguous(twice)
    return content if isinstance(content, dict) else "not a JSON object"


def _unique(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    """The object of some pairs, noting keys that occur twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice.extend(sorted({key for key in keys if keys.count(key) > 1}))
    return content


def _ambiguous(twice: list[str]) -> str:
    # RFC 8259 leaves open which one counts, so we don't guess.
    return f"the key {twice[0]!r} occurs twice in one object"


class _Keys(dict[str, Any]):
    """An object that notes a key which occurs twice."""

    twice = ""

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            self.twice = key
        super().__setitem__(key, value)


def _twice_in(content: Any) -> list[str]:
    """A key that occurs twice in one of the objects, if there is one."""
    if isinstance(content, _Keys) and content.twice:
        return [content.twice]
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    for value in inner:
        if isinstance(value, (dict, list)) and (found := _twice_in(value)):
            return found
    return []


def _json(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    """An array of objects somewhere in a document, read as a stream."""
    beside = _beside(source, form)
    text = Utf8(source, form.encoding)
    ordinal = 0
    for content in ijson.items(text, f"{form.records}.item" if form.records else "item", map_type=_Keys):
        fault = _fault_of(content)
        for part in [content] if fault else _parts(content, form.each):
            ordinal += 1
            whole = {**part, "document": beside} if beside and not fault else part
            yield _judged(ordinal, whole, columns, fault, is_spoiled=text.is_spoiled)
    if ordinal == 0:
        _demand_list(source, form)


def _fault_of(content: Any) -> str:
    """Why a record of a document is none; empty if it is one."""
    if not isinstance(content, dict):
        return "not a JSON object"
    try:
        twice = _twice_in(content)
    except RecursionError:
        return TOO_DEEP
    return _ambiguous(twice) if twice else ""


def _judged(ordinal: int, content: Any, columns: list[str], fault: str, *, is_spoiled: bool) -> Record:
    """A record of a document, or why it is none."""
    try:
        raw = _compact(content)
    except RecursionError:
        return Record(ordinal, f"({TOO_DEEP} to be shown)", None, TOO_DEEP)
    if not fault and is_spoiled and "\ufffd" in raw:
        fault = "bytes that are not of the stream's encoding"
    return Record(ordinal, raw, None, fault) if fault else _document(ordinal, raw, content, columns)


def _demand_list(source: BinaryIO, form: FeedFormat) -> None:
    """A document without records has an empty list where they belong, or something is wrong."""
    source.seek(0)
    found: dict[str, None] = {}
    for prefix, event, _ in ijson.parse(Utf8(source, form.encoding)):
        if event == "start_array":
            if prefix == form.records:
                return
            found[prefix or "the document itself"] = None
    there = ", ".join(list(found)[:10]) or "none"
    raise UnreadableError(f"no list at {form.records or 'the top'!r} (format.records); there are lists at: {there}")


def _beside(source: BinaryIO, form: FeedFormat) -> dict[str, str]:
    """Fields of the document itself, which may stand behind its records: a pass of its own."""
    found: dict[str, str] = {}
    if form.document:
        for prefix, event, value in ijson.parse(Utf8(source, form.encoding)):
            if prefix in form.document and event in ("string", "number", "boolean"):
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
    try:
        values = dict(_flat(content))
    except RecursionError:
        return Record(line, raw, None, TOO_DEEP)
    if len(columns) < MAX_COLUMNS:
        known = set(columns)
        columns.extend(name for name in values if name not in known)
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
    """One line of JSON; figures keep their digits, which Python's own writer would send through a double."""
    if isinstance(content, dict):
        pairs = (f"{json.dumps(key, ensure_ascii=False)}:{_compact(value)}" for key, value in content.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(content, list):
        return f"[{','.join(map(_compact, content))}]"
    return str(content) if isinstance(content, Decimal) else json.dumps(content, ensure_ascii=False)


def _xlsx(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    try:
        # The zip's directory is at its end: openpyxl needs to seek.
        book = openpyxl.load_workbook(unbombed_archive(source), read_only=True, data_only=True)
    except UnreadableError:
        raise
    except Exception as error:  # openpyxl raises what zipfile and its XML parser raise, of no common class
        raise UnreadableError(f"no XLSX workbook: {error}") from error
    if form.sheet is not None and form.sheet not in book.sheetnames:
        raise UnreadableError(f"no sheet {form.sheet!r}, only {', '.join(book.sheetnames)}")
    rows = _rows(book[form.sheet] if form.sheet else book.worksheets[0])
    columns.extend((_text(cell) or "").strip() for cell in next(rows, ()))
    for line, cells in enumerate(rows, start=2):
        texts = [_text(cell) for cell in cells]
        if any(texts):
            values: dict[str, str | None] = {}
            for name, cell in zip(columns, texts, strict=False):
                values.setdefault(name, cell)
            yield Record(line, json.dumps(values, ensure_ascii=False), values)


def _rows(sheet: Any) -> Iterator[tuple[object, ...]]:
    """The values of a sheet's rows; of a formula, what it gave when the workbook was saved."""
    try:
        yield from sheet.iter_rows(values_only=True)
    except Exception as error:  # of no common class either: a sheet is parsed while it is read
        raise UnreadableError(f"a broken sheet: {error}") from error


def _text(cell: object) -> str | None:
    """A cell as text: ISO for dates, `5` and not `5.0` for whole numbers."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    isoformat = getattr(cell, "isoformat", None)
    return isoformat() if isoformat else str(cell)


_READERS: dict[str, Reader] = {"csv": _csv, "json": _json, "jsonl": _jsonl, "xlsx": _xlsx}
