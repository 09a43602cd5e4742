"""Which facts a change of accepted rows may alter: months of sessions, local days of states. Pure Spark.

The rule is DEFINITIONS 2, Restatement.
"""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def affected_months(changed: DataFrame, accepted: DataFrame) -> list[dt.date]:
    """Months (their first day) that may differ now.

    They are the months of the changed rows themselves (new ones and ones that vanished), of all versions of the same
    session, of what a CDR bills or a credit credits, and of sessions that overlap on the same charge point.

    Args:
        changed: accepted rows that were added or removed.
        accepted: all accepted rows, as they are now.
    """
    ids = changed.select(
        "provider_id", F.explode(F.array("session_id", "cdr_session_id", "credit_reference_id")).alias("id")
    )
    ids = ids.where(F.col("id").isNotNull()).distinct()
    versions = accepted.select(
        "provider_id",
        "start_date",
        F.explode(F.array("session_id", "cdr_session_id", "credit_reference_id")).alias("id"),
    )
    related = versions.join(ids, ["provider_id", "id"], "left_semi").select("start_date")
    mine = changed.select(
        "charge_point_id", F.col("started_at").alias("mine_from"), F.col("ended_at").alias("mine_to")
    ).distinct()
    overlapping = (
        accepted.select("charge_point_id", "started_at", "ended_at", "start_date")
        .join(mine, "charge_point_id")
        .where((F.col("started_at") < F.col("mine_to")) & (F.col("mine_from") < F.col("ended_at")))
        .select("start_date")
    )
    dates = changed.select("start_date").unionByName(related).unionByName(overlapping)
    months = dates.select(F.trunc("start_date", "MM").alias("month")).distinct().toArrow().column(0).to_pylist()
    return sorted(month for month in months if month is not None)


# States that hold without any further word (DEFINITIONS 2, Silence).
NEVER_EXPIRE = ("PLANNED", "REMOVED")


def affected_spans(
    removed: DataFrame,
    added: DataFrame,
    known: DataFrame,
    first_events: DataFrame,
    *,
    zone: str,
    silence: dt.timedelta | None,
    feed_first: dt.datetime,
    horizon: dt.datetime,
) -> list[tuple[dt.date, dt.date]]:
    """Local days, as (first, last), whose seconds may differ once entries of timelines went and came.

    A changed event reaches from its day to the day of the charge point's next event or end of silence. One before which
    the charge point had none changes what is unobserved: it reaches from the feed's first entry to the next event or,
    without one, to the horizon. A confirmation reaches to the end of its silence. An event that another row says too
    changes nothing.

    Args:
        removed: accepted status rows that go.
        added: accepted status rows that come.
        known: accepted status rows as they are, at least those since the earliest change.
        first_events: charge_point_id, first_event_at of charge points that had events.
        zone: of the local days.
        silence: the longest that any feed of these charge points is believed; None for ever.
        feed_first: the feed's first entry ever.
        horizon: nothing after it has been computed or can be said yet.
    """
    counted = _weighed(known, 1, 1).unionByName(_weighed(removed, 0, -1)).unionByName(_weighed(added, 0, 1))
    points = added.select("charge_point_id").unionByName(removed.select("charge_point_id")).distinct()
    states = (
        counted.join(points, "charge_point_id", "left_semi")
        .groupBy("charge_point_id", "connector_id", "entry", "at", "state")
        .agg(F.sum("before").alias("before"), F.sum("after").alias("after"))
    )
    was, will = F.when(F.col("before") > 0, F.col("state")), F.when(F.col("after") > 0, F.col("state"))
    instants = states.groupBy("charge_point_id", "connector_id", "entry", "at").agg(
        F.sort_array(F.collect_set(was)).alias("was"), F.sort_array(F.collect_set(will)).alias("will")
    )
    # Several states at one instant: which row wins may have changed although the states are the same.
    same = (F.concat_ws("|", "was") == F.concat_ws("|", "will")) & (F.size("will") <= 1)
    is_event = F.col("entry") == "event"
    line = instants.groupBy("charge_point_id", F.unix_micros("at").alias("at")).agg(
        F.max(is_event.cast("int")).alias("is_event"),
        F.max((is_event & ~same).cast("int")).alias("event_changed"),
        F.max((~is_event & ~same).cast("int")).alias("poll_changed"),
        F.max(F.arrays_overlap("will", _words(NEVER_EXPIRE)).cast("int")).alias("stays"),
    )
    return _local_spans(_reaches(line, first_events, silence, feed_first, horizon), zone)


def _words(words: tuple[str, ...]) -> Column:
    return F.array(*(F.lit(word) for word in words))


def _weighed(rows: DataFrame, before: int, after: int) -> DataFrame:
    return rows.select(
        "charge_point_id", "connector_id", "entry", "at", "state",
        F.lit(before).alias("before"), F.lit(after).alias("after"),
    )  # fmt: skip


def _reaches(
    line: DataFrame,
    first_events: DataFrame,
    silence: dt.timedelta | None,
    feed_first: dt.datetime,
    horizon: dt.datetime,
) -> DataFrame:
    """(since, until) in microseconds of every changed instant."""
    in_order = Window.partitionBy("charge_point_id").orderBy("at")
    events_after = in_order.rowsBetween(1, Window.unboundedFollowing)
    grouped = line.withColumns(
        {
            "group": F.sum("is_event").over(in_order.rowsBetween(Window.unboundedPreceding, 0)),
            "next_event": F.min(F.when(F.col("is_event") == 1, F.col("at"))).over(events_after),
        }
    )
    # What was heard until the next event may keep the state alive until then.
    heard = F.max("at").over(Window.partitionBy("charge_point_id", "group"))
    joined = grouped.withColumn("heard", heard).join(first_events, "charge_point_id", "left")
    end = F.lit(_micros(horizon))
    event = F.col("event_changed") == 1
    is_first = event & F.coalesce(F.col("at") <= F.unix_micros("first_event_at"), F.lit(True))

    def quiet_after(name: str) -> Column:
        return end if silence is None else F.col(name) + F.lit(silence // dt.timedelta(microseconds=1))

    until = F.when((F.col("stays") == 1) | is_first, end).otherwise(quiet_after("heard"))
    reach = F.when(event, F.least(F.coalesce("next_event", until), until)).otherwise(quiet_after("at"))
    return joined.where("event_changed = 1 or poll_changed = 1").select(
        F.when(is_first, F.least(F.col("at"), F.lit(_micros(feed_first)))).otherwise(F.col("at")).alias("since"),
        F.greatest(F.col("at"), F.least(reach, end) - 1).alias("until"),
    )


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _local_spans(reaches: DataFrame, zone: str) -> list[tuple[dt.date, dt.date]]:
    def local(name: str) -> Column:
        return F.from_utc_timestamp(F.timestamp_micros(F.col(name)), zone).cast("date").alias(name)

    rows = reaches.select(local("since"), local("until")).distinct().toArrow().to_pylist()
    return sorted((row["since"], row["until"]) for row in rows)
