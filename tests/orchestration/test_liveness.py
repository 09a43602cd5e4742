"""Dead runs: which are, what is reported, and what the sensors do then. Processes are real ones."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterInvariantViolationError,
    DagsterRun,
    DagsterRunStatus,
    JobDefinition,
    RunRequest,
    RunsFilter,
    SensorResult,
    SkipReason,
    build_sensor_context,
    job,
    op,
)
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.launcher import LaunchRunContext

from cic_assets.ingest.landing import land
from cic_assets.orchestrate import liveness
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.liveness import (
    LAUNCHER_TAG,
    LOST_TAG,
    MAX_LOST,
    PROCESS_TAG,
    LocalRunLauncher,
    build_executor,
    fail_dead_runs,
)
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.sensors import MAX_ATTEMPTS, WORK_TAG, build_sensors, given_up, requests
from cic_assets.orchestrate.work import Work
from cic_assets.processes import process_of, this_process
from cic_assets.settings import PROJECT, Settings
from cic_assets.simulate import ASHBOURNE, simulate
from cic_assets.streams.load import load_streams

Status = DagsterRunStatus


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def gone() -> str:
    """The identity of a process that was killed."""
    with subprocess.Popen(["sleep", "600"]) as process:
        identity = str(process_of(process.pid))
        process.kill()
    return identity


@op
def nothing() -> None: ...


@job(name="ingest")
def ingest() -> None:
    nothing()


def run(instance: DagsterInstance, status: DagsterRunStatus, **tags: str) -> str:
    run_id = str(uuid.uuid4())
    given = {
        name.replace("__", "/"): value if name == "cic__work" else f"{run_id} {value}" for name, value in tags.items()
    }
    return instance.create_run_for_job(ingest, run_id=run_id, status=status, tags=given).run_id


def status_of(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return found.status


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status.STARTED, Status.FAILURE), (Status.STARTING, Status.FAILURE), (Status.NOT_STARTED, Status.FAILURE),
        (Status.CANCELING, Status.CANCELED), (Status.SUCCESS, Status.SUCCESS),
    ],
)  # fmt: skip
def test_a_run_under_way_whose_process_is_gone_ends(instance, gone, before, after):
    dead, alive = run(instance, before, cic__process=gone), run(instance, before, cic__process=str(this_process()))
    said = fail_dead_runs(instance)
    assert (status_of(instance, dead), status_of(instance, alive)) == (after, before)
    assert list(said) == ([dead] if before != after else [])
    assert all("is gone" in line for line in said.values())
    assert not fail_dead_runs(instance)


def test_what_is_known_of_the_worker_counts_more_than_its_launcher(instance, gone):
    alive = str(this_process())
    starting = run(instance, Status.STARTING, cic__launched_by=gone)
    started = run(instance, Status.STARTED, cic__launched_by=gone, cic__process=alive)
    elsewhere = run(instance, Status.STARTED, cic__process=str(replace(this_process(), host="elsewhere", pid=1)))
    unknown = run(instance, Status.STARTED)
    just_made = run(instance, Status.NOT_STARTED)
    assert list(fail_dead_runs(instance)) == [starting]
    assert [status_of(instance, each) for each in (started, elsewhere, unknown)] == [Status.STARTED] * 3
    assert status_of(instance, just_made) is Status.NOT_STARTED


def test_the_leader_of_the_launchers_group_is_written_down_before_anything_can_fail(instance):
    launcher = LocalRunLauncher()
    launcher.register_instance(instance)
    made = instance.get_run_by_id(run(instance, Status.STARTING))
    assert made is not None
    with pytest.raises(DagsterInvariantViolationError, match="requires a workspace"):
        launcher.launch_run(LaunchRunContext(made, workspace=None))
    found = instance.get_run_by_id(made.run_id)
    assert found is not None
    leader = process_of(os.getpgrp()) or this_process()
    assert found.tags[LAUNCHER_TAG] == f"{made.run_id} {leader}"
    assert not fail_dead_runs(instance)


def test_a_run_executed_again_is_not_judged_by_what_the_first_one_kept(instance, gone):
    first = run(instance, Status.STARTED, cic__process=gone, cic__launched_by=gone)
    found = instance.get_run_by_id(first)
    assert found is not None
    again = instance.create_run_for_job(ingest, status=Status.STARTING, tags=found.tags).run_id
    assert list(fail_dead_runs(instance)) == [first]
    assert status_of(instance, again) is Status.STARTING


@pytest.mark.parametrize(
    ("status", "said"),
    [(Status.NOT_STARTED, "never came into the queue"), (Status.STARTING, "taken out of the queue and never launched")],
)
def test_a_run_left_between_two_calls_is_dead_a_minute_later(instance, monkeypatch, status, said):
    """As a power cut leaves it: nobody knows who had it in hand. Seen for 207 s, until Dagster's own time limit."""
    made = run(instance, status)
    assert not fail_dead_runs(instance)
    monkeypatch.setattr(liveness, "_BETWEEN_CALLS", dt.timedelta(0))
    assert said in fail_dead_runs(instance)[made]


def test_a_run_that_finished_just_before_its_process_ended_stays_what_it_is(instance, gone, monkeypatch):
    finished = run(instance, Status.STARTED, cic__process=gone)
    look = liveness.why_dead

    def finishes_meanwhile(record):
        found = instance.get_run_by_id(finished)
        if found is not None and not found.is_finished:
            event = DagsterEvent(DagsterEventType.RUN_SUCCESS.value, job_name="ingest")
            instance.report_dagster_event(event, run_id=finished)
        return look(record)

    monkeypatch.setattr(liveness, "why_dead", finishes_meanwhile)
    assert not fail_dead_runs(instance) and status_of(instance, finished) is Status.SUCCESS


CALENDAR = Calendar(dt.date(2010, 1, 1))
WORK = Work(dt.date(2026, 1, 1), dt.date(2026, 1, 2), "work", ("one",))


def fail(instance: DagsterInstance, reason: RunFailureReason | None, **tags: str) -> None:
    run_id = run(instance, Status.STARTED, cic__work=WORK.identity, **tags)
    found = instance.get_run_by_id(run_id)
    assert isinstance(found, DagsterRun)
    instance.report_run_failed(found, "test", JobFailureData(error=None, failure_reason=reason) if reason else None)


def test_deaths_are_no_attempts_and_are_bounded_on_their_own(instance, gone):
    assert (WORK_TAG, PROCESS_TAG, LAUNCHER_TAG) == ("cic/work", "cic/process", "cic/launched_by")
    for number in range(MAX_LOST):
        (request,) = requests(instance, CALENDAR, "ingest", [WORK])
        assert request.run_key == f"ingest:work:{number}"
        # As this module reports it, as Dagster's code server does, and where the warehouse was restarted under it.
        if number % 3 == 0:
            run(instance, Status.STARTED, cic__work=WORK.identity, cic__process=gone)
            fail_dead_runs(instance)
        elif number % 3 == 1:
            fail(instance, None)
        else:
            fail(instance, RunFailureReason.STEP_FAILURE, cic__lost="the warehouse was restarted")
    assert not list(requests(instance, CALENDAR, "ingest", [WORK]))
    assert f"2026-01-01 to 2026-01-02 lost its process {MAX_LOST} times" in given_up(instance, "ingest", [WORK])


def test_work_of_before_the_calendar_is_asked_for_on_its_first_partition(instance):
    (request,) = requests(instance, Calendar(dt.date(2026, 6, 1)), "ingest", [WORK])
    assert request.tags["cic/window"] == f"{WORK.first} {WORK.last}"
    assert request.tags["dagster/asset_partition_range_start"] == "2026-06-01"


def test_failures_of_its_own_are_attempts_whatever_died_between(instance):
    for number in range(MAX_ATTEMPTS):
        assert len(list(requests(instance, CALENDAR, "ingest", [WORK]))) == 1
        assert not given_up(instance, "ingest", [WORK])
        fail(instance, RunFailureReason.STEP_FAILURE)
        if number == 0:
            fail(instance, RunFailureReason.UNEXPECTED_TERMINATION)
    assert not list(requests(instance, CALENDAR, "ingest", [WORK]))
    assert f"failed {MAX_ATTEMPTS} times" in given_up(instance, "ingest", [WORK])


def broken(settings: Settings, starts: list[dt.datetime], monkeypatch: pytest.MonkeyPatch) -> JobDefinition:
    """A job that fails, on a warehouse whose server has started at these times, told one after the other."""
    left = iter(starts)
    monkeypatch.setattr(liveness, "_server_start", lambda settings: next(left))

    @op
    def fails() -> None:
        raise ValueError("no server closes this")

    @job(name="ingest", executor_def=build_executor(settings))
    def broken_ingest() -> None:
        fails()

    return broken_ingest


@pytest.mark.parametrize("restarted", [False, True])
def test_a_failure_while_the_warehouse_was_restarted_is_marked(settings, instance, monkeypatch, restarted):
    first = liveness._server_start(settings)
    assert first is not None
    then = first + dt.timedelta(seconds=5) if restarted else first
    definition = broken(settings, [first, then], monkeypatch)
    made = instance.create_run_for_job(definition)
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run

    execute_run(InMemoryJob(definition), made, instance)
    found = instance.get_run_by_id(made.run_id)
    assert found is not None and found.status is Status.FAILURE
    assert (LOST_TAG in found.tags, liveness.is_lost(found)) == (restarted, restarted)
    assert found.tags[PROCESS_TAG] == f"{found.run_id} {this_process()}"


def test_the_sensor_fails_a_killed_worker_and_asks_for_its_work_again(settings, tmp_path):
    platform = Platform(settings, load_streams(settings.streams))
    sent = simulate(tmp_path / "sent", last_day=dt.date(2026, 11, 1), days=2, charge_points=2).files
    file = next(each for each in sent if each.stream_id == ASHBOURNE)
    land(parts_of(settings), platform.streams[ASHBOURNE], file.path, file.arrived_at)
    arrivals = next(sensor for sensor in build_sensors() if sensor.name == "arrivals")
    folder = tmp_path / "instance"
    folder.mkdir()

    with DagsterInstance.local_temp(str(folder)) as instance:

        def tick() -> RunRequest | str:
            found = arrivals(build_sensor_context(instance=instance, resources={"platform": platform}))
            if isinstance(found, SensorResult):
                (request,) = found.run_requests
                return request
            assert isinstance(found, SkipReason)
            return str(found.skip_message)

        first = tick()
        assert isinstance(first, RunRequest)
        command = [sys.executable, "-m", "tests.orchestration.hanging", str(folder), json.dumps(first.tags)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT) as worker:
            assert worker.stdout is not None and worker.stdout.readline() == b"ready\n"
            assert tick() == "an ingest is under way; what arrived meanwhile comes with the next"
            worker.kill()
        again = tick()
        assert isinstance(again, RunRequest) and again.tags == first.tags and again.run_key != first.run_key
        (dead,) = instance.get_runs(RunsFilter(job_name="ingest"))
        assert dead.status is Status.FAILURE
        said = instance.all_logs(dead.run_id, of_type=DagsterEventType.RUN_FAILURE)[-1].dagster_event
        assert f"The run is dead: process {worker.pid} is gone" in str(said.message)
