"""Bulk load: Arrow → COPY into a staging table → swap of exactly one window, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pyarrow as pa
from psycopg import sql

from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Connection, connect

ROWS_PER_BATCH = 20_000


class WindowLostError(Exception):
    """Another run has claimed the window since; its rows stay."""


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))


def copy_rows(connection: Connection, table: str, rows: pa.Table) -> None:
    """Appends rows to a table by COPY, inside the caller's transaction. Columns go by name."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in rows.column_names)
    statement = sql.SQL("copy {} ({}) from stdin").format(_table(table), columns)
    with connection.cursor().copy(statement) as copy:
        for batch in rows.to_batches(max_chunksize=ROWS_PER_BATCH):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                copy.write_row(row)


def months_of(start: dt.date, end: dt.date) -> list[dt.date]:
    """First days of the months in [start, end); both are firsts of months."""
    count = (end.year - start.year) * 12 + end.month - start.month
    return [dt.date(start.year + (start.month - 1 + k) // 12, (start.month - 1 + k) % 12 + 1, 1) for k in range(count)]


def claim_window(settings: Settings, fact: str, start: dt.date, end: dt.date, owner: str) -> int:
    """Makes `owner` the only run that may swap these months; the newest claim wins.

    Returns:
        The newest touch: what is touched later is not in this run's rows.
    """
    with connect(settings) as connection:
        for month in months_of(start, end):
            connection.execute(
                "insert into catalogue.fact_window (fact, month_date, owner) values (%s, %s, %s)"
                " on conflict (fact, month_date) do update set owner = excluded.owner",
                [fact, month, owner],
            )
        row = connection.execute("select coalesce(max(touch_id), 0) from catalogue.touched_month").fetchone()
    assert row is not None
    return int(row[0])


def swap_window(
    settings: Settings,
    fact: str,
    start: dt.date,
    end: dt.date,
    owner: str,
    touch_id: int,
    tables: Mapping[str, tuple[str, pa.Table]],
) -> None:
    """Replaces the rows of start <= date < end in several tables at once.

    Args:
        settings: where the warehouse is.
        fact: whose months were claimed.
        start: first date.
        end: the date after the last.
        owner: who claimed them.
        touch_id: what `claim_window` returned.
        tables: table → (its date column, the window's rows).

    Raises:
        WindowLostError: another run has claimed a month of the window since. Nothing was changed.
    """
    months = months_of(start, end)
    with connect(settings) as connection:
        # The row locks also make concurrent swaps of one window wait for each other, in one order.
        owners = connection.execute(
            "select month_date, owner from catalogue.fact_window where fact = %s and month_date = any(%s)"
            " order by month_date for update",
            [fact, months],
        ).fetchall()
        lost = [month for month, found in owners if found != owner]
        if lost or len(owners) != len(months):
            raise WindowLostError(
                f"{fact}: {', '.join(map(str, lost or months))} now belong to another run; not swapped"
            )
        for table, (date_column, rows) in tables.items():
            _swap_table(connection, table, date_column, start, end, rows)
        connection.execute(
            "update catalogue.fact_window set computed_touch_id = %s, computed_at = now()"
            " where fact = %s and month_date = any(%s)",
            [touch_id, fact, months],
        )


def _swap_table(
    connection: Connection, table: str, date_column: str, start: dt.date, end: dt.date, rows: pa.Table
) -> None:
    """Staging first, so that readers of the table never wait for a COPY; delete and insert, as TRUNCATE shows a gap."""
    staging = f"staging_{table.replace('.', '_')}"
    names = sql.SQL(", ").join(sql.Identifier(name) for name in rows.column_names)
    connection.execute(
        sql.SQL("create temporary table {} on commit drop as select {} from {} with no data").format(
            sql.Identifier(staging), names, _table(table)
        )
    )
    copy_rows(connection, staging, rows)
    connection.execute(
        sql.SQL("delete from {} where {} >= %s and {} < %s").format(
            _table(table), sql.Identifier(date_column), sql.Identifier(date_column)
        ),
        [start, end],
    )
    connection.execute(
        sql.SQL("insert into {} ({}) select {} from {}").format(_table(table), names, names, sql.Identifier(staging))
    )
