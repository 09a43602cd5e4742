"""The embedded server after crashes: killed alone or with all its sessions, half started, with stale files."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from cic_assets.processes import look
from cic_assets.warehouse import embedded


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("crashes")
    server = embedded.start(home)
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("create table kept as select 1 as number")
    yield home
    embedded.delete(home)


def kept(home: Path) -> bool:
    """Whether the server answers and has what was committed."""
    with psycopg.connect(embedded.locate(home).url("postgres")) as connection:
        return connection.execute("select number from kept").fetchall() == [(1,)]


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def postmaster(home: Path) -> int:
    return int((embedded.locate(home).data / "postmaster.pid").read_text().splitlines()[0])


def kill_all(home: Path) -> None:
    """The server and all its sessions at once, as a power cut does."""
    server = embedded.locate(home)
    while left := embedded._processes(server, postmaster(home)):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def test_sessions_that_a_killed_server_left_don_t_keep_it_down(home):
    first = postmaster(home)
    with psycopg.connect(embedded.locate(home).url("postgres")) as connection:
        session = connection.info.backend_pid

        def compute() -> None:
            # It looks at nothing while it computes, so it does not see that its server is gone.
            with pytest.raises(psycopg.OperationalError):
                connection.execute("select count(*) from generate_series(1, 100000000000) as n where n % 7 = 8")

        busy = threading.Thread(target=compute)
        busy.start()
        wait_for(lambda: look(session) and look(session).state == "R")
        os.kill(first, signal.SIGKILL)
        embedded.start(home)
        busy.join(60)
    assert postmaster(home) != first and kept(home)
    assert look(session) is None or look(session).state == "Z"


@pytest.mark.parametrize("words", ["{pid}\n/somewhere\n1\n5432\n/somewhere\n", "", "{pid}", "no number\n"])
def test_lock_files_whose_id_is_somebody_elses_are_stale(home, words):
    server = embedded.locate(home)
    kill_all(home)
    # Of the server's own user: of others Postgres believes it by itself.
    with subprocess.Popen(["sleep", "600"], user=server.user) as other:
        try:
            for path in (server.data / "postmaster.pid", server.socket_folder / ".s.PGSQL.5432.lock"):
                path.write_text(words.format(pid=other.pid))
                path.chmod(0o644)
            embedded.start(home)
            assert kept(home) and other.poll() is None
        finally:
            other.kill()


def test_one_that_is_just_starting_is_waited_for_and_one_that_just_stops_is_started(home):
    server = embedded.locate(home)
    kill_all(home)
    server.ctl("start", "-W", "-o", f"{embedded.SERVER_OPTIONS} -k {server.socket_folder}")
    started = [threading.Thread(target=embedded.start, args=[home]) for _ in range(2)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert kept(home)
    server.ctl("stop", "-m", "fast", "-W")
    embedded.start(home)
    assert kept(home)


def test_stop_signals_nobody_else(home):
    server = embedded.locate(home)
    kill_all(home)
    with subprocess.Popen(["sleep", "600"], user=server.user) as other:
        try:
            (server.data / "postmaster.pid").write_text(f"{other.pid}\n")
            assert not embedded.stop(home) and other.poll() is None
        finally:
            other.kill()
    embedded.start(home)


def test_a_damaged_name_of_the_folder_is_refused_as_it_would_lead_to_the_folder_of_all(tmp_path):
    embedded._identity(tmp_path)
    (tmp_path / "postgres.id").write_text("")
    with pytest.raises(RuntimeError, match="must hold the eight letters"):
        embedded.locate(tmp_path)
