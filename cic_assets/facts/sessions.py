"""Sessions and their daily statistics (numbers.md 3). Pure Spark: no files, no warehouse, no Dagster.

What needs other rows is resolved here, on read, over all arrivals: duplicates, superseded versions, CDR over Session,
credits, overlaps (S11). Only exact sums, counts, minima and maxima leave here; Postgres divides.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cic_assets.facts.outcome import outcomes

# What an id is unique within, if it is; and what one session's versions share.
_RECORD = ("provider_id", "record_kind", "session_id")
_SESSION = (*_RECORD, "told_by")
# How many ids or charge points a message names.
SHOWN = 5
_DAY_MICROS = 24 * 3_600_000_000
# Excel shows 11 digits and less of a long number, and a CSV has what it shows.
_ROUNDED = r"^[0-9](?:[.,][0-9]{1,10})?[eE]\+?[0-9]{1,2}$"
_LINKS = ("session_id", "cdr_session_id", "credit_reference_id")
_DAY = ("charge_point_id", "provider_id", "authority_id", "stream_id", "start_date", "currency")


@dataclass(frozen=True)
class SessionFacts:
    """The facts of one window of local start dates, lazily.

    Attributes:
        session: one row per session; columns of `facts.charging_session`.
        day: one row per charge point, start date and currency; columns of `facts.charging_session_day`.
        outcomes: per stream, arrival and month, what became of the accepted rows (`facts/outcome.py`).
        rows_read: how many accepted rows start in the window; the outcomes add up to it.
    """

    session: DataFrame
    day: DataFrame
    outcomes: DataFrame
    rows_read: int


def session_facts(
    accepted: DataFrame,
    registry: DataFrame,
    start: dt.date,
    end: dt.date,
    checkpoint: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> SessionFacts:
    """Facts of all sessions with start <= local start date < end.

    Args:
        accepted: accepted rows of all arrivals, also those outside the window: versions and neighbours may lie there.
        registry: charge_point_id and provider_id of the charge points that locations streams list.
        start: first local date.
        end: the date after the last.
        checkpoint: writes a frame and reads it back, so that its plan is not computed again for each use (69 s
            against 5 s for 70,000 sessions).
    """
    in_window = (F.col("start_date") >= F.lit(start)) & (F.col("start_date") < F.lit(end))
    decided = checkpoint(resolve(checkpoint(_neighbourhood(accepted, in_window)), checkpoint).where(in_window))
    session = _unlisted(decided.where(F.col("outcome") == "in_facts"), registry)
    return SessionFacts(
        session=session.select(*SESSION_FACT_COLUMNS),
        day=session_day(session),
        outcomes=outcomes(decided, F.trunc("start_date", "MM")),
        rows_read=accepted.where(in_window).count(),
    )


def _unlisted(session: DataFrame, registry: DataFrame) -> DataFrame:
    """Flags S12: the provider has a registry, and the charge point is not in it. Without one, nothing can be said."""
    listed = registry.select("charge_point_id").distinct().withColumn("is_listed", F.lit(True))
    providers = registry.select("provider_id").distinct().withColumn("has_registry", F.lit(True))
    rows = session.join(listed, "charge_point_id", "left").join(F.broadcast(providers), "provider_id", "left")
    unlisted = F.coalesce(F.col("has_registry"), F.lit(False)) & F.col("is_listed").isNull()
    marked = F.when(unlisted, F.array_append("flags", F.lit("S12"))).otherwise(F.col("flags"))
    return rows.withColumn("flags", marked).drop("is_listed", "has_registry")


SESSION_FACT_COLUMNS = (
    "session_id", "charge_point_id", "connector_id", "provider_id", "authority_id", "stream_id", "started_at",
    "ended_at", "start_date", "duration_seconds", "energy_kwh", "revenue", "currency", "flags", "rated_power_kw",
    "record_kind", "arrival_date", "is_counted",
)  # fmt: skip


def _neighbourhood(accepted: DataFrame, in_window: Column) -> DataFrame:
    """The window's rows, and all that decide about them: same ids, or at the same charge point meanwhile."""
    members = accepted.select(
        "provider_id", "session_id", "start_date", F.explode(F.array(*_LINKS)).alias("linked_id")
    ).where(F.col("linked_id").isNotNull())
    ids = members.where(in_window).select("provider_id", "linked_id").distinct()
    # A rival of a linked row may be known by its own id only: two steps reach session → CDR → credit.
    for _ in range(2):
        owners = members.join(ids, ["provider_id", "linked_id"], "left_semi").select("provider_id", "session_id")
        ids = members.join(owners.distinct(), ["provider_id", "session_id"], "left_semi")
        ids = ids.select("provider_id", "linked_id").distinct()
    linked = ids.withColumnRenamed("linked_id", "session_id").withColumn("is_linked", F.lit(True))
    window = accepted.where(in_window)
    span = window.groupBy("charge_point_id").agg(F.min("started_at").alias("first"), F.max("ended_at").alias("last"))
    marked = accepted.join(linked, ["provider_id", "session_id"], "left").join(span, "charge_point_id", "left")
    # `<=` keeps too much rather than too little: `resolve` decides who overlaps.
    meanwhile = (F.col("started_at") <= F.col("last")) & (F.col("ended_at") >= F.col("first"))
    keep = in_window | F.coalesce(F.col("is_linked"), F.lit(False)) | F.coalesce(meanwhile, F.lit(False))
    return marked.where(keep).select(*accepted.columns)


def resolve(rows: DataFrame, checkpoint: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Adds `outcome` to accepted rows and completes `flags`. Needs all rows of each id given.

    Billing and credits each look at the rows several times, so what comes before is written down once.
    """
    return _flagged(_credited(checkpoint(_billed(checkpoint(_versioned(told_apart(rows)))))))


def told_apart(rows: DataFrame) -> DataFrame:
    """Adds `id_reused`, and `told_by`: what identifies a session beside its id (numbers.md 3, S16).

    An id of which rows stand at two charge points, or with starts more than 24 h apart, does not identify: then charge
    point, connector and start do. Nor does a long number of which a spreadsheet kept the first digits (`8.9E+15`): of
    it, starts that differ at all are sessions. Needs all rows of each id given, open ones too.
    """
    same_id = Window.partitionBy(*_RECORD)
    point, start = F.col("charge_point_id"), F.unix_micros("started_at")
    apart_for = F.max(start).over(same_id) - F.min(start).over(same_id)
    is_rounded = F.col("session_id").rlike(_ROUNDED) & (apart_for > 0)
    reused = (F.min(point).over(same_id) != F.max(point).over(same_id)) | (apart_for > _DAY_MICROS) | is_rounded
    apart = F.concat_ws("|", point, F.coalesce("connector_id", F.lit("~")), start.cast("string"))
    rows = rows.withColumn("id_reused", F.coalesce(reused, F.lit(False)))
    return rows.withColumn("told_by", F.when(F.col("id_reused"), apart).otherwise(""))


def _newest_first() -> list[Column]:
    """A total order, so that no engine's or folder's order decides: the newest word wins, then the last arrival."""
    return [
        F.col("last_updated").desc_nulls_last(), F.col("arrival_date").desc(), F.col("arrived_at").desc(),
        F.col("source_file").desc(), F.col("source_line").desc(),
    ]  # fmt: skip


def _versioned(rows: DataFrame) -> DataFrame:
    """Equal content again is a duplicate; of different versions of one session, all but the newest are superseded."""
    copies = Window.partitionBy(*_SESSION, "content_hash").orderBy(*_newest_first())
    ranked = rows.withColumn("copy", F.row_number().over(copies))
    # Copies rank behind all firsts, so that the newest first is number 1.
    versions = Window.partitionBy(*_SESSION).orderBy((F.col("copy") > 1).cast("int"), *_newest_first())
    return ranked.withColumn("version", F.row_number().over(versions)).withColumn(
        "outcome",
        F.when(F.col("copy") > 1, "duplicates").when(F.col("version") > 1, "superseded").otherwise("in_facts"),
    )


def _billed(rows: DataFrame) -> DataFrame:
    """A Session whose CDR is there is superseded by it (OCPI: CDR.session_id); what is still open is open.

    As ids may be reused, the two must agree on the charge point, and on the start within 24 h. A CDR that finds its
    id and no Session that agrees is `linked_apart`: it still bills a Session that starts within 24 h and whose id no
    other has, as some feeds name one point by two ids; else the Session is marked too, and both stay.
    """
    no = F.lit(False)
    current = F.col("outcome") == "in_facts"
    bill = [f"bill_{name}" for name in (*_SESSION, "charge_point_id")]
    bills = rows.where(current & (F.col("record_kind") == "cdr") & F.col("cdr_session_id").isNotNull()).select(
        *(F.col(name.removeprefix("bill_")).alias(name) for name in bill),
        "provider_id", F.col("cdr_session_id").alias("session_id"), F.col("started_at").alias("at"),
        F.col("credit").alias("is_refund"),
    )  # fmt: skip
    sessions = rows.where(current & (F.col("record_kind") == "session"))
    pairs = sessions.select(*_SESSION, "charge_point_id", "started_at", "id_reused").join(
        bills, ["provider_id", "session_id"]
    )
    pairs = pairs.withColumn("agrees", (F.col("charge_point_id") == F.col("bill_charge_point_id")) & _within_a_day())
    found = F.max(F.col("agrees").cast("int")).over(Window.partitionBy(*bill)) == 1
    pairs = pairs.withColumn("is_found", found).withColumn(
        "bills", F.col("agrees") | (~F.col("is_found") & ~F.col("id_reused") & _within_a_day())
    )
    apart = ~F.col("is_found") & ~F.col("is_refund")
    billed = pairs.groupBy(*_SESSION).agg(_any(F.col("bills")).alias("billed"), _any(apart).alias("linked_apart"))
    bearers = pairs.where(apart).select(*(F.col(f"bill_{name}").alias(name) for name in _SESSION)).distinct()
    marks = billed.unionByName(bearers.select("*", no.alias("billed"), F.lit(True).alias("linked_apart")))
    joined = rows.join(marks, [*_SESSION], "left").withColumn("linked_apart", F.coalesce("linked_apart", no))
    return joined.withColumn(
        "outcome",
        F.when(current & F.coalesce("billed", no), "superseded")
        .when(current & F.col("is_open"), "open")
        .otherwise(F.col("outcome")),
    ).drop("billed")


def _any(condition: Column) -> Column:
    return F.max(condition.cast("int")) == 1


def _within_a_day() -> Column:
    return F.abs(F.unix_micros("started_at") - F.unix_micros("at")) <= _DAY_MICROS


def _credited(rows: DataFrame) -> DataFrame:
    """Marks credit CDRs, what they credit, and credits without an original.

    The two agree on the charge point; where the original's id is reused, on the start within 24 h too.
    """
    here = rows.where(F.col("outcome") == "in_facts")
    credits = here.where(F.col("credit")).select(
        *(F.col(name).alias(f"credit_{name}") for name in _SESSION),
        "provider_id", "charge_point_id", F.col("credit_reference_id").alias("session_id"),
        F.col("started_at").alias("at"),
    )  # fmt: skip
    pairs = here.where(~F.col("credit")).join(credits, ["provider_id", "charge_point_id", "session_id"])
    pairs = pairs.where(~F.col("id_reused") | _within_a_day())
    originals = pairs.select(*_SESSION, F.lit(True).alias("is_credited")).distinct()
    owners = pairs.select(
        *(F.col(f"credit_{name}").alias(name) for name in _SESSION), F.lit(True).alias("has_original")
    )
    return rows.join(originals, [*_SESSION], "left").join(owners.distinct(), [*_SESSION], "left")


def _flagged(rows: DataFrame) -> DataFrame:
    """Adds the flags that look at other rows or at the record's own status; S11 last, among what is counted."""
    no = F.lit(False)
    is_credited = F.coalesce(F.col("is_credited"), no) & ~F.col("credit")
    orphan = F.col("credit") & ~F.coalesce(F.col("has_original"), no)
    counts = (
        (F.col("outcome") == "in_facts")
        & ~F.col("credit")
        & ~is_credited
        & ~F.col("status").isin("INVALID", "RESERVATION")
    )
    # Said once: the statistics, the audit and the marts read it.
    rows = rows.withColumn("is_counted", counts)
    # By connector and start: a session overlaps if an earlier one still runs, or the next one starts before its end.
    connector = Window.partitionBy("charge_point_id", "connector_id", "is_counted").orderBy(
        "started_at", "ended_at", "provider_id", "session_id", "record_kind"
    )
    before = F.max("ended_at").over(connector.rowsBetween(Window.unboundedPreceding, -1))
    after = F.lead("started_at").over(connector)
    overlaps = F.col("is_counted") & (
        F.coalesce(before > F.col("started_at"), no) | F.coalesce(after < F.col("ended_at"), no)
    )
    words = [
        (F.col("credit"), "credit"), (is_credited, "credited"), (orphan, "credit_without_original"),
        (F.col("status") == "INVALID", "invalid"), (F.col("status") == "RESERVATION", "reservation"),
        (overlaps, "S11"), (F.col("id_reused") | F.col("linked_apart"), "id_reused"),
    ]  # fmt: skip
    found = F.filter(F.array(*(F.when(condition, word) for condition, word in words)), lambda word: word.isNotNull())
    return rows.withColumn("flags", F.concat("flags", found)).drop(
        "is_credited", "has_original", "told_by", "linked_apart"
    )


def session_day(session: DataFrame) -> DataFrame:
    """Statistics per charge point, local start date and currency. Zero-energy sessions are out of energy's minimum.

    Args:
        session: rows with the columns of `facts.charging_session`.
    """
    counted = session.where("is_counted")
    failed = F.col("energy_kwh") == 0
    with_energy = F.when(~failed, F.col("energy_kwh"))
    return counted.groupBy(*_DAY).agg(
        F.count(F.lit(1)).alias("session_count"),
        _count(failed).alias("failed_session_count"),
        F.min("duration_seconds").alias("duration_seconds_min"),
        F.max("duration_seconds").alias("duration_seconds_max"),
        F.sum("duration_seconds").cast("decimal(24,6)").alias("duration_seconds_total"),
        F.min(with_energy).alias("energy_kwh_min"),
        F.max(with_energy).alias("energy_kwh_max"),
        F.sum("energy_kwh").cast("decimal(18,4)").alias("energy_kwh_total"),
        F.count("revenue").alias("revenue_count"),
        F.min("revenue").alias("revenue_min"),
        F.max("revenue").alias("revenue_max"),
        F.sum("revenue").cast("decimal(18,4)").alias("revenue_total"),
    )


def _count(condition: Column) -> Column:
    return F.sum(F.when(condition, 1).otherwise(0)).cast("bigint")


def named_ids(reused: Sequence[Mapping[str, Any]]) -> str:
    """The first few ids that are none, as words: how often each stands, and at which charge points.

    Args:
        reused: `session_id`, `count` and `points`, a list of charge points, of each id.
    """

    def where(points: Sequence[str]) -> str:
        return ", ".join(points[:SHOWN]) + (f" and {len(points) - SHOWN} more" if len(points) > SHOWN else "")

    return "; ".join(f"{row['session_id']!r} {row['count']} times at {where(row['points'])}" for row in reused[:SHOWN])
