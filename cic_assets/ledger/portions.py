"""The ledger of portions: which objects' rows are in place, and what was counted of them (`ingest/portions.py`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from cic_assets.ledger.catalogue import Recipe
from cic_assets.warehouse.connect import Connection


@dataclass(frozen=True)
class Kept:
    """A portion as it was ingested.

    Attributes:
        arrival_date: of the arrival.
        portion: its id.
        records: SHA-256 of each object → its decoded records.
        counts: what was counted of its rows.
    """

    arrival_date: dt.date
    portion: str
    records: Mapping[str, int]
    counts: Mapping[str, Any]


def in_place(connection: Connection, recipe: Recipe, days: Sequence[dt.date]) -> list[Kept]:
    """The portions of a stream's arrivals whose rows a recipe made, in an ingest that was finished.

    Of arrivals whose last ingest was not, nobody knows what is there.
    """
    rows = connection.execute(
        "select p.arrival_date, p.portion, p.objects, p.record_counts, p.counts from catalogue.portion as p"
        " join catalogue.arrival as a using (stream_id, arrival_date)"
        " where a.fingerprint is not null and stream_id = %s and arrival_date = any(%s) and p.recipe = %s",
        [recipe.stream_id, list(days), recipe.digest],
    ).fetchall()
    return [
        Kept(day, portion, dict(zip(objects, records, strict=True)), counts)
        for day, portion, objects, records, counts in rows
    ]


def replace(
    connection: Connection, recipe: Recipe, days: Sequence[dt.date], staying: Collection[str], new: Sequence[Kept]
) -> None:
    """Keeps portions of a stream's arrivals in place of all of theirs that don't stay."""
    connection.execute(
        "delete from catalogue.portion where stream_id = %s and arrival_date = any(%s) and portion <> all(%s)",
        [recipe.stream_id, list(days), sorted(staying)],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.portion values (%s, %s, %s, %s, %s, %s, %s)",
            [
                [
                    recipe.stream_id, each.arrival_date, each.portion, recipe.digest, [*each.records],
                    [*each.records.values()], Jsonb(dict(each.counts)),
                ]
                for each in new
            ],
        )  # fmt: skip


def forget(connection: Connection, stream_id: str, days: Sequence[dt.date]) -> None:
    """Says that nobody knows which rows of some arrivals are in place: they are made anew as a whole."""
    connection.execute(
        "delete from catalogue.portion where stream_id = %s and arrival_date = any(%s)", [stream_id, list(days)]
    )
