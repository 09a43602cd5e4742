"""Workbooks: their sheets, row by row, whatever a workbook says of itself. What the rows mean: `formats/read.py`.

openpyxl reads the parts, but its own sheets leave out what lies beyond a stated `<dimension>`, rows whose number is not
above the one before, and cells to the right of a row's last one.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, iterparse

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils import coordinate_to_tuple, get_column_letter
from openpyxl.worksheet._reader import FORMULA_TAG, ROW_TAG, VALUE_TAG, WorkSheetParser

from cic_assets.formats.bounds import MAX_ROW_ELEMENTS, START_KEPT, UnreadableError

# What Excel calls the last row; a workbook can name any.
MAX_SHEET_ROWS = 1_048_576
# The longest text of a cell in Excel; one of 1 MB, shared by a million cells, would be a terabyte.
MAX_SHEET_TEXT = 32_767
# openpyxl finds no row in a sheet of this namespace; its root element stands at the start.
_STRICT, _STRICT_WITHIN = b"purl.oclc.org/ooxml/spreadsheetml", 4096


class Row(NamedTuple):
    """A row: its number in the sheet, its cells with a text by their column (A is 0), and why they can't be taken."""

    number: int
    cells: dict[int, str]
    fault: str | None


def sheets(content: bytes, name: str | None) -> Iterator[tuple[str, Iterator[Row]]]:
    """(name, rows) of the named sheet, or of all, in order; formulas as the results that the sender's program kept.

    Raises:
        UnreadableError: no workbook, or no such sheet.
    """
    try:
        # The zip's directory is at its end: openpyxl needs to seek.
        reader = ExcelReader(io.BytesIO(content), read_only=True, data_only=True)
        reader.read_manifest()
        reader.read_strings()
        reader.read_workbook()
        apply_stylesheet(reader.archive, reader.wb)
        found = [(sheet.name, rel.target) for sheet, rel in reader.parser.find_sheets() if "chartsheet" not in rel.Type]
        parts = set(reader.archive.namelist())
    except Exception as error:
        raise _unreadable(error) from error
    names = [title for title, _ in found]
    if name is not None and name not in names:
        raise UnreadableError(f"no sheet {name!r} among the {len(names)} of the workbook")
    # A strict workbook (ISO/IEC 29500 Strict) names its sheets in words that openpyxl does not know.
    lost = [sheet.name for sheet in reader.parser.sheets if not sheet.id]
    lost += [title for title, part in found if part not in parts]
    shared = len(found) - len({part for _, part in found})
    if shared:
        # 1.5 kB whose 5,000 names all mean one sheet took 8.6 minutes.
        raise UnreadableError(f"{shared} of its sheets are others under another name")
    if (lost and name is None) or not names:
        raise UnreadableError(f"{len(lost)} sheets without content; have it saved as an Excel workbook (.xlsx)")
    for title, part in found:
        if name in (None, title):
            yield title, _rows(reader, part)


def _unreadable(error: Exception) -> UnreadableError:
    # openpyxl raises what zipfile, its XML parser and its own casts raise, of no common class; all of it is in memory
    # by now, so no fault is the disk's. Its words may quote a cell, so only the class is told.
    return UnreadableError(f"no XLSX workbook: {type(error).__name__}")


class _Parser(WorkSheetParser):
    row_counter: int
    col_counter: int

    def rows(self) -> Iterator[tuple[int, list[dict[str, object]]]]:
        """(number, cells) of each row; of all else in a sheet nothing is made."""
        held = 0
        for _, element in iterparse(self.source):
            held += 1
            if held > MAX_ROW_ELEMENTS:
                raise UnreadableError(f"a row, or what stands beside the rows, has more than {held - 1:,} elements")
            if element.tag == ROW_TAG:
                yield self.parse_row(element)
                element.clear()
                held = 0

    def parse_row(self, row: Element) -> tuple[int, list[dict[str, object]]]:
        """Cells that hold nothing but a style are passed over: sheets have millions of them."""
        said = row.get("r")
        self.row_counter = self.row_counter + 1 if said is None else int(float(said))
        self.col_counter, passed, cells = 0, None, []
        for cell in row:
            place = cell.get("r")
            if passed is not None and place is None:
                self.col_counter = coordinate_to_tuple(passed)[1]
            if len(cell):
                cells.append(self.parse_cell(cell))
            elif place is None:
                self.col_counter += 1
            passed = None if len(cell) else place
        return self.row_counter, cells

    def parse_cell(self, element: Element) -> dict[str, object]:
        """A formula whose result was not kept stands as its own text: it is no empty cell."""
        cell: dict[str, object] = super().parse_cell(element)
        if cell["value"] is None and element.find(VALUE_TAG) is None and element.find(FORMULA_TAG) is not None:
            cell["value"] = f"={element.findtext(FORMULA_TAG)}"
        return cell


def _rows(reader: ExcelReader, part: str) -> Iterator[Row]:
    book, last = reader.wb, 0
    try:
        if _STRICT in reader.archive.open(part).read(_STRICT_WITHIN):
            raise UnreadableError("a sheet in Strict Open XML; have it saved as an Excel workbook (.xlsx)")
        with reader.archive.open(part) as source:
            parser = _Parser(
                source, reader.shared_strings, data_only=True, epoch=book.epoch, date_formats=book._date_formats,
                timedelta_formats=book._timedelta_formats,
            )  # fmt: skip
            for number, cells in parser.rows():
                # A number that stands twice, or goes back, is a lie; the row is there.
                last = max(number, last + 1)
                if last > MAX_SHEET_ROWS:
                    raise UnreadableError(f"a sheet has at most {MAX_SHEET_ROWS:,} rows")
                yield _row(last, cells)
    except UnreadableError:
        raise
    except Exception as error:
        raise _unreadable(error) from error


def _row(number: int, cells: list[dict[str, object]]) -> Row:
    texts: dict[int, str] = {}
    fault = None
    for cell in cells:
        place, text = int(str(cell["column"])) - 1, _text(cell["value"])
        if text is None:
            continue
        if place in texts:
            fault = f"two cells in column {get_column_letter(place + 1)}"
        if len(text) > MAX_SHEET_TEXT:
            text, fault = text[:START_KEPT], f"a cell of {len(text):,} characters; Excel has {MAX_SHEET_TEXT:,}"
        texts[place] = text
    return Row(number, texts, fault)


def _text(cell: object) -> str | None:
    """A cell as text: ISO for dates, hours and minutes for durations, `5` and not `5.0` for whole numbers."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, dt.timedelta):
        return _hours(cell)
    isoformat = getattr(cell, "isoformat", None)
    return isoformat() if isoformat else str(cell)


def _hours(span: dt.timedelta) -> str:
    """`26:03:04`, with a fraction where there is one; Python itself would say `1 day, 2:03:04`."""
    seconds, micros = divmod(abs(span) // dt.timedelta(microseconds=1), 1_000_000)
    sign = "-" if span < dt.timedelta() else ""
    fraction = f".{micros:06}" if micros else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
