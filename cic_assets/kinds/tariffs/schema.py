"""Accepted rows of tariffs: one per price of an element."""

from __future__ import annotations

import pyarrow as pa

from cic_assets.kinds.schema import AMOUNT, INSTANT, ORIGIN

# Of a restriction: numbers.
LIMITS = (
    "min_kwh", "max_kwh", "min_current", "max_current", "min_power_kw", "max_power_kw", "min_duration_seconds",
    "max_duration_seconds",
)  # fmt: skip
# Of a restriction: texts as OCPI writes them.
WORDS = ("start_time", "end_time", "start_date", "end_date", "days", "reservation")
ACCEPTED = pa.schema(
    [
        *ORIGIN,
        ("provider_id", pa.string()),
        ("authority_id", pa.string()),
        ("tariff_id", pa.string()),
        ("currency", pa.string()),
        ("tariff_type", pa.string()),
        ("position", pa.string()),
        ("component", pa.string()),
        ("price", AMOUNT),
        ("vat_pct", AMOUNT),
        ("step_size", AMOUNT),
        *((name, pa.string()) for name in WORDS),
        *((name, AMOUNT) for name in LIMITS),
        ("min_price", AMOUNT),
        ("max_price", AMOUNT),
        ("valid_from", INSTANT),
        ("valid_to", INSTANT),
        ("last_updated", INSTANT),
        ("flags", pa.list_(pa.string())),
    ]
)
