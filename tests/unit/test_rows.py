"""Rows that are never in memory as a whole: read in pieces, told apart by fingerprints, written again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cic_assets.ingest import accounted
from cic_assets.lake import rows
from cic_assets.lake.zones import Lake

DAY = dt.date(2026, 1, 5)
SCHEMA = pa.schema(
    [
        ("arrival_date", pa.date32()), ("at", pa.timestamp("us", tz="UTC")), ("name", pa.string()),
        ("amount", pa.decimal128(12, 4)), ("flags", pa.list_(pa.string())), ("line", pa.int64()),
    ]
)  # fmt: skip
COLUMNS = SCHEMA.names


def some(first: int, last: int, **other: object) -> list[dict[str, object]]:
    return [
        {
            "arrival_date": DAY + dt.timedelta(days=n % 3), "at": dt.datetime(2026, 1, 5, 0, n % 60, tzinfo=dt.UTC),
            "name": None if n % 7 == 0 else f"n{n}", "amount": Decimal(n) / 10 if n % 5 else None,
            "flags": [f"f{k}" for k in range(n % 3)], "line": n, **other,
        }
        for n in range(first, last)
    ]  # fmt: skip


def stored(folder, found, schema=SCHEMA) -> rows.Rows:
    return rows.write(rows.rows_of(pa.Table.from_pylist(found, schema)), Lake(str(folder)), "rows.parquet")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(rows, "ROWS_PER_PIECE", 10)


def test_pieces_are_bounded_and_complete(tmp_path):
    found = stored(tmp_path, some(0, 35))
    pieces = list(rows.pieces(found))
    assert max(piece.num_rows for piece in pieces) == 10
    assert [row for piece in pieces for row in piece.to_pylist()] == some(0, 35)
    assert rows.reader(found).read_all().to_pylist() == some(0, 35)
    assert next(piece.schema.names for piece in rows.pieces(found, ["line"])) == ["line"]
    kept = found.filter(pc.field("line") > 32)
    assert sum(piece.num_rows for piece in rows.pieces(kept)) == kept.count_rows() == 2
    assert not list(rows.pieces(rows.rows_of(SCHEMA.empty_table())))


def test_values_are_found_once_and_sums_are_exact(tmp_path):
    found = stored(tmp_path, some(0, 35))
    assert sorted(rows.distinct(found, ["arrival_date"])["arrival_date"].to_pylist()) == [
        DAY + dt.timedelta(days=n) for n in range(3)
    ]
    assert rows.distinct(found, ["name", "line"]).num_rows == 35
    assert rows.total(found, "amount") == sum(Decimal(n) / 10 for n in range(35) if n % 5)
    assert rows.total(found, "nothing") == 0


def test_several_rows_are_one_after_the_other(tmp_path):
    parts = [stored(tmp_path / "a", some(0, 5)), stored(tmp_path / "b", some(5, 9))]
    assert rows.union(parts, SCHEMA).to_table().to_pylist() == some(0, 9)
    assert rows.union([], SCHEMA).count_rows() == 0


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "line"])
def test_a_row_that_differs_in_one_column_is_another(tmp_path, column):
    """Found by its fingerprint, whichever column it is, and whether a value comes, goes or changes."""
    values = {
        "arrival_date": DAY + dt.timedelta(days=30), "at": dt.datetime(2027, 1, 1, tzinfo=dt.UTC), "name": "other",
        "amount": Decimal("1.0001"), "flags": ["other"],
    }  # fmt: skip
    others = [values[column]] if column == "arrival_date" else [values[column], None]
    for other in others:
        before, after = some(0, 25), some(0, 25)
        after[12] = {**after[12], column: other}
        old, new = stored(tmp_path / "old", before), stored(tmp_path / "new", after)
        known = accounted.Fingerprints(old, COLUMNS)
        lacking = [row for piece in rows.pieces(new) for row in piece.filter(known.lack(piece)).to_pylist()]
        assert lacking == [after[12]]
        assert accounted.digests(old, COLUMNS) != accounted.digests(new, COLUMNS)


def test_the_order_of_rows_changes_no_fingerprint_and_no_digest(tmp_path):
    old, new = stored(tmp_path / "old", some(0, 25)), stored(tmp_path / "new", [*reversed(some(0, 25))])
    known = accounted.Fingerprints(old, COLUMNS)
    assert not any(pc.any(known.lack(piece)).as_py() for piece in rows.pieces(new))
    assert accounted.digests(old, COLUMNS) == accounted.digests(new, COLUMNS)
    assert len(accounted.digests(old, COLUMNS)) == 3


def test_of_nothing_all_is_lacking(tmp_path):
    known = accounted.Fingerprints(rows.rows_of(SCHEMA.empty_table()), COLUMNS)
    assert all(pc.all(known.lack(piece)).as_py() for piece in rows.pieces(stored(tmp_path, some(0, 25))))
