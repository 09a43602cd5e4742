"""Which charge points there are: the registry, and how many of them were registered, heard from and online in a month.

Pure Spark: no files, no warehouse, no Dagster. numbers.md 2, Charge points in a month.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

REGISTRY_COLUMNS = (
    "charge_point_id", "charge_point_alias", "provider_id", "authority_id", "stream_id", "location_id",
    "location_name", "device_id", "rated_power_kw", "latitude", "longitude", "valid_from", "valid_to", "ended_at",
    "flags", "also_at", "sources", "tariff_ids",
)  # fmt: skip
# What rows say of a charge point, and of these what belongs to the site: another site's is not kept.
_OF_SITE = ("location_name", "latitude", "longitude")
_SAID = ("charge_point_alias", "location_id", "device_id", "rated_power_kw", "tariff_ids", *_OF_SITE)
_DELIVERY = ("charge_point_id", "valid_from", "arrived_at", "stream_id")
# E08.
TWO_PLACES = "two_places"


def registry(locations: DataFrame) -> DataFrame:
    """The registry with its history, from accepted locations rows of all arrivals; columns of `facts.charge_point`.

    Of a site's rows in one delivery, the strongest connector rates the charge point. Of two sites in one delivery, one
    holds, as a whole. What a delivery does not say, an earlier one may have said: each column keeps its last known
    value, and `sources` says whose. Several words about one instant are decided by the last arrival, and a charge
    point's rows that say the same one after the other are one version. `ended_at` is when the charge point was no more:
    the end that the last words about it say, or the time of those that call it REMOVED.
    """
    words = _one_site(_per_site(locations))
    known = _carried(words)
    newest = Window.partitionBy("charge_point_id", "valid_from").orderBy(F.desc("arrived_at"), F.desc("stream_id"))
    one = known.withColumn("rank", F.row_number().over(newest)).where("rank = 1")
    history = Window.partitionBy("charge_point_id").orderBy("valid_from")
    said = ("provider_id", "authority_id", *_SAID, "valid_to", "is_removed")
    text = [F.coalesce(F.col(name).cast("string"), F.lit("~")) for name in said]
    content = F.concat_ws("|", *text, F.concat_ws(",", "also_at"), F.concat_ws(",", "flags"))
    changed = (
        one.withColumn("content", content)
        .withColumn("before", F.lag("content").over(history))
        .where(F.col("before").isNull() | (F.col("before") != F.col("content")))
    )
    ended = F.least("valid_to", F.when(F.col("is_removed") == 1, F.col("valid_from")))
    whole = history.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    ends = changed.withColumn("ended", ended)
    return ends.withColumns(
        {
            "ended_at": F.least("ended", F.last("ended").over(whole)),
            "valid_to": F.lead("valid_from").over(history),
        }
    ).select(*REGISTRY_COLUMNS)


def _per_site(locations: DataFrame) -> DataFrame:
    """One row per delivery, charge point and site: its last words, and its strongest connector."""

    def last(name: str) -> Column:
        word = F.struct("source_file", "source_line", name)
        return F.max(F.when(F.col(name).isNotNull(), word)).getField(name).alias(name)

    names = [name for name in _SAID if name not in ("location_id", "rated_power_kw", "tariff_ids")]
    tariffs = F.array_sort(F.array_distinct(F.flatten(F.collect_list(F.split("tariff_ids", ",")))))
    return locations.groupBy(*_DELIVERY, "location_id").agg(
        *(last(name) for name in ("provider_id", "authority_id", *names)),
        F.max("rated_power_kw").alias("rated_power_kw"),
        # Of all its connectors.
        F.nullif(F.array_join(tariffs, ","), F.lit("")).alias("tariff_ids"),
        F.min((F.coalesce("status", F.lit("")) == "REMOVED").cast("int")).alias("is_removed"),
        # A charge point is there as long as one of its connectors is.
        F.when(F.count("valid_to") == F.count(F.lit(1)), F.max("valid_to")).alias("valid_to"),
        F.max(F.struct("source_file", "source_line")).alias("place"),
        F.array_distinct(F.flatten(F.collect_list("flags"))).alias("flags"),
    )


def _one_site(sites: DataFrame) -> DataFrame:
    """Of a charge point's sites in one delivery: the last one that is not REMOVED; the others are `also_at`."""
    order = [F.col("is_removed").asc(), F.col("place").desc()]
    best = sites.withColumn("rank", F.row_number().over(Window.partitionBy(*_DELIVERY).orderBy(*order)))
    places = sites.groupBy(*_DELIVERY).agg(F.collect_set("location_id").alias("places"))
    one = best.where("rank = 1").join(places, list(_DELIVERY))
    also_at = F.sort_array(F.filter("places", lambda place: place != F.coalesce("location_id", F.lit(""))))
    one = one.withColumn("also_at", also_at)
    marked = F.array_distinct(F.concat("flags", F.array(F.lit(TWO_PLACES))))
    return one.withColumn("flags", F.sort_array(F.when(F.size("also_at") > 0, marked).otherwise(F.col("flags"))))


def _carried(words: DataFrame) -> DataFrame:
    """Each column's last known value by then, and in `sources` as `column=stream` who said it."""
    order = ("valid_from", "arrived_at", "stream_id")
    so_far = Window.partitionBy("charge_point_id").orderBy(*order).rowsBetween(Window.unboundedPreceding, 0)
    at_site = Window.partitionBy("charge_point_id", "site").orderBy(*order).rowsBetween(Window.unboundedPreceding, 0)
    line = words.withColumn("site", F.last("location_id", ignorenulls=True).over(so_far))

    def known(name: str, value: Column) -> Column:
        """Of what belongs to a site: said of this site, or by who names none."""
        said = F.when(F.col(name).isNotNull(), value)
        if name not in _OF_SITE:
            return F.last(said, ignorenulls=True).over(so_far)
        nameless = F.last(F.when(F.col("location_id").isNull(), said), ignorenulls=True).over(so_far)
        return F.coalesce(F.last(said, ignorenulls=True).over(at_site), nameless)

    named = {f"source_{name}": known(name, F.concat(F.lit(f"{name}="), F.col("stream_id"))) for name in _SAID}
    values = {f"known_{name}": known(name, F.col(name)) for name in _SAID}
    found = line.withColumns({**named, **values})
    sources = F.filter(F.array(*(F.col(name) for name in named)), lambda source: source.isNotNull())
    found = found.withColumns({"sources": sources, **{name: F.col(f"known_{name}") for name in _SAID}})
    # A charge point whose post nobody names is one of its own.
    own = F.expr("substring(charge_point_id, length(provider_id) + 2)")
    return found.withColumn("device_id", F.coalesce("device_id", own))


def charge_point_month(known: DataFrame, activity: DataFrame) -> DataFrame:
    """Counts per month, provider, authority and power class; columns of `facts.charge_point_month`.

    Args:
        known: one row per month and charge point in the registry at the month's end: month_date, charge_point_id,
            provider_id, authority_id, power_class.
        activity: one row per month and charge point with a word or a state in it: the same, is_heard, is_online.
    """
    listed = known.withColumns({"is_registered": F.lit(1), "is_heard": F.lit(0), "is_online": F.lit(0)})
    spoken = activity.withColumns(
        {
            "is_registered": F.lit(0),
            "is_heard": F.col("is_heard").cast("int"),
            "is_online": F.col("is_online").cast("int"),
        }
    )
    names = ("is_registered", "is_heard", "is_online")
    points = (
        listed.unionByName(spoken)
        .groupBy("month_date", "charge_point_id")
        .agg(
            # What the registry says of a charge point holds over what its feeds say.
            *(
                F.coalesce(F.max(F.when(F.col("is_registered") == 1, F.col(name))), F.max(name)).alias(name)
                for name in ("provider_id", "authority_id")
            ),
            F.max("power_class").alias("power_class"),
            *(F.max(name).alias(name) for name in names),
        )
    )
    return (
        points.where("is_registered + is_heard + is_online > 0")
        .groupBy("month_date", "provider_id", "authority_id", "power_class")
        .agg(
            F.sum("is_registered").cast("bigint").alias("registered_count"),
            F.sum("is_heard").cast("bigint").alias("heard_from_count"),
            F.sum("is_online").cast("bigint").alias("online_count"),
        )
    )
