"""Expected feeds: a fact of a day fails when a feed that a stream file promises for that day has not arrived."""

import datetime as dt
from collections.abc import Iterable

from dagster import Failure

from cic_assets.lake import catalogue
from cic_assets.settings import Settings
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect


def demand_expected(settings: Settings, streams: Iterable[Stream], kind: str, start: dt.date, end: dt.date) -> None:
    """Facts of a window fail, and say why, while a feed that was promised for one of its days has not been ingested.

    Raises:
        Failure: it names the feeds and the days.
    """
    today = dt.datetime.now(dt.UTC).date()
    missing: list[str] = []
    with connect(settings) as connection:
        done = catalogue.ingested(connection)
    for stream in streams:
        if stream.expected is None or stream.kind != kind:
            continue
        arrived = {day for stream_id, day in done if stream_id == stream.id}
        first = max(start, stream.expected.start)
        last = min(end - dt.timedelta(days=1), stream.expected.end or dt.date.max)
        grace = dt.timedelta(days=stream.expected.by)
        for day in (first + dt.timedelta(days=n) for n in range((last - first).days + 1)):
            due = day + grace
            if due <= today and not any(day <= there <= due for there in arrived):
                missing.append(f"{stream.id}: nothing arrived for {day} by {due}")
    if missing:
        raise Failure(f"expected feeds are missing ({len(missing)} days): " + "; ".join(missing[:10]))
