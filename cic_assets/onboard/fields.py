"""What the values of a feed's fields are like: numbers, times and how they are written, words. Evidence, no meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

# So many values of a field are looked at.
KEPT = 50_000
# A share from which on a field is what its values are; exports have odd cells.
MOSTLY = 0.9
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_INSTANT = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{_CLOCK}(?:Z|[+-]\d{{2}}:?\d{{2}})")
_ISO_LOCAL = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{_CLOCK}")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_DATE = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}|\d{{2}})(?: +({_CLOCK})( ?[AaPp]\.?[Mm]\.?)?)?")
_TIME = re.compile(rf"{_CLOCK}( ?[AaPp]\.?[Mm]\.?)?")
# Words of a vocabulary are few.
_MOST_WORDS = 25


@dataclass(frozen=True)
class DateForm:
    """How a date, with or without a time of day, is written in some values.

    Attributes:
        sign: between its parts.
        years: digits of the year.
        clock: of the time of day behind it, `HH:mm`, `H:mm:ss`, `h:mm a` …; empty for a date alone.
        count: values of this form.
        day_first: values that only a day in front makes dates of.
        month_first: values that only a month in front does.
    """

    sign: str
    years: int
    clock: str
    count: int
    day_first: int
    month_first: int

    def pattern(self, *, day_first: bool) -> str:
        """As Spark writes it."""
        parts = ["dd", "MM"] if day_first else ["MM", "dd"]
        date = self.sign.join([*parts, "y" * self.years])
        return f"{date} {self.clock}" if self.clock else date


@dataclass(frozen=True)
class Field:
    """A field of the feed, and its values that show something, in the order of the file, at most `KEPT`.

    Attributes:
        name: dotted, as expressions have it.
        records: looked at.
        values: of them, without blanks.
    """

    name: str
    records: int
    values: Sequence[str]

    @property
    def filled(self) -> float:
        """Share of records that have a value."""
        return len(self.values) / self.records if self.records else 0.0

    @cached_property
    def words(self) -> Counter[str]:
        """Each value and how often it stands there."""
        return Counter(self.values)

    @property
    def is_words(self) -> bool:
        """Whether it has few values, again and again, or is one word for all."""
        return bool(self.values) and len(self.words) <= _MOST_WORDS and len(self.words) * 2 <= len(self.values) + 1

    @property
    def is_unique(self) -> bool:
        """Whether no two records share a value."""
        return len(self.values) > 1 and len(self.words) == len(self.values)

    def _share(self, form: re.Pattern[str]) -> float:
        return sum(bool(form.fullmatch(value)) for value in self.values) / len(self.values) if self.values else 0.0

    @cached_property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self._share(_NUMBER) >= MOSTLY

    @cached_property
    def has_comma(self) -> bool:
        """Whether decimals stand behind a comma."""
        return self.is_number and any(_COMMA.fullmatch(value) for value in self.values)

    @cached_property
    def numbers(self) -> list[float]:
        """Its values that are numbers."""
        return [float(value.replace(",", ".")) for value in self.values if _NUMBER.fullmatch(value)]

    @property
    def middle(self) -> float:
        """The median of the numbers; 0 without any."""
        return median(self.numbers or [0.0])

    @property
    def median(self) -> float:
        """Of the sizes of numbers that are not 0; 0 without any."""
        return median([abs(number) for number in self.numbers if number] or [0.0])

    @cached_property
    def is_row_number(self) -> bool:
        """Whether it numbers the rows of the file."""
        return self.is_unique and self.values[:3] in (["1", "2", "3"], ["0", "1", "2"])

    @cached_property
    def is_instant(self) -> bool:
        """Whether its values are times with an offset."""
        return self._share(_INSTANT) >= MOSTLY

    @cached_property
    def is_iso_local(self) -> bool:
        """Whether its values are ISO times without an offset, at other times of day than midnight."""
        return self._share(_ISO_LOCAL) >= MOSTLY and self._share(_ISO_DATE) < MOSTLY

    @cached_property
    def iso_dates(self) -> int:
        """How many values are ISO dates, at midnight or without a time."""
        return sum(bool(_ISO_DATE.fullmatch(value)) for value in self.values)

    @cached_property
    def is_time(self) -> bool:
        """Whether its values are times of day."""
        return self._share(_TIME) >= MOSTLY

    @property
    def clock(self) -> str:
        """How a time of day is written."""
        return clock_of(self.values[0]) if self.is_time else ""

    @cached_property
    def date_forms(self) -> list[DateForm]:
        """The forms of its dates with signs between numbers, the most frequent first."""
        found: dict[tuple[str, int, str], list[tuple[int, int]]] = {}
        for value in self.values:
            if match := _DATE.fullmatch(value):
                first, sign, second, year, time, half = match.groups()
                key = (sign, len(year), clock_of(time + (half or "")) if time else "")
                found.setdefault(key, []).append((int(first), int(second)))
        return sorted(
            (
                DateForm(*key, len(pairs), sum(a > 12 >= b for a, b in pairs), sum(b > 12 >= a for a, b in pairs))
                for key, pairs in found.items()
            ),
            key=lambda form: -form.count,
        )

    @property
    def is_date(self) -> bool:
        """Whether its values are dates, with or without a time of day."""
        dates = self.iso_dates + sum(form.count for form in self.date_forms)
        return bool(self.values) and dates >= MOSTLY * len(self.values)

    @property
    def is_moment(self) -> bool:
        """Whether its values say date and time of day."""
        return self.is_instant or self.is_iso_local or (self.is_date and any(form.clock for form in self.date_forms))


def clock_of(text: str) -> str:
    """The pattern of a time of day."""
    half = re.search(r" ?[AaPp]\.?[Mm]\.?$", text)
    parts = text[: half.start() if half else None].split(":")
    hour = ("h" if half else "H") * (2 if len(parts[0]) == 2 and not half else 1)
    seconds = ":ss" + (".SSS" if "." in parts[2] else "") if len(parts) > 2 else ""
    return f"{hour}:mm{seconds}" + (" a" if half else "")


def fields_of(records: Iterable[dict[str, str | None]]) -> dict[str, Field]:
    """The fields of some records, in order of appearance."""
    values: dict[str, list[str]] = {}
    count = 0
    for record in records:
        count += 1
        for name, value in record.items():
            kept = values.setdefault(name, [])
            if value is not None and (text := value.strip()) and len(kept) < KEPT:
                kept.append(text)
    return {name: Field(name, count, found) for name, found in values.items()}
