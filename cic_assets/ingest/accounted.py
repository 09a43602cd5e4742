"""Whether the accepted rows of an arrival are those that this warehouse knows, as a digest of them.

Facts are restated by what an ingest changes in the lake. That is right only while facts were made of what is there: a
warehouse that was lost, or restored from an older dump, knows nothing of rows that another one wrote since, and an
ingest that finds them there already would restate nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.lake.rows import Rows, pieces
from cic_assets.ledger.arrivals import known_digests
from cic_assets.warehouse.connect import Connection

# Of no row.
NOTHING = "nothing"
_ODD = np.uint64(0x9E3779B97F4A7C15)
_NULL = -(2**63)
# Of the two hashes of a fingerprint: that of digests, and one under another key.
_KEYS = (None, "fedcba9876543210")
_OTHER = 0x5DEECE66D1CE4E5B


def digests(rows: Rows, columns: Sequence[str]) -> dict[dt.date, str]:
    """Of each arrival's rows, in any order: which columns, the number of rows, and the sum of a hash of each."""
    sums: dict[dt.date, tuple[int, int]] = {}
    for piece in pieces(rows, ["arrival_date", *(name for name in columns if name != "arrival_date")]):
        days, place = np.unique(piece.column("arrival_date").to_numpy(zero_copy_only=False), return_inverse=True)
        found = np.zeros(len(days), np.uint64)
        np.add.at(found, place, _row_hashes(piece, columns))
        for day, count, total in zip(days, np.bincount(place).tolist(), found.tolist(), strict=True):
            counted, summed = sums.get(day.item(), (0, 0))
            sums[day.item()] = (counted + count, (summed + total) % 2**64)
    return {day: f"{_version(columns)}-{count}-{total:x}" for day, (count, total) in sums.items()}


def added(one: Mapping[dt.date, str], other: Mapping[dt.date, str]) -> dict[dt.date, str]:
    """Digests of the rows of both together."""
    both = dict(one)
    for day, digest in other.items():
        version, count, total = digest.split("-")
        if day in both:
            _, counted, summed = both[day].split("-")
            digest = f"{version}-{int(count) + int(counted)}-{(int(total, 16) + int(summed, 16)) % 2**64:x}"
        both[day] = digest
    return both


class Fingerprints:
    """Which rows there are, by some columns, in 16 bytes each: two hashes, so that chance makes none equal."""

    def __init__(self, rows: Rows, columns: Sequence[str]) -> None:
        self._columns = columns
        found = [self._of(piece) for piece in pieces(rows, columns)]
        self._there = [np.unique(np.concatenate(hashes)) for hashes in zip(*found, strict=True)]

    def lack(self, piece: pa.RecordBatch) -> pa.BooleanArray:
        """Of each row of a piece, whether there is none that is equal."""
        lacking = np.ones(piece.num_rows, bool)
        if self._there:
            both = [np.isin(mine, there) for mine, there in zip(self._of(piece), self._there, strict=True)]
            lacking = ~np.logical_and(*both)
        return pa.array(lacking)

    def _of(self, piece: pa.RecordBatch) -> list[Any]:
        return [_row_hashes(piece, self._columns, key) for key in _KEYS]


def _row_hashes(piece: pa.RecordBatch, columns: Sequence[str], key: str | None = None) -> Any:
    hashes = np.zeros(piece.num_rows, np.uint64)
    for name in columns:
        hashes = hashes * _ODD ^ _hashes(piece.column(name), key)
    return hashes


def _version(columns: Sequence[str]) -> str:
    """Another one for a release that looks at other columns."""
    return hashlib.sha256(",".join(columns).encode()).hexdigest()[:8]


def _hashes(column: pa.Array, key: str | None) -> Any:
    """A hash of each value; of equal texts, one. A million rows of a status stream take a third of a second of CPU."""
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, "\0")
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_date32(column.type):
        column = column.cast(pa.int32()).cast(pa.int64())
    if pa.types.is_int64(column.type):
        numbers = column.fill_null(_NULL).to_numpy(zero_copy_only=False)
        # Hashing of numbers takes no key.
        return pd.util.hash_array(numbers if key is None else numbers ^ _OTHER)
    coded = column.cast(pa.string()).dictionary_encode()
    words = np.array([*coded.dictionary.to_pylist(), "\0"], object)
    # The last one, which no text can be, stands for null.
    hashed = pd.util.hash_array(words, categorize=False, **({} if key is None else {"hash_key": key}))
    return hashed[coded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)]


def strangers(
    connection: Connection, stream_id: str, days: Sequence[dt.date], found: Mapping[dt.date, str]
) -> set[dt.date]:
    """Arrivals whose accepted rows in the lake are none that this warehouse wrote, or was about to write.

    Args:
        connection: to the warehouse.
        stream_id: whose arrivals.
        days: which.
        found: digests of the rows that the lake has now.
    """
    strange = {day for day in days if found.get(day, NOTHING) != NOTHING}
    for day, (accepted, intended, is_counted) in known_digests(connection, stream_id, days).items():
        there = found.get(day, NOTHING)
        if accepted is None:
            # What an earlier release counted is taken as it is: it kept no digest.
            is_known = is_counted or there == NOTHING
        else:
            is_known = there in (accepted, intended) or not _comparable(there, accepted)
        (strange.discard if is_known else strange.add)(day)
    return strange


def _comparable(one: str, other: str) -> bool:
    """Whether both digests are of the same columns."""
    return NOTHING in (one, other) or one.partition("-")[0] == other.partition("-")[0]
