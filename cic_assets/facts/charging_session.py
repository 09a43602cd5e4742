"""Sessions: the fact by month. What a session is and what becomes of a row: `facts/sessions.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.calendar import months_of
from cic_assets.facts import outcome
from cic_assets.facts.expected import expected_check
from cic_assets.facts.fact import Computed, Fact, Table
from cic_assets.facts.finding import Check, Finding
from cic_assets.facts.network_days import renew_session_days
from cic_assets.facts.rated import aliases_of, registered
from cic_assets.facts.ratings import renew_ratings
from cic_assets.facts.sessions import SESSION_DAY as SESSION_DAY_ROWS
from cic_assets.facts.sessions import SESSION_FACT, SESSION_FACTS, named_ids, session_day, session_facts
from cic_assets.facts.timeline import group_count
from cic_assets.facts.touch import SESSIONS
from cic_assets.facts.unfinished import missing_check, pending_check, resolved_check
from cic_assets.kinds.identity import identified
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.lake import tables
from cic_assets.lake.rows import Rows, bring_back, choose, pieces, total, union
from cic_assets.lake.zones import Lake
from cic_assets.ledger.periods import Window
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection

KIND = "sessions"
# What a pass takes for each accepted row of its window, at most; so a range of years is several passes.
BYTES_PER_SESSION = 4_000
SESSION = "facts.charging_session"
SESSION_DAY = "facts.charging_session_day"
TABLES = (
    Table(
        SESSION,
        "start_date",
        "One row per charging session, by local start date. Duplicates, superseded versions and open ones are left out "
        "and counted in quality.outcome.",
    ),
    Table(
        SESSION_DAY,
        "start_date",
        "Per charge point, local start date and currency: count; min, mean, max and total of duration (s), energy "
        "(kWh) and revenue. Credits, credited, invalid and reservation sessions are out.",
    ),
)


def _compute(parts: Parts, window: Window, staging: Lake) -> Computed:
    """Facts of the window's months, in passes of bounded size; the rows lie in staging until they are swapped.

    A month needs nothing of the one before: versions and neighbours of its sessions are read from all that is accepted.
    """
    sessions: list[Rows] = []
    days: list[Rows] = []
    placed: list[pa.Table] = []
    read = 0
    with parts.staging() as scratch:
        names = aliases_of(parts.warehouse, parts.spark, scratch)
        listed = tables.hand_over(parts.spark, registered(parts.warehouse), scratch)
        accepted = identified(parts.accepted(KIND), names)
        for number, (first, last) in enumerate(_passes(parts, window.start, window.end)):
            groups = group_count(_rows_between(parts, first, last))
            facts = session_facts(accepted, listed, first, last, groups)
            made = bring_back(facts.made, scratch, SESSION_FACTS)
            path = f"sessions/{number}.parquet"
            sessions.append(choose(made, pc.field("outcome").is_null(), SESSION_FACT, staging, path))
            frame = parts.spark.read.schema(tables.spark_schema(SESSION_FACT)).parquet(staging.uri(path))
            days.append(bring_back(session_day(frame), staging, SESSION_DAY_ROWS))
            placed.append(pa.Table.from_batches(pieces(made, condition=pc.field("outcome").is_valid()), SESSION_FACTS))
            read += facts.rows_read
    rows = {SESSION: union(sessions, SESSION_FACT), SESSION_DAY: union(days, SESSION_DAY_ROWS)}
    return Computed(rows, read, outcome.summed(pa.concat_tables(placed), SESSIONS, "period_date"))


def _rows_between(parts: Parts, start: dt.date, end: dt.date) -> int:
    """About how many accepted rows start in a window."""
    return sum(rows for date, rows in tables.entry_counts(parts.lake, KIND).items() if start <= date < end)


def _passes(parts: Parts, start: dt.date, end: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """The months in [start, end) in ranges of as many accepted rows as memory has room for; a month is never cut."""
    room = parts.memory_bytes // BYTES_PER_SESSION
    counts = dict.fromkeys(months_of(start, end), 0)
    for date, rows in tables.entry_counts(parts.lake, KIND).items():
        if start <= date < end:
            counts[date.replace(day=1)] += rows
    first, total = start, 0
    for month, rows in counts.items():
        if total and total + rows > room:
            yield first, month
            first, total = month, 0
        total += rows
    yield first, end


def audit(computed: Computed) -> list[Finding]:
    """The identities of numbers.md 4 and the day's arithmetic, on the rows that are about to replace others."""
    session, day = (computed.rows[table.name] for table in TABLES)
    placed = total(computed.outcomes, "row_count")
    kept = total(computed.outcomes.filter(pc.field("outcome") == "in_facts"), "row_count")
    counted = session.filter(pc.field("is_counted"))
    sessions, energy = counted.count_rows(), total(counted, "energy_kwh")
    rows = session.count_rows()
    return [
        Finding(
            check="rows_add_up",
            table=SESSION,
            passed=placed == computed.rows_read and kept == rows,
            text=f"{computed.rows_read} rows read, {placed} placed, {rows} sessions",
            figures={"rows read": computed.rows_read, "placed": placed, "sessions": rows},
        ),
        Finding(
            check="day_adds_up",
            table=SESSION_DAY,
            passed=total(day, "session_count") == sessions and total(day, "energy_kwh_total") == energy,
            text=f"{sessions} sessions and {energy} kWh in sessions, {total(day, 'session_count')} and "
            f"{total(day, 'energy_kwh_total')} kWh in days",
        ),
    ]


def reused_ids(session: Rows) -> Finding:
    """A warning that names the ids that do not identify, how often and where they stand, the most frequent first."""
    rule = CROSS_RULES["S16"]
    found: dict[str, list[str]] = {}
    names = ("session_id", "charge_point_id", "flags")
    for piece in pieces(session, names):
        for name, point, flags in zip(*(piece[column].to_pylist() for column in names), strict=True):
            if rule.mark in flags:
                found.setdefault(name, []).append(point)
    reused = [
        {"session_id": name, "count": len(points), "points": sorted(set(points))} for name, points in found.items()
    ]
    reused.sort(key=lambda row: (-int(str(row["count"])), str(row["session_id"])))
    return Finding(
        check=rule.id,
        table=SESSION,
        passed=not reused,
        is_warning=True,
        text=f"{rule.message}: {len(reused)} ids, such as {named_ids(reused)}" if reused else None,
        figures={"id": rule.id, "ids": len(reused), "sessions": sum(map(len, found.values()))},
    )


def _look(parts: Parts, window: Window, computed: Computed) -> Sequence[Finding]:
    return [reused_ids(computed.rows[SESSION])]


def _then(connection: Connection, window: Window) -> None:
    renew_session_days(connection, window)
    renew_ratings(connection)


CHARGING_SESSION = Fact(
    name=SESSIONS,
    asset="session_facts",
    is_monthly=True,
    tables=TABLES,
    # By label only: sessions of a month arrive on any day, and the code reads all arrivals.
    reads=("accepted.sessions",),
    compute=_compute,
    checks=(
        Check(
            "rows_add_up",
            SESSION,
            "rows read = in facts + open + duplicates + superseded, before the swap",
            is_blocking=True,
        ),
        Check(
            "day_adds_up",
            SESSION_DAY,
            "sessions and energy of the days equal those of the sessions, before the swap",
            is_blocking=True,
        ),
        Check("S16", SESSION, f"flag: {CROSS_RULES['S16'].message}"),
        resolved_check(SESSION),
        pending_check(SESSION),
        expected_check(SESSION),
        missing_check(SESSION, KIND),
    ),
    audit=audit,
    kind=KIND,
    then=_then,
    look=_look,
)
