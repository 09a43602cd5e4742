"""The ids that feeds gave their charge points, and under which one facts stand. The rule is `facts/identity.py`.

Names are kept per arrival; what differs is in `facts.charge_point_alias`. When that changes, facts of the charge
points are stale, in the same transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from psycopg import sql

from cic_assets.facts.identity import Name, canonical_ids
from cic_assets.lake.tables import hand_over
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Connection, connect
from cic_assets.warehouse.load import copy_rows, mark_stale

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_NAMES = ["stream_id", "arrival_date", "provider_id", "charge_point_id", "charge_point_alias"]


def aliases_of(settings: Settings, spark: SparkSession) -> DataFrame | None:
    """Ids as given and the canonical ones where they differ, for `identified`; None where there are none."""
    with connect(settings) as connection:
        return alias_frame(spark, aliases(connection))


def alias_frame(spark: SparkSession, known: Mapping[str, str]) -> DataFrame | None:
    """The same of what `aliases` found."""
    if not known:
        return None
    given, canonical = zip(*sorted(known.items()), strict=True)
    return hand_over(spark, pa.table({"charge_point_id": list(given), "canonical_id": list(canonical)}))


def aliases(connection: Connection) -> dict[str, str]:
    """Ids as given → the canonical ones, where they differ."""
    return dict(connection.execute("select charge_point_id, canonical_id from facts.charge_point_alias").fetchall())


def with_aliases(known: Mapping[str, str], given: Sequence[str]) -> list[str]:
    """All ids as given of the charge points that some ids name; with the canonical ones."""
    canonical = {known.get(name, name) for name in given}
    return sorted({*given, *canonical, *(name for name, point in known.items() if point in canonical)})


def note_names(connection: Connection, stream_id: str, days: Sequence[dt.date], accepted: pa.Table) -> None:
    """Replaces the names that arrivals of a stream give.

    Args:
        connection: in whose transaction.
        stream_id: whose arrivals.
        days: which.
        accepted: their accepted rows.
    """
    connection.execute(
        "delete from catalogue.charge_point_name where stream_id = %s and arrival_date = any(%s)",
        [stream_id, list(days)],
    )
    copy_rows(connection, "catalogue.charge_point_name", accepted.select(_NAMES).group_by(_NAMES).aggregate([]))


def renew_identity(settings: Settings) -> bool:
    """Decides anew which ids are one charge point, and marks what stands under an id that changed.

    Returns:
        Whether any changed.
    """
    with connect(settings) as connection:
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
    return True


def _decided(connection: Connection) -> dict[str, str]:
    """Platform-wide id as given → canonical one, where they differ."""
    rows = connection.execute(
        "select n.provider_id, n.charge_point_id, n.charge_point_alias, coalesce(s.kind = 'locations', false),"
        " case when s.kind = 'locations' then n.stream_id || ' ' || n.arrival_date else '' end"
        " from catalogue.charge_point_name as n left join catalogue.stream as s using (stream_id)"
        " group by 1, 2, 3, 4, 5"
    ).fetchall()
    names = (
        Name(provider, given.removeprefix(f"{provider}/"), alias, listed, delivery)
        for provider, given, alias, listed, delivery in rows
    )
    found = canonical_ids(names).items()
    return {f"{provider}/{given}": f"{provider}/{canonical}" for (provider, given), canonical in found}


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
    (
        "charge_point_month",
        sql.SQL(
            "select period_date from catalogue.fact_window"
            " where fact = 'charge_point_month' and cardinality(%s::text[]) > 0"
        ),
    ),
)
