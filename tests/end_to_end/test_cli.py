"""The command line as somebody types it, on an embedded warehouse of its own."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cic_assets.settings import PROJECT
from cic_assets.simulate import ASHBOURNE, simulate
from cic_assets.warehouse import embedded
from tests.end_to_end import porto
from tests.end_to_end.porto import CIC, OTHER, ROWS, cic, council, environment_of, query
from tests.forked import served


@pytest.fixture(scope="module", autouse=True)
def forked_cic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Most commands here are forked from a process that has imported all: 150 CPU seconds of this module, not 275."""
    with served("cic", tmp_path_factory.mktemp("forked")) as program, pytest.MonkeyPatch.context() as patch:
        patch.setattr(porto, "CIC", program)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with council(tmp_path_factory.mktemp("cli")) as home:
        yield home


def test_a_feed_with_other_names_zone_and_units_goes_in_by_one_file(home):
    sample = str(home / "porto_2026.csv")
    # One of two rows is rejected, which is more than batch.max_rejected_pct.
    shown = cic(home, "streams", "check", str(home / "streams/porto.yml"), "--sample", sample, code=1)
    assert "2 rows: 1 accepted, 1 rejected" in shown and "rejected S02, 1 rows: the end is not after the start" in shown
    assert "ingest would warn: share_rejected" in shown
    cic(home, "land", "auto", str(home / "porto_2026.csv"))
    assert "known since" in cic(home, "land", "porto_sessions", str(home / "porto_2026.csv"))
    cic(home, "run", "daily")
    assert "monthly 2026-08-01 2026-08-01: done" in cic(home, "run", "monthly")
    assert "nothing pending" in cic(home, "run", "monthly")
    (row,) = query(
        home, "select started_at, start_date, energy_kwh, revenue, currency from facts.charging_session", "etl"
    )
    # 23:30 on the Azores' summer clock is UTC; the local date stays the 31st.
    assert row == {
        "started_at": "2026-08-31 23:30:00+00:00", "start_date": "2026-08-31", "energy_kwh": "12.5000",
        "revenue": "4.6000", "currency": "EUR",
    }  # fmt: skip
    assert query(home, "select authority_name, session_count from marts.network_overview_month") == [
        {"authority_name": "Porto", "session_count": "1"}
    ]


def test_the_analyst_and_wrong_calls_get_a_plain_message(home):
    cic(home, "up", "--no-ui")
    denied = cic(home, "sql", "select * from facts.charging_session", code=1)
    assert "permission denied" in denied and "Traceback" not in denied
    wide = "select '[red]' || chr(27) || '=' as \"[b]\", repeat('w', 300) as w, '=1' as f"
    assert f"│ [red]\\x1b= │ {'w' * 300} │ =1 │" in cic(home, "sql", wide)
    assert cic(home, "sql", "--format", "csv", wide) == f"[b],w,f\n[red]\\x1b=,{'w' * 300},'=1\n"
    assert "no stream 'nobody'" in cic(home, "land", "nobody", "x.csv", code=2)
    assert "x[red].csv: no such file" in cic(home, "land", "porto_sessions", "x[red].csv", code=1)
    assert "give both --from and --to" in cic(home, "run", "daily", "--from", "2026-01-01", code=2)
    assert "CIC_SPARK='duck'" in cic(home, "streams", "list", code=1, CIC_SPARK="duck")
    assert "set CIC_LAKE, CIC_WAREHOUSE_URL" in cic(home, "streams", "list", code=1, CIC_ENVIRONMENT="prod")


def test_a_wrong_stream_file_fails_with_path_key_and_reason(home):
    wrong = home / "wrong.yml"
    wrong.write_text(OTHER.replace("Atlantic/Azores", "Atlantic/Atlantis").replace("energy: Wh", "energy: Ws"))
    said = cic(home, "streams", "check", str(wrong), code=1)
    assert re.search(r"wrong\.yml: zone: .*Atlantis", said) and "units.energy" in said


def test_an_undeclared_swap_fails_the_check(home, data):
    text = (PROJECT / "cic_assets/streams/examples/dundee_sessions.yml").read_text()
    undeclared = home / "undeclared.yml"
    undeclared.write_text(re.sub(r"date_repair:\n.*\n.*\n", "", text))
    swapped, right = (data / "sessions" / f"dundee_{name}.csv.gz" for name in ("2017-09_2017-12", "2018-06_2018-09"))
    assert "day and month are swapped" in cic(
        home, "streams", "check", str(undeclared), "--sample", str(swapped), code=1
    )
    assert "accepted" in cic(home, "streams", "check", str(undeclared), "--sample", str(right))


def test_after_a_killed_run_the_next_one_says_so_and_goes_on(home):
    cic(home, "up", "--no-ui")
    other = home / "porto_2025.csv"
    other.write_bytes(ROWS.replace("2026", "2025").encode("latin-1"))
    cic(home, "land", "auto", str(other))
    with psycopg.connect(embedded.locate(home / "home").url("cic")) as holder:
        # A table that the run alone writes to: set-up, which every command begins with, alters others.
        holder.execute("lock table quality.rule_count in share mode")
        with subprocess.Popen([CIC, "run", "daily"], env=environment_of(home), stdout=subprocess.PIPE) as process:
            waiting = "select from pg_locks where not granted and relation = 'quality.rule_count'::regclass"
            while process.poll() is None and not holder.execute(waiting).fetchall():
                time.sleep(0.1)
            assert process.poll() is None
            process.kill()
    said = cic(home, "run", "daily")
    assert f"of job ingest is dead: process {process.pid} is gone; reported as failed" in said
    assert re.search(r"run \S+ ingest .*: done", said)
    assert "is dead" not in cic(home, "run", "monthly")
    assert query(home, "select count(*) as n from facts.charging_session where start_date < '2026-01-01'", "etl") == [
        {"n": "1"}
    ]


def test_doctor_names_what_is_missing_and_how_to_get_it(home):
    cic(home, "up", "--no-ui")
    assert "stale months" in cic(home, "doctor")
    cic(home, "down")
    assert "cic up" in cic(home, "doctor", code=1)


def test_plain_dagster_says_what_to_do_when_the_warehouse_is_down(home):
    cic(home, "down")
    environment = {**os.environ, "CIC_HOME": str(home / "home")}
    environment.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "dagster", "dev", "-p", "3997"]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0 and "start it with `cic up`" in done.stdout + done.stderr


def test_a_warehouse_that_is_gone_is_made_anew_from_the_lake(home):
    shown = ("facts.charging_session", "quality.quarantine", "catalogue.sighting", "marts.network_overview_month")
    cic(home, "up", "--no-ui")
    before = {table: sorted(query(home, f"table {table}", "etl"), key=str) for table in shown}
    assert all(before.values())
    assert "so it is not lost" in cic(home, "rebuild", code=1)
    cic(home, "down", "--delete")
    said = cic(home, "rebuild")
    # The first file was landed twice, the other one once.
    assert "journal: 2 objects, seen 3 times, 0 of them purged" in said
    assert re.search(r"monthly \S+ 2026-08-01: done", said)
    assert {table: sorted(query(home, f"table {table}", "etl"), key=str) for table in shown} == before
    assert "nothing pending" in cic(home, "run", "monthly")


def test_after_a_demo_later_commands_know_the_example_streams(tmp_path):
    sent = tmp_path / "sent"
    (file, *_) = [
        each
        for each in simulate(tmp_path / "county", last_day=dt.date(2026, 11, 1), days=7, charge_points=2).files
        if each.stream_id == ASHBOURNE
    ]
    sent.mkdir()
    shutil.copy(file.path, sent)
    fresh = {"CIC_STREAMS": ""}
    try:
        assert "no stream yet: write a stream file with `cic streams new" in cic(tmp_path, "up", "--no-ui", **fresh)
        said = cic(tmp_path, "demo", "--no-wait", "--input", str(sent), program=CIC, **fresh)
        assert f"{file.path.name} → {ASHBOURNE}" in said and "Network overview by month" in said
        assert f"kept for {tmp_path / 'home'}; CIC_STREAMS names others" in said
        assert ASHBOURNE in cic(tmp_path, "streams", "list", **fresh)
    finally:
        cic(tmp_path, "down", "--delete", **fresh)
