"""The warehouse's set-up: databases, numbered migrations (`schema/`), roles. Connections to it: `connect.py`.

Why no library: `infra/decisions/0010-migrations-of-our-own.md`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from cic_assets.warehouse import embedded
from cic_assets.warehouse.connect import DAGSTER_DATABASE, DATABASE, Connection, Warehouse, WarehouseError

_FOLDER = Path(__file__).parent
_MIGRATIONS = _FOLDER / "schema"
_ROLES = _FOLDER / "roles.sql"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
# Set-up from several processes at once would collide on `create role`. A table's lock: an advisory one is anybody's.
_LOCK = "lock table catalogue.setup_lock in exclusive mode"
_OWN_TABLES = """
create schema if not exists catalogue;
create table if not exists catalogue.setup_lock ();
-- The migrations that this database has had.
create table if not exists catalogue.schema_version (
  number integer primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
);
-- As the last set-up left the database: by which files, which columns (a line each), and a digest of rights and roles.
create table if not exists catalogue.schema_state (
  files text not null,
  columns text[] not null,
  access text not null,
  set_up_at timestamptz not null default now()
);
"""
_TRIES = 3
# `if not exists` looks first: what another process makes meanwhile is met as an index's entry, a table, its row type or
# a schema, by how far both were.
_MADE_MEANWHILE = (
    psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateSchema,
)  # fmt: skip
_DATABASES = "select datname from pg_database where datname = any(%s)"
_COLUMNS_NOW = """
select coalesce(array_agg(concat_ws(' ', n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
  case when a.attnotnull then 'not null' end)), '{}')
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname in ('facts', 'quality', 'catalogue')
"""
# Of a dump that was restored beside other roles, rights are given again.
_ACCESS_NOW = """
select md5(concat_ws(
  ' ',
  (select concat_ws(' ', oid, datacl) from pg_database where datname = current_database()),
  (
    select string_agg(concat_ws(' ', n.nspname, c.relname, c.relacl), ' ' order by n.nspname, c.relname)
    from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('facts', 'quality', 'catalogue')
  ),
  (
    select string_agg(concat_ws(' ', rolname, rolcanlogin, rolconnlimit, rolconfig), ' ' order by rolname)
    from pg_roles where starts_with(rolname, 'cic_')
  )
))
"""
_STATE = f"select files, columns, access, ({_COLUMNS_NOW}), ({_ACCESS_NOW}) from catalogue.schema_state"  # noqa: S608
_NOTE = f"""
insert into catalogue.schema_state (files, columns, access)
select %s, array(select unnest(({_COLUMNS_NOW})) except select unnest(%s::text[])), ({_ACCESS_NOW})
"""
_SHOWN = 5
_RUNBOOK = "infra/runbooks/backup_and_restore.md"


class OtherSchemaError(WarehouseError):
    """The warehouse's tables are not those that this release can use or upgrade; the message says what to do."""


@dataclass(frozen=True)
class Migration:
    """One file of `schema/`: applied once, in the order of the numbers, never edited afterwards."""

    number: int
    name: str
    statements: bytes

    @property
    def sha256(self) -> str:
        """Of the file's bytes, hexadecimal."""
        return hashlib.sha256(self.statements).hexdigest()


@dataclass(frozen=True)
class _State:
    """How the last set-up left the database, and how it is now; a column is `table name type` and `not null`."""

    files: str
    columns: frozenset[str]
    access: str
    columns_now: frozenset[str]
    access_now: str


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations of a folder, by number.

    Raises:
        ValueError: a name is none, or the numbers are not 1, 2, 3 …
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        found.append(Migration(int(match[1]) if match else 0, path.name, path.read_bytes()))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        names = ", ".join(migration.name for migration in found)
        raise ValueError(f"{folder}: migrations are named 0001_what.sql, 0002_what.sql … without a gap: {names}")
    return found


def set_up(warehouse: Warehouse, folder: Path = _MIGRATIONS) -> None:
    """Databases, schemas, tables and roles; starts the embedded server; upgrades a warehouse of an earlier release.

    Every command begins with it: where the last set-up was by the same files, and what it made is as it left it, one
    query says so and nothing is locked. Else all that is to be done is done in one transaction.

    Args:
        warehouse: which.
        folder: the migrations; another one in tests alone.

    Raises:
        OtherSchemaError: the warehouse is of a newer release, was migrated by other files, or something of it is gone.
    """
    if warehouse.given_url is None:
        embedded.start(warehouse.home)
        _make_databases(warehouse.home)
    migrations = read_migrations(folder)
    with warehouse.transaction() as connection:
        if _is_set_up(connection, migrations):
            return
        _demand_known(connection, migrations)
    _make_own_tables(warehouse)
    with warehouse.transaction() as connection:
        connection.execute(_LOCK)
        if _is_set_up(connection, migrations):
            return
        if warehouse.given_url is not None:
            connection.execute("create schema if not exists dagster")
        before = _state(connection)
        migrate(connection, migrations)
        _note(connection, migrations, theirs=before.columns_now - before.columns if before else frozenset())


def migrate(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Applies what the database lacks, in the connection's transaction, and gives rights.

    Raises:
        OtherSchemaError: as `set_up`; or a migration failed.
    """
    _demand_known(connection, migrations)
    row = connection.execute("select coalesce(max(number), 0) from catalogue.schema_version").fetchone()
    assert row is not None
    for migration in migrations[row[0] :]:
        try:
            connection.execute(migration.statements)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.DataError) as error:
            raise OtherSchemaError(
                f"migration {migration.name} failed, and the warehouse is as it was: {str(error).strip()}\n"
                f"a dump is restored into a database without the platform's tables: {_RUNBOOK}"
            ) from error
        connection.execute(
            "insert into catalogue.schema_version (number, name, sha256) values (%s, %s, %s)",
            [migration.number, migration.name, migration.sha256],
        )
    connection.execute(_ROLES.read_bytes())


def _make_databases(home: Path) -> None:
    """Of the embedded server; the first command alone finds none."""
    server = embedded.locate(home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        if len(connection.execute(_DATABASES, [[DATABASE, DAGSTER_DATABASE]]).fetchall()) == 2:
            return
        with embedded.locked(home):
            there = {name for (name,) in connection.execute(_DATABASES, [[DATABASE, DAGSTER_DATABASE]]).fetchall()}
            for name in sorted({DATABASE, DAGSTER_DATABASE} - there):
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _make_own_tables(warehouse: Warehouse) -> None:
    for _ in range(_TRIES):
        try:
            with warehouse.transaction() as connection:
                connection.execute(_OWN_TABLES)
                return
        except _MADE_MEANWHILE:
            # Another process makes the same; by now it has.
            continue


def _is_set_up(connection: Connection, migrations: Sequence[Migration]) -> bool:
    state = _state(connection)
    return (
        state is not None
        and state.files == _digest(migrations)
        and state.access == state.access_now
        and state.columns <= state.columns_now
    )


def _state(connection: Connection) -> _State | None:
    """None before the first set-up, and of warehouses of before there were migrations."""
    if not _has(connection, "catalogue.schema_state"):
        return None
    row = connection.execute(_STATE).fetchone()
    return _State(row[0], frozenset(row[1]), row[2], frozenset(row[3]), row[4]) if row else None


def _digest(migrations: Sequence[Migration]) -> str:
    parts = [*(migration.statements for migration in migrations), _ROLES.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _demand_known(connection: Connection, migrations: Sequence[Migration]) -> None:
    """The database is one that these migrations made as far as they went, and has what they made."""
    _demand_whole(connection)
    if not _has(connection, "catalogue.schema_version"):
        return
    applied = connection.execute("select number, name, sha256 from catalogue.schema_version order by number").fetchall()
    for number, name, sha256 in applied:
        if number > len(migrations):
            raise OtherSchemaError(
                f"the warehouse is of a newer release: it had the migration {name}, and this release ends with "
                f"{migrations[-1].name}\nuse that release or a newer one; to go back, restore a dump of before "
                f"({_RUNBOOK}), or let `cic rebuild --replace` make all anew from the lake"
            )
        if migrations[number - 1].sha256 != sha256:
            raise OtherSchemaError(
                f"{migrations[number - 1].name} is not the file that this warehouse was migrated with ({name})\n"
                "an applied migration is never edited: take the change back, and put it into a file of the next number"
            )


def _demand_whole(connection: Connection) -> None:
    """All tables and columns that the last set-up left; what others added beside them is theirs."""
    state = _state(connection)
    tables = {column.split()[0] for column in state.columns_now} if state else set()
    lost = state.columns - state.columns_now if state else frozenset()
    gone = sorted({column if (table := column.split()[0]) in tables else table for column in lost})
    if gone:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise OtherSchemaError(
            f"the warehouse lacks what the last set-up left there: {'; '.join(gone[:_SHOWN])}{more}\n"
            f"restore a dump ({_RUNBOOK}), or let `cic rebuild --replace` make all anew from the lake"
        )


def _note(connection: Connection, migrations: Sequence[Migration], *, theirs: frozenset[str]) -> None:
    """What the next set-up compares with; without the columns that others added, which may go again."""
    connection.execute("delete from catalogue.schema_state")
    connection.execute(_NOTE, [_digest(migrations), sorted(theirs)])


def _has(connection: Connection, table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", [table]).fetchone()
    return row is not None and bool(row[0])
