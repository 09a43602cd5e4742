"""The sensors: the crawler that reports arrivals and asks for their ingest, and those that ask for what is stale.

They look at what is there, not at what happened since a cursor, so a lost event costs one interval. A range that failed
three times waits for a person: its content would have to change first. A run that died did not fail (`liveness.py`).
"""

import datetime as dt
from collections.abc import Iterator

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
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

from cic_assets.assets.accepted import INGEST_OP, IngestConfig
from cic_assets.assets.marts import mart_keys
from cic_assets.assets.raw import raw_key
from cic_assets.jobs import DAILY, DIMENSIONS, INGEST, MONTHLY, range_tags
from cic_assets.lake import journal
from cic_assets.lake.catalogue import Arrival
from cic_assets.lake.landing import adopt_foreign, purge_originals, tidy
from cic_assets.liveness import MAX_LOST, fail_dead_runs, is_lost
from cic_assets.partitions import DAYS
from cic_assets.resources.platform import Platform
from cic_assets.settings import Settings
from cic_assets.warehouse import mart_sets
from cic_assets.work import (
    Work,
    days_work,
    due_marts,
    ingest_work,
    months_work,
    pending_arrivals,
    stale_days,
    stale_months,
    today_of,
    touch_elapsed_days,
)

WORK_TAG = "cic/work"
MAX_ATTEMPTS = 3
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
    instance: DagsterInstance, job: str, work: list[Work], assets: list[AssetKey] | None = None
) -> Iterator[RunRequest]:
    """One run per range, of the whole job or of some of its assets, again after a failure.

    The attempt is in the run key, which deduplicates for ever.
    """
    for item in work:
        tags = {WORK_TAG: item.identity, **range_tags(item.first, item.last)}
        failed, lost = _tries(instance, job, item)
        if failed >= MAX_ATTEMPTS or lost >= MAX_LOST:
            continue
        config = None
        if job == INGEST and assets is None:
            config = RunConfig(ops={INGEST_OP: IngestConfig(streams=list(item.streams), pending_only=True)})
        run_key = f"{job}:{item.identity}:{failed + lost}"
        yield RunRequest(run_key=run_key, job_name=job, tags=tags, run_config=config or {}, asset_selection=assets)


def mart_requests(settings: Settings, instance: DagsterInstance, job: str, name: str) -> list[RunRequest]:
    """Runs of a job's marts alone, where a run ended between facts and marts or their SQL is another."""
    return list(requests(instance, job, due_marts(settings, name), mart_keys(name)))


def _tries(instance: DagsterInstance, job: str, item: Work) -> tuple[int, int]:
    """(failed, lost): how often the work failed, and how often its run died, which is no fault of the work so far."""
    wanted = RunsFilter(job_name=job, tags={WORK_TAG: item.identity}, statuses=[DagsterRunStatus.FAILURE])
    runs = instance.get_runs(wanted, limit=MAX_ATTEMPTS + MAX_LOST)
    lost = sum(map(is_lost, runs))
    return len(runs) - lost, lost


def given_up(instance: DagsterInstance, job: str, work: list[Work]) -> str:
    """Names the ranges that nobody asks for any more, and why; empty where there are none."""
    named = []
    for item in work:
        failed, lost = _tries(instance, job, item)
        if failed >= MAX_ATTEMPTS:
            named.append(f"{item.first} to {item.last} failed {failed} times")
        elif lost >= MAX_LOST:
            named.append(f"{item.first} to {item.last} lost its process {lost} times")
    return f"given up until its content changes: {'; '.join(named)}" if named else ""


def raw_event(arrival: Arrival) -> AssetMaterialization:
    """Says that an operator's feed has come; the key is checked, as Dagster takes any text and shows it nowhere."""
    key = arrival.arrival_date.isoformat()
    if not DAYS.has_partition_key(key):
        raise ValueError(f"{arrival.stream_id}: arrival {key} is outside the calendar")
    return AssetMaterialization(
        raw_key(arrival.stream_id),
        partition=key,
        metadata={
            "objects": len(arrival.objects),
            "files": ", ".join(sorted(o.original_name for o in arrival.objects)),
        },
    )


def build_sensors() -> list[SensorDefinition]:
    """All sensors, on unless somebody turned them off in the UI."""
    return [_arrivals(), _stale_days(), _stale_months(), _dimensions()]


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
        settings, streams = platform.settings, platform.streams
        now = dt.datetime.now(dt.UTC)
        for line in tidy(settings):
            context.log.warning(line)
        # Before anything is adopted: what the journal knows has its own arrival and name.
        for fault in journal.agree(settings, JOURNAL_ENTRIES).unreadable:
            context.log.warning(f"{fault}: restore the file, or move it away")
        adopt_foreign(settings, streams, now)
        for stream in streams.values():
            purge_originals(settings, stream, now)
        pending = pending_arrivals(settings, streams)
        work = ingest_work(settings, streams, pending)
        found = list(requests(context.instance, INGEST, work))
        found = found or mart_requests(settings, context.instance, INGEST, mart_sets.ARRIVAL)
        if not found:
            work += due_marts(settings, mart_sets.ARRIVAL)
            return SkipReason(given_up(context.instance, INGEST, work) or "nothing new")
        return SensorResult(run_requests=found, asset_events=[raw_event(arrival) for arrival in pending])

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
        moment = dt.datetime.now(dt.UTC)
        touch_elapsed_days(platform.settings, platform.streams.values(), moment)
        now, waiting = stale_days(platform.settings, today_of(platform.streams.values(), moment))
        found = list(requests(context.instance, DAILY, days_work(now)))
        found = found or mart_requests(platform.settings, context.instance, DAILY, mart_sets.DAILY)
        if not found:
            work = [*days_work(now), *due_marts(platform.settings, mart_sets.DAILY)]
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
        today = today_of(platform.streams.values(), dt.datetime.now(dt.UTC))
        # Days that failed for good don't hold up the months of others.
        if list(requests(context.instance, DAILY, days_work(stale_days(platform.settings, today)[0]))):
            return SkipReason("days come first")
        now, waiting = stale_months(platform.settings, today)
        found = list(requests(context.instance, MONTHLY, months_work(now)))
        found = found or mart_requests(platform.settings, context.instance, MONTHLY, mart_sets.MONTHLY)
        if not found:
            work = [*months_work(now), *due_marts(platform.settings, mart_sets.MONTHLY)]
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
        work = due_marts(platform.settings, mart_sets.DIMENSION)
        found = [
            RunRequest(run_key=request.run_key, tags={WORK_TAG: request.tags[WORK_TAG]})
            for request in requests(context.instance, DIMENSIONS, work)
        ]
        return SensorResult(run_requests=found) if found else SkipReason("they are there")

    return dimensions
