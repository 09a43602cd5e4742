"""Which charge points there are: the registry, and how many of them were registered, heard from and online in a month.

Pure Spark: no files, no warehouse, no Dagster. DEFINITIONS 2, Charge points in a month.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

REGISTRY_COLUMNS = (
    "charge_point_id", "provider_id", "authority_id", "stream_id", "location_id", "location_name", "device_id",
    "rated_power_kw", "latitude", "longitude", "valid_from", "valid_to",
)  # fmt: skip
# Half-open classes of rated power in kW (DEFINITIONS 2); the classes of `dim_charge_point` are the same.
POWER_CLASSES = ((8, "0-8"), (50, "8-50"), (150, "50-150"))
STRONGEST = "150+"
UNRATED = "unknown"


def registry(locations: DataFrame) -> DataFrame:
    """The registry with its history, from accepted locations rows of all arrivals; columns of `facts.charge_point`.

    The strongest connector rates a charge point. A charge point's rows that say the same one after the other are one
    version; several words about one instant are decided by the last arrival.
    """
    said = ("provider_id", "authority_id", "location_id", "location_name", "device_id", "latitude", "longitude")
    key = ("charge_point_id", "valid_from", "arrived_at", "stream_id")
    versions = locations.groupBy(*key).agg(
        *(F.max_by(name, F.struct("source_file", "source_line")).alias(name) for name in said),
        F.max("rated_power_kw").alias("rated_power_kw"),
    )
    newest = Window.partitionBy("charge_point_id", "valid_from").orderBy(F.desc("arrived_at"), F.desc("stream_id"))
    one = versions.withColumn("rank", F.row_number().over(newest)).where("rank = 1")
    history = Window.partitionBy("charge_point_id").orderBy("valid_from")
    content = F.concat_ws(
        "|", *(F.coalesce(F.col(name).cast("string"), F.lit("~")) for name in (*said, "rated_power_kw"))
    )
    changed = (
        one.withColumn("content", content)
        .withColumn("before", F.lag("content").over(history))
        .where(F.col("before").isNull() | (F.col("before") != F.col("content")))
    )
    return changed.withColumn("valid_to", F.lead("valid_from").over(history)).select(*REGISTRY_COLUMNS)


def power_class(rated_kw: Column) -> Column:
    """The class of a rated power in kW; `unknown` where there is none."""
    found = F.when(rated_kw.isNull(), F.lit(UNRATED))
    for limit, name in POWER_CLASSES:
        found = found.when(rated_kw < limit, F.lit(name))
    return found.otherwise(F.lit(STRONGEST))


def charge_point_month(known: DataFrame, activity: DataFrame) -> DataFrame:
    """Counts per month, provider, authority and power class; columns of `facts.charge_point_month`.

    Args:
        known: one row per month and charge point in the registry at the month's end: month_date, charge_point_id,
            provider_id, authority_id, rated_power_kw.
        activity: one row per month and charge point that said anything: month_date, charge_point_id, provider_id,
            authority_id, rated_power_kw (as its sessions say), is_online.
    """
    listed = known.withColumns({"is_registered": F.lit(1), "is_heard": F.lit(0), "is_online": F.lit(0)})
    heard = activity.withColumns(
        {"is_registered": F.lit(0), "is_heard": F.lit(1), "is_online": F.col("is_online").cast("int")}
    )
    names = ("is_registered", "is_heard", "is_online")
    points = (
        listed.unionByName(heard)
        .groupBy("month_date", "charge_point_id")
        .agg(
            # What the registry says of a charge point holds over what its feeds say.
            *(
                F.coalesce(F.max(F.when(F.col("is_registered") == 1, F.col(name))), F.max(name)).alias(name)
                for name in ("provider_id", "authority_id", "rated_power_kw")
            ),
            *(F.max(name).alias(name) for name in names),
        )
    )
    return (
        points.withColumn("power_class", power_class(F.col("rated_power_kw")))
        .groupBy("month_date", "provider_id", "authority_id", "power_class")
        .agg(
            F.sum("is_registered").cast("bigint").alias("registered_count"),
            F.sum("is_heard").cast("bigint").alias("heard_from_count"),
            F.sum("is_online").cast("bigint").alias("online_count"),
        )
    )
