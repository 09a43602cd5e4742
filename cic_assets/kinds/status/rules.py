"""The rules for states of charge points (numbers.md 4)."""

from __future__ import annotations

from cic_assets.kinds.rule import CLOCK_CHANGE, TWO_PLACES, Rule

RULES: tuple[Rule, ...] = (
    CLOCK_CHANGE,
    Rule(
        "E01", "reject", "charge point, instant or poll's time is missing or unreadable; an id has at most 255 bytes,"
        " an instant needs date, time and offset"
        " (`concat(field, 'Z')` where the feed means UTC, *_local for a wall clock)",
        predicate="charge_point is null or event_at is null or (confirms and confirmed_at is null)",
        holds="length(coalesce(charge_point, '')) > 0 and coalesce(unix_micros(event_at), -1) <> -1"
        " and (not confirms or coalesce(unix_micros(confirmed_at), -1) <> -1)",
        name="point_or_time_missing",
        source="ours",
    ),
    Rule(
        "E02", "reject", "the instant or the poll's time is after the arrival, or before 2010",
        predicate="greatest(event_at, confirmed_at) > arrived_at + make_dt_interval(0, 0, {future_minutes})"
        " or least(event_at, confirmed_at) < timestamp'2010-01-01 00:00:00'",
        holds="unix_micros(event_at) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L"
        " and coalesce(unix_micros(confirmed_at) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L, true)",
        name="instant_out_of_range",
        source="ours",
    ),
    Rule(
        "E03", "flag", "no vocabulary knows the status, so it counts as UNKNOWN",
        predicate="mapped_state is null",
        holds="coalesce(state = mapped_state, false)",
        name="status_unmapped",
        source="ours",
        flag="unmapped_status",
    ),
    TWO_PLACES,
    Rule(
        "E06", "reject", "the feed itself marks the record as invalid",
        predicate="marked_invalid",
        holds="not marked_invalid",
        name="marked_invalid_by_feed",
        source="customer",
    ),
)  # fmt: skip
