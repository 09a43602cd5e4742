"""What became of accepted rows, counted for every fact that is made of them: `quality.outcome`.

Which outcome a row has is the fact's own: `facts/sessions.py`, `facts/status.py`.
"""

from __future__ import annotations

import pyarrow as pa

from cic_assets.lake.rows import Rows, rows_of

SCHEMA = pa.schema(
    [
        ("fact", pa.string()), ("stream_id", pa.string()), ("arrival_date", pa.date32()), ("period_date", pa.date32()),
        ("outcome", pa.string()), ("row_count", pa.int64()),
    ]
)  # fmt: skip
NONE = rows_of(SCHEMA.empty_table())


def summed(counts: pa.Table, fact: str, period: str) -> Rows:
    """Counts that were made in groups, as rows of `quality.outcome`.

    Args:
        counts: stream_id, arrival_date, the period, outcome and row_count.
        fact: whose they are.
        period: the column with the fact's period.
    """
    keys = ["stream_id", "arrival_date", period, "outcome"]
    found = counts.group_by(keys).aggregate([("row_count", "sum")])
    columns = [pa.array([fact] * found.num_rows, pa.string()), *(found[key] for key in keys), found["row_count_sum"]]
    return rows_of(pa.table(columns, schema=SCHEMA))
