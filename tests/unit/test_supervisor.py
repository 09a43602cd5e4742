"""What is kept running, and how it is found again by a later command. Processes are real, and small."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cic_assets import peers
from cic_assets.cli import server, supervisor
from cic_assets.cli.supervisor import Part
from cic_assets.processes import process_of
from cic_assets.settings import Settings, load_settings
from tests.conftest import demand


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"CIC_HOME": str(tmp_path)})


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's process, which leads a group."""
    # Whatever is ignored or blocked in the process of the tests, which children take over.
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL);"
        " signal.pthread_sigmask(signal.SIG_SETMASK, []); print('ready', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def ended(part: Part) -> None:
    assert part.process is not None
    part.process.wait(60)


def test_a_part_that_died_is_started_again_at_once():
    part = Part("sleeper", ["sleep", "600"])
    part.keep()
    first = part.process
    assert first is not None
    part.keep()
    assert part.process is first
    part.started -= supervisor._LASTED_SECONDS + 1
    part.end(signal.SIGKILL)
    ended(part)
    part.keep()
    assert part.process is not None and part.process is not first and part.process.poll() is None
    part.end(signal.SIGKILL)
    ended(part)


def test_one_that_dies_again_and_again_is_given_longer_and_longer_pauses(monkeypatch):
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: 1000.0)
    part = Part("broken", [sys.executable, "-c", "raise SystemExit(1)"])
    pauses = []
    for _ in range(4):
        part.not_before = 0
        part.keep()
        ended(part)
        part.keep()
        assert part.process is None
        pauses.append(part.not_before - 1000)
    assert pauses == [1, 2, 4, 8]


def write(settings: Settings, text: str) -> None:
    server.pid_file(settings).write_text(text)


@pytest.mark.parametrize("text", ["", "nonsense", "\0", "99999999", "host boot pid started\n3000\n"])
def test_a_pid_file_without_sense_is_none(settings, text):
    write(settings, text)
    assert (server.started(settings), server.running_pid(settings), server.stop(settings)) == (None, None, False)
    assert not server.pid_file(settings).exists()


def test_a_supervisor_is_found_and_stopped_by_its_identity(settings, other):
    write(settings, f"{process_of(other.pid)}\n3123\n")
    found = server.started(settings)
    assert found is not None and (found.port, server.running_pid(settings)) == (3123, other.pid)
    with pytest.raises(server.ServerError, match="run already, on port 3123"):
        server.start(settings, 3124)
    assert server.stop(settings)
    assert other.wait(60) == -signal.SIGTERM


def test_a_pid_file_whose_id_is_somebody_elses_by_now_stops_nobody(settings, other):
    identity = process_of(other.pid)
    assert identity is not None
    for stale in (replace(identity, started="1"), replace(identity, boot="before")):
        write(settings, f"{stale}\n3123\n")
        assert server.running_pid(settings) is None
        assert not server.stop(settings)
    # An id alone, as of a `dagster dev` of 0.3.0, is believed of Dagster only.
    write(settings, str(other.pid))
    assert server.running_pid(settings) is None and not server.stop(settings)
    assert other.poll() is None


LISTENER = """
import socket, sys, time
taken = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print(taken.getsockname()[1], flush=True)
time.sleep(600)
"""


@pytest.fixture
def taken(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Somebody else's process that listens at a port."""
    command = [sys.executable, "-c", LISTENER, getattr(request, "param", "127.0.0.1")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("taken", ["127.0.0.1", "0.0.0.0", "::"], indirect=True)
def test_who_has_a_port_is_named_before_anything_starts(settings, taken):
    process, port = taken
    who = f"process {process.pid} of user .* \\({sys.executable} -c" if peers.is_known() else "another process"
    with pytest.raises(server.ServerError, match=f"port {port} is taken by {who}") as refused:
        server.start(settings, port)
    assert "--port" in str(refused.value) and ("kill" in str(refused.value)) == peers.is_known()
    assert not server.pid_file(settings).exists()


def test_a_port_that_somebody_takes_meanwhile_is_no_long_wait(settings, taken, monkeypatch):
    demand(peers.is_known(), "Linux")
    process, port = taken
    # The UI of the supervisor that runs can't open the port; that the other one doesn't speak HTTP is no matter.
    monkeypatch.setattr(server, "answers", lambda port: False)
    monkeypatch.setattr(server, "START_SECONDS", 600)
    with pytest.raises(server.ServerError, match=f"port {port} is taken by process {process.pid} "):
        server._wait(settings, port, None, os.getpid())


def test_a_port_that_nobody_may_open_is_said(settings):
    with pytest.raises(server.ServerError, match="port 3000 can't be opened: Cannot assign"):
        server.start(replace(settings, ui_host="203.0.113.1"), 3000)
