"""Reads a feed's formats record by record, streaming. Each format yields what it could and could not read.

Nothing here knows streams' meaning, hashes or Parquet: that is `ingest/decoded.py`.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, count, islice, zip_longest
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from cic_assets.formats.bounds import (
    MAX_CELLS_CHARS,
    MAX_CELLS_RATIO,
    MAX_DEPTH,
    MAX_LINE_BYTES,
    MAX_PARTS_CHARS,
    MAX_PARTS_RATIO,
    NAMES_KEPT,
    START_KEPT,
    UnreadableError,
)
from cic_assets.formats.csv import Line, Lines, later_lines
from cic_assets.formats.feed import FeedFormat, Unpivot
from cic_assets.formats.inflate import inflated, workbook_bytes
from cic_assets.formats.json_parts import flat, parts, whole
from cic_assets.formats.json_text import (
    AmbiguousError,
    Element,
    array_elements,
    compact,
    is_deeper,
    parse,
    scalars,
)
from cic_assets.formats.xlsx import Row, sheets

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
# Signs of no width, and the mark at a file's start, that exports leave around names and in cells that show nothing.
_UNSEEN = "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
AROUND = _UNSEEN + "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())
_PIECE_BYTES = 1 << 20
# Names of columns of which is remembered what they are; a feed whose keys are ids has as many as records.
_NAMES_PLACED = 10_000
# Under so many names, a sheet's empty cells are told one by one.
_COLUMNS_IN_FULL = 256
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
        position: where it stands in the lists of `FeedFormat.each`, outer to inner, from 1: `2.1`.
    """

    line: int
    raw: str
    values: dict[str, str | None] | None
    fault: str | None = None
    position: str | None = None


@dataclass
class Reading:
    """Records of one file, and the names of its fields.

    Attributes:
        records: read as they are asked for.
        columns: field names seen in the header (CSV, XLSX) or records (JSON) so far; a name that stands twice in a
            header is numbered (`kWh (1)`, `kWh (2)`).
        copies: numbered name → the name in the header.
        header_faults: why no row of the table can be taken, once somebody has looked.
    """

    records: Iterator[Record]
    columns: list[str]
    copies: dict[str, str] = field(default_factory=dict)
    header_faults: list[str] | None = None
    _noted: set[str] = field(default_factory=set)
    _read: int = 0
    _written: int = 0

    def note(self, names: Iterable[str]) -> None:
        """Keeps names of fields, up to `NAMES_KEPT` of a file."""
        if len(self.columns) >= NAMES_KEPT or self._noted.issuperset(names):
            return
        new = islice((name for name in names if name not in self._noted), NAMES_KEPT - len(self.columns))
        for name in list(new):
            self._noted.add(name)
            self.columns.append(name)

    def add(self, names: Iterable[str]) -> None:
        """Adds names of fields that are made of others, behind those of a table's header."""
        if not self._noted.issuperset(names):
            self.note(sorted({*names} - {*self.columns}))
            self._noted |= {*names}

    def count_parts(self, read: int, written: int) -> None:
        """Says no to lists that repeat what stands around them: of 1 MB around 1 M elements, a terabyte would come."""
        self._read += read
        self._written += written
        if self._written > MAX_PARTS_CHARS + MAX_PARTS_RATIO * self._read:
            raise UnreadableError(f"the parts of its records have more than {self._written:,} characters together")

    def open_table(self, header: list[str]) -> None:
        """Takes the names of a table's header."""
        names = [name.strip(AROUND) for name in header]
        taken, times = {*names}, Counter(names)
        # One number after the other for each name: a header may have a million.
        numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(1))
        for name in names:
            numbered = name
            if name and times[name] > 1:
                numbered = next(text for number in numbers[name] if (text := f"{name} ({number})") not in taken)
                self.copies[numbered] = name
            self.columns.append(numbered)


def read_records(handle: BinaryIO, form: FeedFormat, record_level: int | None = None) -> Reading:
    """The records of one file. Faults of the file itself (truncated gzip, broken document) become a last record.

    Args:
        handle: the bytes.
        form: how they are read.
        record_level: how many of `form.each`, outer to inner, a record needs; where a deeper list is empty or absent,
            what stands around it is a record. All if not said.
    """
    reading = Reading(iter(()), [])
    level = len(form.each) if record_level is None else record_level
    reading.records = _guarded(handle, form, reading, level)
    return reading


def unpivoted(records: Iterable[Record], unpivot: Unpivot, reading: Reading) -> Iterator[Record]:
    """Each record once per number or text that `#` or `*` stands for in the names of its filled columns.

    The columns go, the fields that the stream file names come. A record in which all of them are empty is one: it is
    there, and what it lacks is for the judge to say.
    """
    place = _places(unpivot)
    made = {unpivot.key, *unpivot.fields}
    for record in records:
        if record.values is None:
            yield record
            continue
        around: dict[str, str | None] = {}
        groups: dict[str, dict[str, str | None]] = {}
        for name, text in record.values.items():
            field_name, key = place(name)
            if field_name:
                groups.setdefault(key, {})[field_name] = text
            else:
                around[name] = text
        if twice := made & around.keys():
            raise UnreadableError(f"it has {', '.join(sorted(twice))} already, which unpivot makes: name another there")
        if groups:
            reading.add(made)
        filled = {key: cells for key, cells in groups.items() if not all(map(is_blank, cells.values()))}
        nothing = dict.fromkeys(made)
        for key, cells in filled.items():
            reading.count_parts(len(record.raw) // len(filled), len(record.raw) + len(around))
            yield replace(record, values={**around, **nothing, unpivot.key: key, **cells})
        if not filled:
            yield replace(record, values={**around, **nothing})


def _places(unpivot: Unpivot) -> Callable[[str], tuple[str, str]]:
    """From a column's name to the field that it is read into and what `#` or `*` is in it; empty texts for others.

    Of two patterns the one with more signs holds: `connector*_kw` before `connector*`.
    """
    by_length = sorted(unpivot.fields.items(), key=lambda each: (-len(each[1]), each[0]))
    patterns = [
        (name, re.compile(re.escape(text).replace(r"\*", "(.+)").replace(r"\#", "([0-9]+)")))
        for name, text in by_length
    ]

    @lru_cache(maxsize=_NAMES_PLACED)
    def place(column: str) -> tuple[str, str]:
        found = ((name, pattern.fullmatch(column)) for name, pattern in patterns)
        return next(((name, match[1]) for name, match in found if match), ("", ""))

    return place


def is_blank(text: str | None) -> bool:
    """Whether a cell shows nothing: empty, or only spaces and signs of no width."""
    return text is None or not text.strip(AROUND)


CONTENT_FAULTS = (
    gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, ParseError, csv.Error, RecursionError, UnreadableError,
)  # fmt: skip
Reader = Callable[[BinaryIO, FeedFormat, Reading, int], Iterator[Record]]


def _guarded(handle: BinaryIO, form: FeedFormat, reading: Reading, level: int) -> Iterator[Record]:
    line = 0
    try:
        source = unpacked(handle)
        _refuse_disguise(source, form)
        records = _READERS[form.type](source, form, reading, level)
        for record in unpivoted(records, form.unpivot, reading) if form.unpivot else records:
            line = record.line
            yield record
    except CONTENT_FAULTS as error:
        # Faults of the content only: an error of the disk or of S3 is no operator's fault and stops the ingest.
        yield Record(line + 1, "", None, f"the file can't be read beyond record {line}: {error}")


def unpacked(handle: BinaryIO) -> BinaryIO:
    """The content of a file, by its first bytes; reading raises where it is broken."""
    head = handle.read(2)
    handle.seek(0)
    return inflated(handle) if head == GZIP_MAGIC else handle


def _refuse_disguise(source: BinaryIO, form: FeedFormat) -> None:
    if what := disguise(source, form):
        raise UnreadableError(what)


def disguise(source: BinaryIO, form: FeedFormat) -> str | None:
    """What a file is in place of text, by its first bytes; None where it may be what the stream file says."""
    head = source.read(4)
    source.seek(0)
    if not head:
        return "it is empty"
    for magic, what in _DISGUISES.items():
        if form.type != "xlsx" and head.startswith(magic):
            return f"it is {what} and not {form.type} in {form.encoding}; have it sent as that"
    return None


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
    line, length, held = b"", 0, b""
    piece = min(_PIECE_BYTES, MAX_LINE_BYTES)
    while chunk := held + source.readline(piece):
        # Of \r\n the second half may come with the next piece.
        is_split = chunk.endswith(b"\r") and chunk != held
        chunk, held = (chunk[:-1], b"\r") if is_split else (chunk, b"")
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


def _csv(source: BinaryIO, form: FeedFormat, reading: Reading, level: int) -> Iterator[Record]:
    lines, above = _below_header(_lines(source, form.encoding), form)
    table = Lines(lines, form.delimiter, first_line=above + 1)
    if form.names:
        reading.open_table(list(form.names))
    else:
        _open_csv(table, form, reading)
    columns = tuple(reading.columns)
    width, is_named = len(columns), "" not in columns
    while True:
        cells, fault = table.record()
        if cells is None:
            return
        taken = table.taken
        if stray := fault or (len(taken) > 1 and table.rows_in(cells, width)):
            table.give_back()
            fault = _MISSING.format(stray)
        raw = "".join([line.text for line in taken]).rstrip("\r\n")
        fault = fault or table.fault()
        if fault is None and all(map(is_blank, cells)):
            continue
        fault = fault or _cell_fault(cells, width)
        if fault is not None:
            yield Record(table.line, raw, None, fault)
        elif is_named and len(cells) == width:
            yield Record(table.line, raw, {name: cell or None for name, cell in zip(columns, cells, strict=True)})
        else:
            yield Record(table.line, raw, _cells(cells, columns))


# How Excel is told the delimiter: the first line of what it is to open.
_SEP = "sep="


def _below_header(lines: Iterator[Line], form: FeedFormat) -> tuple[Iterator[Line], int]:
    """The lines from the header on, and how many stand above it: `sep=;`, and as many as the stream file says."""
    above, first = 0, next(lines, None)
    if first is not None and first.text.lower().startswith(_SEP) and len(first.text.rstrip("\r\n")) == len(_SEP) + 1:
        if (sign := first.text[len(_SEP)]) != form.delimiter:
            raise UnreadableError(f"its first line says sep={sign}, and the stream file delimiter {form.delimiter!r}")
        above, first = 1, None
    rest = lines if first is None else chain([first], lines)
    skipped = sum(1 for _ in islice(rest, form.skip_lines))
    if skipped < form.skip_lines:
        raise UnreadableError(f"it has no more than {skipped} lines, and skip_lines is {form.skip_lines}")
    return rest, above + skipped


def _open_csv(table: Lines, form: FeedFormat, reading: Reading) -> None:
    header, fault = table.record()
    if fault or table.fault():
        raise UnreadableError(f"the header is {fault or table.fault()}")
    if not header or not any(header):
        raise UnreadableError("its first line has no names")
    if "\0" in "".join(header):
        raise UnreadableError(f"the header holds NUL: it is not {form.encoding}")
    names = table.taken[0].text.count(form.delimiter)
    if names and any(line.count(form.delimiter) >= names for line in later_lines(header)):
        raise UnreadableError("the header holds lines that look like rows: a quote is missing or one too many")
    reading.open_table(header)


_MISSING = "a quote is missing or one too many ({}); the lines below it were read by themselves"


def _cell_fault(cells: list[str], width: int) -> str | None:
    if len(cells) < width or not all(map(is_blank, cells[width:])):
        return f"{len(cells)} cells under a header of {width}"
    return None


def _cells(cells: Sequence[str | None], columns: Sequence[str]) -> dict[str, str | None]:
    """An empty cell is null; what stands under no name is a text, or several as a JSON list, under the empty name."""
    values: dict[str, str | None] = {}
    unnamed = []
    for name, cell in zip_longest(columns, cells, fillvalue=None):
        if name:
            values[name] = cell or None
        elif not is_blank(cell):
            unnamed.append(cell)
    if "" in columns or unnamed:
        values[""] = compact(unnamed) if len(unnamed) > 1 else next(iter(unnamed), None)
    return values


def _jsonl(source: BinaryIO, form: FeedFormat, reading: Reading, level: int) -> Iterator[Record]:
    for number, line in enumerate(_lines(source, form.encoding), start=1):
        yield from json_line(number, line, form, reading, level)


def json_line(number: int, line: Line, form: FeedFormat, reading: Reading, level: int) -> Iterator[Record]:
    """The records in a line of JSON; none in a blank one. `reading` notes their names."""
    raw = line.text.strip(AROUND)
    if not raw:
        return
    if line.fault:
        yield Record(number, raw, None, line.fault)
        return
    try:
        content = parse(raw)
    except (ValueError, AmbiguousError, RecursionError) as error:
        yield Record(number, raw, None, f"not JSON: {error}")
        return
    # The line is where it stands in the file, for each of the records that it holds.
    for record in _records(content, raw, len(raw), form, {}, reading, level):
        yield Record(number, *record)


def _json(source: BinaryIO, form: FeedFormat, reading: Reading, level: int) -> Iterator[Record]:
    """An array of objects somewhere in a document, read as a stream."""
    beside = _beside(source, form) if form.document else {}
    ordinal = 0
    elements = _document(source, form) if form.single else array_elements(source, form.encoding, form.records)
    for element in elements:
        if element.fault:
            ordinal += 1
            yield Record(ordinal, element.text, None, element.fault)
            continue
        for record in _records(element.value, None, element.size, form, beside, reading, level):
            ordinal += 1
            yield Record(ordinal, *record)


def _document(source: BinaryIO, form: FeedFormat) -> Iterator[Element]:
    """A document that is one record; held as a whole, so it is no longer than a line may be."""
    content = source.read(MAX_LINE_BYTES + 1)
    if len(content) > MAX_LINE_BYTES:
        raise UnreadableError(f"a single record of more than {MAX_LINE_BYTES:,} bytes; name its list in `records`")
    try:
        text = content.decode(form.encoding).removeprefix("\ufeff")
        yield Element(parse(text), size=len(text))
    except (ValueError, AmbiguousError) as error:
        raise UnreadableError(f"no JSON in {form.encoding}: {error}") from error


def _beside(source: BinaryIO, form: FeedFormat) -> dict[str, str]:
    """Fields of the document itself, which may stand behind its records: a pass of its own."""
    found: dict[str, str] = {}
    # Where the document breaks, the pass over its records breaks too, after those before, and says so.
    with suppress(*CONTENT_FAULTS):
        for name, text in scalars(source, form.encoding):
            if name in form.document:
                found[name] = text
    source.seek(0)
    return found


_Read = tuple[str, dict[str, str | None] | None, str | None, str | None]


def _records(
    content: Any, raw: str | None, size: int, form: FeedFormat, beside: dict[str, str], reading: Reading, level: int
) -> Iterator[_Read]:
    """(raw, values, fault, position) of each record in a piece of JSON; without `raw` as received, it is written anew.

    Args:
        content: the piece.
        raw: its text as received, if known.
        size: how many characters it had.
        form: says which lists in it are split.
        beside: what stands beside all records.
        reading: notes the names.
        level: as in `read_records`.
    """
    if is_deeper(content, MAX_DEPTH):
        yield raw or "{…}", None, f"objects or lists are nested more than {MAX_DEPTH} deep", None
        return
    if not isinstance(content, dict):
        yield raw or compact(content), None, "not a JSON object", None
        return
    if beside:
        content, raw = {**content, "document": beside}, None
    is_empty = True
    for part in parts(content, form.each, level) if form.each else (whole(content, raw),):
        is_empty = False
        reading.count_parts(size, part.cost)
        size = 0
        values = dict(part.pairs)
        reading.note(values)
        if len(values) < len(part.pairs):
            yield part.text, None, "a field stands twice, under its dotted name and in its object", None
        else:
            yield part.text, values, None, ".".join(map(str, part.places)) or None
    if is_empty:
        # No record, but where its lists go by another name than the stream file says, somebody must see the name.
        reading.note(dict(flat(content)))


_NO_NAMES = "the sheet's row {} has no names"


def _xlsx(source: BinaryIO, form: FeedFormat, reading: Reading, level: int) -> Iterator[Record]:
    """The named sheet; else the first that is not empty and all others under the same names, in whatever order.

    A sheet under another header is a fault of its own. Lines run on from sheet to sheet.
    """
    line, header, chars = 0, None, 0
    empty: dict[str, str | None] = {}
    columns: tuple[str, ...] = ()
    content, size = workbook_bytes(source)
    for number, (_, found) in enumerate(sheets(content, form.sheet), 1):
        below = (row for row in found if row.number > form.skip_lines)
        rows: Iterator[Row] = (row for row in below if not all(map(is_blank, row.cells.values())))
        offset = line
        first = next(rows, None)
        if first is None:
            continue
        if form.names:
            rows, names = chain([first], rows), list(form.names)
        else:
            names = _sheet_header(first) if first.number == form.skip_lines + 1 else []
        line = offset + first.number
        if header is None:
            if not names:
                raise UnreadableError(_NO_NAMES.format(form.skip_lines + 1))
            header = names
            reading.open_table(header)
            columns = tuple(reading.columns)
            # Cells without a text are null; a row of one cell under 16,384 names is no more than that.
            if len(header) <= _COLUMNS_IN_FULL:
                empty = dict.fromkeys(sorted(columns, key=lambda name: not name))
        order = _order(names, header)
        if order is None:
            # Not its name: some have a sheet per driver.
            said = f"sheet {number} was not read, its header is another: say in format.sheet which sheet to read"
            yield Record(line, "", None, said)
            continue
        for row in rows:
            line = offset + row.number
            chars += sum(map(len, row.cells.values()))
            if chars > MAX_CELLS_CHARS + MAX_CELLS_RATIO * size:
                raise UnreadableError(f"its cells have more than {chars:,} characters together")
            yield _sheet_record(line, _ordered(row, order), columns, empty)
    if header is None:
        raise UnreadableError(_NO_NAMES.format(form.skip_lines + 1))


def _order(names: list[str], header: list[str]) -> dict[int, int] | None:
    """Where the first sheet's header has the columns of a sheet, where elsewhere; None if the sheet has others."""
    if names == header:
        return {}
    # Which of two columns of one name is which, only their places tell.
    if sorted(names) != sorted(header) or len({*header}) < len(header):
        return None
    places = {name: place for place, name in enumerate(header)}
    return {place: places[name] for place, name in enumerate(names)}


def _ordered(row: Row, order: dict[int, int]) -> Row:
    return row._replace(cells={order.get(place, place): text for place, text in row.cells.items()}) if order else row


def _sheet_header(row: Row) -> list[str]:
    names = [row.cells.get(place, "").strip(AROUND) for place in range(max(row.cells) + 1)]
    while names and not names[-1]:
        names.pop()
    return names


def _sheet_record(line: int, row: Row, columns: Sequence[str], empty: dict[str, str | None]) -> Record:
    values = empty.copy()
    unnamed = []
    for place, text in sorted(row.cells.items()):
        name = columns[place] if place < len(columns) else ""
        if name:
            values[name] = text
        elif not is_blank(text):
            unnamed.append(text)
    if unnamed:
        values[""] = compact(unnamed) if len(unnamed) > 1 else unnamed[0]
    return Record(line, json.dumps(values, ensure_ascii=False), None if row.fault else values, row.fault)


_READERS: dict[str, Reader] = {"csv": _csv, "json": _json, "jsonl": _jsonl, "xlsx": _xlsx}
