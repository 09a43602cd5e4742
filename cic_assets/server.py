"""Dagster's UI and daemon as one background process of this folder: start, find, stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

from cic_assets.runner import dagster_home
from cic_assets.settings import PROJECT, Settings

START_SECONDS = 90


class ServerError(Exception):
    """The UI did not come up; the message names its log."""


def pid_file(settings: Settings) -> Path:
    """Where the background process's id is kept."""
    return settings.home / "dagster.pid"


def log_file(settings: Settings) -> Path:
    """Where UI and daemon write."""
    return settings.home / "dagster.log"


def running_pid(settings: Settings) -> int | None:
    """The process id of a running UI; None where there is none, also if the id is another program's by now."""
    try:
        pid = int(pid_file(settings).read_text())
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"dagster" not in command.read_bytes():
            return None
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def answers(port: int) -> bool:
    """Whether the UI answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def start(settings: Settings, port: int) -> int:
    """Starts UI and daemon, and waits until the UI answers.

    Returns:
        Its process id.

    Raises:
        ServerError: something else has the port, or it does not answer within 90 s.
    """
    pid = running_pid(settings)
    if pid is not None and answers(port):
        return pid
    if answers(port):
        raise ServerError(f"something else answers on port {port}: choose another one with --port")
    home = dagster_home(settings)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-w",
        str(PROJECT / "workspace.yaml"),
    ]
    with log_file(settings).open("a") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "DAGSTER_HOME": str(home)},
        )  # fmt: skip
    pid_file(settings).write_text(str(process.pid))
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(settings)
            raise ServerError(f"the UI does not answer on port {port}; see {log_file(settings)}")
        time.sleep(0.5)
    return process.pid


def stop(settings: Settings) -> bool:
    """Stops UI and daemon with all their processes; false where none ran."""
    pid = running_pid(settings)
    pid_file(settings).unlink(missing_ok=True)
    if pid is None:
        return False
    os.killpg(pid, signal.SIGTERM)
    for _ in range(100):
        try:
            os.killpg(pid, 0)
        except OSError:
            return True
        time.sleep(0.1)
    os.killpg(pid, signal.SIGKILL)
    return True
