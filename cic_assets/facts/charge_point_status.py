"""How charge points spent their days: the fact by local date. What a day's seconds are: `facts/status.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.calendar import days_of, month_of
from cic_assets.facts import outcome
from cic_assets.facts.expected import expected_check
from cic_assets.facts.fact import Computed, Fact, Table
from cic_assets.facts.finding import Check, Finding
from cic_assets.facts.rated import registered
from cic_assets.facts.status import SECONDS, Feed, StatusFacts, days_table, feeds_table, status_facts
from cic_assets.facts.status_edges import (
    charge_point_count,
    early_entries,
    feeds_of,
    in_passes,
    renew_edges,
    window_entries,
)
from cic_assets.facts.touch import CHARGE_POINTS, STATUS, counted_since, silent_since
from cic_assets.facts.unfinished import missing_check, pending_check, resolved_check
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.kinds.stream import Stream
from cic_assets.lake.rows import Rows, bring_back, distinct, pieces, total, union
from cic_assets.lake.staging import write_and_read
from cic_assets.lake.tables import hand_over
from cic_assets.lake.zones import Lake
from cic_assets.ledger.periods import Window
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection, Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KIND = "status"
STATUS_DAY = "facts.charge_point_status_day"
TABLES = (
    Table(
        STATUS_DAY,
        "status_date",
        "Per charge point and local day, from its feed's first cover to yesterday or its end: seconds in each of "
        "OCPI's nine states, unreported and unobserved, to the microsecond; they add up to the day of 23, 24 or 25 "
        "hours.",
    ),
)
_FLAG_CHECKS = ("E04", "E05", "E07")


def _compute(parts: Parts, window: Window, staging: Lake) -> Computed:
    """Facts of the window's days, in passes of bounded size; each pass stands on edges, not on the last."""
    renew_edges(parts)
    feeds = feeds_of(parts.warehouse, parts.streams)
    now = dt.datetime.now(dt.UTC)
    found: list[Rows] = []
    placed: list[Rows] = []
    read = 0
    weight = charge_point_count(parts.warehouse)
    for dates in in_passes(parts, window.periods, weight) if feeds else ():
        with parts.staging() as scratch:
            facts, records = _pass(parts, feeds, now, dates, scratch)
            found.append(bring_back(facts.day, staging))
            placed.append(outcome.bring_back_counts(facts.outcomes, STATUS, staging))
            read += records.count()
    nothing = pa.schema([("stream_id", pa.string()), ("status_date", pa.date32())])
    days = union(found, found[0].schema if found else nothing)
    return Computed({STATUS_DAY: days}, read, union(placed, outcome.SCHEMA))


def _pass(
    parts: Parts,
    feeds: list[Feed],
    now: dt.datetime,
    dates: list[dt.date],
    scratch: Lake,
) -> tuple[StatusFacts, DataFrame]:
    """Facts of some dates that follow one another, and the records that they were made of."""
    number = count()

    def checkpoint(frame: DataFrame) -> DataFrame:
        return write_and_read(parts.spark, frame, scratch.uri(str(next(number))))

    first, last = dates[0], dates[-1] + dt.timedelta(days=1)
    listed = hand_over(parts.spark, registered(parts.warehouse), scratch)
    entries, points, records = window_entries(parts, first, last, scratch)
    # Read once: an ingest may swap rows between the placing of records and their count.
    records = checkpoint(records)
    facts = status_facts(
        entries,
        points,
        records,
        hand_over(parts.spark, feeds_table(feeds, now), scratch),
        hand_over(parts.spark, days_table([feed.zone for feed in feeds], first, last), scratch),
        listed,
        now,
        checkpoint,
    )
    return facts, records


def _makes_stale(parts: Parts, window: Window, computed: Computed) -> set[tuple[str, dt.date]]:
    """The months that count the window's charge points."""
    months = {(CHARGE_POINTS, month_of(day)) for day in days_of(window.start, window.end)}
    day = computed.rows[STATUS_DAY]
    with parts.warehouse.transaction() as connection:
        providers = {
            *_providers(connection, window),
            *(distinct(day, ["provider_id"])["provider_id"].to_pylist() if "provider_id" in day.schema.names else []),
        }
        if not providers:
            return set()
        since = silent_since(connection, providers, month_of(window.start))
        return months | {(CHARGE_POINTS, month) for month in counted_since(connection, since)}


def _providers(connection: Connection, window: Window) -> set[str]:
    """Whose rows stand in the window."""
    rows = connection.execute(
        "select distinct provider_id from facts.charge_point_status_day where status_date >= %s and status_date < %s",
        [window.start, window.end],
    ).fetchall()
    return {row[0] for row in rows}


def audit(computed: Computed) -> list[Finding]:
    """The identities of numbers.md 2, on the rows that are about to replace others, and the flags that look around."""
    day = computed.rows[STATUS_DAY]
    days, wrong = day.count_rows(), [each for piece in pieces(day) for each in _not_adding_up(piece)]
    placed = total(computed.outcomes, "row_count")
    return [
        Finding(
            check="seconds_add_up",
            table=STATUS_DAY,
            passed=not wrong,
            text=f"{len(wrong)} of {days} days don't add up: {', '.join(wrong[:5])}" if wrong else None,
            figures={"days": days, "wrong": len(wrong)},
        ),
        Finding(
            check="records_add_up",
            table=STATUS_DAY,
            passed=placed == computed.rows_read,
            text=f"{computed.rows_read} records read, {placed} placed",
            figures={"records read": computed.rows_read, "placed": placed},
        ),
        *(_flagged(day, rule) for rule in _FLAG_CHECKS),
    ]


def _not_adding_up(day: pa.RecordBatch) -> list[str]:
    """Charge points and days whose parts are not the whole."""
    if "day_seconds" not in day.schema.names:
        return []
    parts = [name for name in SECONDS if name != "day_seconds"]
    total = day[parts[0]]
    for name in parts[1:]:
        total = pc.add(total, day[name])
    wrong = day.filter(pc.fill_null(pc.not_equal(total, day["day_seconds"]), True))
    return [f"{row['charge_point_id']} {row['status_date']}" for row in wrong.slice(0, 1000).to_pylist()]


def _flagged(day: Rows, rule_id: str) -> Finding:
    """A warning that names charge points with a flag that looks at other rows or tables."""
    rule = CROSS_RULES[rule_id]
    found: dict[str, int] = {}
    streams: set[str] = set()
    names = ("charge_point_id", "stream_id", "flags")
    for piece in pieces(day, names) if "flags" in day.schema.names else ():
        for point, stream, flags in zip(*(piece[name].to_pylist() for name in names), strict=True):
            if rule.mark in flags:
                found[point] = found.get(point, 0) + 1
                streams.add(stream)
    worst = sorted(found, key=lambda point: (-found[point], point))[:5]
    named = ", ".join(f"{point} on {found[point]} days" for point in worst) + f" ({', '.join(sorted(streams))})"
    return Finding(
        check=rule_id,
        table=STATUS_DAY,
        passed=not found,
        is_warning=True,
        text=f"{rule.message}: {len(found)} charge points, such as {named}" if found else None,
        figures={"id": rule_id, "charge points": len(found), "days": sum(found.values())},
    )


def early_entries_found(warehouse: Warehouse, streams: Iterable[Stream]) -> Finding:
    """A warning that names feeds with few entries long before all others."""
    found = early_entries(warehouse, streams)
    named = [f"{stream_id}: {sum(e.count for e in dates)} up to {dates[-1].date}" for stream_id, dates in found.items()]
    said = "entries a year or more before all others, which open no days; see whether their dates are right: "
    return Finding(
        check="no_early_entries",
        table=STATUS_DAY,
        passed=not found,
        is_warning=True,
        text=f"{said}{'; '.join(named)}" if found else None,
        figures={"feeds": len(found)},
    )


def _measures(warehouse: Warehouse, start: dt.date, end: dt.date) -> Finding:
    with warehouse.transaction() as connection:
        row = connection.execute(
            "select count(*), min(charge_point_id || ' ' || status_date) from facts.charge_point_status_day"
            " where status_date >= %s and status_date < %s and ("
            "  (day_seconds - unobserved_seconds - planned_seconds - removed_seconds > 0)"
            "    <> (operational_pct is not null)"
            "  or least(operational_pct, operational_of_known_pct, charging_pct, unknown_pct) < 0"
            "  or greatest(operational_pct, operational_of_known_pct, charging_pct, unknown_pct) > 100)",
            [start, end],
        ).fetchone()
    assert row is not None
    return Finding(
        check="denominator_or_null",
        table=STATUS_DAY,
        passed=not row[0],
        text=f"{row[0]} days, such as {row[1]}" if row[0] else None,
        figures={"count": row[0]},
    )


def _look(parts: Parts, window: Window, computed: Computed) -> Sequence[Finding]:
    return [_measures(parts.warehouse, window.start, window.end), early_entries_found(parts.warehouse, parts.streams)]


CHARGE_POINT_STATUS = Fact(
    name=STATUS,
    asset="status_facts",
    is_monthly=False,
    tables=TABLES,
    # By label only: what a day says arrives on any day, and the code reads all arrivals.
    reads=("accepted.status",),
    compute=_compute,
    checks=(
        Check(
            "seconds_add_up",
            STATUS_DAY,
            "the nine states, unreported and unobserved add up to the local day, before the swap",
            is_blocking=True,
        ),
        Check(
            "denominator_or_null",
            STATUS_DAY,
            "in the table, D > 0 or all measures are null; none is beyond 0 to 100",
        ),
        Check(
            "records_add_up",
            STATUS_DAY,
            "records read = in facts + duplicates + superseded, before the swap",
            is_blocking=True,
        ),
        Check(
            "no_early_entries",
            STATUS_DAY,
            "no feed has few entries a year or more before all others: they open no days",
        ),
        *(Check(rule, STATUS_DAY, f"flag: {CROSS_RULES[rule].message}") for rule in _FLAG_CHECKS),
        resolved_check(STATUS_DAY),
        pending_check(STATUS_DAY),
        expected_check(STATUS_DAY),
        missing_check(STATUS_DAY, KIND),
    ),
    audit=audit,
    kind=KIND,
    makes_stale=_makes_stale,
    look=_look,
)
