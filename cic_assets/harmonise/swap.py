"""Detects exported dates with day and month exchanged (DEFINITIONS 4, S15). Repairs nothing: that is declared.

Software that reads mm/dd/yyyy wherever it can exchanges day and month of every true day up to 12. Dates with a day
above 12 are beyond doubt; they span the delivery, give or take the twelve days at its edges.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LAST_AMBIGUOUS_DAY = 12
# A right file has next to no doubtful start outside its span (Dundee: 0 of 7,137), a swapped one most of them.
MIN_SHARE_INSIDE = 0.98

Use = tuple[str, dt.datetime, dt.datetime]


@dataclass(frozen=True)
class SwapEvidence:
    """What speaks for a swap in one file.

    Attributes:
        doubtful: starts whose day and month could be exchanged (both readings are dates and differ).
        inside_as_given: of these, inside the span of the starts beyond doubt.
        inside_swapped: the same after exchanging day and month.
        overlaps_as_given: sessions that overlap another one on their connector.
        overlaps_swapped: the same after exchanging day and month.
    """

    doubtful: int
    inside_as_given: int
    inside_swapped: int
    overlaps_as_given: int
    overlaps_swapped: int

    @property
    def is_swapped(self) -> bool:
        """Whether the file shows the swap: most doubtful starts fit the delivery only after exchanging."""
        if not self.doubtful:
            return False
        fits = self.inside_swapped >= MIN_SHARE_INSIDE * self.doubtful
        return fits and self.inside_as_given < MIN_SHARE_INSIDE * self.doubtful


def swap_day_month(moment: dt.datetime) -> dt.datetime:
    """Day and month exchanged where both readings exist."""
    return moment.replace(day=moment.month, month=moment.day) if moment.day <= LAST_AMBIGUOUS_DAY else moment


def swap_evidence(uses: Sequence[Use]) -> SwapEvidence:
    """Looks at one file's sessions as it gives them.

    Args:
        uses: (connector, start, end) on the wall clock, ends after starts or not.
    """
    starts = [start for _, start, _ in uses]
    certain = [start for start in starts if start.day > LAST_AMBIGUOUS_DAY]
    doubtful = [start for start in starts if start.day <= LAST_AMBIGUOUS_DAY and start.day != start.month]
    if not certain:
        return SwapEvidence(0, 0, 0, overlaps(uses), overlaps(_swapped(uses)))
    edge = dt.timedelta(days=LAST_AMBIGUOUS_DAY + 1)
    first, last = min(certain) - edge, max(certain) + edge
    return SwapEvidence(
        doubtful=len(doubtful),
        inside_as_given=sum(first <= start <= last for start in doubtful),
        inside_swapped=sum(first <= swap_day_month(start) <= last for start in doubtful),
        overlaps_as_given=overlaps(uses),
        overlaps_swapped=overlaps(_swapped(uses)),
    )


def _swapped(uses: Iterable[Use]) -> list[Use]:
    return [(connector, swap_day_month(start), swap_day_month(end)) for connector, start, end in uses]


def overlaps(uses: Iterable[Use]) -> int:
    """How many sessions start before an earlier one on their connector has ended."""
    by_connector: dict[str, list[tuple[dt.datetime, dt.datetime]]] = defaultdict(list)
    for connector, start, end in uses:
        if end > start:
            by_connector[connector].append((start, end))
    count = 0
    for sessions in by_connector.values():
        busy_until = dt.datetime.min
        for start, end in sorted(sessions):
            count += start < busy_until
            busy_until = max(busy_until, end)
    return count
