"""Any bytes end as records or faults: a short fuzz of each decoder, and each crash that a longer one once found.

The long ones: `make fuzz`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import time
import tracemalloc
from encodings.aliases import aliases
from itertools import pairwise

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cic_assets.formats import (
    bounds,
    inflate,
    json_text,
)
from cic_assets.formats import (
    read as records,
)
from cic_assets.formats import (
    xlsx as workbook,
)
from cic_assets.formats.feed import FeedFormat
from cic_assets.ingest import decoded
from cic_assets.ingest.decoded import bounded_row
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import StreamFileError, load_stream
from tests.fuzz import costs
from tests.fuzz.payloads import HEADER, ODD, STREAMS, payload
from tests.fuzz.targets import TARGETS, decode_all, decoded_rows, sheet

GOOD = yaml.safe_load((EXAMPLE_STREAMS / "ashbourne_sessions.yml").read_text())
STATUS = yaml.safe_load((EXAMPLE_STREAMS / "dusseldorf_status.yml").read_text())
# The same examples at every run; `make fuzz` looks for others.
SHORT = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
SIGNS = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b",", b":", b"\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"9", b"e"]
)
PIECES = st.one_of(st.binary(max_size=20), SIGNS, st.sampled_from([json.dumps(each).encode() for each in ODD]))


@pytest.mark.parametrize("name", TARGETS)
@SHORT
@given(data=st.data())
def test_any_bytes(name, data):
    target, seeds = TARGETS[name]
    seed = data.draw(st.sampled_from(seeds()))
    start = data.draw(st.integers(0, len(seed)))
    stop = data.draw(st.integers(start, min(len(seed), start + 40)))
    target(seed[:start] + b"".join(data.draw(st.lists(PIECES, max_size=6))) + seed[stop:])


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(ODD)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=12,
)


@SHORT
@given(
    st.lists(st.tuples(st.sampled_from(["evses", "uid", "id", "data", "cdr_token", "x.y"]), JSON_VALUES), max_size=4)
)
def test_any_json_value_is_one_record_per_line_and_per_element(pairs):
    content = dict(pairs)
    line = json.dumps(content).encode()
    assert len(decode_all(STREAMS["fuzz_cdr"], line + b"\n" + line)) == 2
    found = decode_all(STREAMS["fuzz_json"], b'{"data":[%s,{"id":1}]}' % line)
    listed = content.get("evses")
    elements = [element for element in listed or () if element is not None] if isinstance(listed, list) else []
    # Without the list there is no record; what is no list in its place is one.
    assert len(found) == (len(elements) if listed is None or isinstance(listed, list) else 1)


@pytest.mark.parametrize("name", ["fuzz_csv", "fuzz_personal", "fuzz_cdr", "fuzz_status"])
def test_each_malformed_payload_is_one_record(name):
    rng = random.Random(7)
    lines = [payload(rng, name) for _ in range(500)]
    header = [HEADER.encode()] if name in ("fuzz_csv", "fuzz_personal") else []
    assert len(decode_all(STREAMS[name], b"\n".join([*header, *lines]))) == len(lines)


DATA = b'{"data":[%s,{"evses":[{}]}]}'
# Found by the fuzzers or on the way to them; what each did is said beside it.
CRASHES = {
    "5,000 digits ended the process in ijson": ("fuzz_json", DATA % (b"9" * 5000), 2),
    "200 kB of brackets took all memory in ijson": ("fuzz_json", b"[" * 200_000, 1),
    "an exponent beyond decimals": ("fuzz_json", DATA % b'{"evses":[{"uid":1e99999999999999999999}]}', 2),
    "5,000 digits in a line": ("fuzz_cdr", b'{"total_energy":' + b"9" * 5000 + b"}", 1),
    "half a surrogate pair is no text for Parquet": ("fuzz_status", b'{"evse_uid":"\\ud800"}', 1),
    "half a surrogate pair as a key, in raw written anew": ("fuzz_cdr", b'{"cdr_token":{"uid":"x"},"\\ud800":1}', 1),
    "a deep list in a personal record": ("fuzz_cdr", b'{"cdr_token":' + b"[" * 900 + b"]" * 900 + b"}", 1),
    "a deep record takes no neighbour with it": ("fuzz_cdr", b'{"a":' * 900 + b"1" + b"}" * 900 + b'\n{"id":1}', 2),
    "half a surrogate pair as a token": ("fuzz_cdr", b'{"cdr_token":{"uid":"\\ud800"}}', 1),
    "NUL in a header": ("fuzz_csv", b"id\0,cp\n1,2\n", 1),
    "NUL in a key": ("fuzz_cdr", b'{"a\\u0000b":1}', 1),
}


@pytest.mark.parametrize("case", CRASHES)
def test_what_once_raised(case):
    name, content, count = CRASHES[case]
    assert len(decode_all(STREAMS[name], content)) == count


def test_a_feed_whose_keys_are_ids_fills_no_catalogue():
    lines = b"\n".join(b'{"k%d":1}' % number for number in range(9000))
    reading = records.read_records(io.BytesIO(lines), STREAMS["fuzz_cdr"].format)
    assert len(list(reading.records)) == 9000 and len(reading.columns) == bounds.NAMES_KEPT


def test_a_sheet_that_names_a_row_beyond_all():
    xml = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    xml += b'<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row>'
    xml += b'<row r="999999999999"><c r="A2"><v>1</v></c></row>'
    start = time.process_time()
    (found,) = decode_all(STREAMS["fuzz_xlsx"], sheet(xml + b"</sheetData></worksheet>"))
    assert "at most 1,048,576 rows" in str(found.fault) and time.process_time() - start < 20


def test_entities_that_multiply_are_refused():
    lols = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    xml = f'<!DOCTYPE x [<!ENTITY l0 "lol">{lols}]><worksheet><sheetData>&l11;</sheetData></worksheet>'
    (found,) = decode_all(STREAMS["fuzz_xlsx"], sheet(xml.encode()))
    assert "no XLSX workbook" in str(found.fault)


def test_lists_that_repeat_what_stands_around_them_are_bounded(monkeypatch):
    monkeypatch.setattr(records, "MAX_PARTS_CHARS", 1 << 20)
    monkeypatch.setattr(records, "MAX_PARTS_RATIO", 0)
    content = {"note": "x" * 10_000, "evses": [{"uid": n} for n in range(1000)]}
    found = decode_all(STREAMS["fuzz_json"], json.dumps({"data": [content]}).encode())
    assert 90 < len(found) < 120 and "the parts of its records" in str(found[-1].fault)


def test_what_stands_around_very_many_elements_is_read_once():
    around = {f"f{number}": "x" * 90 for number in range(1_000)}
    content = {"timestamp": "t", "data": [{**around, "evses": [{"uid": n} for n in range(500)], "last": 1}]}
    found = decode_all(STREAMS["fuzz_json"], json.dumps(content).encode())
    assert len(found) == 500 and sum(len(each.raw) for each in found) < 500 * 2 * bounds.MAX_AROUND_CHARS
    assert found[7].values["evses.uid"] == "7" and found[7].values["f999"] == "x" * 90
    assert found[7].values["f1"] is found[8].values["f1"]
    # What is left of the text is JSON, from which personal fields are taken.
    shown = json.loads(found[7].raw)
    assert (shown["evses"], shown["last"], shown["document"]) == ({"uid": 7}, 1, {"timestamp": "t"})


def test_a_long_text_is_kept_in_part():
    (row,) = [bounded_row(row) for row in decoded_rows(STREAMS["fuzz_status"], b'{"evse_uid":"%s"}' % (b"x" * 100_000))]
    assert len(row["cic.raw"]) < bounds.RAW_KEPT + 100 and "100,015 characters" in row["cic.raw"]
    assert row["evse_uid"] == "x" * 100_000


def test_a_document_is_gone_through_however_deep_and_long_its_names_are():
    for around in (b'{"%s":{"%s":1,"b":2},"data":[%%s]}' % (b"k" * 5_000, b"l" * 5_000),
                   b'{"a":' * 5_000 + b'{"b":{},"c":[[1]]}' + b',"d":1}' * 4_999 + b',"data":[%s]}',
                   b'{"":{"":1},"data":[%s],"":2}'):  # fmt: skip
        (found,) = decode_all(STREAMS["fuzz_json"], around % b'{"evses":[{"uid":1}]}')
        assert found.values["evses.uid"] == "1"
    found = json_text.scalars(io.BytesIO(b'{"a":{"b":1,"c":{}},"d":[1],"e":{"f":true}}'), "utf-8")
    assert list(found) == [("a.b", "1"), ("e.f", "True")]


def test_a_sheet_under_many_names_is_refused_at_once():
    (found,) = decode_all(STREAMS["fuzz_xlsx"], costs.one_part(50_000))
    assert "249 of its sheets are others under another name" in str(found.fault)


def test_cells_far_to_the_right_and_cells_of_style_alone_cost_nothing(monkeypatch):
    looked = []
    parse_cell = workbook.WorkSheetParser.parse_cell
    monkeypatch.setattr(workbook.WorkSheetParser, "parse_cell", lambda *args: looked.append(1) or parse_cell(*args))
    assert decode_all(STREAMS["fuzz_xlsx"], costs.styled_cells(200_000)) == []
    assert len(looked) == len(costs.NAMES)
    for content in (costs.far_columns(40_000), costs.wide_sheet(40_000)):
        found = decode_all(STREAMS["fuzz_xlsx"], content)
        assert len(found) > 900 and all(len(each.raw) < 200 for each in found)
    ((_, rows),) = workbook.sheets(costs.far_columns(80), None)
    assert [row.cells for row in rows][1:] == []
    monkeypatch.setattr(workbook, "MAX_ROW_ELEMENTS", 500)
    for content in (costs.styled_cells(20_000), costs.merged_cells(40_000)):
        assert "more than 500 elements" in str(decode_all(STREAMS["fuzz_xlsx"], content)[-1].fault)


def test_a_shared_text_is_counted_in_each_cell(monkeypatch):
    (found,) = decode_all(STREAMS["fuzz_xlsx"], costs.shared_text(80_000))[:1]
    assert "a cell of 40,000 characters; Excel has 32,767" in str(found.fault) and len(found.raw) < 3_000
    monkeypatch.setattr(records, "MAX_CELLS_CHARS", 100_000)
    found = decode_all(STREAMS["fuzz_xlsx"], costs.shared_text(60_000))
    assert 3 < len(found) < 750 and "its cells have more than" in str(found[-1].fault)


def test_a_header_is_compared_with_the_stream_once(monkeypatch):
    looked = []
    faults = decoded.header_faults
    monkeypatch.setattr(decoded, "header_faults", lambda *args: looked.append(1) or faults(*args))
    decoded_rows(STREAMS["fuzz_csv"], costs.plain_csv(60_000))
    assert len(looked) == 1


def test_line_ends_are_found_wherever_pieces_of_a_file_end(monkeypatch):
    monkeypatch.setattr(records, "_PIECE_BYTES", 7)
    for end in (b"\n", b"\r\n", b"\r"):
        content = end.join([b"a,b", *(b"%d,x" % (10 ** (n % 9)) for n in range(50)), b"", b"1,2", b""])
        found = list(records.read_records(io.BytesIO(content), STREAMS["fuzz_csv"].format).records)
        assert [each.line for each in found] == [*range(2, 52), 53] and not any(each.fault for each in found)


def test_a_bomb_is_refused_within_bounded_memory(monkeypatch):
    bomb = gzip.compress(b"a" * (64 << 20), 9)
    monkeypatch.setattr(inflate, "MAX_INFLATED_BYTES", 32 << 20)
    tracemalloc.start()
    try:
        for name in ("fuzz_csv", "fuzz_cdr", "fuzz_json"):
            (found,) = decode_all(STREAMS[name], bomb)
            assert "unpacks to more than 200 times its size" in str(found.fault)
        monkeypatch.setattr(inflate, "MAX_RATIO", 10_000)
        assert "more than 33,554,432 bytes" in str(decode_all(STREAMS["fuzz_cdr"], bomb)[-1].fault)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A line of up to 16 MiB as it is put together, its pieces, and a window on a document of the same size.
    assert peak < 6 * bounds.MAX_LINE_BYTES, peak


def test_a_value_of_a_document_that_never_ends_is_bounded(monkeypatch):
    monkeypatch.setattr("cic_assets.formats.json_text.MAX_LINE_BYTES", 1 << 20)
    found = decode_all(STREAMS["fuzz_json"], b'{"data":[{"evses":[{}]},"' + b"x" * (8 << 20))
    assert len(found) == 2 and "longer than 1,048,576" in str(found[1].fault)


PAIRS = list(pairwise("abcdefghij"))
STREAM_FILES = {
    "a date that is none": "id: 2026-02-30",
    "5,000 digits": "id: " + "9" * 5000,
    "brackets": "a: " + "[" * 1500,
    "aliases that multiply": "a: &a [x]\n"
    + "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in pairwise("abcdefghij")),
    "an expression in 2,000 parentheses": {"columns": {**GOOD["columns"], "energy": "(" * 2000 + "1" + ")" * 2000}},
    "a codec of names": {"format": {"type": "csv", "encoding": "idna"}},
    "a quote as delimiter": {"format": {"type": "csv", "delimiter": '"'}},
    "a threshold that is no number": {"overrides": {"min_energy_kwh": float("nan")}},
    "more days than dates have": {"raw_retention_days": 10**400},
    "a period of two million years": yaml.safe_dump({**STATUS, "period": "P999999999D"}),
}


@pytest.mark.parametrize("case", STREAM_FILES)
def test_stream_files_that_once_raised_or_passed(case, tmp_path):
    content, path = STREAM_FILES[case], tmp_path / "wrong.yml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump({**GOOD, **content}))
    start = time.process_time()
    with pytest.raises(StreamFileError, match=re.escape(str(path))):
        load_stream(path)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("name", sorted(set(aliases.values())))
def test_every_encoding_reads_any_bytes_or_is_refused(name):
    for kind in ("csv", "jsonl", "json"):
        try:
            form = FeedFormat(type=kind, encoding=name)
        except ValueError:
            continue
        content = b'[{"a":"' + bytes(range(256)) * 2 + b'"}]\n'
        assert list(records.read_records(io.BytesIO(content), form).records)
