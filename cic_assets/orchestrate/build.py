"""The only assembly of assets, jobs, schedules, sensors and resources; takes what was read and does no I/O."""

from __future__ import annotations

from dagster import Definitions

from cic_assets.facts.every import FACTS
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.assets.accepted import accepted_assets
from cic_assets.orchestrate.assets.facts import fact_assets
from cic_assets.orchestrate.assets.marts import catalogue_assets, mart_assets
from cic_assets.orchestrate.assets.raw import raw_assets
from cic_assets.orchestrate.assets.stream_files import stream_file_checks
from cic_assets.orchestrate.jobs import build_jobs
from cic_assets.orchestrate.liveness import build_executor
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.orchestrate.resources.dbt import local_dbt
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.orchestrate.schedules import build_schedules
from cic_assets.orchestrate.sensors import build_sensors
from cic_assets.settings import Settings
from cic_assets.streams.load import BrokenFile


def build_definitions(
    settings: Settings, streams: dict[str, Stream], broken: tuple[BrokenFile, ...] = ()
) -> Definitions:
    """All definitions for one process.

    Args:
        settings: where lake, warehouse and engine are.
        streams: all streams by id.
        broken: stream files that can't be loaded.
    """
    calendar = Calendar(settings.calendar_start)
    accepted = accepted_assets(list(streams.values()), calendar)
    days, months = (
        [fact_assets(fact, calendar) for fact in FACTS if fact.is_monthly == monthly] for monthly in (False, True)
    )
    monthly_marts, daily_marts, arrival_marts, dimensions = mart_assets(calendar)
    return Definitions(
        assets=[
            *raw_assets(streams.values(), calendar, broken),
            *catalogue_assets(),
            accepted,
            *days,
            *months,
            monthly_marts,
            daily_marts,
            arrival_marts,
            dimensions,
        ],
        asset_checks=[stream_file_checks([*streams, *(each.stream_id for each in broken)])],
        jobs=build_jobs(
            [accepted, arrival_marts], [*days, daily_marts], [*months, monthly_marts], [dimensions], calendar
        ),
        schedules=build_schedules(),
        sensors=build_sensors(),
        resources={
            "platform": Platform(settings, streams, broken, calendar),
            "spark": SparkResource(engine=settings.spark, memory_bytes=settings.engine_bytes),
            "dbt": local_dbt(),
        },
        executor=build_executor(settings),
    )
