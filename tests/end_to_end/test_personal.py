"""A person's value under whatever name a feed gives it: nowhere in the clear but in the original.

All deliveries are landed and ingested together, by Dagster's job; then every byte and every column is looked at: lake,
warehouse with Dagster's storage and Postgres' samples, home with logs and Data Docs.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import DeltaTable
from psycopg import sql

from cic_assets.ingest.landing import land
from cic_assets.ledger import catalogue
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.runner import Runner, instance_of
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded
from tests.conftest import admin
from tests.doors import connect
from tests.end_to_end.steps import run_ingest

ARRIVED = dt.datetime(2026, 11, 10, 6, tzinfo=dt.UTC)
START, STOP = "2026-11-01T10:00:00Z", "2026-11-01T12:00:00Z"
COLUMNS = {
    "session_id": "id", "charge_point": "cp", "connector_id": "'1'", "started_at": "start", "ended_at": "stop",
    "energy": "kwh", "currency": "'GBP'",
}  # fmt: skip
BASE = {
    "kind": "sessions", "description": "d", "provider": {"id": "GB*PER", "name": "P"},
    "authority": {"id": "E1", "name": "A"}, "zone": "Europe/London", "columns": COLUMNS, "vat_basis": "unknown",
    "licence": "l", "contact": "c",
}  # fmt: skip
TOKEN = ["cdr_token.uid", "cdr_token.contract_id"]
CONTENTS: dict[str, dict[str, Any]] = {
    "csv": {**BASE, "format": {"type": "csv"}, "personal_fields": ["RFID"]},
    "xlsx": {**BASE, "format": {"type": "xlsx"}, "personal_fields": ["RFID"]},
    "jsonl": {
        **BASE, "format": {"type": "jsonl"}, "personal_fields": TOKEN, "optional_fields": [TOKEN[1]],
        "raw_retention_days": 30,
    },
    "json": {
        **BASE, "format": {"type": "json", "records": "data.sites", "each": ["sessions"], "document": ["at"]},
        "columns": {**COLUMNS, **{name: f"`sessions.{field}`" for name, field in (
            ("session_id", "id"), ("charge_point", "cp"), ("started_at", "start"), ("ended_at", "stop"),
            ("energy", "kwh"))}, "last_updated": "`document.at`"}, "personal_fields": ["sessions.token.uid"],
    },
    "opencsv": {**BASE, "format": {"type": "csv"}},
    "openjsonl": {**BASE, "format": {"type": "jsonl"}, "optional_fields": ["periods"],
                  "columns": {**COLUMNS, "cost": "regexp_extract(periods, 'paid.:([0-9]+)', 1)"}},
    "status": {
        **{key: value for key, value in BASE.items() if key != "vat_basis"}, "kind": "status",
        "format": {"type": "jsonl"}, "columns": {"charge_point": "uid", "status": "word", "changed_at": "since"},
        "vocabulary": {"standard": "OCPI 2.2.1"},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """A delivery: its stream, its bytes with `SECRET` where the person's value stands, and whether it is held."""

    stream: str
    content: bytes
    is_held: bool


def table(names: str, cells: str = "SECRET", delimiter: str = ",", head: bool = True) -> bytes:
    """A good row and one without energy under a header with other names for the person's field."""
    header = ["id,cp,start,stop,kwh" + (f",{names}" if names else "")] if head else []
    lines = [*header, f"g,E1,{START},{STOP},7,{cells}", f"b,E1,{START},{STOP},,{cells}"]
    return ("\n".join(lines) + "\n").replace(",", delimiter).encode()


def workbook(*names: str) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["id", "cp", "start", "stop", "kwh", *names])
    for session, kwh in (("g", 7), ("b", None)):
        book.active.append([session, "E1", START, STOP, kwh, *["SECRET"] * len(names)])
    book.save(out)
    return out.getvalue()


def lines(extra: dict[str, Any], **more: Any) -> bytes:
    base = {"cp": "E1", "start": START, "stop": STOP, **extra, **more}
    return "".join(
        json.dumps({"id": each, "kwh": kwh, **base}) + "\n" for each, kwh in (("g", 7), ("b", None))
    ).encode()


def document(extra: dict[str, Any], site: dict[str, Any] | None = None, beside: dict[str, Any] | None = None) -> bytes:
    sessions = [json.loads(line) for line in lines(extra).splitlines()]
    return json.dumps(
        {"at": STOP, **(beside or {}), "data": {"sites": [{"sessions": sessions, **(site or {})}]}}
    ).encode()


GOOD = {"cdr_token": {"uid": "SECRET", "contract_id": "SECRET"}}
HIDDEN = [{"paid": 2, "id_token": {"idToken": "SECRET"}}]
NAMES = [
    "rfid", "Rfid", "RF\u200bID", "RF\u00a0ID", "RF\u00adID", "R F I D", "RFID (1)", "RFID:", "_RFID", "Token",
    "token.uid", "Card", "Kundennummer", "x", "R\u0415ID", "\uff32\uff26\uff29\uff24", '"RF\nID"', '"RFID,"',
    "RFID.uid", "cic.RFID", "",
]  # fmt: skip
VARIANTS: dict[str, Variant] = {
    **{f"csv: {name!r} in place of RFID": Variant("csv", table(name), True) for name in NAMES},
    **{f"csv: around RFID {name!r}": Variant("csv", table(name), False) for name in (
        "RFID", "RFID ", " RFID\u00a0", "\u200bRFID\ufeff", '"RFID"', "\tRFID")},
    "csv: no field": Variant("csv", table("", ""), True),
    "csv: no header": Variant("csv", table("RFID", head=False), True),
    "csv: another delimiter": Variant("csv", table("RFID", delimiter=";"), True),
    "csv: packed": Variant("csv", gzip.compress(table("tag")), True),
    "csv: a second one": Variant("csv", table("RFID,Kundennummer", "SECRET,SECRET"), False),
    "csv: twice": Variant("csv", table("RFID,RFID", "SECRET,SECRET"), False),
    "csv: and its copy's name": Variant("csv", table("RFID,RFID (1)", "SECRET,SECRET"), False),
    "csv: under no name": Variant("csv", table("RFID,,", "SECRET,SECRET,"), False),
    "csv: a cell too many": Variant("csv", table("RFID", "SECRET,SECRET"), False),
    "csv: broken quotes": Variant("csv", table("RFID", '"SECRET'), False),
    "csv: not utf-8": Variant("csv", table("RFID", "caf") .replace(b"caf", b"SECRET\xe9"), False),
    "csv: UTF-16": Variant("csv", table("RFID").decode().encode("utf-16"), False),
    "xlsx: as agreed": Variant("xlsx", workbook("RFID"), False),
    "xlsx: another name": Variant("xlsx", workbook("rfid"), True),
    "xlsx: unseen sign": Variant("xlsx", workbook("RF\u200bID"), True),
    "xlsx: a second one": Variant("xlsx", workbook("RFID", "Karte", "RFID"), False),
    "jsonl: as agreed": Variant("jsonl", lines(GOOD), False),
    "jsonl: another parent": Variant("jsonl", lines({"token": {"uid": "SECRET"}}), True),
    "jsonl: no parent": Variant("jsonl", lines({"uid": "SECRET"}), True),
    "jsonl: other case": Variant("jsonl", lines({"cdr_token": {"UID": "SECRET"}}), True),
    "jsonl: parent's other case": Variant("jsonl", lines({"CDR_TOKEN": {"uid": "SECRET"}}), True),
    "jsonl: camel case": Variant("jsonl", lines({"cdrToken": {"uid": "SECRET"}}), True),
    "jsonl: trailing space": Variant("jsonl", lines({"cdr_token": {"uid ": "SECRET"}}), True),
    "jsonl: unseen sign": Variant("jsonl", lines({"cdr_token\u200b": {"uid": "SECRET"}}), True),
    "jsonl: escaped": Variant("jsonl", lines({"XX": {"uid": "SECRET"}}).replace(b"XX", b"cdr\\u005fTOKEN"), True),
    "jsonl: a text for its parent": Variant("jsonl", lines({"cdr_token": "SECRET"}), True),
    "jsonl: a list of texts": Variant("jsonl", lines({"cdr_token": ["SECRET"]}), True),
    "jsonl: a list of others": Variant("jsonl", lines({"cdr_token": [{"id": "SECRET"}]}), True),
    "jsonl: a list of it": Variant("jsonl", lines({"cdr_token": [{"uid": "SECRET"}]}), False),
    "jsonl: a list of lists": Variant("jsonl", lines({"cdr_token": [[{"uid": "SECRET"}], ["SECRET"]]}), False),
    "jsonl: an object": Variant("jsonl", lines({"cdr_token": {"uid": {"value": ["SECRET"]}}}), False),
    "jsonl: deeper": Variant("jsonl", lines({"payload": GOOD}), True),
    "jsonl: a dotted name": Variant("jsonl", lines({"cdr_token.uid": "SECRET"}), False),
    "jsonl: both names": Variant("jsonl", lines({**GOOD, "cdr_token.uid": "SECRET"}), False),
    "jsonl: beside it": Variant("jsonl", lines({"cdr_token": {"uid": "SECRET", "visual": "SECRET"}}), False),
    "jsonl: null, and elsewhere": Variant("jsonl", lines({"cdr_token": None, "auth": {"k": ["SECRET"]}}), False),
    "jsonl: a key": Variant("jsonl", lines({**GOOD, "by_token": {"SECRET": {"kwh": 1}}}), False),
    "jsonl: a key, not as agreed": Variant("jsonl", lines({"by_token": {"SECRET": {"kwh": 1}}}), True),
    "jsonl: a key with a sign of values": Variant("jsonl", lines({**GOOD, "me@SECRET.example": 1}), False),
    "jsonl: in some records": Variant("jsonl", lines(GOOD) + lines({"token": "SECRET"}, id="g2", kwh=-1), False),
    "jsonl: in a list": Variant("jsonl", lines({**GOOD, "periods": [{"idTag": "SECRET"}]}), False),
    "jsonl: half a line": Variant("jsonl", lines(GOOD) + b'{"id":"half","token":"SECRET', False),
    "json: as agreed": Variant("json", document({"token": {"uid": "SECRET"}}), False),
    "json: another parent": Variant("json", document({"cdr_token": {"uid": "SECRET"}}), True),
    "json: of the site": Variant("json", document({}, {"token": {"uid": "SECRET"}}), True),
    "json: beside it": Variant("json", document({"token": {"uid": "SECRET"}}, {"driver": "SECRET"}), False),
    "json: beside the records": Variant("json", document({"token": {"uid": "SECRET"}}, beside={"x": "SECRET"}), False),
    "open csv": Variant("opencsv", table("RFID,User ID,E-mail,VRM,note", "SECRET,SECRET,SECRET,SECRET,fine"), False),
    "open csv: other case": Variant("opencsv", table("rf\u200bid,licence-plate", "SECRET,SECRET"), False),
    "open csv: beside a token": Variant("opencsv", table("uid,tokenType", "SECRET,RFID"), False),
    "open csv: broken": Variant("opencsv", table("idTag", "SECRET,x"), False),
    "open jsonl": Variant("openjsonl", lines({**GOOD, "driverName": "SECRET", "note": "fine"}), False),
    "open jsonl: in a list that is read": Variant("openjsonl", lines({"periods": HIDDEN}), False),
    "open jsonl: in a list": Variant("openjsonl", lines({"x": [{"y": {"cardNumber": "SECRET"}}]}), False),
    "open jsonl: escaped in a list": Variant(
        "openjsonl", lines({"x": [{"XX": "SECRET"}]}).replace(b"XX", b"r\\u0066id"), False),
    "open jsonl: half a line": Variant("openjsonl", b'{"id":"half","rfid":"SECRET', False),
    "status": Variant("status", b'{"uid":"EVSE-1","word":"AVAILABLE","since":"x","idTag":"SECRET"}\n', False),
}  # fmt: skip


def secret_of(number: int) -> str:
    return f"TOK{number:03d}EN-ZQ"


def written(folder: Path, contents: dict[str, dict[str, Any]]) -> None:
    for name, content in contents.items():
        said = {**content, "id": f"p_{name}", "claims": [f"*.{name}"]}
        (folder / f"p_{name}.yml").write_text(yaml.safe_dump(said, sort_keys=False))


@dataclass(frozen=True)
class Outcome:
    """Where everything is, and each variant's file."""

    settings: Settings
    files: dict[str, str]

    def run(self) -> None:
        """Ingests what is pending, as a job that is recorded in Dagster's storage."""
        streams = load_streams(self.settings.streams)
        with instance_of(self.settings) as instance:
            Runner(self.settings, streams, instance).ingest()


@pytest.fixture(scope="module")
def outcome(server_home: Path, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder, database = tmp_path_factory.mktemp("personal"), f"personal_{os.getpid()}"
    server = embedded.locate(server_home)
    with admin(server) as connection:
        connection.execute(f"create database {database} template {template}")
    (folder / "streams").mkdir()
    written(folder / "streams", CONTENTS)
    environ = {
        "CIC_HOME": str(folder / "home"), "CIC_STREAMS": str(folder / "streams"),
        "CIC_WAREHOUSE_URL": server.url(database),
    }  # fmt: skip
    settings = load_settings(environ)
    streams, files = load_streams(settings.streams), dict[str, str]()
    for number, (label, variant) in enumerate(VARIANTS.items()):
        path = folder / f"{number}.{variant.stream}"
        secret = secret_of(number).encode()
        path.write_bytes(filled(variant, secret))
        land(parts_of(settings), streams[f"p_{variant.stream}"], path, ARRIVED)
        files[label] = path.name
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        outcome = Outcome(settings, files)
        outcome.run()
        yield outcome


def filled(variant: Variant, secret: bytes) -> bytes:
    """The variant's bytes with a value of its own."""
    content = variant.content
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(gzip.decompress(content).replace(b"SECRET", secret))
    if content[:2] == b"PK":
        book, out = openpyxl.load_workbook(io.BytesIO(content)), io.BytesIO()
        for row in book.active.iter_rows():
            for cell in row:
                cell.value = secret.decode() if cell.value == "SECRET" else cell.value
        book.save(out)
        return out.getvalue()
    if b"S\0E\0C\0R" in content:
        return content.decode("utf-16").replace("SECRET", secret.decode()).encode("utf-16")
    return content.replace(b"SECRET", secret)


def everything(settings: Settings) -> Iterator[tuple[str, str]]:
    """(where, text) of all that the platform keeps, but originals."""
    lake = Path(settings.lake)
    for path in settings.home.rglob("*"):
        if not path.is_file() or (lake / "raw") in path.parents:
            continue
        yield str(path), path.read_bytes().decode("latin-1")
        if path.name.endswith(".parquet"):
            file = pq.ParquetFile(path)
            # A deletion log's checkpoints have columns within columns: as text, all are alike.
            yield f"{path} (rows)", "\n".join(str(row) for row in file.read().to_pylist())
            groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
            yield f"{path} (statistics)", " ".join(str(g.column(n)) for g in groups for n in range(g.num_columns))
    with connect(settings) as connection:
        connection.execute("analyze")
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, name in [*tables, ("pg_catalog", "pg_stats")]:
            query = sql.SQL("select t::text from {} as t").format(sql.Identifier(schema, name))
            yield f"{schema}.{name}", "\n".join(row[0] for row in connection.execute(query).fetchall())


def leaks(settings: Settings, secrets: Iterable[str]) -> dict[str, list[str]]:
    """Where each secret stands in the clear."""
    wanted = list(secrets)
    found: dict[str, list[str]] = {}
    for where, text in everything(settings):
        folded = text.casefold()
        for secret in wanted:
            if secret.casefold() in folded:
                found.setdefault(secret, []).append(where)
    return found


@pytest.fixture(scope="module")
def leaked(outcome: Outcome) -> dict[str, list[str]]:
    return leaks(outcome.settings, map(secret_of, range(len(VARIANTS))))


@pytest.mark.parametrize("label", VARIANTS)
def test_a_person_stands_nowhere_in_the_clear(outcome, leaked, label):
    assert leaked.get(secret_of(list(VARIANTS).index(label)), []) == []
    with connect(outcome.settings) as connection:
        rows = connection.execute(
            "select reasons, raw, detail from quality.quarantine where source_file = %s", [outcome.files[label]]
        ).fetchall()
        (kept,) = connection.execute(
            "select record_count from catalogue.object where original_name = %s", [outcome.files[label]]
        ).fetchone()
    is_held = {reason for reasons, _, _ in rows for reason in reasons} == {"D03"}
    assert is_held == VARIANTS[label].is_held, rows
    if is_held:
        # Whole, counted, without text, and it says which field and what to do.
        assert len(rows) == kept > 0 and {raw for _, raw, _ in rows} == {"(held: a personal field is absent)"}
        assert all("personal_fields" in detail and "optional_fields" in detail for *_, detail in rows)


def test_held_deliveries_are_named_by_check_and_command(outcome):
    held = {label for label, variant in VARIANTS.items() if variant.is_held}
    with connect(outcome.settings) as connection:
        named = {each.original_name: str(each) for each in catalogue.incomplete(connection)}
        (events,) = connection.execute(
            "select string_agg(event, '') from dagster.event_logs where dagster_event_type = 'ASSET_CHECK_EVALUATION'"
        ).fetchone()
        wrong = connection.execute(
            "select * from quality.reconciliation where rows_in <> accepted + quarantined + skipped"
        ).fetchall()
    assert set(named) == {outcome.files[label] for label in held} and wrong == []
    label = "csv: 'rfid' in place of RFID"
    assert "has no field RFID" in named[outcome.files[label]] and named[outcome.files[label]] in events


def test_what_is_no_person_is_shown(outcome):
    with connect(outcome.settings) as connection:
        raw = dict(connection.execute("select source_file, raw from quality.quarantine").fetchall())
    for label in ("open csv", "open jsonl"):
        assert "fine" in raw[outcome.files[label]] and "E1" in raw[outcome.files[label]]
    assert json.loads(raw[outcome.files["status"]])["uid"] == "EVSE-1"


SHOWN_FIRST = {**CONTENTS["opencsv"], "columns": {**COLUMNS, "session_id": "concat(id, Holder)"}}


def test_what_is_declared_later_goes_from_everywhere_and_mended_deliveries_come(outcome, tmp_path):
    settings, folder = outcome.settings, outcome.settings.streams[0]
    written(folder, {"later": {**SHOWN_FIRST, "raw_retention_days": None}})
    path = tmp_path / "1.later"
    path.write_bytes(table("Holder", "LATER-ZQ"))
    landed = land(parts_of(settings), load_streams(settings.streams)["p_later"], path, ARRIVED).landed
    run_ingest(settings, load_streams(settings.streams))
    # A second delivery of the day, so that Delta's history has a version between.
    path.write_bytes(table("Holder", "LATER-ZQ").replace(b"g,", b"h,"))
    land(parts_of(settings), load_streams(settings.streams)["p_later"], path, ARRIVED)
    run_ingest(settings, load_streams(settings.streams))
    assert leaks(settings, ["LATER-ZQ"]), "it was shown as long as nobody knew"
    mended = {**CONTENTS["csv"], "personal_fields": ["rfid"]}
    written(folder, {"later": {**SHOWN_FIRST, "personal_fields": ["Holder"]}, "csv": mended})
    run_ingest(settings, load_streams(settings.streams))
    assert leaks(settings, ["LATER-ZQ", *map(secret_of, range(len(VARIANTS)))]) == {}
    assert (Path(settings.lake) / landed.path).exists()
    accepted = DeltaTable(f"{settings.lake}/accepted/sessions").to_pyarrow_table().to_pylist()
    of = {name: [row for row in accepted if row["source_file"] == name] for name in ("1.later", outcome.files[
        "csv: 'rfid' in place of RFID"])}  # fmt: skip
    assert [len(rows) for rows in of.values()] == [2, 1]
    assert {row["arrival_date"] for row in of["1.later"]} == {ARRIVED.date()}
    assert len({row["session_id"][1:] for row in of["1.later"]}) == 1, "equal persons are equal"
