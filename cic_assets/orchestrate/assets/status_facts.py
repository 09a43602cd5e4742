"""How charge points spent their days, as assets: partitioned by local date, swapped whole, in one transaction."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

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

from cic_assets.calendar import days_of, month_of
from cic_assets.facts.status import (
    DISPOSITIONS,
    SECONDS,
    Feed,
    StatusFacts,
    days_table,
    feeds_table,
    status_facts,
)
from cic_assets.facts.status_edges import (
    charge_point_count,
    early_entries,
    feeds_of,
    in_passes,
    renew_edges,
    window_entries,
)
from cic_assets.facts.touch import CHARGE_POINTS, STATUS, counted_since, silent_since
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.kinds.stream import Stream
from cic_assets.lake.engine import SparkResource
from cic_assets.lake.rows import Rows, bring_back, distinct, pieces, total, union
from cic_assets.lake.staging import staging_folder, write_and_read
from cic_assets.lake.tables import hand_over
from cic_assets.lake.zones import Lake
from cic_assets.ledger.lake_id import open_lake
from cic_assets.ledger.periods import Window, claim_window, swap_window
from cic_assets.orchestrate.assets.expected import expected_feeds, expected_spec, missing_feeds, spared
from cic_assets.orchestrate.assets.keys import ACCEPTED
from cic_assets.orchestrate.assets.raw import OWNERS
from cic_assets.orchestrate.assets.session_facts import registered
from cic_assets.orchestrate.assets.windows import (
    failed_of,
    materialized,
    missing_spec,
    no_stream_is_missing,
    nothing_unresolved,
    pending_restatement,
)
from cic_assets.orchestrate.partitions import DAYS, day_range
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Connection, connect

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

STATUS_DAY = AssetKey(["facts", "charge_point_status_day"])
STATUS_DISPOSITION = AssetKey(["quality", "status_disposition"])
TABLES = {STATUS_DAY: "status_date", STATUS_DISPOSITION: "status_date"}
_DESCRIPTIONS = {
    STATUS_DAY: "Per charge point and local day, from its feed's first cover to yesterday or its end: seconds in "
    "each of OCPI's nine states, unreported and unobserved, to the microsecond; they add up to the day "
    "of 23, 24 or 25 hours.",
    STATUS_DISPOSITION: "Per stream, arrival and local day: how many accepted records are in facts, duplicates, "
    "superseded.",
}
_FLAG_CHECKS = ("E04", "E05", "E07")
_BLOCKING = ("seconds_add_up", "records_add_up")


@dataclass(frozen=True)
class ComputedDays:
    """One window's rows, which lie in staging, and how many records it read."""

    rows: dict[AssetKey, Rows]
    records: int


def status_fact_assets() -> AssetsDefinition:
    """The multi-asset of status facts."""

    @multi_asset(
        name="status_facts",
        specs=[
            AssetSpec(
                key,
                # By label only: what a day says arrives on any day, and the code reads all arrivals.
                deps=[ACCEPTED["status"]] if key == STATUS_DAY else [STATUS_DAY],
                description=_DESCRIPTIONS[key],
                group_name=key.path[0],
                owners=OWNERS,
                kinds={"spark", "postgres"},
            )
            for key in TABLES
        ],
        partitions_def=DAYS,
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=_check_specs(),
    )
    def status_facts_assets(
        context: AssetExecutionContext, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        settings = platform.settings
        keys = context.partition_key_range
        start, end = day_range(keys.start, keys.end)
        missing = missing_feeds(settings, platform.streams.values(), "status", start, end)
        window = Window(STATUS, start, end, monthly=False)
        owner = f"{context.run_id}:{context.retry_number}"
        touch_id = claim_window(settings, window, owner)
        with staging_folder(settings) as staging:
            computed = compute_days(settings, spark, list(platform.streams.values()), start, end, staging)
            results = audit_days(computed)
            failed = [result for result in results if result.check_name in _BLOCKING and not result.passed]
            yield from results
            if failed:
                raise Failure("; ".join(str(result.description) for result in failed) + "; nothing was replaced")
            swap_days(settings, window, owner, touch_id, computed, spared(missing))
            yield expected_feeds(STATUS_DAY, missing)
            yield no_stream_is_missing(STATUS_DAY, failed_of(settings, "status"))
            yield _measures(settings, start, end)
            yield nothing_unresolved(settings, STATUS, "status", STATUS_DISPOSITION)
            yield pending_restatement(settings, STATUS, STATUS_DAY, "daily")
            yield _early(settings, platform.streams.values())
            yield from materialized(computed.rows, start, end)

    return status_facts_assets


def _check_specs() -> list[AssetCheckSpec]:
    flags = [
        AssetCheckSpec(rule, asset=STATUS_DAY, description=f"flag: {CROSS_RULES[rule].message}")
        for rule in _FLAG_CHECKS
    ]
    return [
        AssetCheckSpec(
            "seconds_add_up",
            asset=STATUS_DAY,
            blocking=True,
            description="the nine states, unreported and unobserved add up to the local day, before the swap",
        ),
        AssetCheckSpec(
            "denominator_or_null",
            asset=STATUS_DAY,
            description="in the table, D > 0 or all measures are null; none is beyond 0 to 100",
        ),
        AssetCheckSpec(
            "records_add_up",
            asset=STATUS_DISPOSITION,
            blocking=True,
            description="records read = in facts + duplicates + superseded, before the swap",
        ),
        AssetCheckSpec(
            "nothing_unresolved",
            asset=STATUS_DISPOSITION,
            description="of arrivals without a stale day, every accepted record became something",
        ),
        AssetCheckSpec(
            "pending_restatement",
            asset=STATUS_DAY,
            description="no computed day is older than what was accepted since",
        ),
        AssetCheckSpec(
            "no_early_entries",
            asset=STATUS_DAY,
            description="no feed has few entries a year or more before all others: they open no days",
        ),
        expected_spec(STATUS_DAY),
        missing_spec(STATUS_DAY, "status"),
        *flags,
    ]


def compute_days(
    settings: Settings, spark: SparkResource, streams: list[Stream], start: dt.date, end: dt.date, staging: Lake
) -> ComputedDays:
    """Facts of start <= local date < end, in passes of bounded size; each pass stands on edges, not on the last.

    Args:
        settings: where lake and warehouse are.
        spark: the engine.
        streams: all, of every kind.
        start: first local date.
        end: the date after the last.
        staging: where the rows lie until they are swapped.
    """
    open_lake(settings)
    renew_edges(settings, spark.session)
    feeds = feeds_of(settings, streams)
    now = dt.datetime.now(dt.UTC)
    parts: dict[AssetKey, list[Rows]] = {key: [] for key in TABLES}
    read = 0
    weight = charge_point_count(settings)
    for dates in in_passes(settings, days_of(start, end), weight) if feeds else ():
        with staging_folder(settings) as scratch:
            facts, records = _pass(settings, spark, feeds, now, dates, scratch)
            parts[STATUS_DAY].append(bring_back(facts.day, staging))
            parts[STATUS_DISPOSITION].append(bring_back(facts.disposition, staging))
            read += records.count()
    return ComputedDays({key: _joined(key, found) for key, found in parts.items()}, read)


def _pass(
    settings: Settings,
    spark: SparkResource,
    feeds: list[Feed],
    now: dt.datetime,
    dates: list[dt.date],
    scratch: Lake,
) -> "tuple[StatusFacts, DataFrame]":
    """Facts of some dates that follow one another, and the records that they were made of."""
    number = count()

    def checkpoint(frame: "DataFrame") -> "DataFrame":
        return write_and_read(spark.session, frame, scratch.uri(str(next(number))))

    first, last = dates[0], dates[-1] + dt.timedelta(days=1)
    listed = hand_over(spark.session, registered(settings), scratch)
    entries, points, records = window_entries(settings, spark.session, first, last, scratch)
    # Read once: an ingest may swap rows between the placing of records and their count.
    records = checkpoint(records)
    facts = status_facts(
        entries,
        points,
        records,
        hand_over(spark.session, feeds_table(feeds, now), scratch),
        hand_over(spark.session, days_table([feed.zone for feed in feeds], first, last), scratch),
        listed,
        now,
        checkpoint,
    )
    return facts, records


def _joined(key: AssetKey, parts: list[Rows]) -> Rows:
    nothing = pa.schema([("stream_id", pa.string()), (TABLES[key], pa.date32())])
    return union(parts, parts[0].schema if parts else nothing)


def swap_days(
    settings: Settings,
    window: Window,
    owner: str,
    touch_id: int,
    computed: ComputedDays,
    spared: Collection[tuple[str, dt.date]] = (),
) -> None:
    """Replaces the window's days, but for those of streams that are spared.

    The months that count their charge points are stale after it.
    """
    months = {(CHARGE_POINTS, month_of(day)) for day in days_of(window.start, window.end)}
    day = computed.rows[STATUS_DAY]
    with connect(settings) as connection:
        providers = {
            *_providers(connection, window),
            *(distinct(day, ["provider_id"])["provider_id"].to_pylist() if "provider_id" in day.schema.names else []),
        }
        since = silent_since(connection, providers, month_of(window.start))
        months |= {(CHARGE_POINTS, month) for month in counted_since(connection, since)}
    rows = {".".join(key.path): (TABLES[key], found) for key, found in computed.rows.items()}
    swap_window(settings, window, owner, touch_id, rows, months if providers else (), spared=spared)


def _providers(connection: Connection, window: Window) -> set[str]:
    """Whose rows stand in the window."""
    rows = connection.execute(
        "select distinct provider_id from facts.charge_point_status_day where status_date >= %s and status_date < %s",
        [window.start, window.end],
    ).fetchall()
    return {row[0] for row in rows}


def audit_days(computed: ComputedDays) -> list[AssetCheckResult]:
    """The identities of DEFINITIONS 2, on the rows that are about to replace others, and the flags that look around."""
    day, disposition = computed.rows[STATUS_DAY], computed.rows[STATUS_DISPOSITION]
    days, wrong = day.count_rows(), [each for piece in pieces(day) for each in _not_adding_up(piece)]
    placed = sum(total(disposition, name) for name in DISPOSITIONS)
    return [
        AssetCheckResult(
            check_name="seconds_add_up",
            asset_key=STATUS_DAY,
            passed=not wrong,
            description=f"{len(wrong)} of {days} days don't add up: {', '.join(wrong[:5])}" if wrong else None,
            metadata={"days": days, "wrong": len(wrong)},
        ),
        AssetCheckResult(
            check_name="records_add_up",
            asset_key=STATUS_DISPOSITION,
            passed=placed == computed.records,
            description=f"{computed.records} records read, {placed} placed",
            metadata={"records read": computed.records, "placed": placed},
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


def _flagged(day: Rows, rule_id: str) -> AssetCheckResult:
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
    return AssetCheckResult(
        check_name=rule_id,
        asset_key=STATUS_DAY,
        passed=not found,
        severity=AssetCheckSeverity.WARN,
        description=f"{rule.message}: {len(found)} charge points, such as {named}" if found else None,
        metadata={"id": rule_id, "charge points": len(found), "days": sum(found.values())},
    )


def _early(settings: Settings, streams: Iterable[Stream]) -> AssetCheckResult:
    """A warning that names feeds with few entries long before all others."""
    found = early_entries(settings, streams)
    named = [f"{stream_id}: {sum(e.count for e in dates)} up to {dates[-1].date}" for stream_id, dates in found.items()]
    said = "entries a year or more before all others, which open no days; see whether their dates are right: "
    return AssetCheckResult(
        check_name="no_early_entries",
        asset_key=STATUS_DAY,
        passed=not found,
        severity=AssetCheckSeverity.WARN,
        description=f"{said}{'; '.join(named)}" if found else None,
        metadata={"feeds": len(found)},
    )


def _measures(settings: Settings, start: dt.date, end: dt.date) -> AssetCheckResult:
    with connect(settings) as connection:
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
    return AssetCheckResult(
        check_name="denominator_or_null",
        asset_key=STATUS_DAY,
        passed=not row[0],
        description=f"{row[0]} days, such as {row[1]}" if row[0] else None,
        metadata={"count": row[0]},
    )
