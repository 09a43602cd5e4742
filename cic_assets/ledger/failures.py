"""Arrivals that ingest could not take: what was tried, how often, and what is wrong. Lives in Postgres; no Dagster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cic_assets.calendar import is_in_calendar
from cic_assets.ledger.catalogue import Arrival, Recipe
from cic_assets.warehouse.connect import Connection

# What failed so often waits for a person: its content would have to change first.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class IngestFailure:
    """An arrival that the last ingest could not take.

    Attributes:
        fingerprint: what was tried (`tried_as`).
        attempts: how often in a row.
        message: what is wrong, where, and what to do.
        run_id: whose the last attempt was.
    """

    stream_id: str
    arrival_date: dt.date
    fingerprint: str
    attempts: int
    message: str
    run_id: str

    def is_given_up(self, tried: str) -> bool:
        """Whether this failed so often that nobody tries it again by himself."""
        return self.fingerprint == tried and self.attempts >= MAX_ATTEMPTS

    def __str__(self) -> str:
        """Whose it is and what is wrong, in a line."""
        given_up = f" (tried {self.attempts} times)" if self.attempts >= MAX_ATTEMPTS else ""
        return f"{self.stream_id}: {self.message}{given_up}"


def tried_as(recipe: Recipe, arrival: Arrival) -> str:
    """What an attempt tries; another one once a day that was in the future has come."""
    beyond = "" if is_in_calendar(arrival.arrival_date) else ":beyond"
    return arrival.fingerprint(recipe) + beyond


Failures = dict[tuple[str, dt.date], IngestFailure]


def failures(connection: Connection, kind: str | None = None) -> Failures:
    """All of them, or those of the streams of one kind, by (stream, arrival date)."""
    rows = connection.execute(
        "select stream_id, arrival_date, fingerprint, attempt_count, message, run_id from catalogue.ingest_failure"
        " where %(kind)s::text is null or kind = %(kind)s order by 1, 2",
        {"kind": kind},
    ).fetchall()
    return {(row[0], row[1]): IngestFailure(*row) for row in rows}


def note_failures(connection: Connection, recipe: Recipe, found: Sequence[tuple[Arrival, str]], run_id: str) -> None:
    """Says what is wrong with arrivals; an attempt counts on while what is tried stays the same."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.ingest_failure as f"
            " (stream_id, arrival_date, kind, fingerprint, attempt_count, message, run_id)"
            " values (%s, %s, %s, %s, 1, %s, %s)"
            " on conflict (stream_id, arrival_date) do update set kind = excluded.kind,"
            " fingerprint = excluded.fingerprint,"
            " message = excluded.message, run_id = excluded.run_id, failed_at = now(), attempt_count ="
            " case when f.fingerprint <> excluded.fingerprint then 1"
            # A run tries some arrivals twice: alone, or once another stream has mended what they lacked.
            " when f.run_id = excluded.run_id then f.attempt_count else f.attempt_count + 1 end",
            [
                [recipe.stream_id, arrival.arrival_date, recipe.kind, tried_as(recipe, arrival), message, run_id]
                for arrival, message in found
            ],
        )


def forget_failures(connection: Connection, stream_id: str, days: Sequence[dt.date]) -> None:
    """Says that arrivals were taken."""
    connection.execute(
        "delete from catalogue.ingest_failure where stream_id = %s and arrival_date = any(%s)", [stream_id, list(days)]
    )


def forget_others(connection: Connection, stream_ids: Iterable[str], pending: Iterable[tuple[str, dt.date]]) -> None:
    """Drops failures of these streams' arrivals that are pending no more: their change was taken back."""
    kept = set(pending)
    for stream_id, day in failures(connection):
        if stream_id in stream_ids and (stream_id, day) not in kept:
            forget_failures(connection, stream_id, [day])
