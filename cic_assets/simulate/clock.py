"""Instants of the simulator: whole seconds since 1970 UTC, and how feeds write them.

`datetime` writes an instant in 2 µs and moves it between zones in 3; 36 million events have no time for that.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800
_EPOCH = dt.date(1970, 1, 1)
_TIMES = tuple(f"{s // HOUR:02d}:{s // MINUTE % 60:02d}:{s % MINUTE:02d}" for s in range(DAY))
# Offsets are looked up in these years and computed one by one outside them.
_YEARS = (2000, 2060)


def at(day: dt.date, hour: int = 0, minute: int = 0) -> int:
    """An instant of a UTC day."""
    return (day - _EPOCH).days * DAY + hour * HOUR + minute * MINUTE


def date_of(moment: int) -> dt.date:
    """The UTC date."""
    return _EPOCH + dt.timedelta(days=moment // DAY)


def moment_of(moment: int) -> dt.datetime:
    """As a datetime in UTC."""
    return dt.datetime.fromtimestamp(moment, dt.UTC)


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (_EPOCH + dt.timedelta(days=number)).isoformat()


@lru_cache(maxsize=4096)
def _british_day(number: int) -> str:
    return (_EPOCH + dt.timedelta(days=number)).strftime("%d/%m/%Y")


def utc(moment: int) -> str:
    """RFC 3339 in UTC, as OCPI and OCPP write it."""
    return f"{_day(moment // DAY)}T{_TIMES[moment % DAY]}Z"


@cache
def _changes() -> tuple[list[int], list[int]]:
    """When London's clocks change, and the offset since then; 01:00 UTC on last Sundays of March and October."""
    moments, offsets = [0], [0]
    for year in range(*_YEARS):
        for month, offset in ((3, HOUR), (10, 0)):
            last = dt.date(year, month, 31)
            moments.append(at(last - dt.timedelta(days=last.isoweekday() % 7), 1))
            offsets.append(offset)
    return moments, offsets


def offset(moment: int) -> int:
    """London's offset from UTC, seconds."""
    moments, offsets = _changes()
    if not moments[1] <= moment < moments[-1]:
        found = moment_of(moment).astimezone(LONDON).utcoffset()
        return 0 if found is None else int(found.total_seconds())
    return offsets[bisect_right(moments, moment) - 1]


def wall_minute(moment: int) -> str:
    """dd/mm/yyyy HH:MM on London's wall clock."""
    local = moment + offset(moment)
    return f"{_british_day(local // DAY)} {_TIMES[local % DAY][:5]}"


def wall_with_offset(moment: int) -> str:
    """ISO 8601 on London's wall clock, with its offset."""
    ahead = offset(moment)
    local = moment + ahead
    return f"{_day(local // DAY)}T{_TIMES[local % DAY]}{'+01:00' if ahead else '+00:00'}"


def local_date(moment: int) -> dt.date:
    """London's date."""
    return date_of(moment + offset(moment))


def midnight(day: dt.date) -> int:
    """When London's day begins."""
    return at(day) - offset(at(day) - HOUR)


def is_repeated(moment: int) -> bool:
    """Whether London's wall clock shows this time twice: the hour before and the hour after an autumn change."""
    ahead = offset(moment)
    return offset(moment + HOUR) < ahead or ahead < offset(moment - HOUR)
