"""What every kind's harmonising shares: provenance, the stream's expressions, text, numbers and wall clocks.

Wall-clock times travel as timestamps of a Spark session in UTC, until the stream's zone turns them into instants.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cic_assets.streams.columns import COLUMNS
from cic_assets.streams.model import Stream

# What a decoded record brings with it, and the file it came from.
PROVENANCE = ("arrival_date", "source_file", "source_line", "raw", "arrived_at", "decode_fault", "detail", "content")
HOUR_MICROS = 3_600_000_000
# 0001-01-01 and the end of 9999, UTC.
_FIRST_MICROS, _LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
_NUMBER = r"^[ \t\r\n]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\r\n]*$"


def given(records: DataFrame, stream: Stream) -> DataFrame:
    """Provenance, and the stream's expression of each column of the common model as `given_<column>`.

    Args:
        records: the decoded columns `cic.*`, `source_file`, `arrival_date`, `arrived_at` and the stream's fields
            as text.
        stream: whose expressions.
    """
    known = records.withColumns({"cic.seen_at": F.col("arrived_at"), "cic.file_name": F.col("source_file")})
    return known.select(
        "arrival_date",
        "source_file",
        F.col("`cic.line`").alias("source_line"),
        F.col("`cic.raw`").alias("raw"),
        "arrived_at",
        F.col("`cic.fault`").alias("decode_fault"),
        F.col("`cic.fault_text`").alias("detail"),
        F.col("`cic.content`").alias("content"),
        *(_expression(stream, name) for name in COLUMNS[stream.kind]),
    )


def _expression(stream: Stream, name: str) -> Column:
    text = stream.columns.get(name)
    if name == "charge_point_alias" and stream.alias_fields:
        beside = [F.col(f"`{field}`") for field in stream.alias_fields]
        return F.coalesce(*(F.when(F.trim(field) != "", field) for field in beside)).alias(f"given_{name}")
    return (F.expr(text) if text else F.lit(None).cast("string")).alias(f"given_{name}")


def text_of(name: str) -> Column:
    """The given column without surrounding space; null where nothing is left."""
    trimmed = F.trim(F.col(f"given_{name}").cast("string"))
    return F.when(trimmed != "", trimmed)


def names_of_point() -> tuple[Column, Column]:
    """`charge_point`, and `charge_point_alias`, another id of it; it stands in where the first one is missing."""
    alias = text_of("charge_point_alias")
    return F.coalesce(text_of("charge_point"), alias).alias("charge_point"), alias.alias("charge_point_alias")


def number_of(name: str, factor: str = "1") -> Column:
    """The given column as a number; null where it is none.

    Exact from plain text; through a double where it has an exponent, which engines' decimals read differently. What a
    number is is said here: of 5,000 odd texts engines read 115 differently (`٣`, `1e5d`, an escape sign around a 7).
    """
    text = F.regexp_extract(text_of(name), _NUMBER, 1)
    plain = text.try_cast(T.DecimalType(24, 9))
    rough = text.try_cast(T.DoubleType()).try_cast(T.DecimalType(24, 9))
    value = F.when(text.rlike("[eE]"), rough).otherwise(plain)
    return (value * F.lit(factor).cast("decimal(8,3)")).try_cast(T.DecimalType(12, 4))


def instant_of(name: str) -> Column:
    """The given column as an instant; null where it can't be read, or lies outside of the years 1 to 9999.

    Engines read `-290308-12-21` too, and then one such row ended the ingest of all: a duration of 292,000 years is
    longer than 18 digits of microseconds.
    """
    value = F.col(f"given_{name}").try_cast(T.TimestampType())
    return F.when(F.unix_micros(value).between(_FIRST_MICROS, _LAST_MICROS), value)


def from_wall(frame: DataFrame, edge: str, zone: str) -> DataFrame:
    """Adds `<edge>_at`, `<edge>_twice` and `<edge>_shifted` from `<edge>_wall` (DEFINITIONS 4, Daylight saving).

    An hour that occurs twice is read as the first, one that does not exist moves on by an hour.
    """
    frame = frame.withColumn(f"{edge}_at", F.to_utc_timestamp(F.col(f"{edge}_wall"), zone))
    back = F.from_utc_timestamp(F.col(f"{edge}_at"), zone)
    an_hour_on = F.from_utc_timestamp(F.timestamp_micros(F.unix_micros(f"{edge}_at") + HOUR_MICROS), zone)
    return frame.withColumns(
        {
            f"{edge}_twice": F.coalesce(an_hour_on == F.col(f"{edge}_wall"), F.lit(False)),
            f"{edge}_shifted": F.coalesce(back != F.col(f"{edge}_wall"), F.lit(False)),
        }
    )


def owned(frame: DataFrame, stream: Stream) -> DataFrame:
    """Adds whose row it is, and the charge point's platform-wide id."""
    return frame.withColumns(
        {
            "stream_id": F.lit(stream.id),
            "provider_id": F.lit(stream.provider.id),
            "authority_id": F.lit(stream.authority.id),
            "charge_point_id": F.concat(F.lit(f"{stream.provider.id}/"), F.col("charge_point")),
        }
    )
