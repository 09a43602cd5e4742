"""What the kinds' parts of a delivery's profile have in common (`ingest/delivery.py`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

# Arrival date and which delivery of it: an object's SHA-256, or the portion of small ones that are looked at together.
Key = tuple[dt.date, str]
# What a batch of judged rows says, a value for each.
Of: TypeAlias = Callable[[pa.RecordBatch], pa.Array]


@dataclass(frozen=True)
class Figures:
    """What is told of a delivery's judged rows beside what every kind tells.

    Attributes:
        columns: of judged rows, that the others look at.
        sums: name → which rows count; null does not.
        medians: name → numbers; nulls don't count.
        counted: what is counted by value → the values; rows of null don't count.
    """

    columns: tuple[str, ...] = ()
    sums: Mapping[str, Of] = field(default_factory=dict)
    medians: Mapping[str, Of] = field(default_factory=dict)
    counted: Mapping[str, Of] = field(default_factory=dict)


@dataclass(frozen=True)
class Repeated:
    """Of a delivery's rows that no rule rejects: rows of ids that are no ids (S16), one of these, and repeats."""

    reused_ids: int = 0
    first_reused: str | None = None
    repeats: int = 0


def doubles(column: pa.Array) -> pa.Array:
    """Numbers of any type as doubles."""
    return pc.cast(column, pa.float64(), safe=False)


def said(condition: pa.Array) -> Any:
    """A condition, false where it is null."""
    return pc.fill_null(condition, False)
