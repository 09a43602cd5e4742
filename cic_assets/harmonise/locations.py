"""Feed → common model of locations: which charge points there are. Pure Spark: no files, no Dagster."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cic_assets.harmonise.common import (
    PROVENANCE,
    audited,
    given,
    id_of,
    instant_of,
    names_of_point,
    number_of,
    owned,
    presence,
    text_of,
)
from cic_assets.streams.columns import KW_PER
from cic_assets.streams.model import LocationsStream

_DEGREES = "decimal(9,6)"
# Column of a stream file → column that is null where it was not read.
_VALUES = {
    "rated_power": "rated_power_kw",
    "latitude": "latitude",
    "longitude": "longitude",
    "valid_from": "valid_from_given",
}


def harmonise(records: DataFrame, stream: LocationsStream) -> DataFrame:
    """Charge points, or their connectors, one row per decoded record; a value that can't be read is null."""
    wall = F.to_utc_timestamp(F.col("valid_from_wall"), stream.zone)
    frame = given(records, stream).select(
        *PROVENANCE,
        *presence(stream),
        *names_of_point(),
        F.coalesce(id_of("connector_id"), F.lit("")).alias("connector_id"),
        id_of("location_id").alias("location_id"),
        text_of("location_name").alias("location_name"),
        F.coalesce(id_of("device_id"), names_of_point()[0]).alias("device_id"),
        number_of("rated_power", KW_PER[stream.units.power]).alias("rated_power_kw"),
        number_of("latitude", kind=_DEGREES).alias("latitude"),
        number_of("longitude", kind=_DEGREES).alias("longitude"),
        F.coalesce(instant_of("valid_from"), wall).alias("valid_from_given"),
    )
    frame = frame.withColumn("valid_from", F.coalesce("valid_from_given", "arrived_at"))
    return owned(audited(frame.withColumn("event_date", F.col("valid_from").cast("date")), stream, _VALUES), stream)
