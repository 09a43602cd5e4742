"""Accepted rows of states."""

from __future__ import annotations

import pyarrow as pa

from cic_assets.kinds.schema import INSTANT, ORIGIN

# What `facts/status.py` reads: entries of timelines (`kinds/status/harmonise.py:entries`), by the date of `at`.
ACCEPTED = pa.schema(
    [
        *ORIGIN,
        ("provider_id", pa.string()),
        ("authority_id", pa.string()),
        ("charge_point_id", pa.string()),
        ("charge_point_alias", pa.string()),
        ("connector_id", pa.string()),
        ("entry", pa.string()),
        ("at", INSTANT),
        # Of a poll: since when the feed says that the state holds.
        ("since_at", INSTANT),
        ("state", pa.string()),
        ("source_status", pa.string()),
        ("status_date", pa.date32()),
        ("covers_until", INSTANT),
        ("flags", pa.list_(pa.string())),
    ]
)
