"""The rules for sessions (numbers.md 4). Those that look at other rows (S11, credits) are in `facts/sessions.py`."""

from __future__ import annotations

from cic_assets.kinds.rule import CLOCK_CHANGE, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "S01", "reject", "charge point or start is missing or unreadable, or the end of a closed session; an id has at"
        " most 255 bytes, an instant needs date, time and offset"
        " (`concat(field, 'Z')` where the feed means UTC, *_local for a wall clock)",
        predicate="charge_point is null or started_at is null or (ended_at is null and not is_open)",
        holds="length(coalesce(charge_point, '')) > 0 and coalesce(unix_micros(started_at), -1) <> -1"
        " and (is_open or coalesce(unix_micros(ended_at), -1) <> -1)",
        name="point_or_time_missing",
        source="Atlas Public Policy, Charging Use Data Specification",
    ),
    Rule(
        "S02", "reject", "the end is not after the start",
        predicate="ended_at <= started_at",
        holds="duration_micros > 0",
        name="end_not_after_start",
        source="Atlas",
    ),
    Rule(
        "S03", "reject", "energy is missing or negative",
        predicate="(energy_kwh is null and not is_open) or energy_kwh < 0",
        holds="case when is_open then coalesce(energy_kwh, 0) else coalesce(energy_kwh, -1) end >= 0",
        name="no_or_negative_energy",
        source="ours",
    ),
    Rule(
        "S04", "reject", "the start is after the arrival, before 2010, or an epoch date",
        predicate="started_at > arrived_at + make_dt_interval(0, 0, {future_minutes})"
        " or started_at < timestamp'2010-01-01 00:00:00'",
        holds="unix_micros(started_at) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L",
        name="start_out_of_range",
        source="ours",
    ),
    Rule(
        "S05", "reject", "far more energy than the rated power allows",
        predicate="energy_scaled > {reject_power_ratio} * rated_longest_scaled"
        " and energy_scaled - rated_longest_scaled > {reject_power_excess_kwh} * 3600000000L",
        holds="energy_scaled <= greatest({reject_power_ratio} * rated_longest_scaled,"
        " rated_longest_scaled + {reject_power_excess_kwh} * 3600000000L)",
        name="energy_far_above_rating",
        source="ours",
        sets=("default",),
    ),
    Rule(
        "S06", "flag", "mean power is above the rated power",
        predicate="energy_scaled > {flag_power_ratio} * rated_scaled",
        holds="{flag_power_ratio} * rated_scaled - energy_scaled >= 0",
        name="power_above_rating",
        source="Atlas",
        max_flagged_pct=50,
    ),
    Rule(
        "S07", "flag", "zero energy: a failed start",
        predicate="energy_kwh = 0",
        holds="abs(energy_kwh) > 0",
        name="zero_energy",
        source="Atlas",
        flag="failed_start",
    ),
    Rule(
        "S08", "flag", "unusually little or much energy",
        predicate="energy_kwh < {min_energy_kwh} or energy_kwh > {max_energy_kwh}",
        holds="energy_kwh between {min_energy_kwh} and {max_energy_kwh}",
        name="unusual_energy",
        source="Atlas",
        max_flagged_pct=80,
    ),
    Rule(
        "S09", "flag", "unusually short or long",
        predicate="duration_micros < {min_duration_seconds} * 1000000L"
        " or duration_micros > {max_duration_minutes} * 60000000L",
        holds="duration_micros between {min_duration_seconds} * 1000000L and {max_duration_minutes} * 60000000L",
        name="unusual_duration",
        source="Atlas",
        max_flagged_pct=80,
    ),
    Rule(
        "S10", "flag", "charging time is longer than the session",
        predicate="charging_micros >= duration_micros + clock_step_micros",
        holds="duration_micros - charging_micros + clock_step_micros > 0",
        name="charging_over_duration",
        source="Atlas",
        max_flagged_pct=50,
    ),
    Rule(
        "S14", "flag", "unit suspicion: energy a thousand times off, or an implausible price per kWh",
        predicate="(energy_scaled > {reject_power_ratio} * rated_scaled"
        " and energy_scaled between 100 * rated_scaled and 1000 * {flag_power_ratio} * rated_scaled)"
        " or (energy_scaled > 0"
        " and 1000 * energy_scaled between 0.1 * rated_scaled and {flag_power_ratio} * rated_scaled)"
        " or (cost > 0 and energy_kwh > 0 and (cost < {min_cost_per_kwh} * energy_kwh"
        " or cost > {max_cost_per_kwh} * energy_kwh))",
        holds="coalesce(energy_scaled <= {reject_power_ratio} * rated_scaled or energy_scaled < 100 * rated_scaled"
        " or energy_scaled > 1000 * {flag_power_ratio} * rated_scaled, true)"
        " and coalesce(energy_scaled <= 0 or 1000 * energy_scaled < 0.1 * rated_scaled"
        " or 1000 * energy_scaled > {flag_power_ratio} * rated_scaled, true)"
        " and coalesce(cost <= 0 or energy_kwh <= 0"
        " or cost between {min_cost_per_kwh} * energy_kwh and {max_cost_per_kwh} * energy_kwh, true)",
        name="unit_suspicion",
        source="ours",
        max_flagged_pct=50,
    ),
    Rule(
        "S15", "flag", "day and month were swapped in the feed, and swapped back",
        predicate="day_month_swapped",
        holds="started_wall <=> started_wall_given and ended_wall <=> ended_wall_given",
        name="day_month_swapped_back",
        source="ours",
    ),
    CLOCK_CHANGE,
    Rule(
        "A01", "reject", "duration on the wall clock outside 0 to 1,440 minutes",
        predicate="wall_micros <= 0 or wall_micros >= {academic_max_minutes} * 60000000L",
        holds="wall_micros between 1 and {academic_max_minutes} * 60000000L - 1",
        name="duration_out_of_bounds",
        source="Amara-Ouali et al. 2021, doi 10.3390/en14082233",
        sets=("academic",),
    ),
    Rule(
        "A02", "reject", "energy outside 0 to 100 kWh",
        predicate="energy_kwh <= 0 or energy_kwh >= {academic_max_kwh}",
        holds="abs(energy_kwh - {academic_max_kwh} / 2) < {academic_max_kwh} / 2",
        name="energy_out_of_bounds",
        source="Amara-Ouali et al. 2021, doi 10.3390/en14082233",
        sets=("academic",),
    ),
)  # fmt: skip
