from __future__ import annotations

import datetime as dt
import gzip
import io
import json

import openpyxl
import pytest

from cic_assets.lake import records
from cic_assets.lake.records import read_records
from cic_assets.streams.model import FeedFormat


def read(content: bytes, **form):
    reading = read_records(io.BytesIO(content), FeedFormat(**{"type": "csv", **form}))
    return list(reading.records), reading.columns


def test_csv_keeps_physical_lines_and_raw_text():
    found, columns = read(b'\xef\xbb\xbfa,b\r\n1,"x\r\ny"\r\n\r\n3,\r\n')
    assert columns == ["a", "b"]
    assert [(r.line, r.raw, r.values) for r in found] == [
        (2, '1,"x\r\ny"', {"a": "1", "b": "x\r\ny"}),
        (5, "3,", {"a": "3", "b": None}),
    ]


def test_one_bad_byte_spoils_its_own_line_only():
    found, _ = read(b"a,b\n1,ok\n2,caf\xe9\n3,ok\n")
    assert [r.values for r in found] == [{"a": "1", "b": "ok"}, None, {"a": "3", "b": "ok"}]
    assert "not utf-8" in str(found[1].fault)
    assert read(b"a,b\n2,caf\xe9\n", encoding="latin-1")[0][0].values == {"a": "2", "b": "café"}


def test_ragged_rows_are_faulty_and_trailing_empty_cells_are_not():
    found, _ = read(b"a,b\n1\n1,2,3\n1,2,,\n")
    assert [r.fault for r in found] == ["1 cells under a header of 2", "3 cells under a header of 2", None]


def test_the_first_of_two_equal_names_wins():
    assert read(b"a,a,\n1,2,3\n")[0][0].values == {"a": "1", "": "3"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "xlsx"])
def test_an_empty_file_is_a_fault_of_its_own(kind):
    (found,) = read(b"", type=kind)[0]
    assert (found.line, found.raw, found.values) == (1, "", None) and "it is empty" in str(found.fault)


def test_a_header_alone_and_an_empty_array_are_no_fault():
    assert read(b"a,b\n") == ([], ["a", "b"])
    assert read(b'{"data": []}', type="json", records="data")[0] == []


def test_a_wrong_path_to_the_records_is_a_fault():
    for content in (b'{"items":[{"a":1}]}', b'{"data":{"a":1}}', b'[{"a":1}]'):
        (found,) = read(content, type="json", records="data")[0]
        assert "no array of records at 'data'" in str(found.fault)


def test_a_key_that_stands_twice_is_a_fault_of_its_record():
    for kind, content in (("jsonl", b'{"a":1}\n{"a":1,"a":2}\n'), ("json", b'[{"a":1},{"a":1,"a":2}]')):
        found, _ = read(content, type=kind)
        assert [r.values for r in found] == [{"a": "1"}, None]
        assert "a key stands twice" in str(found[1].fault) and found[1].raw == '{"a":1,"a":2}'


def test_numbers_stay_as_they_were_sent():
    digits = "0.1234567890123456789012345678901234567890"
    content = b'{"data":[{"a":[%s,1.50],"b":%s}]}' % (digits.encode(), digits.encode())
    (found,) = read(content, type="json", records="data")[0]
    assert found.raw == f'{{"a":[{digits},1.50],"b":{digits}}}'
    assert found.values == {"a": f"[{digits},1.50]", "b": digits}


def test_a_long_line_is_skipped_and_the_lines_around_it_are_read(monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(records, "START_KEPT", 50)
    found, _ = read(b'a,b\n1,2\n3,"' + b"x" * 1000 + b"\n5,6\n")
    assert [(r.line, r.values) for r in found] == [(2, {"a": "1", "b": "2"}), (3, None), (4, {"a": "5", "b": "6"})]
    assert found[1].raw.startswith('3,"xxx') and "a line of 1,004 bytes; at most 100 are read" in str(found[1].fault)


def test_gzip_is_known_by_its_bytes_and_a_truncated_one_says_where_it_ends():
    rows = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n * 7919) for n in range(5000))
    packed = gzip.compress(rows)
    assert len(read(packed)[0]) == 5000
    found, _ = read(packed[: len(packed) // 2])
    assert 0 < len(found) - 1 < 5000
    assert found[-1].values is None and "can't be read beyond record" in str(found[-1].fault)
    assert all(r.fault is None for r in found[:-1])


def test_json_lines_flatten_objects_and_keep_half_a_line():
    content = b'{"a":{"b":1.50,"c":[1,2.5]},"d":true,"e":"","f":0}\n\n[1]\n{"a":{"b":\n'
    found, columns = read(content, type="jsonl")
    assert found[0].values == {"a.b": "1.50", "a.c": "[1,2.5]", "d": "true", "e": None, "f": "0"}
    assert [(r.line, r.fault is None) for r in found] == [(1, True), (3, False), (4, False)]
    assert columns == ["a.b", "a.c", "d", "e", "f"]


def test_a_json_document_is_read_at_its_path_and_up_to_its_break():
    found, _ = read(b'{"data":[{"a":1},{"a":2}]}', type="json", records="data")
    assert [(r.line, r.values) for r in found] == [(1, {"a": "1"}), (2, {"a": "2"})]
    broken, _ = read(b'{"data":[{"a":1},{"a"', type="json", records="data")
    assert [r.fault is None for r in broken] == [True, False]


def test_xlsx_gives_text_and_refuses_what_is_none():
    book = openpyxl.Workbook()
    book.active.append(["id", "kWh", "when"])
    book.active.append([5.0, 1.25, dt.datetime(2026, 1, 2, 3, 4)])
    out = io.BytesIO()
    book.save(out)
    (row,), columns = read(out.getvalue(), type="xlsx")
    assert (columns, row.values) == (["id", "kWh", "when"], {"id": "5", "kWh": "1.25", "when": "2026-01-02T03:04:00"})
    assert "no sheet" in str(read(out.getvalue(), type="xlsx", sheet="gone")[0][0].fault)
    assert "no XLSX workbook" in str(read(b"PK no zip", type="xlsx")[0][0].fault)


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 100)
    found, _ = read(b"a\n1\n" + b"x" * 200, type="csv")
    assert [r.fault is None for r in found] == [True, False]


def test_an_error_of_the_disk_is_not_the_feeds_fault():
    class Broken(io.BytesIO):
        def readline(self, *_):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(read_records(Broken(b"a\n1\n"), FeedFormat(type="csv")).records)


NESTED = {
    "data": [
        {"id": "L1", "evses": [{"uid": "1", "connectors": [{"id": "a"}, {"id": "b"}]}, {"uid": "2", "connectors": []}]},
        {"id": "L2"},
        "nonsense",
        {"id": "L3", "evses": [{"uid": "3", "connectors": [{"id": "c"}]}]},
    ],
    "timestamp": "2026-01-05T10:00:00Z",
}


def nested(each, **more):
    form = FeedFormat.model_validate({"type": "json", "records": "data", "each": each, **more})
    return list(read_records(io.BytesIO(json.dumps(NESTED).encode()), form).records)


def test_lists_inside_a_record_give_a_record_each_with_what_stands_around_it():
    found = nested(["evses"], document=["timestamp"])
    assert [record.line for record in found] == [1, 2, 3, 4, 5]
    assert [(record.values or {}).get("evses.uid") for record in found] == ["1", "2", None, None, "3"]
    assert {(record.values or {}).get("document.timestamp") for record in found} == {NESTED["timestamp"], None}
    # A location without the list is kept, and what is no object is a fault; nothing is lost in silence.
    assert (found[2].values["id"], found[3].fault) == ("L2", "not a JSON object")
    assert json.loads(found[0].raw)["evses"] == NESTED["data"][0]["evses"][0]


def test_lists_in_lists():
    found = nested(["evses", "connectors"])
    assert [(r.values or {}).get("evses.connectors.id") for r in found] == ["a", "b", None, None, "c"]


def test_a_line_of_json_with_a_list_gives_several_records_of_that_line():
    line = b'{"station": "S", "meters": [{"v": 1}, {"v": 2}]}\n{"station": "T"}\n'
    form = FeedFormat.model_validate({"type": "jsonl", "each": ["meters"]})
    found = list(read_records(io.BytesIO(line), form).records)
    assert [(r.line, r.values.get("meters.v"), r.values["station"]) for r in found] == [
        (1, "1", "S"), (1, "2", "S"), (2, None, "T"),
    ]  # fmt: skip
