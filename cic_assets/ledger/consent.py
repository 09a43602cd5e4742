"""What people said of changed stream files: that rows may leave, and that a feed is given up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from cic_assets.warehouse.connect import Connection

# In place of a version: there is no file.
GONE = "gone"


def accepted_changes(connection: Connection) -> dict[tuple[str, str], dt.datetime]:
    """When somebody said that rows may leave, by stream and version of its file."""
    rows = connection.execute("select stream_id, fingerprint, accepted_at from catalogue.accepted_change").fetchall()
    return {(stream_id, fingerprint): moment for stream_id, fingerprint, moment in rows}


def orphans(connection: Connection, known: Iterable[str]) -> list[str]:
    """Streams that have accepted rows and no file that can be read any more, and what to do; not those given up."""
    rows = connection.execute(
        "select stream_id from catalogue.stream as s where stream_id <> all(%s)"
        " and exists (select from quality.ingest_count as i where i.stream_id = s.stream_id and i.accepted > 0)"
        " and not exists (select from catalogue.accepted_change as c where c.stream_id = s.stream_id"
        " and c.fingerprint = %s) order by 1",
        [list(known), GONE],
    ).fetchall()
    return [
        f"{stream_id} has no stream file any more, or one with another id: what it delivered stays as it is. Put the "
        f"file back, or give the feed up: cic streams accept {stream_id}"
        for (stream_id,) in rows
    ]


def given_up(connection: Connection) -> set[str]:
    """Streams without a file that somebody has given up."""
    rows = connection.execute("select stream_id from catalogue.accepted_change where fingerprint = %s", [GONE])
    return {stream_id for (stream_id,) in rows.fetchall()}


def give_up(connection: Connection, stream_id: str) -> bool:
    """Says that a stream without a file is gone: a status feed has no days any more. False where nobody knows it."""
    found = connection.execute(
        "insert into catalogue.accepted_change (stream_id, fingerprint)"
        " select stream_id, %s from catalogue.stream where stream_id = %s"
        " on conflict (stream_id) do update set fingerprint = excluded.fingerprint, accepted_at = now()",
        [GONE, stream_id],
    )
    return found.rowcount > 0


def accept_change(connection: Connection, stream_id: str, version: str) -> None:
    """Says that rows may leave with the stream file as it is now; the next edit asks again.

    What failed of its arrivals is tried as if for the first time.
    """
    connection.execute("delete from catalogue.ingest_failure where stream_id = %s", [stream_id])
    connection.execute(
        "insert into catalogue.accepted_change (stream_id, fingerprint) values (%s, %s)"
        " on conflict (stream_id) do update set fingerprint = excluded.fingerprint, accepted_at = now()",
        [stream_id, version],
    )
