"""Periods of facts: who may write them, what has changed beneath them, and the swap of one window.

The newest claim of a period wins. What a stream or a fact changed is touched, and due until a run has computed it
since.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from psycopg import sql

from cic_assets.calendar import days_of, months_of
from cic_assets.errors import PlatformError
from cic_assets.lake.rows import Rows
from cic_assets.ledger.publication import touch_readers
from cic_assets.warehouse.connect import Connection, Warehouse
from cic_assets.warehouse.load import EVERY_ROW, insert_staged, stage_rows, table_name

# Has rows of several facts.
OUTCOME = "quality.outcome"


class WindowLostError(PlatformError):
    """Another run has claimed the window since; its rows stay."""


@dataclass(frozen=True)
class Window:
    """Periods of a fact that one run claims and swaps together.

    Attributes:
        fact: the fact's name in the catalogue.
        start: first date.
        end: the date after the last.
        monthly: whether its periods are months (whose firsts start and end are) or days.
    """

    fact: str
    start: dt.date
    end: dt.date
    monthly: bool

    @property
    def periods(self) -> list[dt.date]:
        """The keys of the periods."""
        return (months_of if self.monthly else days_of)(self.start, self.end)


def claim_window(warehouse: Warehouse, window: Window, owner: str) -> int:
    """Makes `owner` the only run that may swap these periods; the newest claim wins.

    Returns:
        The newest touch: what is touched later is not in this run's rows.
    """
    with warehouse.transaction() as connection:
        connection.execute(
            "insert into catalogue.fact_window (fact, period_date, owner) select %s, unnest(%s::date[]), %s"
            " on conflict (fact, period_date) do update set owner = excluded.owner",
            [window.fact, window.periods, owner],
        )
        row = connection.execute("select coalesce(max(touch_id), 0) from catalogue.touched_period").fetchone()
    assert row is not None
    return int(row[0])


def mark_stale(connection: Connection, source: str, periods: Iterable[tuple[str, dt.date]]) -> None:
    """Remembers that (fact, period) pairs are older than what `source`, a stream or a fact, has changed."""
    with connection.cursor() as cursor:
        # In one order, so that two writers at once wait for each other and don't block each other.
        cursor.executemany(
            "insert into catalogue.touched_period values (%s, %s, %s, nextval('catalogue.touch_id'))"
            " on conflict (fact, stream_id, period_date) do update"
            " set touch_id = excluded.touch_id, touched_at = excluded.touched_at",
            [[fact, source, period] for fact, period in sorted(periods)],
        )


def computed(connection: Connection, fact: str, since: dt.date = dt.date.min) -> list[dt.date]:
    """Periods of a fact that a run has ever claimed, from a date on."""
    rows = connection.execute(
        "select period_date from catalogue.fact_window where fact = %s and period_date >= %s order by 1", [fact, since]
    ).fetchall()
    return [period for (period,) in rows]


def last_computed(connection: Connection, fact: str) -> dt.date | None:
    """The last period of a fact that was computed."""
    row = connection.execute(
        "select max(period_date) from catalogue.fact_window where fact = %s and computed_at is not null", [fact]
    ).fetchone()
    return row[0] if row else None


def ever_known(connection: Connection, facts: Iterable[str]) -> set[tuple[str, dt.date]]:
    """(fact, period) that were ever touched or claimed."""
    rows = connection.execute(
        "select fact, period_date from catalogue.touched_period where fact = any(%(facts)s)"
        " union select fact, period_date from catalogue.fact_window where fact = any(%(facts)s)",
        {"facts": list(facts)},
    ).fetchall()
    return {(fact, period) for fact, period in rows}


@dataclass(frozen=True)
class Due:
    """A period that is touched and not computed since.

    Attributes:
        period: its key.
        touch_id: the newest touch.
        is_restatement: whether it was ever computed.
    """

    period: dt.date
    touch_id: int
    is_restatement: bool


def due_periods(connection: Connection, facts: Iterable[str]) -> list[Due]:
    """Of some facts together, one for each period, oldest first."""
    rows = connection.execute(
        "select period_date, max(touch_id), bool_or(computed_before) from catalogue.pending_period"
        " where fact = any(%s) group by 1 order by 1",
        [list(facts)],
    ).fetchall()
    return [Due(*row) for row in rows]


def touches(connection: Connection, fact: str, sources: Collection[str] | None = None) -> dict[dt.date, int]:
    """Period → newest touch, of a fact whose periods are touched no more once they are done (`take_touches`).

    `sources`: who has touched them; anybody if not said.
    """
    rows = connection.execute(
        "select period_date, max(touch_id) from catalogue.touched_period where fact = %s"
        " and (%s::text[] is null or stream_id = any(%s)) group by 1 order by 1",
        [fact, *[None if sources is None else sorted(sources)] * 2],
    ).fetchall()
    return dict(rows)


def take_touches(connection: Connection, fact: str, done: Mapping[dt.date, int]) -> list[dt.date]:
    """Takes touches of periods away that are the ones up to which they are done, and says which periods those are.

    Others were touched again meanwhile, or done by another run. Of a period that is taken, a later touch stays.
    """
    rows = connection.execute(
        "select period_date, touch_id from catalogue.touched_period where fact = %s and period_date = any(%s)"
        " order by period_date, stream_id for update",
        [fact, list(done)],
    ).fetchall()
    newest: dict[dt.date, int] = {}
    for period, touch_id in rows:
        newest[period] = max(touch_id, newest.get(period, touch_id))
    mine = [period for period, touch_id in newest.items() if done[period] == touch_id]
    # What somebody else touches meanwhile stays.
    connection.execute(
        "delete from catalogue.touched_period as t using unnest(%s::date[], %s::bigint[]) as d (period_date, touch_id)"
        " where t.fact = %s and t.period_date = d.period_date and t.touch_id <= d.touch_id",
        [mine, [done[period] for period in mine], fact],
    )
    return mine


def swap_window(
    warehouse: Warehouse,
    window: Window,
    owner: str,
    touch_id: int,
    tables: Mapping[str, tuple[str, Rows]],
    makes_stale: Iterable[tuple[str, dt.date]] = (),
    then: Callable[[Connection, Window], None] = lambda connection, window: None,
    spared: Collection[tuple[str, dt.date]] = (),
) -> None:
    """Replaces the rows of start <= date < end in several tables at once; marts that read them are due from then on.

    Args:
        warehouse: where they are.
        window: what was claimed.
        owner: who claimed it.
        touch_id: what `claim_window` returned.
        tables: table → (its date column, the window's rows). Of `quality.outcome`, the fact's own rows are replaced.
        makes_stale: facts and their periods that look at these rows; marked in the same transaction.
        then: what else belongs to the transaction, such as what is made of these rows.
        spared: (stream, date) whose rows stay as they are; of outcomes by month, those of the date's month. Their
            periods stay due.

    Raises:
        WindowLostError: another run has claimed a period of the window since. Nothing was changed.
    """
    with warehouse.transaction() as connection:
        # First of all, so that a worker that hangs in a COPY, where Postgres counts no idle time, holds no lock.
        staged = {table: stage_rows(connection, table, rows) for table, (_, rows) in tables.items()}
        _demand_owner(connection, window, owner)
        _stage_spared(connection, spared)
        changed = []
        for table, (date_column, rows) in tables.items():
            is_by_month = table == OUTCOME and window.monthly
            is_replaced = _is_replaced(date_column, "month" if is_by_month else "day") if spared else EVERY_ROW
            is_own = sql.SQL("t.fact = {}").format(sql.Literal(window.fact)) if table == OUTCOME else EVERY_ROW
            gone = connection.execute(
                sql.SQL("delete from {} as t where {} >= %s and {} < %s and {} and {}").format(
                    table_name(table), sql.Identifier(date_column), sql.Identifier(date_column), is_own, is_replaced
                ),
                [window.start, window.end],
            )
            # What is spared may stand where another stream's row comes now: it stays until it is due no more.
            insert_staged(connection, table, staged[table], is_replaced, passes_over=bool(spared))
            if gone.rowcount or rows.head(1).num_rows:
                changed.append(table)
        mark_stale(connection, window.fact, makes_stale)
        then(connection, window)
        touch_readers(connection, changed, window.periods)
        _note_computed(connection, window, touch_id, {day for _, day in spared})


def _demand_owner(connection: Connection, window: Window, owner: str) -> None:
    """Keeps others from claiming, and from swapping, the window's periods until the end of the transaction.

    Raises:
        WindowLostError: another run has claimed one of them since.
    """
    # The row locks also make concurrent swaps of one window wait for each other, in one order.
    owners = connection.execute(
        "select period_date, owner from catalogue.fact_window where fact = %s and period_date = any(%s)"
        " order by period_date for update",
        [window.fact, window.periods],
    ).fetchall()
    lost = [period for period, found in owners if found != owner]
    if lost or len(owners) != len(window.periods):
        raise WindowLostError(
            f"{window.fact}: {', '.join(map(str, lost or window.periods))} now belong to another run; not swapped"
        )


def _note_computed(connection: Connection, window: Window, touch_id: int, spared: Collection[dt.date]) -> None:
    """Says up to which touch the window's periods are computed; those of spared dates stay due."""
    due = {day.replace(day=1) if window.monthly else day for day in spared}
    # What stays due was computed nevertheless, but before all that has touched it.
    connection.execute(
        "update catalogue.fact_window set computed_at = now(), computed_touch_id ="
        " case when period_date = any(%s) then coalesce(computed_touch_id, 0) else %s end"
        " where fact = %s and period_date = any(%s)",
        [sorted(due), touch_id, window.fact, window.periods],
    )


def _stage_spared(connection: Connection, spared: Collection[tuple[str, dt.date]]) -> None:
    connection.execute("create temporary table spared (stream_id text, day date) on commit drop")
    with connection.cursor() as cursor:
        cursor.executemany("insert into spared values (%s, %s)", sorted(spared))


def _is_replaced(date_column: str, unit: str) -> sql.Composable:
    """Of a row `t`: nobody spares its stream's date or, in a table by month (`unit`), a date of its month."""
    return sql.SQL(
        "not exists (select from spared as s where s.stream_id = t.stream_id and date_trunc({}, s.day)::date = t.{})"
    ).format(sql.Literal(unit), sql.Identifier(date_column))


def oldest_day(connection: Connection, facts: Iterable[str]) -> dt.date | None:
    """The oldest day of which there is an arrival, a day of a feed or a period of a fact; None where there is none."""
    row = connection.execute(
        "select least((select min(arrival_date) from catalogue.object),"
        " (select min(first_date) from catalogue.feed_span), (select min(period_date) from catalogue.touched_period"
        " where fact = any(%s)))",
        [list(facts)],
    ).fetchone()
    return row[0] if row else None
