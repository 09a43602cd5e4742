"""Set-up and upgrades: an old warehouse loses nothing, a failed upgrade changes nothing, the rest is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cic_assets.cli import rebuild
from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.settings import PACKAGE, PROJECT, Settings
from cic_assets.warehouse import embedded, migrate
from cic_assets.warehouse.connect import Connection, WarehouseError
from cic_assets.warehouse.migrate import OtherSchemaError, read_migrations
from tests.conftest import admin
from tests.doors import connect
from tests.network_days import differences
from tests.older import WITHOUT_FETCHED
from tests.warehouse.release_0_3_0.make_dump import DUMP

MIGRATIONS = PACKAGE / "warehouse" / "schema"
LAST = read_migrations(MIGRATIONS)[-1]
OURS = ("facts", "quality", "catalogue")
VERSIONS = "select number, name, sha256, applied_at from catalogue.schema_version order by number"
# What a schema is, without its rows: each query gives texts.
SCHEMA = {
    "columns": """
        select concat_ws(' ', c.oid::regclass, c.relkind, row_number() over (partition by c.oid order by a.attnum),
          a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attstattarget,
          pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace::regnamespace::text = any(%(ours)s)
    """,
    "constraints": """
        select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
        where connamespace::regnamespace::text = any(%(ours)s)
    """,
    "indexes": "select indexdef from pg_indexes where schemaname = any(%(ours)s)",
    "views": """
        select concat_ws(' ', schemaname, viewname, definition) from pg_views where schemaname = any(%(ours)s)
    """,
    "sequences": """
        select concat_ws(' ', schemaname, sequencename, data_type, increment_by) from pg_sequences
        where schemaname = any(%(ours)s)
    """,
    "comments": """
        select concat_ws(' ', c.oid::regclass, obj_description(c.oid)) from pg_class as c
        where c.relnamespace::regnamespace::text = any(%(ours)s)
    """,
    "rights": """
        select concat_ws(' ', c.oid::regclass, r.grantee::regrole, r.privilege_type, r.is_grantable)
        from pg_class as c cross join lateral aclexplode(c.relacl) as r
        where c.relnamespace::regnamespace::text = any(%(ours)s)
        union all
        select concat_ws(' ', n.nspname, r.grantee::regrole, r.privilege_type)
        from pg_namespace as n cross join lateral aclexplode(n.nspacl) as r where n.nspname = any(%(ours)s || '{marts}')
        union all
        select concat_ws(' ', 'default', d.defaclnamespace::regnamespace, d.defaclobjtype, d.defaclacl)
        from pg_default_acl as d
        union all
        select concat_ws(' ', 'database', r.grantee::regrole, r.privilege_type)
        from pg_database as b cross join lateral aclexplode(b.datacl) as r where b.datname = current_database()
    """,
}


def set_up(settings: Settings, folder: Path = migrate._MIGRATIONS) -> None:
    migrate.set_up(warehouse_of(settings), folder)


@pytest.fixture
def empty(server_home: Path, settings: Settings) -> Settings:
    """A database without anything, on a server that has the platform's roles."""
    name = f"{conninfo_to_dict(str(settings.warehouse_url))['dbname']}_empty"
    with admin(embedded.locate(server_home)) as connection:
        connection.execute(f"create database {name}")
    return replace(settings, warehouse_url=embedded.locate(server_home).url(name))


@pytest.fixture
def old(empty: Settings) -> Settings:
    """A warehouse of release 0.3.0, from that release's own dump."""
    with psycopg.connect(empty.warehouse_url) as connection:
        connection.execute(DUMP.read_bytes())
    return empty


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations, to change or add some."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "schema"))


def schema(settings: Settings) -> dict[str, list[str]]:
    """All that makes the schema, by kind, sorted."""
    with connect(settings) as connection:
        return {
            kind: sorted(text for (text,) in connection.execute(query, {"ours": list(OURS)}))
            for kind, query in SCHEMA.items()
        }


def rows(settings: Settings, like: dict[str, list[str]] | None = None) -> dict[str, tuple[list[str], list[str]]]:
    """(columns, rows as texts) of every table and view of ours and of `marts`; `like`: of those columns alone."""
    found = {}
    with connect(settings) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name, array_agg(column_name::text order by ordinal_position)"
            " from information_schema.columns where table_schema = any(%s) group by 1",
            [[*OURS, "marts"]],
        ).fetchall()
        for name, columns in names:
            if like is not None and name not in like:
                continue
            kept = like[name] if like is not None else columns
            found[name] = (kept, _texts(connection, name, kept))
        for name, kept in (like or {}).items():
            if name in NOW and "catalogue.arrival" in dict(names):
                found[name] = (kept, _texts(connection, NOW[name], kept))
    return found


def _placed(fact: str, period: str) -> str:
    counts = ", ".join(
        f"coalesce(sum(row_count) filter (where outcome = '{name}'), 0) as {name}"
        for name in ("in_facts", "open", "duplicates", "superseded")
    )
    return (
        f"(select stream_id, arrival_date, period_date as {period}, {counts} from quality.outcome"
        f" where fact = '{fact}' group by 1, 2, 3) as placed"
    )


# Tables of 0.3.0 that stand in others now.
NOW = {
    "catalogue.ingest": "catalogue.arrival where fingerprint is not null",
    "catalogue.stream_cover": "catalogue.arrival where cover_at is not null",
    "catalogue.stale_edge": "(select period_date as event_date, touch_id from catalogue.touched_period"
    " where fact = 'charge_point_edge') as edges",
    "catalogue.touched_period": "catalogue.touched_period where fact <> 'charge_point_edge'",
    "catalogue.pending_period": "catalogue.pending_period where fact <> 'charge_point_edge'",
    "quality.disposition": _placed("charging_session", "month_date"),
    "quality.status_disposition": _placed("charge_point_status", "status_date"),
}


def _texts(connection: Connection, table: str, columns: list[str]) -> list[str]:
    query = f"select row({', '.join(columns)})::text from {table} order by 1"
    return [text for (text,) in connection.execute(query)]


def without_own(texts: list[str]) -> list[str]:
    """Of a schema: what set-up itself needs is made before any migration."""
    own = ("catalogue.schema_version", "catalogue.schema_state", "catalogue.setup_lock")
    return [text for text in texts if not any(name in text for name in own)]


def columns_of(found: dict[str, tuple[list[str], list[str]]]) -> dict[str, list[str]]:
    return {name: columns for name, (columns, _) in found.items()}


def one(settings: Settings, query: str) -> object:
    with connect(settings) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def test_a_warehouse_of_0_3_0_upgrades_and_loses_and_computes_nothing(old):
    with connect(old) as connection:
        connection.execute("insert into catalogue.stale_edge values ('2025-09-30', 7)")
        connection.execute("update facts.charging_session set flags = '{S12,credited}' where session_id = 'S5'")
        connection.execute("update quality.disposition set in_facts = 0, open = 1 where month_date = '2026-09-01'")
        connection.execute(
            "update quality.status_disposition set in_facts = 0, duplicates = 2, superseded = 1"
            " where status_date = '2026-10-02'"
        )
    before = rows(old)
    filled = {name for name, (_, texts) in before.items() if texts}
    # The dump has something to lose, in facts of all kinds, their audit, and marts.
    assert filled >= {
        "facts.charging_session", "facts.charging_session_day", "facts.charge_point_status_day",
        "facts.charge_point_edge", "facts.charge_point", "facts.charge_point_month", "quality.quarantine",
        "quality.rule_count", "quality.disposition", "quality.status_disposition", "quality.ingest_count",
        "quality.unmapped_status", "quality.reconciliation", "catalogue.object", "catalogue.sighting",
        "catalogue.ingest", "catalogue.stream_cover", "catalogue.touched_period", "catalogue.fact_window",
        "marts.network_overview_month", "marts.dim_charge_point",
    }  # fmt: skip
    set_up(old)
    # Values; what is stale; by whom and when a period was computed; with which stream file an arrival was ingested.
    assert rows(old, columns_of(before)) == before
    assert one(old, "select array_agg(session_id) from facts.charging_session where not is_counted") == ["S5"]
    assert differences(old) == [] and one(old, "select count(*) from facts.network_status_day") == 12
    # Of warehouses of before nobody knows how old the marts are.
    assert one(old, "select bool_and(built_touch_id is null) from catalogue.mart_period") is True
    after = rows(old)
    set_up(old)
    assert rows(old) == after


def test_a_fresh_warehouse_and_upgraded_ones_have_the_same_schema(old, settings, server_home):
    with admin(embedded.locate(server_home)) as connection:
        connection.execute("create database schema_fresh")
    fresh = replace(settings, warehouse_url=embedded.locate(server_home).url("schema_fresh"))
    set_up(fresh)
    wanted = schema(fresh)
    assert all(wanted[kind] for kind in SCHEMA)
    set_up(old)
    assert schema(old) == wanted
    # As a program of before there were migrations left it.
    with connect(settings) as connection:
        connection.execute("drop table catalogue.schema_version, catalogue.schema_state, catalogue.arrival")
        connection.execute("drop table quality.outcome cascade")
        connection.execute("drop table facts.network_status_day, facts.network_session_day cascade")
        connection.execute("drop table facts.charge_point_seen cascade")
        connection.execute(WITHOUT_FETCHED)
        connection.execute("drop table catalogue.portion")
        for table in ("quality.quarantine", "quality.delivery"):
            connection.execute(f"alter table {table} drop column portion")
        connection.execute("alter table catalogue.stream drop column has_facts")
        connection.execute("create table catalogue.set_up (made_of text, gave text, made_at timestamptz)")
        connection.execute("insert into quality.ingest_count values ('s', '2026-01-05', 1, 1, 0)")
    before = rows(settings)
    del before["catalogue.set_up"]
    set_up(settings)
    assert schema(settings) == wanted
    assert rows(settings, columns_of(before)) == before


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (b"select 1 / 0;", "migration 0004_.* failed, and the warehouse is as it was: division by zero"),
        # The server ends the connection, as a crash would.
        (b"select pg_terminate_backend(pg_backend_pid());", "went away and undid what was not committed"),
    ],
)
def test_an_upgrade_that_ends_in_the_middle_changes_nothing_and_goes_on(old, folder, fault, said):
    before, tables = rows(old), schema(old)
    (path,) = folder.glob("0004_*.sql")
    path.write_bytes(path.read_bytes() + fault)
    for _ in range(2):
        with pytest.raises(WarehouseError, match=said):
            set_up(old, folder)
    own = ("catalogue.schema_version", "catalogue.schema_state", "catalogue.setup_lock")
    there = {
        kind: [text for text in texts if not any(name in text for name in own)] for kind, texts in schema(old).items()
    }
    assert there == tables
    assert rows(old, columns_of(before)) == before
    assert one(old, "select count(*) from catalogue.schema_version") == 0
    set_up(old)
    assert one(old, "select count(*) from catalogue.schema_version") == LAST.number


def test_of_several_that_set_up_at_once_one_upgrades(old):
    failed = []

    def work() -> None:
        try:
            set_up(old)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert one(old, "select count(distinct applied_at) from catalogue.schema_version") == 1


def test_several_that_make_the_first_tables_at_once_are_all_content(settings):
    warehouse = warehouse_of(settings)
    set_up(settings)
    failed = []
    for _ in range(10):
        with warehouse.transaction() as connection:
            connection.execute("drop table catalogue.setup_lock, catalogue.schema_state")
        together = threading.Barrier(6)

        def work(together: threading.Barrier = together) -> None:
            together.wait()
            try:
                set_up(settings)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


def test_a_new_migration_runs_once_and_the_older_program_refuses_the_warehouse(settings, folder):
    set_up(settings)
    with connect(settings) as connection:
        before = connection.execute(VERSIONS).fetchall()
    (folder / f"{LAST.number + 1:04}_more.sql").write_text("create table facts.more (n integer);")
    for _ in range(2):
        set_up(settings, folder)
    with connect(settings) as connection:
        versions = connection.execute(VERSIONS).fetchall()
    assert versions[:-1] == before and versions[-1][1] == f"{LAST.number + 1:04}_more.sql"
    with connect(settings, "reader") as connection:
        connection.execute("table facts.more")
    newer = rf"newer release: it had the migration {versions[-1][1]}, and this release ends with {LAST.name}\nuse that"
    with psycopg.connect(settings.warehouse_url) as other:
        # It says so without waiting.
        other.execute("lock table catalogue.setup_lock in access exclusive mode")
        with pytest.raises(OtherSchemaError, match=newer):
            set_up(settings)


def test_a_migration_that_was_changed_after_it_ran_is_refused(settings, folder):
    set_up(settings, folder)
    path = folder / LAST.name
    path.write_bytes(path.read_bytes() + b"-- edited\n")
    with pytest.raises(OtherSchemaError, match=f"{LAST.name} is not the file that this warehouse was migrated with"):
        set_up(settings, folder)
    path.write_bytes(LAST.statements)
    set_up(settings, folder)


@pytest.mark.parametrize("name", ["0003_twice.sql", "0099_gap.sql", "more.sql"])
def test_migrations_are_numbered_without_a_gap(folder, name):
    (folder / name).write_text("select 1")
    with pytest.raises(ValueError, match=name):
        read_migrations(folder)


def test_what_is_set_up_is_not_set_up_again_and_waits_for_nobody(settings, monkeypatch):
    set_up(settings)
    before = one(settings, "select set_up_at from catalogue.schema_state")
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=100ms")
    with psycopg.connect(settings.warehouse_url) as other:
        other.execute("lock table catalogue.setup_lock, quality.ingest_count in access exclusive mode")
        set_up(settings)
    assert one(settings, "select set_up_at from catalogue.schema_state") == before


@pytest.mark.parametrize(
    "damage",
    [
        "revoke select on facts.charging_session from cic_reader",
        "update catalogue.schema_state set files = 'an earlier release'",
        "drop table catalogue.schema_state",
    ],
)
def test_rights_that_are_not_as_the_set_up_left_them_are_given_again(settings, damage):
    set_up(settings)
    before = schema(settings)
    with connect(settings) as connection:
        connection.execute(damage)
    set_up(settings)
    assert schema(settings) == before
    set_up_at = one(settings, "select set_up_at from catalogue.schema_state")
    set_up(settings)
    assert one(settings, "select set_up_at from catalogue.schema_state") == set_up_at


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("drop table quality.rule_count", "quality.rule_count; quality.rule_count_pkey\n"),
        ("alter table catalogue.stream drop column reports_use", "catalogue.stream reports_use boolean\n"),
        ("alter table facts.charging_session alter column is_counted drop not null", "is_counted boolean not null\n"),
        ("drop view quality.feed_day", "quality.feed_day\n"),
        ("drop table catalogue.rebuild", "catalogue.rebuild\n"),
        ("drop table catalogue.release", "catalogue.release"),
        ("drop table catalogue.lake", "catalogue.lake"),
        ("drop table catalogue.object cascade", "catalogue.object"),
        ("drop table catalogue.schema_version", "catalogue.schema_version; catalogue.schema_version_pkey\n"),
    ],
)
def test_what_is_gone_is_said_and_not_made_again_without_its_rows(settings, damage, said):
    set_up(settings)
    with connect(settings) as connection:
        connection.execute(damage)
    for _ in range(2):
        with pytest.raises(
            OtherSchemaError, match=f"lacks what the last set-up left there: (?s:.*){said}(?s:.*)restore a dump"
        ):
            set_up(settings)
    (Path(settings.lake) / "raw").mkdir(parents=True)
    (Path(settings.lake) / "raw" / "any").write_text("")
    with pytest.raises(OtherSchemaError):
        rebuild.begin(settings, replace=False)
    rebuild.begin(settings, replace=True)
    set_up(settings)


def test_what_others_add_may_go_again(settings):
    set_up(settings)
    with connect(settings) as connection:
        connection.execute("create table facts.of_an_operator (n integer)")
    set_up(settings)
    with connect(settings) as connection:
        connection.execute("drop table facts.of_an_operator")
    set_up(settings)


def test_an_older_dump_is_restored_as_the_runbook_says_and_refused_over_newer_tables(
    old, settings, server_home, tmp_path
):
    runbook = (PROJECT / "infra/runbooks/backup_and_restore.md").read_text()
    (dropped,) = re.findall(r'-c "(drop schema .+)"', runbook)
    (given,) = re.findall(r"pg_restore (--.+) -d", runbook)

    def call(program: str, where: Settings, *arguments: str) -> int:
        command = [embedded.locate(server_home).binaries / program, *arguments, "-d", str(where.warehouse_url)]
        return subprocess.run(command, check=False, capture_output=True).returncode

    before = rows(old)
    dump = str(tmp_path / "dump")
    assert call("pg_dump", old, "-Fc", "-f", dump) == 0
    set_up(settings)
    assert call("pg_restore", settings, *given.split(), dump) == 1
    with pytest.raises(OtherSchemaError, match=r"(?s)lacks what the last set-up left there: .*infra/runbooks"):
        set_up(settings)
    assert call("psql", settings, "-c", dropped) == 0
    assert call("pg_restore", settings, *given.split(), dump) == 0
    set_up(settings)
    assert rows(settings, columns_of(before)) == before
