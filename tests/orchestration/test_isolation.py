"""Streams that are broken in many ways at once: each is named with what to do, and the others end in the marts."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AssetCheckKey, AssetKey, DagsterInstance
from typer.testing import CliRunner

from cic_assets.cli import app as cli
from cic_assets.ingest.landing import land, purge_originals
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.runner import Runner, instance_of
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams, read_streams
from tests.doors import connect

pytestmark = pytest.mark.usefixtures("forked_dbt")
ARRIVED = dt.datetime(2026, 11, 10, 6, tzinfo=dt.UTC)
TODAY = dt.datetime.now(dt.UTC).date()
BASE: dict[str, Any] = {
    "description": "d", "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "licence": "l", "contact": "c",
}  # fmt: skip
SESSIONS: dict[str, Any] = {
    **BASE, "kind": "sessions", "vat_basis": "unknown", "format": {"type": "csv"},
    "columns": {
        "session_id": "id", "charge_point": "cp", "connector_id": "'1'", "started_at": "start", "ended_at": "stop",
        "energy": "kwh", "currency": "'GBP'",
    },
}  # fmt: skip
STATUS: dict[str, Any] = {
    **BASE, "kind": "status", "format": {"type": "jsonl"}, "vocabulary": {"standard": "OCPI 2.2.1"},
    "columns": {"charge_point": "cp", "status": "word", "changed_at": "since"}, "ends": "2026-11-05",
}  # fmt: skip
HEADER = ("id", "cp", "start", "stop", "kwh")


def session_file(*rows: tuple[str, ...], header: tuple[str, ...] = HEADER) -> bytes:
    """Two good sessions and some others."""
    good = [(f"g{n}", "E1", f"2026-11-0{n}T10:00:00Z", f"2026-11-0{n}T12:00:00Z", "7.5") for n in (1, 2)]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([header, *((*row, *("x" * (len(header) - len(HEADER)))) for row in good), *rows])
    return out.getvalue().encode()


def status_file(word: str = "CHARGING") -> bytes:
    events = [("AVAILABLE", "2026-11-01T00:00:00Z"), (word, "2026-11-02T00:00:00Z")]
    return "".join(json.dumps({"cp": "E1", "word": each, "since": at}) + "\n" for each, at in events).encode()


@dataclass(frozen=True)
class Case:
    """One stream and what is wrong with it.

    Attributes:
        content: of its stream file; a text in place of one that is no YAML.
        files: what it delivers.
        said: what the last lines of the run say of it; nothing where it is no failure.
        spoil: what happens after landing.
    """

    content: dict[str, Any] | str
    files: tuple[bytes, ...] = (session_file(),)
    said: str = ""
    spoil: Callable[[Settings, str], None] = lambda settings, stream_id: None


def raw_file(settings: Settings, stream_id: str) -> Path:
    return next(path for path in Path(settings.lake, "raw", f"stream_id={stream_id}").rglob("*") if path.is_file())


def flip(settings: Settings, stream_id: str) -> None:
    path = raw_file(settings, stream_id)
    path.write_bytes(path.read_bytes().replace(b"7.5", b"9.5"))


def lose(settings: Settings, stream_id: str) -> None:
    raw_file(settings, stream_id).unlink()


def drop_at(day: dt.date) -> Callable[[Settings, str], None]:
    """Another program puts a file into a day's folder."""

    def drop(settings: Settings, stream_id: str) -> None:
        folder = Path(settings.lake, "raw", f"stream_id={stream_id}", f"date={day}")
        folder.mkdir(parents=True)
        (folder / "foreign.csv").write_bytes(session_file(("late", "E9", "2026-11-03T10:00:00Z", "x", "1")))

    return drop


def date_tomorrow(settings: Settings, stream_id: str) -> None:
    """As another program's file was registered by releases that looked at no calendar."""
    with connect(settings) as connection:
        connection.execute(
            "update catalogue.object set arrival_date = %s where stream_id = %s",
            [TODAY + dt.timedelta(days=1), stream_id],
        )


def columns(**changes: str) -> dict[str, Any]:
    return {**SESSIONS, "columns": {**SESSIONS["columns"], **changes}}


PERSONAL = {**SESSIONS, "personal_fields": ["rfid"], "raw_retention_days": 1}
PROMISE = {"from": "2026-11-01", "to": "2026-11-02", "by": 1}
CASES: dict[str, Case] = {
    "yaml": Case("id: bad_yaml\nkind: [sessions\n", said="bad_yaml.yml: while parsing"),
    "key": Case({**SESSIONS, "colunms": {}}, said="bad_key.yml: colunms: "),
    "expression": Case(
        columns(energy="to_number(kwh, '9.9')"),
        (session_file(("x", "E1", "2026-11-03T10:00:00Z", "2026-11-03T12:00:00Z", "eight")),),
        "bad_expression.yml: columns: energy: to_number(…) may not be called",
    ),
    "bytes": Case(SESSIONS, (session_file().decode().encode("utf-16"), session_file())),
    "cells": Case(SESSIONS, (session_file(("c", "E1", "yesterday", "2026-11-03T12:00:00Z", "lots")),)),
    "future": Case(SESSIONS, spoil=date_tomorrow, said="is in the future or before 2010"),
    "ancient": Case(SESSIONS, spoil=drop_at(dt.date(2009, 12, 31))),
    "word": Case(STATUS, (status_file(secrets.token_hex(8000)),)),
    "text": Case(SESSIONS, (session_file((secrets.token_hex(8000),) * 5),)),
    "flipped": Case(SESSIONS, spoil=flip, said="holds other bytes"),
    "lost": Case(SESSIONS, spoil=lose, said="is gone from the lake"),
    "silent": Case(
        {**SESSIONS, "expected": {"from": "2026-11-01", "to": "2026-11-02", "by": 1}}, (), "nothing arrived"
    ),
    "held": Case({**SESSIONS, "personal_fields": ["rfid"]}),
    "header": Case(SESSIONS, (session_file(header=("id", "cp", "begin", "stop", "kwh")),)),
    "purged": Case(PERSONAL, (session_file(header=(*HEADER, "rfid")),), "purged"),
}
GOOD: dict[str, Case] = {
    "sessions": Case(SESSIONS),
    "status": Case(STATUS, (status_file(),)),
    "other": Case(SESSIONS),
}


def id_of(name: str) -> str:
    return f"good_{name}" if name in GOOD else f"bad_{name}"


def write_streams(folder: Path, cases: dict[str, Case]) -> None:
    folder.mkdir(exist_ok=True)
    for name, case in cases.items():
        content = case.content
        if isinstance(content, dict):
            provider = {"id": f"GB*{name[:3].upper()}", "name": name}
            content = yaml.safe_dump({**content, "id": id_of(name), "provider": provider, "claims": [f"{name}_*"]})
        (folder / f"{id_of(name)}.yml").write_text(content)


def deliver(settings: Settings, folder: Path, name: str, case: Case) -> None:
    stream = read_streams(settings.streams).streams.get(id_of(name))
    for number, content in enumerate(case.files if stream else ()):
        assert stream is not None
        path = folder / f"{name}_{number}.csv"
        path.write_bytes(content)
        land(parts_of(settings), stream, path, ARRIVED)


@pytest.fixture
def home(settings: Settings, tmp_path: Path) -> Settings:
    """A purged delivery of before, and then all cases, landed and spoilt."""
    settings = replace(settings, streams=(tmp_path / "streams",))
    settings.home.mkdir(parents=True, exist_ok=True)
    return settings


def environ(settings: Settings) -> dict[str, str]:
    assert settings.warehouse_url is not None
    return {
        "CIC_HOME": str(settings.home),
        "CIC_STREAMS": str(settings.streams[0]),
        "CIC_WAREHOUSE_URL": settings.warehouse_url,
    }


def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    done = CliRunner(env={**environ(settings), "COLUMNS": "400"}).invoke(cli.app, ["run", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def purge(settings: Settings, tmp_path: Path) -> None:
    """A delivery whose original and decoding are gone, of a stream whose file has changed since."""
    deliver(settings, tmp_path, "purged", CASES["purged"])
    with DagsterInstance.ephemeral() as instance:
        Runner(settings, load_streams(settings.streams), instance).ingest()
    stream = load_streams(settings.streams)["bad_purged"]
    assert purge_originals(parts_of(settings), stream, ARRIVED + dt.timedelta(days=3)) == 1
    for path in Path(settings.lake, "decoded").rglob("*.parquet"):
        path.unlink()


def test_fifteen_broken_streams_and_all_others_end_in_the_marts(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ(home).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sent").mkdir()
    write_streams(tmp_path / "streams", {"purged": CASES["purged"]})
    purge(home, tmp_path / "sent")
    changed = {**CASES["purged"].content, "description": "another"}  # type: ignore[dict-item]
    cases = {**GOOD, **CASES, "purged": replace(CASES["purged"], content=changed, files=())}
    write_streams(tmp_path / "streams", cases)
    for name, case in cases.items():
        deliver(home, tmp_path / "sent", name, case)
        case.spoil(home, id_of(name))

    code, said = run(home, "daily")
    monthly_code, monthly = run(home, "monthly")
    lines = [line for line in (said + monthly).splitlines() if line.startswith("error")]
    print("\n".join(lines))
    assert (code, monthly_code) == (1, 1)
    assert "bad_ancient/date=2009-12-31/foreign.csv: its date is outside the calendar" in said
    for name, case in CASES.items():
        of_case = [line for line in lines if id_of(name) in line]
        assert bool(of_case) == bool(case.said), (name, of_case)
        assert not case.said or any(case.said in line for line in of_case), (name, of_case)
    with connect(home) as connection:
        sessions = dict(
            connection.execute("select stream_id, count(*) from facts.charging_session group by 1").fetchall()
        )
        marts = {
            row[0]
            for row in connection.execute(
                "select provider_id from marts.network_overview_month where month_date = '2026-11-01'"
                " and (session_count = 2 or operational_pct is not null)"
            ).fetchall()
        }
        quality = {
            row[0] for row in connection.execute("select distinct stream_id from marts.data_quality_day").fetchall()
        }
    # Whatever else a stream delivered that is right is there too: the bad cell's neighbours, the other arrival's rows.
    whole = ["good_sessions", "good_other", "bad_bytes", "bad_cells", "bad_text", "bad_ancient"]
    assert {each: sessions.get(each) for each in whole} == dict.fromkeys(whole, 2)
    assert sessions["bad_purged"] == 2 and not {"bad_flipped", "bad_lost", "bad_expression"} & set(sessions)
    assert {"GB*SES", "GB*STA", "GB*OTH", "GB*CEL", "GB*WOR"} <= marts
    assert {"good_sessions", "good_status", "good_other", "bad_cells"} <= quality
    red = {name for name, case in CASES.items() if case.said} - {"yaml", "key", "expression", "silent"}
    with instance_of(home) as instance:
        for name in (*GOOD, *CASES):
            kind = "status" if name in ("status", "word") else "sessions"
            key = AssetCheckKey(AssetKey(["accepted", kind, id_of(name)]), "ingested")
            history = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            if history:
                assert passed(history) == (name not in red), name
            assert history or name in ("yaml", "key", "expression", "silent"), name
        for name in ("yaml", "key", "expression"):
            key = AssetCheckKey(AssetKey(["raw", id_of(name)]), "stream_file")
            assert not passed(instance.event_log_storage.get_asset_check_execution_history(key, limit=1))


def passed(history: Any) -> bool:
    (latest,) = history
    return bool(latest.event.dagster_event.asset_check_evaluation_data.passed)
