"""Takes from a warehouse what a later migration gave it, for tests of an upgrade."""

from __future__ import annotations

_D = "day_seconds - unobserved_seconds - planned_seconds - removed_seconds"
# Migrations 0013 to 0015. What depends on the column goes first.
WITHOUT_FETCHED = f"""
drop table facts.tariff;
alter table facts.charge_point drop column tariff_ids;
drop table catalogue.response, catalogue.poll;
drop view if exists quality.feed_day cascade;
alter table facts.charge_point_status_day
alter column operational_pct set expression as (
  round(100 * (available_seconds + charging_seconds + reserved_seconds) / nullif({_D}, 0), 6)
),
alter column charging_pct set expression as (
  case when reports_use then round(100 * charging_seconds / nullif({_D}, 0), 6) end
),
alter column unknown_pct set expression as (
  round(100 * (unknown_seconds + unreported_seconds) / nullif({_D}, 0), 6)
);
alter table facts.charge_point_status_day drop column receiver_seconds;
"""
