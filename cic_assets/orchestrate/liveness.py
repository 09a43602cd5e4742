"""Runs whose process is gone: what a run keeps of its process, and how a dead one becomes a failed one.

A process that was killed says nothing any more, and Dagster shows its run as started for ever. What a process is, and
when it is gone: `processes.py`. A run of another machine is never judged here; there Dagster's run monitoring is.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagster import (
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultRunLauncher,
    Executor,
    ExecutorDefinition,
    InitExecutorContext,
    RunsFilter,
    in_process_executor,
)
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.launcher import LaunchRunContext
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from cic_assets.orchestrate.doors import warehouse_of
from cic_assets.processes import Process, process_of, this_process
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import WarehouseError
from cic_assets.warehouse.embedded import WarehouseDownError

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode

# The process that computes a run, and, until it has said so, the one that launched it.
PROCESS_TAG = "cic/process"
LAUNCHER_TAG = "cic/launched_by"
# On a failed run: what took it away, where that was not its own doing.
LOST_TAG = "cic/lost"
# Work whose runs died so often has something to do with it.
MAX_LOST = 20
# Making a run and putting it into the queue are two calls of one function, and so are taking it out and writing down
# who launches it: what is between the two for longer was left there by a process that died.
_BETWEEN_CALLS = dt.timedelta(minutes=1)
_BETWEEN = {
    DagsterRunStatus.NOT_STARTED: "it never came into the queue",
    DagsterRunStatus.STARTING: "it was taken out of the queue and never launched",
}
_UNDER_WAY = [
    DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING,
]  # fmt: skip
# Dagster's own words where the run's process ended, or never began. Without any word its process was found dead.
_LOST_REASONS = {
    None,
    RunFailureReason.UNEXPECTED_TERMINATION.value,
    RunFailureReason.START_TIMEOUT.value,
    RunFailureReason.RUN_WORKER_RESTART.value,
}


def process_tags(run_id: str) -> dict[str, str]:
    """Tags of a run that this process computes."""
    return {PROCESS_TAG: of_run(run_id, str(this_process()))}


def of_run(run_id: str, text: str) -> str:
    """A tag's value that counts for this run alone: one that is executed again takes over the tags of the first."""
    return f"{run_id} {text}"


def said_of_run(run: DagsterRun, tag: str) -> str:
    """A tag's value, if this run said it and not one that it executes again; else empty."""
    run_id, _, text = run.tags.get(tag, "").partition(" ")
    return text if run_id == run.run_id else ""


def why_dead(record: RunRecord) -> str:
    """Why nobody works on a run that has started; empty while somebody does, or may."""
    run = record.dagster_run
    process = Process.parse(said_of_run(run, PROCESS_TAG)) or Process.parse(said_of_run(run, LAUNCHER_TAG))
    if process is not None:
        return process.why_gone()
    age = dt.datetime.now(dt.UTC) - record.update_timestamp.astimezone(dt.UTC)
    return _BETWEEN.get(run.status, "") if age > _BETWEEN_CALLS else ""


def fail_dead_runs(instance: DagsterInstance) -> dict[str, str]:
    """Reports dead runs as failed, and those that were to be cancelled as cancelled, so that nothing waits for them.

    What they had claimed needs no word: the newest claim of a window or an arrival wins.

    Returns:
        Run id → what is said of it.
    """
    found = {}
    for record in instance.get_run_records(RunsFilter(statuses=_UNDER_WAY)):
        if not why_dead(record):
            continue
        # Read again, now that its process is known to be gone: it may have finished just before it ended.
        again = instance.get_run_record_by_id(record.dagster_run.run_id)
        if again is None or again.dagster_run.status not in _UNDER_WAY or not (reason := why_dead(again)):
            continue
        found[again.dagster_run.run_id] = _report(instance, again.dagster_run, reason)
    return found


def _report(instance: DagsterInstance, run: DagsterRun, reason: str) -> str:
    message = f"The run is dead: {reason}. What it had not swapped is as it was before."
    if run.status is DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        data = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        instance.report_run_failed(run, message, data)
    return f"run {run.run_id} of job {run.job_name} is dead: {reason}"


def is_lost(run: DagsterRun) -> bool:
    """Whether a failed run failed by no doing of its own: its process died, or the warehouse went away under it."""
    return bool(said_of_run(run, LOST_TAG)) or run.tags.get(RUN_FAILURE_REASON_TAG) in _LOST_REASONS


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which first writes down who launches: a worker may die before it says a word."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launches it.

        The worker is the code server's, not the daemon's, and loads for 10 s: so the leader of their group stands for
        both, and a daemon that dies meanwhile takes no run with it.
        """
        run_id = context.dagster_run.run_id
        launcher = process_of(os.getpgrp()) or this_process()
        self._instance.add_run_tags(run_id, {LAUNCHER_TAG: of_run(run_id, str(launcher))})
        super().launch_run(context)


def build_executor(settings: Settings) -> ExecutorDefinition:
    """All steps in the run's one process, which writes down who it is, and whether the warehouse was there all along.

    A process per step would load Spark, dbt and Great Expectations again for each.
    """
    inner: Any = in_process_executor

    def create(context: InitExecutorContext) -> Executor:
        return _WithIdentity(inner.executor_creation_fn(context), settings)

    return ExecutorDefinition(inner.name, inner.config_schema, executor_creation_fn=create)


class _WithIdentity(Executor):
    """An executor around another one."""

    def __init__(self, inner: Any, settings: Settings) -> None:
        self._inner, self._settings = inner, settings

    @property
    def retries(self) -> RetryMode:
        """The inner one's."""
        mode: RetryMode = self._inner.retries
        return mode

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        """The inner one's events."""
        instance, run_id = plan_context.instance, plan_context.run_id
        instance.add_run_tags(run_id, process_tags(run_id))
        server = _server_start(self._settings)

        def mark_if_restarted() -> None:
            # Where it does not answer at all, neither can this be written, and the run ends without a word.
            if _server_start(self._settings) != server:
                instance.add_run_tags(run_id, {LOST_TAG: of_run(run_id, "the warehouse was restarted")})

        try:
            for event in self._inner.execute(plan_context, execution_plan):
                if event.is_step_failure:
                    mark_if_restarted()
                yield event
        except Exception:
            mark_if_restarted()
            raise


def _server_start(settings: Settings) -> dt.datetime | None:
    """Since when the warehouse's server runs; None where it does not answer."""
    try:
        with warehouse_of(settings).transaction() as connection:
            row = connection.execute("select pg_postmaster_start_time()").fetchone()
    except (WarehouseError, WarehouseDownError):
        return None
    return row[0] if row else None
