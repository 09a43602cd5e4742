"""Which marts are older than what they are made of: facts and marts are one publication.

A period of a mart set is due from inside the very transaction that changes what it reads until dbt has built it from
that, with today's SQL. So whatever ends a run between the two leaves a row here that daemon, command line and doctor
see. A touch is another number each time; a build notes the numbers before dbt starts, so that what is swapped while
dbt runs stays due.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cic_assets.ledger.mart_sets import ARRIVAL, DAILY, MONTHLY, MartSet, mart_sets
from cic_assets.warehouse.connect import Connection, Warehouse

# Tables that marts read → the sets whose rows are others when the table's are. A view is never older than what it
# reads, so what only views read is not here.
READERS: dict[str, tuple[str, ...]] = {
    "facts.charging_session": (MONTHLY,),
    "facts.charging_session_day": (MONTHLY,),
    "facts.charge_point_month": (MONTHLY,),
    "facts.charge_point_status_day": (DAILY, MONTHLY),
    "facts.charge_point_rating": (MONTHLY,),
    "catalogue.stream": (MONTHLY, ARRIVAL),
    "catalogue.arrival": (ARRIVAL,),
    "quality.ingest_count": (ARRIVAL,),
    "quality.new_column": (ARRIVAL,),
    "quality.rule": (ARRIVAL,),
    "quality.rule_count": (ARRIVAL,),
    "quality.unmapped_status": (ARRIVAL,),
    "quality.unreadable_value": (ARRIVAL,),
}
# Dimensions have no periods: the calendar's first day stands for all time.
ALWAYS = dt.date(2010, 1, 1)
Periods = Iterable[tuple[str, dt.date]]


def touch(connection: Connection, periods: Periods) -> None:
    """Makes periods of mart sets due, in the caller's transaction: that of the change."""
    wanted = sorted(set(periods))
    # In one order, so that two writers at once wait for each other and don't block each other.
    connection.execute(
        "insert into catalogue.mart_period (mart_set, period_date, touch_id)"
        " select mart_set, period_date, nextval('catalogue.touch_id')"
        " from unnest(%s::text[], %s::date[]) as wanted (mart_set, period_date) order by 1, 2"
        " on conflict (mart_set, period_date) do update set touch_id = excluded.touch_id, touched_at = now()",
        [[name for name, _ in wanted], [period for _, period in wanted]],
    )


def touch_readers(connection: Connection, tables: Iterable[str], dates: Iterable[dt.date]) -> None:
    """Makes due what reads some tables' rows of some dates."""
    days = set(dates)
    months = {day.replace(day=1) for day in days}
    names = {name for table in tables for name in READERS.get(table, ())}
    touch(connection, {(name, day) for name in names for day in (months if name == MONTHLY else days)})


def touch_since(connection: Connection, name: str, first: dt.date = dt.date.min) -> None:
    """Makes due all periods of a set that ever were, from a date on."""
    found = connection.execute(
        "select period_date from catalogue.mart_period where mart_set = %s and period_date >= %s", [name, first]
    ).fetchall()
    touch(connection, {(name, row[0]) for row in found})


@dataclass(frozen=True)
class Due:
    """A period that is to be built, the touch that makes it so, and when it was built last."""

    period: dt.date
    touch_id: int
    built_at: dt.datetime | None


def due(connection: Connection, marts: MartSet) -> list[Due]:
    """Periods of a set that are older than what they read, or made by other SQL, or not there; oldest first."""
    rows = connection.execute(
        "select period_date, touch_id, built_at,"
        " touch_id is distinct from built_touch_id, built_with is distinct from %s"
        " from catalogue.mart_period where mart_set = %s order by 1",
        [marts.fingerprint, marts.name],
    ).fetchall()
    is_missing = _is_missing(connection, marts)
    found = [
        Due(period, touch_id, built_at)
        for period, touch_id, built_at, is_touched, is_other in rows
        if is_touched or (not marts.is_only_views and (is_other or is_missing))
    ]
    if not found and marts.is_only_views and rows and (is_missing or any(is_other for *_, is_other in rows)):
        return [Due(*rows[-1][:3])]
    return found


def due_by_set(warehouse: Warehouse) -> dict[str, list[Due]]:
    """All that is due, by set."""
    with warehouse.transaction() as connection:
        return {name: due(connection, marts) for name, marts in mart_sets().items()}


@contextmanager
def building(warehouse: Warehouse, name: str, start: dt.date, end: dt.date) -> Iterator[None]:
    """Around a dbt run of a whole set over start <= date < end: unless it raises, the window is due no more.

    What is touched meanwhile stays due.
    """
    marts = mart_sets()[name]
    with warehouse.transaction() as connection:
        if not marts.is_only_views and _is_missing(connection, marts):
            # A table that is gone comes back with this window alone.
            touch_since(connection, name)
        noted = connection.execute(
            "select period_date, touch_id from catalogue.mart_period"
            " where mart_set = %s and period_date >= %s and period_date < %s",
            [name, start, end],
        ).fetchall()
    yield
    with warehouse.transaction() as connection:
        connection.execute(
            "update catalogue.mart_period as marts"
            " set built_touch_id = noted.touch_id, built_with = %s, built_at = now()"
            " from unnest(%s::date[], %s::bigint[]) as noted (period_date, touch_id)"
            " where marts.mart_set = %s and marts.period_date = noted.period_date",
            [marts.fingerprint, [row[0] for row in noted], [row[1] for row in noted], name],
        )
        if marts.is_only_views:
            connection.execute(
                "update catalogue.mart_period set built_with = %s where mart_set = %s", [marts.fingerprint, name]
            )


def _is_missing(connection: Connection, marts: MartSet) -> bool:
    """Whether a table or view of the set is not there."""
    relations = sorted(marts.relations)
    row = connection.execute(
        "select count(*) from unnest(%s::text[], %s::text[]) as wanted (schema_name, name)"
        " join pg_namespace as n on n.nspname = schema_name"
        " join pg_class as c on c.relnamespace = n.oid and c.relname = name",
        [[schema for schema, _ in relations], [name for _, name in relations]],
    ).fetchone()
    return row is None or row[0] < len(relations)
