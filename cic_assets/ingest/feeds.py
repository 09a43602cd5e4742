"""Whether each feed is well: it delivers what it promised, says what it knows, and is alive. Unknown is not well.

Asked of the catalogue and the facts, whether or not anything was ingested: what does not come causes no ingest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cic_assets.facts.expected import missing_days
from cic_assets.kinds.status.stream import StatusStream
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.polls import Recent, recent
from cic_assets.warehouse.connect import Connection

ARRIVING, KNOWN, ALIVE = "arriving", "known", "alive"
FEED_CHECKS = {
    ARRIVING: "the feed delivers: what `expected` promises, and by its own period and `batch.max_age_days`",
    KNOWN: "of its newest day, at most delivery.max_unknown_pct of the time is UNKNOWN or unreported",
    ALIVE: "its charge points are not in one and the same state for a week",
}
_NAMED = 5
_PERIODS_LATE = 3


@dataclass(frozen=True)
class FeedState:
    """One check of one feed: what is wrong and what to do; nothing where it is well."""

    stream_id: str
    check: str
    wrong: str

    @property
    def passed(self) -> bool:
        """Whether the feed is well."""
        return not self.wrong


def feed_states(connection: Connection, streams: Iterable[Stream], now: dt.datetime) -> list[FeedState]:
    """Every check of every feed."""
    arrived, newest = _arrived(connection), _newest_dates(connection)
    streams = list(streams)
    last_seen, days = _last_seen(connection), _newest_days(connection)
    fetched = recent(connection, [stream.id for stream in streams if stream.source is not None])
    found = []
    for stream in streams:
        late = [
            *_missing(stream, arrived.get(stream.id, set()), now.date()),
            *_unfetched(stream, fetched.get(stream.id), now),
            *_silent(stream, last_seen.get(stream.id), now),
            *_stale(stream, newest.get(stream.id), now.date()),
        ]
        found.append(FeedState(stream.id, ARRIVING, "; ".join(late)))
        if isinstance(stream, StatusStream):
            day = days.get(stream.id)
            found += [
                FeedState(stream.id, KNOWN, _unknown(stream, day)),
                FeedState(stream.id, ALIVE, _dead(stream, day)),
            ]
    return found


def _missing(stream: Stream, arrived: set[dt.date], today: dt.date) -> Iterator[str]:
    days = missing_days(stream, arrived, dt.date.min, today, today)
    if days:
        named = ", ".join(map(str, days[-_NAMED:]))
        yield f"nothing arrived for {len(days)} days that `expected` promises, the last {named}: ask the operator"


def _silent(stream: Stream, last: dt.datetime | None, now: dt.datetime) -> Iterator[str]:
    """A polled feed that has not been seen for three of its periods, or for as long as its silence lasts."""
    if not isinstance(stream, StatusStream) or stream.period is None or stream.silence is None or last is None:
        return
    if stream.source is not None:
        return
    has_ended = stream.ends is not None and stream.ends <= now.date()
    if not has_ended and now - last > stream.silence:
        yield (
            f"polled every {_span(stream.period)}, and last seen at {last:%Y-%m-%d %H:%M} UTC: does the poller run? "
            "Say `ends` if the feed has ended"
        )


def _unfetched(stream: Stream, last: Recent | None, now: dt.datetime) -> Iterator[str]:
    """A feed that we fetch, and have not got for three of its periods: that is not the operator's silence."""
    if stream.source is None or last is None:
        return
    since = last.last_good_at
    if since is None and last.failed:
        yield f"never fetched: the last of {last.failed} polls in a row failed: {last.last.error}"
    elif since is not None and now - since > _PERIODS_LATE * stream.source.every:
        why = f"{last.failed} polls failed since, the last: {last.last.error}" if last.failed else "is `polls` on?"
        yield f"fetched every {_span(stream.source.every)}, and last at {since:%Y-%m-%d %H:%M} UTC: {why}"


def _span(period: dt.timedelta) -> str:
    hours = period.total_seconds() / 3600
    return f"{hours:g} h" if hours >= 1 else f"{60 * hours:g} min"


def _stale(stream: Stream, newest: dt.date | None, today: dt.date) -> Iterator[str]:
    age = stream.batch.max_age_days
    if age is not None and newest is not None and (today - newest).days > age:
        yield f"its newest row is of {newest}, more than batch.max_age_days ({age}) ago: has the feed stopped?"


@dataclass(frozen=True)
class _Day:
    """The newest day of a status feed, as `quality.feed_day` has it."""

    date: dt.date
    charge_points: int
    unknown_pct: float | None
    is_dead: bool
    state: str | None
    polls: int


def _unknown(stream: StatusStream, day: _Day | None) -> str:
    limit = stream.delivery.max_unknown_pct
    if day is None or day.unknown_pct is None or day.unknown_pct <= limit:
        return ""
    return (
        f"on {day.date} {day.unknown_pct:g} % of the time of {day.charge_points} charge points is UNKNOWN or "
        f"unreported, expected at most {limit:g} %: see marts.feed_health_day"
    )


def _dead(stream: StatusStream, day: _Day | None) -> str:
    if day is None or not day.is_dead:
        return ""
    state = day.state or "UNKNOWN or unreported"
    words = sorted(word for word, means in stream.vocabulary.words.items() if means == (day.state or "UNKNOWN"))
    said = f" (its words for that: {', '.join(map(repr, words))})" if words else ""
    return (
        f"for a week to {day.date}, all {day.charge_points} charge points were {state}{said}, {day.polls} entries on "
        "the last day: the feed is dead; ask the operator"
    )


def _arrived(connection: Connection) -> dict[str, set[dt.date]]:
    """Days on which something of a stream came that is not held whole."""
    found: dict[str, set[dt.date]] = {}
    rows = connection.execute(
        "select stream_id, arrival_date from quality.ingest_count where held < rows_in or held = 0"
    )
    for stream_id, day in rows.fetchall():
        found.setdefault(stream_id, set()).add(day)
    return found


def _newest_dates(connection: Connection) -> dict[str, dt.date]:
    rows = connection.execute(
        "select stream_id, max(last_date) from quality.ingest_count where last_date is not null group by 1"
    ).fetchall()
    return dict(rows)


def _last_seen(connection: Connection) -> dict[str, dt.datetime]:
    rows = connection.execute("select stream_id, max(seen_at) from catalogue.sighting group by 1").fetchall()
    return {stream_id: moment.astimezone(dt.UTC) for stream_id, moment in rows}


def _newest_days(connection: Connection) -> dict[str, _Day]:
    rows = connection.execute(
        "select distinct on (stream_id) stream_id, status_date, charge_point_count, unknown_pct, is_dead, only_state,"
        " entry_count from quality.feed_day order by stream_id, status_date desc"
    ).fetchall()
    return {
        stream_id: _Day(date, int(points), None if pct is None else float(pct), bool(dead), state, int(entries))
        for stream_id, date, points, pct, dead, state, entries in rows
    }
