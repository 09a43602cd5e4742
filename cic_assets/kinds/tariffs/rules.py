"""The rules for tariffs (numbers.md 4)."""

from __future__ import annotations

from cic_assets.kinds.rule import Rule

# OCPI 2.2.1, 11.4.5 TariffDimensionType.
COMPONENTS = ("ENERGY", "FLAT", "PARKING_TIME", "TIME")
RULES: tuple[Rule, ...] = (
    Rule(
        "T01", "reject", "no price: the tariff's id, what the price is for or the price is missing or unreadable",
        predicate="tariff_id is null or component is null or price is null",
        holds="length(coalesce(tariff_id, '')) > 0 and length(coalesce(component, '')) > 0"
        " and length(coalesce(cast(price as string), '')) > 0",
        name="price_missing",
        source="ours",
    ),
    Rule(
        "T02", "flag", "a price that nobody asks: negative, or above 5 per kWh, 100 per hour or 200 at once",
        predicate="price < 0 or (component = 'ENERGY' and price > 5) or (component = 'FLAT' and price > 200)"
        " or (component in ('TIME', 'PARKING_TIME') and price > 100)",
        holds="price >= 0 and price <= case component when 'ENERGY' then 5 when 'FLAT' then 200 else 100 end",
        name="implausible_price",
        source="ours",
        max_flagged_pct=50,
    ),
    Rule(
        "T03", "flag", "it ends before it begins to apply",
        predicate="valid_to <= valid_from",
        holds="unix_micros(valid_to) > unix_micros(valid_from)",
        name="ends_before_it_begins",
        source="ours",
    ),
)  # fmt: skip
