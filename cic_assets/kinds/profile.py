"""What the kinds' parts of a delivery's profile have in common (`ingest/delivery.py`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Arrival date and which delivery of it: an object's SHA-256, or the portion of small ones that are looked at together.
Key = tuple[dt.date, str]


def total(condition: Column, name: str) -> Column:
    """How many rows meet a condition, under a name."""
    return F.coalesce(F.sum(condition.cast("bigint")), F.lit(0)).alias(name)


def keyed(rows: DataFrame) -> Iterable[tuple[Key, dict[str, Any]]]:
    """A few rows by arrival_date and delivery."""
    return (((row["arrival_date"], row["delivery"]), row) for row in rows.toArrow().to_pylist())
