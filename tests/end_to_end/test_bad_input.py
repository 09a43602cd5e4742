"""Bad input, all the way: `cic land`, quarantine with its reasons; what stands beside it reaches the marts.

One run of each of Dagster's jobs for all cases; each test looks at one file of it.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
import re
import resource
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from dagster import DagsterInstance
from typer.testing import CliRunner

from cic_assets.cli import app as cli
from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.expectations import validate
from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import land, shown_name
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.rules import rules_of
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.orchestrate.runner import Runner
from cic_assets.orchestrate.work import pending_arrivals
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded
from tests.doors import connect

pytestmark = pytest.mark.usefixtures("forked_dbt")
ARRIVED = dt.datetime(2026, 11, 10, 6, tzinfo=dt.UTC)
COLUMNS = {
    "session_id": "id", "charge_point": "cp", "connector_id": "'1'", "started_at": "start", "ended_at": "stop",
    "energy": "kwh", "currency": "'GBP'",
}  # fmt: skip
SESSIONS = {
    "kind": "sessions", "description": "d", "provider": {"id": "GB*BAD", "name": "B"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "columns": COLUMNS, "vat_basis": "unknown",
    "licence": "l", "contact": "c",
}  # fmt: skip
STATUS = {
    **{key: value for key, value in SESSIONS.items() if key != "vat_basis"}, "kind": "status",
    "columns": {"charge_point": "cp", "status": "word", "changed_at": "since"},
    "vocabulary": {"standard": "OCPI 2.2.1"},
}  # fmt: skip
FORMATS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "csv": (SESSIONS, {"type": "csv"}),
    "latin": (SESSIONS, {"type": "json", "encoding": "latin-1", "records": "data"}),
    "jsonl": (SESSIONS, {"type": "jsonl"}),
    "json": (SESSIONS, {"type": "json", "records": "data"}),
    "xlsx": (SESSIONS, {"type": "xlsx"}),
    "status": (STATUS, {"type": "jsonl"}),
    "personal": ({**SESSIONS, "personal_fields": ["rfid"]}, {"type": "csv"}),
}
CONTENTS: dict[str, dict[str, object]] = {
    f"bad_{name}": {**content, "id": f"bad_{name}", "format": form, "claims": [f"*.{name}"]}
    for name, (content, form) in FORMATS.items()
}
STREAMS = {stream_id: parse_stream(content) for stream_id, content in CONTENTS.items()}
HEADER = "id,cp,start,stop,kwh"
START, STOP = "2026-11-01T10:00:00Z", "2026-11-01T12:00:00Z"
_good = iter(range(10_000))


def good(kind: str = "csv") -> Any:
    """A session or state that nothing is wrong with; another one each time."""
    name = f"good-{next(_good)}"
    if kind == "status":
        return {"cp": name, "word": "AVAILABLE", "since": START}
    if kind in ("json", "jsonl", "latin"):
        return {"id": name, "cp": "E1", "start": START, "stop": STOP, "kwh": 7.5}
    return [name, "E1", START, STOP, "7.5"] + (["TOKEN-SECRET"] if kind == "personal" else [])


def row(*cells: object) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def between(*lines: str | bytes, kind: str = "csv", end: bytes = b"\n") -> bytes:
    """A file with the lines between two good ones."""
    around = [row(*good()) if kind == "csv" else json.dumps(good(kind)) for _ in range(2)]
    head = [HEADER] if kind == "csv" else []
    parts = [*head, around[0], *lines, around[1]]
    return b"".join((part if isinstance(part, bytes) else part.encode()) + end for part in parts)


def document(*records: str | bytes, records_at: str = "data") -> bytes:
    """A JSON document with the records between two good ones."""
    around = [json.dumps(good("json")).encode() for _ in range(2)]
    parts = [around[0], *(each if isinstance(each, bytes) else each.encode() for each in records), around[1]]
    return b'{"at":1,"%s":[%s]}' % (records_at.encode(), b",\n".join(parts))


def workbook(fill: Callable[[Any], None]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(HEADER.split(","))
    book.active.append(good("xlsx"))
    fill(book.active)
    book.active.append(good("xlsx"))
    book.save(out)
    return out.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def session(**changes: object) -> str:
    """A line of JSON of a session with other values."""
    return json.dumps({**good("jsonl"), "id": "bad", **changes})


def cells(**changes: str) -> str:
    """A CSV line of a session with other values."""
    return row(*{**dict(zip(HEADER.split(","), good(), strict=True)), "id": "bad", **changes}.values())


def merged(sheet: Any) -> None:
    sheet.append(["formula", "E1", START, STOP, "=3+4"])
    sheet.append(["merged", "M", START, STOP, 5])
    sheet.append(["under", None, START, STOP, 5])
    sheet.merge_cells(start_row=4, start_column=2, end_row=5, end_column=2)


@dataclass(frozen=True)
class Case:
    """A file: of which stream, what is in it, how many good rows reach the marts, which rows go where and why.

    `rejected` gives for each quarantined row its reason, and a word that its text holds.
    """

    stream: str
    content: bytes
    kept: int
    rejected: tuple[tuple[str, str], ...] = ()
    name: str = ""


D01, S01, S02, S03, S04 = "D01", "S01", "S02", "S03", "S04"
LONG = b'"' + b"x" * (100 << 20)
CASES: dict[str, Case] = {
    "one latin-1 byte": Case("csv", between(b"caf\xe9,E1,x,y,1"), 2, ((D01, "caf\ufffd"),)),
    "one latin-1 byte in JSON lines": Case(
        "jsonl", between(b'{"id":"caf\xe9"}', kind="jsonl"), 2, ((D01, "caf\ufffd"),)
    ),
    "one latin-1 byte in a document": Case("json", document(b'{"id":"caf\xe9"}'), 2, ((D01, "caf\ufffd"),)),
    "a document in latin-1": Case(
        "latin", document(session(id="caf\u00e9").replace("\\u00e9", "\u00e9").encode("latin-1")), 3
    ),
    "UTF-16": Case("csv", between().decode().encode("utf-16"), 0, ((D01, "UTF-16"),)),
    "UTF-16 without its mark": Case("csv", between().decode().encode("utf-16-le"), 0, ((D01, "NUL"),)),
    "UTF-16 document": Case("json", document().decode().encode("utf-16"), 0, ((D01, "UTF-16"),)),
    "a UTF-8 mark": Case("csv", b"\xef\xbb\xbf" + between(), 2),
    "a UTF-8 mark on JSON lines": Case("jsonl", b"\xef\xbb\xbf" + between(kind="jsonl"), 2),
    "a UTF-8 mark on a document": Case("json", b"\xef\xbb\xbf" + document(), 2),
    "empty": Case("csv", b"", 0, ((D01, "it is empty"),)),
    "packed and empty": Case("jsonl", gzip.compress(b""), 0, ((D01, "it is empty"),)),
    "empty document": Case("json", b" ", 0, ((D01, "no JSON"),)),
    "truncated gzip": Case(
        "csv", gzip.compress(between() + os.urandom(9000).hex().encode())[:2000], 2, ((D01, "ended before"),)
    ),
    "wrong checksum": Case("json", gzip.compress(document())[:-8] + b"\0" * 8, 2, ((D01, "CRC check failed"),)),
    "no gzip inside": Case("jsonl", b"\x1f\x8bnonsense", 0, ((D01, "can't be read"),)),
    "gzip bomb": Case("csv", gzip.compress(between() + b"\0" * (64 << 20)), 2, ((D01, "more than 200 times"),)),
    "packed twice": Case("csv", gzip.compress(gzip.compress(between())), 0, ((D01, "packed twice"),)),
    "a missing field": Case("csv", b"id,cp,start,stop\n1,E1,x,y\n2,E1,x,y\n", 0, (("D02", "1,E1"), ("D02", "2,E1"))),
    "half a line": Case("jsonl", between('{"id":"half","cp":', kind="jsonl"), 2, ((D01, '{"id":"half"'),)),
    "half a document": Case("json", document()[:-40], 1, ((D01, "can't be read beyond record 1"),)),
    "no document": Case("json", b"<html>502 Bad Gateway</html>", 0, ((D01, "no JSON"),)),
    "no array where it should be": Case(
        "json", document(records_at="items"), 0, ((D01, "no array of records at 'data'"),)
    ),
    "a line of 100 MB": Case("csv", between(LONG), 2, ((D01, '"xxxx'),)),
    "a JSON line of 100 MB": Case("jsonl", between(LONG, kind="jsonl"), 2, ((D01, '"xxxx'),)),
    "zip as CSV": Case("csv", zipped("a.csv", between()), 0, ((D01, "zip archive"),)),
    "another zip as XLSX": Case("xlsx", zipped("a.csv", between()), 0, ((D01, "no XLSX workbook"),)),
    "zip bomb as XLSX": Case("xlsx", zipped("xl/worksheets/sheet1.xml", b" " * (64 << 20)), 0, ((D01, "200 times"),)),
    "text as XLSX": Case("xlsx", between(), 0, ((D01, "no XLSX workbook"),)),
    "formulas and merged cells": Case("xlsx", workbook(merged), 3, ((S03, "formula"), (S01, "under"))),
    "mixed line ends": Case("csv", between(row(*good()) + "\r", row(*good()) + "\r" + row(*good()), end=b"\r\n"), 5),
    "lone carriage returns": Case("csv", between(end=b"\r"), 2),
    "JSON lines by lone carriage returns": Case("jsonl", between(kind="jsonl", end=b"\r"), 2),
    "quotes and emoji in ids": Case("csv", between(cells(id='o"neil \U0001f50c', cp="\U0001f697 \u202e'1'")), 3),
    "path tricks in ids": Case(
        "jsonl",
        between(
            *(
                session(id=each, cp=each)
                for each in ("../../x", "/etc/passwd", "a\0b", "a\nb", "-rf", "\ud800", "y" * 4000)
            ),
            kind="jsonl",
        ),
        8,
        ((S01, "yyyy"),),
    ),
    "dates of year 14 and 9999": Case(
        "csv",
        between(cells(start="0014-11-01T10:00:00Z"), cells(start="9999-12-31T22:00:00Z", stop="9999-12-31T23:00:00Z")),
        2,
        ((S04, "0014-"), (S04, "9999-")),
    ),
    "numbers that are none": Case(
        "jsonl",
        between(
            *(session().replace("7.5", text) for text in ("NaN", "Infinity", "-Infinity", "1e308", "9" * 5000)),
            kind="jsonl",
        ),
        2,
        ((S03, "NaN"), (S03, " Infinity"), (S03, "-Infinity"), (S03, "1e308"), (S03, "99999")),
    ),
    "numbers that are none, in a document": Case(
        "json",
        document(*(session().replace("7.5", text) for text in ("NaN", "1e308", "9" * 5000, "1e99999999999999999999"))),
        2,
        ((S03, "NaN"), (S03, "1e308"), (S03, "99999"), (S03, "e999")),
    ),
    "numbers that are none, in CSV": Case(
        "csv",
        between(*(cells(kwh=text) for text in ("NaN", "Infinity", "1e308", "9" * 40))),
        2,
        ((S03, "NaN"), (S03, "Infinity"), (S03, "1e308"), (S03, "9" * 40)),
    ),
    "negative zero": Case("csv", between(cells(id="zero", cp="Z", kwh="-0.0")), 3),
    "forty digits behind the point": Case(
        "jsonl", between(session(kwh="KWH").replace('"KWH"', "7.5" + "0" * 39), kind="jsonl"), 3
    ),
    "a key twice": Case("jsonl", between('{"id":"twice","kwh":1,"kwh":2}', kind="jsonl"), 2, ((D01, "twice"),)),
    "a key twice in a document": Case("json", document('{"id":"twice","kwh":1,"kwh":2}'), 2, ((D01, "twice"),)),
    "a deep record": Case(
        "jsonl", between('{"id":"deep","a":' + "[" * 500 + "]" * 500 + "}", kind="jsonl"), 2, ((D01, "deep"),)
    ),
    "a deep record in a document": Case(
        "json", document('{"id":"deep","a":' + "[" * 500 + "]" * 500 + "}"), 2, ((D01, "{…}"),)
    ),
    "states": Case(
        "status",
        between(
            '{"cp":"half',
            json.dumps({"cp": "E", "word": "AVAILABLE", "since": "9999-01-01T00:00:00Z"}),
            json.dumps({"cp": None, "word": 1e308, "since": START}),
            kind="status",
        ),
        2,
        ((D01, "half"), ("E02", "9999"), ("E01", "null")),
    ),
    "personal, half a row": Case(
        "personal", f"{HEADER},rfid\n{row(*good('personal'))}\n1,TOKEN-SECRET\n".encode(), 1, ((D01, "withheld"),)
    ),
    "personal, cut off": Case(
        "personal",
        gzip.compress(f"{HEADER},rfid\n{row(*good('personal'))}\n".encode() + os.urandom(9000).hex().encode())[:2000],
        1,
        ((D01, "ended before"),),
    ),
    "a name with a line break": Case("csv", between(), 2, name="a\nb.csv"),
    "a name that is no UTF-8": Case("csv", between(), 2, name=os.fsdecode(b"caf\xe9.csv")),
    "a name with a dash in front": Case("csv", between(), 2, name="-rf.csv"),
    "a long name": Case("csv", between(), 2, name="n" * 251 + ".csv"),
    "a name with dots": Case("csv", between(), 2, name="..%2f..%2fx.csv.csv"),
}


@dataclass(frozen=True)
class Outcome:
    """What became of all cases."""

    settings: Settings
    files: dict[str, str]
    facts: set[str]
    quarantine: dict[str, list[tuple[list[str], str]]]
    accepted: dict[str, int]
    rows_in: dict[str, int]
    peak_mib: int


def land_all(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Lands each case as somebody does who types it; the name under which it is known, by label."""
    files: dict[str, str] = {}
    for number, (label, case) in enumerate(CASES.items()):
        path = folder / str(number) / (case.name or f"{number}.{case.stream}")
        path.parent.mkdir()
        path.write_bytes(case.content)
        arguments = ["land", "--arrived-at", f"{ARRIVED:%Y-%m-%dT%H:%M:%SZ}", f"bad_{case.stream}", str(path)]
        done = CliRunner(env=environ).invoke(cli.app, arguments)
        assert (done.exit_code, "landed" in done.output) == (0, True), (label, done.output, done.exception)
        files[label] = shown_name(path)
    return files


@pytest.fixture(scope="module")
def outcome(server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    import psycopg
    from deltalake import DeltaTable

    server = embedded.locate(server_home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database bad_{os.getpid()}")
    folder = tmp_path_factory.mktemp("bad")
    (folder / "streams").mkdir()
    for stream_id, content in CONTENTS.items():
        (folder / "streams" / f"{stream_id}.yml").write_text(yaml.safe_dump(content, sort_keys=False))
    environ = {
        "CIC_HOME": str(folder / "home"),
        "CIC_STREAMS": str(folder / "streams"),
        "CIC_WAREHOUSE_URL": server.url(f"bad_{os.getpid()}"),
    }
    settings = load_settings(environ)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = land_all(folder, environ)
    with DagsterInstance.ephemeral() as instance:
        runner = Runner(settings, load_streams(settings.streams), instance)
        assert runner.ingest() and runner.days() and runner.months()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    quarantine: dict[str, list[tuple[list[str], str]]] = {}
    with connect(settings) as connection:
        for file, reasons, raw in connection.execute(
            "select source_file, reasons, raw from quality.quarantine order by source_file, source_line"
        ).fetchall():
            quarantine.setdefault(file, []).append((reasons, raw))
        facts = {row[0] for row in connection.execute("select session_id from facts.charging_session").fetchall()}
        facts |= {
            row[0].partition("/")[2]
            for row in connection.execute("select charge_point_id from facts.charge_point_status_day").fetchall()
        }
        rows_in = dict(connection.execute(
            "select original_name, record_count from catalogue.object"
        ).fetchall())  # fmt: skip
    accepted: dict[str, int] = {}
    for kind in ("sessions", "status"):
        for name in DeltaTable(f"{settings.lake}/accepted/{kind}").to_pyarrow_table()["source_file"].to_pylist():
            accepted[name] = accepted.get(name, 0) + 1
    return Outcome(settings, files, facts, quarantine, accepted, rows_in, peak >> 10)


@pytest.mark.parametrize("label", CASES)
def test_it_is_quarantined_with_its_reason_and_its_neighbours_are_kept(outcome, label):
    case, file = CASES[label], outcome.files[label]
    found = outcome.quarantine.get(file, [])
    assert [reasons for reasons, _ in found] == [[reason] for reason, _ in case.rejected]
    assert [word for (_, word), (_, raw) in zip(case.rejected, found, strict=True) if word not in raw] == []
    assert outcome.accepted.get(file, 0) == case.kept
    assert outcome.rows_in[file] == case.kept + len(case.rejected), "rows in = accepted + quarantined"
    assert max((len(raw) for _, raw in found), default=0) <= 20_000


def test_every_good_neighbour_reaches_the_facts(outcome):
    # The half document and what follows the break of packed content end before their second neighbour.
    lost = {f"good-{number}" for number in range(next(_good))} - outcome.facts
    cut = {
        label: [word for word in _names(CASES[label].content) if word in lost] for label in CASES if CASES[label].kept
    }
    assert {label: words for label, words in cut.items() if words} == {"half a document": cut["half a document"]}
    assert len(cut["half a document"]) == 1


def test_the_marts_count_what_was_kept_and_what_was_not(outcome):
    kept, rejected = Counter[str](), Counter[str]()
    for case in CASES.values():
        kept[f"bad_{case.stream}"] += case.kept
        rejected[f"bad_{case.stream}"] += len(case.rejected)
    with connect(outcome.settings, "analyst") as connection:

        def counts(query: str) -> dict[str, int]:
            return dict(connection.execute(query.encode()).fetchall())

        sessions = counts("select stream_id, sum(session_count)::int from marts.session_statistics_day group by 1")
        states = counts(
            "select stream_id, count(distinct charge_point_id)::int from marts.charge_point_health_day group by 1"
        )
        assert sessions | states == kept
        quarantined = "select stream_id, sum(quarantined)::int from marts.data_quality_day group by 1"
        assert counts(quarantined) == rejected


def _names(content: bytes) -> list[str]:
    return sorted({name.decode() for name in re.findall(rb"good-\d+", content[: 1 << 20] + content[-(1 << 10) :])})


def test_a_row_stands_in_one_place_only(outcome):
    with connect(outcome.settings) as connection:
        wrong = connection.execute(
            "select * from quality.reconciliation where rows_in <> accepted + quarantined + skipped or unresolved <> 0"
        ).fetchall()
    assert wrong == []
    assert sum(outcome.rows_in.values()) == sum(outcome.accepted.values()) + sum(map(len, outcome.quarantine.values()))


def test_long_lines_and_bombs_stay_out_of_memory(outcome):
    # The cases hold 200 MiB of long lines and 128 MiB of bombs; Sail and Arrow take about 500 MiB for themselves.
    assert outcome.peak_mib < 900, f"{outcome.peak_mib} MiB more than before"


def test_no_personal_value_leaves(outcome):
    assert "TOKEN-SECRET" not in json.dumps(outcome.quarantine, ensure_ascii=False)
    lake = Path(outcome.settings.lake)
    with_secret = [path for zone in ("decoded", "accepted") for path in (lake / zone).rglob("*.parquet")
                   if "personal" in str(path) and b"TOKEN-SECRET" in path.read_bytes()]  # fmt: skip
    assert with_secret == []


def test_numbers_reach_the_facts_as_they_were_sent(outcome):
    with connect(outcome.settings) as connection:
        rows = connection.execute(
            "select session_id, energy_kwh, flags from facts.charging_session where energy_kwh <> 7.5 order by 1"
        ).fetchall()
    assert [(name, str(energy), flags) for name, energy, flags in rows] == [
        ("merged", "5.0000", []),
        ("zero", "0.0000", ["failed_start", "S08"]),
    ]


def test_a_file_of_an_unknown_stream_is_left_alone_and_named(outcome, tmp_path, monkeypatch):
    path = tmp_path / "nobody.csv"
    path.write_bytes(between())
    monkeypatch.setenv("CIC_HOME", str(outcome.settings.home))
    monkeypatch.setenv("CIC_WAREHOUSE_URL", str(outcome.settings.warehouse_url))
    monkeypatch.setenv("CIC_STREAMS", "examples")

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["land", *arguments])
        return done.exit_code, " ".join(done.output.split())

    code, said = run("nobody_sessions", str(path))
    assert code == 2 and "no stream 'nobody_sessions'; there are ashbourne_locations" in said
    odd = tmp_path / os.fsdecode(b"caf\xe9 [red].csv")
    odd.write_bytes(between())
    code, said = run("auto", str(path), str(odd))
    assert code == 1 and "nobody.csv: no stream claims it; left alone" in said and "caf\\xe9 [red].csv" in said


def test_a_new_field_is_recorded_and_flagged(outcome, tmp_path):
    stream, path = STREAMS["bad_csv"], tmp_path / "later.csv"
    path.write_text(f"{HEADER},colour\n{row(*good(), 'red')}\n")
    land(parts_of(outcome.settings), stream, path, ARRIVED + dt.timedelta(days=1))
    counts: list[IngestCount] = []
    pending = pending_arrivals(parts_of(outcome.settings), {stream.id: stream})
    spark = SparkResource(engine=outcome.settings.spark).session
    ingest(
        parts_of(outcome.settings, session=lambda: spark),
        stream,
        pending,
        "test",
        lambda count: not counts.append(count),
    )
    assert [(count.rows_in, count.accepted, count.new_columns) for count in counts] == [(1, 1, ("colour",))]
    with connect(outcome.settings) as connection:
        found = connection.execute("select stream_id, arrival_date, column_name from quality.new_column").fetchall()
    assert found == [("bad_csv", ARRIVED.date() + dt.timedelta(days=1), "colour")]
    outcomes = {each.check: each for each in validate(stream, rules_of("default", "sessions"), counts, None)}
    assert [(name, each.count) for name, each in outcomes.items() if not each.passed] == [("new_columns", 1)]
