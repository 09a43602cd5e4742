"""Marts that are due are built by daemon and command line alike, without computing the facts that they read."""

from __future__ import annotations

import datetime as dt

import pytest
from dagster import AssetKey, DagsterInstance, RunRequest, SensorResult, SkipReason, build_sensor_context

from cic_assets.cli.doctor import _due_marts
from cic_assets.ledger.mart_sets import ARRIVAL, DAILY, MONTHLY
from cic_assets.ledger.publication import due_by_set, touch
from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.runner import RunFailedError
from cic_assets.orchestrate.sensors import build_sensors
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.orchestration.test_runs import instance, rows, runner

__all__ = ["instance", "runner"]
pytestmark = pytest.mark.usefixtures("forked_dbt")
SEPTEMBER, OCTOBER = dt.date(2025, 9, 1), dt.date(2025, 10, 1)


def asked(settings: Settings, instance: DagsterInstance, name: str) -> list[RunRequest]:
    """What a sensor asks for."""
    sensor = next(sensor for sensor in build_sensors() if sensor.name == name)
    platform = Platform(settings, load_streams(settings.streams))
    found = sensor(build_sensor_context(instance=instance, resources={"platform": platform}))
    assert isinstance(found, SensorResult | SkipReason)
    return list(found.run_requests or []) if isinstance(found, SensorResult) else []


def test_sensors_ask_for_due_marts_alone(settings, instance):
    (views,) = asked(settings, instance, "dimensions")
    assert views.partition_key is None and "dagster/asset_partition_range_start" not in views.tags
    assert asked(settings, instance, "stale_months") == []
    with connect(settings) as connection:
        touch(connection, [(ARRIVAL, OCTOBER), (DAILY, OCTOBER), (MONTHLY, SEPTEMBER), (MONTHLY, OCTOBER)])
    for name, mart, first in (
        ("arrivals", "data_quality_day", OCTOBER),
        ("stale_days", "charge_point_health_day", OCTOBER),
        ("stale_months", "network_overview_month", SEPTEMBER),
    ):
        (request,) = asked(settings, instance, name)
        assert AssetKey(["marts", mart]) in request.asset_selection
        assert {key.path[0] for key in request.asset_selection} == {"marts"}
        assert request.tags["dagster/asset_partition_range_start"] == first.isoformat()
        assert request.tags["dagster/asset_partition_range_end"] == OCTOBER.isoformat()
        assert request.run_config == {}
        assert asked(settings, instance, name)[0].run_key == request.run_key
    assert _due_marts(settings).text.count("cic run") == 4


def test_due_months_are_built_once_with_their_tests_and_nothing_else_runs(settings, instance, runner):
    with connect(settings) as connection:
        # A row that breaks an identity of the mart, so that the run shows whether dbt's tests are in it.
        connection.execute(
            "insert into facts.charge_point_month values ('2025-10-01', 'p', 'a', '0-8', 1, 1, 1),"
            " ('2025-10-01', 'p', 'a', 'nobody knows', 1, 1, 1)"
        )
        touch(connection, [(MONTHLY, OCTOBER)])
    with pytest.raises(RunFailedError):
        runner.months()
    assert [each.period for each in due_by_set(warehouse_of(settings))[MONTHLY]] == [OCTOBER]
    with connect(settings) as connection:
        connection.execute("delete from facts.charge_point_month where power_class = 'nobody knows'")
    (report,) = runner.months()
    assert (report.job, report.first, report.last) == ("monthly", OCTOBER, OCTOBER)
    steps = {step.step_key for step in instance.get_run_step_stats(report.run_id)}
    assert steps == {"monthly_marts"}
    assert rows(settings, "select month_date, online_count from marts.charge_points_month") == [(OCTOBER, 1)]
    assert runner.months() == [] and due_by_set(warehouse_of(settings))[MONTHLY] == []


def test_a_part_of_a_set_leaves_its_window_due(settings, runner):
    with connect(settings) as connection:
        touch(connection, [(MONTHLY, OCTOBER)])
    part = [AssetKey(["marts", "charge_points_month"])]
    runner.run("monthly", OCTOBER, OCTOBER, assets=part)
    assert [each.period for each in due_by_set(warehouse_of(settings))[MONTHLY]] == [OCTOBER]
    # dbt takes what set-up has parsed. Nothing is left of a run.
    assert "Starting full parse" not in (settings.home / "runs.log").read_text()
    assert not list((settings.home / "dbt").iterdir())
