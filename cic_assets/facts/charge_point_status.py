"""How charge points spent their days: the fact by local date. What a day's seconds are: `facts/status.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.calendar import days_of, month_of
from cic_assets.facts import outcome
from cic_assets.facts.expected import expected_check
from cic_assets.facts.fact import Computed, Fact, Table
from cic_assets.facts.finding import Check, Finding
from cic_assets.facts.network_days import renew_status_days
from cic_assets.facts.rated import registered
from cic_assets.facts.status import READ, SECONDS, STATUS_DAY, STATUS_FACTS, Feed, status_facts
from cic_assets.facts.status_edges import (
    charge_point_count,
    early_entries,
    feeds_of,
    in_passes,
    renew_edges,
    window_entries,
)
from cic_assets.facts.timeline import group_count
from cic_assets.facts.touch import CHARGE_POINTS, STATUS, counted_since, silent_since
from cic_assets.facts.unfinished import missing_check, pending_check, resolved_check
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.kinds.stream import Stream
from cic_assets.lake.rows import Rows, bring_back, choose, distinct, pieces, total, union
from cic_assets.lake.zones import Lake
from cic_assets.ledger.periods import Window
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection, Warehouse

KIND = "status"
STATUS_DAY_TABLE = "facts.charge_point_status_day"
TABLES = (
    Table(
        STATUS_DAY_TABLE,
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
    feeds = feeds_of(parts.warehouse, parts.streams, (window.start, window.end))
    now = dt.datetime.now(dt.UTC)
    weight = charge_point_count(parts.warehouse)
    passes = in_passes(parts, window.periods, weight) if feeds else ()
    made = union([_pass(parts, feeds, now, dates, staging) for dates in passes], STATUS_FACTS)
    is_day, is_read = pc.field("outcome").is_null(), pc.field("outcome") == READ
    days = choose(made, is_day, STATUS_DAY, staging, "days.parquet")
    placed = pa.Table.from_batches(pieces(made, condition=~is_day & ~is_read), STATUS_FACTS)
    read = sum(pc.sum(piece["row_count"]).as_py() for piece in pieces(made, ["row_count"], is_read))
    return Computed({STATUS_DAY_TABLE: days}, read, outcome.summed(placed, STATUS, "status_date"))


def _pass(parts: Parts, feeds: list[Feed], now: dt.datetime, dates: list[dt.date], staging: Lake) -> Rows:
    """`STATUS_FACTS` of some dates that follow one another."""
    first, last = dates[0], dates[-1] + dt.timedelta(days=1)
    registry = registered(parts.warehouse)
    with parts.staging() as scratch:
        entries, rows = window_entries(parts, first, last, registry["charge_point_id"].to_pylist(), scratch)
        registries = set(registry["provider_id"].to_pylist())
        made = status_facts(entries, feeds, first, last, registries, now, group_count(rows))
        return bring_back(made, staging, STATUS_FACTS)


def _makes_stale(parts: Parts, window: Window, computed: Computed) -> set[tuple[str, dt.date]]:
    """The months that count the window's charge points."""
    months = {(CHARGE_POINTS, month_of(day)) for day in days_of(window.start, window.end)}
    day = computed.rows[STATUS_DAY_TABLE]
    with parts.warehouse.transaction() as connection:
        providers = {
            *_providers(connection, window),
            *distinct(day, ["provider_id"])["provider_id"].to_pylist(),
        }
        if not providers:
            return set()
        since = silent_since(connection, providers, month_of(window.start))
        return months | {(CHARGE_POINTS, month) for month in counted_since(connection, since)}


def _providers(connection: Connection, window: Window) -> set[str]:
    """Whose rows stand in the window."""
    rows = connection.execute(
        "select distinct provider_id from facts.network_status_day where status_date >= %s and status_date < %s",
        [window.start, window.end],
    ).fetchall()
    return {row[0] for row in rows}


def audit(computed: Computed) -> list[Finding]:
    """The identities of numbers.md 2, on the rows that are about to replace others, and the flags that look around."""
    day = computed.rows[STATUS_DAY_TABLE]
    days, wrong = day.count_rows(), [each for piece in pieces(day) for each in _not_adding_up(piece)]
    placed = total(computed.outcomes, "row_count")
    return [
        Finding(
            check="seconds_add_up",
            table=STATUS_DAY_TABLE,
            passed=not wrong,
            text=f"{len(wrong)} of {days} days don't add up: {', '.join(wrong[:5])}" if wrong else None,
            figures={"days": days, "wrong": len(wrong)},
        ),
        Finding(
            check="records_add_up",
            table=STATUS_DAY_TABLE,
            passed=placed == computed.rows_read,
            text=f"{computed.rows_read} records read, {placed} placed",
            figures={"records read": computed.rows_read, "placed": placed},
        ),
        *(_flagged(day, rule) for rule in _FLAG_CHECKS),
    ]


def _not_adding_up(day: pa.RecordBatch) -> list[str]:
    """Charge points and days whose parts are not the whole."""
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
    for piece in pieces(day, names):
        for point, stream, flags in zip(*(piece[name].to_pylist() for name in names), strict=True):
            if rule.mark in flags:
                found[point] = found.get(point, 0) + 1
                streams.add(stream)
    worst = sorted(found, key=lambda point: (-found[point], point))[:5]
    named = ", ".join(f"{point} on {found[point]} days" for point in worst) + f" ({', '.join(sorted(streams))})"
    return Finding(
        check=rule_id,
        table=STATUS_DAY_TABLE,
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
        table=STATUS_DAY_TABLE,
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
        table=STATUS_DAY_TABLE,
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
            STATUS_DAY_TABLE,
            "the nine states, unreported and unobserved add up to the local day, before the swap",
            is_blocking=True,
        ),
        Check(
            "denominator_or_null",
            STATUS_DAY_TABLE,
            "in the table, D > 0 or all measures are null; none is beyond 0 to 100",
        ),
        Check(
            "records_add_up",
            STATUS_DAY_TABLE,
            "records read = in facts + duplicates + superseded, before the swap",
            is_blocking=True,
        ),
        Check(
            "no_early_entries",
            STATUS_DAY_TABLE,
            "no feed has few entries a year or more before all others: they open no days",
        ),
        *(Check(rule, STATUS_DAY_TABLE, f"flag: {CROSS_RULES[rule].message}") for rule in _FLAG_CHECKS),
        resolved_check(STATUS_DAY_TABLE),
        pending_check(STATUS_DAY_TABLE),
        expected_check(STATUS_DAY_TABLE),
        missing_check(STATUS_DAY_TABLE, KIND),
    ),
    audit=audit,
    kind=KIND,
    makes_stale=_makes_stale,
    then=renew_status_days,
    look=_look,
)
