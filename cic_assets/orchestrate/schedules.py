"""The schedules. What arrives is ingested by sensor; days and months are closed by the calendar, arrivals or not."""

import datetime as dt

from dagster import (
    DefaultScheduleStatus,
    ResourceParam,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from cic_assets.calendar import month_of
from cic_assets.kinds.stream import today_of
from cic_assets.orchestrate.jobs import DAILY, INGEST, MONTHLY
from cic_assets.orchestrate.partitions import contiguous
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.sensors import busy
from cic_assets.orchestrate.work import stale_days, stale_months, touch_elapsed_days


def months_due(today: dt.date, stale: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Ranges of months: the one that closed last, and all that were touched since they were computed."""
    closed = month_of(month_of(today) - dt.timedelta(days=1))
    return contiguous([closed, *stale], monthly=True)


def days_due(today: dt.date, stale: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Ranges of days: yesterday, and all that were touched since they were computed."""
    return contiguous([today - dt.timedelta(days=1), *stale], monthly=False)


def build_schedules(zone: str = "Europe/London") -> list[ScheduleDefinition]:
    """Daily at 02:00; monthly on the 3rd at 03:00 local, when late records of the month have mostly come."""

    @schedule(
        name="daily",
        cron_schedule="0 2 * * *",
        job_name=DAILY,
        execution_timezone=zone,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Status facts and marts of yesterday, and of days touched since they were computed.",
    )
    def daily(context: ScheduleEvaluationContext, platform: ResourceParam[Platform]) -> list[RunRequest] | SkipReason:
        if busy(context.instance, DAILY):
            return SkipReason("a daily run is under way; the stale_days sensor asks again")
        today = today_of(platform.streams.values(), context.scheduled_execution_time)
        touch_elapsed_days(platform.parts.warehouse, platform.streams.values(), context.scheduled_execution_time)
        stale, _ = stale_days(platform.parts, today)
        return [
            RunRequest(
                run_key=f"{context.scheduled_execution_time.isoformat()}:{first}",
                tags=platform.calendar.range_tags(first, last),
            )
            for first, last in days_due(today, [day for day, _ in stale])
        ]

    @schedule(
        name="monthly",
        cron_schedule="0 3 3 * *",
        job_name=MONTHLY,
        execution_timezone=zone,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Facts and marts of the month that closed, and of months touched since they were computed.",
    )
    def monthly(context: ScheduleEvaluationContext, platform: ResourceParam[Platform]) -> list[RunRequest] | SkipReason:
        if busy(context.instance, INGEST, DAILY, MONTHLY):
            return SkipReason("a run is under way; the stale_months sensor asks again")
        day = context.scheduled_execution_time.date()
        stale, _ = stale_months(platform.parts, day)
        return [
            RunRequest(
                run_key=f"{context.scheduled_execution_time.isoformat()}:{first}",
                tags=platform.calendar.range_tags(first, last),
            )
            for first, last in months_due(day, [month for month, _ in stale])
        ]

    return [daily, monthly]
