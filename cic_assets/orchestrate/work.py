"""What is left to do: arrivals that ingest has not seen, days and months whose facts are stale, marts that are due.

Sensors, schedules and the command line ask here, so that all of them would do the same next. No Dagster.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cic_assets.calendar import month_of, nearest
from cic_assets.facts.every import FACTS
from cic_assets.facts.status_edges import feeds_of
from cic_assets.facts.touch import CHARGE_POINTS, SESSIONS, STATUS
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger import catalogue, elapsed
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.consent import accepted_changes
from cic_assets.ledger.failures import failures, forget_others, tried_as
from cic_assets.ledger.mart_sets import ARRIVAL, MONTHLY, mart_sets
from cic_assets.ledger.periods import due_periods, mark_stale
from cic_assets.ledger.publication import due
from cic_assets.orchestrate.partitions import contiguous
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Warehouse

# Arrivals up to a month apart share a run: weekly files of a year are one range, archives do not fill decades.
MAX_GAP_DAYS = 31
_MONTHLY, _DAILY = (tuple(fact.name for fact in FACTS if fact.is_monthly == monthly) for monthly in (True, False))


@dataclass(frozen=True)
class Work:
    """A range of partitions (first and last key) to run, and a hash of what makes it necessary."""

    first: dt.date
    last: dt.date
    identity: str
    streams: tuple[str, ...] = ()


def pending_arrivals(parts: Parts, streams: dict[str, Stream]) -> list[Arrival]:
    """Arrivals whose objects, stream file or rules are not those of their last ingest."""
    with parts.warehouse.transaction() as connection:
        done = ledger.ingested(connection)
        found = catalogue.arrivals(connection, streams)
    return [
        arrival
        for arrival in found
        if done.get((arrival.stream_id, arrival.arrival_date))
        != arrival.fingerprint(parts.recipe_of(streams[arrival.stream_id]))
    ]


def ingest_work(
    parts: Parts, streams: dict[str, Stream], pending: Iterable[Arrival], *, asked_for: bool = False
) -> list[Work]:
    """Ranges of days that cover the pending arrivals, one beyond the calendar at the calendar's end.

    What failed too often waits for somebody who asks (`asked_for`): attempts are counted per arrival of a stream, so
    that one stream's failures keep no other one waiting.
    """
    with parts.warehouse.transaction() as connection:
        failed, runs = failures(connection), ledger.ingesting_runs(connection)
        said = accepted_changes(connection)
    groups: list[list[tuple[dt.date, str, str]]] = []
    for arrival in sorted(pending, key=lambda each: (nearest(each.arrival_date), each.stream_id)):
        stream, key = streams[arrival.stream_id], (arrival.stream_id, arrival.arrival_date)
        tried = tried_as(parts.recipe_of(stream), arrival)
        failure = failed.get(key)
        if failure and not asked_for and failure.is_given_up(tried):
            continue
        attempts = failure.attempts if failure and failure.fingerprint == tried else 0
        # From what to what, so that a change that is taken back, and made again, is other work each time; and so is
        # one that somebody has accepted since.
        consent = said.get((stream.id, stream.fingerprint()), "")
        change = f"{stream.id}:{arrival.arrival_date}:{runs.get(key, '')}:{tried}:{attempts}:{consent}"
        day = nearest(arrival.arrival_date)
        if groups and (day - groups[-1][-1][0]).days <= MAX_GAP_DAYS:
            groups[-1].append((day, stream.id, change))
        else:
            groups.append([(day, stream.id, change)])
    return [
        Work(
            group[0][0], group[-1][0], _identity([change for *_, change in group]),
            tuple(sorted({stream_id for _, stream_id, _ in group})),
        )
        for group in groups
    ]  # fmt: skip


def given_up_arrivals(parts: Parts, streams: dict[str, Stream], pending: Iterable[Arrival]) -> list[str]:
    """What is wrong with pending arrivals that nobody tries again by himself."""
    with parts.warehouse.transaction() as connection:
        failed = failures(connection)
    said = []
    for arrival in pending:
        stream, failure = streams[arrival.stream_id], failed.get((arrival.stream_id, arrival.arrival_date))
        if failure and failure.is_given_up(tried_as(parts.recipe_of(stream), arrival)):
            said.append(str(failure))
    return said


def forget_mended(warehouse: Warehouse, streams: dict[str, Stream], pending: Iterable[Arrival]) -> None:
    """Drops what is said of arrivals that are pending no more, as their change was taken back."""
    with warehouse.transaction() as connection:
        forget_others(connection, streams, [(each.stream_id, each.arrival_date) for each in pending])


def touch_elapsed_days(warehouse: Warehouse, streams: Iterable[Stream], now: dt.datetime) -> None:
    """Marks the days that status feeds have by the calendar alone and did not have when last asked.

    Which days exist depends on the feed alone (numbers.md 2): from its first cover to yesterday or its end, whatever
    was delivered. Days that a feed no longer has are marked too, as their rows must go.
    """
    feeds = feeds_of(warehouse, streams)
    _forget_feeds(warehouse, [feed.stream_id for feed in feeds])
    for feed in feeds:
        with warehouse.transaction() as connection:
            had, has = set(elapsed.days_of_feed(connection, feed.stream_id)), set(elapsed.days(feed.days(now)))
            if has != had:
                mark_stale(connection, feed.stream_id, {(STATUS, day) for day in has ^ had})
                elapsed.keep_span(connection, feed.stream_id, feed.days(now))


def _forget_feeds(warehouse: Warehouse, known: list[str]) -> None:
    """Marks the days of feeds whose stream file is gone: they have none any more."""
    with warehouse.transaction() as connection:
        for feed, days in elapsed.forget_others(connection, known).items():
            mark_stale(connection, feed, {(STATUS, day) for day in days})


Stale = list[tuple[dt.date, int]]


def stale_months(parts: Parts, today: dt.date, *, asked_for: bool = False) -> tuple[Stale, list[dt.date]]:
    """Months to compute now, with their newest touch, and computed months beyond the horizon, which wait for somebody.

    A month that was never computed is no restatement, however old it is. `asked_for`: somebody runs it, so none waits.
    """
    touch_elapsed_months(parts.warehouse, today)
    oldest = None if asked_for else month_of(today - dt.timedelta(days=parts.restatement_horizon_days))
    return _stale(parts.warehouse, _MONTHLY, oldest)


def touch_elapsed_months(warehouse: Warehouse, today: dt.date) -> None:
    """Marks months of charge points that are due without any word: they closed, and a registry lists charge points.

    So a registry alone gives rows, since its first version; and between two words of a feed no month is missing.
    """
    with warehouse.transaction() as connection:
        months = elapsed.untouched_months(connection, CHARGE_POINTS, SESSIONS, today)
        if months:
            mark_stale(connection, "calendar", {(CHARGE_POINTS, month) for month in months})


def stale_days(parts: Parts, today: dt.date, *, asked_for: bool = False) -> tuple[Stale, list[dt.date]]:
    """The same for days; unless somebody asks, only days that have ended everywhere (`today_of`)."""
    oldest = None if asked_for else today - dt.timedelta(days=parts.restatement_horizon_days)
    now, waiting = _stale(parts.warehouse, _DAILY, oldest)
    return [(day, touch) for day, touch in now if asked_for or day < today], waiting


def _stale(warehouse: Warehouse, facts: tuple[str, ...], oldest: dt.date | None) -> tuple[Stale, list[dt.date]]:
    with warehouse.transaction() as connection:
        found = due_periods(connection, facts)
    # The calendar ends with today.
    today = dt.datetime.now(dt.UTC).date()
    now: Stale = []
    waiting: list[dt.date] = []
    for each in (each for each in found if each.period <= today):
        if each.is_restatement and oldest is not None and each.period < oldest:
            waiting.append(each.period)
        else:
            now.append((each.period, each.touch_id))
    return now, waiting


def days_work(stale: Stale) -> list[Work]:
    """Ranges of neighbouring stale days."""
    return _ranges(stale, monthly=False)


def months_work(stale: Stale) -> list[Work]:
    """Ranges of neighbouring stale months."""
    return _ranges(stale, monthly=True)


def due_marts(warehouse: Warehouse, name: str) -> list[Work]:
    """Ranges of periods whose marts are to be built again, though the facts that they read are computed.

    Of neighbouring periods; arrivals share a range as they do for ingest.
    """
    marts = mart_sets()[name]
    with warehouse.transaction() as connection:
        found = due(connection, marts)
    periods = [each.period for each in found]
    ranges = _near(periods) if name == ARRIVAL else contiguous(periods, monthly=name == MONTHLY)
    work = []
    for first, last in ranges:
        # When it was built is in it, so that what was built, and is due once more by the same touch, is other work.
        said = [f"{each.period}:{each.touch_id}:{each.built_at}" for each in found if first <= each.period <= last]
        work.append(Work(first, last, _identity([marts.fingerprint, *said])))
    return work


def _near(days: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    ranges: list[tuple[dt.date, dt.date]] = []
    for day in days:
        if ranges and (day - ranges[-1][1]).days <= MAX_GAP_DAYS:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def _ranges(stale: Stale, *, monthly: bool) -> list[Work]:
    ranges = contiguous([period for period, _ in stale], monthly=monthly)
    return [
        Work(first, last, _identity([f"{period}:{touch}" for period, touch in stale if first <= period <= last]))
        for first, last in ranges
    ]


def _identity(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
