"""The rules of numbers.md 4, each written once, and the rule sets.

A rule says when it fires (`predicate`) and, in other words, what holds for a row on which it does not (`holds`). The
first splits the rows; the second audits the split, so that a predicate which somebody broke is seen by the rule's own
check and not only by a customer. Both are Spark SQL over the judged columns (`ingest/judge.py` names them). Rules
that look at other rows (S11, credits) are in `facts/sessions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["reject", "flag"]

THRESHOLDS: dict[str, float] = {
    "reject_power_ratio": 1.5,
    "reject_power_excess_kwh": 1,
    "flag_power_ratio": 1.1,
    "min_energy_kwh": 0.5,
    "max_energy_kwh": 250,
    "min_duration_seconds": 60,
    "max_duration_minutes": 2880,
    "future_minutes": 5,
    "min_cost_per_kwh": 0.05,
    "max_cost_per_kwh": 2,
    "min_rated_kw": 1.3,
    "max_rated_kw": 4000,
    "academic_max_minutes": 1440,
    "academic_max_kwh": 100,
}


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: as in numbers.md 4, or `D…` for records that could not be decoded and `A…` for the academic rule set.
        severity: `reject` quarantines the row, `flag` keeps and marks it.
        message: what is wrong, for people.
        predicate: true where the rule fires; null counts as false. `{name}` is a threshold.
        holds: true where the row is fine by this rule; null counts as true.
        source: who says so.
        kinds: the kinds of stream whose rows it looks at.
        flag: the word in `flags` where numbers.md gives one, else the id.
        words: of a rule that marks several things in a row: Spark SQL for an array of them; each becomes `flag:word`.
    """

    id: str
    severity: Severity
    message: str
    predicate: str
    holds: str
    source: str
    kinds: tuple[str, ...] = ("sessions",)
    flag: str = ""
    words: str = ""

    @property
    def mark(self) -> str:
        """What a flagged row carries."""
        return self.flag or self.id


EVERY_KIND = ("sessions", "status", "locations")
RULES: tuple[Rule, ...] = (
    Rule(
        "D01", "reject", "the record can't be decoded",
        predicate="decode_fault = 'D01'",
        holds="coalesce(decode_fault, '') <> 'D01'",
        source="ours",
        kinds=EVERY_KIND,
    ),
    Rule(
        "D02", "reject", "the file lacks a field that the stream's expressions read",
        predicate="decode_fault = 'D02'",
        holds="coalesce(decode_fault, '') <> 'D02'",
        source="ours",
        kinds=EVERY_KIND,
    ),
    Rule(
        "D03", "reject", "the delivery lacks a personal field and is held: nothing of it is decoded until the stream"
        " file is mended",
        predicate="decode_fault = 'D03'",
        holds="coalesce(decode_fault, '') <> 'D03'",
        source="ours",
        kinds=EVERY_KIND,
    ),
    Rule(
        # Decided over a whole delivery, after its rows were judged: `ingest/deliveries.py`.
        "D04", "reject", "the delivery is held for what it is like as a whole, until it is released or the stream file"
        " is mended; `cic held` shows why",
        predicate="decode_fault = 'D04'",
        holds="coalesce(decode_fault, '') <> 'D04'",
        source="ours",
        kinds=EVERY_KIND,
    ),
    Rule(
        "S01", "reject", "charge point or start is missing or unreadable, or the end of a closed session; an id has at"
        " most 255 bytes, an instant needs date, time and offset"
        " (`concat(field, 'Z')` where the feed means UTC, *_local for a wall clock)",
        predicate="charge_point is null or started_at is null or (ended_at is null and not is_open)",
        holds="length(coalesce(charge_point, '')) > 0 and coalesce(unix_micros(started_at), -1) <> -1"
        " and (is_open or coalesce(unix_micros(ended_at), -1) <> -1)",
        source="Atlas Public Policy, Charging Use Data Specification",
    ),
    Rule(
        "S02", "reject", "the end is not after the start",
        predicate="ended_at <= started_at",
        holds="duration_micros > 0",
        source="Atlas",
    ),
    Rule(
        "S03", "reject", "energy is missing or negative",
        predicate="(energy_kwh is null and not is_open) or energy_kwh < 0",
        holds="case when is_open then coalesce(energy_kwh, 0) else coalesce(energy_kwh, -1) end >= 0",
        source="ours",
    ),
    Rule(
        "S04", "reject", "the start is after the arrival, before 2010, or an epoch date",
        predicate="started_at > arrived_at + make_dt_interval(0, 0, {future_minutes})"
        " or started_at < timestamp'2010-01-01 00:00:00'",
        holds="unix_micros(started_at) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L",
        source="ours",
    ),
    Rule(
        "S05", "reject", "far more energy than the rated power allows",
        predicate="energy_scaled > {reject_power_ratio} * rated_longest_scaled"
        " and energy_scaled - rated_longest_scaled > {reject_power_excess_kwh} * 3600000000L",
        holds="energy_scaled <= greatest({reject_power_ratio} * rated_longest_scaled,"
        " rated_longest_scaled + {reject_power_excess_kwh} * 3600000000L)",
        source="ours",
    ),
    Rule(
        "S06", "flag", "mean power is above the rated power",
        predicate="energy_scaled > {flag_power_ratio} * rated_scaled",
        holds="{flag_power_ratio} * rated_scaled - energy_scaled >= 0",
        source="Atlas",
    ),
    Rule(
        "S07", "flag", "zero energy: a failed start",
        predicate="energy_kwh = 0",
        holds="abs(energy_kwh) > 0",
        source="Atlas",
        flag="failed_start",
    ),
    Rule(
        "S08", "flag", "unusually little or much energy",
        predicate="energy_kwh < {min_energy_kwh} or energy_kwh > {max_energy_kwh}",
        holds="energy_kwh between {min_energy_kwh} and {max_energy_kwh}",
        source="Atlas",
    ),
    Rule(
        "S09", "flag", "unusually short or long",
        predicate="duration_micros < {min_duration_seconds} * 1000000L"
        " or duration_micros > {max_duration_minutes} * 60000000L",
        holds="duration_micros between {min_duration_seconds} * 1000000L and {max_duration_minutes} * 60000000L",
        source="Atlas",
    ),
    Rule(
        "S10", "flag", "charging time is longer than the session",
        predicate="charging_micros >= duration_micros + clock_step_micros",
        holds="duration_micros - charging_micros + clock_step_micros > 0",
        source="Atlas",
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
        source="ours",
    ),
    Rule(
        "S15", "flag", "day and month were swapped in the feed, and swapped back",
        predicate="day_month_swapped",
        holds="started_wall <=> started_wall_given and ended_wall <=> ended_wall_given",
        source="ours",
    ),
    Rule(
        "DST", "flag", "a local time that occurs twice or never",
        predicate="dst",
        holds="not dst_shifted and not dst_twice",
        source="DEFINITIONS 4, daylight saving",
        kinds=("sessions", "status"),
        flag="dst",
    ),
    Rule(
        "E01", "reject", "charge point, instant or poll's time is missing or unreadable; an id has at most 255 bytes,"
        " an instant needs date, time and offset"
        " (`concat(field, 'Z')` where the feed means UTC, *_local for a wall clock)",
        predicate="charge_point is null or event_at is null or (confirms and confirmed_at is null)",
        holds="length(coalesce(charge_point, '')) > 0 and coalesce(unix_micros(event_at), -1) <> -1"
        " and (not confirms or coalesce(unix_micros(confirmed_at), -1) <> -1)",
        source="ours",
        kinds=("status",),
    ),
    Rule(
        "E02", "reject", "the instant or the poll's time is after the arrival, or before 2010",
        predicate="greatest(event_at, confirmed_at) > arrived_at + make_dt_interval(0, 0, {future_minutes})"
        " or least(event_at, confirmed_at) < timestamp'2010-01-01 00:00:00'",
        holds="unix_micros(event_at) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L"
        " and coalesce(unix_micros(confirmed_at) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L, true)",
        source="ours",
        kinds=("status",),
    ),
    Rule(
        "E03", "flag", "no vocabulary knows the status, so it counts as UNKNOWN",
        predicate="mapped_state is null",
        holds="coalesce(state = mapped_state, false)",
        source="ours",
        kinds=("status",),
        flag="unmapped_status",
    ),
    Rule(
        "E08", "flag", "one id stands at two places in one delivery",
        predicate="two_places",
        holds="not two_places",
        source="ours",
        kinds=("locations", "status"),
        flag="two_places",
    ),
    Rule(
        "E06", "reject", "the feed itself marks the record as invalid",
        predicate="marked_invalid",
        holds="not marked_invalid",
        source="customer",
        kinds=("status",),
    ),
    Rule(
        "L01", "reject", "no charge point: the id is missing, longer than 255 bytes or the header's, or the row is a"
        " total or a footnote",
        predicate="charge_point is null or is_header or is_remark or is_alone or is_unplaced",
        holds="length(coalesce(charge_point, '')) > 0"
        " and not is_header and not is_remark and not is_alone and not is_unplaced",
        source="ours",
        kinds=("locations",),
    ),
    Rule(
        "L02", "flag", "coordinates 0/0, outside the authority's country, or latitude and longitude exchanged",
        predicate="(latitude = 0 and longitude = 0) or latitude not between box_south and box_north"
        " or longitude not between box_west and box_east",
        holds="abs(latitude) + abs(longitude) > 0 and latitude >= box_south and latitude <= box_north"
        " and longitude >= box_west and longitude <= box_east",
        source="QualiCharge CRDF",
        kinds=("locations",),
    ),
    Rule(
        "L03", "flag", "rated power outside what chargers have",
        predicate="rated_power_kw < {min_rated_kw} or rated_power_kw > {max_rated_kw}",
        holds="rated_power_kw between {min_rated_kw} and {max_rated_kw}",
        source="QualiCharge POWL, POWU",
        kinds=("locations",),
    ),
    Rule(
        "L04", "flag", "valid_from before 2010 or after the arrival, which stands in its place",
        predicate="valid_from_given > arrived_at + make_dt_interval(0, 0, {future_minutes})"
        " or valid_from_given < timestamp'2010-01-01 00:00:00'",
        holds="unix_micros(valid_from_given) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L",
        source="ours",
        kinds=("locations",),
    ),
    Rule(
        "U01", "flag", "a value is there and can't be read",
        predicate="size(unreadable) > 0",
        holds="values_present = values_read",
        source="ours",
        kinds=EVERY_KIND,
        flag="unreadable",
        words="unreadable",
    ),
    Rule(
        "A01", "reject", "duration on the wall clock outside 0 to 1,440 minutes",
        predicate="wall_micros <= 0 or wall_micros >= {academic_max_minutes} * 60000000L",
        holds="wall_micros between 1 and {academic_max_minutes} * 60000000L - 1",
        source="Amara-Ouali et al. 2021, doi 10.3390/en14082233",
    ),
    Rule(
        "A02", "reject", "energy outside 0 to 100 kWh",
        predicate="energy_kwh <= 0 or energy_kwh >= {academic_max_kwh}",
        holds="abs(energy_kwh - {academic_max_kwh} / 2) < {academic_max_kwh} / 2",
        source="Amara-Ouali et al. 2021, doi 10.3390/en14082233",
    ),
)  # fmt: skip

# What a rule's check is called after its id, in letters that Dagster takes; the UI's list cuts names of more than 28.
# Not in `Rule`: its text is in the digest of ingest's recipe, so that another name would make all arrivals due.
_NAMES = {
    "D01": "record_not_decodable",
    "D02": "field_missing_in_file",
    "D03": "personal_field_missing",
    "D04": "delivery_held",
    "S01": "point_or_time_missing",
    "S02": "end_not_after_start",
    "S03": "no_or_negative_energy",
    "S04": "start_out_of_range",
    "S05": "energy_far_above_rating",
    "S06": "power_above_rating",
    "S07": "zero_energy",
    "S08": "unusual_energy",
    "S09": "unusual_duration",
    "S10": "charging_over_duration",
    "S14": "unit_suspicion",
    "S15": "day_month_swapped_back",
    "DST": "time_twice_or_never",
    "E01": "point_or_time_missing",
    "E02": "instant_out_of_range",
    "E03": "status_unmapped",
    "E06": "marked_invalid_by_feed",
    "E08": "one_id_at_two_places",
    "L01": "charge_point_missing",
    "L02": "implausible_coordinates",
    "L03": "implausible_rating",
    "L04": "valid_from_out_of_range",
    "U01": "value_unreadable",
    "A01": "duration_out_of_bounds",
    "A02": "energy_out_of_bounds",
}
# What other checks say of every single row: a delivery is held, a value can't be read.
WITHOUT_LIMIT = ("D03", "D04", "U01")


def check_name(rule: Rule) -> str:
    """What the rule's check is called: its id, and what it looks for."""
    return f"{rule.id}_{_NAMES[rule.id]}"


_ACADEMIC_ONLY = {"A01", "A02"}
_DEFAULT_ONLY = {"S05"}
SETS: dict[str, tuple[str, ...]] = {
    "default": tuple(rule.id for rule in RULES if rule.id not in _ACADEMIC_ONLY),
    "academic": tuple(rule.id for rule in RULES if rule.id not in _DEFAULT_ONLY),
}


@dataclass(frozen=True)
class CrossRule:
    """A rule that looks at other rows or tables, computed over event time in `facts/`.

    Attributes:
        id: as in numbers.md 4.
        message: what is wrong, for people.
        source: who says so.
        flag: the word in `flags` where numbers.md gives one, else the id.
    """

    id: str
    message: str
    source: str
    flag: str = ""

    @property
    def mark(self) -> str:
        """What a flagged row carries."""
        return self.flag or self.id


CROSS_RULES = {
    rule.id: rule
    for rule in (
        CrossRule("S11", "overlaps another session on the same connector", "OCPI"),
        CrossRule("S12", "the charge point is not in its provider's registry", "Atlas"),
        CrossRule("S16", "one id at two charge points, or with starts more than 24 h apart", "ours", "id_reused"),
        CrossRule("E04", "more than 6 changes within an hour", "ours", "flapping"),
        CrossRule(
            "E07",
            "a poll contradicts an earlier poll by an older instant: the feed changes states without saying when",
            "ours",
            "instant_stands_still",
        ),
        CrossRule("E05", "the charge point is not in its provider's registry", "ours"),
    )
}


def rules_of(rule_set: str, kind: str) -> tuple[Rule, ...]:
    """The rules of a set that look at a kind's rows, in the order of numbers.md."""
    return tuple(rule for rule in RULES if rule.id in SETS[rule_set] and kind in rule.kinds)


def with_thresholds(text: str, overrides: Mapping[str, float]) -> str:
    """A predicate with its thresholds filled in; whole numbers stay whole, so that decimals stay exact."""
    values = {**THRESHOLDS, **overrides}
    return text.format(**{name: f"{value:f}".rstrip("0").rstrip(".") for name, value in values.items()})
