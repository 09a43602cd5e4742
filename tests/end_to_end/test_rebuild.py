"""A warehouse that is lost and made anew from the lake equals the old one, polls, names and arrival times included.

The facts here; `make lost` does the same with Dagster's runs and the marts, which takes ten times as long.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from dagster import DagsterInstance

from cic_assets.cli import rebuild
from cic_assets.cli.rebuild import RebuildError
from cic_assets.ingest.landing import adopt_foreign, land, purge_originals
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import journal
from cic_assets.orchestrate.doors import lake_of, parts_of, set_up
from cic_assets.orchestrate.runner import Runner
from cic_assets.orchestrate.work import months_work, stale_months
from cic_assets.settings import PROJECT, Settings
from cic_assets.warehouse import embedded
from tests.doors import agree, connect
from tests.end_to_end.steps import compute_charge_points, compute_sessions, run_days, run_ingest

COMMON = {
    "description": "d", "provider": {"id": "GB*REB", "name": "Rebuilt"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/London", "format": {"type": "csv"}, "licence": "l", "contact": "c",
}  # fmt: skip
# Equal bytes seen again are another poll.
POLLS = parse_stream(
    {
        **COMMON, "id": "polls", "kind": "status", "claims": ["p*"], "period": "PT6H", "ends": "2026-05-03",
        "columns": {"charge_point": "cp", "status": "word", "changed_at": "`cic.seen_at`"},
        "vocabulary": {"standard": "OCPI 2.2.1"},
    }
)  # fmt: skip
SESSIONS = parse_stream(
    {
        **COMMON, "id": "sessions", "kind": "sessions", "claims": ["s*"], "personal_fields": ["token"],
        "raw_retention_days": 30, "vat_basis": "excluded",
        "columns": {
            "session_id": "id", "charge_point": "cp", "started_at": "start", "ended_at": "end", "energy": "kWh",
            "cost": "cost", "currency": "'GBP'",
        },
    }
)  # fmt: skip
LISTED = parse_stream(
    {
        **COMMON, "id": "listed", "kind": "locations", "claims": ["l*"],
        "columns": {"charge_point": "cp", "location_id": "site", "rated_power": "kW", "valid_from": "since"},
    }
)  # fmt: skip
STREAMS: dict[str, Stream] = {each.id: each for each in (POLLS, SESSIONS, LISTED)}
FREE, BUSY = "cp,word\nE1,AVAILABLE\nE2,AVAILABLE\n", "cp,word\nE1,CHARGING\nE2,WEIRD\n"
HEADER = "id,cp,start,end,kWh,cost,token"
# The same bytes at several moments, before the dump and after it.
FIRST = (
    (POLLS, "poll.csv", "2026-05-01T00:10", FREE),
    (POLLS, "poll.csv", "2026-05-01T06:10", BUSY),
    (POLLS, "poll.csv", "2026-05-01T12:10", FREE),
    (SESSIONS, "s_april.csv", "2026-05-02T06:00", f"{HEADER}\nS1,E1,2026-04-30T22:30Z,2026-04-30T23:30Z,5,1,ann\n"
     "S2,E1,2026-05-01T10:00Z,2026-05-01T09:00Z,5,1,bob\n"),
)  # fmt: skip
LATE = (
    (POLLS, "poll.csv", "2026-05-01T18:10", BUSY),
    (POLLS, "poll.csv", "2026-05-02T00:10", FREE),
    (SESSIONS, "s_may.csv", "2026-05-04T06:00", f"{HEADER},extra\nS1,E1,2026-04-30T22:30Z,2026-04-30T23:30Z,5,1,ann,x\n"
     "S3,E2,2026-05-02T10:00Z,2026-05-02T11:00Z,7,2,cat,y\n"),
    # Renamed, and declared to have come before.
    (SESSIONS, "s_may_again.csv", "2026-05-03T07:00", f"{HEADER},extra\n"
     "S1,E1,2026-04-30T22:30Z,2026-04-30T23:30Z,5,1,ann,x\nS3,E2,2026-05-02T10:00Z,2026-05-02T11:00Z,7,2,cat,y\n"),
)  # fmt: skip
WITH_MARTS = os.environ.get("CIC_TEST_MARTS") == "1"
# What says when and by which run something was computed, and numbers that count up as runs claim and mark.
OTHERWISE = {
    "catalogue.arrival": {"ingested_at", "run_id", "claim_id"},
    "catalogue.fact_window": {"owner", "computed_touch_id", "computed_at"},
    # Which periods are pending is compared; a restored warehouse has computed more of them anew.
    "catalogue.touched_period": None,
    "catalogue.rebuild": None,
    "catalogue.schema_state": None,
    "catalogue.schema_version": {"applied_at"},
    "catalogue.mart_period": None,
    "catalogue.lake": {"known_since", "root"},
    # Rows are written again, to files of other names.
    "catalogue.accepted_file": {"path", "byte_count", "modified_at", "sha256"},
}


def fresh(server_home: Path, settings: Settings, name: str) -> Settings:
    """An empty database beside the first one's lake."""
    server = embedded.locate(server_home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return replace(settings, warehouse_url=server.url(name))


def compute(settings: Settings) -> None:
    """Whatever is pending."""
    if WITH_MARTS:
        settings.home.mkdir(parents=True, exist_ok=True)
        with DagsterInstance.ephemeral() as instance:
            assert list(rebuild.compute(Runner(settings, STREAMS, instance)))
        return
    agree(settings)
    adopt_foreign(parts_of(settings), STREAMS, dt.datetime.now(dt.UTC))
    run_ingest(settings, STREAMS)
    run_days(settings, STREAMS)
    stale, _ = stale_months(parts_of(settings), dt.date(2026, 7, 10), asked_for=True)
    for work in months_work(stale):
        end = (work.last + dt.timedelta(days=32)).replace(day=1)
        compute_sessions(settings, work.first, end)
        compute_charge_points(settings, STREAMS, work.first, end)


def tables(settings: Settings) -> dict[str, list[str]]:
    """The rows of every table, without what says when they were computed."""
    found: dict[str, list[str]] = {}
    with connect(settings) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name, array_agg(column_name::text order by ordinal_position)"
            " from information_schema.columns join information_schema.tables using (table_schema, table_name)"
            " where table_schema in ('facts', 'quality', 'marts', 'catalogue') group by 1"
        ).fetchall()
        for name, columns in names:
            otherwise = OTHERWISE.get(name, set())
            if otherwise is not None:
                kept = ", ".join(f'"{column}"' for column in columns if column not in otherwise)
                rows = connection.execute(f"select row({kept})::text from {name} order by 1").fetchall()
                found[name] = [row[0] for row in rows]
    return found


def differences(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, object]:
    return {
        name: (sorted(set(one[name]) - set(other[name])), sorted(set(other[name]) - set(one[name])))
        for name in one
        if one[name] != other.get(name)
    }


def rebuilt(settings: Settings) -> rebuild.Found:
    """What `cic rebuild` does."""
    rebuild.begin(settings, replace=False)
    found = rebuild.take_up(settings, STREAMS, dt.datetime.now(dt.UTC))
    compute(settings)
    rebuild.finish(settings)
    return found


def sent(settings: Settings, folder: Path, files: tuple[tuple[Stream, str, str, str], ...]) -> None:
    for stream, name, moment, text in files:
        path = folder / moment.replace(":", "") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        land(parts_of(settings), stream, path, dt.datetime.fromisoformat(f"{moment}:00+00:00"))


def postgres(settings: Settings, server_home: Path, program: str, *arguments: str) -> None:
    """One of the server's own programs, as the runbook calls it."""
    command = [embedded.locate(server_home).binaries / program, *arguments, "-d", str(settings.warehouse_url)]
    subprocess.run(command, check=True, capture_output=True)


def backed_up(settings: Settings, folder: Path) -> str:
    """A copy of the lake, as the runbook makes it."""
    folder.mkdir()
    runbook = (PROJECT / "infra/runbooks/backup_and_restore.md").read_text()
    for line in (line.strip() for line in runbook.splitlines() if line.strip().startswith("tar -cf ")):
        command = line.replace("/backup", str(folder))
        subprocess.run(command, shell=True, check=True, cwd=settings.lake)
    for archive in sorted(folder.glob("*.tar")):
        subprocess.run(["tar", "-xf", archive.name], check=True, cwd=folder)
    return str(folder)


def test_a_lost_or_restored_warehouse_equals_the_old_one(server_home, settings, tmp_path):
    sent(settings, tmp_path, FIRST)
    compute(settings)
    dump = str(tmp_path / "dump")
    postgres(settings, server_home, "pg_dump", "-Fc", "-f", dump)
    sent(settings, tmp_path, LATE)
    with lake_of(settings).write("raw/stream_id=listed/date=2026-05-01/sink+0.csv") as handle:
        handle.write(b"cp,site,kW,since\nE1,L1,50,2026-05-01T00:00:00Z\nE9,L1,7,2026-05-01T00:00:00Z\n")
    adopt_foreign(parts_of(settings), STREAMS, dt.datetime(2026, 5, 1, 9, 30, tzinfo=dt.UTC))
    compute(settings)
    assert purge_originals(parts_of(settings), SESSIONS, dt.datetime(2026, 6, 2, tzinfo=dt.UTC)) == 1
    before = tables(settings)
    assert before["catalogue.pending_period"] == [] and len(before["catalogue.sighting"]) == 9
    with pytest.raises(RebuildError, match="has 5 objects, so it is not lost"):
        rebuild.begin(settings, replace=False)

    # Restored from a dump that is older than the lake: another ingest has written there since.
    restored = fresh(server_home, settings, "rebuild_restored")
    set_up(restored)
    postgres(restored, server_home, "pg_restore", "--clean", "--if-exists", "--no-owner", dump)
    assert tables(restored) != before
    compute(restored)
    assert differences(before, tables(restored)) == {}

    lost = fresh(server_home, settings, "rebuild_lost")
    found = rebuilt(lost)
    assert (found.objects, found.sightings, found.purged, found.adopted, found.lost) == (5, 9, 1, 0, ())
    assert differences(before, tables(lost)) == {}
    with pytest.raises(RebuildError, match="so it is not lost"):
        rebuild.begin(lost, replace=False)

    # From a copy of the lake; but with one entry less, and the poll that it knew is missed.
    other = replace(fresh(server_home, settings, "rebuild_other"), lake=backed_up(settings, tmp_path / "copy"))
    (entry,) = (path for path in lake_of(other).files(journal.ROOT) if "20260501T121000" in path)
    lake_of(other).delete(entry)
    assert rebuilt(other).sightings == 8
    missed = differences(before, tables(other))
    assert {"catalogue.sighting", "facts.charge_point_status_day", "quality.ingest_count"} <= missed.keys()
