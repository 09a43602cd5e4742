"""What a delivery of sessions is like as a whole: energy and power, evidence of swapped dates, ids that repeat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from pyspark.sql import functions as F

from cic_assets.kinds.profile import total
from cic_assets.kinds.sessions.stream import SessionsStream
from cic_assets.kinds.swap import LAST_AMBIGUOUS_DAY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_LONGEST = dt.timedelta(days=2)


def figures(stream: SessionsStream) -> list[Column]:
    """Sums and medians of a delivery's judged rows."""
    return [*_energy(), *(_midnight() if _has_wall(stream) else [])]


def counted(stream: SessionsStream) -> dict[str, Column]:
    """What is counted by value: starts by local hour and, of clocks on the wall, by date as given."""
    hour = F.hour(F.from_utc_timestamp("started_at", stream.zone)).cast("string")
    date = F.col("started_wall_given").cast("date").cast("string")
    return {"hour": hour, **({"date": date} if _has_wall(stream) else {})}


def _has_wall(stream: SessionsStream) -> bool:
    return "started_local" in stream.columns


def _energy() -> list[Column]:
    kwh, hours = F.col("energy_kwh").cast("double"), F.col("duration_micros").cast("double") / F.lit(3.6e9)
    counts = ~F.col("is_open") & (F.col("energy_kwh") > 0) & (F.col("duration_micros") > 0)
    counts = F.coalesce(counts, F.lit(False))
    rated = counts & (F.col("rated_power_kw") > 0)
    return [
        total(counts, "energy_rows"),
        F.median(F.when(counts, kwh)).alias("median_kwh"),
        F.median(F.when(counts, kwh / hours)).alias("median_kw"),
        F.median(F.when(rated, F.col("rated_power_kw").cast("double"))).alias("median_rated_kw"),
    ]


def _midnight() -> list[Column]:
    """Sessions that end on another date, one of the two doubtful; and of these, sessions either way."""
    start, end = F.col("started_wall_given"), F.col("ended_wall_given")
    doubtful = [
        (F.dayofmonth(wall) <= LAST_AMBIGUOUS_DAY) & (F.dayofmonth(wall) != F.month(wall)) for wall in (start, end)
    ]
    crosses = (start.cast("date") != end.cast("date")) & (doubtful[0] | doubtful[1])

    def is_session(first: Column, last: Column) -> Column:
        lasts = F.unix_micros(last) - F.unix_micros(first)
        return crosses & (lasts > 0) & (lasts <= int(_LONGEST.total_seconds()) * 1_000_000)

    return [
        total(crosses, "over_midnight"),
        total(is_session(start, end), "sessions_as_given"),
        total(is_session(_swapped(start), _swapped(end)), "sessions_swapped"),
    ]


def _swapped(wall: Column) -> Column:
    day = F.make_date(F.year(wall), F.least(F.dayofmonth(wall), F.lit(LAST_AMBIGUOUS_DAY)), F.month(wall))
    of_day = F.unix_micros(wall) - F.unix_micros(F.date_trunc("day", wall))
    swapped = F.timestamp_micros(F.unix_micros(day.cast("timestamp")) + of_day)
    return F.when(F.dayofmonth(wall) <= LAST_AMBIGUOUS_DAY, swapped).otherwise(wall)


def repeated(rows: DataFrame) -> DataFrame:
    """Of each delivery, of rows that no rule rejects: rows of ids that are no ids (S16), one of these, and repeats."""
    start, of_id = F.unix_micros("started_at"), ("arrival_date", "delivery", "record_kind", "session_id")
    # First by content, and not by a distinct count: engines keep a set of 15 kB for each of as many ids as rows.
    by_content = rows.groupBy(*of_id, "content_hash").agg(
        F.count(F.lit(1)).alias("n_rows"),
        F.min("charge_point_id").alias("first_point"),
        F.max("charge_point_id").alias("last_point"),
        F.min(start).alias("earliest"),
        F.max(start).alias("latest"),
    )
    by_id = by_content.groupBy(*of_id).agg(
        F.sum("n_rows").alias("n_rows"),
        F.count("content_hash").alias("contents"),
        ((F.min("first_point") != F.max("last_point")) | (F.max("latest") - F.min("earliest") > 86_400_000_000)).alias(
            "is_reused"
        ),
    )
    is_reused = F.coalesce(F.col("is_reused"), F.lit(False))
    return by_id.groupBy("arrival_date", "delivery").agg(
        F.sum(F.when(is_reused, F.col("n_rows")).otherwise(0)).alias("reused_ids"),
        F.min(F.when(is_reused, F.col("session_id"))).alias("first_reused"),
        F.sum(F.col("n_rows") - F.col("contents")).alias("repeats"),
    )


def sizes(numbers: Callable[[str], Any]) -> dict[str, Any]:
    """Energy, mean power and rating."""
    energy, rated, lasted = (numbers(name) for name in ("energy_kwh", "rated_power_kw", "duration_micros"))
    hours = pc.divide(pc.if_else(pc.greater(lasted, 0), lasted, None), 3.6e9)
    return {"energy, kWh": energy, "mean power, kW": pc.divide(energy, hours), "rating, kW": rated}
