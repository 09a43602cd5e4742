"""Connections to the warehouse. Its set-up: `warehouse/migrate.py`; the embedded server: `warehouse/embedded.py`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, cast
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from cic_assets.errors import PlatformError
from cic_assets.warehouse import embedded

Connection = psycopg.Connection[TupleRow]
Role = Literal["analyst", "reader"]
# Those who look log in as what they are: (role, the variable that says how).
_LOGINS: dict[Role, tuple[str, str]] = {
    "analyst": ("cic_analyst", "CIC_ANALYST_URL"),
    "reader": ("cic_reader", "CIC_READER_URL"),
}
DATABASE = "cic"
DAGSTER_DATABASE = "dagster"
# The connection broke by itself, the server was shut down or crashed, or it gave up on a transaction in which nothing
# happened any more (Postgres, Appendix A, classes 57 and 25).
_GONE = (None, "57P01", "57P02", "25P03", "25P04")
_GIVEN_UP = (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.errors.TransactionTimeout)
_DBT_ENCRYPTION = ("sslmode", "sslcert", "sslkey", "sslrootcert")
# After so long a worker that hangs within a transaction loses it, and with it the locks that its retry waits for. No
# transaction here waits for Spark: the longest pause in one is a file's removal.
IDLE_IN_TRANSACTION = "5min"
# Within a pipeline of statements Postgres counts no idle time; from 17 on it ends any transaction after so long.
LONGEST_TRANSACTION = "1h"
_SESSION = """
select set_config('TimeZone', 'UTC', false), set_config('idle_in_transaction_session_timeout', %s, false),
  (select set_config(name, %s, false) from pg_settings where name = 'transaction_timeout')
"""
# A connection that was unused for longer is opened anew.
_KEPT_SECONDS = 60.0


class WarehouseError(PlatformError):
    """The warehouse can't be reached or used; the message says what to do."""


class Warehouse:
    """The way into the warehouse. Within a `with` block, connections are kept from one transaction to the next.

    Attributes:
        home: folder of the embedded server.
        given_url: `postgresql://…`, or None for the embedded server.
    """

    def __init__(
        self,
        home: Path,
        given_url: str | None = None,
        analyst_url: str | None = None,
        reader_url: str | None = None,
    ) -> None:
        self.home = home
        self.given_url = given_url
        self._login_urls = {"analyst": analyst_url, "reader": reader_url}
        self._is_kept_open = False
        # One for each transaction that was ever open at a time: one within another has its own.
        self._idle: list[tuple[Connection, float]] = []

    def __enter__(self) -> Warehouse:
        self._is_kept_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._is_kept_open = False
        while self._idle:
            self._idle.pop()[0].close()

    @property
    def name(self) -> str:
        """Which warehouse it is, within a process."""
        return self.given_url or str(self.home)

    def url(self, database: str | None = None, *, start: bool = False) -> str:
        """`postgresql://` of the warehouse's server.

        Args:
            database: another database of the same server than the warehouse's.
            start: whether an embedded server that is down may be started.
        """
        if self.given_url is None:
            server = embedded.start(self.home) if start else embedded.locate(self.home)
            return server.url(database or DATABASE)
        return self.given_url if database is None else _with_database(self.given_url, database)

    def dagster_url(self, *, start: bool = False) -> str:
        """Where Dagster keeps runs and events: the embedded server's database `dagster`, else the schema of that name.

        Raises:
            WarehouseDownError: the embedded server is down and `start` is false.
        """
        if self.given_url is None:
            if not start:
                self._demand_running()
            return self.url(DAGSTER_DATABASE, start=start)
        parts = {name: str(value) for name, value in conninfo_to_dict(self.given_url).items() if value}
        parts["options"] = f"{parts.get('options', '')} -csearch_path=dagster".strip()
        # All behind the `?`: SQLAlchemy takes the `%20` of a database's name before it as it stands.
        return f"postgresql://?{urlencode(parts, quote_via=quote)}"

    def dbt_environment(self, start: dt.date, end: dt.date) -> dict[str, str]:
        """What dbt reads in its environment: the warehouse (`dbt_project/profiles.yml`), and a half-open window.

        The window is a setting of its sessions, for `dbt_project/macros/window.sql`.

        Raises:
            WarehouseDownError: embedded and down.
        """
        self._demand_running()
        parts = conninfo_to_dict(self.url())
        return {
            "CIC_DBT_HOST": str(parts.get("host", "localhost")),
            "CIC_DBT_PORT": str(parts.get("port") or 5432),
            "CIC_DBT_USER": str(parts.get("user", "postgres")),
            "CIC_DBT_PASSWORD": str(parts.get("password") or ""),
            "CIC_DBT_DBNAME": str(parts.get("dbname") or DATABASE),
            **{f"CIC_DBT_{name.upper()}": str(parts[name]) for name in _DBT_ENCRYPTION if parts.get(name)},
            "PGOPTIONS": f"-c cic.window_start={start} -c cic.window_end={end}",
        }

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction; commits at the end of the block, rolls back on an error.

        Raises:
            WarehouseDownError: embedded and down.
            WarehouseError: the server doesn't answer, goes away before the end of the block, or gave up on it.
        """
        with self._lent() as connection, connection.transaction():
            yield connection

    @contextmanager
    def statements(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction of its own, such as those that allow no other.

        Raises:
            WarehouseDownError, WarehouseError: as of `transaction`.
        """
        with _told_if_gone(self), self._opened() as connection:
            yield connection

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        with _told_if_gone(self):
            connection = self._alive() or self._opened()
            try:
                yield connection
            finally:
                # One that could not end its transaction would make the next one a part of it.
                if self._is_kept_open and connection.info.transaction_status == TransactionStatus.IDLE:
                    self._idle.append((connection, time.monotonic()))
                else:
                    connection.close()

    @contextmanager
    def looking(self, role: Role) -> Iterator[Connection]:
        """A transaction that reads: `analyst` can read `marts` and nothing else, `reader` all schemas.

        They log in as roles that have no other right.

        Raises:
            WarehouseDownError, WarehouseError: as of `transaction`; or the login may do more than look.
        """
        url = self._login_urls[role]
        if url is None:
            parts = {key: value for key, value in conninfo_to_dict(self.url()).items() if key != "password" and value}
            url = make_conninfo("", **{**cast(Mapping[str, str], parts), "user": _LOGINS[role][0]})
        with _told_if_gone(self, url), self._opened(url, role) as connection, connection.transaction():
            _demand_weak(connection, role)
            connection.execute("set transaction read only")
            yield connection

    def _alive(self) -> Connection | None:
        """A kept connection that the server still answers on."""
        while self._idle:
            connection, since = self._idle.pop()
            # What a network has dropped in silence would keep us waiting for its answer.
            if time.monotonic() - since < _KEPT_SECONDS:
                with suppress(psycopg.Error):
                    connection.execute("select 1")
                    return connection
            connection.close()
        return None

    def _opened(self, url: str | None = None, role: Role | None = None) -> Connection:
        url = url or self.url()
        try:
            connection = psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError as error:
            self._demand_running()
            raise WarehouseError(_no_answer(url, role, error)) from error
        try:
            connection.execute(_SESSION, [IDLE_IN_TRANSACTION, LONGEST_TRANSACTION])
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def _demand_running(self) -> None:
        if self.given_url is None and not embedded.locate(self.home).is_running():
            raise embedded.WarehouseDownError("the embedded Postgres is not running: start it with `cic up`")


@contextmanager
def _told_if_gone(warehouse: Warehouse, url: str | None = None) -> Iterator[None]:
    """Says of a connection that broke what became of its transaction."""
    try:
        yield
    except (psycopg.OperationalError, *_GIVEN_UP) as error:
        if error.sqlstate not in _GONE:
            raise
        raise WarehouseError(
            f"{public(url or warehouse.url())} went away and undid what was not committed; run again once it answers: "
            f"{str(error).strip()}"
        ) from error


def _no_answer(url: str, role: Role | None, error: Exception) -> str:
    message = f"no answer from {public(url)}: {str(error).strip()}"
    if role is None:
        return message
    name, variable = _LOGINS[role]
    return (
        f"{message}\nset {variable} to postgresql://{name}:password@host:port/database; the role is made by `cic up`, "
        f"its password by its administrator: alter role {name} login password '…'"
    )


def _demand_weak(connection: Connection, role: Role) -> None:
    """A statement can take back whatever role it logged in with, so that one must be weak."""
    row = connection.execute(
        "select session_user, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication"
        " from pg_roles where rolname = session_user"
    ).fetchone()
    if row is None or row[1]:
        name, variable = _LOGINS[role]
        raise WarehouseError(f"{variable} logs in as {row and row[0]}, who may do more than look: name {name} in it")


def public(url: str) -> str:
    """A connection string without its password."""
    parts = {key: value for key, value in conninfo_to_dict(url).items() if key != "password" and value}
    return make_conninfo("", **cast(Mapping[str, str], parts))


def _with_database(url: str, database: str) -> str:
    return make_conninfo(url, dbname=database)
