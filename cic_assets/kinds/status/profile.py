"""What a delivery of states is like as a whole: its words, and how many say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from cic_assets.kinds.profile import total
from cic_assets.kinds.status.stream import StatusStream

if TYPE_CHECKING:
    from pyspark.sql import Column


def figures(stream: StatusStream) -> list[Column]:
    """Counts of a delivery's judged rows."""
    return [
        total(F.col("mapped_state").isNull(), "unmapped"),
        total(F.coalesce(F.col("state"), F.lit("UNKNOWN")) == "UNKNOWN", "unknown"),
    ]


def counted(stream: StatusStream) -> dict[str, Column]:
    """What is counted by value: words for a state."""
    return {"word": F.col("source_status")}


def cover() -> tuple[Column, Column]:
    """Up to when, and from when, a judged row covers time."""
    return F.greatest("heard_at", "covers_until"), F.col("heard_at")
