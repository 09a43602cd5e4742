"""Feed → common model of states. Pure Spark: no files, no Dagster. What is erroneous: `quality/judge.py`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from cic_assets.harmonise.common import PROVENANCE, from_wall, given, instant_of, names_of_point, owned, text_of
from cic_assets.streams.model import StatusStream

# The word of a record that has none; no map may know it, so it is flagged like any other unknown word.
NO_WORD = "(none)"


def harmonise(records: DataFrame, stream: StatusStream) -> DataFrame:
    """States of the common model, one per decoded record, with what the judge needs to see.

    Args:
        records: as `harmonise/common.py:given` takes them.
        stream: whose expressions, vocabulary and zone apply.

    Returns:
        Provenance; `event_at`, since when the state holds; `confirmed_at`, the poll's time, null where the feed has
        none; `source_status`, `mapped_state` (null for an unknown word) and `state`; the mark `dst`.
    """
    frame = given(records, stream).select(
        *PROVENANCE,
        *names_of_point(),
        F.coalesce(text_of("connector_id"), F.lit("")).alias("connector_id"),
        F.coalesce(text_of("status"), F.lit(NO_WORD)).alias("source_status"),
        *(F.col(f"given_{edge}_{way}") for edge in ("changed", "confirmed") for way in ("local", "at")),
        instant_of("covers_until").alias("covers_until"),
        F.coalesce(text_of("invalid").try_cast(T.BooleanType()), F.lit(False)).alias("marked_invalid"),
    )
    for edge in ("changed", "confirmed"):
        frame = _timed(frame, edge, stream)
    mapped = _mapped(F.upper("source_status"), stream.vocabulary.states)
    confirms = any(f"confirmed_{way}" in stream.columns for way in ("local", "at"))
    frame = frame.withColumns(
        {
            "event_at": F.col("changed_at"),
            "heard_at": F.greatest("changed_at", "confirmed_at"),
            "confirms": F.lit(confirms),
            "mapped_state": mapped,
            "dst_twice": F.col("changed_twice") | F.col("confirmed_twice"),
            "dst_shifted": F.col("changed_shifted") | F.col("confirmed_shifted"),
        }
    ).withColumns(
        {
            "state": F.coalesce(F.col("mapped_state"), F.lit("UNKNOWN")),
            "two_places": F.lit(False),
            "dst": F.col("dst_twice") | F.col("dst_shifted"),
            # A promise about what has not happened yet covers nothing.
            "covers_until": F.when(F.col("covers_until").isNotNull(), F.least("covers_until", "arrived_at")),
        }
    )
    return owned(frame, stream)


def _mapped(word: Column, states: Mapping[str, str]) -> Column:
    pairs = F.create_map(*(F.lit(text) for text in chain.from_iterable(states.items())))
    return F.try_element_at(pairs, word)


def _timed(frame: DataFrame, edge: str, stream: StatusStream) -> DataFrame:
    if f"{edge}_local" in stream.columns:
        return from_wall(frame.withColumn(f"{edge}_wall", instant_of(f"{edge}_local")), edge, stream.zone)
    return frame.withColumns(
        {f"{edge}_at": instant_of(f"{edge}_at"), f"{edge}_twice": F.lit(False), f"{edge}_shifted": F.lit(False)}
    )


def entries(judged: DataFrame, stream: StatusStream) -> DataFrame:
    """What accepted records say, as entries of a charge point's timeline; columns of `lake.tables.ACCEPTED_STATUS`.

    A record is an event at `event_at` and, where it comes from a poll, a confirmation at the poll's time. Each stands
    under its own date, so that a day is read without looking at all later polls. Polls that repeat an old event give
    that event once per arrival. `is_record` marks the one entry by which a record is counted.
    """
    is_poll = F.col("confirmed_at").isNotNull()
    events = judged.withColumns({"entry": F.lit("event"), "at": F.col("event_at"), "is_record": ~is_poll})
    newest = Window.partitionBy("arrival_date", "charge_point_id", "connector_id", "event_at", "state").orderBy(
        F.col("arrived_at").desc(), F.col("source_file").desc(), F.col("source_line").desc()
    )
    repeated = events.where(is_poll).withColumn("copy", F.row_number().over(newest)).where("copy = 1").drop("copy")
    polls = judged.where(is_poll).withColumns(
        {"entry": F.lit("confirmation"), "at": F.col("confirmed_at"), "is_record": F.lit(True)}
    )
    rows = events.where(~is_poll).unionByName(repeated).unionByName(polls)
    return rows.withColumns(
        {
            "event_date": F.col("at").cast("date"),
            "status_date": F.from_utc_timestamp(F.col("at"), stream.zone).cast("date"),
        }
    )
