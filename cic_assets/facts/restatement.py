"""Which facts a change of accepted rows may alter: months of sessions, local days of states. Pure Spark.

The rule is numbers.md 2, Restatement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from cic_assets.facts.status import ENTRY_COLUMNS, resolve
from cic_assets.kinds.vocabulary import NEVER_EXPIRE


def affected_months(changed: DataFrame, accepted: DataFrame, mine: Collection[dt.date]) -> list[dt.date]:
    """Months (their first day) that may differ now.

    They are the months of the changed rows themselves (new ones and ones that vanished), of all rows with the same id,
    of what a CDR bills or a credit credits, and of sessions that overlap any of these on the same charge point: a row
    that comes may make versions of one session different ones, and the other way round.

    Args:
        changed: accepted rows that were added or removed.
        accepted: all accepted rows, as they are now.
        mine: the months of `changed`.
    """
    links = ("session_id", "cdr_session_id", "credit_reference_id")
    ids = _linked(changed, links)
    for _ in range(2):
        # A rival of a linked row may be known by its own id only.
        known = _linked(accepted, links, "session_id")
        owners = known.join(ids, ["provider_id", "id"], "left_semi").select("provider_id", "session_id").distinct()
        ids = known.join(owners, ["provider_id", "session_id"], "left_semi").select("provider_id", "id").distinct()
    row = ("charge_point_id", "started_at", "ended_at", "start_date")
    named = ids.withColumnRenamed("id", "session_id")
    related = accepted.join(named, ["provider_id", "session_id"], "left_semi").select(*row)
    moved = changed.select(*row).unionByName(related).distinct()
    spans = moved.select(
        "charge_point_id", F.col("started_at").alias("mine_from"), F.col("ended_at").alias("mine_to")
    ).distinct()
    month = F.trunc("start_date", "MM")
    # Of a month that is affected anyway nothing needs to be compared, which is all of a first load: a charge point's
    # sessions with each other would be their number squared.
    others = accepted.where(~month.isin(*mine)) if mine else accepted
    overlapping = (
        others.select(*row)
        .join(spans, "charge_point_id")
        .where((F.col("started_at") < F.col("mine_to")) & (F.col("mine_from") < F.col("ended_at")))
        .select("start_date")
    )
    dates = moved.select("start_date").unionByName(overlapping)
    months = dates.select(month.alias("month")).distinct().toArrow().column(0).to_pylist()
    return sorted({*mine, *(found for found in months if found is not None)})


def _linked(rows: DataFrame, links: tuple[str, ...], *kept: str) -> DataFrame:
    """The ids by which rows are linked, each once; with which columns of the row."""
    found = rows.select("provider_id", *kept, F.explode(F.array(*links)).alias("id"))
    return found.where(F.col("id").isNotNull()).distinct()


# E04 looks an hour back, so a change is seen an hour on.
FLAPPING = dt.timedelta(hours=1)
_INSTANT = ("charge_point_id", "connector_id", "entry", "at")


def affected_spans(
    removed: DataFrame,
    added: DataFrame,
    known: DataFrame,
    points: DataFrame,
    feeds: DataFrame,
    *,
    zone: str,
    silence: dt.timedelta | None,
    feed_first: dt.datetime,
    horizon: dt.datetime,
) -> list[tuple[dt.date, dt.date]]:
    """Local days, as (first, last), whose seconds or flags may differ once entries of timelines went and came.

    Both timelines are resolved, and their events and polls compared. A changed event reaches from its day to the day of
    its connector's next event or end of silence: the fold carries each connector's state to that connector's own next
    word. Where PLANNED or REMOVED is involved, silence ends nothing. An event before which the charge point had none,
    or that leaves it without any, changes what is unobserved: it reaches from the feed's first cover, and without a
    next event to the horizon. A poll reaches to the end of its silence. Whoever won an instant and still wins it, with
    the same word, changes nothing.

    Args:
        removed: accepted status rows that go.
        added: accepted status rows that come.
        known: `ENTRY_COLUMNS` of the accepted rows as they are, at least those since the earliest change, and of each
            connector and feed the last event and poll before.
        points: charge_point_id, first_event_at, and `ever_stays`: whether it ever was PLANNED or REMOVED.
        feeds: stream_id and first_at of all feeds of these charge points.
        zone: of the local days.
        silence: the longest that any feed of these charge points is believed; None for ever.
        feed_first: from when the feed covers time.
        horizon: nothing after it has been computed or can be said yet.
    """
    changed = added.select("charge_point_id").unionByName(removed.select("charge_point_id")).distinct()
    before = known.join(changed, "charge_point_id", "left_semi").select(*ENTRY_COLUMNS)
    after = _without(before, removed.select(*ENTRY_COLUMNS)).unionByName(added.select(*ENTRY_COLUMNS))
    # Twice by group and never as a set of words: engines keep a set of 2 kB for each of millions of groups.
    said = _said(before, feeds, was=1, will=0).unionByName(_said(after, feeds, was=0, will=1))
    each = said.groupBy(*_INSTANT, "word").agg(*(F.max(name).alias(name) for name in ("was", "will", "stays")))
    instants = each.groupBy(*_INSTANT).agg(
        F.max((F.col("was") != F.col("will")).cast("int")).alias("differs"),
        F.max("will").alias("is_left"),
        F.max("stays").alias("stays"),
    )
    return _local_spans(_reaches(instants, points, silence, feed_first, horizon), zone)


def _without(rows: DataFrame, removed: DataFrame) -> DataFrame:
    """`ENTRY_COLUMNS` of the rows that are not removed; a row is known by where it stands in its delivery."""
    place = ("stream_id", "source_file", "source_line", "arrived_at", "entry", "at")
    return rows.join(removed.select(*place).distinct(), list(place), "left_anti").select(*ENTRY_COLUMNS)


def _said(entries: DataFrame, feeds: DataFrame, *, was: int, will: int) -> DataFrame:
    """What a timeline says of each instant, a row for each word: who won it, how, and who was heard.

    A state that no map knew is another word, and so is one that stands at two places, or that an older stamp came with.
    """
    resolved = resolve(entries, feeds).where("entry <> 'heard' and state is not null")
    state = F.concat_ws("|", F.col("state"), F.concat_ws(",", F.array_sort("flags")))
    # Whose word it is matters for a poll only: its feed's silence begins anew.
    won = F.when(F.col("entry") == "event", F.concat(F.lit("event|"), state)).otherwise(
        F.concat_ws("|", F.lit("poll"), F.col("stream_id"), state)
    )
    # Whoever else was heard at the instant may keep the state alive for longer.
    words = F.array(F.concat(F.lit("heard|"), F.col("stream_id")), F.when(F.col("wins"), won))
    stays = F.col("state").isin(*NEVER_EXPIRE).cast("int")
    found = resolved.select(*_INSTANT, stays.alias("stays"), F.explode(words).alias("word"))
    return found.where(F.col("word").isNotNull()).withColumns({"was": F.lit(was), "will": F.lit(will)})


def _reaches(
    instants: DataFrame,
    points: DataFrame,
    silence: dt.timedelta | None,
    feed_first: dt.datetime,
    horizon: dt.datetime,
) -> DataFrame:
    """(since, until) in microseconds of every instant whose winner is another one."""
    end = F.lit(_micros(horizon))
    spell = None if silence is None else F.lit(silence // dt.timedelta(microseconds=1))
    is_event = F.col("entry") == "event"
    own = Window.partitionBy("charge_point_id", "connector_id", "is_event").orderBy("micros")
    line = instants.withColumns(
        {
            "micros": F.unix_micros("at"),
            "is_event": is_event,
        }
    ).withColumn("next_own", F.when(F.col("is_event"), F.lead("micros").over(own)))
    line = line.join(points, "charge_point_id", "left")
    is_left = F.col("is_event") & (F.col("is_left") == 1)
    line = line.withColumn("next_left", F.min(F.when(is_left, F.col("micros"))).over(_later()))
    whole = Window.partitionBy("charge_point_id")
    left = F.max(is_left.cast("int")).over(whole)
    first = F.unix_micros("first_event_at")
    had_before = F.coalesce(first < F.min("micros").over(whole), F.lit(False))
    line = line.withColumns(
        {
            "left": left,
            "stays": F.greatest(F.max("stays").over(whole), F.coalesce(F.col("ever_stays").cast("int"), F.lit(0))),
            "first": (F.coalesce(F.col("micros") <= first, F.lit(True)) | ((left == 0) & ~had_before)),
        }
    )
    reached = _with_quiet_end(line, spell, end)
    until = F.when((F.col("stays") == 1) | F.col("first"), end).otherwise(F.col("quiet_end"))
    hour = F.lit(FLAPPING // dt.timedelta(microseconds=1))
    event_end = F.greatest(F.least(F.coalesce("next_own", until), until), F.col("micros") + hour)
    # What was unobserved or will be ends with the next event that is left; without any, it does not end.
    event_end = F.when(F.col("first"), F.greatest(event_end, F.coalesce("next_left", end))).otherwise(event_end)
    poll_end = end if spell is None else F.col("micros") + spell
    return reached.where("differs = 1").select(
        F.when(F.col("is_event") & F.col("first"), F.least(F.col("micros"), F.lit(_micros(feed_first))))
        .otherwise(F.col("micros"))
        .alias("since"),
        F.greatest(F.col("micros"), F.least(F.when(F.col("is_event"), event_end).otherwise(poll_end), end) - 1).alias(
            "until"
        ),
    )


def _later() -> WindowSpec:
    """Of a charge point's rows, those of a later instant: a frame that ends behind a row, in falling order.

    Where a frame ends with the partition, Apache Spark goes through all of it anew for each row.
    """
    return Window.partitionBy("charge_point_id").orderBy(F.desc("micros")).rangeBetween(Window.unboundedPreceding, -1)


def _with_quiet_end(line: DataFrame, spell: Column | None, end: Column) -> DataFrame:
    """Adds `quiet_end`: when the words around an instant have been silent for too long, before its next own event.

    If something is heard again before that event, the state goes on then: until the silence after the last word.
    """
    if spell is None:
        return line.withColumn("quiet_end", end)
    in_order = Window.partitionBy("charge_point_id").orderBy("micros")
    gap = F.coalesce(F.col("micros") - F.lag("micros").over(in_order) > spell, F.lit(False))
    runs = line.withColumn("starts", gap.cast("int"))
    runs = runs.withColumns(
        {
            # Rows of one instant belong together, so the sum goes by range.
            "run": F.sum("starts").over(in_order.rangeBetween(Window.unboundedPreceding, 0)),
            "next_run": F.min(F.when(F.col("starts") == 1, F.col("micros"))).over(_later()),
        }
    )
    last = F.max("micros").over(Window.partitionBy("charge_point_id", "run"))
    heard_again = F.col("next_run") < F.coalesce("next_own", end)
    latest = F.max("micros").over(Window.partitionBy("charge_point_id"))
    return runs.withColumn("quiet_end", F.when(heard_again, latest).otherwise(last) + spell)


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _local_spans(reaches: DataFrame, zone: str) -> list[tuple[dt.date, dt.date]]:
    def local(name: str) -> Column:
        return F.from_utc_timestamp(F.timestamp_micros(F.col(name)), zone).cast("date").alias(name)

    rows = reaches.select(local("since"), local("until")).distinct().toArrow().to_pylist()
    return sorted((row["since"], row["until"]) for row in rows)
