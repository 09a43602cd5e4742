"""Tables without a header or below other lines, columns that are records, documents that are one, places in lists."""

from __future__ import annotations

import io
import json

import pytest
from pydantic import ValidationError

from cic_assets.formats import read as records
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import read_records
from cic_assets.ingest.decoded import decoded_row
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds.every import parse_stream
from tests.unit.test_records import read, workbook

STATUS = {
    "id": "s", "description": "d", "provider": {"id": "p", "name": "P"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/Berlin", "claims": ["*"], "licence": "l", "contact": "c", "kind": "status",
    "format": {"type": "csv"}, "vocabulary": {"standard": "OICP 2.3"},
    "columns": {"charge_point": "station", "status": "state", "changed_local": "since"},
}  # fmt: skip


def decoded(content, **form):
    stream = parse_stream({**STATUS, **form})
    reading = read_records(io.BytesIO(content), stream.format, stream.record_level)
    guard = Guard(stream, reading, Keys(b"k", b"k"))
    return [decoded_row(guard, "x", record) for record in reading.records]


def test_a_table_without_a_header_has_the_names_that_the_stream_file_gives():
    rows = [["S1", "Available", "2026-01-01 10:00"], ["S2", "Occupied", "2026-01-01 11:00"]]
    text = "\n".join(",".join(row) for row in rows).encode()
    for kind, content in (("csv", text), ("xlsx", workbook({"a": rows}))):
        found, columns = read(content, type=kind, names=["station", "state", "since"])
        assert columns == ["station", "state", "since"]
        assert [(r.line, r.values["station"]) for r in found] == [(1, "S1"), (2, "S2")]
    # Mistaken: another number of columns; a header all the same, which is a record that no rule takes.
    found, _ = read(text, names=["station", "state"])
    assert {r.fault for r in found} == {"3 cells under a header of 2"}
    found, _ = read(b"station,state,since\n" + text, names=["station", "state", "since"])
    assert len(found) == 3 and found[0].values == {"station": "station", "state": "state", "since": "since"}


def test_sheets_without_a_header_follow_each_other():
    content = workbook({"a": [["1", "x"]], "empty": [], "b": [["2", "y"], ["3", "z"]]})
    found, _ = read(content, type="xlsx", names=["id", "word"])
    assert [(r.line, r.values["id"]) for r in found] == [(1, "1"), (2, "2"), (3, "3")]


ABOVE = b"Charging report\nfrom;to\n\nstation;state\nS1;Available\n"


def test_lines_above_the_header_are_no_records_and_lines_keep_their_numbers():
    (found,), columns = read(ABOVE, delimiter=";", skip_lines=3)
    assert (columns, found.line, found.values) == (["station", "state"], 5, {"station": "S1", "state": "Available"})
    book = workbook({"a": [["Charging report"], ["of", "2026"], ["station", "state"], ["S1", "Available"]]})
    (found,), columns = read(book, type="xlsx", skip_lines=2)
    assert (columns, found.line, found.values["station"]) == (["station", "state"], 4, "S1")
    (found,), _ = read(b"title\nS1,Available\n", skip_lines=1, names=["station", "state"])
    assert (found.line, found.values["station"]) == (2, "S1")


def test_too_few_or_too_many_lines_skipped_are_told():
    (found,), _ = read(ABOVE, delimiter=";", skip_lines=30)
    assert "it has no more than 5 lines, and skip_lines is 30" in found.fault
    # A title taken for the header lacks what the stream file reads.
    rows = decoded(b"title,x,y\nstation,state,since\nS1,Available,2026-01-01 10:00\n")
    assert {(row["cic.fault"], row["cic.fault_text"]) for row in rows} == {("D02", "no field station, state, since")}
    (found,), _ = read(workbook({"a": [["title"], ["station"]]}), type="xlsx", skip_lines=4)
    assert "the sheet's row 5 has no names" in found.fault


@pytest.mark.parametrize("first", ["sep=;\r\n", "SEP=;\n", "\ufeffsep=;\n"])
def test_the_line_that_tells_excel_the_delimiter_is_none_of_the_table(first):
    (found,), columns = read(f"{first}a;b\n1;2\n".encode(), delimiter=";")
    assert (columns, found.line, found.values) == (["a", "b"], 3, {"a": "1", "b": "2"})


def test_another_delimiter_than_the_stream_file_says_is_told():
    (found,), _ = read(b"sep=;\na;b\n1;2\n")
    assert "its first line says sep=;, and the stream file delimiter ','" in found.fault
    (found,), columns = read(b"sep=ab,b\n1,2\n")
    assert columns == ["sep=ab", "b"]


SIDE_BY_SIDE = b"station,connector1,connector1_kw,connector2,connector2_kw,since\nS1,free,22,busy,,t\nS2,,,busy,50,t\n"
UNPIVOT = {"key": "connector", "fields": {"state": "connector#", "kw": "connector#_kw"}}


def test_columns_side_by_side_are_records():
    found, columns = read(SIDE_BY_SIDE, unpivot=UNPIVOT)
    assert [(r.line, r.values) for r in found] == [
        (2, {"station": "S1", "since": "t", "connector": "1", "state": "free", "kw": "22"}),
        (2, {"station": "S1", "since": "t", "connector": "2", "state": "busy", "kw": None}),
        (3, {"station": "S2", "since": "t", "connector": "2", "state": "busy", "kw": "50"}),
    ]
    assert columns[-3:] == ["connector", "kw", "state"]
    rows = decoded(SIDE_BY_SIDE, format={"type": "csv", "unpivot": UNPIVOT})
    assert [(row["station"], row["state"], row.get("cic.fault")) for row in rows] == [
        ("S1", "free", None), ("S1", "busy", None), ("S2", "busy", None),
    ]  # fmt: skip


def test_a_text_that_differs_may_be_a_name_and_the_longer_pattern_holds():
    content = b"station,state CCS,state Type 2,kw CCS,connectors\nS1,free,busy,50,2\n"
    found, _ = read(content, unpivot={"key": "plug", "fields": {"state": "state *", "kw": "kw *"}})
    assert [(r.values["plug"], r.values["state"], r.values["kw"]) for r in found] == [
        ("CCS", "free", "50"), ("Type 2", "busy", None),
    ]  # fmt: skip
    (row,), _ = read(b"connector1,connectors\nx,2\n", unpivot={"key": "n", "fields": {"state": "connector#"}})
    assert row.values == {"connectors": "2", "n": "1", "state": "x"}


def test_fields_of_json_side_by_side_are_records_too():
    content = json.dumps([{"id": "S1", "out1": "a", "out2": None}, {"id": "S2", "out9": "b"}, {"id": "S3"}]).encode()
    found, columns = read(content, type="json", unpivot={"key": "n", "fields": {"state": "out*"}})
    said = [(r.values["id"], r.values["n"], r.values["state"]) for r in found]
    # What has none of them is there all the same.
    assert said == [("S1", "1", "a"), ("S2", "9", "b"), ("S3", None, None)]
    assert {"n", "state"} <= {*columns}


def test_columns_that_are_not_there_or_already_there_are_told():
    rows = decoded(b"station,since\nS1,t\n", format={"type": "csv", "unpivot": UNPIVOT})
    assert [row["cic.fault_text"] for row in rows] == ["no field state"]
    found, _ = read(b"station,state,connector1\nS1,x,free\n", unpivot=UNPIVOT)
    assert "it has state already, which unpivot makes" in found[-1].fault


def test_a_row_of_a_hundred_thousand_such_columns_takes_no_memory():
    names, cells = (",".join(f"{text}{n}" for n in range(100_000)) for text in ("connector", "x"))
    found, _ = read(f"{names}\n{cells}\n".encode(), unpivot={"key": "n", "fields": {"state": "connector*"}})
    assert "characters together" in found[-1].fault and len(found) < 100_000


def test_a_document_may_be_one_record_or_hold_the_lists_of_its_own():
    content = json.dumps({"id": "S1", "evses": [{"uid": "a"}, None, {"uid": "b"}], "at": "t"}).encode()
    (found,), _ = read(content, type="json", single=True)
    assert (found.line, found.values["id"], found.values["at"]) == (1, "S1", "t")
    found, _ = read(b"\xef\xbb\xbf" + content, type="json", single=True, each=("evses",))
    assert [(r.line, r.values["evses.uid"], r.values["at"], r.position) for r in found] == [
        (1, "a", "t", "1"), (2, "b", "t", "3"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"[1]", b'{"a":1} {"b":2}', b"{", b'{"a":1,"a":2}', b"\xff", b'"x"'])
def test_what_is_no_single_record_is_told(content):
    (found,), _ = read(content, type="json", single=True)
    assert found.values is None and found.fault


def test_a_single_record_is_no_longer_than_a_line_may_be(monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 20)
    assert read(b'{"a":1}', type="json", single=True)[0][0].values == {"a": "1"}
    (found,), _ = read(b'{"a":"' + b"x" * 20 + b'"}', type="json", single=True)
    assert "a single record of more than 20 bytes; name its list in `records`" in found.fault


def test_the_place_in_a_list_is_a_field():
    content = json.dumps([{"id": "S1", "outlets": [{"s": "Available"}, {"s": "Occupied", "plugs": [1]}]}]).encode()
    form = {"type": "json", "each": ["outlets"]}
    columns = {"charge_point": "concat(id, '-', `cic.position`)", "status": "`outlets.s`", "changed_at": "`outlets.t`"}
    rows = decoded(content, format=form, columns=columns)
    assert [row["cic.position"] for row in rows] == ["1", "2"]
    # A record without the list has no place, and is none.
    assert decoded(b'[{"id": "S1", "outlets": []}]', format=form, columns=columns) == []
    rows = decoded(
        json.dumps([{"id": "S", "a": [{"b": [{"s": 1}, {"s": 2}]}, {"b": [{"s": 3}]}]}]).encode(),
        format={"type": "json", "each": ["a", "b"]},
        columns={"charge_point": "`cic.position`", "status": "`a.b.s`", "changed_at": "t"},
    )
    assert [row["cic.position"] for row in rows] == ["1.1", "1.2", "2.1"]
    with pytest.raises(ValidationError, match="is a place in the lists of"):
        parse_stream({**STATUS, "columns": {**STATUS["columns"], "charge_point": "`cic.position`"}})


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"type": "json", "names": ["a"]}, "only for tables"),
        ({"type": "csv", "names": ["a", "a"]}, "names: a stands twice"),
        ({"type": "csv", "skip_lines": -1}, "greater than or equal to 0"),
        ({"type": "csv", "single": True}, "single: only for type json"),
        ({"type": "json", "single": True, "records": "data"}, "without records and document"),
        ({"type": "csv", "unpivot": {"key": "n", "fields": {"state": "connector"}}}, "write one # for a number"),
        ({"type": "csv", "unpivot": {"key": "n", "fields": {"n": "connector*"}}}, "is the key's name"),
    ],
)
def test_a_wrong_format_says_what_is_wrong(form, said):
    with pytest.raises(ValidationError, match=said):
        FeedFormat.model_validate(form)
