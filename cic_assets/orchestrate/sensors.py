"""The sensors: the crawler that reports arrivals and asks for their ingest, and those that ask for what is stale.

They look at what is there, not at what happened since a cursor, so a lost event costs one interval. A range that failed
three times waits for a person: its content would have to change first. A run that died did not fail
(`orchestrate/liveness.py`).
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetRecordsFilter,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    ResourceParam,
    RunConfig,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from cic_assets.calendar import is_in_calendar
from cic_assets.ingest.feeds import feed_states
from cic_assets.ingest.landing import adopt_foreign, purge_originals, tidy
from cic_assets.kinds.stream import today_of
from cic_assets.ledger import journal, mart_sets
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.failures import MAX_ATTEMPTS
from cic_assets.orchestrate.assets.accepted import FAILED_STREAMS_TAG, INGEST_OP, IngestConfig, ingest_keys
from cic_assets.orchestrate.assets.feed_checks import changed, feed_evaluations
from cic_assets.orchestrate.assets.keys import raw_key
from cic_assets.orchestrate.assets.marts import mart_keys
from cic_assets.orchestrate.assets.raw import CONTENTS, poll_event, raw_event
from cic_assets.orchestrate.assets.stream_files import file_events
from cic_assets.orchestrate.jobs import DAILY, DIMENSIONS, INGEST, MONTHLY
from cic_assets.orchestrate.liveness import MAX_LOST, fail_dead_runs, is_lost, said_of_run
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.orchestrate.pollers import POLLERS
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.work import (
    Work,
    days_work,
    due_marts,
    forget_mended,
    given_up_arrivals,
    ingest_work,
    months_work,
    pending_arrivals,
    stale_days,
    stale_months,
    touch_elapsed_days,
)

WORK_TAG = "cic/work"
# Of what a release without a journal landed: a sensor has a minute.
JOURNAL_ENTRIES = 10_000
_UNFINISHED = [
    DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING, DagsterRunStatus.MANAGED,
]  # fmt: skip


def busy(instance: DagsterInstance, *jobs: str) -> bool:
    """Whether a run of one of the jobs is queued or under way, after dead ones were reported as failed."""
    fail_dead_runs(instance)
    return any(instance.get_runs(RunsFilter(job_name=job, statuses=_UNFINISHED), limit=1) for job in jobs)


def requests(
    instance: DagsterInstance,
    calendar: Calendar,
    job: str,
    work: list[Work],
    assets: Callable[[Work], list[AssetKey]] | None = None,
    config: Callable[[Work], RunConfig] | None = None,
) -> Iterator[RunRequest]:
    """One run per range, of the whole job or of some of its assets, again after a failure.

    The attempt is in the run key, which deduplicates for ever. What a run has done once is not asked for again: where
    it stays due, it waits for something else, such as an expected feed.
    """
    for item in work:
        tags = {WORK_TAG: item.identity, **calendar.range_tags(item.first, item.last)}
        tries = _tries(instance, job, item)
        if tries.is_done or tries.failed >= MAX_ATTEMPTS or tries.lost >= MAX_LOST:
            continue
        yield RunRequest(
            run_key=f"{job}:{item.identity}:{tries.failed + tries.lost}",
            job_name=job,
            tags=tags,
            run_config=config(item) if config else {},
            asset_selection=assets(item) if assets else None,
        )


def ingest_requests(instance: DagsterInstance, platform: Platform, work: list[Work]) -> list[RunRequest]:
    """Runs of the streams that have something new, and of the marts of arrivals."""

    def assets(item: Work) -> list[AssetKey]:
        return [*ingest_keys(platform.streams[stream_id] for stream_id in item.streams), *mart_keys(mart_sets.ARRIVAL)]

    def config(item: Work) -> RunConfig:
        given = IngestConfig(streams=list(item.streams), pending_only=True, given_up_too=False)
        return RunConfig(ops={INGEST_OP: given})

    return list(requests(instance, platform.calendar, INGEST, work, assets, config))


def mart_requests(platform: Platform, instance: DagsterInstance, job: str, name: str) -> list[RunRequest]:
    """Runs of a job's marts alone, where a run ended between facts and marts or their SQL is another."""
    work = due_marts(platform.parts.warehouse, name)
    return list(requests(instance, platform.calendar, job, work, lambda _: mart_keys(name)))


@dataclass(frozen=True)
class Tries:
    """How often work failed, how often its run died, which is no fault of the work so far, and whether it was done."""

    failed: int
    lost: int
    is_done: bool


def _tries(instance: DagsterInstance, job: str, item: Work) -> Tries:
    def runs(status: DagsterRunStatus, limit: int) -> Sequence[DagsterRun]:
        wanted = RunsFilter(job_name=job, tags={WORK_TAG: item.identity}, statuses=[status])
        return instance.get_runs(wanted, limit=limit)

    # What ends for some streams' sake has done the rest; those streams' attempts are counted by themselves.
    ended = [
        run
        for run in runs(DagsterRunStatus.FAILURE, MAX_ATTEMPTS + MAX_LOST)
        if not said_of_run(run, FAILED_STREAMS_TAG)
    ]
    lost = sum(map(is_lost, ended))
    return Tries(len(ended) - lost, lost, bool(runs(DagsterRunStatus.SUCCESS, 1)))


def given_up(instance: DagsterInstance, job: str, work: list[Work]) -> str:
    """Names the ranges that nobody asks for any more, and why; empty where there are none."""
    named = []
    for item in work:
        tries = _tries(instance, job, item)
        if tries.failed >= MAX_ATTEMPTS:
            named.append(f"{item.first} to {item.last} failed {tries.failed} times")
        elif tries.lost >= MAX_LOST:
            named.append(f"{item.first} to {item.last} lost its process {tries.lost} times")
    return f"given up until its content changes: {'; '.join(named)}" if named else ""


def raw_events(
    instance: DagsterInstance, calendar: Calendar, arrivals: Iterable[Arrival]
) -> list[AssetMaterialization]:
    """Says that operators' feeds have come: of arrivals whose objects are others than when it was last said.

    An arrival that is pending for its stream file's sake has not come again. One beyond the calendar has no partition:
    Dagster takes any text for one, and shows it nowhere.
    """
    by_stream: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        if calendar.start <= arrival.arrival_date and is_in_calendar(arrival.arrival_date):
            by_stream.setdefault(arrival.stream_id, []).append(arrival)
    events = []
    for stream_id, mine in by_stream.items():
        said = _said_before(instance, raw_key(stream_id), [str(arrival.arrival_date) for arrival in mine])
        events += [event for event in map(raw_event, mine) if said.get(str(event.partition)) != _contents(event)]
    return events


def _contents(event: AssetMaterialization) -> object:
    value = event.metadata.get(CONTENTS)
    return value.value if value else None


def _said_before(instance: DagsterInstance, key: AssetKey, partitions: list[str]) -> dict[str, object]:
    """Partition → what was in it when its feed was last said to have come."""
    there = instance.get_materialized_partitions(key) & set(partitions)
    found: dict[str, object] = {}
    for partition in sorted(there):
        wanted = AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        for record in instance.fetch_materializations(wanted, limit=1).records:
            event = record.event_log_entry.asset_materialization
            found[partition] = _contents(event) if event else None
    return found


def build_sensors() -> list[SensorDefinition]:
    """All sensors, on unless somebody turned them off in the UI."""
    return [_arrivals(), _stale_days(), _stale_months(), _dimensions(), _feeds(), _polls()]


def _polls() -> SensorDefinition:
    @sensor(
        name="polls",
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
        description="Fetches the feeds that are due by `source.every`, some at a time, each by itself.",
    )
    def polls(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult | SkipReason:
        platform = platform.renewed()
        ended, under_way = POLLERS.tick(platform.parts, platform.streams.values(), dt.datetime.now(dt.UTC))
        for done in ended:
            if not done.is_good:
                context.log.warning(f"{done.stream_id}: {done.error}")
        events: list[AssetMaterialization | AssetObservation | AssetCheckEvaluation] = [
            poll_event(done) for done in ended if done.is_good
        ]
        said = [f"{done.stream_id}: {done.outcome}" for done in ended]
        said += [f"under way: {', '.join(under_way)}"] if under_way else []
        return (
            SensorResult(skip_reason="; ".join(said), asset_events=events)
            if ended
            else SkipReason("; ".join(said) or "no feed is due")
        )

    return polls


def _feeds() -> SensorDefinition:
    @sensor(
        name="feeds",
        minimum_interval_seconds=300,
        default_status=DefaultSensorStatus.RUNNING,
        description="Reports which feeds are late, unknown or dead, without a run: what does not come causes none.",
    )
    def feeds(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SkipReason:
        streams = platform.renewed().streams
        with platform.parts.warehouse.transaction() as connection:
            states = feed_states(connection, streams.values(), dt.datetime.now(dt.UTC))
        news, cursor = changed(states, context.cursor)
        for evaluation in feed_evaluations(streams, news):
            context.instance.report_runless_asset_event(evaluation)
        context.update_cursor(cursor)
        wrong = [state.stream_id for state in states if not state.passed]
        return SkipReason(f"{len(news)} checks changed; not well: {', '.join(dict.fromkeys(wrong)) or 'none'}")

    return feeds


def _arrivals() -> SensorDefinition:
    @sensor(
        name="arrivals",
        job_name=INGEST,
        minimum_interval_seconds=15,
        default_status=DefaultSensorStatus.RUNNING,
        description="Finds new and changed raw partitions, reports them, and asks for their ingest.",
    )
    def arrivals(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult | SkipReason:
        if busy(context.instance, INGEST):
            return SkipReason("an ingest is under way; what arrived meanwhile comes with the next")
        loaded = {*platform.streams, *(each.stream_id for each in platform.broken)}
        platform = platform.renewed()
        parts, streams = platform.parts, platform.streams
        now = dt.datetime.now(dt.UTC)
        for line in tidy(parts):
            context.log.warning(line)
        # Before anything is adopted: what the journal knows has its own arrival and name.
        for fault in journal.agree(parts.warehouse, parts.lake, JOURNAL_ENTRIES).unreadable:
            context.log.warning(f"{fault}: restore the file, or move it away")
        adopt_foreign(parts, streams, now, context.log.warning)
        for stream in streams.values():
            purge_originals(parts, stream, now)
        pending = pending_arrivals(parts, streams)
        forget_mended(parts.warehouse, streams, pending)
        # Marts first: those of a run that ended for one stream's sake are due, and the stream is tried again after.
        found = mart_requests(platform, context.instance, INGEST, mart_sets.ARRIVAL)
        found = found or ingest_requests(context.instance, platform, ingest_work(parts, streams, pending))
        events: list[AssetMaterialization | AssetObservation | AssetCheckEvaluation] = [
            *raw_events(context.instance, platform.calendar, pending),
            *file_events(context.instance, loaded, platform.broken),
        ]
        if not found and not events:
            work = [*ingest_work(parts, streams, pending), *due_marts(parts.warehouse, mart_sets.ARRIVAL)]
            said = [*given_up_arrivals(parts, streams, pending), given_up(context.instance, INGEST, work)]
            return SkipReason("; ".join(filter(None, said)) or "nothing new")
        return SensorResult(run_requests=found, asset_events=events)

    return arrivals


def _stale_days() -> SensorDefinition:
    @sensor(
        name="stale_days",
        job_name=DAILY,
        minimum_interval_seconds=15,
        default_status=DefaultSensorStatus.RUNNING,
        description="Asks for the status facts and marts of closed days that ingest has touched, up to the horizon.",
    )
    def stale(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult | SkipReason:
        if busy(context.instance, INGEST, DAILY):
            return SkipReason("an ingest or a daily run is under way")
        platform = platform.renewed()
        moment = dt.datetime.now(dt.UTC)
        touch_elapsed_days(platform.parts.warehouse, platform.streams.values(), moment)
        now, waiting = stale_days(platform.parts, today_of(platform.streams.values(), moment))
        found = list(requests(context.instance, platform.calendar, DAILY, days_work(now)))
        found = found or mart_requests(platform, context.instance, DAILY, mart_sets.DAILY)
        if not found:
            work = [*days_work(now), *due_marts(platform.parts.warehouse, mart_sets.DAILY)]
            what = given_up(context.instance, DAILY, work) or "nothing stale"
            return SkipReason(f"{what}; {len(waiting)} days beyond the horizon wait for `cic run daily`")
        return SensorResult(run_requests=found)

    return stale


def _stale_months() -> SensorDefinition:
    @sensor(
        name="stale_months",
        job_name=MONTHLY,
        minimum_interval_seconds=15,
        default_status=DefaultSensorStatus.RUNNING,
        description="Asks for the facts and marts of months that ingest has touched, up to the restatement horizon.",
    )
    def stale(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult | SkipReason:
        if busy(context.instance, INGEST, DAILY, MONTHLY):
            return SkipReason("an ingest, a daily or a monthly run is under way")
        platform = platform.renewed()
        today = today_of(platform.streams.values(), dt.datetime.now(dt.UTC))
        # Days that failed for good don't hold up the months of others.
        if list(requests(context.instance, platform.calendar, DAILY, days_work(stale_days(platform.parts, today)[0]))):
            return SkipReason("days come first")
        now, waiting = stale_months(platform.parts, today)
        found = list(requests(context.instance, platform.calendar, MONTHLY, months_work(now)))
        found = found or mart_requests(platform, context.instance, MONTHLY, mart_sets.MONTHLY)
        if not found:
            work = [*months_work(now), *due_marts(platform.parts.warehouse, mart_sets.MONTHLY)]
            what = given_up(context.instance, MONTHLY, work) or "nothing stale"
            return SkipReason(f"{what}; {len(waiting)} months beyond the horizon wait for `cic run monthly`")
        return SensorResult(run_requests=found)

    return stale


def _dimensions() -> SensorDefinition:
    @sensor(
        name="dimensions",
        job_name=DIMENSIONS,
        minimum_interval_seconds=60,
        default_status=DefaultSensorStatus.RUNNING,
        description="Asks for the dimensions' views where they are not there or their SQL is another.",
    )
    def dimensions(context: SensorEvaluationContext, platform: ResourceParam[Platform]) -> SensorResult | SkipReason:
        if busy(context.instance, DIMENSIONS):
            return SkipReason("the dimensions are being built")
        work = due_marts(platform.parts.warehouse, mart_sets.DIMENSION)
        found = [
            RunRequest(run_key=request.run_key, tags={WORK_TAG: request.tags[WORK_TAG]})
            for request in requests(context.instance, platform.calendar, DIMENSIONS, work)
        ]
        return SensorResult(run_requests=found) if found else SkipReason("they are there")

    return dimensions
