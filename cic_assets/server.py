"""UI and daemon of this folder, which `supervisor.py` keeps running in the background: start, find, stop."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.error import URLError

from cic_assets.errors import PlatformError
from cic_assets.processes import Process, end_group, process_of
from cic_assets.runner import dagster_home
from cic_assets.settings import PROJECT, Settings

START_SECONDS = 180


class ServerError(PlatformError):
    """The UI did not come up; the message names its log."""


@dataclass(frozen=True)
class Running:
    """The supervisor that was started last, dead or alive, and its UI's port (0: unknown)."""

    process: Process
    port: int


def pid_file(settings: Settings) -> Path:
    """Where the supervisor's identity is kept, and its port."""
    return settings.home / "dagster.pid"


def log_file(settings: Settings) -> Path:
    """Where UI and daemon write."""
    return settings.home / "dagster.log"


def started(settings: Settings) -> Running | None:
    """What the pid file says; None where there is none, or where it makes no sense."""
    try:
        identity, _, port = pid_file(settings).read_text().strip().partition("\n")
    except (OSError, ValueError):
        return None
    process = Process.parse(identity) or _of_before(identity)
    return Running(process, int(port) if port.isdecimal() else 0) if process else None


def _of_before(text: str) -> Process | None:
    """Up to 0.3.0 the file held an id alone, of a `dagster dev`."""
    if not text.isdecimal():
        return None
    command = Path(f"/proc/{text}/cmdline")
    is_dagster = command.exists() and b"dagster" in command.read_bytes()
    return process_of(int(text)) if is_dagster else None


def running_pid(settings: Settings) -> int | None:
    """The supervisor's process id; None where none runs, also if the id is another program's by now."""
    found = started(settings)
    return found.process.pid if found and not found.process.why_gone() else None


def answers(port: int) -> bool:
    """Whether the UI answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def start(settings: Settings, port: int) -> int:
    """Starts UI and daemon if they don't run, and waits until the UI answers.

    What a killed supervisor left of them is ended first: it would hold the port, and two daemons would do all twice.

    Returns:
        The supervisor's process id.

    Raises:
        ServerError: something else has the port, the UI runs on another one, or it does not answer within 3 minutes.
    """
    process = None
    with _lock(settings):
        pid, found = running_pid(settings), started(settings)
        if pid is None:
            if found is not None:
                end_group(found.process)
            _demand_free(port)
            process = _spawn(settings, port)
        elif found is not None and found.port not in (0, port):
            raise ServerError(f"UI and daemon run already, on port {found.port}; `cic down` stops them")
    _wait(settings, port, process)
    return process.pid if process is not None else cast(int, pid)


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """Of two that start at once, the second finds what the first started."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "dagster.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _spawn(settings: Settings, port: int) -> subprocess.Popen[bytes]:
    """The supervisor, in a session of its own."""
    home = dagster_home(settings)
    command = [sys.executable, "-m", "cic_assets.supervisor", str(port)]
    with log_file(settings).open("a") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "DAGSTER_HOME": str(home)},
        )  # fmt: skip
    identity = process_of(process.pid)
    if identity is not None:
        keep_identity(settings, identity, port)
    return process


def keep_identity(settings: Settings, process: Process, port: int) -> None:
    """Writes down who the supervisor is."""
    draft = pid_file(settings).with_suffix(f".{os.getpid()}")
    draft.write_text(f"{process}\n{port}\n")
    draft.rename(pid_file(settings))


def _demand_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerError(f"something else has port {port}: choose another one with --port") from error


def _wait(settings: Settings, port: int, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            if process is not None:
                stop(settings)
            raise ServerError(f"the UI does not answer on port {port}; see {log_file(settings)}")
        time.sleep(0.5)


def stop(settings: Settings) -> bool:
    """Stops UI and daemon with all their processes, also those that a killed supervisor left; false where none ran."""
    found = started(settings)
    pid_file(settings).unlink(missing_ok=True)
    return found is not None and end_group(found.process)
