"""Dagster's storage in the platform's Postgres keeps its connections, and opens those anew that the server closed."""

from __future__ import annotations

from dagster import DagsterInstance

from cic_assets.orchestrate.runner import instance_of
from cic_assets.settings import Settings
from tests.doors import connect

OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def look(instance: DagsterInstance) -> None:
    """A statement of each part of the storage."""
    assert instance.get_runs_count() == 0
    assert instance.get_asset_records() == []
    assert instance.all_instigator_state() == []


def pids(settings: Settings) -> set[int]:
    with connect(settings) as connection:
        return {pid for (pid,) in connection.execute(f"select pid {OTHERS}").fetchall()}


def test_connections_are_kept_and_opened_anew_where_the_server_closed_them(settings, monkeypatch):
    monkeypatch.setenv("CIC_HOME", str(settings.home))
    monkeypatch.setenv("CIC_WAREHOUSE_URL", str(settings.warehouse_url))
    with instance_of(settings) as instance:
        look(instance)
        kept = pids(settings)
        look(instance)
        assert pids(settings) == kept and len(kept) == 3
        with connect(settings) as connection:
            connection.execute(f"select pg_terminate_backend(pid, 5000) {OTHERS}")
        look(instance)
        assert len(pids(settings)) == 3 and not pids(settings) & kept
