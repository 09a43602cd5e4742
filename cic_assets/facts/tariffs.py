"""Which tariffs there are, with their history: `facts.tariff`, made anew from all accepted rows of tariffs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from cic_assets.kinds.every import KINDS
from cic_assets.kinds.schema import AMOUNT, INSTANT
from cic_assets.kinds.tariffs.schema import LIMITS, WORDS
from cic_assets.lake import tables
from cic_assets.lake.rows import pieces, rows_of
from cic_assets.ledger.accepted_files import demand_whole
from cic_assets.parts import Parts
from cic_assets.warehouse.load import insert_staged, stage_rows

KIND = "tariffs"
TABLE = "facts.tariff"
_SAID = (
    "currency", "tariff_type", "component", "price", "vat_pct", "step_size", *WORDS, *LIMITS, "min_price", "max_price",
)  # fmt: skip
_NAMED = ("provider_id", "authority_id", "tariff_id", "stream_id")
TARIFF = pa.schema(
    [
        *((name, pa.string()) for name in _NAMED),
        ("valid_from", INSTANT),
        ("valid_to", INSTANT),
        ("element", pa.int32()),
        ("part", pa.int32()),
        *((name, pa.string()) for name in ("currency", "tariff_type", "component")),
        *((name, AMOUNT) for name in ("price", "vat_pct", "step_size")),
        *((name, pa.list_(pa.string()) if name == "days" else pa.string()) for name in WORDS),
        *((name, AMOUNT) for name in (*LIMITS, "min_price", "max_price")),
        ("last_updated", INSTANT),
        ("flags", pa.list_(pa.string())),
    ]
)
_EVER = dt.datetime.min.replace(tzinfo=dt.UTC)
Row = Mapping[str, Any]


def renew_tariffs(parts: Parts) -> None:
    """Makes `facts.tariff` of what is accepted now, in one transaction.

    Raises:
        LakeDamagedError: accepted rows of tariffs are not whole.
    """
    while not _renewed(parts):
        continue


def _renewed(parts: Parts) -> bool:
    """Whether the rows that it read were still the newest when it came to replace the tariffs."""
    lake = parts.lake
    demand_whole(parts.warehouse, lake, KIND)
    version = tables.version(lake, KIND)
    accepted = tables.kind_rows(lake, KIND, KINDS[KIND].schema)
    # A country's tariffs are some ten thousand rows.
    made = pa.Table.from_pylist(versions(row for piece in pieces(accepted) for row in piece.to_pylist()), TARIFF)
    with parts.warehouse.transaction() as connection:
        staged = stage_rows(connection, TABLE, rows_of(made))
        connection.execute("lock table facts.tariff in share row exclusive mode")
        if tables.version(lake, KIND) != version:
            return False
        connection.execute("delete from facts.tariff")
        insert_staged(connection, TABLE, staged)
    return True


def versions(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The versions of tariffs: each applies from its `valid_from` to its own end, or to where the next one begins.

    What is said several times of one tariff and beginning holds as it was last updated, or arrived. A version that says
    the same as the one that it follows at once is none.
    """
    found: list[dict[str, Any]] = []
    ordered = sorted(rows, key=lambda row: (row["provider_id"], row["tariff_id"], row["valid_from"]))
    for _, mine in groupby(ordered, key=lambda row: (row["provider_id"], row["tariff_id"])):
        history = [_last_word(list(same)) for _, same in groupby(mine, key=lambda row: row["valid_from"])]
        found += _history(history)
    return found


def _last_word(rows: Sequence[Row]) -> list[Row]:
    """Of what was said of one version, the last: by update, by arrival, by file; in the order of its elements."""
    last = max(map(_word, rows))
    by_place: dict[tuple[int, int], Row] = {}
    for number, row in enumerate(
        sorted((row for row in rows if _word(row) == last), key=lambda row: row["source_line"])
    ):
        by_place[_place(row["position"], number)] = row
    return [{**row, "element": place[0], "part": place[1]} for place, row in sorted(by_place.items())]


def _word(row: Row) -> tuple[dt.datetime, dt.datetime, str, str]:
    return row["last_updated"] or _EVER, row["arrived_at"], row["source_file"], row["stream_id"]


def _place(position: str | None, number: int) -> tuple[int, int]:
    """Which element and which price of it; rows that don't say it are elements of their own."""
    numbers = [int(part) for part in (position or "").split(".") if part.isascii() and part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) > 1 else (numbers[0] if numbers else number + 1, 1)


def _history(history: Sequence[Sequence[Row]]) -> Iterator[dict[str, Any]]:
    kept: list[Sequence[Row]] = []
    for version in history:
        follows = bool(kept) and _end(kept[-1]) in (None, version[0]["valid_from"])
        if not (follows and _content(kept[-1]) == _content(version) and _end(kept[-1]) is None):
            kept.append(version)
    for number, version in enumerate(kept):
        following = kept[number + 1][0]["valid_from"] if number + 1 < len(kept) else None
        ends = [moment for moment in (_end(version), following) if moment is not None]
        for row in version:
            said = {name: row[name] for name in (*_NAMED, *_SAID, "element", "part", "valid_from", "last_updated")}
            days = _list_of(row["days"])
            yield {**said, "days": days, "valid_to": min(ends, default=None), "flags": row["flags"] or []}


def _end(version: Sequence[Row]) -> dt.datetime | None:
    end: dt.datetime | None = version[0]["valid_to"]
    return end


def _content(version: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [
        (row["element"], row["part"], *(row[name] for name in (*_SAID, "valid_to", "authority_id"))) for row in version
    ]


def _list_of(text: str | None) -> list[str] | None:
    """A list of words, as JSON or with commas between."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = text.split(",")
    words = found if isinstance(found, list) else [found]
    return [word for word in (str(each).strip().upper() for each in words) if word]
