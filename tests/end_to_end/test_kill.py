"""SIGKILL, by strace, just before a system call that makes a change visible; then a rerun must end as a clean run does.

The system calls are found in a traced run of the same step on a copy of the same state, so that a changed
implementation moves the kill and does not disarm it. A kill that never fires fails the test.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from cic_assets.lake.landing import land
from cic_assets.settings import Settings, load_settings
from cic_assets.simulate import Simulation, simulate
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import connect as warehouse
from cic_assets.warehouse import embedded
from tests.conftest import demand
from tests.end_to_end.steps import checksum, run_days, run_facts, run_ingest

STEPS = Path(__file__).with_name("steps.py")
SYSCALLS = "rename,renameat,renameat2,link,linkat,sendto"


# A stream of each kind of dirt is enough: every file costs each of the runs.
STREAMS = ("ashbourne_sessions", "brackendale_sessions", "brackendale_snapshot", "brackendale_locations")


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    found = simulate(tmp_path_factory.mktemp("sent"), last_day=dt.date(2026, 11, 1), days=7, charge_points=12)
    return replace(found, files=[file for file in found.files if file.stream_id in STREAMS])


_numbers = iter(range(1000))


def fresh(server_home: Path, folder: Path) -> Settings:
    """Settings of a fresh lake and warehouse."""
    number = next(_numbers)
    server = embedded.locate(server_home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database kill_{os.getpid()}_{number}")
    base = load_settings({"CIC_HOME": str(folder / f"home{number}"), "CIC_PERSONAL_KEY": "k"})
    settings = replace(base, warehouse_url=server.url(f"kill_{os.getpid()}_{number}"))
    warehouse.set_up(settings)
    return settings


def environment(settings: Settings) -> dict[str, str]:
    names = {"CIC_HOME": str(settings.home), "CIC_WAREHOUSE_URL": str(settings.warehouse_url), "CIC_PERSONAL_KEY": "k"}
    return {**os.environ, **names}


def step(settings: Settings, *arguments: str, strace: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*strace, sys.executable, str(STEPS), *arguments]
    done = subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=False, timeout=300)
    if not strace:
        assert done.returncode == 0, done.stderr
    return done


def land_all(settings: Settings, simulation: Simulation) -> None:
    streams = load_streams(settings.streams)
    for file in simulation.files:
        land(settings, streams[file.stream_id], file.path, file.arrived_at)


def finish(settings: Settings, simulation: Simulation) -> dict[str, str]:
    """The rerun: every step again, from the start, as an operator's script would."""
    land_all(settings, simulation)
    streams = load_streams(settings.streams)
    run_ingest(settings, streams)
    run_days(settings, streams)
    run_facts(settings)
    return checksum(settings)


@pytest.fixture(scope="module")
def clean_run(server_home: Path, simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    settings = fresh(server_home, tmp_path_factory.mktemp("clean"))
    found = finish(settings, simulation)
    assert finish(settings, simulation) == found, "a rerun changed something"
    for table in ("facts.charging_session", "facts.charge_point_status_day", "facts.charge_point_edge"):
        assert int(found[table].split(":")[0]) > 10, table
    return found


# What is killed: the step, and what the fatal system call looks like in a trace.
KILLS = {
    "landing": ("land", r"rename\(.*raw/stream_id="),
    "decoding": ("ingest", r"rename\(.*\.parquet"),
    "Delta commit of quarantine": ("ingest", r"(link|rename)\w*\(.*quarantine/sessions/_delta_log"),
    "Delta commit of accepted": ("ingest", r"(link|rename)\w*\(.*accepted/sessions/_delta_log"),
    "Delta commit of accepted states": ("ingest", r"(link|rename)\w*\(.*accepted/status/_delta_log"),
    "COPY of quarantined rows": ("ingest", r"sendto\(.*copy \\\"quality\\\".\\\"quarantine\\\""),
    "COPY of facts": ("facts", r"sendto\(.*copy \\\"staging_facts_charging_session\\\""),
    "swap of facts": ("facts", r"sendto\(.*insert into \\\"facts\\\".\\\"charging_session_day\\\""),
    "COPY of edges": ("days", r"sendto\(.*copy \\\"facts\\\".\\\"charge_point_edge\\\""),
    "swap of days": ("days", r"sendto\(.*insert into \\\"facts\\\".\\\"charge_point_status_day\\\""),
    "commit of the swap": ("facts", r"sendto\(.*update catalogue.fact_window set computed"),
}


@pytest.mark.parametrize("kill", KILLS)
def test_a_rerun_after_a_kill_equals_a_clean_run(kill, server_home, simulation, clean_run, tmp_path):
    demand(shutil.which("strace") is not None, "strace (Debian's package of that name)")
    command, pattern = KILLS[kill]
    rehearsal, settings = (fresh(server_home, tmp_path) for _ in range(2))
    arguments = prepare(rehearsal, command, simulation)
    prepare(settings, command, simulation)
    call, number, path = fatal_call(rehearsal, arguments, pattern, tmp_path / "trace")
    # Delta commits from any thread of a pool, so the call is known by its path; all else happens in the main thread.
    where = ("-P", path.replace(str(rehearsal.home), str(settings.home))) if path else ()
    fatal = f"inject={call}:signal=SIGKILL:when={1 if path else number}"
    inject = ("strace", "-f", "-qq", *where, "-e", f"trace={call}", "-e", fatal, "-o", "/dev/null")
    done = step(settings, *arguments, strace=inject)
    assert done.returncode in (-9, 137), f"the kill before {call} number {number} never fired: {done.stderr[-500:]}"
    half = checksum(settings)
    assert half != clean_run
    assert finish(settings, simulation) == clean_run


def prepare(settings: Settings, command: str, simulation: Simulation) -> list[str]:
    """Everything before the step that is to be killed; returns the step's arguments."""
    if command == "land":
        file = simulation.files[0]
        return ["land", str(file.path), file.stream_id, file.arrived_at.isoformat()]
    land_all(settings, simulation)
    if command in ("days", "facts"):
        run_ingest(settings, load_streams(settings.streams))
    return [command]


def fatal_call(settings: Settings, arguments: list[str], pattern: str, trace: Path) -> tuple[str, int, str]:
    """The system call that matches first: its name, its number in its thread, and the path of a commit."""
    done = step(
        settings, *arguments, strace=("strace", "-f", "-qq", "-s", "400", "-e", f"trace={SYSCALLS}", "-o", str(trace))
    )
    assert done.returncode == 0, done.stderr[-800:]
    counts: dict[tuple[str, str], int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        if not found:
            continue
        thread, call = found.groups()
        counts[thread, call] = counts.get((thread, call), 0) + 1
        if re.search(pattern, line):
            path = re.findall(r'"([^"]+)"', line)[-1] if "_delta_log" in line else ""
            return call, counts[thread, call], path
    raise AssertionError(f"no system call matches {pattern}: the kill would never fire")
