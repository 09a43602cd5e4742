"""Accepted rows of charge points."""

from __future__ import annotations

import pyarrow as pa

from cic_assets.kinds.schema import AMOUNT, INSTANT, ORIGIN

# What `facts/charge_points.py` builds the registry from.
ACCEPTED = pa.schema(
    [
        *ORIGIN,
        ("provider_id", pa.string()),
        ("authority_id", pa.string()),
        ("charge_point_id", pa.string()),
        ("charge_point_alias", pa.string()),
        ("connector_id", pa.string()),
        ("location_id", pa.string()),
        ("location_name", pa.string()),
        ("device_id", pa.string()),
        ("rated_power_kw", AMOUNT),
        ("latitude", pa.decimal128(9, 6)),
        ("longitude", pa.decimal128(9, 6)),
        ("valid_from", INSTANT),
        # From when on the row itself says that the charge point is no more.
        ("valid_to", INSTANT),
        ("status", pa.string()),
        # With commas between, in order.
        ("tariff_ids", pa.string()),
        ("flags", pa.list_(pa.string())),
    ]
)
