"""The ledger of what is due by the calendar alone: days that feeds have, and months that close without any word."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cic_assets.calendar import days_of
from cic_assets.warehouse.connect import Connection

_DAY = dt.timedelta(days=1)
# First and last day.
Span = tuple[dt.date, dt.date]


def days(span: Span | None) -> list[dt.date]:
    """The days of a span; none of None."""
    return days_of(span[0], span[1] + _DAY) if span else []


def days_of_feed(connection: Connection, feed: str) -> list[dt.date]:
    """The days that a feed had when last asked; until the end of the transaction nobody else changes them."""
    row = connection.execute(
        "select first_date, last_date from catalogue.feed_span where feed = %s for update", [feed]
    ).fetchone()
    return days((row[0], row[1])) if row else []


def keep_span(connection: Connection, feed: str, span: Span | None) -> None:
    """Keeps the days that a feed has."""
    if span is None:
        connection.execute("delete from catalogue.feed_span where feed = %s", [feed])
        return
    connection.execute(
        "insert into catalogue.feed_span values (%s, %s, %s) on conflict (feed) do update"
        " set first_date = excluded.first_date, last_date = excluded.last_date",
        [feed, *span],
    )


def forget_others(connection: Connection, known: Sequence[str]) -> dict[str, list[dt.date]]:
    """Forgets the days of all other feeds, and says which those were."""
    gone = connection.execute(
        "delete from catalogue.feed_span where feed <> all(%s) returning feed, first_date, last_date", [list(known)]
    ).fetchall()
    return {feed: days((first, last)) for feed, first, last in gone}


def untouched_months(connection: Connection, counted: str, spoken: str, today: dt.date) -> list[dt.date]:
    """Months of the fact `counted` that nobody has ever touched, up to today.

    They are those since the registry's first version, as far as they are closed, and those between two words of a
    provider: periods of the fact `spoken`, and days of feeds.
    """
    values = {"today": today, "counted": counted, "spoken": spoken}
    return [month for (month,) in connection.execute(_UNTOUCHED_MONTHS, values).fetchall()]


_UNTOUCHED_MONTHS = """
with spans as (
  select min(date_trunc('month', c.valid_from at time zone s.zone))::date as first_month,
    (date_trunc('month', %(today)s::date) - interval '1 month')::date as last_month
  from facts.charge_point as c join catalogue.stream as s using (stream_id)
  union all
  select min(first_month), max(last_month)
  from (
    select s.provider_id, date_trunc('month', min(t.period_date))::date as first_month,
      date_trunc('month', max(t.period_date))::date as last_month
    from catalogue.touched_period as t join catalogue.stream as s using (stream_id)
    where t.fact = %(spoken)s
    group by 1
    union all
    -- A feed's own days: an entry years before them opens none.
    select s.provider_id, date_trunc('month', f.first_date)::date, date_trunc('month', f.last_date)::date
    from catalogue.feed_span as f join catalogue.stream as s on s.stream_id = f.feed
  ) as words
  group by provider_id
)
select distinct month::date
from spans,
  -- The calendar's first month: a registry of before may say year 1.
  generate_series(
    greatest(first_month, date '2010-01-01'),
    least(last_month, date_trunc('month', %(today)s::date)),
    interval '1 month'
  ) as month
-- Of no registry, the least of nothing is null, and the greater of null and a date the date.
where first_month is not null and not exists (
  select from catalogue.touched_period as t where t.fact = %(counted)s and t.period_date = month::date
)
"""
