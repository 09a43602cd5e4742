"""Feed → common model of states. Pure Spark: no files, no Dagster. What is erroneous: `quality/judge.py`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from cic_assets.harmonise.common import (
    PROVENANCE,
    audited,
    charge_point_of,
    flag_of,
    given,
    id_of,
    instant_of,
    owned,
    presence,
    text_of,
    timed,
)
from cic_assets.streams.model import StatusStream

# The word of a record that has none; no map may know it, so it is flagged like any other unknown word.
NO_WORD = "(none)"
# Column of a stream file → column that is null where it was not read.
_VALUES = {
    **{f"{edge}_{way}": f"{edge}_at" for edge in ("changed", "confirmed") for way in ("local", "at")},
    "covers_until": "covers_given",
    "invalid": "invalid_given",
}


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
        *presence(stream),
        charge_point_of().alias("charge_point"),
        F.coalesce(id_of("connector_id"), F.lit("")).alias("connector_id"),
        F.coalesce(text_of("status"), F.lit(NO_WORD)).alias("source_status"),
        *(
            f"{edge}_{way}_{sort}"
            for edge in ("changed", "confirmed")
            for way in ("local", "at")
            for sort in ("instant", "wall")
        ),
        instant_of("covers_until").alias("covers_given"),
        flag_of("invalid").alias("invalid_given"),
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
            "marked_invalid": F.coalesce("invalid_given", F.lit(False)),
            "dst": F.col("dst_twice") | F.col("dst_shifted"),
            # A promise about what has not happened yet covers nothing.
            "covers_until": F.when(F.col("covers_given").isNotNull(), F.least("covers_given", "arrived_at")),
        }
    )
    return owned(audited(frame, stream, _VALUES), stream)


def _mapped(word: Column, states: Mapping[str, str]) -> Column:
    pairs = F.create_map(*(F.lit(text) for text in chain.from_iterable(states.items())))
    return F.try_element_at(pairs, word)


def _timed(frame: DataFrame, edge: str, stream: StatusStream) -> DataFrame:
    if f"{edge}_local" in stream.columns:
        names = {f"{edge}_wall": F.col(f"{edge}_local_wall"), f"{edge}_instant": F.col(f"{edge}_local_instant")}
        return timed(frame.withColumns(names), edge, stream.zone)
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
