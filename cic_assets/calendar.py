"""Days and months as people type them, and the days on which anything can have happened. Knows no Dagster."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from cic_assets.errors import WrongCallError

# Rules reject what is before (S04, E02), and nothing arrived then. Partitions begin later: `Settings.calendar_start`.
FIRST_DAY = dt.date(2010, 1, 1)
_FORMS = "a day, such as 2026-10-31, or a month, such as 2026-10"


def month_of(day: dt.date) -> dt.date:
    """First day of its month."""
    return day.replace(day=1)


def next_month(day: dt.date) -> dt.date:
    """First day of the month after."""
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def is_in_calendar(day: dt.date) -> bool:
    """Whether what arrived on a day can be ingested."""
    return day == nearest(day)


def nearest(day: dt.date) -> dt.date:
    """The day itself, or the first or last day on which anything can have arrived."""
    return min(max(day, FIRST_DAY), dt.datetime.now(dt.UTC).date())


@dataclass(frozen=True)
class Span:
    """What a date of a call means: a day, or all days of a month."""

    first: dt.date
    last: dt.date

    @classmethod
    def parse(cls, text: str) -> Span:
        """A day or a month.

        Raises:
            ValueError: it is neither.
        """
        try:
            if re.fullmatch(r"\d{4}-\d{2}", text, re.ASCII):
                first = dt.date.fromisoformat(f"{text}-01")
                return cls(first, next_month(first) - dt.timedelta(days=1))
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
                day = dt.date.fromisoformat(text)
                return cls(day, day)
        except (ValueError, OverflowError):
            pass
        raise ValueError(f"{text!r} is no date: give {_FORMS}")


@dataclass(frozen=True)
class Window:
    """Days or months of a run, both ends included.

    Attributes:
        first: day, or first day of the first month.
        last: day, or first day of the last month.
        notes: what of the call lies outside the calendar and was left out.
    """

    first: dt.date
    last: dt.date
    notes: tuple[str, ...] = ()


def window(since: Span, until: Span, today: dt.date, *, monthly: bool) -> Window:
    """The window of `--from` and `--to`, as far as the calendar goes: nothing has happened after today.

    Args:
        since: of `--from`.
        until: of `--to`; a month is meant up to its last day.
        today: by UTC.
        monthly: whether months are computed, of which the window's ends are in.

    Raises:
        WrongCallError: the ends are the wrong way round, or the whole window lies outside the calendar.
    """
    first, last = since.first, until.last
    if first > last:
        raise WrongCallError(f"--from {first} is after --to {last}")
    if first > today:
        raise WrongCallError(f"--from {first} is after today, {today} (UTC): nothing has arrived since")
    if last < FIRST_DAY:
        raise WrongCallError(f"--to {last} is before {FIRST_DAY}, where the calendar begins")
    notes = []
    if first < FIRST_DAY:
        notes.append(f"--from {first}: the calendar begins {FIRST_DAY}, and the run does")
        first = FIRST_DAY
    if last > today:
        notes.append(f"--to {last} is after today: the run ends {today} (UTC)")
        last = today
    if monthly:
        first, last = month_of(first), month_of(last)
    return Window(first, last, tuple(notes))


def months_of(start: dt.date, end: dt.date) -> list[dt.date]:
    """First days of the months in [start, end); both are firsts of months."""
    count = (end.year - start.year) * 12 + end.month - start.month
    return [dt.date(start.year + (start.month - 1 + k) // 12, (start.month - 1 + k) % 12 + 1, 1) for k in range(count)]


def days_of(start: dt.date, end: dt.date) -> list[dt.date]:
    """The days in [start, end)."""
    return [start + dt.timedelta(days=n) for n in range((end - start).days)]
