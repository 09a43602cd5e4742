"""Feed → common model of locations: which charge points there are. Pure Spark: no files, no Dagster."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cic_assets.harmonise.common import PROVENANCE, given, instant_of, names_of_point, number_of, owned, text_of
from cic_assets.streams.columns import KW_PER
from cic_assets.streams.model import LocationsStream
from cic_assets.streams.vocabulary import STATES

_DEGREES = T.DecimalType(9, 6)


def harmonise(records: DataFrame, stream: LocationsStream) -> DataFrame:
    """Charge points, or their connectors, one row per decoded record; a value that can't be read is null."""
    frame = given(records, stream).select(
        *PROVENANCE,
        *names_of_point(),
        F.coalesce(text_of("connector_id"), F.lit("")).alias("connector_id"),
        text_of("location_id").alias("location_id"),
        text_of("location_name").alias("location_name"),
        text_of("device_id").alias("device_id"),
        number_of("rated_power", KW_PER[stream.units.power]).alias("rated_power_kw"),
        text_of("latitude").try_cast(_DEGREES).alias("latitude"),
        text_of("longitude").try_cast(_DEGREES).alias("longitude"),
        F.when(_status().isin(*STATES), _status()).alias("status"),
        F.coalesce(instant_of("valid_from"), F.col("arrived_at")).alias("valid_from"),
    )
    frame = frame.withColumn("two_places", _is_at_two_places())
    return owned(frame.withColumn("event_date", F.col("valid_from").cast("date")), stream)


def _status() -> Column:
    return F.upper(text_of("status"))


def _is_at_two_places() -> Column:
    """E08: rows of one file about one charge point and time name two sites. A later time is a move."""
    same = Window.partitionBy("arrival_date", "source_file", "arrived_at", "charge_point", "valid_from")
    differ = F.min("location_id").over(same) != F.max("location_id").over(same)
    return F.coalesce(differ & F.col("charge_point").isNotNull(), F.lit(False))
