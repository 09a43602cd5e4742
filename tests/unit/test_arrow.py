"""What Arrow allows and delta-rs can't take."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
from deltalake import DeltaTable

from cic_assets.lake import tables
from cic_assets.lake.ingest import _rows
from cic_assets.lake.zones import Lake


def test_rows_whose_lists_are_all_empty_are_written(tmp_path):
    """As Apache Spark sends them: lists without items, whose texts have no offsets. Found by `make fuzz`."""
    day, now = dt.date(2026, 1, 5), dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    # Behind the empty buffer stands what is no offset.
    nothing = pa.py_buffer(b"\xee" * 64).slice(0, 0)
    texts = pa.Array.from_buffers(pa.string(), 0, [None, nothing, nothing])
    row = {"stream_id": "s", "arrival_date": day, "event_date": day, "at": now, "charge_point_id": "p/1"}
    sent = pa.Table.from_pylist([row, row], schema=tables.ACCEPTED["status"])
    place = sent.column_names.index("flags")
    empty = pa.ListArray.from_arrays(pa.array([0, 0, 0], pa.int32()), texts)
    sent = sent.set_column(place, sent.schema.field("flags"), empty)

    class Frame:
        def select(self, *names):
            return self

        def toArrow(self):  # noqa: N802 - Spark's name
            return sent

    lake = Lake(str(tmp_path))
    rows = _rows(Frame(), tables.ACCEPTED["status"])
    tables.replace_arrivals(lake, "accepted", "status", "s", [day], rows, lambda: None)
    assert tables.arrival_rows(lake, "status", "s", [day]).num_rows == 2


def test_a_table_of_an_earlier_release_gets_the_new_column(tmp_path):
    day = dt.date(2026, 1, 5)
    lake, old = Lake(str(tmp_path)), tables.QUARANTINE.remove(tables.QUARANTINE.get_field_index("detail"))
    row = {"stream_id": "s", "arrival_date": day, "source_file": "f", "source_line": 1, "reasons": ["D01"], "raw": "x"}
    tables.replace_arrivals(lake, "quarantine", "status", "s", [day], pa.Table.from_pylist([row], old), lambda: None)
    later = [{**row, "arrival_date": day + dt.timedelta(days=1), "detail": "why"}]
    new = pa.Table.from_pylist(later, tables.QUARANTINE)
    tables.replace_arrivals(lake, "quarantine", "status", "s", [later[0]["arrival_date"]], new, lambda: None)
    found = DeltaTable(lake.uri("quarantine/status")).to_pyarrow_table().sort_by("arrival_date").to_pylist()
    assert [each["detail"] for each in found] == [None, "why"]
