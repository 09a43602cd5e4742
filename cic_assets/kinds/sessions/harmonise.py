"""Feed → common model of sessions. Pure Spark: no files, no Dagster. What is erroneous: `ingest/judge.py`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cic_assets.kinds.columns import KW_PER, KWH_PER, SECONDS_PER
from cic_assets.kinds.common import (
    HOUR_MICROS,
    OWNERS_READ,
    PROVENANCE,
    TOTAL,
    audited,
    flag_of,
    given,
    id_of,
    instant_of,
    names_of_point,
    number_of,
    owned,
    owners_given,
    presence,
    seconds_of,
    text_of,
    timed,
    zone_of,
)
from cic_assets.kinds.identity import EMI3, SEPARATORS
from cic_assets.kinds.sessions.stream import NO_ID, SessionsStream

OPEN_STATUSES = ("ACTIVE", "PENDING")
AMOUNT = "decimal(12,4)"
RECORD_KINDS = ("session", "cdr")
# Column of a stream file → column that is null where it was not read.
_VALUES = {
    **OWNERS_READ,
    **{f"started_{way}": "started_at" for way in ("local", "at")},
    # Not the end that a duration gives.
    **{f"ended_{way}": "ended_given" for way in ("local", "at")},
    "duration": "duration_given",
    "energy": "energy_kwh",
    "cost": "cost",
    "currency": "currency",
    "rated_power": "rated_power_kw",
    "charging_seconds": "charging_seconds",
    "status": "status_given",
    "record_kind": "record_kind_given",
    "credit": "credit_given",
    "last_updated": "last_updated",
    "session_id": "given_id",
    "connector_id": "connector_id",
    "cdr_session_id": "cdr_session_id",
    "credit_reference_id": "credit_reference_id",
}
MINUTE_MICROS, SECOND_MICROS = 60_000_000, 1_000_000


def harmonise(records: DataFrame, stream: SessionsStream) -> DataFrame:
    """Sessions of the common model, one per decoded record, with what the judge needs to see.

    Args:
        records: as `kinds/common.py:given` takes them.
        stream: whose expressions, zone, units and repairs apply.

    Returns:
        Provenance, the common model in kWh, kW and UTC instants, and the marks `day_month_swapped`, `dst`, `is_open`.
        A value that can't be read is null; nothing is dropped.
    """
    typed = _without_totals(_typed(given(records, stream), stream))
    return _identified(_timed(typed, stream), stream)


def _without_totals(typed: DataFrame) -> DataFrame:
    """The row of a total, by its charge point or its id, has no charge point; some span the whole month."""
    is_total = [F.coalesce(F.lower(name).rlike(TOTAL), F.lit(False)) for name in ("charge_point", "given_id")]
    return typed.withColumn("charge_point", F.when(~(is_total[0] | is_total[1]), F.col("charge_point")))


def _typed(records: DataFrame, stream: SessionsStream) -> DataFrame:
    # One word that no vocabulary knows counts as the usual one, and is flagged (U01).
    said = F.try_element_at(_pairs(stream.vocabulary.statuses), F.upper(text_of("status")))
    status = F.coalesce(said, F.lit("COMPLETED"))
    kind, currency = F.lower(text_of("record_kind")), F.upper(text_of("currency"))
    kind = F.when(kind.isin(*RECORD_KINDS), kind)
    credit = flag_of("credit")
    cost = number_of("cost")
    if stream.vat_basis == "included":
        # One division per row, as a double rounded half-up: engines cut or round the last digit of a decimal's.
        ratio = 1 + (stream.vat_rate or 0)
        revenue = F.round(cost.cast("double") / F.lit(ratio), 4).cast(AMOUNT)
    else:
        revenue = cost
    return records.select(
        *PROVENANCE,
        *presence(stream),
        id_of("session_id").alias("given_id"),
        *names_of_point(),
        *owners_given(stream),
        id_of("connector_id").alias("connector_id"),
        *(
            f"{edge}_{way}_{sort}"
            for edge in ("started", "ended")
            for way in ("local", "at")
            for sort in ("instant", "wall")
        ),
        seconds_of("duration", SECONDS_PER[stream.units.duration]).alias("duration_given"),
        number_of("energy", KWH_PER[stream.units.energy]).alias("energy_kwh"),
        cost.alias("cost"),
        revenue.alias("revenue"),
        F.when(currency.rlike("^[A-Z]{3}$"), currency).alias("currency"),
        number_of("rated_power", KW_PER[stream.units.power]).alias("rated_power_kw"),
        seconds_of("charging_seconds").alias("charging_seconds"),
        said.alias("status_given"),
        status.alias("status"),
        status.isin(*OPEN_STATUSES).alias("is_open"),
        kind.alias("record_kind_given"),
        F.coalesce(kind, F.lit("session")).alias("record_kind"),
        id_of("cdr_session_id").alias("cdr_session_id"),
        credit.alias("credit_given"),
        F.coalesce(credit, F.lit(False)).alias("credit"),
        id_of("credit_reference_id").alias("credit_reference_id"),
        instant_of("last_updated").alias("last_updated"),
    )


def _pairs(words: Mapping[str, str]) -> Column:
    return F.create_map(*(F.lit(text) for text in chain.from_iterable(words.items())))


def _timed(typed: DataFrame, stream: SessionsStream) -> DataFrame:
    """Adds the instants, and says how they came about."""
    frame = typed
    for edge in ("started", "ended"):
        if f"{edge}_local" in stream.columns:
            frame = _from_wall(frame, edge, stream)
        else:
            nothing = F.lit(None).cast("timestamp")
            frame = frame.withColumns(
                {
                    f"{edge}_at": instant_of(f"{edge}_at"),
                    f"{edge}_wall_given": nothing,
                    f"{edge}_wall": nothing,
                    f"{edge}_twice": F.lit(False),
                    f"{edge}_shifted": F.lit(False),
                }
            )
    # The first reading of an hour that occurs twice may put the end before the start; then the second one holds.
    second = F.timestamp_micros(F.unix_micros("ended_at") + HOUR_MICROS)
    late = F.col("ended_twice") & (F.col("ended_at") <= F.col("started_at")) & (second > F.col("started_at"))
    twice, shifted = (F.col(f"started_{how}") | F.col(f"ended_{how}") for how in ("twice", "shifted"))
    frame = frame.withColumns(
        {
            "ended_at": F.when(late, second).otherwise(F.col("ended_at")),
            "dst_twice": F.coalesce(twice, F.lit(False)),
            "dst_shifted": F.coalesce(shifted, F.lit(False)),
            "day_month_swapped": ~(
                F.col("started_wall").eqNullSafe(F.col("started_wall_given"))
                & F.col("ended_wall").eqNullSafe(F.col("ended_wall_given"))
            ),
        }
    )
    return _lasting(frame, stream).withColumn("dst", F.col("dst_twice") | F.col("dst_shifted"))


def _lasting(frame: DataFrame, stream: SessionsStream) -> DataFrame:
    """The end by the feed's own duration, where it has one and its end does not say otherwise.

    Start and end of a feed that shows minutes can share one, while its duration knows 33 seconds. `clock_step_micros`
    is how coarse the feed's clock is: what is shorter than that tells nothing.
    """
    minutes = (F.unix_micros("started_at") % MINUTE_MICROS == 0) & (F.unix_micros("ended_at") % MINUTE_MICROS == 0)
    step = F.when(minutes, F.lit(MINUTE_MICROS)).otherwise(F.lit(SECOND_MICROS)).cast("bigint")
    frame = frame.withColumns({"clock_step_micros": step, "ended_given": F.col("ended_at")})
    if "duration" not in stream.columns:
        return frame
    lasted = (F.col("duration_given") * SECOND_MICROS).cast("bigint")
    by_duration = F.unix_micros("started_at") + lasted
    off = F.unix_micros("ended_at") - by_duration
    coarse = F.when(F.unix_micros("ended_at") % MINUTE_MICROS == 0, MINUTE_MICROS).otherwise(SECOND_MICROS)
    # Of an end in the hour that occurs twice, the duration knows which one it was.
    agrees = (F.abs(off) < coarse) | (F.col("ended_twice") & (F.abs(F.abs(off) - HOUR_MICROS) < coarse))
    # What still runs has no end, whatever it lasted so far.
    ends = F.when(
        ~F.col("is_open") & (F.col("ended_at").isNull() | (agrees & (lasted >= 0))), F.timestamp_micros(by_duration)
    )
    return frame.withColumn("ended_at", F.coalesce(ends, "ended_at"))


def _from_wall(frame: DataFrame, edge: str, stream: SessionsStream) -> DataFrame:
    given_wall, instant = F.col(f"{edge}_local_wall"), F.col(f"{edge}_local_instant")
    frame = frame.withColumn(
        f"{edge}_wall_given", F.coalesce(given_wall, F.from_utc_timestamp(instant, zone_of(stream)))
    ).withColumn(f"{edge}_wall", _repaired(F.col(f"{edge}_wall_given"), stream))
    # An offset in the text tells the instant, unless day and month were exchanged beside it.
    is_instant = F.col(f"{edge}_wall") == F.col(f"{edge}_wall_given")
    return timed(frame.withColumn(f"{edge}_instant", F.when(is_instant, instant)), edge, zone_of(stream))


def _repaired(wall: Column, stream: SessionsStream) -> Column:
    """S15: day and month exchanged wherever both readings exist, in the declared files or in those that show it."""
    if stream.date_repair is None:
        return wall
    declared = F.col("shows_swap") if stream.date_repair.auto else F.lit(False)
    for pattern in stream.date_repair.files:
        declared = declared | F.col("source_file").like(_like(pattern))
    return F.when(declared & (F.dayofmonth(wall) <= 12), swap_day_month(wall)).otherwise(wall)


def swap_day_month(wall: Column) -> Column:
    """The timestamp whose day is the month and whose month is the day; only for days up to 12."""
    day = F.make_date(F.year(wall), F.least(F.dayofmonth(wall), F.lit(12)), F.month(wall)).cast("timestamp")
    return F.timestamp_micros(F.unix_micros(day) + F.unix_micros(wall) - F.unix_micros(F.date_trunc("day", wall)))


def _like(pattern: str) -> str:
    """A shell pattern as LIKE; the model refuses brackets, as LIKE has none."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def _identified(frame: DataFrame, stream: SessionsStream) -> DataFrame:
    """Adds ids, local date, durations and the hash by which equal records are known: equal as sent, and as read."""
    content = (
        "content", "given_id", "charge_point", "connector_id", "started_at", "ended_at", "energy_kwh", "cost",
        "currency", "rated_power_kw", "charging_seconds", "status", "record_kind", "cdr_session_id", "credit",
        "credit_reference_id", "last_updated",
    )  # fmt: skip
    text = F.concat_ws("|", *(F.coalesce(F.col(name).cast("string"), F.lit("~")) for name in content))
    micros = F.unix_micros("ended_at") - F.unix_micros("started_at")
    an_hour_more = F.when(F.col("dst_twice"), micros + HOUR_MICROS).otherwise(micros)
    wall_micros = F.coalesce(F.unix_micros("ended_wall") - F.unix_micros("started_wall"), micros)
    return (
        audited(owned(frame, stream), stream, _VALUES)
        .withColumns(
            {
                "content_hash": F.sha2(text, 256),
                "start_date": F.from_utc_timestamp(F.col("started_at"), zone_of(stream)).cast("date"),
                "event_date": F.col("started_at").cast("date"),
                "duration_micros": micros,
                # What a naive reader of the feed computes; studies on such files used it (rule set academic).
                "wall_micros": wall_micros,
                # The longest reading of the feed's clock: nobody is accused of what its change may explain.
                "longest_micros": F.greatest(micros, wall_micros, an_hour_more),
                "charging_micros": (F.col("charging_seconds") * 1_000_000).cast("bigint"),
            }
        )
        .withColumns(
            {
                "session_id": _session_id(stream),
                "duration_seconds": F.col("duration_micros").cast("decimal(18,0)")
                * F.lit("0.000001").cast("decimal(7,6)"),
            }
        )
    )


def _key(name: str) -> Column:
    """What `kinds/identity.py:key` makes of an id."""
    upper = F.upper(name)
    return F.when(upper.rlike(EMI3), F.translate(upper, SEPARATORS, "")).otherwise(upper)


def _session_id(stream: SessionsStream) -> Column:
    """The feed's id; of a stream whose ids are none, what identifies instead; else the content."""
    if stream.session_id != NO_ID:
        return F.coalesce(F.col("given_id"), F.substring("content_hash", 1, 32))
    start = F.unix_micros("started_at").cast("string")
    text = F.concat_ws("|", _key("charge_point"), F.coalesce("connector_id", F.lit("~")), start)
    return F.substring(F.sha2(text, 256), 1, 32)
