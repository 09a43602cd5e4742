"""Programs in processes forked from one that has imported them: `dbt build` takes 1.9 CPU seconds, not 4.5.

`python -m tests.forked PROGRAM SOCKET` is the server. What is called in the place of the program is a client of 20 ms:
it hands over its arguments, environment and output, and ends as the forked process does. Whoever kills the client kills
that process too. Some tests of the command line, those of the daemon and `test_dbt.py` start both as users do.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cic_assets.settings import PROJECT

_CLIENT = """#!{python} -SE
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
work = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(work).to_bytes(4, "big")], [1, 2])
server.sendall(work)
os._exit((server.recv(1) or b"\\x01")[0])
"""


@contextmanager
def served(program: str, folder: Path) -> Iterator[Path]:
    """What to call in the place of a program, `dbt` or `cic`; it ends with the block."""
    path, client = folder / f"{program}.socket", folder / program
    client.write_text(_CLIENT.format(python=sys.executable, path=str(path)))
    client.chmod(0o755)
    command = [sys.executable, "-m", "tests.forked", program, str(path)]
    # A forked process leaves its locks behind, which Python's own tracker would name at the end.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        yield client
        # The end of its input is its own.
        assert server.stdin is not None
        server.stdin.close()


@contextmanager
def _dbt() -> Iterator[Callable[[], object]]:
    """dbt with the project parsed: of the macros, schemas and templates much is kept."""
    from dbt.cli.main import dbtRunner

    from cic_assets.ledger.mart_sets import DBT_PROJECT
    from cic_assets.orchestrate.dbt_program import run

    with tempfile.TemporaryDirectory() as target:
        folders = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT), "--target-path", target]
        # The static parser starts threads, which do not survive a fork: its second user would wait for ever.
        done = dbtRunner().invoke(["--quiet", "--no-static-parser", "parse", *folders, "--log-path", target])
        assert done.success, done.exception
    yield lambda: run(sys.argv[1:], done.result)


@contextmanager
def _cic() -> Iterator[Callable[[], object]]:
    """The command line with Dagster, Great Expectations and the engines, none of them started; and such a dbt."""
    import great_expectations  # noqa: F401

    import tests.end_to_end.faults.preload  # noqa: F401
    from cic_assets.cli.app import main
    from cic_assets.orchestrate import build

    with tempfile.TemporaryDirectory() as folder, served("dbt", Path(folder)) as dbt:
        build.local_dbt = partial(build.local_dbt, dbt)
        yield main


def main() -> None:
    """The server: until its input ends."""
    program, path = sys.argv[1:]
    with {"dbt": _dbt, "cic": _cic}[program]() as start, socket.socket(socket.AF_UNIX) as listening:
        assert threading.active_count() == 1
        listening.bind(path)
        listening.listen()
        # Nobody waits for those that have ended.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while listening in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                _run(program, start, connection)
            connection.close()


def _run(program: str, start: Callable[[], object], connection: socket.socket) -> None:
    """In the forked process: what the client was called for."""
    code: object = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        size, outputs, _, _ = socket.recv_fds(connection, 4, 2)
        work = b""
        while len(work) < int.from_bytes(size, "big"):
            work += connection.recv(1 << 20)
        arguments, folder, environment = json.loads(work)
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [program, *arguments]
        threading.Thread(target=_die_with, args=[connection], daemon=True).start()
        start()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(bytes([code if isinstance(code, int) else 1]))
        os._exit(0)


def _die_with(client: socket.socket) -> None:
    """Ends this process when the client has ended."""
    client.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
