"""The rules for charge points of registries (numbers.md 4)."""

from __future__ import annotations

from cic_assets.kinds.rule import TWO_PLACES, Rule

RULES: tuple[Rule, ...] = (
    TWO_PLACES,
    Rule(
        "L01", "reject", "no charge point: the id is missing, longer than 255 bytes or the header's, or the row is a"
        " total or a footnote",
        predicate="charge_point is null or is_header or is_remark or is_alone or is_unplaced",
        holds="length(coalesce(charge_point, '')) > 0"
        " and not is_header and not is_remark and not is_alone and not is_unplaced",
        name="charge_point_missing",
        source="ours",
    ),
    Rule(
        "L02", "flag", "coordinates 0/0, outside the authority's country, or latitude and longitude exchanged",
        predicate="(latitude = 0 and longitude = 0) or latitude not between box_south and box_north"
        " or longitude not between box_west and box_east",
        holds="abs(latitude) + abs(longitude) > 0 and latitude >= box_south and latitude <= box_north"
        " and longitude >= box_west and longitude <= box_east",
        name="implausible_coordinates",
        source="QualiCharge CRDF",
        max_flagged_pct=50,
    ),
    Rule(
        "L03", "flag", "rated power outside what chargers have",
        predicate="rated_power_kw < {min_rated_kw} or rated_power_kw > {max_rated_kw}",
        holds="rated_power_kw between {min_rated_kw} and {max_rated_kw}",
        name="implausible_rating",
        source="QualiCharge POWL, POWU",
        max_flagged_pct=50,
    ),
    Rule(
        "L04", "flag", "valid_from before 2010 or after the arrival, which stands in its place",
        predicate="valid_from_given > arrived_at + make_dt_interval(0, 0, {future_minutes})"
        " or valid_from_given < timestamp'2010-01-01 00:00:00'",
        holds="unix_micros(valid_from_given) between 1262304000000000L"
        " and unix_micros(arrived_at) + {future_minutes} * 60000000L",
        name="valid_from_out_of_range",
        source="ours",
    ),
)  # fmt: skip
