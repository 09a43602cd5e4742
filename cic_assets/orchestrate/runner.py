"""Runs Dagster's jobs from the command line, in this process, recorded in Dagster's storage like any other run."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cic_assets.errors import PlatformError
from cic_assets.ingest.engine_errors import engine_said
from cic_assets.kinds.stream import Stream, today_of
from cic_assets.settings import PROJECT, Settings, keep_calendar
from cic_assets.streams.load import BrokenFile


class RunFailedError(PlatformError):
    """A run failed; the message has its id and the first error."""


@dataclass(frozen=True)
class RunReport:
    """One finished run.

    Attributes:
        troubles: what it could not do for single streams, a line each: whose, where, what to do. The rest is done.
    """

    job: str
    run_id: str
    first: dt.date | None
    last: dt.date | None
    troubles: tuple[str, ...] = ()


def dagster_home(settings: Settings) -> Path:
    """The instance folder, with the project's dagster.yaml in it."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    source, target = PROJECT / "dagster.yaml", folder / "dagster.yaml"
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)
    return folder


@contextlib.contextmanager
def instance_of(settings: Settings) -> Iterator[Any]:
    """Dagster's instance in the platform's Postgres."""
    from dagster import DagsterInstance

    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    with DagsterInstance.get() as instance:
        yield instance


def fail_dead_runs(settings: Settings) -> list[str]:
    """Reports runs whose process is gone as failed; what is said of each. Without a warehouse, there are none."""
    from cic_assets.orchestrate import liveness

    with instance_of(settings) as instance:
        return list(liveness.fail_dead_runs(instance).values())


class Runner:
    """Runs jobs one after the other in this process, which loads Spark, dbt and the definitions once."""

    def __init__(
        self, settings: Settings, streams: dict[str, Stream], instance: Any, broken: tuple[BrokenFile, ...] = ()
    ) -> None:
        from cic_assets.orchestrate.doors import parts_of

        self._settings, self._streams, self._instance, self._broken = settings, streams, instance, broken
        self._parts = parts_of(settings, streams.values())
        self._calendar: Any = None
        self._load()
        # Files of the journal that are no entries, as `ingest` found them.
        self.unreadable: tuple[str, ...] = ()
        # What stands in `raw` and is never read.
        self.oddities: tuple[str, ...] = ()
        # Open until the process ends: libraries keep a hold on the stream that they first wrote to.
        self._log = (settings.home / "runs.log").open("a")

    def _load(self) -> None:
        """Loads the definitions, once more where older data has come since than their calendar begins with."""
        from cic_assets.facts.every import FACT_NAMES
        from cic_assets.ledger.periods import oldest_day
        from cic_assets.orchestrate.build import build_definitions
        from cic_assets.orchestrate.partitions import Calendar

        with self._parts.warehouse.transaction() as connection:
            keep_calendar(self._settings, oldest_day(connection, FACT_NAMES))
        calendar = Calendar(self._settings.calendar_start)
        if self._calendar != calendar:
            self._calendar = calendar
            self._definitions = build_definitions(self._settings, self._streams, self._broken)

    def run(
        self,
        job: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        ops: dict[str, Any] | None = None,
        assets: Sequence[Any] | None = None,
    ) -> RunReport:
        """One run of a job, or of some of its assets, over a range of partitions, both ends included.

        Raises:
            RunFailedError: it failed, and not for single streams' sake; what replaced nothing is still there.
        """
        from dagster._core.storage.tags import REPOSITORY_LABEL_TAG

        from cic_assets.orchestrate.jobs import REPOSITORY
        from cic_assets.orchestrate.liveness import process_tags

        run_id = str(uuid.uuid4())
        tags = process_tags(run_id) | (self._calendar.range_tags(first, last) if first and last else {})
        # By it the UI's timeline and a job's page find a run.
        tags[REPOSITORY_LABEL_TAG] = REPOSITORY
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        if ops:
            config["ops"] = ops
        # dbt writes its progress to standard output, which belongs to the caller's report.
        with contextlib.redirect_stdout(self._log), contextlib.redirect_stderr(self._log):
            result = self._definitions.resolve_job_def(job).execute_in_process(
                instance=self._instance,
                run_id=run_id,
                tags=tags,
                run_config=config,
                raise_on_error=False,
                asset_selection=assets,
            )
        troubles = _troubles(result)
        if not result.success and not troubles:
            raise RunFailedError(
                f"run {result.run_id} of job {job} failed: {root_cause(result)} (log: {self._log.name})"
            )
        return RunReport(job, result.run_id, first, last, troubles)

    def ingest(self) -> list[RunReport]:
        """Ingests all pending arrivals, after looking for and reporting them as the sensor does; then due marts.

        What a landing that was killed, or another warehouse, wrote into the lake's journal alone is pending too.
        """
        from cic_assets.ingest.landing import adopt_foreign, tidy
        from cic_assets.ledger import journal
        from cic_assets.ledger.mart_sets import ARRIVAL
        from cic_assets.orchestrate.assets.accepted import INGEST_OP, ingest_keys
        from cic_assets.orchestrate.assets.marts import mart_keys
        from cic_assets.orchestrate.assets.stream_files import file_events
        from cic_assets.orchestrate.jobs import INGEST
        from cic_assets.orchestrate.sensors import raw_events
        from cic_assets.orchestrate.work import forget_mended, ingest_work, pending_arrivals

        parts = self._parts

        odd = tidy(parts)
        self.unreadable = journal.agree(parts.warehouse, parts.lake).unreadable
        adopt_foreign(parts, self._streams, dt.datetime.now(dt.UTC), odd.append)
        self.oddities = tuple(odd)
        self._load()
        pending = pending_arrivals(parts, self._streams)
        forget_mended(parts.warehouse, self._streams, pending)
        loaded = {*self._streams, *(each.stream_id for each in self._broken)}
        events = [
            *raw_events(self._instance, self._calendar, pending),
            *file_events(self._instance, loaded, self._broken),
        ]
        for event in events:
            self._instance.report_runless_asset_event(event)
        reports = [
            self.run(
                INGEST, work.first, work.last,
                {INGEST_OP: {"config": {"streams": list(work.streams), "pending_only": True}}},
                [*ingest_keys(self._streams[each] for each in work.streams), *mart_keys(ARRIVAL)],
            )
            for work in ingest_work(parts, self._streams, pending, asked_for=True)
        ]  # fmt: skip
        # What came may be older than all before.
        self._load()
        return reports + self._due_marts(INGEST, ARRIVAL)

    def window(self, jobs: Sequence[str], first: dt.date, last: dt.date) -> list[RunReport]:
        """Runs jobs over a range of partitions, and marts that a run has left due for a stream's sake."""
        from cic_assets.ledger.mart_sets import ARRIVAL
        from cic_assets.orchestrate.jobs import INGEST

        reports = []
        for job in jobs:
            reports.append(self.run(job, first, last))
            if job == INGEST and reports[-1].troubles:
                reports += self._due_marts(INGEST, ARRIVAL)
        return reports

    def days(self) -> list[RunReport]:
        """Computes all stale days of status, today's and those beyond the horizon too: somebody is asking for them.

        Then due marts, which a run left that ended between facts and marts.
        """
        from cic_assets.ledger import mart_sets
        from cic_assets.orchestrate.jobs import DAILY
        from cic_assets.orchestrate.work import days_work, stale_days, touch_elapsed_days

        now = dt.datetime.now(dt.UTC)
        touch_elapsed_days(self._parts.warehouse, self._streams.values(), now)
        today = today_of(self._streams.values(), now)
        stale, _ = stale_days(self._parts, today, asked_for=True)
        reports = [self.run(DAILY, work.first, work.last) for work in days_work(stale)]
        return reports + self._due_marts(DAILY, mart_sets.DAILY)

    def months(self) -> list[RunReport]:
        """Computes all stale months, also those beyond the horizon: somebody is asking for them. Then due marts."""
        from cic_assets.ledger import mart_sets
        from cic_assets.orchestrate.jobs import MONTHLY
        from cic_assets.orchestrate.work import months_work, stale_months

        stale, _ = stale_months(self._parts, dt.datetime.now(dt.UTC).date(), asked_for=True)
        reports = [self.run(MONTHLY, work.first, work.last) for work in months_work(stale)]
        return reports + self._due_marts(MONTHLY, mart_sets.MONTHLY)

    def dimensions(self) -> list[RunReport]:
        """Builds the dimensions' views if they are not there, or their SQL is another."""
        from cic_assets.ledger.mart_sets import DIMENSION
        from cic_assets.orchestrate.jobs import DIMENSIONS
        from cic_assets.orchestrate.work import due_marts

        return [self.run(DIMENSIONS)] if due_marts(self._parts.warehouse, DIMENSION) else []

    def _due_marts(self, job: str, name: str) -> list[RunReport]:
        """Runs the marts of a job alone: the facts that they read are there."""
        from cic_assets.orchestrate.assets.marts import mart_keys
        from cic_assets.orchestrate.work import due_marts

        keys = mart_keys(name)
        return [self.run(job, work.first, work.last, assets=keys) for work in due_marts(self._parts.warehouse, name)]


def _troubles(result: Any) -> tuple[str, ...]:
    """What a run could not do for single streams; nothing if it failed for another reason."""
    from cic_assets.facts.expected import EXPECTED
    from cic_assets.orchestrate.assets.accepted import FAILED_STREAMS

    lines = [
        str(check.description)
        for check in result.get_asset_check_evaluations()
        if check.check_name == EXPECTED and not check.passed
    ]
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data.user_failure_data
            if data is None or FAILED_STREAMS not in data.metadata:
                return ()
            lines += data.metadata[FAILED_STREAMS].value
    return tuple(lines)


# What a step's own error says; Dagster's around it has no news, and of dbt's the errors stand at the end.
_PLATFORM = "cic_assets."
_OF_DBT = "Errors parsed from dbt logs:"
_MODULE = re.compile(r"^(?:[a-z_]\w*\.)+(?=[A-Z])")
_MAX_CHARS = 1_000


def root_cause(result: Any) -> str:
    """Why a run failed, in one line: the first failed step's own error, or what was at the bottom of it."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            # The platform's own errors say what to do; what led to them does not.
            while error.cause is not None and not error.message.startswith(_PLATFORM):
                error = error.cause
            return f"{event.step_key}: {_said(str(error.message))}"
    for event in result.all_events:
        if event.is_failure:
            return _said(event.message or "")
    return "see the UI"


def _said(message: str) -> str:
    """The news of an error's message, without its module and in one line."""
    _, of_dbt, errors = message.partition(_OF_DBT)
    said = engine_said(errors if of_dbt else message, limit=_MAX_CHARS)
    return _MODULE.sub("", said).removeprefix("Failure: ")
