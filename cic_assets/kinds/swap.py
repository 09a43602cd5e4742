"""Detects exported dates with day and month exchanged (numbers.md 4, S15). Repairs nothing: that is declared.

Software that reads mm/dd/yyyy wherever it can exchanges day and month of every true day up to 12. Dates with a day
above 12 are beyond doubt; they span the delivery, give or take the twelve days at its edges.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

LAST_AMBIGUOUS_DAY = 12
# A right file has next to no doubtful start outside its span (Dundee: 0 of 7,137), a swapped one most of them.
MIN_SHARE_INSIDE = 0.98
# After a swap, a session over midnight lasts weeks or ends before it starts. In Dundee's three swapped files 0 of 2,292
# are sessions as given and 1,956 after exchanging, in its right file 889 of 1,062 and 0.
MIN_SESSIONS, MAX_SHARE_AS_GIVEN = 10, 0.05
# Without a date beyond doubt: a file of the first days of one month, which a swap spreads over the year.
MONTH, SPREAD_DAYS, MIN_SPREAD = dt.timedelta(days=31), dt.timedelta(days=45), 20

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
        over_midnight: sessions that end on another date than they start on, read either way.
        sessions_as_given: of these, with an end after the start by two days at most.
        sessions_swapped: the same after exchanging day and month.
    """

    doubtful: int
    inside_as_given: int
    inside_swapped: int
    overlaps_as_given: int = 0
    overlaps_swapped: int = 0
    over_midnight: int = 0
    sessions_as_given: int = 0
    sessions_swapped: int = 0

    @property
    def is_swapped(self) -> bool:
        """Whether the file shows the swap.

        Either most doubtful starts fit the delivery only after exchanging; or, as in the file of a whole calendar year,
        where all fit either way, sessions over midnight are sessions only then.
        """
        if not self.doubtful or self.inside_swapped < MIN_SHARE_INSIDE * self.doubtful:
            return False
        return self.inside_as_given < MIN_SHARE_INSIDE * self.doubtful or (
            self.sessions_swapped >= MIN_SESSIONS
            and self.sessions_as_given <= MAX_SHARE_AS_GIVEN * self.sessions_swapped
        )


def swap_day_month(moment: dt.datetime) -> dt.datetime:
    """Day and month exchanged where both readings exist."""
    return moment.replace(day=moment.month, month=moment.day) if moment.day <= LAST_AMBIGUOUS_DAY else moment


def swap_evidence(uses: Sequence[Use]) -> SwapEvidence:
    """Looks at one file's sessions as it gives them.

    Args:
        uses: (connector, start, end) on the wall clock, ends after starts or not.
    """
    dates = Counter(start.date() for _, start, _ in uses)
    return replace(
        evidence_of_dates(dates), overlaps_as_given=overlaps(uses), overlaps_swapped=overlaps(_swapped(uses))
    )


def evidence_of_dates(starts: Mapping[dt.date, int]) -> SwapEvidence:
    """Looks at how many sessions of one file start on each date, as it gives them."""
    certain = [date for date in starts if date.day > LAST_AMBIGUOUS_DAY]
    doubtful = {date: rows for date, rows in starts.items() if is_doubtful(date)}
    first, last = _span(certain) if certain else _span_without_certain(doubtful)
    if first is None or last is None:
        return SwapEvidence(0, 0, 0)
    return SwapEvidence(
        doubtful=sum(doubtful.values()),
        inside_as_given=sum(rows for date, rows in doubtful.items() if first <= date <= last),
        inside_swapped=sum(rows for date, rows in doubtful.items() if first <= swapped_date(date) <= last),
    )


def is_doubtful(date: dt.date) -> bool:
    """Whether day and month could be exchanged: both readings are dates and differ."""
    return date.day <= LAST_AMBIGUOUS_DAY and date.day != date.month


def swapped_date(date: dt.date) -> dt.date:
    """Day and month exchanged where both readings exist."""
    return date.replace(day=date.month, month=date.day) if date.day <= LAST_AMBIGUOUS_DAY else date


def _span(certain: Sequence[dt.date]) -> tuple[dt.date, dt.date]:
    # Garbage may stand at either end of the calendar.
    first, last = min(certain).toordinal() - LAST_AMBIGUOUS_DAY - 1, max(certain).toordinal() + LAST_AMBIGUOUS_DAY + 1
    return dt.date.fromordinal(max(first, 1)), dt.date.fromordinal(min(last, dt.date.max.toordinal()))


def _span_without_certain(doubtful: Mapping[dt.date, int]) -> tuple[dt.date, dt.date] | tuple[None, None]:
    """Of starts that are all doubtful: a month, if they lie in one after exchanging and all over the year before."""
    if sum(doubtful.values()) < MIN_SPREAD:
        return None, None
    swapped = [swapped_date(date) for date in doubtful]
    if max(swapped) - min(swapped) > MONTH or max(doubtful) - min(doubtful) < SPREAD_DAYS:
        return None, None
    return min(swapped), max(swapped)


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
