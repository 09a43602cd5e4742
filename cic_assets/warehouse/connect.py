"""Connections to the warehouse, and its set-up. The embedded server itself: `warehouse/embedded.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from cic_assets.private import close_folders
from cic_assets.settings import Settings
from cic_assets.warehouse import embedded

Connection = psycopg.Connection[TupleRow]
Role = Literal["etl", "analyst"]
DATABASE = "cic"
DAGSTER_DATABASE = "dagster"
# The connection broke by itself, the server was shut down or crashed, or it gave up on a transaction in which nothing
# happened any more (Postgres, Appendix A, classes 57 and 25).
_GONE = (None, "57P01", "57P02", "25P03")
# After so long a worker that hangs within a transaction loses it, and with it the locks that its retry waits for. No
# transaction here waits for Spark: the longest pause in one is a file's removal.
IDLE_IN_TRANSACTION = "5min"
_FOLDER = Path(__file__).parent
# Set-up from several processes at once would collide on `create role`.
_SETUP_LOCK = 4_242_001


class WarehouseError(Exception):
    """The warehouse can't be reached or used; the message says what to do."""


def server_url(settings: Settings, database: str | None = None, *, start: bool = False) -> str:
    """`postgresql://` of the warehouse's server.

    Args:
        settings: the process's settings.
        database: another database of the same server than the warehouse's.
        start: whether an embedded server that is down may be started.

    Raises:
        WarehouseDownError: the embedded server is down and `start` is false.
    """
    if settings.warehouse_url is None:
        server = embedded.start(settings.home) if start else embedded.locate(settings.home)
        if not start and not server.is_running():
            raise embedded.WarehouseDownError("the embedded Postgres is not running: start it with `cic up`")
        return server.url(database or DATABASE)
    if database is None:
        return settings.warehouse_url
    return _with_database(settings.warehouse_url, database)


def dagster_url(settings: Settings, *, start: bool = False) -> str:
    """Where Dagster keeps runs and events: the embedded server's database `dagster`, else the schema of that name."""
    if settings.warehouse_url is None:
        return server_url(settings, DAGSTER_DATABASE, start=start)
    joint = "&" if "?" in settings.warehouse_url else "?"
    return f"{settings.warehouse_url}{joint}options=-csearch_path%3Ddagster"


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads."""
    parts = conninfo_to_dict(server_url(settings))
    return {
        "CIC_DBT_HOST": str(parts.get("host", "localhost")),
        "CIC_DBT_PORT": str(parts.get("port") or 5432),
        "CIC_DBT_USER": str(parts.get("user", "postgres")),
        "CIC_DBT_PASSWORD": str(parts.get("password") or ""),
        "CIC_DBT_DBNAME": str(parts.get("dbname") or DATABASE),
    }


@contextmanager
def connect(settings: Settings, role: Role = "etl") -> Iterator[Connection]:
    """A connection; commits at the end of the block, rolls back on an error.

    `analyst` can read `marts` and nothing else: the role has no other right and the transaction is read-only.

    Raises:
        WarehouseDownError: embedded and down.
        WarehouseError: the server doesn't answer, goes away before the end of the block, or gave up on it.
    """
    url = server_url(settings)
    if role == "analyst" and settings.warehouse_url is None:
        url = embedded.locate(settings.home).url(DATABASE, "cic_analyst")
    try:
        connection = psycopg.connect(url)
    except psycopg.OperationalError as error:
        raise WarehouseError(f"no answer from {public(url)}: {str(error).strip()}") from error
    try:
        with connection:
            connection.execute(
                "select set_config('TimeZone', 'UTC', false),"
                " set_config('idle_in_transaction_session_timeout', %s, false)",
                [IDLE_IN_TRANSACTION],
            )
            if role == "analyst":
                connection.execute("set role cic_analyst")
                connection.execute("set transaction read only")
            yield connection
    except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as error:
        if error.sqlstate not in _GONE:
            raise
        raise WarehouseError(
            f"{public(url)} went away and undid what was not committed; run again once it answers: {str(error).strip()}"
        ) from error


def public(url: str) -> str:
    """A connection string without its password."""
    parts = {key: value for key, value in conninfo_to_dict(url).items() if key != "password" and value}
    return make_conninfo("", **cast(Mapping[str, str], parts))


def set_up(settings: Settings) -> None:
    """Databases, schemas, tables and roles; starts the embedded server. Runs again without effect."""
    close_folders(settings)
    if settings.warehouse_url is None:
        server = embedded.start(settings.home)
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(%s)", [_SETUP_LOCK])
            for name in (DATABASE, DAGSTER_DATABASE):
                found = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
                if not found:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    with connect(settings) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_SETUP_LOCK])
        if settings.warehouse_url is not None:
            connection.execute("create schema if not exists dagster")
        for name in ("schema.sql", "roles.sql"):
            connection.execute((_FOLDER / name).read_bytes())
        if settings.warehouse_url is None:
            connection.execute("alter role cic_analyst login")


def _with_database(url: str, database: str) -> str:
    return make_conninfo(url, dbname=database)
