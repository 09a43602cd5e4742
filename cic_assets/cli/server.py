"""UI and daemon of this folder, which `cli/supervisor.py` keeps running in the background: start, find, stop."""

from __future__ import annotations

import errno
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
from cic_assets.orchestrate.runner import dagster_home
from cic_assets.peers import Holder, holder_of
from cic_assets.processes import Process, end_group, look, process_of
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
        ServerError: something else has the port, which is named, the UI runs on another one, or it does not answer
            within 3 minutes.
    """
    process = None
    with _lock(settings):
        pid = demand_startable(settings, port)
        if pid is None:
            process = _spawn(settings, port)
    _wait(settings, port, process, process.pid if process is not None else cast(int, pid))
    return process.pid if process is not None else cast(int, pid)


def demand_startable(settings: Settings, port: int) -> int | None:
    """Ends what a killed supervisor left, and demands that UI and daemon run on this port or can be started on it.

    Returns:
        The id of the supervisor that runs; None where none does.

    Raises:
        ServerError: something else has the port, which is named, or the UI runs on another one.
    """
    pid, found = running_pid(settings), started(settings)
    if pid is None:
        if found is not None:
            end_group(found.process)
        _demand_free(settings, port)
    elif found is not None and found.port not in (0, port):
        raise ServerError(
            f"UI and daemon run already, on port {found.port} (process {pid}); a second daemon would do all twice: "
            f"open http://localhost:{found.port}, or call `cic down` first"
        )
    return pid


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
    command = [sys.executable, "-m", "cic_assets.cli.supervisor", str(port)]
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


def _demand_free(settings: Settings, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.ui_host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServerError(_taken(port, holder_of(port))) from error
            raise ServerError(f"port {port} can't be opened: {error.strerror}; choose another one: --port") from error


def _taken(port: int, holder: Holder | None) -> str:
    """Who has a port and what to do."""
    who = holder or f"another process (`lsof -i :{port}` names it)"
    free = f", or end that process: kill {holder.pid}" if holder and holder.pid else ""
    return f"port {port} is taken by {who}: choose another one with --port{free}"


def _stranger(port: int, supervisor: int) -> str:
    """Who has taken the port since, so that the UI is started again and again; empty where nobody has."""
    holder = holder_of(port)
    seen = look(holder.pid) if holder and holder.pid else None
    return "" if seen is None or seen.group == supervisor else _taken(port, holder)


def _wait(settings: Settings, port: int, process: subprocess.Popen[bytes] | None, supervisor: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        fault = _stranger(port, supervisor)
        ended = process is not None and process.poll() is not None
        if not fault and (ended or time.monotonic() > deadline):
            fault = f"the UI does not answer on port {port}; see {log_file(settings)}"
        if fault:
            if process is not None:
                stop(settings)
            raise ServerError(fault)
        time.sleep(0.5)


def stop(settings: Settings) -> bool:
    """Stops UI and daemon with all their processes, also those that a killed supervisor left; false where none ran."""
    found = started(settings)
    pid_file(settings).unlink(missing_ok=True)
    return found is not None and end_group(found.process)
