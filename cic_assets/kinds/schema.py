"""What accepted rows of every kind have, and the types of their columns."""

from __future__ import annotations

import pyarrow as pa

AMOUNT = pa.decimal128(12, 4)
INSTANT = pa.timestamp("us", tz="UTC")
# Where a row comes from, and under which date it is kept.
ORIGIN = [
    ("stream_id", pa.string()),
    ("arrival_date", pa.date32()),
    ("event_date", pa.date32()),
    ("source_file", pa.string()),
    ("source_line", pa.int64()),
    ("arrived_at", INSTANT),
    # What of the arrival is replaced together (`ingest/portions.py`).
    ("portion", pa.string()),
]
