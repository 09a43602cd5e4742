"""Charge points per month: how many the registry had, were heard from, and were online; on the monthly schedule."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from dagster import (
    AssetCheckResult,
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

from cic_assets.assets.raw import OWNERS
from cic_assets.assets.session_facts import SESSION
from cic_assets.assets.status_facts import STATUS_DAY
from cic_assets.facts.charge_points import charge_point_month
from cic_assets.lake.tables import hand_over
from cic_assets.lake.timeline import renew_edges
from cic_assets.lake.touch import CHARGE_POINTS, STATUS
from cic_assets.partitions import MONTHS, month_range
from cic_assets.resources.platform import Platform
from cic_assets.resources.spark import SparkResource
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Connection, connect
from cic_assets.warehouse.load import Window, claim_window, months_of, swap_window
from cic_assets.work import today_of

CHARGE_POINT_MONTH = AssetKey(["facts", "charge_point_month"])
_POINT = [
    ("month_date", pa.date32()),
    ("charge_point_id", pa.string()),
    ("provider_id", pa.string()),
    ("authority_id", pa.string()),
    ("rated_power_kw", pa.decimal128(12, 4)),
]
# The registry at a month's end: what locations streams list, and of providers without any, what their feeds spoke of.
# A charge point whose last word before the end is REMOVED has left it.
_KNOWN = """
with declared as (
  select charge_point_id, provider_id, authority_id, rated_power_kw, valid_from, valid_to,
    min(valid_from) over (partition by charge_point_id) as first_from
  from facts.charge_point
),
spoken as (
  select charge_point_id, min(first_at) as first_at
  from (
    select charge_point_id, min(first_event_at) as first_at from facts.charge_point_edge group by 1
    union all
    select charge_point_id, min(started_at) from facts.charging_session group by 1
  ) as words
  group by 1
),
owners as (
  select charge_point_id, min(provider_id) as provider_id, min(authority_id) as authority_id,
    max(rated_power_kw) as rated_power_kw
  from (
    select distinct e.charge_point_id, s.provider_id, s.authority_id, null::numeric as rated_power_kw
    from facts.charge_point_edge as e join catalogue.stream as s using (stream_id)
    union all
    select charge_point_id, provider_id, authority_id, max(rated_power_kw) from facts.charging_session group by 1, 2, 3
  ) as found
  group by 1
),
registry as (
  -- The first version holds since the first word, if that came before it.
  select d.charge_point_id, d.provider_id, d.authority_id, d.rated_power_kw,
    case when d.valid_from = d.first_from then least(d.valid_from, s.first_at) else d.valid_from end as valid_from,
    d.valid_to
  from declared as d left join spoken as s using (charge_point_id)
  union all
  select o.charge_point_id, o.provider_id, o.authority_id, o.rated_power_kw, s.first_at, null
  from owners as o join spoken as s using (charge_point_id)
  where not exists (select from facts.charge_point as c where c.provider_id = o.provider_id)
),
last_words as (
  select distinct on (charge_point_id, connector_id) charge_point_id, last_state
  from facts.charge_point_edge
  where last_event_at < %(end_at)s and last_state is not null
  order by charge_point_id, connector_id, last_event_at desc
),
removed as (
  select charge_point_id from last_words group by 1 having bool_and(last_state = 'REMOVED')
)
select charge_point_id, provider_id, authority_id, rated_power_kw
from registry
where valid_from < %(end_at)s and (valid_to is null or valid_to >= %(end_at)s)
  and charge_point_id not in (select charge_point_id from removed)
"""
_ACTIVITY = """
with spoke as (
  select charge_point_id, provider_id, authority_id, null::numeric as rated_power_kw,
    bool_or(available_seconds + charging_seconds + reserved_seconds > 0) as is_online
  from facts.charge_point_status_day
  where status_date >= %(start)s and status_date < %(end)s
  group by 1, 2, 3
  having sum(event_count + confirmation_count) > 0
    or bool_or(available_seconds + charging_seconds + reserved_seconds > 0)
  union all
  select charge_point_id, provider_id, authority_id, max(rated_power_kw), true
  from facts.charging_session
  where start_date >= %(start)s and start_date < %(end)s
  group by 1, 2, 3
),
-- Also of a charge point that has left the registry, its rating is known.
rated as (
  select distinct on (charge_point_id) charge_point_id, rated_power_kw
  from facts.charge_point where valid_from < %(end_at)s order by charge_point_id, valid_from desc
)
select s.charge_point_id, min(s.provider_id), min(s.authority_id),
  coalesce(max(r.rated_power_kw), max(s.rated_power_kw)), bool_or(s.is_online)
from spoke as s left join rated as r using (charge_point_id) group by 1
"""


def charge_point_assets() -> AssetsDefinition:
    """The asset of charge points per month."""

    @multi_asset(
        name="charge_point_facts",
        specs=[
            AssetSpec(
                CHARGE_POINT_MONTH,
                deps=[STATUS_DAY, SESSION],
                description="Per month, provider, authority and power class: charge points in the registry at the "
                "month's end, heard from in it (any event, poll or session), and online in it (AVAILABLE, CHARGING or "
                "RESERVED at some time, or a session).",
                group_name="facts",
                owners=OWNERS,
                kinds={"spark", "postgres"},
            )
        ],
        partitions_def=MONTHS,
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=[
            AssetCheckSpec(
                "online_were_heard",
                asset=CHARGE_POINT_MONTH,
                blocking=True,
                description="online charge points are among those heard from, before the swap",
            )
        ],
    )
    def charge_point_month_asset(
        context: AssetExecutionContext, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        settings = platform.settings
        keys = context.partition_key_range
        start, end = month_range(keys.start, keys.end)
        _demand_days(settings, start, min(end, today_of(platform.streams.values(), dt.datetime.now(dt.UTC))))
        window = Window(CHARGE_POINTS, start, end, monthly=True)
        owner = f"{context.run_id}:{context.retry_number}"
        touch_id = claim_window(settings, window, owner)
        rows = compute_charge_points(settings, spark, window)
        wrong = [row for row in rows.to_pylist() if row["online_count"] > row["heard_from_count"]]
        yield AssetCheckResult(check_name="online_were_heard", passed=not wrong, metadata={"wrong": len(wrong)})
        if wrong:
            raise Failure(f"more charge points online than heard from: {wrong[0]}; nothing was replaced")
        swap_window(settings, window, owner, touch_id, {"facts.charge_point_month": ("month_date", rows)})
        yield MaterializeResult(metadata={"rows in run": rows.num_rows, "window": f"[{start}, {end})"})

    return charge_point_month_asset


def compute_charge_points(settings: Settings, spark: SparkResource, window: Window) -> pa.Table:
    """The rows of the window's months."""
    renew_edges(settings, spark.session)
    known, activity = [], []
    with connect(settings) as connection:
        for month in window.periods:
            bounds = _bounds(month)
            known += [(month, *row) for row in connection.execute(_KNOWN, bounds).fetchall()]
            activity += [(month, *row) for row in connection.execute(_ACTIVITY, bounds).fetchall()]
    frames = [
        hand_over(spark.session, _table(known, _POINT)),
        hand_over(spark.session, _table(activity, [*_POINT, ("is_online", pa.bool_())])),
    ]
    return charge_point_month(*frames).toArrow()


def _bounds(month: dt.date) -> dict[str, object]:
    following = months_of(month, (month + dt.timedelta(days=62)).replace(day=1))[1]
    # The registry's instants are UTC; a month ends within hours of that in any zone.
    return {"start": month, "end": following, "end_at": dt.datetime.combine(following, dt.time(), dt.UTC)}


def _table(rows: list[tuple[object, ...]], fields: list[tuple[str, pa.DataType]]) -> pa.Table:
    schema = pa.schema(fields)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _demand_days(settings: Settings, start: dt.date, end: dt.date) -> None:
    """A month fails, and says why, while one of its days has been delivered and never computed."""
    with connect(settings) as connection:
        missing = missing_days(connection, start, end)
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise Failure(
            f"{len(missing)} days of status were never computed: {shown}; run `cic run daily --from {missing[0]} "
            f"--to {missing[-1]}` first"
        )


def missing_days(connection: Connection, start: dt.date, end: dt.date) -> list[dt.date]:
    """Days in [start, end) that a status feed has touched and no run has ever computed."""
    rows = connection.execute(
        "select period_date from catalogue.pending_period where fact = %s and not computed_before"
        " and period_date >= %s and period_date < %s order by 1",
        [STATUS, start, end],
    ).fetchall()
    return [row[0] for row in rows]
