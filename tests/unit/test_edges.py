"""Cases of items 1-3 that the committed tests do not have; all pass on the present code."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from pathlib import Path

import openpyxl
import pytest
import yaml
from sqlglot.errors import SqlglotError

from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import read_records
from cic_assets.kinds.stream import referenced_fields
from cic_assets.settings import EXAMPLE_STREAMS, PROJECT, SettingsError, load_settings
from cic_assets.streams.load import claimants, load_stream, load_streams


def read(content: bytes, **form):
    reading = read_records(io.BytesIO(content), FeedFormat(**{"type": "csv", **form}))
    return list(reading.records), reading.columns


def workbook(*rows):
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def test_bad_byte_inside_a_record_of_two_lines_spoils_that_record_only():
    found, _ = read(b'a,b\n1,"x\ny\xe9"\n2,z\n')
    assert [(r.line, r.values) for r in found] == [(2, None), (4, {"a": "2", "b": "z"})]


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_gzip_of_json(form):
    content = b'{"a":1}\n' if form == "jsonl" else b'[{"a":1}]'
    assert [r.values for r in read(gzip.compress(content), type=form)[0]] == [{"a": "1"}]


def test_gzip_with_a_wrong_checksum_keeps_its_rows_and_says_so():
    found, _ = read(gzip.compress(b"a\n1\n")[:-8] + b"\0" * 8)
    assert found[0].values == {"a": "1"} and "CRC check failed" in str(found[-1].fault)


def test_blank_json_lines_count_as_lines_and_false_is_no_null():
    found, _ = read(b'\n{"a":false}\n  \n{"a":null}\n', type="jsonl")
    assert [(r.line, r.values) for r in found] == [(2, {"a": "false"}), (4, {"a": None})]


def test_xlsx_skips_empty_rows_and_keeps_their_number():
    found, _ = read(workbook(["d", "t"], [dt.date(2026, 1, 2), dt.time(3, 4)], [None, ""], ["x", 0]), type="xlsx")
    assert [(r.line, r.values) for r in found] == [
        (2, {"d": "2026-01-02T00:00:00", "t": "03:04:00"}),
        (4, {"d": "x", "t": "0"}),
    ]


def test_settings_defaults():
    found = load_settings({})
    assert (found.home, found.lake) == (PROJECT / ".cic", str(PROJECT / ".cic" / "lake"))
    assert found.restatement_horizon_days == 400


def test_a_missing_folder_of_streams_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"CIC_STREAMS: .*gone is not a folder"):
        load_settings({"CIC_STREAMS": f"{tmp_path}:{tmp_path / 'gone'}"})


@pytest.mark.parametrize("path", sorted(EXAMPLE_STREAMS.glob("*.yml")), ids=lambda path: path.stem)
def test_each_example_file_has_its_id_as_name(path):
    assert load_stream(path).id == path.stem


def test_a_later_folder_wins_by_file_name(tmp_path):
    content = yaml.safe_load((EXAMPLE_STREAMS / "ashbourne_sessions.yml").read_text())
    (tmp_path / "ashbourne_sessions.yml").write_text(yaml.safe_dump({**content, "description": "mine"}))
    assert load_streams([EXAMPLE_STREAMS, tmp_path])["ashbourne_sessions"].description == "mine"
    assert load_streams([tmp_path, EXAMPLE_STREAMS])["ashbourne_sessions"].description != "mine"


def test_an_unknown_file_has_no_claimants():
    assert claimants(load_streams([EXAMPLE_STREAMS]).values(), Path("other.csv").name) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("aggregate(xs, 0, (acc, v) -> acc + v.k)", ["xs"]),
        ("`Paid GBP` + cost - `Paid GBP`", ["Paid GBP", "cost"]),
        ("'text'", []),
    ],
)
def test_more_fields(text, names):
    assert referenced_fields(text) == names


@pytest.mark.parametrize("text", ["a, b", "a as b", "a where b > 1", "a limit 1", "1 from t", ""])
def test_what_is_no_single_expression(text):
    with pytest.raises(SqlglotError):
        referenced_fields(text)
