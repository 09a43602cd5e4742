"""What the platform must know of a kind of stream, and nothing else; the way of every kind through it is the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cic_assets.kinds.stream import Stream

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame


def _as_judged(judged: DataFrame, stream: Any) -> DataFrame:
    return judged


@dataclass(frozen=True)
class Work:
    """What is done with a kind's rows.

    Attributes:
        schema: of the accepted rows.
        harmonise: decoded records and their stream → the judged columns.
        entries: judged rows that no rule rejects, and their stream → the columns of `accepted`.
        figures: sums and medians of a delivery's judged rows, by name (`ingest/delivery.py`).
        counted: what of a delivery is counted by value.
        repeated: a delivery's rows that no rule rejects → ids that don't identify, and repeats; None without ids.
        cover: up to when, and from when, a judged row covers time; None where rows cover none.
        sizes: what makes a wrong unit plain: from a function that gives a judged column as numbers, figures by name.
    """

    schema: pa.Schema
    harmonise: Callable[[DataFrame, Any], DataFrame]
    entries: Callable[[DataFrame, Any], DataFrame] = _as_judged
    figures: Callable[[Any], list[Column]] = lambda stream: []
    counted: Callable[[Any], dict[str, Column]] = lambda stream: {}
    repeated: Callable[[DataFrame], DataFrame] | None = None
    cover: Callable[[], tuple[Column, Column]] | None = None
    sizes: Callable[[Callable[[str], Any]], dict[str, Any]] = lambda numbers: {}


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: of the kind, and of its folder under `accepted`.
        description: of its accepted rows, for people.
        stream: the class of its stream files, with its columns and rules.
        load: gives its work; it alone imports Spark, which takes half a second that no command line has.
        template: of `cic streams new`: the keys from `format` on; `{id}` and `{expressions}` are filled in.
        newest: the judged column by which freshness is told.
        identity: columns by which a rerun knows a row again; a row that changed elsewhere changed here too.
        shown: the judged columns that `cic streams check` shows of the first rows.
        made_of: of these, columns of the stream file that they are made of, where those have other names.
        grain: the judged column that says what a row is about; rows about one are judged beside each other.
        dated: the column of accepted rows that says in which day or month of facts a row is; None without facts.
        has_words: whether its rows say a state in words, which a vocabulary may not know.
        has_content: whether records are told apart by a hash of all that they say.
        is_list: whether its rows list charge points, so that each may have one of its own.
        is_first: ingested before the others, which are flagged by it.
    """

    name: str
    description: str
    stream: type[Stream]
    load: Callable[[], Work]
    template: str
    newest: str
    identity: tuple[str, ...]
    shown: tuple[str, ...]
    made_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grain: str = "charge_point"
    dated: str | None = None
    has_words: bool = False
    has_content: bool = False
    is_list: bool = False
    is_first: bool = False

    @cached_property
    def work(self) -> Work:
        """What is done with its rows."""
        return self.load()

    @property
    def has_facts(self) -> bool:
        """Whether facts are made of its accepted rows."""
        return self.dated is not None

    @property
    def has_points(self) -> bool:
        """Whether its rows are about charge points: they have `charge_point_id`, and are counted and named by it."""
        return self.grain == "charge_point"

    @property
    def schema(self) -> pa.Schema:
        """Of the accepted rows."""
        return self.work.schema
