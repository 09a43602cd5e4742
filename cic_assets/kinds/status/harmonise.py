"""Feed → common model of states. Pure Spark: no files, no Dagster. What is erroneous: `ingest/judge.py`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import chain
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cic_assets.kinds.common import (
    OWNERS_READ,
    PROVENANCE,
    audited,
    flag_of,
    given,
    id_of,
    instant_of,
    names_of_point,
    owned,
    owners_given,
    presence,
    said_owners,
    text_of,
    timed,
)
from cic_assets.kinds.status.stream import StatusStream

# The word of a record that has none; no map may know it, so it is flagged like any other unknown word.
NO_WORD = "(none)"
# Column of a stream file → column that is null where it was not read.
_VALUES = {
    **OWNERS_READ,
    **{f"{edge}_{way}": f"{edge}_at" for edge in ("changed", "confirmed") for way in ("local", "at")},
    "covers_until": "covers_given",
    "invalid": "invalid_given",
    "connector_id": "connector_given",
}


def harmonise(records: DataFrame, stream: StatusStream) -> DataFrame:
    """States of the common model, one per decoded record, with what the judge needs to see.

    Args:
        records: as `kinds/common.py:given` takes them.
        stream: whose expressions, vocabulary and zone apply.

    Returns:
        Provenance; `event_at`, since when the state holds; `confirmed_at`, the poll's time, null where the feed has
        none; `source_status`, `mapped_state` (null for an unknown word) and `state`; the mark `dst`.
    """
    frame = given(records, stream).select(
        *PROVENANCE,
        *presence(stream),
        *names_of_point(),
        *owners_given(stream),
        id_of("connector_id").alias("connector_given"),
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
            "heard_at": F.coalesce("confirmed_at", "changed_at"),
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
    return owned(audited(_with_two_places(frame, stream), stream, _VALUES), stream)


def _with_two_places(frame: DataFrame, stream: StatusStream) -> DataFrame:
    """Adds `two_places`: one delivery of a polled feed lists the connector at one moment in two ways (E08).

    Files that arrived at one moment are one delivery: the pages of a response.
    """
    if not stream.is_polled:
        return frame.withColumn("two_places", F.lit(False))
    # What is rejected anyway contradicts nothing.
    is_said = (
        F.col("charge_point").isNotNull() & F.col("event_at").isNotNull() & ~F.col("marked_invalid") & ~F.col("skipped")
    )
    names = ("arrived_at", *said_owners(stream), "charge_point", "connector_id", "heard_at")
    edges = {f"{edge}_{name}": function(name) for name in ("state", "event_at") for edge, function in _EDGES.items()}
    once = frame.where(is_said).groupBy(*names).agg(*(column.alias(name) for name, column in edges.items()))
    differs = (F.col("first_state") != F.col("last_state")) | (F.col("first_event_at") != F.col("last_event_at"))
    # Few or none, so that they are looked up: a window carried all columns of all rows to their groups, which took 13
    # of the 18 CPU seconds of a million polls.
    twice = once.where(differs).select(*(F.col(name).alias(f"twice_{name}") for name in names))
    twice = F.broadcast(twice.withColumn("is_twice", F.lit(True)))
    same = reduce(and_, (F.col(f"twice_{name}") == F.col(name) for name in names))
    found = twice.join(frame, same, "right").withColumn(
        "two_places", F.coalesce(F.col("is_twice") & is_said, F.lit(False))
    )
    return found.select(*frame.columns, "two_places")


_EDGES = {"first": F.min, "last": F.max}


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
    """What accepted records say, as entries of a charge point's timeline; columns of `kinds/status/schema.py`.

    A record of a poll is a `poll` at the poll's time, which says since when the state holds; any other is an `event` at
    its instant. Which events polls give is decided on read, over all of them (`facts/status.py`).
    """
    is_poll = F.col("confirmed_at").isNotNull()
    return judged.withColumns(
        {
            "entry": F.when(is_poll, "poll").otherwise("event"),
            "at": F.coalesce("confirmed_at", "event_at"),
            "since_at": F.when(is_poll, F.col("event_at")),
        }
    ).withColumns(
        {
            "event_date": F.col("at").cast("date"),
            "status_date": F.from_utc_timestamp(F.col("at"), stream.zone).cast("date"),
        }
    )
