"""Accepted rows of sessions."""

from __future__ import annotations

import pyarrow as pa

from cic_assets.kinds.schema import AMOUNT, INSTANT, ORIGIN

# What `facts/sessions.py` reads: the common model with its provenance (numbers.md 1 and 3).
ACCEPTED = pa.schema(
    [
        *ORIGIN,
        ("session_id", pa.string()),
        ("record_kind", pa.string()),
        ("status", pa.string()),
        ("is_open", pa.bool_()),
        ("cdr_session_id", pa.string()),
        ("credit", pa.bool_()),
        ("credit_reference_id", pa.string()),
        ("provider_id", pa.string()),
        ("authority_id", pa.string()),
        ("charge_point_id", pa.string()),
        ("charge_point_alias", pa.string()),
        ("connector_id", pa.string()),
        ("started_at", INSTANT),
        ("ended_at", INSTANT),
        ("start_date", pa.date32()),
        ("duration_seconds", pa.decimal128(18, 6)),
        ("energy_kwh", AMOUNT),
        ("revenue", AMOUNT),
        ("currency", pa.string()),
        ("rated_power_kw", AMOUNT),
        ("last_updated", INSTANT),
        ("flags", pa.list_(pa.string())),
        ("content_hash", pa.string()),
    ]
)
