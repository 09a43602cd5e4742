"""Expected feeds: what a stream file promises for a day and has not arrived fails that stream's day, and no other's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, AssetKey

from cic_assets.ingest.feeds import missing_days
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import catalogue
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import connect

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


def missing_feeds(
    settings: Settings, streams: Iterable[Stream], kind: str, start: dt.date, end: dt.date
) -> list[Missing]:
    """The days in [start, end) for which a stream of a kind promised a feed that has not been ingested."""
    today = dt.datetime.now(dt.UTC).date()
    missing: list[Missing] = []
    with connect(settings) as connection:
        done = catalogue.ingested(connection)
    for stream in (each for each in streams if each.kind == kind and each.expected):
        arrived = {day for stream_id, day in done if stream_id == stream.id}
        by = dt.timedelta(days=stream.expected.by if stream.expected else 0)
        missing += [Missing(stream.id, day, day + by) for day in missing_days(stream, arrived, start, end, today)]
    return missing


def spared(missing: Iterable[Missing]) -> set[tuple[str, dt.date]]:
    """Streams and days whose rows stay as they are, and which stay due."""
    return {(each.stream_id, each.day) for each in missing}


def expected_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check that names missing feeds."""
    return AssetCheckSpec(
        EXPECTED, asset=asset, description="feeds that stream files promise (`expected`) have arrived"
    )


def expected_feeds(asset: AssetKey, missing: Sequence[Missing]) -> AssetCheckResult:
    """Names the feeds and the days; those keep the rows that they had, everybody else's are new."""
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    said = "; ".join(map(str, missing[:_SHOWN])) + more
    return AssetCheckResult(
        check_name=EXPECTED,
        asset_key=asset,
        passed=not missing,
        severity=AssetCheckSeverity.ERROR,
        description=f"{said}: these days of theirs keep the rows that they had, and stay due" if missing else None,
        metadata={"days": len(missing), "streams": ", ".join(sorted({each.stream_id for each in missing}))},
    )
