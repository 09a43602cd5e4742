"""Days of whole networks: the sums of a fact's days, in Postgres, swapped in the same transaction as the days."""

from __future__ import annotations

from cic_assets.ledger.periods import Window
from cic_assets.warehouse.connect import Connection

NETWORK_STATUS_DAY, NETWORK_SESSION_DAY = "facts.network_status_day", "facts.network_session_day"
_STATUS = """
insert into facts.network_status_day
select
  status_date, stream_id, provider_id, authority_id, count(*), count(*) filter (where reports_use), sum(day_seconds),
  sum(available_seconds), sum(blocked_seconds), sum(charging_seconds), sum(inoperative_seconds),
  sum(outoforder_seconds),
  sum(planned_seconds), sum(removed_seconds), sum(reserved_seconds), sum(unknown_seconds), sum(unreported_seconds),
  sum(unobserved_seconds),
  coalesce(sum(charging_seconds) filter (where reports_use), 0),
  coalesce(sum(day_seconds - unobserved_seconds - planned_seconds - removed_seconds) filter (where reports_use), 0),
  sum(event_count + confirmation_count)
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


def renew_status_days(connection: Connection, window: Window) -> None:
    """Sums the window's days of status anew."""
    said = {"start": window.start, "end": window.end}
    connection.execute(
        "delete from facts.network_status_day where status_date >= %(start)s and status_date < %(end)s", said
    )
    connection.execute(_STATUS, said)


def renew_session_days(connection: Connection, window: Window) -> None:
    """Sums the window's days of sessions anew."""
    said = {"start": window.start, "end": window.end}
    connection.execute(
        "delete from facts.network_session_day where start_date >= %(start)s and start_date < %(end)s", said
    )
    connection.execute(_SESSIONS, said)
