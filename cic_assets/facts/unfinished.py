"""What is still to come of a fact: arrivals that ingest could not take, rows that became nothing, stale periods."""

from __future__ import annotations

from collections.abc import Sequence

from cic_assets.facts.finding import Check, Finding
from cic_assets.ledger.failures import IngestFailure, failures
from cic_assets.ledger.periods import due_periods
from cic_assets.warehouse.connect import Connection

SHOWN = 12
# On tables that all streams of a kind fill, and on the facts made of them.
ALL_STREAMS = "no_stream_is_missing"


def missing_check(table: str, kind: str) -> Check:
    """The check that names streams whose arrivals are missing."""
    return Check(ALL_STREAMS, table, f"ingest could take all arrivals of all {kind} streams")


def failed_of(connection: Connection, kind: str) -> list[IngestFailure]:
    """What ingest could not take of the streams of a kind."""
    return list(failures(connection, kind).values())


def no_stream_is_missing(table: str, failed: Sequence[IngestFailure]) -> Finding:
    """Warns of streams with arrivals that ingest could not take: what they had before is in the table."""
    streams = sorted({failure.stream_id for failure in failed})
    said = "; ".join(map(str, failed[:SHOWN])) + (f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else "")
    return Finding(
        ALL_STREAMS,
        table,
        passed=not failed,
        text=f"arrivals of {', '.join(streams)} are missing: {said}" if failed else None,
        figures={"streams": len(streams), "arrivals": len(failed)},
        is_warning=True,
    )


def pending_check(table: str) -> Check:
    """The check that names periods that are older than what was accepted since."""
    return Check("pending_restatement", table, "no computed period is older than what was accepted since")


def pending_restatement(connection: Connection, fact: str, table: str, cadence: str) -> Finding:
    """Warns of computed periods that are older than what was accepted since, and names the command."""
    periods = [str(each.period) for each in due_periods(connection, [fact]) if each.is_restatement]
    shown = ", ".join(periods[:SHOWN]) + (f" and {len(periods) - SHOWN} more" if len(periods) > SHOWN else "")
    return Finding(
        "pending_restatement",
        table,
        passed=not periods,
        text=f"run `cic run {cadence}` for {shown}" if periods else None,
        figures={"periods": len(periods)},
        is_warning=True,
    )


def resolved_check(table: str) -> Check:
    """The check that each accepted row became something."""
    return Check("nothing_unresolved", table, "of arrivals without a stale period, every accepted row became something")


def nothing_unresolved(connection: Connection, fact: str, kind: str, table: str, unit: str) -> Finding:
    """Of arrivals without a stale period (`unit`: day or month) each accepted row became something; names the others.

    An error, but it blocks nothing: the facts that lack the rows are there already; a new ingest mends them.
    """
    rows = connection.execute(
        "select r.stream_id, sum(r.unresolved) from quality.reconciliation as r"
        " join quality.ingest_count as i using (stream_id, arrival_date)"
        " join catalogue.stream as s using (stream_id)"
        " where s.kind = %(kind)s and r.unresolved <> 0"
        " and not exists (select from unnest(%(due)s::date[]) as d (period)"
        "  where d.period between date_trunc(%(unit)s, i.first_date)::date and i.last_date)"
        " group by 1 order by 1",
        {"kind": kind, "due": [each.period for each in due_periods(connection, [fact])], "unit": unit},
    ).fetchall()
    named = ", ".join(f"{stream} ({count} rows)" for stream, count in rows)
    return Finding(
        "nothing_unresolved",
        table,
        passed=not rows,
        text=f"accepted rows became nothing: {named}; ingest their arrivals again" if rows else None,
        figures={"streams": len(rows)},
    )
