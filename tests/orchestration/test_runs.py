"""Jobs, checks and sensors in Dagster's own machinery, on a real warehouse."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    RunRequest,
    RunsFilter,
    SensorResult,
    build_sensor_context,
)

from cic_assets.ingest.landing import land
from cic_assets.kinds import rules
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.jobs import REPOSITORY
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.runner import Runner
from cic_assets.orchestrate.sensors import build_sensors
from cic_assets.settings import PROJECT, Settings
from cic_assets.simulate import ASHBOURNE, BRACKENDALE, Simulation, simulate
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.end_to_end.steps import checksum

pytestmark = pytest.mark.usefixtures("forked_dbt")
ACCEPTED = AssetKey(["accepted", "sessions", ASHBOURNE])
S02, S03 = (rule for rule in rules.RULES if rule.id in ("S02", "S03"))


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def county(settings: Settings, tmp_path) -> Simulation:
    """The sessions of two providers; all of the county goes to the marts in `test_status_runs.py`."""
    found = simulate(tmp_path / "sent", last_day=dt.date(2026, 11, 1), days=28, charge_points=15)
    streams = load_streams(settings.streams)
    files = [file for file in found.files if file.stream_id in (ASHBOURNE, BRACKENDALE)]
    for file in files:
        land(parts_of(settings), streams[file.stream_id], file.path, file.arrived_at)
    truth = {stream_id: found.truth[stream_id] for stream_id in (ASHBOURNE, BRACKENDALE)}
    return replace(found, files=files, truth=truth, status={})


@pytest.fixture
def runner(settings: Settings, instance: DagsterInstance) -> Runner:
    settings.home.mkdir(parents=True, exist_ok=True)
    return Runner(settings, load_streams(settings.streams), instance)


def evaluation_of(instance: DagsterInstance, check: str) -> AssetCheckEvaluation:
    """What a check of Ashbourne's accepted sessions said last."""
    (latest,) = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(ACCEPTED, check), limit=1)
    assert latest.event and latest.event.dagster_event
    return latest.event.dagster_event.asset_check_evaluation_data


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with connect(settings) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_run_of_the_command_line_stands_in_the_uis_timeline(instance, runner, county):
    runner.ingest()
    runs = instance.get_runs(RunsFilter(tags={".dagster/repository": REPOSITORY}))
    assert {run.job_name for run in runs} == {"ingest"}
    # The label is that of the location which the UI loads.
    (place,) = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    name = runner._definitions.get_repository_def().name
    assert f"{name}@{place['python_module']['location_name']}" == REPOSITORY


def test_personal_values_are_nowhere_but_in_the_originals(settings, runner, county):
    token = next(
        json.loads(line)["cdr_token"]["uid"]
        for file in county.files
        if file.path.suffix == ".jsonl"
        for line in file.path.read_text().splitlines()
        if line.endswith("}")
    )
    runner.ingest()
    assert rows(settings, f"select count(*) from quality.quarantine as t where t::text like '%{token}%'") == [(0,)]
    decoded = list((settings.home / "lake" / "decoded").rglob("*.parquet"))
    assert decoded
    import pyarrow.parquet as pq

    assert not any(token in str(pq.read_table(path).to_pylist()) for path in decoded)


def test_a_broken_predicate_turns_its_check_red_and_replaces_nothing(settings, instance, runner, county, monkeypatch):
    runner.ingest()
    before, truth = checksum(settings), county.truth[ASHBOURNE]
    green = evaluation_of(instance, "S02_end_not_after_start")
    assert green.passed and green.metadata["rows"].value == truth.fired["S02"] > 0
    assert green.metadata["rows_in"].value == truth.rows
    # "Execute" on a check of the UI: no partition, and nothing but the check.
    for key in (
        AssetCheckKey(ACCEPTED, S03.check_name),
        AssetCheckKey(AssetKey(["accepted", "sessions"]), "no_stream_is_missing"),
    ):
        job = runner._definitions.resolve_job_def("ingest")
        alone = job.get_subset(asset_selection=frozenset(), asset_check_selection=frozenset({key}))
        result = alone.execute_in_process(instance=instance, raise_on_error=False)
        assert [(each.check_name, each.passed) for each in result.get_asset_check_evaluations()] == [(key.name, True)]
    assert checksum(settings) == before
    broken = tuple(replace(rule, predicate="false") if rule.id == "S02" else rule for rule in rules.RULES)
    monkeypatch.setattr(rules, "RULES", broken)
    (report, *_) = runner.ingest()
    assert len(report.troubles) > 1 and all(re.search(r"S02 on \d+ rows", line) for line in report.troubles)
    planted = truth.fired["S02"]
    red = evaluation_of(instance, S02.check_name)
    assert (red.passed, red.severity) == (False, AssetCheckSeverity.ERROR)
    assert (red.metadata["contradictions"].value, red.metadata["rows"].value) == (planted, 0)
    assert f"the rule contradicts itself on {planted} rows" in red.description
    assert evaluation_of(instance, S03.check_name).passed
    assert checksum(settings) == before


def test_the_sensor_reports_arrivals_and_asks_once_per_content(settings, instance, county):
    platform = Platform(settings, load_streams(settings.streams))
    arrivals = next(sensor for sensor in build_sensors() if sensor.name == "arrivals")
    results = [arrivals(build_sensor_context(instance=instance, resources={"platform": platform})) for _ in range(2)]
    assert all(isinstance(result, SensorResult) for result in results)
    (first,), (second,) = (result.run_requests for result in results)
    assert isinstance(first, RunRequest) and first.run_key == second.run_key
    assert (
        first.tags["dagster/asset_partition_range_start"] == min(f.arrived_at for f in county.files).date().isoformat()
    )
    assert {event.asset_key.path[-1] for event in results[0].asset_events} == set(county.truth)


def test_an_expected_feed_that_is_missing_fails_its_own_days_alone(settings, instance, county):
    from cic_assets.kinds.stream import Expected

    streams = load_streams(settings.streams)
    promise = Expected.model_validate({"from": "2026-10-01", "to": "2026-10-31", "by": 2})
    promised = {**streams, ASHBOURNE: streams[ASHBOURNE].model_copy(update={"expected": promise})}
    runner = Runner(settings, promised, instance)
    runner.ingest()
    days = "select distinct extract(day from start_date)::int from facts.charging_session where stream_id = '{}'"
    october = dt.date(2026, 10, 1)
    report = runner.run("monthly", october, october)
    assert "ashbourne_sessions: nothing arrived for 2026-10-01 by 2026-10-03" in report.troubles[0]
    check = instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(AssetKey(["facts", "charging_session"]), "expected_feeds"), limit=1
    )
    assert check[0].event.dagster_event.asset_check_evaluation_data.passed is False
    arrived = {file.arrived_at.date() for file in county.files if file.stream_id == ASHBOURNE}
    kept = {day for day in range(1, 32) if any(0 <= (each - october).days + 1 - day <= 2 for each in arrived)}
    there = {day for (day,) in rows(settings, days.format(ASHBOURNE))}
    assert there and there <= kept and len(rows(settings, days.format(BRACKENDALE))) > 20
    # What failed is due until its feed comes, or is not promised any more.
    pending = "select period_date from catalogue.pending_period where fact = 'charging_session' and period_date = '{}'"
    assert rows(settings, pending.format(october)) == [(october,)]
    Runner(settings, streams, instance).run("monthly", october, october)
    assert there < {day for (day,) in rows(settings, days.format(ASHBOURNE))}
    assert rows(settings, pending.format(october)) == []
