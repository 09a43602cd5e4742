"""What those who look may do, whatever they write; and that they hold up nobody."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cic_assets.orchestrate.doors import set_up
from cic_assets.warehouse.connect import WarehouseError
from tests.doors import connect

ESCAPES = [
    "reset role", "set role postgres", "set session authorization postgres", "reset session authorization",
    "do $$ begin reset role; drop table marts.shown; end $$",
    "do $$ begin set local role postgres; execute 'drop table marts.shown'; end $$",
    "select query_to_xml('drop table marts.shown', true, true, '')",
    "select set_config('role', 'postgres', false)", "select set_config('session_authorization', 'postgres', false)",
    "select pg_read_file('PG_VERSION')", "select lo_import('/etc/passwd')", "select lo_create(0)",
    "copy (select 1) to program 'true'", "copy marts.shown from '/etc/passwd'", "create extension dblink",
    "select pg_advisory_lock(4242001)", "select pg_try_advisory_lock(1)", "create temp table t (n int)",
    "create table public.t (n int)", "create schema mine", "delete from marts.shown", "create role mine",
]  # fmt: skip


@pytest.mark.parametrize("role", ["analyst", "reader"])
def test_no_statement_leads_back_to_a_stronger_role(settings, role):
    with connect(settings) as connection:
        connection.execute("create table marts.shown as select 1 as n")
    for query in ESCAPES:
        try:
            with connect(settings, role) as connection:
                connection.execute(query.encode(), prepare=True)
                # Allowed, as it changes nothing: it is the session's own role already.
                row = connection.execute("select session_user, current_user").fetchone()
            assert row == (f"cic_{role}",) * 2, query
            assert query.startswith("reset"), query
        except psycopg.Error as error:
            assert error.sqlstate in ("42501", "25006", "0LP01", "22023", "0A000"), (query, error)
    with connect(settings) as connection:
        assert connection.execute("select n from marts.shown").fetchone() == (1,)
        assert not connection.execute("select 1 from pg_roles where rolname = 'mine'").fetchone()


def test_each_sees_its_schemas(settings):
    with connect(settings, "reader") as connection:
        for table in ("facts.charging_session", "quality.quarantine", "catalogue.pending_period"):
            connection.execute(f"select * from {table}")
        limits = connection.execute(
            "select current_setting('statement_timeout'), current_setting('lock_timeout')"
        ).fetchone()
    assert limits == ("10min", "30s")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connect(settings, "analyst") as connection:
        connection.execute("select * from facts.charging_session")


def test_set_up_waits_for_no_lock_that_one_who_looks_can_take(settings):
    url = make_conninfo(settings.warehouse_url, user="cic_reader")
    with psycopg.connect(url) as reader:
        reader.execute("select * from catalogue.setup_lock")
        reader.execute("lock table catalogue.setup_lock in access share mode")
        for mode in ("row share", "row exclusive", "share", "exclusive", "access exclusive"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), reader.transaction():
                reader.execute(f"lock table catalogue.setup_lock in {mode} mode")
        with connect(settings) as connection:
            connection.execute("set lock_timeout = '10s'")
            connection.execute("lock table catalogue.setup_lock in exclusive mode")


def test_a_strong_login_is_refused_and_a_missing_one_says_what_to_set(settings):
    strong = replace(settings, analyst_url=settings.warehouse_url)
    refused = pytest.raises(WarehouseError, match="CIC_ANALYST_URL logs in as postgres, who may do more than look")
    with refused, connect(strong, "analyst"):
        pass
    url = make_conninfo(settings.warehouse_url, user="cic_nobody")
    missing = pytest.raises(WarehouseError, match=r"set CIC_READER_URL to .*alter role cic_reader login password")
    with missing, connect(replace(settings, reader_url=url), "reader"):
        pass


def test_roles_of_an_earlier_release_become_logins(settings):
    with connect(settings) as connection:
        connection.execute("alter role cic_analyst nologin; alter role cic_analyst reset all")
    set_up(settings)
    with connect(settings, "analyst") as connection:
        assert connection.execute("show lock_timeout").fetchone() == ("30s",)
