"""The calendar of all partitioned assets. A key is a label: arrival date up to accepted, local date in facts.

One definition for all daily assets and one for all monthly ones, so that identity mapping holds everywhere. What is
stale or due is in the ledger, whatever the calendar: partitions are the window that a run shows. A window that begins
before the calendar stands on its first partition, and the run's tag says what it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from dagster import AssetExecutionContext, DailyPartitionsDefinition, MonthlyPartitionsDefinition

from cic_assets.calendar import next_month

# Dagster's own tags of a run over a range of partitions.
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
# First and last key of a run's window that begins before the calendar, with a blank between.
WINDOW_TAG = "cic/window"


@dataclass(frozen=True)
class Calendar:
    """The partitions of one process.

    Attributes:
        start: the first day, the first of a month.
    """

    start: dt.date

    # Both end with the current day and month: what arrives today has a partition today.
    @property
    def days(self) -> DailyPartitionsDefinition:
        """By day."""
        return DailyPartitionsDefinition(start_date=self.start.isoformat(), end_offset=1)

    @property
    def months(self) -> MonthlyPartitionsDefinition:
        """By month."""
        return MonthlyPartitionsDefinition(start_date=self.start.isoformat(), end_offset=1)

    def range_tags(self, first: dt.date, last: dt.date) -> dict[str, str]:
        """The tags that make one run of all days or months from first to last, also where the calendar has none."""
        tags = {
            RANGE_START_TAG: max(first, self.start).isoformat(),
            RANGE_END_TAG: max(last, self.start).isoformat(),
        }
        return tags | ({WINDOW_TAG: f"{first} {last}"} if first < self.start else {})


def keys_of(context: AssetExecutionContext) -> tuple[str, str] | None:
    """First and last key of the window of a run; None where somebody executes a check alone, which has none."""
    if WINDOW_TAG in context.run.tags:
        first, last = context.run.tags[WINDOW_TAG].split(" ")
        return first, last
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    keys = context.partition_key_range
    return keys.start, keys.end


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
