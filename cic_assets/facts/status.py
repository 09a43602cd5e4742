"""How every charge point spent its day (numbers.md 2). Pure Spark: no files, no warehouse, no Dagster.

A timeline is built from entries: events (a state begins) and polls (a feed lists the state at a moment, and says since
when it holds). Entries around a window may be given whole or as edges, one small row per charge point and date: the
days come out the same, so that any day can be computed without those before it. All time is in whole microseconds;
nothing is divided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cic_assets.facts.outcome import outcomes
from cic_assets.kinds.rules import CROSS_RULES
from cic_assets.kinds.vocabulary import FOLD_ORDER, NEVER_EXPIRE, STATES, WORST_FIRST

# The whole charge point, in OCPP 1.6; what it says of being out of order holds for all connectors.
WHOLE = "0"
UNUSABLE = ("INOPERATIVE", "OUTOFORDER")
# E04: more than 6 changes within an hour.
FLAPPING_CHANGES = 6
HOUR_MICROS = 3_600_000_000
ENTRY_COLUMNS = (
    "charge_point_id", "connector_id", "stream_id", "entry", "at", "since_at", "state", "arrived_at", "source_file",
    "source_line", "flags",
)  # fmt: skip
TWO_PLACES = "two_places"
STANDS_STILL = CROSS_RULES["E07"].mark


@dataclass(frozen=True)
class Feed:
    """What a timeline must know of a stream.

    Attributes:
        silence: how long a state is believed after the last word; None for ever.
        cover_at: up to when its deliveries cover time; None: it has delivered nothing.
        first_at: from when its deliveries cover time: its first poll, or the first entry of a log. Its charge points
            have days since then, unobserved until they are first heard.
        reports_use: whether its states say if a charge point is in use.
        ends: the last local day of a feed that has ended.
        opens_at: the first entry that is not far before all others; days begin with it. As `first_at` if not said.
    """

    stream_id: str
    provider_id: str
    authority_id: str
    zone: str
    silence: dt.timedelta | None
    cover_at: dt.datetime | None
    first_at: dt.datetime | None
    reports_use: bool = True
    ends: dt.date | None = None
    opens_at: dt.datetime | None = None

    def days(self, now: dt.datetime) -> tuple[dt.date, dt.date] | None:
        """The first and last local day that its charge points have: to yesterday, or to its end; None before any."""
        if self.first_at is None:
            return None
        zone = ZoneInfo(self.zone)
        first = (self.opens_at or self.first_at).astimezone(zone).date()
        last = min(now.astimezone(zone).date() - dt.timedelta(days=1), self.ends or dt.date.max)
        return (first, last) if first <= last else None


@dataclass(frozen=True)
class StatusFacts:
    """The facts of one window of local dates, lazily.

    Attributes:
        day: one row per charge point and local date that its feeds have (`Feed.days`); columns of
            `facts.charge_point_status_day`.
        outcomes: per stream, arrival and local date, what became of the records (`facts/outcome.py`).
    """

    day: DataFrame
    outcomes: DataFrame


def feeds_table(feeds: Iterable[Feed], now: dt.datetime) -> pa.Table:
    """Feeds as the functions here take them; their days end before `now`'s."""
    micros = dt.timedelta(microseconds=1)
    found = [(feed, feed.days(now) or (None, None)) for feed in feeds]
    rows = [
        {
            "stream_id": feed.stream_id,
            "provider_id": feed.provider_id,
            "authority_id": feed.authority_id,
            "zone": feed.zone,
            "silence": None if feed.silence is None else feed.silence // micros,
            "cover": None if feed.cover_at is None else _micros(feed.cover_at),
            "first_at": feed.first_at,
            "first_date": first,
            "last_date": last,
            "reports_use": feed.reports_use,
        }
        for feed, (first, last) in found
    ]
    texts = [(name, pa.string()) for name in ("stream_id", "provider_id", "authority_id", "zone")]
    schema = pa.schema([*texts, ("silence", pa.int64()), ("cover", pa.int64())])
    for name, kind in (
        ("first_at", pa.timestamp("us", tz="UTC")), ("first_date", pa.date32()), ("last_date", pa.date32()),
        ("reports_use", pa.bool_()),
    ):  # fmt: skip
        schema = schema.append(pa.field(name, kind))
    return pa.Table.from_pylist(rows, schema=schema)


def days_table(zones: Iterable[str], start: dt.date, end: dt.date) -> pa.Table:
    """Local days of 23, 24 or 25 hours: zone, date, and when the day begins and ends, in microseconds UTC.

    The date after the last closes it: it has no `status_date`.
    """
    rows = []
    for name in sorted(set(zones)):
        zone = ZoneInfo(name)
        days: Sequence[dt.date] = [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
        bounds = [_micros(dt.datetime.combine(day, dt.time(), zone)) for day in days]
        for day, begins, ends in zip(days, bounds, [*bounds[1:], None], strict=True):
            rows.append({"zone": name, "status_date": day if day < end else None, "begins": begins, "ends": ends})
    schema = pa.schema(
        [("zone", pa.string()), ("status_date", pa.date32()), ("begins", pa.int64()), ("ends", pa.int64())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def status_facts(
    entries: DataFrame,
    points: DataFrame,
    records: DataFrame,
    feeds: DataFrame,
    days: DataFrame,
    registry: DataFrame,
    now: dt.datetime,
    checkpoint: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> StatusFacts:
    """Facts of all local days in `days`.

    Args:
        entries: `ENTRY_COLUMNS` of all entries before the window's end, those before its start whole or as edges, and
            the first poll after it: it may say that a state began within the window.
        points: charge_point_id and stream_id of all charge points that are ever heard, also after the window.
        records: the entries of the window with `arrival_date` and `status_date`, for what became of them.
        feeds: `feeds_table`.
        days: `days_table`.
        registry: charge_point_id and provider_id of the charge points that locations streams list.
        now: nothing is known after it.
        checkpoint: writes a frame and reads it back, so that its plan is not computed again for each use.
    """
    line = checkpoint(_line(resolve(entries, feeds), points, feeds, days))
    spent = _spent(line, now)
    day = _per_day(spent).join(_flapping(line), ["charge_point_id", "status_date"], "left")
    return StatusFacts(_finished(day, feeds, registry), outcomes(_placed(records), F.col("status_date")))


def newest_first() -> list[Column]:
    """Which of several words about one instant wins (numbers.md 2): the last arrival, else the worse state.

    Within one delivery that has an id at two places, a copy that is REMOVED loses, else the worse state holds (E08).
    """
    worst = F.array_position(F.array(*(F.lit(state) for state in WORST_FIRST)), F.col("state"))
    gone_last = F.when(F.col("state") == "REMOVED", len(WORST_FIRST) + 1).otherwise(worst)
    return [
        F.col("arrived_at").desc(), F.when(F.array_contains("flags", TWO_PLACES), gone_last).otherwise(0).asc(),
        F.col("source_file").desc(), F.col("source_line").desc(), worst.asc(), F.col("since_at").desc_nulls_first(),
    ]  # fmt: skip


_CONNECTOR = ("charge_point_id", "connector_id")


def _ranked(entries: DataFrame, *same: str) -> DataFrame:
    """Adds `wins`: one of the entries that are the same by these columns and the instant does."""
    one = Window.partitionBy(*_CONNECTOR, *same, "at").orderBy(*newest_first())
    return entries.withColumn("wins", F.row_number().over(one) == 1)


def resolve(entries: DataFrame, feeds: DataFrame) -> DataFrame:
    """Adds the events that polls give, and `wins`: one event per connector and instant does, one poll of each stream.

    What loses is still a word: its stream was heard at that instant. Entries `heard` are nothing but that.
    """
    entries = entries.select(*ENTRY_COLUMNS)
    polls = _ranked(entries.where("entry = 'poll'"), "stream_id")
    events = entries.where("entry = 'event'").unionByName(polled_events(polls.where("wins").drop("wins"), feeds))
    heard = entries.where("entry = 'heard'").withColumn("wins", F.lit(False))
    return _ranked(events).unionByName(polls).unionByName(heard)


def polled_events(polls: DataFrame, feeds: DataFrame | None) -> DataFrame:
    """The changes of state that a stream's polls show, as events; one poll per connector and instant given.

    A poll is evidence (numbers.md 2): its state began where the feed says, if that is after the poll before. An older
    instant can't be: if the state is another one, it is dated by the poll that saw it first, and flagged (E07). Of the
    time before a feed's first poll nothing is known but what survived until then, so nothing begins before it. A poll
    without `since_at` shows no change; it is there for the one that follows.

    Args:
        polls: `ENTRY_COLUMNS`, and without feeds event_date.
        feeds: stream_id and first_at; without them each date (UTC) is looked at by itself, and its first poll, of
            which the one before is not known, gives nothing.
    """
    nothing = F.lit(None).cast("timestamp")
    if feeds is None:
        line = Window.partitionBy(*_CONNECTOR, "stream_id", "event_date").orderBy("at")
        seen = polls.withColumn("covers_from", nothing)
    else:
        line = Window.partitionBy(*_CONNECTOR, "stream_id").orderBy("at")
        firsts = feeds.select("stream_id", F.col("first_at").alias("covers_from"))
        seen = polls.join(F.broadcast(firsts), "stream_id")
    seen = seen.withColumns(
        {
            "before_at": F.lag("at").over(line),
            "before": F.lag("state").over(line),
            # Some feeds' clocks are ahead of their own response's.
            "since": F.when(F.col("since_at").isNotNull(), F.least("since_at", "at")),
        }
    )
    is_first = F.col("before_at").isNull()
    began = (
        F.when(F.col("since").isNull(), nothing)
        .when(is_first, nothing if feeds is None else F.greatest("since", "covers_from"))
        .when(F.col("since") > F.col("before_at"), F.col("since"))
        .when(F.col("state") != F.col("before"), F.col("at"))
    )
    stands_still = ~is_first & (F.col("since") <= F.col("before_at"))
    none = F.array().cast("array<string>")
    return (
        seen.withColumns({"began": began, "marks": F.when(stands_still, F.array(F.lit(STANDS_STILL))).otherwise(none)})
        .where(F.col("began").isNotNull())
        .withColumns({"entry": F.lit("event"), "at": F.col("began"), "flags": F.col("marks")})
        .select(*_polled_columns(feeds))
    )


def _polled_columns(feeds: DataFrame | None) -> tuple[str, ...]:
    return (*ENTRY_COLUMNS, "event_date") if feeds is None else ENTRY_COLUMNS


_COUNTS = ("event_count", "confirmation_count", "unmapped_count", "standing_count", "places_count")


def _line(resolved: DataFrame, points: DataFrame, feeds: DataFrame, days: DataFrame) -> DataFrame:
    """One row per charge point and instant at which something happens: an event, a word heard, a midnight.

    Columns: charge_point_id, at (µs), state since then (null before the first event), `believed` (µs, until when the
    last words hold), status_date, ends (of the day), stream_id (last heard), counts of what happened at the instant.
    """
    micros = resolved.withColumn("at", F.unix_micros("at"))
    events = _heard(micros, feeds).join(
        _folded(micros.where("wins and entry = 'event'")), ["charge_point_id", "at"], "left"
    )
    events = _with_nulls(events, home="string", status_date="date", ends="bigint", is_midnight="int")
    nothing_said = dict.fromkeys(("until", *_COUNTS), "bigint")
    midnights = _with_nulls(_midnights(points, feeds, days), stream_id="string", state="string", **nothing_said)
    line = events.unionByName(midnights)
    latest = ("until", "stream_id", "home", "state", "status_date", "ends", "is_midnight")
    line = line.groupBy("charge_point_id", "at").agg(
        *(F.max(name).alias(name) for name in latest),
        *(F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in _COUNTS),
    )
    so_far = Window.partitionBy("charge_point_id").orderBy("at").rowsBetween(Window.unboundedPreceding, 0)
    in_order = Window.partitionBy("charge_point_id").orderBy("at")
    # Before anything was heard, the day is still some feed's.
    stream = F.coalesce(F.last("stream_id", ignorenulls=True).over(so_far), F.max("home").over(so_far))
    carried = line.withColumns(
        {
            "changed_to": F.col("state"),
            "state": F.last("state", ignorenulls=True).over(so_far),
            "believed": F.max("until").over(so_far),
            "stream_id": stream,
            "midnights": F.sum(F.coalesce("is_midnight", F.lit(0))).over(so_far),
            "next_at": F.lead("at").over(in_order),
        }
    )
    # The number of midnights passed tells the day; the midnight that closes the window has no date, nor has what is
    # said after the last day of a feed that has ended.
    day = Window.partitionBy("charge_point_id", "midnights")
    dated = carried.withColumns({"status_date": F.max("status_date").over(day), "ends": F.max("ends").over(day)})
    within = F.when(F.col("at") < F.col("ends"), F.col("status_date"))
    return dated.withColumn("status_date", within).drop("is_midnight", "midnights", "until", "home")


def _with_nulls(frame: DataFrame, **kinds: str) -> DataFrame:
    """Columns of nulls with their types: Sail gives `allowMissingColumns` none."""
    return frame.withColumns({name: F.lit(None).cast(kind) for name, kind in kinds.items()})


def _heard(micros: DataFrame, feeds: DataFrame) -> DataFrame:
    """Per charge point and instant: until when its words are believed, whose they are, and how many."""
    until = F.least(F.col("at") + F.col("silence"), F.col("cover"))
    return (
        micros.join(F.broadcast(feeds), "stream_id")
        .withColumn("until", until)
        .groupBy("charge_point_id", "at")
        .agg(
            F.max("until").alias("until"),
            F.max("stream_id").alias("stream_id"),
            _wins(F.col("entry") == "event").alias("event_count"),
            _wins(F.col("entry") == "poll").alias("confirmation_count"),
            _wins(F.array_contains("flags", "unmapped_status")).alias("unmapped_count"),
            _wins(F.array_contains("flags", STANDS_STILL)).alias("standing_count"),
            _wins(F.array_contains("flags", TWO_PLACES)).alias("places_count"),
        )
    )


def _wins(condition: Column) -> Column:
    return F.sum((F.col("wins") & condition).cast("bigint"))


def _midnights(points: DataFrame, feeds: DataFrame, days: DataFrame) -> DataFrame:
    """The beginnings of the days that each charge point's feeds have, and the one that closes the window."""
    heard = points.join(F.broadcast(feeds), "stream_id")
    homes = heard.groupBy("charge_point_id").agg(
        F.min("stream_id").alias("home"), F.min_by("zone", "stream_id").alias("zone")
    )
    # Each feed's own span: what lies between two feeds of a charge point is nobody's.
    spans = heard.select("charge_point_id", "first_date", "last_date").distinct()
    exists = F.col("status_date").isNull() | F.col("status_date").between(F.col("first_date"), F.col("last_date"))
    begins = homes.join(F.broadcast(days), "zone").join(spans, "charge_point_id").where(exists)
    return begins.select(
        "charge_point_id", "home", F.col("begins").alias("at"), "status_date", "ends", F.lit(1).alias("is_midnight")
    ).distinct()


def _folded(events: DataFrame) -> DataFrame:
    """The charge point's state at each of its events, from the last state of each connector (numbers.md 2)."""
    instants = events.select("charge_point_id", "at").distinct()
    connectors = events.select("charge_point_id", "connector_id").distinct()
    known = events.select("charge_point_id", "connector_id", "at", "state")
    grid = instants.join(connectors, "charge_point_id").join(known, ["charge_point_id", "connector_id", "at"], "left")
    so_far = (
        Window.partitionBy("charge_point_id", "connector_id").orderBy("at").rowsBetween(Window.unboundedPreceding, 0)
    )
    order = F.array(*(F.lit(state) for state in FOLD_ORDER))
    each = grid.withColumn("state", F.last("state", ignorenulls=True).over(so_far)).where(F.col("state").isNotNull())
    is_whole = F.col("connector_id") == WHOLE
    rank = F.array_position(order, F.col("state"))
    best = each.groupBy("charge_point_id", "at").agg(
        F.min(F.when(~is_whole, rank)).alias("best"), F.min(F.when(is_whole, rank)).alias("whole")
    )
    unusable = F.element_at(order, F.col("whole").cast("int")).isin(*UNUSABLE)
    place = F.when(F.coalesce(unusable, F.lit(False)), F.col("whole")).otherwise(F.coalesce("best", "whole"))
    return best.select("charge_point_id", "at", F.element_at(order, place.cast("int")).alias("state"))


def _spent(line: DataFrame, now: dt.datetime) -> DataFrame:
    """Splits each span into the time that its state was believed and the time that nobody reported."""
    present = F.lit(_micros(now))
    span_end = F.least("next_at", "ends")
    held = F.least(
        span_end, F.when(F.col("state").isin(*NEVER_EXPIRE), present).otherwise(F.least("believed", present))
    )
    believed = F.greatest(F.lit(0), F.coalesce(held, F.col("at")) - F.col("at"))
    return line.where(F.col("status_date").isNotNull()).withColumns(
        {
            "span": span_end - F.col("at"),
            "believed_span": F.when(F.col("state").isNotNull(), believed).otherwise(F.lit(0)),
        }
    )


def _per_day(spent: DataFrame) -> DataFrame:
    """Microseconds per state, charge point and day."""
    unseen = F.col("state").isNull()
    sums = {
        f"{state.lower()}": F.sum(F.when(F.col("state") == state, F.col("believed_span")).otherwise(0))
        for state in STATES
    }
    sums["unreported"] = F.sum(F.when(unseen, 0).otherwise(F.col("span") - F.col("believed_span")))
    sums["unobserved"] = F.sum(F.when(unseen, F.col("span")).otherwise(0))
    return spent.groupBy("charge_point_id", "status_date").agg(
        *(value.alias(name) for name, value in sums.items()),
        F.sum("span").alias("day"),
        *(F.sum(name).alias(name) for name in _COUNTS),
        F.max_by("stream_id", "at").alias("stream_id"),
    )


def _flapping(line: DataFrame) -> DataFrame:
    """Days on which a charge point's state changed for the seventh time within an hour (E04)."""
    in_order = Window.partitionBy("charge_point_id").orderBy("at")
    events = line.where(F.col("changed_to").isNotNull()).select("charge_point_id", "at", "status_date", "changed_to")
    changes = events.withColumn("before", F.lag("changed_to").over(in_order)).where("before <> changed_to")
    hour_ago = changes.withColumn("sixth_before", F.lag("at", FLAPPING_CHANGES).over(in_order))
    rapid = hour_ago.where((F.col("at") - F.col("sixth_before") < HOUR_MICROS) & F.col("status_date").isNotNull())
    return rapid.select("charge_point_id", "status_date").distinct().withColumn("flaps", F.lit(True))


SECONDS = tuple(f"{name}_seconds" for name in ("day", *(state.lower() for state in STATES), "unreported", "unobserved"))
STATUS_DAY_COLUMNS = (
    "charge_point_id", "provider_id", "authority_id", "stream_id", "status_date", *SECONDS, "event_count",
    "confirmation_count", "reports_use", "flags",
)  # fmt: skip


def _finished(day: DataFrame, feeds: DataFrame, registry: DataFrame) -> DataFrame:
    listed = registry.select("charge_point_id").distinct().withColumn("is_listed", F.lit(True))
    providers = registry.select("provider_id").distinct().withColumn("has_registry", F.lit(True))
    # A hub's feed speaks of several providers' charge points, whose ids begin with theirs.
    provider = F.substring_index("charge_point_id", "/", 1)
    rows = (
        day.join(F.broadcast(feeds.drop("provider_id")), "stream_id")
        .withColumn("provider_id", provider)
        .join(listed, "charge_point_id", "left")
        .join(F.broadcast(providers), "provider_id", "left")
    )
    marks = [
        (F.col("unmapped_count") > 0, "unmapped_status"),
        (F.col("flaps"), CROSS_RULES["E04"].mark),
        (F.col("standing_count") > 0, STANDS_STILL),
        (F.col("places_count") > 0, TWO_PLACES),
        (F.col("has_registry") & F.col("is_listed").isNull(), CROSS_RULES["E05"].mark),
    ]
    words = F.array(*(F.when(condition, F.lit(word)) for condition, word in marks))
    seconds = {
        name: F.col(name.removesuffix("_seconds")).cast("decimal(18,0)") * F.lit("0.000001").cast("decimal(7,6)")
        for name in SECONDS
    }
    return rows.withColumns(
        {
            **{name: value.cast("decimal(18,6)") for name, value in seconds.items()},
            "flags": F.filter(words, lambda word: word.isNotNull()),
        }
    ).select(*STATUS_DAY_COLUMNS)


def _placed(records: DataFrame) -> DataFrame:
    """Adds `outcome` to records: one word per connector and instant is in facts, and one poll of each stream.

    The same word again is a duplicate, another word about the same instant that came earlier is superseded.
    """
    polled_by = F.when(F.col("entry") == "poll", F.col("stream_id"))
    same = (*_CONNECTOR, polled_by, F.col("at"))
    copies = Window.partitionBy(*same, "state", "since_at").orderBy(*newest_first())
    ranked = records.withColumn("copy", F.row_number().over(copies))
    words = Window.partitionBy(*same).orderBy((F.col("copy") > 1).cast("int"), *newest_first())
    return ranked.withColumn("word", F.row_number().over(words)).withColumn(
        "outcome",
        F.when(F.col("copy") > 1, "duplicates").when(F.col("word") > 1, "superseded").otherwise("in_facts"),
    )


EDGE_COLUMNS = (
    "charge_point_id", "connector_id", "stream_id", "event_date", "entry_count", "first_event_at", "last_event_at",
    "last_state", "last_heard_at", "arrived_at", "source_file", "source_line", "first_poll_at", "first_poll_since_at",
    "first_poll_state", "first_poll_arrived_at", "first_poll_source_file", "first_poll_source_line", "last_poll_at",
    "last_poll_state",
)  # fmt: skip


def edges(entries: DataFrame) -> DataFrame:
    """One row per charge point, connector, stream and UTC date: all that other days need to know of that date.

    Of polls: the first and the last one, and the last event among those that the date's polls show by themselves. What
    the first one shows is seen beside the last one of an earlier date (`facts/status_edges.py`).
    """
    key = (*_CONNECTOR, "stream_id", "event_date")
    entries = entries.select(*ENTRY_COLUMNS, "event_date")
    polls = _ranked(entries.where("entry = 'poll'"), "stream_id").where("wins").drop("wins")
    told = entries.where("entry = 'event'").unionByName(polled_events(polls, None))
    last = Window.partitionBy(*key).orderBy(F.col("at").desc(), *newest_first())
    events = told.withColumn("rank", F.row_number().over(last)).where("rank = 1")
    heard = entries.groupBy(*key).agg(
        F.count(F.lit(1)).alias("entry_count"),
        F.min(F.when(F.col("entry") == "event", F.col("at"))).alias("first_event_at"),
        F.max("at").alias("last_heard_at"),
    )
    states = events.select(
        *key, F.col("at").alias("last_event_at"), F.col("state").alias("last_state"), "arrived_at", "source_file",
        "source_line",
    )  # fmt: skip
    names = ("at", "since_at", "state", "arrived_at", "source_file", "source_line")
    ends = polls.groupBy(*key).agg(F.min(F.struct(*names)).alias("first"), F.max(F.struct("at", "state")).alias("last"))
    ends = ends.select(
        *key,
        *(F.col("first").getField(name).alias(f"first_poll_{name}") for name in names),
        *(F.col("last").getField(name).alias(f"last_poll_{name}") for name in ("at", "state")),
    )
    return heard.join(states, list(key), "left").join(ends, list(key), "left").select(*EDGE_COLUMNS)
