"""The ids that feeds gave their charge points, and under which one facts stand. The rule is `kinds/identity.py`.

Names are kept per arrival; what differs is in `facts.charge_point_alias`. When that changes, facts of the charge
points are stale, in the same transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from psycopg import sql

from cic_assets.kinds.identity import Name, canonical_ids
from cic_assets.lake.rows import Rows, distinct, rows_of
from cic_assets.lake.tables import hand_over
from cic_assets.lake.zones import Lake
from cic_assets.ledger.periods import computed, mark_stale
from cic_assets.warehouse.connect import Connection, Warehouse
from cic_assets.warehouse.load import Staged, insert_staged, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_NAMES = ["stream_id", "arrival_date", "provider_id", "charge_point_id", "charge_point_alias"]


def aliases_of(warehouse: Warehouse, spark: SparkSession, staging: Lake) -> DataFrame | None:
    """Ids as given and the canonical ones where they differ, for `identified`; None where there are none."""
    with warehouse.transaction() as connection:
        return alias_frame(spark, aliases(connection), staging)


def alias_frame(spark: SparkSession, known: Mapping[str, str], staging: Lake) -> DataFrame | None:
    """The same of what `aliases` found."""
    if not known:
        return None
    given, canonical = zip(*sorted(known.items()), strict=True)
    return hand_over(spark, pa.table({"charge_point_id": list(given), "canonical_id": list(canonical)}), staging)


def aliases(connection: Connection) -> dict[str, str]:
    """Ids as given → the canonical ones, where they differ."""
    return dict(connection.execute("select charge_point_id, canonical_id from facts.charge_point_alias").fetchall())


def with_aliases(known: Mapping[str, str], given: Sequence[str]) -> list[str]:
    """All ids as given of the charge points that some ids name; with the canonical ones."""
    canonical = {known.get(name, name) for name in given}
    return sorted({*given, *canonical, *(name for name, point in known.items() if point in canonical)})


NAMES = "catalogue.charge_point_name"


def names_in(*accepted: Rows) -> pa.Table:
    """The names that accepted rows give, each once."""
    found = pa.concat_tables([distinct(rows, _NAMES) for rows in accepted])
    return found.group_by(_NAMES).aggregate([])


def stage_names(connection: Connection, names: pa.Table) -> Staged:
    """Names beside their table."""
    return stage_rows(connection, NAMES, rows_of(names))


def renew_names(connection: Connection, stream_id: str, days: Sequence[dt.date], names: Staged) -> bool:
    """Replaces the names that arrivals of a stream give, and where they bring anything new, decides anew.

    Args:
        connection: in whose transaction.
        stream_id: whose arrivals.
        days: which.
        names: those of their accepted rows.

    Returns:
        Whether any charge point has another id now.
    """
    _keep_names(connection, stream_id, "names_before")
    connection.execute(
        "delete from catalogue.charge_point_name where stream_id = %s and arrival_date = any(%s)",
        [stream_id, list(days)],
    )
    insert_staged(connection, NAMES, names)
    _keep_names(connection, stream_id, "names_after")
    row = connection.execute(
        "select exists ((table names_before except table names_after) union all"
        " (table names_after except table names_before))"
    ).fetchone()
    return bool(row and row[0]) and _renew_identity(connection)


def _keep_names(connection: Connection, stream_id: str, table: str) -> None:
    """What `_decided` reads of a stream, in a temporary table."""
    connection.execute(
        sql.SQL("create temporary table {} on commit drop as {}").format(
            sql.Identifier(table), _HEARD.format(which=sql.SQL("n.stream_id = {}").format(sql.Literal(stream_id)))
        )
    )


def _renew_identity(connection: Connection) -> bool:
    """Decides anew which ids are one charge point, and marks what stands under an id that changed.

    Returns:
        Whether any changed.
    """
    # One at a time: the last one has seen all names.
    connection.execute("lock table facts.charge_point_alias in share row exclusive mode")
    before, after = aliases(connection), _decided(connection)
    changed = {given for given in {*before, *after} if before.get(given) != after.get(given)}
    if not changed:
        return False
    connection.execute("delete from facts.charge_point_alias")
    with connection.cursor() as cursor:
        cursor.executemany("insert into facts.charge_point_alias values (%s, %s)", sorted(after.items()))
    moved = {*changed, *(found[given] for found in (before, after) for given in changed if given in found)}
    for fact, periods in _STANDING:
        mark_stale(connection, "identity", {(fact, row[0]) for row in connection.execute(periods, [sorted(moved)])})
    months = computed(connection, "charge_point_month")
    mark_stale(connection, "identity", {("charge_point_month", month) for month in months})
    return True


def _decided(connection: Connection) -> dict[str, str]:
    """Platform-wide id as given → canonical one, where they differ."""
    rows = connection.execute(_HEARD.format(which=sql.SQL("true"))).fetchall()
    names = (
        Name(provider, given.removeprefix(f"{provider}/"), alias, listed, delivery)
        for provider, given, alias, listed, delivery in rows
    )
    found = canonical_ids(names).items()
    return {f"{provider}/{given}": f"{provider}/{canonical}" for (provider, given), canonical in found}


# Names, each once, with the delivery where what stands beside them matters: of registries, and of status feeds that
# spell an id in several ways. Deliveries of the same names are the same one, and known by a hash of their names.
_HEARD = sql.SQL("""
with named as (
  select n.stream_id, n.arrival_date, n.provider_id, n.charge_point_id, n.charge_point_alias, s.kind,
    upper(translate(n.charge_point_id, '*-', '')) as folded
  from catalogue.charge_point_name as n left join catalogue.stream as s using (stream_id)
  where {which}
),
twice as (
  select stream_id, folded
  from (select distinct stream_id, folded, charge_point_id from named where kind = 'status') as spelt
  group by 1, 2 having count(*) > 1
),
told as (
  select n.*, n.kind = 'locations' or t.folded is not null as is_apart
  from named as n left join twice as t on t.stream_id = n.stream_id and t.folded = n.folded and n.kind = 'status'
),
deliveries as (
  select stream_id, arrival_date, stream_id || ' ' || sum(
    hashtextextended(jsonb_build_array(provider_id, charge_point_id, charge_point_alias)::text, 0)
  ) as delivery
  from told where is_apart group by 1, 2
)
select distinct n.provider_id, n.charge_point_id, n.charge_point_alias, coalesce(n.kind = 'locations', false) as listed,
  case when n.is_apart then d.delivery else '' end as delivery
from told as n left join deliveries as d using (stream_id, arrival_date)
""")
# Versions of a session lie within a day of each other, so in a neighbouring month at most.
_STANDING = (
    (
        "charge_point_status",
        sql.SQL("select distinct status_date from facts.charge_point_status_day where charge_point_id = any(%s)"),
    ),
    (
        "charging_session",
        sql.SQL(
            "select distinct date_trunc('month', start_date + n)::date from facts.charging_session,"
            " unnest(array[-1, 0, 1]) as n where charge_point_id = any(%s)"
        ),
    ),
)


def registered(warehouse: Warehouse) -> pa.Table:
    """charge_point_id and provider_id of what locations streams list; one row without either where there is none."""
    with warehouse.transaction() as connection:
        rows = connection.execute("select distinct charge_point_id, provider_id from facts.charge_point").fetchall()
    # Spark infers no schema from no row; a null is equal to nothing.
    points, providers = zip(*(rows or [(None, None)]), strict=True)
    return pa.table({"charge_point_id": pa.array(points, pa.string()), "provider_id": pa.array(providers, pa.string())})
