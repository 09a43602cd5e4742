"""What Arrow allows and delta-rs can't take."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from cic_assets.lake import tables
from cic_assets.lake.rows import rows_of
from cic_assets.lake.zones import Lake


@pytest.mark.parametrize("whole", [0, tables.WHOLE_ROWS], ids=["as a stream", "as a whole"])
def test_a_table_of_an_earlier_release_gets_the_new_column(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(tables, "WHOLE_ROWS", whole)
    day = dt.date(2026, 1, 5)
    lake, old = Lake(str(tmp_path)), tables.QUARANTINE.remove(tables.QUARANTINE.get_field_index("detail"))
    row = {"stream_id": "s", "arrival_date": day, "source_file": "f", "source_line": 1, "reasons": ["D01"], "raw": "x"}
    tables.replace_arrivals(
        lake, "quarantine", "status", "s", [day], rows_of(pa.Table.from_pylist([row], old)), lambda: None
    )
    later = [{**row, "arrival_date": day + dt.timedelta(days=1), "detail": "why"}]
    new = rows_of(pa.Table.from_pylist(later, tables.QUARANTINE))
    tables.replace_arrivals(lake, "quarantine", "status", "s", [later[0]["arrival_date"]], new, lambda: None)
    found = DeltaTable(lake.uri("quarantine/status")).to_pyarrow_table().sort_by("arrival_date").to_pylist()
    assert [each["detail"] for each in found] == [None, "why"]
