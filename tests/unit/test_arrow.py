"""What Arrow allows and delta-rs can't take."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from cic_assets.kinds.every import KINDS
from cic_assets.lake import tables
from cic_assets.lake.rows import rows_of
from cic_assets.lake.zones import Lake

COVER = dt.datetime(2026, 1, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize("whole", [0, tables.WHOLE_ROWS], ids=["as a stream", "as a whole"])
def test_a_table_of_an_earlier_release_gets_the_new_column(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(tables, "WHOLE_ROWS", whole)
    day = dt.date(2026, 1, 5)
    lake, schema = Lake(str(tmp_path)), KINDS["status"].schema
    old = schema.remove(schema.get_field_index("covers_until"))
    row = {"stream_id": "s", "arrival_date": day, "event_date": day, "source_file": "f", "source_line": 1}
    tables.replace_arrivals(lake, "status", "s", [day], rows_of(pa.Table.from_pylist([row], old)), lambda: None)
    later = [{**row, "arrival_date": day + dt.timedelta(days=1), "covers_until": COVER}]
    new = rows_of(pa.Table.from_pylist(later, schema))
    tables.replace_arrivals(lake, "status", "s", [later[0]["arrival_date"]], new, lambda: None)
    found = DeltaTable(lake.uri("accepted/status")).to_pyarrow_table().sort_by("arrival_date").to_pylist()
    assert [each["covers_until"] for each in found] == [None, COVER]
