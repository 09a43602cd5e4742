"""What the platform must know of a kind of stream, and nothing else; the way of every kind through it is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cic_assets.kinds.profile import Figures, Key, Repeated
from cic_assets.kinds.stream import Stream

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def _as_judged(judged: DataFrame, stream: Any) -> DataFrame:
    return judged


@dataclass(frozen=True)
class Work:
    """What is done with a kind's rows.

    Attributes:
        schema: of the accepted rows.
        harmonise: decoded records and their stream → the judged columns.
        entries: judged rows and their stream → these with what else `accepted` has of those that no rule rejects.
        figures: of a stream, what is told of a delivery's judged rows (`ingest/delivery.py`).
        repeated: of rows that no rule rejects, by delivery: ids that don't identify, and repeats; None without ids.
        repeated_columns: the judged columns that it looks at, beside arrival_date and delivery.
        covers_from: the judged column that says from when a row covers time; None where rows cover none.
        covers_until: the judged columns that say until when; the latest holds.
        sizes: what makes a wrong unit plain: from a function that gives a judged column as numbers, figures by name.
    """

    schema: pa.Schema
    harmonise: Callable[[DataFrame, Any], DataFrame]
    entries: Callable[[DataFrame, Any], DataFrame] = _as_judged
    figures: Callable[[Any], Figures] = lambda stream: Figures()
    repeated: Callable[[Iterable[pa.RecordBatch]], dict[Key, Repeated]] | None = None
    repeated_columns: tuple[str, ...] = ()
    covers_from: str | None = None
    covers_until: tuple[str, ...] = ()
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
