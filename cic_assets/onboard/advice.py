"""What to try where a stream file and a file of its feed don't fit: delimiter, sheet, encoding, names, numbers.

Guesses for people, made of names, of bytes' encodings and of single values; nothing is decided by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import BinaryIO

from cic_assets.formats.bounds import UnreadableError
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.inflate import workbook_bytes
from cic_assets.formats.read import Reading, read_records
from cic_assets.formats.xlsx import sheets
from cic_assets.ingest.personal import MASKED, Guard
from cic_assets.kinds.personal import looks_personal
from cic_assets.kinds.stream import Stream

_DELIMITERS = (";", ",", "\t", "|")
# Of a file that is no UTF-8; the first that reads all of it is told.
_ENCODINGS = ("cp1252", "utf-16")
# A file without a header has a person's first row where the names should be.
_VALUE = re.compile(r"\d{5}|@|[\r\n]|.{80}|^[\d.,:/ -]+$", re.DOTALL)
_DECIMAL_COMMA = re.compile(r"'[^'\d]*\d{1,3}(?:[. ]?\d{3})*,\d{1,4}[^'\d,]*'")
_THOUSANDS = re.compile(r"'[^'\d]*\d{1,3}(?:,\d{3})+(?:\.\d+)?[^'\d,]*'")
_SIGN = re.compile(r"'(?P<before>[^'\d.,+-]*)[+-]?\d[\d.,' ]*(?P<after>[^'\d]*)'")
_LOOKED_AT = 16 << 20
_QUIET_HOURS = 9


def shown_names(guard: Guard) -> list[str]:
    """The names in a file's header or records; what looks like a value is none."""
    return [MASKED if _VALUE.search(name) else name for name in guard.names(guard.reading.columns)]


def is_row(names: Sequence[str]) -> bool:
    """Whether the names of a table look like the values of a row: half of them do."""
    return 0 < len(names) <= 2 * sum(map(bool, map(_VALUE.search, names)))


def of_missing(missing: Sequence[str], guard: Guard, handle: BinaryIO) -> str:
    """What may be meant where a file has not the fields that a stream file reads."""
    stream, reading = guard.stream, guard.reading
    form = stream.format
    if form.type == "csv" and len(reading.columns) == 1:
        # One cell of names: the line is split by another sign.
        counts = {sign: reading.columns[0].count(sign) for sign in _DELIMITERS if sign != form.delimiter}
        best = max(counts, key=lambda sign: counts[sign])
        if counts[best]:
            return f": the header is one cell with {counts[best]} {best!r} in it: say `format.delimiter: {best!r}`"
    if form.type == "xlsx":
        number = _sheet_with(handle, stream)
        if number is not None:
            return f": sheet {number} of the workbook has the fields: say its name in format.sheet"
    if is_row(reading.columns):
        return ": the first line looks like a row, not like names: say the columns' names in format.names"
    names = [name for name in reading.columns if not _VALUE.search(name)]
    folded = {name.casefold(): name for name in names}
    close = {name: get_close_matches(name.casefold(), folded, n=1) for name in missing}
    said = [f"{folded[found[0]]} for {name}" for name, found in close.items() if found]
    return f": is it {', '.join(said)}?" if said else ""


def _sheet_with(handle: BinaryIO, stream: Stream) -> int | None:
    """The place of the first sheet whose header has all required fields; None if there is none."""
    handle.seek(0)
    try:
        content, _ = workbook_bytes(handle)
        titles = [title for title, _ in sheets(content, None)]
        for number, title in enumerate(titles, start=1):
            form = stream.format.model_copy(update={"sheet": title})
            if {*stream.required_fields} <= {*_names(handle, form)}:
                return number
    except UnreadableError:
        return None
    return None


def _names(handle: BinaryIO, form: FeedFormat) -> list[str]:
    handle.seek(0)
    reading = read_records(handle, form)
    next(reading.records, None)
    return reading.columns


def of_absent(stream: Stream, reading: Reading) -> str:
    """Which names of a held file look like the personal fields that it lacks."""
    names = [name for name in reading.columns if looks_personal(name) and name not in stream.personal_fields]
    return f"; of its fields {', '.join(names)} may be meant" if names and not is_row(reading.columns) else ""


def of_bytes(handle: BinaryIO, stream: Stream) -> str:
    """In which encoding a file reads that does not in the stream file's."""
    if stream.format.type == "xlsx":
        return ""
    content = _start(handle)
    if _reads(content, stream.format.encoding):
        return ""
    found = next((name for name in ("utf-8", *_ENCODINGS) if _reads(content, name)), None)
    return f": the bytes are no {stream.format.encoding}; say `format.encoding: {found}`" if found else ""


def of_encoding(handle: BinaryIO, stream: Stream) -> Iterator[str]:
    """A hint where a file is read in an encoding that takes all bytes, and they are UTF-8."""
    form = stream.format
    if form.type == "xlsx" or form.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii"):
        return
    content = _start(handle)
    if not content.isascii() and _reads(content, "utf-8"):
        yield f"the file is read as {form.encoding} and is plain UTF-8: letters beyond ASCII come out wrong"


def _start(handle: BinaryIO) -> bytes:
    """The beginning of a file, unpacked if it can be."""
    from cic_assets.formats.inflate import inflated
    from cic_assets.formats.read import GZIP_MAGIC

    handle.seek(0)
    is_packed = handle.read(2) == GZIP_MAGIC
    handle.seek(0)
    try:
        content = (inflated(handle) if is_packed else handle).read(_LOOKED_AT)
    except (OSError, EOFError, UnreadableError):
        return b""
    # The last line may end within a letter.
    return content if len(content) < _LOOKED_AT else content[: content.rfind(b"\n") + 1]


def _reads(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def of_values(stream: Stream, column: str, values: str) -> str:
    """What to say in `numbers` where a number is written in another way than 1234.5.

    Args:
        stream: whose file it is.
        column: of the stream file.
        values: fields and texts as `name='text'`.
    """
    if stream.COLUMNS[column].type != "number":
        return ""
    said = []
    if _DECIMAL_COMMA.search(values) and not _THOUSANDS.search(values):
        said.append('decimal: ","')
    elif _THOUSANDS.search(values):
        said.append('thousands: ","')
    if (found := _SIGN.search(values)) is not None:
        signs = [sign.strip() for sign in (found["before"], found["after"]) if sign.strip()]
        said += [f'signs: ["{sign}"]' for sign in signs if len(sign) <= 3]
    return f" (or say `numbers: {{{', '.join(said)}}}`)" if said else ""


def quiet_at_daytime(hours: Sequence[int]) -> tuple[int, int] | None:
    """The quietest nine hours of a day (first, the hour after the last) if they lie in the day; else None.

    In Dundee, Perth and the Ticino they start at 22 or 23 o'clock.
    """
    if not sum(hours):
        return None
    sums = {first: sum(hours[(first + n) % len(hours)] for n in range(_QUIET_HOURS)) for first in range(len(hours))}
    least = min(sums.values())
    quietest = [first for first, starts in sums.items() if starts == least]
    if any(first >= 18 or first <= 3 for first in quietest):
        return None
    return quietest[0], (quietest[-1] + _QUIET_HOURS) % len(hours)
