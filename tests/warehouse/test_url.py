"""A warehouse's address with signs that a URL has to write as `%20`, wherever it is used."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from psycopg import sql

from cic_assets.orchestrate.doors import set_up, warehouse_of
from cic_assets.orchestrate.runner import instance_of
from cic_assets.settings import PROJECT, Settings, load_settings
from cic_assets.warehouse import embedded
from cic_assets.warehouse.connect import public
from tests.conftest import admin
from tests.doors import connect

DAY = dt.date(2026, 1, 1)

NAME, USER, PASSWORD = "my db/100% &co", "o'brien @home", "p%20?w #:"


@pytest.fixture
def odd(settings: Settings, server_home: Path) -> Iterator[Settings]:
    server = embedded.locate(server_home)
    database, role = sql.Identifier(NAME), sql.Identifier(USER)
    with admin(server) as connection:
        connection.execute(sql.SQL("create role {} login superuser password {}").format(role, sql.Literal(PASSWORD)))
        connection.execute(sql.SQL("create database {}").format(database))
    user, word, name = (quote(text, safe="") for text in (USER, PASSWORD, NAME))
    options = "options=-cwork_mem%3D5MB&sslmode=disable"
    yield replace(settings, warehouse_url=f"postgresql://{user}:{word}@/{name}?host={server.socket_folder}&{options}")
    with admin(server) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(database))
        connection.execute(sql.SQL("drop role {}").format(role))


def test_psycopg_dagster_and_dbt_log_in_by_an_address_with_escaped_signs(odd, monkeypatch, tmp_path):
    set_up(odd)
    for role, user in ((None, USER), ("reader", "cic_reader")):
        with connect(odd, role) as connection:
            row = connection.execute("select current_database(), session_user, current_setting('work_mem')").fetchone()
        assert row == (NAME, user, "5MB")
    assert PASSWORD not in public(str(odd.warehouse_url))
    monkeypatch.setenv("CIC_WAREHOUSE_URL", str(odd.warehouse_url))
    monkeypatch.setenv("CIC_HOME", str(odd.home))
    assert load_settings().warehouse_url == odd.warehouse_url
    with instance_of(odd) as instance:
        assert instance.get_runs_count() == 0
    with connect(odd) as connection:
        assert connection.execute("select count(*) from dagster.runs").fetchone() == (0,)
    # As dagster-postgres waits for events.
    listening = psycopg2.connect(warehouse_of(odd).dagster_url())
    with listening, listening.cursor() as cursor:
        cursor.execute("select current_database(), current_setting('search_path'), current_setting('work_mem')")
        assert cursor.fetchone() == (NAME, "dagster", "5MB")
    listening.close()
    folder = str(PROJECT / "dbt_project")
    command = [
        sys.executable,
        "-m",
        "dbt.cli.main",
        "debug",
        "--connection",
        "--no-use-colors",
        "--project-dir",
        folder,
    ]
    environment = {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_LOG_PATH": str(tmp_path),
        "DBT_TARGET_PATH": str(tmp_path),
    }
    done = subprocess.run(
        [*command, "--profiles-dir", folder],
        env={**os.environ, **environment, **warehouse_of(odd).dbt_environment(DAY, DAY)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "connection ok" in done.stdout and "sslmode: disable" in done.stdout, done.stdout
