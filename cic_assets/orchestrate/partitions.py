"""The calendars of all partitioned assets. A key is a label: arrival date up to accepted, local date in facts.

One definition for all daily assets and one for all monthly ones, so that identity mapping holds everywhere.
"""

from __future__ import annotations

import datetime as dt

from dagster import DailyPartitionsDefinition, MonthlyPartitionsDefinition

from cic_assets.calendar import FIRST_DAY, next_month

# Calendars end with the current day and month: what arrives today has a partition today.
DAYS = DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)
MONTHS = MonthlyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)


def day_range(first_key: str, last_key: str) -> tuple[dt.date, dt.date]:
    """[start, end) of a range of daily keys."""
    return dt.date.fromisoformat(first_key), dt.date.fromisoformat(last_key) + dt.timedelta(days=1)


def month_range(first_key: str, last_key: str) -> tuple[dt.date, dt.date]:
    """[start, end) of a range of monthly keys."""
    return dt.date.fromisoformat(first_key), next_month(dt.date.fromisoformat(last_key))


def contiguous(days: list[dt.date], *, monthly: bool) -> list[tuple[dt.date, dt.date]]:
    """Runs of neighbouring keys as (first, last): the unit of work is a range, not a key."""
    ranges: list[tuple[dt.date, dt.date]] = []
    for day in sorted(set(days)):
        if ranges:
            follows = next_month(ranges[-1][1]) if monthly else ranges[-1][1] + dt.timedelta(days=1)
            if day == follows:
                ranges[-1] = (ranges[-1][0], day)
                continue
        ranges.append((day, day))
    return ranges
