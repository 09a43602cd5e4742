"""The ledger of arrivals: who may replace one's rows, whether it is done, and which rows and which time it has.

The newest claim wins. An arrival is done while its fingerprint is that of its objects and their recipe; in the middle
of a swap it has none, so that a crash is made good by the next ingest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from cic_assets.errors import PlatformError
from cic_assets.ledger.catalogue import Arrival, Recipe, arrivals
from cic_assets.warehouse.connect import Connection

# From when and up to when rows cover time; None where they cover none.
Cover = tuple[dt.datetime | None, dt.datetime | None]


class ArrivalLostError(PlatformError):
    """Another run has claimed an arrival since; its rows stay."""


def ingested(connection: Connection) -> dict[tuple[str, dt.date], str]:
    """Fingerprint of the last finished ingest, by (stream, arrival date)."""
    rows = connection.execute(
        "select stream_id, arrival_date, fingerprint from catalogue.arrival where fingerprint is not null"
    ).fetchall()
    return {(stream, day): fingerprint for stream, day, fingerprint in rows}


def moment(connection: Connection) -> dt.datetime:
    """Now, by the warehouse's clock."""
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    return cast(dt.datetime, row[0])


def done_since(connection: Connection, stream_id: str, moment: dt.datetime) -> set[dt.date]:
    """The arrivals of a stream whose ingest finished after a moment of the warehouse's clock."""
    rows = connection.execute(
        "select arrival_date from catalogue.arrival where stream_id = %s and ingested_at >= %s", [stream_id, moment]
    ).fetchall()
    return {day for (day,) in rows}


def ingesting_runs(connection: Connection) -> dict[tuple[str, dt.date], str]:
    """Whose the last finished ingest was, by (stream, arrival date)."""
    rows = connection.execute(
        "select stream_id, arrival_date, run_id from catalogue.arrival where run_id is not null"
    ).fetchall()
    return {(stream, day): run_id for stream, day, run_id in rows}


def claim_arrivals(connection: Connection, stream_id: str, days: Sequence[dt.date]) -> tuple[int, list[Arrival]]:
    """Makes the caller the only one that may replace these arrivals; the newest claim wins.

    Returns:
        (the claim, the arrivals as they are under it: whoever claims later sees no fewer objects).
    """
    row = connection.execute("select nextval('catalogue.touch_id')").fetchone()
    assert row is not None
    with connection.cursor() as cursor:
        # In one order, so that two claims at once wait for each other and don't block each other.
        cursor.executemany(
            "insert into catalogue.arrival (stream_id, arrival_date, claim_id) values (%s, %s, %s)"
            " on conflict (stream_id, arrival_date) do update set claim_id = excluded.claim_id",
            [[stream_id, day, row[0]] for day in sorted(days)],
        )
    found = arrivals(connection, [stream_id], min(days), max(days) + dt.timedelta(days=1))
    return int(row[0]), [arrival for arrival in found if arrival.arrival_date in set(days)]


def demand_claim(connection: Connection, stream_id: str, days: Sequence[dt.date], claim: int) -> None:
    """Keeps others from claiming until the end of the transaction.

    Raises:
        ArrivalLostError: somebody has.
    """
    rows = connection.execute(
        "select arrival_date, claim_id from catalogue.arrival where stream_id = %s and arrival_date = any(%s)"
        " order by arrival_date for update",
        [stream_id, list(days)],
    ).fetchall()
    lost = [day for day, found in rows if found != claim]
    if lost:
        raise ArrivalLostError(
            f"{stream_id}: arrivals {', '.join(map(str, lost))} now belong to another run; not replaced"
        )


def begin_swap(
    connection: Connection,
    stream_id: str,
    days: Sequence[dt.date],
    found: Mapping[dt.date, str],
    intended: Mapping[dt.date, str],
) -> None:
    """Says that arrivals are being replaced: they are pending until `note_ingested`, so that a crash is made good.

    Args:
        connection: in whose transaction, once what depends on the difference is marked.
        stream_id: whose arrivals.
        days: which.
        found: digests of the rows that are there.
        intended: digests of those that will be.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            "update catalogue.arrival set fingerprint = null, ingested_at = null, run_id = null, accepted_digest = %s,"
            " intended_digest = %s where stream_id = %s and arrival_date = %s",
            [[found[day], intended[day], stream_id, day] for day in sorted(days)],
        )


def note_taken(connection: Connection, stream_id: str, covers: Mapping[dt.date, Cover]) -> None:
    """Says that the rows have been swapped, and which time the arrivals cover now."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "update catalogue.arrival set accepted_digest = intended_digest, first_at = %s, cover_at = %s"
            " where stream_id = %s and arrival_date = %s",
            [[*cover, stream_id, day] for day, cover in sorted(covers.items())],
        )


def note_ingested(connection: Connection, recipe: Recipe, done: Iterable[Arrival], run_id: str) -> None:
    """Says that arrivals are ingested as they are now: they are pending no more."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.arrival (stream_id, arrival_date, fingerprint, ingested_at, run_id)"
            " values (%s, %s, %s, now(), %s) on conflict (stream_id, arrival_date) do update"
            " set fingerprint = excluded.fingerprint, ingested_at = excluded.ingested_at, run_id = excluded.run_id",
            [[recipe.stream_id, each.arrival_date, each.fingerprint(recipe), run_id] for each in done],
        )


def known_digests(
    connection: Connection, stream_id: str, days: Sequence[dt.date]
) -> dict[dt.date, tuple[str | None, str | None, bool]]:
    """Of arrivals that were ever claimed: digests of their rows and of those that were to come; whether any counted."""
    rows = connection.execute(
        "select a.arrival_date, a.accepted_digest, a.intended_digest, i.rows_in is not null"
        " from catalogue.arrival as a left join quality.ingest_count as i using (stream_id, arrival_date)"
        " where a.claim_id is not null and a.stream_id = %s and a.arrival_date = any(%s)",
        [stream_id, list(days)],
    ).fetchall()
    return {day: (accepted, intended, is_counted) for day, accepted, intended, is_counted in rows}


def covers(connection: Connection, stream_ids: Iterable[str]) -> dict[str, dict[dt.date, Cover]]:
    """From when and up to when arrivals of some streams cover time, by stream."""
    rows = connection.execute(
        "select stream_id, arrival_date, first_at, cover_at from catalogue.arrival"
        " where cover_at is not null and stream_id = any(%s)",
        [list(stream_ids)],
    ).fetchall()
    found: dict[str, dict[dt.date, Cover]] = {}
    for stream_id, day, first_at, cover_at in rows:
        found.setdefault(stream_id, {})[day] = (first_at, cover_at)
    return found


def spans(connection: Connection) -> dict[str, Cover]:
    """From when and up to when each stream covers time."""
    rows = connection.execute(
        "select stream_id, min(first_at), max(cover_at) from catalogue.arrival where cover_at is not null group by 1"
    ).fetchall()
    return {stream_id: (first_at, cover_at) for stream_id, first_at, cover_at in rows}


def span(covers: Iterable[Cover]) -> Cover:
    """From when and up to when some arrivals cover time together."""
    spans = list(covers)
    firsts = [first for first, _ in spans if first is not None]
    return min(firsts, default=None), max((last for _, last in spans if last is not None), default=None)


def accepted_dates(connection: Connection, kind: str) -> list[tuple[dt.date, dt.date]] | None:
    """The first and last local date of accepted rows of each arrival of a kind; None where one does not say."""
    rows = connection.execute(
        "select i.first_date, i.last_date from quality.ingest_count as i join catalogue.stream as s using (stream_id)"
        " where s.kind = %s and i.accepted > 0",
        [kind],
    ).fetchall()
    return None if any(first is None or last is None for first, last in rows) else rows
