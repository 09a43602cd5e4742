"""Judged rows as they lie in staging: read past the engine, in pieces, by whatever they are counted by.

Ten aggregations of a small ingest took the engine longer to plan than all of its rows to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cic_assets.kinds.profile import Key
from cic_assets.lake.rows import Rows, pieces
from cic_assets.lake.zones import Lake

# The rule that rejects what is held (`kinds/rule.py`).
HELD = "D04"


@dataclass(frozen=True)
class JudgedRows:
    """Judged rows (`ingest/judge.py`), materialised.

    Attributes:
        rows: the judged columns.
        held: deliveries that are held: their rows that no rule rejects are rejected for that.
    """

    rows: Rows
    held: frozenset[Key] = frozenset()

    def pieces(self, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The rows in pieces: some columns, and those that say what became of a row; held ones as rejected."""
        beside = ("reasons", "skipped", *(("arrival_date", "delivery", "decode_fault") if self.held else ()))
        for piece in pieces(self.rows, list(dict.fromkeys([*columns, *beside]))):
            yield self._without_held(piece) if self.held else piece

    def by(self, keys: Sequence[str], columns: Iterable[str]) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
        """(values of the keys, rows that have them); values may come several times."""
        for piece in self.pieces([*keys, *columns]):
            yield from _by(piece, keys)

    def _without_held(self, piece: pa.RecordBatch) -> pa.RecordBatch:
        named = pc.binary_join_element_wise(piece["arrival_date"].cast(pa.string()), piece["delivery"], "/")
        held = pa.array([f"{day}/{delivery}" for day, delivery in self.held], pa.string())
        keeps = pc.and_(pc.is_in(named, held), accepted_of(piece))
        reasons = pa.array([[HELD]] * len(piece), piece["reasons"].type)
        for name, values in (
            ("reasons", pc.if_else(keeps, reasons, piece["reasons"])),
            ("decode_fault", pc.if_else(keeps, HELD, piece["decode_fault"])),
        ):
            place = piece.schema.get_field_index(name)
            piece = piece.set_column(place, piece.schema.field(name), values.cast(piece.schema.field(name).type))
        return piece


def _by(piece: pa.RecordBatch, keys: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    codes = np.zeros(len(piece), np.int64)
    for key in keys:
        encoded = piece[key].dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + np.asarray(encoded.indices)
    first, of_row = np.unique(codes, return_index=True, return_inverse=True)[1:]
    if len(first) == 1:
        yield tuple(piece[key][0].as_py() for key in keys), piece
        return
    order = np.argsort(of_row, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(of_row[order])) + 1):
        some = piece.take(pa.array(rows))
        yield tuple(some[key][0].as_py() for key in keys), some


def rejected_of(piece: pa.RecordBatch) -> pa.BooleanArray:
    """A rule rejects the row."""
    return pc.greater(pc.list_value_length(piece["reasons"]), 0)


def accepted_of(piece: pa.RecordBatch) -> pa.BooleanArray:
    """No rule rejects the row, and the stream does not leave it out."""
    return pc.and_(pc.invert(rejected_of(piece)), pc.invert(piece["skipped"]))


def count_true(which: pa.Array) -> int:
    """How many are true; null is not."""
    return int(pc.sum(which).as_py() or 0)


def count_words(lists: pa.Array) -> dict[str, int]:
    """How often each word stands in lists of words."""
    return {each["values"]: each["counts"] for each in pc.value_counts(pc.list_flatten(lists)).to_pylist()}


def count_values(values: pa.Array) -> dict[Any, int]:
    """How many rows have each value; none that have null."""
    return {each["values"]: each["counts"] for each in pc.value_counts(pc.drop_null(values)).to_pylist()}


def split(judged: JudgedRows, accepted: pa.Schema, quarantined: pa.Schema, staging: Lake) -> tuple[Rows, Rows]:
    """The rows that are accepted and those that are rejected, each with the columns of their table, in staging."""
    names = [*accepted.names, *quarantined.names]
    paths = ("accepted.parquet", "quarantined.parquet")
    with (
        staging.write_scratch(paths[0]) as good,
        staging.write_scratch(paths[1]) as bad,
        pq.ParquetWriter(good, accepted) as takes,
        pq.ParquetWriter(bad, quarantined) as rejects,
    ):
        for piece in judged.pieces(names):
            for writer, schema, which in ((takes, accepted, accepted_of), (rejects, quarantined, rejected_of)):
                some = piece.filter(which(piece))
                if some.num_rows:
                    writer.write_batch(some.select(schema.names).cast(schema))
    return staging.parquet(paths[0], accepted), staging.parquet(paths[1], quarantined)
