# ruff: noqa: E501 - a table of cases, a line each
"""Bad input, all the way: landed, ingested and computed by the real parts. The bad is in quarantine, the rest in facts.

Each case is a file. `quarantined` are the lines of it that must be in quarantine, with the rule and a part of the
explanation; `good` are the sessions that must be in facts.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import openpyxl
import psycopg
import pytest

from cic_assets.assets.accepted import _validate
from cic_assets.lake.ingest import ingest
from cic_assets.lake.landing import land
from cic_assets.resources.platform import Platform
from cic_assets.resources.spark import SparkResource
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.model import Stream, parse_stream
from cic_assets.warehouse import connect as warehouse
from cic_assets.warehouse import embedded
from cic_assets.work import pending_arrivals
from tests.end_to_end.steps import run_facts

ARRIVED = dt.datetime(2026, 1, 20, 6, tzinfo=dt.UTC)
FIELDS = ("id", "cp", "begin", "finish", "kwh")
STREAMS = {
    kind: parse_stream(
        {
            "id": f"bad_{kind}", "kind": "sessions", "description": "d", "provider": {"id": f"p-{kind}", "name": "P"},
            "authority": {"id": "a", "name": "A"}, "zone": "Europe/Berlin", "claims": [f"*.{kind}"],
            "format": {"type": kind} | ({"records": "data"} if kind == "json" else {}), "vat_basis": "unknown",
            "columns": {"session_id": "id", "charge_point": "cp", "started_at": "begin", "ended_at": "finish", "energy": "kwh"},
            "licence": "l", "contact": "c",
        }
    )
    for kind in ("csv", "jsonl", "json", "xlsx")
}  # fmt: skip
Quarantined = dict[int, tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """One file of bad input."""

    kind: str
    content: Callable[[str], bytes]
    quarantined: Quarantined
    good: tuple[int, ...] = (1, 3)
    name: str = ""


def row(case: str, number: int, **values: object) -> dict[str, object]:
    """A good session of a case; each is at a charge point of its own."""
    usual = {
        "id": f"{case}-{number}", "cp": f"{case}/{number}", "begin": "2026-01-05T10:00:00Z", "finish": "2026-01-05T11:00:00Z",
        "kwh": 7.5,
    }  # fmt: skip
    return {**usual, **values}


def csv_line(case: str, number: int, **values: object) -> str:
    return ",".join(str(value) for value in row(case, number, **values).values())


def csv_of(*middle: str, end: str = "\n", header: str = ",".join(FIELDS)) -> Callable[[str], bytes]:
    """Two good rows around some lines; `{case}` in them is the case."""
    return lambda case: end.join(
        [header, csv_line(case, 1), *(line.replace("{case}", case) for line in middle), csv_line(case, 3), ""]
    ).encode()


def jsonl_of(*middle: str | bytes) -> Callable[[str], bytes]:
    def content(case: str) -> bytes:
        lines = [json.dumps(row(case, 1)), *middle, json.dumps(row(case, 3))]
        return b"\n".join(line if isinstance(line, bytes) else line.replace("{case}", case).encode() for line in lines)

    return content


def json_of(middle: str, encoding: str = "utf-8") -> Callable[[str], bytes]:
    def content(case: str) -> bytes:
        records = [json.dumps(row(case, 1)), middle.replace("{case}", case), json.dumps(row(case, 3))]
        return f'{{"data":[{",".join(records)}]}}'.encode(encoding)

    return content


def one(**values: object) -> str:
    """The second row of a JSON case."""
    return json.dumps(row("{case}", 2, **values))


def bad_row(**values: object) -> str:
    return csv_line("{case}", 2, **values)


def book(case: str, change: Callable[[openpyxl.worksheet.worksheet.Worksheet], None] = lambda sheet: None) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(FIELDS)
    for number in (1, 2, 3):
        sheet.append(list(row(case, number).values()))
    change(sheet)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def with_formulas(sheet: openpyxl.worksheet.worksheet.Worksheet) -> None:
    """Written by a program that never computed it: there is no value to read."""
    sheet["E3"] = "=E2*2"


def with_merged_cells(sheet: openpyxl.worksheet.worksheet.Worksheet) -> None:
    sheet.merge_cells("B2:B3")


def archive(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("sheet.xml", b"\0" * size)
    return out.getvalue()


MB = 1 << 20
REJECTED = {3: ("S01", "")}
CASES: dict[str, Case] = {
    "truncated gzip": Case(
        "csv", lambda case: gzip.compress(csv_of(*["x" * 3000 + str(n) for n in range(200)])(case))[:-9],
        {**dict.fromkeys(range(3, 203), ("D01", "cells")), 204: ("D01", "beyond record 203")}, (1, 3),
    ),
    "broken gzip": Case("jsonl", lambda case: b"\x1f\x8bnonsense", {1: ("D01", "the file can't be read at all")}, ()),
    "UTF-16 with its mark": Case("csv", lambda case: csv_of()(case).decode().encode("utf-16"), {1: ("D01", "UTF-16")}, ()),
    "UTF-16 without a mark": Case(
        "csv", lambda case: csv_of()(case).decode().encode("utf-16-le"), {2: ("D02", "no field id"), 3: ("D02", "no field id"),
        4: ("D01", "1 cells")}, (),
    ),
    "UTF-32 of a document": Case("json", json_of(one(), "utf-32"), {1: ("D01", "UTF-32")}, ()),
    "one Latin-1 byte": Case("csv", lambda case: csv_of(bad_row(cp="caf\xe9"))(case).replace(b"\xc3\xa9", b"\xe9"),
                             {3: ("D01", "not utf-8")}),
    "one Latin-1 byte in JSON lines": Case("jsonl", jsonl_of(b'{"id":"caf\xe9"}'), {2: ("D01", "not utf-8")}),
    "one Latin-1 byte in a document": Case(
        "json", lambda case: json_of(one(cp="caf@"))(case).replace(b"@", b"\xe9"), {2: ("D01", "encoding")}
    ),
    "empty": Case("csv", lambda case: b"", {1: ("D01", "the file is empty")}, ()),
    "empty gzip": Case("jsonl", lambda case: gzip.compress(b""), {1: ("D01", "the file is empty")}, ()),
    "header only": Case("csv", lambda case: b"id,cp,begin,finish,kwh\n", {}, ()),
    "missing column": Case("csv", csv_of(header="id,cp,begin,finish,energy"),
                           {2: ("D02", "no field kwh"), 3: ("D02", "no field kwh")}, ()),
    "half a JSON line": Case("jsonl", jsonl_of('{"id":"{case}-2","cp":'), {2: ("D01", "not JSON")}),
    "half a document": Case("json", lambda case: json_of(one())(case)[:-60], {3: ("D01", "beyond record 2")}, (1, 2)),
    "NaN in a document": Case("json", json_of(one(kwh=float("nan"))), {2: ("D01", "beyond record 1")}, (1,)),
    "wrong path": Case("json", lambda case: b'{"rows":[{"id":1}],"more":{"data":[]}}',
                       {1: ("D01", "there are lists at: rows, more.data")}, ()),
    "empty list": Case("json", lambda case: b'{"data":[]}', {}, ()),
    "100 MB in one line": Case("csv", csv_of("x" * 100 * MB), {3: ("D01", "a line is longer than")}),
    "100 MB in one JSON line": Case("jsonl", jsonl_of('{"id":"' + "x" * 100 * MB), {2: ("D01", "a line is longer than")}),
    "gzip bomb": Case("csv", lambda case: gzip.compress(csv_of("\0" * 300 * MB)(case), 6), {3: ("D01", "gzip bomb")}, (1,)),
    "zip in disguise": Case("csv", lambda case: archive(10), {1: ("D01", "a zip archive")}, ()),
    "workbook under another name": Case("jsonl", book, {1: ("D01", "a zip archive")}, ()),
    "zip that is no workbook": Case("xlsx", lambda case: archive(10), {1: ("D01", "no XLSX workbook")}, ()),
    "text under the name of a workbook": Case("xlsx", csv_of(), {1: ("D01", "no XLSX workbook")}, ()),
    "zip bomb": Case("xlsx", lambda case: archive(300 * MB), {1: ("D01", "zip bomb")}, ()),
    "workbook": Case("xlsx", book, {}, (1, 2, 3)),
    "formula": Case("xlsx", lambda case: book(case, with_formulas), {3: ("S03", "")}),
    "merged cells": Case("xlsx", lambda case: book(case, with_merged_cells), {3: ("S01", "")}),
    "truncated workbook": Case("xlsx", lambda case: book(case)[:-200], {1: ("D01", "no XLSX workbook")}, ()),
    "mark of UTF-8": Case("csv", lambda case: b"\xef\xbb\xbf" + csv_of()(case), {}),
    "mark of UTF-8 in JSON lines": Case("jsonl", lambda case: b"\xef\xbb\xbf" + jsonl_of()(case), {}),
    "mark of UTF-8 in a document": Case("json", json_of(one(), "utf-8-sig"), {}, (1, 2, 3)),
    "mixed line ends": Case("csv", lambda case: b"id,cp,begin,finish,kwh\r\n%s\r%s\n%s\r\n" % tuple(
        csv_line(case, n).encode() for n in (1, 2, 3)), {}, (1, 2, 3)),
    "ends of old Macs": Case("csv", csv_of(bad_row(cp=""), end="\r"), REJECTED),
    "quotes": Case("csv", csv_of('"{case}-2","a ""b"" c",2026-01-05T10:00:00Z,2026-01-05T11:00:00Z,1.5'), {}, (1, 2, 3)),
    "unclosed quote": Case(
        "csv", csv_of('"{case}-2,x,2026-01-05T10:00:00Z,2026-01-05T11:00:00Z,1.5'), {3: ("D01", "unexpected end")}, (1,)
    ),
    "emoji": Case("jsonl", jsonl_of(one(cp="🔌⚡️ «ü»")), {}, (1, 2, 3)),
    "half a surrogate pair": Case("jsonl", jsonl_of(r'{"id":"{case}-2","cp":"\ud83d","begin":null}'), {2: ("S01", "")}),
    "half a surrogate pair in a document": Case("json", json_of(r'{"id":"{case}-2","cp":"\ud83d","from":null}'), {2: ("S01", "")}),
    "a surrogate pair turned round in a document": Case("json", json_of(r'{"id":"{case}-2","cp":"\udfff\ud800"}'), {2: ("D01", "beyond record 1")}, (1,)),
    "NUL": Case("jsonl", jsonl_of(one(cp="a\0b")), {}, (1, 2, 3)),
    "year 14": Case("csv", csv_of(bad_row(**{"begin": "0014-01-05T10:00:00Z"})), {3: ("S04", "")}),
    "year 9999": Case("csv", csv_of(bad_row(finish="9999-12-31T23:59:59Z", **{"begin": "9999-12-31T22:59:59Z"})), REJECTED),
    "year 294247": Case("jsonl", jsonl_of(one(finish="+294247-01-10T04:00:00Z", **{"begin": "-290308-01-01T00:00:00Z"})),
                        {2: ("S01", "")}),
    "NaN energy": Case("csv", csv_of(bad_row(kwh="NaN")), {3: ("S03", "")}),
    "NaN energy in JSON": Case("jsonl", jsonl_of(one(kwh=float("nan"))), {2: ("S03", "")}),
    "endless energy": Case("jsonl", jsonl_of(one(kwh=float("-inf"))), {2: ("S03", "")}),
    "1e308 energy": Case("csv", csv_of(bad_row(kwh="1e308")), {3: ("S03", "")}),
    "negative zero": Case("csv", csv_of(bad_row(kwh="-0.0")), {}, (1, 2, 3)),
    "40 digits": Case("csv", csv_of(bad_row(kwh="1" * 40)), {3: ("S03", "")}),
    "40 digits in JSON": Case("jsonl", jsonl_of('{"id":"{case}-2","cp":"x","kwh":' + "1" * 40 + "}"), {2: ("S01", "")}),
    "5000 digits": Case("jsonl", jsonl_of('{"id":' + "1" * 5000 + "}"), {2: ("D01", "not JSON")}),
    "40 digits in a document": Case("json", json_of('{"id":"{case}-2","cp":"x","kwh":' + "1" * 40 + "}"), {2: ("S01", "")}),
    "a key twice": Case("jsonl", jsonl_of('{"id":"{case}-2","cp":"x","cp":"y"}'), {2: ("D01", "'cp' occurs twice")}),
    "a key twice, deep": Case("json", json_of('{"id":"{case}-2","a":[{"cp":"x","cp":"y"}]}'),
                              {2: ("D01", "'cp' occurs twice")}),
    "nested deeply": Case("jsonl", jsonl_of('{"a":' * 20000 + "1" + "}" * 20000), {2: ("D01", "not JSON")}),
    "nested deeply in a document": Case("json", json_of('{"a":' * 5000 + "1" + "}" * 5000), {2: ("D01", "nested too deeply")}),
    "a thousand keys": Case("jsonl", jsonl_of(json.dumps({f"k{n}": n for n in range(30_000)})), {2: ("S01", "")}),
    "no object": Case("jsonl", jsonl_of("[1,2]", "null", '"x"'), dict.fromkeys((2, 3, 4), ("D01", "not a JSON object"))),
    "path tricks in ids": Case("csv", csv_of(bad_row(cp="../../../etc/passwd", id="..%2f{case}-2")), {}),
    "a name that leads elsewhere": Case("csv", csv_of(bad_row(cp="")), REJECTED, name="..\\..\\..%2fevil.csv"),
    "a name of two lines": Case("csv", csv_of(bad_row(cp="")), REJECTED, name="two\nlines\x1b[31m.csv"),
    "a name that is an option": Case("csv", csv_of(bad_row(cp="")), REJECTED, name="--help.csv"),
    "a name of 255 bytes": Case("csv", csv_of(bad_row(cp="")), REJECTED, name="n" * 251 + ".csv"),
    "a name that is no text": Case("csv", csv_of(bad_row(cp="")), REJECTED, name=os.fsdecode(b"caf\xe9.csv")),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of all cases after one ingest and one run of facts."""

    settings: Settings
    files: dict[str, str]
    counts: list

    def rows(self, query: str, *arguments: object) -> list[tuple]:
        with warehouse.connect(self.settings) as connection:
            return connection.execute(query.encode(), arguments).fetchall()


@pytest.fixture(scope="module")
def outcome(server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("bad")
    server = embedded.locate(server_home)
    name = f"bad_{os.getpid()}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    base = load_settings({"CIC_HOME": str(folder / "home"), "CIC_PERSONAL_KEY": "k"})
    settings = replace(base, warehouse_url=server.url(name))
    warehouse.set_up(settings)
    streams = {stream.id: stream for stream in STREAMS.values()}
    files = {name: land_case(settings, folder / "sent" / str(n), name) for n, name in enumerate(CASES)}
    counts = []
    spark = SparkResource(engine=settings.spark).session
    pending = pending_arrivals(settings, streams)
    for stream in streams.values():
        mine = [arrival for arrival in pending if arrival.stream_id == stream.id]
        counts += ingest(settings, spark, stream, mine, "test", lambda count: True)
    run_facts(settings, asked_for=True)
    return Outcome(settings, files, counts)


def land_case(settings: Settings, folder: Path, name: str) -> str:
    """The name under which the catalogue has the file."""
    case = CASES[name]
    folder.mkdir(parents=True)
    path = folder / (case.name or f"{name}.{case.kind}")
    path.write_bytes(case.content(name))
    return land(settings, stream_of(case), path, ARRIVED).landed.original_name


def stream_of(case: Case) -> Stream:
    return STREAMS[case.kind]


@pytest.mark.parametrize("name", CASES)
def test_the_bad_is_in_quarantine_and_says_why(outcome, name):
    case = CASES[name]
    found = outcome.rows(
        "select source_line, reasons, coalesce(detail, ''), length(raw) from quality.quarantine"
        " where source_file = %s and stream_id = %s order by 1",
        outcome.files[name], stream_of(case).id,
    )  # fmt: skip
    assert [line for line, *_ in found] == sorted(case.quarantined)
    for line, reasons, detail, length in found:
        reason, said = case.quarantined[line]
        assert reason in reasons and said in detail, (line, reasons, detail)
        assert length < 20 * MB


@pytest.mark.parametrize("name", CASES)
def test_its_neighbours_are_in_the_facts(outcome, name):
    ids = "select session_id from facts.charging_session where session_id like %s order by 1"
    assert outcome.rows(ids, f"{name}-_") == [(f"{name}-{number}",) for number in CASES[name].good]


def test_rows_in_are_accepted_and_quarantined(outcome):
    assert [(count.rows_in, count.accepted + count.quarantined) for count in outcome.counts] == [
        (count.rows_in, count.rows_in) for count in outcome.counts
    ]
    assert sum(count.quarantined for count in outcome.counts) == sum(len(case.quarantined) for case in CASES.values())


def test_what_is_odd_and_good_keeps_its_text(outcome):
    point = "select charge_point_id from facts.charging_session where session_id = %s"
    assert outcome.rows(point, "emoji-2") == [("p-jsonl/🔌⚡️ «ü»",)]
    assert outcome.rows(point, "quotes-2") == [('p-csv/a "b" c',)]
    assert outcome.rows(point, "NUL-2") == [("p-jsonl/a\ufffdb",)]
    assert outcome.rows(point, "..%2fpath tricks in ids-2") == [("p-csv/../../../etc/passwd",)]
    energy = "select energy_kwh, flags from facts.charging_session where session_id = %s"
    assert outcome.rows(energy, "negative zero-2") == [(Decimal("0.0000"), ["failed_start", "S08"])]


def test_names_are_shown_and_lead_nowhere(outcome):
    assert outcome.files["a name of two lines"] == "two\ufffdlines\ufffd[31m.csv"
    assert outcome.files["a name that is no text"] == "caf\ufffd.csv"
    lake = Path(outcome.settings.lake)
    landed = [path.relative_to(lake / "raw").parts for path in (lake / "raw").rglob("*") if path.is_file()]
    assert {len(parts) for parts in landed} == {3}
    assert all(len(parts[2].partition(".")[0]) == 64 for parts in landed)


def test_a_new_field_is_recorded_and_a_check_names_it(settings, tmp_path):
    """A file later than the others brings a field; the first file of a stream brings nothing new."""
    stream = STREAMS["jsonl"]
    platform = Platform(settings, {stream.id: stream})
    settings.home.mkdir(parents=True, exist_ok=True)
    spark = SparkResource(engine=settings.spark).session

    def deliver(day: int, **extra: object) -> list[tuple[bool, str]]:
        path = tmp_path / f"{day}.jsonl"
        path.write_text(json.dumps({**row("new", day), **extra}))
        land(settings, stream, path, ARRIVED + dt.timedelta(days=day))
        counts = ingest(
            settings, spark, stream, pending_arrivals(settings, platform.streams), "test", lambda count: True
        )
        return [(each.passed, each.detail) for each in _validate(platform, counts) if each.check == "new_fields"]

    assert deliver(1, operator="x") == [(True, "")]
    assert deliver(2, operator="x", **{"max\0power": 5, "tariff": {"id": "T"}}) == [
        (False, "max\ufffdpower, tariff.id")
    ]
    assert deliver(3, operator="x", tariff={"id": "T"}) == [(True, "")]
    with warehouse.connect(settings) as connection:
        fields = connection.execute("select feed_columns from catalogue.object order by arrival_date").fetchall()
    assert "tariff.id" in fields[1][0] and "tariff.id" not in fields[0][0]
