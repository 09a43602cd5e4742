"""What the assets of all facts say of a window that they swapped: rows, columns, and what is still stale."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    MaterializeResult,
    TableColumn,
    TableSchema,
)

from cic_assets.lake.rows import Rows
from cic_assets.ledger.failures import IngestFailure, failures
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import connect

SHOWN = 12
# On tables that all streams of a kind fill, and on the facts made of them.
ALL_STREAMS = "no_stream_is_missing"


def materialized(tables: Mapping[AssetKey, Rows], start: dt.date, end: dt.date) -> Iterator[MaterializeResult[Any]]:
    """One materialisation per table, with its rows, its columns and the window."""
    for key, rows in tables.items():
        columns = [TableColumn(field.name, str(field.type)) for field in rows.schema]
        yield MaterializeResult(
            asset_key=key,
            metadata={
                "rows in run": rows.count_rows(),
                "window": f"[{start}, {end})",
                "dagster/column_schema": TableSchema(columns),
            },
        )


def pending_restatement(settings: Settings, fact: str, asset: AssetKey, cadence: str) -> AssetCheckResult:
    """Warns of computed periods that are older than what was accepted since, and names the command."""
    with connect(settings) as connection:
        rows = connection.execute(
            "select period_date from catalogue.pending_period where computed_before and fact = %s order by 1", [fact]
        ).fetchall()
    periods = [str(row[0]) for row in rows]
    shown = ", ".join(periods[:SHOWN]) + (f" and {len(periods) - SHOWN} more" if len(periods) > SHOWN else "")
    return AssetCheckResult(
        check_name="pending_restatement",
        asset_key=asset,
        passed=not periods,
        severity=AssetCheckSeverity.WARN,
        description=f"run `cic run {cadence}` for {shown}" if periods else None,
        metadata={"periods": len(periods)},
    )


def nothing_unresolved(settings: Settings, fact: str, kind: str, asset: AssetKey) -> AssetCheckResult:
    """Of arrivals without a stale period each accepted row became something; names the streams of others.

    An error, but it blocks nothing: the facts that lack the rows are there already; a new ingest mends them.
    """
    unit = "month" if kind == "sessions" else "day"
    with connect(settings) as connection:
        rows = connection.execute(
            "select r.stream_id, sum(r.unresolved) from quality.reconciliation as r"
            " join quality.ingest_count as i using (stream_id, arrival_date)"
            " join catalogue.stream as s using (stream_id)"
            " where s.kind = %(kind)s and r.unresolved <> 0 and not exists (select from catalogue.pending_period as p"
            "  where p.fact = %(fact)s"
            "  and p.period_date between date_trunc(%(unit)s, i.first_date)::date and i.last_date)"
            " group by 1 order by 1",
            {"kind": kind, "fact": fact, "unit": unit},
        ).fetchall()
    named = ", ".join(f"{stream} ({count} rows)" for stream, count in rows)
    return AssetCheckResult(
        check_name="nothing_unresolved",
        asset_key=asset,
        passed=not rows,
        description=f"accepted rows became nothing: {named}; ingest their arrivals again" if rows else None,
        metadata={"streams": len(rows)},
    )


def missing_spec(asset: AssetKey, kind: str) -> AssetCheckSpec:
    """The check that names streams whose arrivals are missing."""
    return AssetCheckSpec(ALL_STREAMS, asset=asset, description=f"ingest could take all arrivals of all {kind} streams")


def failed_of(settings: Settings, kind: str) -> list[IngestFailure]:
    """What ingest could not take of the streams of a kind."""
    with connect(settings) as connection:
        return list(failures(connection, kind).values())


def no_stream_is_missing(asset: AssetKey, failed: Sequence[IngestFailure]) -> AssetCheckResult:
    """Warns of streams with arrivals that ingest could not take: what they had before is in the table."""
    streams = sorted({failure.stream_id for failure in failed})
    said = "; ".join(map(str, failed[:SHOWN])) + (f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else "")
    return AssetCheckResult(
        check_name=ALL_STREAMS,
        asset_key=asset,
        passed=not failed,
        severity=AssetCheckSeverity.WARN,
        description=f"arrivals of {', '.join(streams)} are missing: {said}" if failed else None,
        metadata={"streams": len(streams), "arrivals": len(failed)},
    )
