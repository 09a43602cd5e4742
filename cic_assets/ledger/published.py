"""Which marts an ingest makes due by itself: those of data quality, and where names or messages stand in old rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cic_assets.ledger.mart_sets import ARRIVAL, MONTHLY
from cic_assets.ledger.publication import touch, touch_since
from cic_assets.warehouse.connect import Connection


@dataclass(frozen=True)
class Shown:
    """What marts show beside an arrival's own rows.

    Attributes:
        parties: names by (provider, authority), as `int_parties` has them.
        messages: of rules, by id.
    """

    parties: dict[tuple[str, str], tuple[str, str]]
    messages: dict[str, str]


def shown(connection: Connection) -> Shown:
    """What marts would show now."""
    parties = connection.execute(
        "select provider_id, authority_id, min(provider_name), min(authority_name) from catalogue.stream group by 1, 2"
    ).fetchall()
    messages = connection.execute("select rule_id, message from quality.rule").fetchall()
    return Shown({(row[0], row[1]): (row[2], row[3]) for row in parties}, dict(messages))


def touch_published(connection: Connection, stream_id: str, days: Sequence[dt.date], before: Shown) -> None:
    """Makes due what an ingest of a stream's arrivals changes; last in its transaction, as rows of others are locked.

    A name or a message that was there before and is another one stands in rows of any age. What is new stands in none.
    """
    touch(connection, {(ARRIVAL, day) for day in (*days, *_other_columns(connection, stream_id, days))})
    now = shown(connection)
    if any(now.parties.get(pair) != names for pair, names in before.parties.items()):
        touch_since(connection, MONTHLY)
    if any(now.messages.get(rule) != message for rule, message in before.messages.items()):
        touch_since(connection, ARRIVAL)


def _other_columns(connection: Connection, stream_id: str, days: Sequence[dt.date]) -> list[dt.date]:
    """Later arrivals whose new columns may be others: first to have a column, with these arrivals or without them."""
    rows = connection.execute(
        "with named as ("
        "  select o.arrival_date, name.column_name from catalogue.object as o"
        "  cross join unnest(o.feed_columns) as name (column_name)"
        "  where o.stream_id = %(stream)s and o.landed and name.column_name <> ''"
        "), firsts as ("
        "  select min(arrival_date) as now, min(arrival_date) filter (where arrival_date <> all(%(days)s)) as without"
        "  from named group by column_name"
        ")"
        " select distinct date from firsts cross join unnest(array[now, without]) as dates (date)"
        " where date > %(first)s",
        {"stream": stream_id, "days": list(days), "first": min(days)},
    ).fetchall()
    return [row[0] for row in rows]
