"""Shapes in which a personal value once left in the clear, and rows that were once lost in silence."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from cic_assets.lake.decode import _raw_without, _row
from cic_assets.lake.records import Reading, Record, read_records
from cic_assets.settings import SHIPPED_STREAMS
from cic_assets.streams.model import FeedFormat, parse_stream, referenced_fields

CSV = parse_stream(yaml.safe_load(Path(SHIPPED_STREAMS, "ashbourne_sessions.yml").read_text()))
JSONL = parse_stream(yaml.safe_load(Path(SHIPPED_STREAMS, "brackendale_sessions.yml").read_text()))
LANDED = type("Landed", (), {"sha256": "x"})()


def read(content: bytes, kind: str = "csv"):
    reading = read_records(io.BytesIO(content), FeedFormat(type=kind))
    return list(reading.records), reading


def test_an_unclosed_quote_swallows_no_row_in_silence():
    records, _ = read(b'a,b\n0,z\n1,"x\n2,y\n3,z\n')
    assert [(r.line, r.values is None) for r in records] == [(2, False), (3, True), (4, False), (5, False)]
    assert records[1].raw == '1,"x' and "unexpected end of data" in str(records[1].fault)


def test_rows_drawn_into_a_cell_are_withheld_where_there_are_personal_fields():
    header = "Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID"
    records, reading = read(f'{header}\n1,A,1,,,,"x\n2,A,1,,,,1,7,SECRET2\n3",7,SECRET1\n'.encode())
    rows = [_row(CSV, LANDED, reading, record, b"k") for record in records]
    assert rows and "SECRET" not in str(rows)


@pytest.mark.parametrize(
    "content",
    [
        {"cdr_token": [{"uid": "SECRET"}]},
        {"cdr_token.uid": "SECRET", "cdr_token": {"uid": "SECRET"}},
        {"cdr_token": {"uid": ["SECRET"]}},
    ],
)
def test_personal_values_go_in_every_shape(content):
    records, reading = read(json.dumps(content).encode(), "jsonl")
    assert "SECRET" not in _raw_without(JSONL, reading, records[0], b"k")
    assert "SECRET" not in str(_row(JSONL, LANDED, reading, records[0], b"k"))


def test_a_bad_byte_in_the_header_makes_the_file_unreadable():
    records, _ = read(b"a,caf\xe9\n1,2\n3,4\n")
    assert [r.values for r in records] == [None]
    assert "the header is not utf-8" in str(records[0].fault)


def test_a_deep_document_is_a_fault_of_the_content():
    records, _ = read(b'[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]", "json")
    assert [r.values for r in records] == [None]


def test_encodings_that_cannot_be_read_by_line_are_refused():
    for name in ("utf-16", "utf-99"):
        with pytest.raises(ValueError, match=name):
            FeedFormat(type="csv", encoding=name)


def test_a_lambdas_variable_hides_a_field_only_inside_the_lambda():
    assert referenced_fields("concat(x, array_join(transform(xs, x -> x), ','))") == ["x", "xs"]
    with pytest.raises(Exception, match="query"):
        referenced_fields("(select a from t)")


def test_a_line_break_is_fine_where_nothing_is_personal():
    stream = CSV.model_copy(update={"personal_fields": (), "raw_retention_days": None})
    row = _row(stream, LANDED, Reading(iter(()), list(stream.fields)), Record(2, '1,"a\nb"', {"Session": "1"}), b"")
    assert row.get("cic.fault") is None
