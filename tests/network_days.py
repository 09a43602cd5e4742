"""Days of networks are the sums of the facts' days, whatever was swapped, spared or migrated."""

from __future__ import annotations

from cic_assets.settings import Settings
from tests.doors import connect

_SECONDS = (
    "day", "available", "blocked", "charging", "inoperative", "outoforder", "planned", "removed", "reserved", "unknown",
    "unreported", "unobserved",
)  # fmt: skip
_STATUS = ", ".join(f"sum({name}_seconds)" for name in _SECONDS)
_SESSIONS = ", ".join(
    f"sum({name})" for name in ("session_count", "failed_session_count", "duration_seconds_total", "energy_kwh_total",
                                "revenue_count", "revenue_total")
)  # fmt: skip
_PAIRS = (
    (
        "select status_date, stream_id, provider_id, authority_id, sum(charge_point_count), sum(entry_count),"
        f" {_STATUS}, sum(use_charging_seconds), sum(use_denominator_seconds) from facts.network_status_day",
        f"select status_date, stream_id, provider_id, authority_id, count(*), sum(event_count + confirmation_count),"
        f" {_STATUS}, sum(case when reports_use then charging_seconds else 0 end), sum(case when reports_use then"
        " day_seconds - unobserved_seconds - planned_seconds - removed_seconds else 0 end)"
        " from facts.charge_point_status_day",
    ),
    (
        f"select start_date, currency, provider_id, authority_id, sum(charge_point_count), {_SESSIONS}"
        " from facts.network_session_day",
        f"select start_date, currency, provider_id, authority_id, count(distinct charge_point_id), {_SESSIONS}"
        " from facts.charging_session_day",
    ),
    (
        "select charge_point_id, provider_id, authority_id, seen_in, min(first_date), max(last_date)"
        " from facts.charge_point_seen",
        "select charge_point_id, provider_id, authority_id, seen_in, min(date), max(date) from ("
        "select charge_point_id, provider_id, authority_id, 'sessions' as seen_in, start_date as date"
        " from facts.charging_session union all select charge_point_id, provider_id, authority_id, 'status',"
        " case when unobserved_seconds < day_seconds then status_date end from facts.charge_point_status_day) as said",
    ),
)


def differences(settings: Settings) -> list[tuple[object, ...]]:
    """Rows that stand in one only."""
    with connect(settings) as connection:
        found = []
        for sums, days in _PAIRS:
            one, other = (f"{query} group by 1, 2, 3, 4" for query in (sums, days))
            for first, second in ((one, other), (other, one)):
                found += connection.execute(f"({first}) except ({second})".encode()).fetchall()
    return found
