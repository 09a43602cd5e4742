"""Expected feeds: what a stream file promises for a day and has not arrived fails that stream's day, and no other's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cic_assets.facts.finding import Check, Finding
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import arrivals as ledger
from cic_assets.warehouse.connect import Warehouse

# A check of the facts.
EXPECTED = "expected_feeds"
_SHOWN = 10


@dataclass(frozen=True)
class Missing:
    """A day of a stream for which nothing arrived up to the day on which it was due."""

    stream_id: str
    day: dt.date
    due: dt.date

    def __str__(self) -> str:
        """Whose, which day, and what to do."""
        return f"{self.stream_id}: nothing arrived for {self.day} by {self.due}"


def missing_days(stream: Stream, arrived: set[dt.date], start: dt.date, end: dt.date, today: dt.date) -> list[dt.date]:
    """The days of start <= day < end of which a feed was promised and has not come, though it is due."""
    if stream.expected is None:
        return []
    first, grace = max(start, stream.expected.start), dt.timedelta(days=stream.expected.by)
    last = min(end - dt.timedelta(days=1), stream.expected.end or dt.date.max, today - grace)
    days = (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if not any(day <= there <= day + grace for there in arrived)]


def missing_feeds(
    warehouse: Warehouse, streams: Iterable[Stream], kind: str, start: dt.date, end: dt.date
) -> list[Missing]:
    """The days in [start, end) for which a stream of a kind promised a feed that has not been ingested."""
    today = dt.datetime.now(dt.UTC).date()
    missing: list[Missing] = []
    with warehouse.transaction() as connection:
        done = ledger.ingested(connection)
    for stream in (each for each in streams if each.kind == kind and each.expected):
        arrived = {day for stream_id, day in done if stream_id == stream.id}
        by = dt.timedelta(days=stream.expected.by if stream.expected else 0)
        missing += [Missing(stream.id, day, day + by) for day in missing_days(stream, arrived, start, end, today)]
    return missing


def spared(missing: Iterable[Missing]) -> set[tuple[str, dt.date]]:
    """Streams and days whose rows stay as they are, and which stay due."""
    return {(each.stream_id, each.day) for each in missing}


def expected_check(table: str) -> Check:
    """The check that names missing feeds."""
    return Check(EXPECTED, table, "feeds that stream files promise (`expected`) have arrived")


def expected_feeds(table: str, missing: Sequence[Missing]) -> Finding:
    """Names the feeds and the days; those keep the rows that they had, everybody else's are new."""
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    said = "; ".join(map(str, missing[:_SHOWN])) + more
    return Finding(
        EXPECTED,
        table,
        passed=not missing,
        text=f"{said}: these days of theirs keep the rows that they had, and stay due" if missing else None,
        figures={"days": len(missing), "streams": ", ".join(sorted({each.stream_id for each in missing}))},
    )
