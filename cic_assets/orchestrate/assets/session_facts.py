"""Session facts: computed by Spark, audited, and swapped into the warehouse month by month, in one transaction."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Failure,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from cic_assets.calendar import months_of
from cic_assets.facts.rated import aliases_of
from cic_assets.facts.ratings import renew_ratings
from cic_assets.facts.sessions import DISPOSITIONS, named_ids, session_facts
from cic_assets.facts.touch import SESSIONS
from cic_assets.kinds.identity import identified
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.lake import tables
from cic_assets.lake.engine import SparkResource
from cic_assets.lake.rows import Rows, bring_back, pieces, total, union
from cic_assets.lake.staging import staging_folder, write_and_read
from cic_assets.lake.zones import Lake
from cic_assets.ledger.accepted_files import read_accepted
from cic_assets.ledger.lake_id import open_lake
from cic_assets.ledger.periods import Window, claim_window, swap_window
from cic_assets.orchestrate.assets.expected import expected_feeds, expected_spec, missing_feeds, spared
from cic_assets.orchestrate.assets.keys import ACCEPTED
from cic_assets.orchestrate.assets.raw import OWNERS
from cic_assets.orchestrate.assets.windows import (
    failed_of,
    materialized,
    missing_spec,
    no_stream_is_missing,
    nothing_unresolved,
    pending_restatement,
)
from cic_assets.orchestrate.partitions import MONTHS, month_range
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import connect

FACT = SESSIONS
# What a pass takes for each accepted row of its window, at most; so a range of years is several passes.
BYTES_PER_SESSION = 4_000
SESSION = AssetKey(["facts", "charging_session"])
SESSION_DAY = AssetKey(["facts", "charging_session_day"])
DISPOSITION = AssetKey(["quality", "disposition"])
TABLES = {SESSION: "start_date", SESSION_DAY: "start_date", DISPOSITION: "month_date"}
_DESCRIPTIONS = {
    SESSION: "One row per charging session, by local start date. Duplicates, superseded versions and open ones are "
    "left out and counted in quality.disposition.",
    SESSION_DAY: "Per charge point, local start date and currency: count; min, mean, max and total of duration (s), "
    "energy (kWh) and revenue. Credits, credited, invalid and reservation sessions are out.",
    DISPOSITION: "Per stream, arrival and month of start: how many accepted rows are in facts, open, duplicates, "
    "superseded.",
}


@dataclass(frozen=True)
class Computed:
    """One window's rows, which lie in staging, and what the audit needs."""

    rows: dict[AssetKey, Rows]
    rows_read: int


def _check_specs() -> list[AssetCheckSpec]:
    """The two identities that block a swap, and the warning that months are stale."""
    return [
        AssetCheckSpec(
            "rows_add_up",
            asset=SESSION,
            blocking=True,
            description="rows read = in facts + open + duplicates + superseded, before the swap",
        ),
        AssetCheckSpec(
            "day_adds_up",
            asset=SESSION_DAY,
            blocking=True,
            description="sessions and energy of the days equal those of the sessions, before the swap",
        ),
        AssetCheckSpec("S16", asset=SESSION, description=f"flag: {CROSS_RULES['S16'].message}"),
        AssetCheckSpec(
            "nothing_unresolved",
            asset=DISPOSITION,
            description="of arrivals without a stale month, every accepted row became something",
        ),
        AssetCheckSpec(
            "pending_restatement",
            asset=SESSION,
            description="no computed month is older than the sessions accepted since",
        ),
        expected_spec(SESSION),
        missing_spec(SESSION, "sessions"),
    ]


def session_fact_assets() -> AssetsDefinition:
    """The multi-asset of session facts."""

    @multi_asset(
        name="session_facts",
        specs=[
            AssetSpec(
                key,
                # By label only: sessions of a month arrive on any day, and the code reads all arrivals.
                deps=[ACCEPTED["sessions"]] if key == SESSION else [SESSION],
                description=_DESCRIPTIONS[key],
                group_name=key.path[0],
                owners=OWNERS,
                kinds={"spark", "postgres"},
            )
            for key in TABLES
        ],
        partitions_def=MONTHS,
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=_check_specs(),
    )
    def session_facts_assets(
        context: AssetExecutionContext, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        settings = platform.settings
        keys = context.partition_key_range
        start, end = month_range(keys.start, keys.end)
        missing = missing_feeds(settings, platform.streams.values(), "sessions", start, end)
        owner = f"{context.run_id}:{context.retry_number}"
        window = Window(FACT, start, end, monthly=True)
        touch_id = claim_window(settings, window, owner)
        with staging_folder(settings) as staging:
            computed = compute_months(settings, spark, start, end, staging)
            results = audit_months(computed)
            failed = [result for result in results if not result.passed]
            yield from results
            if failed:
                raise Failure("; ".join(str(result.description) for result in failed) + "; nothing was replaced")
            swap_window(
                settings, window, owner, touch_id,
                {".".join(key.path): (TABLES[key], rows) for key, rows in computed.rows.items()}, then=renew_ratings,
                spared=spared(missing),
            )  # fmt: skip
            yield expected_feeds(SESSION, missing)
            yield no_stream_is_missing(SESSION, failed_of(settings, "sessions"))
            yield nothing_unresolved(settings, FACT, "sessions", DISPOSITION)
            yield reused_ids(computed.rows[SESSION])
            yield pending_restatement(settings, FACT, SESSION, "monthly")
            yield from materialized(computed.rows, start, end)

    return session_facts_assets


def compute_months(settings: Settings, spark: SparkResource, start: dt.date, end: dt.date, staging: Lake) -> Computed:
    """Facts of the months in [start, end), in passes of bounded size; the rows lie in staging until they are swapped.

    A month needs nothing of the one before: versions and neighbours of its sessions are read from all that is accepted.
    """
    parts: dict[AssetKey, list[Rows]] = {key: [] for key in TABLES}
    read = 0
    with staging_folder(settings) as scratch:
        names = aliases_of(settings, spark.session, scratch)
        listed = tables.hand_over(spark.session, registered(settings), scratch)
        for first, last in _passes(settings, start, end):
            with staging_folder(settings) as folder:
                number = count()
                facts = session_facts(
                    identified(read_accepted(settings, spark.session, "sessions"), names),
                    listed,
                    first,
                    last,
                    lambda frame, folder=folder, number=number: write_and_read(  # type: ignore[misc]
                        spark.session, frame, folder.uri(str(next(number)))
                    ),
                )
                for key, frame in zip(TABLES, (facts.session, facts.day, facts.disposition), strict=True):
                    parts[key].append(bring_back(frame, staging))
                read += facts.rows_read
    return Computed({key: union(found, found[0].schema) for key, found in parts.items()}, read)


def _passes(settings: Settings, start: dt.date, end: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """The months in [start, end) in ranges of as many accepted rows as memory has room for; a month is never cut."""
    room = settings.memory_bytes // BYTES_PER_SESSION
    counts = dict.fromkeys(months_of(start, end), 0)
    for date, rows in tables.entry_counts(open_lake(settings), "sessions").items():
        if start <= date < end:
            counts[date.replace(day=1)] += rows
    first, total = start, 0
    for month, rows in counts.items():
        if total and total + rows > room:
            yield first, month
            first, total = month, 0
        total += rows
    yield first, end


def registered(settings: Settings) -> pa.Table:
    """charge_point_id and provider_id of what locations streams list; one row without either where there is none."""
    with connect(settings) as connection:
        rows = connection.execute("select distinct charge_point_id, provider_id from facts.charge_point").fetchall()
    # Spark infers no schema from no row; a null is equal to nothing.
    points, providers = zip(*(rows or [(None, None)]), strict=True)
    return pa.table({"charge_point_id": pa.array(points, pa.string()), "provider_id": pa.array(providers, pa.string())})


def audit_months(computed: Computed) -> list[AssetCheckResult]:
    """The identities of DEFINITIONS 4 and the day's arithmetic, on the rows that are about to replace others."""
    session, day, disposition = (computed.rows[key] for key in (SESSION, SESSION_DAY, DISPOSITION))
    placed = sum(total(disposition, name) for name in DISPOSITIONS)
    counted = session.filter(pc.field("is_counted"))
    sessions, energy = counted.count_rows(), total(counted, "energy_kwh")
    rows = session.count_rows()
    return [
        AssetCheckResult(
            check_name="rows_add_up",
            asset_key=SESSION,
            passed=placed == computed.rows_read and total(disposition, "in_facts") == rows,
            description=f"{computed.rows_read} rows read, {placed} placed, {rows} sessions",
            metadata={"rows read": computed.rows_read, "placed": int(placed), "sessions": rows},
        ),
        AssetCheckResult(
            check_name="day_adds_up",
            asset_key=SESSION_DAY,
            passed=total(day, "session_count") == sessions and total(day, "energy_kwh_total") == energy,
            description=f"{sessions} sessions and {energy} kWh in sessions, {total(day, 'session_count')} and "
            f"{total(day, 'energy_kwh_total')} kWh in days",
        ),
    ]


def reused_ids(session: Rows) -> AssetCheckResult:
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
    return AssetCheckResult(
        check_name=rule.id,
        asset_key=SESSION,
        passed=not reused,
        severity=AssetCheckSeverity.WARN,
        description=f"{rule.message}: {len(reused)} ids, such as {named_ids(reused)}" if reused else None,
        metadata={"id": rule.id, "ids": len(reused), "sessions": sum(map(len, found.values()))},
    )
