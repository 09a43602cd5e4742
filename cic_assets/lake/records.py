"""Reads a feed's formats record by record, streaming. Each format yields what it could and could not read.

Nothing here knows streams' meaning, hashes or Parquet: that is `lake/decode.py`.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple
from xml.etree.ElementTree import ParseError

import openpyxl

from cic_assets.lake.bounds import MAX_DEPTH, MAX_LINE_BYTES, MAX_PARTS_CHARS, NAMES_KEPT, START_KEPT, UnreadableError
from cic_assets.lake.inflate import inflated, workbook_bytes
from cic_assets.lake.json_text import AmbiguousError, array_elements, compact, is_deeper, parse, scalars
from cic_assets.streams.model import FeedFormat

GZIP_MAGIC = b"\x1f\x8b"
# What some senders deliver in place of text; each read as text would give rows of noise.
_DISGUISES = {
    b"PK\x03\x04": "a zip archive or workbook",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"PAR1": "Parquet",
    b"%PDF": "a PDF",
    codecs.BOM_UTF32_LE: "UTF-32 text",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    GZIP_MAGIC: "packed twice",
}
# What Excel calls the last row; a workbook can name any, and openpyxl would make up all rows before it.
MAX_SHEET_ROWS = 1_048_576
csv.field_size_limit(MAX_LINE_BYTES)


@dataclass(frozen=True)
class Record:
    """One record of a feed.

    Attributes:
        line: physical line where it starts, or its ordinal in a document format; from 1.
        raw: its text as received (JSON and XLSX documents: one line of JSON); of a line beyond `MAX_LINE_BYTES` its
            start. Empty where a fault is the file's.
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
    reading.records = _guarded(handle, form, reading.columns)
    return reading


_CONTENT_FAULTS = (
    gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, ParseError, csv.Error, RecursionError, UnreadableError,
)  # fmt: skip
Reader = Callable[[BinaryIO, FeedFormat, list[str]], Iterator[Record]]


def _guarded(handle: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    line = 0
    try:
        source = _unpacked(handle)
        _refuse_disguise(source, form)
        for record in _READERS[form.type](source, form, columns):
            line = record.line
            yield record
    except _CONTENT_FAULTS as error:
        # Faults of the content only: an error of the disk or of S3 is no operator's fault and stops the ingest.
        yield Record(line + 1, "", None, f"the file can't be read beyond record {line}: {error}")


def _unpacked(handle: BinaryIO) -> BinaryIO:
    head = handle.read(2)
    handle.seek(0)
    return inflated(handle) if head == GZIP_MAGIC else handle


def _refuse_disguise(source: BinaryIO, form: FeedFormat) -> None:
    head = source.read(4)
    source.seek(0)
    if not head:
        raise UnreadableError("it is empty")
    for magic, what in _DISGUISES.items():
        if form.type != "xlsx" and head.startswith(magic):
            raise UnreadableError(f"it is {what} and not {form.type} in {form.encoding}; have it sent as that")


class Line(NamedTuple):
    """A physical line as text, what is wrong with its bytes, and whether only its start was kept."""

    text: str
    fault: str | None
    is_start: bool


def _lines(source: BinaryIO, encoding: str) -> Iterator[Line]:
    """The physical lines; one bad byte, or a line without end, spoils its own line only."""
    first = True
    for line, length in _physical(source):
        if first:
            line, first = line.removeprefix(codecs.BOM_UTF8), False
        if length > MAX_LINE_BYTES:
            fault = f"a line of {length:,} bytes; at most {MAX_LINE_BYTES:,} are read"
            yield Line(line.decode(encoding, "replace"), fault, True)
            continue
        try:
            yield Line(line.decode(encoding), None, False)
        except UnicodeDecodeError as error:
            fault = f"not {encoding}: {error.reason} at byte {error.start + 1}"
            yield Line(line.decode(encoding, "replace"), fault, False)


def _physical(source: BinaryIO) -> Iterator[tuple[bytes, int]]:
    r"""(line, its length) by \n, \r\n and lone \r; of a line beyond the limit only the start is held."""
    line, length = b"", 0
    while chunk := source.readline(MAX_LINE_BYTES):
        for part in chunk.splitlines(keepends=True) if b"\r" in chunk else (chunk,):
            if length + len(part) <= MAX_LINE_BYTES:
                line += part
            elif length <= MAX_LINE_BYTES:
                line = (line + part)[:START_KEPT]
            length += len(part)
            if part.endswith((b"\n", b"\r")):
                yield line, length
                line, length = b"", 0
    if length:
        yield line, length


def _csv(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    taken: list[str] = []
    faults: list[str] = []

    def feed() -> Iterator[str]:
        for line in _lines(source, form.encoding):
            taken.append(line.text)
            if line.fault:
                faults.append(line.fault)
            if sum(map(len, taken)) > MAX_LINE_BYTES:
                raise UnreadableError(f"a record of {len(taken)} lines is longer than {MAX_LINE_BYTES:,} bytes")
            # A quote in what is known of a long line must not draw the rows below it into a cell.
            yield "\n" if line.is_start else line.text

    # Strict: an unclosed quote must not swallow the rows below it in silence.
    rows = csv.reader(feed(), delimiter=form.delimiter, strict=True)
    header = next(rows, [])
    if faults:
        raise UnreadableError(f"the header is {faults[0]}")
    if not any(header):
        raise UnreadableError("its first line has no names")
    if "\0" in "".join(header):
        raise UnreadableError(f"the header holds NUL: it is not {form.encoding}")
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
    for number, line in enumerate(_lines(source, form.encoding), start=1):
        raw = line.text.strip()
        if not raw:
            continue
        if line.fault:
            yield Record(number, raw, None, line.fault)
            continue
        try:
            content = parse(raw)
        except (ValueError, AmbiguousError, RecursionError) as error:
            yield Record(number, raw, None, f"not JSON: {error}")
            continue
        # The line is where it stands in the file, for each of the records that it holds.
        for record in _records(content, raw, form, {}, columns):
            yield Record(number, *record)


def _json(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    """An array of objects somewhere in a document, read as a stream."""
    beside = _beside(source, form) if form.document else {}
    ordinal = 0
    for element in array_elements(source, form.encoding, form.records):
        if element.fault:
            ordinal += 1
            yield Record(ordinal, element.text, None, element.fault)
            continue
        for record in _records(element.value, None, form, beside, columns):
            ordinal += 1
            yield Record(ordinal, *record)


def _beside(source: BinaryIO, form: FeedFormat) -> dict[str, str]:
    """Fields of the document itself, which may stand behind its records: a pass of its own."""
    found: dict[str, str] = {}
    # Where the document breaks, the pass over its records breaks too, after those before, and says so.
    with suppress(*_CONTENT_FAULTS):
        for name, text in scalars(source, form.encoding):
            if name in form.document:
                found[name] = text
    source.seek(0)
    return found


_Read = tuple[str, dict[str, str | None] | None, str | None]


def _records(
    content: Any, raw: str | None, form: FeedFormat, beside: dict[str, str], columns: list[str]
) -> Iterator[_Read]:
    """(raw, values, fault) of each record that a piece of JSON holds; without `raw` as received, it is written anew."""
    if is_deeper(content, MAX_DEPTH):
        yield raw or "{…}", None, f"objects or lists are nested more than {MAX_DEPTH} deep"
        return
    if not isinstance(content, dict):
        yield raw or compact(content), None, "not a JSON object"
        return
    written = 0
    for part in _parts(content, form.each):
        whole = {**part, "document": beside} if beside else part
        text = raw if raw and whole is content else compact(whole)
        written += len(text)
        if written > MAX_PARTS_CHARS:
            # Each element of a list repeats what stands around it: 1 MB around a list of 1 M would be a terabyte.
            raise UnreadableError(f"the parts of one record have more than {MAX_PARTS_CHARS:,} characters together")
        values = dict(_flat(whole))
        if len(columns) < NAMES_KEPT:
            columns.extend(name for name in values if name not in columns)
        yield text, values, None


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


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, list):
            yield name, compact(value)
        else:
            yield name, None if value in (None, "") else str(value)


def _xlsx(source: BinaryIO, form: FeedFormat, columns: list[str]) -> Iterator[Record]:
    rows = _sheet_rows(workbook_bytes(source), form.sheet)
    columns.extend((_text(cell) or "").strip() for cell in next(rows, ()))
    if not any(columns):
        raise UnreadableError("the sheet's first row has no names")
    for line, cells in enumerate(rows, start=2):
        if line > MAX_SHEET_ROWS:
            raise UnreadableError(f"a sheet has at most {MAX_SHEET_ROWS:,} rows")
        texts = [_text(cell) for cell in cells]
        if any(texts):
            values: dict[str, str | None] = {}
            for name, cell in zip(columns, texts, strict=False):
                values.setdefault(name, cell)
            yield Record(line, json.dumps(values, ensure_ascii=False), values)


def _sheet_rows(content: bytes, name: str | None) -> Iterator[tuple[object, ...]]:
    """The rows of a sheet, formulas as the results that the sender's program kept with them."""
    try:
        # The zip's directory is at its end: openpyxl needs to seek.
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        if name is not None and name not in book.sheetnames:
            raise UnreadableError(f"no sheet {name!r}, only {', '.join(book.sheetnames)}")
        sheet = book[name] if name else book.worksheets[0]
        yield from islice(sheet.iter_rows(values_only=True), MAX_SHEET_ROWS + 1)
    except UnreadableError:
        raise
    except Exception as error:
        # openpyxl raises what zipfile, its XML parser and its own casts raise, of no common class; all of it is in
        # memory by now, so no fault is the disk's. Its words may quote a cell, so only the class is told.
        raise UnreadableError(f"no XLSX workbook: {type(error).__name__}") from error


def _text(cell: object) -> str | None:
    """A cell as text: ISO for dates, `5` and not `5.0` for whole numbers."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    isoformat = getattr(cell, "isoformat", None)
    return isoformat() if isoformat else str(cell)


_READERS: dict[str, Reader] = {"csv": _csv, "json": _json, "jsonl": _jsonl, "xlsx": _xlsx}
