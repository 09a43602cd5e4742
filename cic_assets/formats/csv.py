"""The lines of a CSV file for Python's `csv`; what a stray quote hides is read again.

What rows mean: `formats/read.py`.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from cic_assets.formats.bounds import MAX_CELL_CHARS, MAX_CELL_LINES

# From so many columns on, a line with as many delimiters inside a cell is a row that stray quotes drew in.
_COLUMNS_OF_A_TABLE = 4
# What is read ahead for a quote that closes nowhere: so many characters of any file, and a line counts as so many more.
FREE_CHARS, _LINE_COST = 4 << 20, 64


class Line(NamedTuple):
    """A physical line as text, what is wrong with its bytes, and whether only its start was kept."""

    text: str
    fault: str | None
    is_start: bool


class Lines:
    """The lines of a table for `csv`, of which some are read ahead and come again.

    `csv` asks for a second line while a quote is open. Where that was a stray one, the lines behind it are records of
    their own. Each sign read in vain is paid with one that was read before, so that a file takes no more than twice
    its time: 25,000 lines that each close a quote and open another took more than 40 s.

    Attributes:
        taken: the lines of the record under way.
        line: the number of the first of them.
    """

    def __init__(self, lines: Iterator[Line], delimiter: str, first_line: int = 1) -> None:
        self.lines, self.delimiter = lines, delimiter
        self.again: deque[Line] = deque()
        self.taken: list[Line] = []
        self.line, self.credit = first_line, FREE_CHARS
        self.rows = self._reader()

    def _reader(self) -> Iterator[list[str]]:
        # Strict: an unclosed quote must not swallow the rows below it in silence.
        return csv.reader(self._feed(), delimiter=self.delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        taken, again, lines, ahead = self.taken, self.again, self.lines, 0
        while line := again.popleft() if again else next(lines, None):
            if taken:
                ahead += len(line.text) + _LINE_COST
                if len(taken) > MAX_CELL_LINES or ahead > min(MAX_CELL_CHARS, self.credit):
                    # `csv` finds the quote open at the end of what it was given.
                    again.appendleft(line)
                    return
            else:
                ahead = 0
            taken.append(line)
            # A quote in what is known of a long line must not draw the rows below it into a cell.
            yield "\n" if line.is_start else line.text

    def record(self) -> tuple[list[str] | None, str | None]:
        """(cells, why they can't be read) of the next record; None for cells at the end."""
        self.line += len(self.taken)
        self.credit += self._cost()
        self.taken.clear()
        try:
            return next(self.rows, None), None
        except csv.Error as error:
            self.rows = self._reader()
            return [], str(error)

    def _cost(self) -> int:
        return _LINE_COST * len(self.taken) + sum([len(line.text) for line in self.taken])

    def give_back(self) -> None:
        """Keeps the first line of the record; those behind it come again."""
        self.credit -= self._cost()
        self.again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
        self.rows = self._reader()

    def fault(self) -> str | None:
        """What is wrong with the bytes of the record."""
        return "; ".join([line.fault for line in self.taken if line.fault]) or None

    def rows_in(self, cells: list[str], width: int) -> str | None:
        """Why a record of several lines is none, though its quotes are right: in a cell are rows of the table."""
        within = later_lines(cells)
        if width >= _COLUMNS_OF_A_TABLE:
            are_rows = any(line.count(self.delimiter) >= width - 1 for line in within)
        else:
            # An address may have a comma too; a row begins like the one above it.
            first = _shape(self.taken[0].text.lstrip('"').split(self.delimiter)[0])
            rows = [line.split(self.delimiter) for line in within if line.count(self.delimiter) == width - 1 > 0]
            are_rows = any(_shape(row[0]) == first for row in rows)
        return "lines in a cell look like rows" if are_rows else None


def later_lines(cells: list[str]) -> list[str]:
    """The lines in cells that do not begin one."""
    return [line for cell in cells if "\n" in cell or "\r" in cell for line in cell.splitlines()[1:]]


def _shape(text: str) -> str:
    """How an id is made: `a0-a` of CP12-B."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text.strip()))
