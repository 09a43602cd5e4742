"""Feed → common model of tariffs: one row per price of an element. Pure Spark: no files, no Dagster."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cic_assets.kinds.common import (
    OWNERS_READ,
    PROVENANCE,
    audited,
    given,
    id_of,
    instant_of,
    number_of,
    owners_given,
    presence,
    said_owners,
    text_of,
)
from cic_assets.kinds.tariffs.rules import COMPONENTS
from cic_assets.kinds.tariffs.stream import TariffsStream

_NUMBERS = {
    "price": "price", "vat": "vat_pct", "step_size": "step_size", "min_kwh": "min_kwh", "max_kwh": "max_kwh",
    "min_current": "min_current", "max_current": "max_current", "min_power": "min_power_kw",
    "max_power": "max_power_kw", "min_duration": "min_duration_seconds", "max_duration": "max_duration_seconds",
    "min_price": "min_price", "max_price": "max_price",
}  # fmt: skip
_WORDS = ("tariff_type", "start_time", "end_time", "start_date", "end_date", "days", "reservation", "position")
# Column of a stream file → column that is null where it was not read.
_VALUES = {
    **OWNERS_READ, **_NUMBERS, "currency": "currency", "valid_from": "valid_from_given", "valid_to": "valid_to",
    "last_updated": "last_updated",
}  # fmt: skip


def harmonise(records: DataFrame, stream: TariffsStream) -> DataFrame:
    """Prices of tariffs, one row per decoded record, with what the judge needs to see.

    Args:
        records: as `kinds/common.py:given` takes them.
        stream: whose expressions and zone apply.

    Returns:
        Provenance and the common model; a value that can't be read is null.
    """
    since, until = (F.to_utc_timestamp(F.col(f"{name}_wall"), stream.zone) for name in ("valid_from", "valid_to"))
    updated = F.to_utc_timestamp(F.col("last_updated_wall"), stream.zone)
    frame = given(records, stream).select(
        *PROVENANCE,
        *presence(stream),
        *owners_given(stream),
        id_of("tariff_id").alias("tariff_said"),
        _code("currency").alias("currency"),
        _one_of("component", COMPONENTS).alias("component"),
        *(number_of(name).alias(column) for name, column in _NUMBERS.items()),
        *(text_of(name).alias(name) for name in _WORDS),
        F.coalesce(instant_of("valid_from"), since).alias("valid_from_given"),
        F.coalesce(instant_of("valid_to"), until).alias("valid_to"),
        F.coalesce(instant_of("last_updated"), updated).alias("last_updated"),
    )
    is_whose = F.lit(True)
    for name in said_owners(stream):
        is_whose = is_whose & F.col(name).isNotNull()
    provider, authority = (
        F.col(f"{name}_given") if name in stream.columns else F.lit(party.id)
        for name, party in (("provider", stream.provider), ("authority", stream.authority))
    )
    frame = frame.withColumns(
        {
            "tariff_id": F.when(is_whose, F.col("tariff_said")),
            "valid_from": F.coalesce("valid_from_given", "last_updated", "arrived_at"),
            "stream_id": F.lit(stream.id),
            "provider_id": provider,
            "authority_id": authority,
        }
    ).withColumn("event_date", F.col("valid_from").cast("date"))
    return audited(frame, stream, _VALUES)


def _code(name: str) -> Column:
    word = F.upper(text_of(name))
    return F.when(word.rlike("^[A-Z]{3}$"), word)


def _one_of(name: str, words: tuple[str, ...]) -> Column:
    word = F.upper(text_of(name))
    return F.when(word.isin(*words), word)
