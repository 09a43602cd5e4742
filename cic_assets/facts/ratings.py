"""Ratings of charge points by month, anew whenever registry or sessions change. The rule: `charge_point_rating_now`."""

from __future__ import annotations

from cic_assets.ledger.mart_sets import MONTHLY
from cic_assets.ledger.periods import computed, mark_stale
from cic_assets.ledger.publication import touch_since
from cic_assets.warehouse.connect import Connection

CHARGE_POINTS = "charge_point_month"


def renew_ratings(connection: Connection) -> None:
    """Brings `facts.charge_point_rating` up to date; computed months in which a rating changed are stale.

    Marts that show ratings are due. In the caller's transaction, so that nobody sees a registry or sessions with
    ratings of others.
    """
    connection.execute("lock table facts.charge_point_rating in share row exclusive mode")
    connection.execute(
        "create temporary table rating_now on commit drop as select * from facts.charge_point_rating_now"
    )
    row = connection.execute(
        "select min(from_month) from ("
        " (select * from rating_now except select * from facts.charge_point_rating) union all"
        " (select * from facts.charge_point_rating except select * from rating_now)) as changed"
    ).fetchone()
    if row is None or row[0] is None:
        return
    connection.execute("delete from facts.charge_point_rating")
    connection.execute("insert into facts.charge_point_rating select * from rating_now")
    mark_stale(connection, "rating", {(CHARGE_POINTS, month) for month in computed(connection, CHARGE_POINTS, row[0])})
    touch_since(connection, MONTHLY, row[0])
