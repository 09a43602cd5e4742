"""What ingest must know of a kind of stream, and nothing else; the way of every kind through ingest is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cic_assets.lake.tables import ACCEPTED

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def _as_judged(judged: DataFrame, stream: Any) -> DataFrame:
    return judged


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: of the kind, and of its folder under `accepted`.
        description: of its accepted rows, for people.
        harmonise: decoded records and their stream → the judged columns.
        newest: the judged column by which freshness is told.
        identity: columns by which a rerun knows a row again; a row that changed elsewhere changed here too.
        dated: the column of accepted rows that says in which day or month of facts a row is; None without facts.
        entries: judged rows that no rule rejects, and their stream → the columns of `accepted`.
        figures: sums and medians of a delivery's judged rows, by name (`ingest/delivery.py`).
        counted: what of a delivery is counted by value.
        repeated: a delivery's rows that no rule rejects → ids that don't identify, and repeats; None without ids.
        cover: up to when, and from when, a judged row covers time; None where rows cover none.
        has_words: whether its rows say a state in words, which a vocabulary may not know.
        has_content: whether records are told apart by a hash of all that they say.
        is_first: ingested before the others, which are flagged by it.
    """

    name: str
    description: str
    harmonise: Callable[[DataFrame, Any], DataFrame]
    newest: str
    identity: tuple[str, ...]
    dated: str | None = None
    entries: Callable[[DataFrame, Any], DataFrame] = _as_judged
    figures: Callable[[Any], list[Column]] = lambda stream: []
    counted: Callable[[Any], dict[str, Column]] = lambda stream: {}
    repeated: Callable[[DataFrame], DataFrame] | None = None
    cover: Callable[[], tuple[Column, Column]] | None = None
    has_words: bool = False
    has_content: bool = False
    is_first: bool = False

    @property
    def schema(self) -> pa.Schema:
        """Of the accepted rows."""
        return ACCEPTED[self.name]
