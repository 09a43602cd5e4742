"""What is asked of a fact as a whole: sums of its days, and where it has a charge point. Swapped with the fact."""

from __future__ import annotations

import datetime as dt
from typing import LiteralString

from cic_assets.calendar import month_of, next_month
from cic_assets.ledger.periods import Window
from cic_assets.warehouse.connect import Connection

_STATUS = """
insert into facts.network_status_day
select
  status_date, stream_id, provider_id, authority_id, count(*), count(*) filter (where reports_use), sum(day_seconds),
  sum(available_seconds), sum(blocked_seconds), sum(charging_seconds), sum(inoperative_seconds),
  sum(outoforder_seconds),
  sum(planned_seconds), sum(removed_seconds), sum(reserved_seconds), sum(unknown_seconds), sum(unreported_seconds),
  sum(unobserved_seconds),
  coalesce(sum(charging_seconds) filter (where reports_use), 0),
  coalesce(
    sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds - receiver_seconds)
    filter (where reports_use), 0
  ),
  sum(event_count + confirmation_count), sum(receiver_seconds)
from facts.charge_point_status_day
where status_date >= %(start)s and status_date < %(end)s
group by status_date, stream_id, provider_id, authority_id
"""
_SESSIONS = """
insert into facts.network_session_day
select
  start_date, provider_id, authority_id, currency, count(distinct charge_point_id), sum(session_count),
  sum(failed_session_count), sum(duration_seconds_total), sum(energy_kwh_total), sum(revenue_count), sum(revenue_total)
from facts.charging_session_day
where start_date >= %(start)s and start_date < %(end)s
group by start_date, provider_id, authority_id, currency
"""

# Of whole months: a window of days may be a part of one.
_SEEN_IN_STATUS = """
insert into facts.charge_point_seen
select
  date_trunc('month', status_date)::date, 'status', charge_point_id, provider_id, authority_id,
  min(status_date) filter (where unobserved_seconds < day_seconds),
  max(status_date) filter (where unobserved_seconds < day_seconds)
from facts.charge_point_status_day
where status_date >= %(month)s and status_date < %(next_month)s
group by 1, 2, 3, 4, 5
"""
_SEEN_IN_SESSIONS = """
insert into facts.charge_point_seen
select
  date_trunc('month', start_date)::date, 'sessions', charge_point_id, provider_id, authority_id, min(start_date),
  max(start_date)
from facts.charging_session
where start_date >= %(month)s and start_date < %(next_month)s
group by 1, 2, 3, 4, 5
"""
_NOT_SEEN = """
delete from facts.charge_point_seen
where seen_in = %(seen_in)s and month_date >= %(month)s and month_date < %(next_month)s
"""


def renew_status_days(connection: Connection, window: Window) -> None:
    """Sums the window's days of status anew, and says which charge points its months have."""
    old = "delete from facts.network_status_day where status_date >= %(start)s and status_date < %(end)s"
    _renew(connection, window, "status", old, _STATUS, _NOT_SEEN, _SEEN_IN_STATUS)


def renew_session_days(connection: Connection, window: Window) -> None:
    """Sums the window's days of sessions anew, and says which charge points its months have."""
    old = "delete from facts.network_session_day where start_date >= %(start)s and start_date < %(end)s"
    _renew(connection, window, "sessions", old, _SESSIONS, _NOT_SEEN, _SEEN_IN_SESSIONS)


def _renew(connection: Connection, window: Window, seen_in: str, *queries: LiteralString) -> None:
    months = {"month": month_of(window.start), "next_month": next_month(month_of(window.end - dt.timedelta(days=1)))}
    for query in queries:
        connection.execute(query, {"start": window.start, "end": window.end, "seen_in": seen_in, **months})
