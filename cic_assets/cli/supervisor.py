"""What `cic up` leaves running: code server, UI and daemon, and the embedded Postgres. What dies is started again.

python -m cic_assets.cli.supervisor PORT

`dagster dev` ends all its processes when one dies; here the others go on, and so do the runs, which belong to the code
server. The supervisor leads the group of all of them; how it is found and stopped: `cli/server.py`. Imports no Dagster.
"""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cic_assets.cli.server import keep_identity
from cic_assets.private import set_umask
from cic_assets.processes import this_process
from cic_assets.settings import PROJECT, Settings, load_settings
from cic_assets.warehouse import embedded

_log = logging.getLogger("cic.supervisor")
_LOOK_SECONDS = 1.0
# One that dies again and again is started after 1, 2, 4 … 60 seconds, until it has lasted so long.
_MAX_PAUSE_SECONDS = _LASTED_SECONDS = 60.0
# Until the code server has read the definitions, 10 s of CPU time, UI and daemon wait, and it is not asked.
_CODE_SERVER_SECONDS, _LOAD_SECONDS = 120.0, 300.0
# An answer can be late on a busy machine; three in a row that fail are no chance.
_PING_SECONDS, _PING_TIMEOUT, _PINGS = 5.0, 20.0, 3


@dataclass
class Part:
    """One process that is kept running.

    Attributes:
        name: for the log.
        command: its arguments.
        process: the running one; None before the first start.
        deaths: in a row, each soon after its start.
        not_before: when it may be started again (monotonic seconds).
    """

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    deaths: int = 0
    not_before: float = field(default=0.0)

    def keep(self) -> None:
        """Starts it if it does not run and may be."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self.deaths = 0 if now - self.started > _LASTED_SECONDS else self.deaths + 1
            self.not_before = now + min(2.0 ** max(self.deaths - 1, 0), _MAX_PAUSE_SECONDS) * (self.deaths > 0)
            _log.warning("%s ended with code %s and is started again", self.name, self.process.returncode)
            self.process = None
        if self.process is None and now >= self.not_before:
            self.started = now
            self.process = subprocess.Popen(self.command, cwd=PROJECT, stdin=subprocess.DEVNULL)

    def end(self, name: signal.Signals) -> None:
        """Ends it; `keep` would start another one."""
        if self.process is not None:
            self.process.send_signal(name)


def parts(folder: Path, port: int) -> tuple[Part, Part, Part]:
    """(code server, UI, daemon). `folder` takes the code server's socket, which only the owner can enter."""
    workspace = folder / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{location_name: {LOCATION}, host: localhost, socket: {_socket(folder)}}}\n"
    )
    python, shared = [sys.executable, "-m"], ["-w", str(workspace)]
    return (
        Part(
            "code server",
            [
                *python, "dagster", "code-server", "start", "-s", str(_socket(folder)), "-m", MODULE,
                "--location-name", LOCATION, "--use-python-environment-entry-point", "--log-level", "warning",
            ],
        ),
        Part("UI", [*python, "cic_assets.orchestrate.web", "-p", str(port), *shared]),
        Part("daemon", [*python, "dagster._daemon", "run", *shared]),
    )  # fmt: skip


LOCATION = "cic"
MODULE = "cic_assets.orchestrate.definitions"


def _socket(folder: Path) -> Path:
    return folder / "code"


def _is_open(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _ping(path: Path) -> bool:
    """Whether the code server answers; its own child does, which it does not start again by itself."""
    import grpc

    with grpc.insecure_channel(f"unix:{path}") as channel:
        try:
            # An empty message is a ping without words.
            channel.unary_unary("/api.DagsterApi/Ping")(b"", timeout=_PING_TIMEOUT)
        except grpc.RpcError:
            return False
    return True


def keep_warehouse(settings: Settings) -> None:
    """Starts the embedded Postgres where it does not run; of a real server, nothing."""
    if settings.warehouse_url is None:
        try:
            embedded.start(settings.home)
        except (OSError, RuntimeError):
            _log.exception("the embedded Postgres does not start; tried again")


def supervise(settings: Settings, port: int, stopped: threading.Event) -> None:
    """Keeps all parts running until `stopped`."""
    with _folder() as folder:
        code, ui, daemon = parts(folder, port)
        code.keep()
        deadline = time.monotonic() + _CODE_SERVER_SECONDS
        while not _is_open(_socket(folder)) and time.monotonic() < deadline and not stopped.wait(0.2):
            keep_warehouse(settings)
            code.keep()
        failed, asked = 0, time.monotonic()
        while not stopped.wait(_LOOK_SECONDS):
            keep_warehouse(settings)
            for part in (code, ui, daemon):
                part.keep()
            if time.monotonic() - asked > _PING_SECONDS and time.monotonic() - code.started > _LOAD_SECONDS:
                failed, asked = 0 if _ping(_socket(folder)) else failed + 1, time.monotonic()
                if failed >= _PINGS:
                    _log.warning("the code server does not answer")
                    code.end(signal.SIGKILL)
                    failed = 0
        for part in (ui, daemon, code):
            part.end(signal.SIGTERM)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cic-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Runs until SIGTERM; runs that are under way then go on, unless the whole group is to end."""
    set_umask()
    settings, port = load_settings(), int(sys.argv[1])
    # `cic up` does the same; it may be killed before.
    keep_identity(settings, this_process(), port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    supervise(settings, port, stopped)


if __name__ == "__main__":
    main()
