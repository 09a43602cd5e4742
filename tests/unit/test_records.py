from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import re
import zipfile

import openpyxl
import pytest

from cic_assets.formats import csv as csv_lines
from cic_assets.formats import read as records
from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import read_records


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


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("a,a,", ["a (1)", "a (2)", ""]),
        (" a ,b,a", ["a (1)", "b", "a (2)"]),
        ("a,a (1),a,,", ["a (2)", "a (1)", "a (3)", "", ""]),
        ("\ufeffa,\u00a0b\u200b,a\u2060", ["a (1)", "b", "a (2)"]),
    ],
)
def test_names_that_stand_twice_are_numbered_in_every_table(header, columns):
    cells = header.split(",")
    for kind, content in (("csv", f"{header}\n{header}\n".encode()), ("xlsx", workbook({"s": [cells, cells]}))):
        # An empty cell at a sheet's end is no cell.
        expected = columns if kind == "csv" else columns[: len([name for name in columns if name])]
        assert read(content, type=kind)[1] == expected


def test_what_stands_under_no_name_is_kept():
    (one, two), _ = read(b"a,,\n1,2,\n1,2,3\n")
    assert (one.values, two.values) == ({"a": "1", "": "2"}, {"a": "1", "": '["2","3"]'})
    assert read(workbook({"s": [["a"], [1, None, "note"]]}), type="xlsx")[0][0].values == {"a": "1", "": "note"}


BLANK = ["", " ", "\u00a0", "\u200b\ufeff", None]


def test_rows_that_show_nothing_are_no_records():
    lines = [",".join([cell or "" for cell in BLANK[:width]]) for width in (1, 2, 3, 5)]
    found, _ = read("\n".join(["a,b,c", *lines, '"","",', "1,2,3", ",,,,,,", ""]).encode())
    assert [(r.line, r.values) for r in found] == [(7, {"a": "1", "b": "2", "c": "3"})]
    found, _ = read(workbook({"s": [["a", "b"], BLANK, [1, 2], [None, " "], ["\u00a0"] * 9]}), type="xlsx")
    assert [(r.line, r.values) for r in found] == [(3, {"a": "1", "b": "2"})]


def test_a_bad_byte_is_told_in_a_row_that_shows_nothing_else():
    assert "not utf-8" in str(read(b"a,b\n\xff,\n")[0][0].fault)


WIDE = ["id", "cp", "start", "kwh"]
ROWS_IN_TABLE = [["1", "A", "10:00", "5"], ["2", "B", "11:00", "6"], ["3", "C", "12:00", "7"], ["4", "D", "13:00", "8"]]
NARROW_IDS = ["id", "note"]
# Rows of cells as they stand in the file → which lines of the file are left out, what the others say.
STRAY = {
    "closed nowhere": (2, lambda rows: [rows[0], ["2", '"B', *rows[1][2:]], *rows[2:]]),
    "opened in the first cell": (2, lambda rows: [rows[0], ['"2', *rows[1][1:]], *rows[2:]]),
    "opened in the last cell": (2, lambda rows: [rows[0], [*rows[1][:-1], '"' + rows[1][-1]], *rows[2:]]),
    "closed, but not where a cell ends": (
        2, lambda rows: [rows[0], ["2", '"B', *rows[1][2:]], *rows[2:], ["9", 'x"y', *rows[1][2:]]],
    ),
    "closed by the next cell in quotes": (
        2, lambda rows: [rows[0], ["2", '"B', *rows[1][2:]], *rows[2:], ["9", '"B"', *rows[1][2:]]],
    ),
    "closed at a cell's end below": (
        2, lambda rows: [rows[0], ["2", '"B', *rows[1][2:]], *rows[2:], ["9", '24"', *rows[1][2:]]],
    ),
    "two on one line": (2, lambda rows: [rows[0], ["2", '"24" Post', *rows[1][2:]], *rows[2:]]),
}  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("case", STRAY)
def test_a_stray_quote_costs_its_own_line(case, width, end, delimiter):
    # The row with the quote is the second; a hundred follow.
    kept = [*ROWS_IN_TABLE, *([str(n), "E", "14:00", "9"] for n in range(5, 101))]
    number, change = STRAY[case]
    rows = change([row[:width] for row in kept])
    text = "".join(delimiter.join(row) + end for row in [WIDE[:width], *rows])
    found, _ = read(b"\xef\xbb\xbf" + text.encode(), delimiter=delimiter)
    assert [r.line for r in found] == list(range(2, len(rows) + 2))
    assert [r.line for r in found if r.fault] == [number + 1]
    assert "a quote is missing or one too many" in str(found[1].fault)
    assert found[1].raw == delimiter.join(rows[1])
    said = [[cell if cell == '24"' else cell.strip('"') for cell in row] for n, row in enumerate(rows) if n != 1]
    assert [list(r.values.values()) for r in found if r.values] == said


CELLS = {
    "line breaks": ("1 Road\nTown\nCounty", 3),
    "an address": ("1 Road\nTown, County", 2),
    "quotes and delimiters": ('the "Lower" deck, left\nor ""right""', 2),
    "a blank line": ("a\n\nb", 3),
    "a text of pages": ("line\n" * 900, 901),
    "an inch": ('24" Post', 1),
    "only quotes": ('"', 1),
}


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("case", CELLS)
def test_a_cell_in_quotes_is_read_whole(case, width):
    cell, lines = CELLS[case]
    rows = [[str(n), cell, "x", "y"][:width] for n in range(3)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([WIDE[:width], *rows])
    found, _ = read(out.getvalue().encode())
    assert [list(r.values.values()) for r in found] == rows
    assert [r.line for r in found] == [2 + n * lines for n in range(3)]


def test_quotes_within_a_cell_without_quotes_are_text():
    found, _ = read(b'id,name,x\n1,24" Post,a\n2,Post 24",b\n3,"24"" Post",c\n')
    assert [r.values["name"] for r in found] == ['24" Post', 'Post 24"', '24" Post']


def test_what_a_quoted_cell_may_hold_is_bounded(monkeypatch):
    for name, most, cell in (("MAX_CELL_LINES", 5, "a\n" * 8), ("MAX_CELL_CHARS", 500, "a\n" + "b" * 600)):
        monkeypatch.setattr(csv_lines, name, most)
        found, _ = read(f'id,name,x\n1,"{cell}",z\n2,b,c\n'.encode())
        assert "quote is missing" in str(found[0].fault) and found[0].raw.startswith('1,"a')
        assert (found[-1].values, found[-1].line) == ({"id": "2", "name": "b", "x": "c"}, 3 + cell.count("\n"))


def test_a_header_in_which_a_quote_is_missing_is_told():
    (found,) = read(b'id,cp,"start,kwh\n1,A,2,3\n2,B,3,4\n3,B",3,4\n')[0]
    assert "the header holds lines that look like rows" in str(found.fault)
    (found,) = read(b'id,"Energy, net\n(kWh)",x\n1,2,3\n')[0]
    assert found.values == {"id": "1", "Energy, net\n(kWh)": "2", "x": "3"} and found.line == 3


def test_lines_that_are_read_ahead_are_counted(monkeypatch):
    """Each line closes a quote and opens one: what is looked at again is bounded by what was read."""
    shapes = {"next": 'x","\n', "error": 'a,"b\n', "doubled": '"",""",\n', "long": 'x","' + "y" * 3_000 + "\n"}
    looked: list[int] = []
    monkeypatch.setattr(csv_lines.csv, "reader", _counting(csv_lines.csv.reader, looked))
    for shape in shapes.values():
        looked.clear()
        content = ("id,cp,start\n" + shape * 20_000).encode()
        found, _ = read(content)
        assert len(found) == (10_000 if shape == shapes["doubled"] else 20_000)
        assert sum(looked) < 4 * len(content) + 3 * csv_lines.FREE_CHARS, sum(looked)


def _counting(reader, looked):
    def counted(lines, **form):
        return reader((looked.append(len(line)) or line for line in lines), **form)

    return counted


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


def test_packed_pieces_in_a_row_are_one_file_and_what_follows_them_is_told():
    pieces = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"") + gzip.compress(b"3,4\n")
    for content, faults in ((pieces, 0), (pieces + b"\0" * 512, 0), (pieces + b"5,6\n", 1)):
        found, _ = read(content)
        assert [r.values for r in found if r.values] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
        assert len(found) == 2 + faults


def test_a_second_document_or_an_array_that_comes_again_is_not_passed_over():
    found, _ = read(b'{"data":[{"a":1}]}\n{"data":[{"a":2}]}', type="json", records="data")
    assert found[0].values == {"a": "1"} and "text follows the document" in str(found[1].fault)
    found, _ = read(b'{"data":[{"a":1}],"data":[{"a":2}]}', type="json", records="data")
    assert [r.values for r in found] == [{"a": "1"}, {"a": "2"}]
    assert [r.fault is None for r in read(b'{"a":1}{"a":2}\n{"a":3}\n', type="jsonl")[0]] == [False, True]


def test_a_field_under_its_dotted_name_and_in_its_object_is_a_fault():
    found, _ = read(b'{"a":{"b":1},"a.b":2}\n{"a.b":2}\n', type="jsonl")
    assert [r.values for r in found] == [None, {"a.b": "2"}] and "stands twice" in str(found[0].fault)


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


def workbook(content, **states):
    """A workbook of sheets: name → rows; and the state of some."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in content.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = states.get(name, "visible")
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_sheet(old: str, new: str, content: bytes) -> bytes:
    """The workbook with another text in its first sheet's XML."""
    return with_part("sheet1.xml", old, new, content)


def with_part(ending: str, old: str, new: str, content: bytes) -> bytes:
    """The workbook with another text in a part."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            if name.endswith(ending):
                assert re.search(old, part.decode())
                part = re.sub(old, new, part.decode()).encode()
            target.writestr(name, part)
    return out.getvalue()


TABLE = [["id", "kWh"], [1, 10], [2, 20], [3, 30]]
# What a sheet says of itself → how many of its rows must be read all the same.
LIES = {
    "a dimension of one cell": ('ref="A1:B4"', 'ref="A1"'),
    "a dimension of two rows": ('ref="A1:B4"', 'ref="A1:B2"'),
    "a dimension of one column": ('ref="A1:B4"', 'ref="A1:A4"'),
    "a dimension that starts below": ('ref="A1:B4"', 'ref="B3:B4"'),
    "a dimension that is none": ('ref="A1:B4"', 'ref=""'),
    "a row's number twice": ('<row r="4"', '<row r="3"'),
    "a row's number that goes back": ('<row r="4"', '<row r="1"'),
    "rows without numbers": ('<row r="[0-9]"', "<row"),
    "a span of one column": ('spans="1:2"', 'spans="1:1"'),
    "cells from right to left": ("(<c r=.A3.*?</c>)(<c r=.B3.*?</c>)", r"\2\1"),
    "cells that name other rows": ('<c r="([AB])3"', r'<c r="\g<1>9"'),
    "cells without places": ('<c r="[AB][0-9]"', "<c"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_row_is_read_whatever_the_sheet_says_of_itself(lie):
    old, new = LIES[lie]
    content = workbook({"s": TABLE})
    if "spans" in old:
        content = with_sheet("(<row r=.[0-9].)[^>]*>", r'\1 spans="1:2">', content)
    found, columns = read(with_sheet(old, new, content), type="xlsx")
    assert columns == ["id", "kWh"]
    assert [r.values for r in found] == [{"id": f"{n}", "kWh": f"{n}0"} for n in (1, 2, 3)]
    assert len({r.line for r in found}) == 3


def test_sheets_that_openpyxl_passes_over_are_told():
    content = workbook({"s": TABLE, "t": TABLE})
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    strict = with_part("sheet2.xml", main, "http://purl.oclc.org/ooxml/spreadsheetml/main", content)
    found, _ = read(strict, type="xlsx")
    assert [r.fault is None for r in found] == [True, True, True, False] and "Strict Open XML" in str(found[3].fault)
    for part, old, new in (
        ("workbook.xml", r'r:id="rId2"|(<sheet [^>]*)r:id="rId2"', r"\1"),
        ("workbook.xml.rels", "sheet2.xml", "sheet9.xml"),
    ):
        (found,) = read(with_part(part, old, new, content), type="xlsx")[0]
        assert "1 sheets without content" in str(found.fault)


def test_two_values_for_one_cell_are_a_fault_of_the_row():
    content = with_sheet('<c r="A3"', '<c r="B3"', workbook({"s": TABLE}))
    assert [r.fault for r in read(content, type="xlsx")[0]] == [None, "two cells in column B", None]


def test_a_formula_without_a_kept_result_is_no_empty_cell():
    found, _ = read(workbook({"s": [["id", "kWh"], [1, "=1+1"]]}), type="xlsx")
    # openpyxl keeps no results; it writes an empty one, which a sheet means where the result is an empty text.
    assert found[0].values == {"id": "1", "kWh": None}
    content = with_sheet("<v ?/>|<v></v>", "", workbook({"s": [["id", "kWh"], [1, "=1+1"]]}))
    assert read(content, type="xlsx")[0][0].values == {"id": "1", "kWh": "=1+1"}


def test_durations_beyond_a_day_are_hours_and_minutes():
    row = [dt.timedelta(hours=26, minutes=3, seconds=4), dt.timedelta(minutes=7)]
    assert read(workbook({"s": [["d", "e"], row]}), type="xlsx")[0][0].values == {"d": "26:03:04", "e": "00:07:00"}


def test_further_sheets_under_the_same_header_are_read_and_others_are_told():
    jan, feb = [["id", "kWh "], [1, 10], [None, None], [2, 20]], [["id", " kWh", None], [1, 10]]
    content = workbook(
        {"empty": [], "jan": jan, "hidden": [], "feb": feb, "notes": [["hello"], ["x"], ["y"]], "mar": [*feb, [3, 30]]},
        hidden="hidden", mar="hidden",
    )  # fmt: skip
    found, columns = read(content, type="xlsx")
    assert columns == ["id", "kWh"]
    lines = [r.line for r in found]
    assert [(r.values or {}).get("id") for r in found] == ["1", "2", "1", None, "1", "3"]
    assert lines == sorted(set(lines)) and lines[:3] == [2, 4, 6]
    # Where it stands makes no difference to a record: the two are equal.
    assert found[0].raw == found[2].raw == found[4].raw
    assert (found[3].raw, found[3].fault) == (
        "", "sheet 5 was not read, its header is another: say in format.sheet which sheet to read",
    )  # fmt: skip
    assert [r.values for r in read(content, type="xlsx", sheet="feb")[0]] == [{"id": "1", "kWh": "10"}]


def test_the_same_names_in_another_order_are_the_same_header():
    moved = [["kWh", " id"], [10, 1], [None, 2, "n"], [30]]
    content = workbook({"a": TABLE, "b": moved, "c": [["kWh", "ID"], [1, 1]], "d": [["kWh", "id", "note"], [1, 1, 1]]})
    found, columns = read(content, type="xlsx")
    assert columns == ["id", "kWh"]
    # A record is equal wherever its columns stand.
    assert (found[3].raw, found[3].values) == (found[0].raw, {"id": "1", "kWh": "10"})
    assert found[4].values == {"id": "2", "kWh": None, "": "n"}
    assert found[5].values == {"id": None, "kWh": "30"}
    assert [str(r.fault)[:20] for r in found[6:]] == ["sheet 3 was not read", "sheet 4 was not read"]
    # Of two columns of one name, only their places tell which is which.
    twice = workbook({"a": [["id", "kWh", "kWh"], [1, 2, 3]], "b": [["kWh", "id", "kWh"], [2, 1, 3]]})
    assert [r.fault is None for r in read(twice, type="xlsx")[0]] == [True, False]


def test_a_sheet_whose_first_row_is_empty_has_another_header():
    found, _ = read(workbook({"a": TABLE, "b": [[], *TABLE]}), type="xlsx")
    assert [r.fault is None for r in found] == [True, True, True, False] and "sheet 2 was" in str(found[3].fault)


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


def nested(each, content=NESTED, level=None, **more):
    form = FeedFormat.model_validate({"type": "json", "records": "data", "each": each, **more})
    return list(read_records(io.BytesIO(json.dumps(content).encode()), form, level).records)


def test_lists_inside_a_record_give_a_record_each_with_what_stands_around_it():
    found = nested(["evses"], document=["timestamp"])
    assert [record.line for record in found] == [1, 2, 3, 4]
    assert [(record.values or {}).get("evses.uid") for record in found] == ["1", "2", None, "3"]
    assert {(record.values or {}).get("document.timestamp") for record in found} == {NESTED["timestamp"], None}
    # A location without points is no record, and what is no object is a fault.
    assert found[2].fault == "not a JSON object"
    assert json.loads(found[0].raw)["evses"] == NESTED["data"][0]["evses"][0]


def test_lists_in_lists():
    found = nested(["evses", "connectors"])
    assert [(r.values or {}).get("evses.connectors.id") for r in found] == ["a", "b", None, "c"]


NOTHING = ({"connectors": []}, {"connectors": None}, {"connectors": [None]}, {})


@pytest.mark.parametrize(("level", "ids"), [(0, ["1", "2", None]), (1, ["1", "2"]), (2, ["2"])])
def test_empty_null_and_absent_lists_are_the_same(level, ids):
    for inner, outer in zip(NOTHING, ({"evses": []}, {"evses": None}, {"evses": [None]}, {}), strict=True):
        evses = [{"uid": "1", **inner}, {"uid": "2", "connectors": [{"id": "a"}]}]
        found = nested(["evses", "connectors"], {"data": [{"id": "L1", "evses": evses}, {"id": "L2", **outer}]}, level)
        said = [{name: text for name, text in r.values.items() if text is not None} for r in found]
        assert [values.get("evses.uid") for values in said] == ids
        alone = [values for values in said if values.get("evses.uid") == "1"]
        assert alone in ([], [{"id": "L1", "evses.uid": "1"}])


def test_the_list_may_stand_within_an_object_that_is_absent():
    for content in (
        {"id": "1"},
        {"id": "1", "post": None},
        {"id": "1", "post": {}},
        {"id": "1", "post": {"groups": []}},
    ):
        assert [r.values["id"] for r in nested(["post.groups"], {"data": [content]}, 0)] == ["1"]
        assert nested(["post.groups"], {"data": [content]}, 1) == []


def test_what_is_no_list_in_a_lists_place_is_kept_for_the_judge():
    for wrong in ("none", {}, {"uid": "1"}, 7, False, ""):
        (found,) = nested(["evses"], {"data": [{"id": "L", "evses": wrong}]})
        assert found.values["id"] == "L"
    (found,) = nested(["post.groups"], {"data": [{"id": "1", "post": "text"}]})
    assert found.values["post"] == "text"


def test_one_element_may_stand_without_its_list():
    evse = {"uid": "1", "connectors": {"id": "a", "kw": 7}}
    (found,) = nested(["evses", "connectors"], {"data": [{"id": "L", "evses": evse}]})
    assert found.values == {"id": "L", "evses.uid": "1", "evses.connectors.id": "a", "evses.connectors.kw": "7"}
    found = nested(
        ["evses", "connectors"],
        {"data": [{"id": "L", "evses": {"uid": "1", "connectors": [{"id": "a"}, {"id": "b"}]}}]},
    )
    assert [r.values["evses.connectors.id"] for r in found] == ["a", "b"]


def test_fields_of_what_is_no_record_are_noted():
    form = FeedFormat(type="json", each=("evses",))
    reading = read_records(io.BytesIO(b'[{"id":"L","EVSEs":[{"uid":"1"}]}]'), form)
    assert list(reading.records) == [] and reading.columns == ["id", "EVSEs"]


def test_a_line_of_json_with_a_list_gives_several_records_of_that_line():
    line = b'{"station": "S", "meters": [{"v": 1}, {"v": 2}]}\n{"station": "T"}\n'
    form = FeedFormat.model_validate({"type": "jsonl", "each": ["meters"]})
    found = list(read_records(io.BytesIO(line), form, 0).records)
    assert [(r.line, r.values.get("meters.v"), r.values["station"]) for r in found] == [
        (1, "1", "S"), (1, "2", "S"), (2, None, "T"),
    ]  # fmt: skip
