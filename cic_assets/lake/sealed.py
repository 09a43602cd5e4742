"""Sail behind a door that only this process opens (Linux).

Sail listens on a TCP port without authentication: whoever reaches it reads and writes files as we do. Its listening
descriptor is ours, as Sail runs in this process, so a socket filter drops every connection to it except those from the
ports that our own relay holds. Clients reach the relay by an abstract unix socket, which tells their user.
`infra/decisions/0006-engines-closed-to-other-users.md` says what else was weighed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import stat
import struct
import threading
from pathlib import Path
from typing import Protocol

from cic_assets import peers
from cic_assets.peers import Address

# asm-generic/socket.h, linux/filter.h; Python's socket module has none of them.
_SO_ATTACH_FILTER = 26
_LOAD_WORD, _LOAD_HALF, _IF_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_SOURCE_ADDRESS = 0xFFF00000 + 12
_SOURCE_PORT = 0
_ALL, _NOTHING = 0xFFFFFFFF, 0
# A pipe as long as the kernel lets everybody have: 1 MiB at once, not 64 kB.
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031
_PEER = struct.Struct("3i")


class Server(Protocol):
    """Sail's server, as far as it is needed here."""

    @property
    def listening_address(self) -> Address | None:
        """Where it listens."""

    def stop(self) -> None:
        """Ends it."""


class ForeignConnectionError(Exception):
    """Somebody else had reached the engine before its door was closed."""


class UnsealedError(Exception):
    """This system can't close the door; the message says why."""


def seal(server: Server) -> str:
    """Closes a server's port to everybody else.

    Returns:
        The gRPC target by which this user's processes reach it.

    Raises:
        ForeignConnectionError: somebody had connected before; the server is stopped.
        UnsealedError: the system has no socket filters.
    """
    address = server.listening_address
    assert address is not None
    listener = _listener(address)
    door = _Door(listener, address)
    if foreign := peers.users_connected_to(address[1]):
        listener.close()
        _hang_up(address)
        server.stop()
        raise ForeignConnectionError(
            f"user {', '.join(map(str, sorted(foreign)))} had connected to {address[0]}:{address[1]}"
        )
    return door.open_to_this_user()


class _Door:
    """The filter on one listening socket, and the relay that it lets through."""

    def __init__(self, listener: socket.socket, address: Address) -> None:
        self._listener = listener
        self._address = address
        self._ports: set[int] = set()
        self._lock = threading.Lock()
        _attach(listener, ())

    def open_to_this_user(self) -> str:
        name = f"cic-{secrets.token_hex(16)}"
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        waiting.bind(f"\0{name}")
        waiting.listen()
        threading.Thread(target=self._serve, args=(waiting,), name="engine door", daemon=True).start()
        return f"unix-abstract:{name}"

    def _serve(self, waiting: socket.socket) -> None:
        while True:
            client, _ = waiting.accept()
            try:
                if _user(client) == os.geteuid():
                    self._relay(client)
                else:
                    client.close()
            except OSError:
                # The server has ended, or this client has: the others' connections go on.
                client.close()

    def _relay(self, client: socket.socket) -> None:
        inside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        inside.bind(("127.0.0.1", 0))
        port = inside.getsockname()[1]
        try:
            # The port is ours until `inside` is closed, and is let through no longer than that.
            self._let_in({port}, set())
            inside.connect(self._address)
            inside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self._let_in(set(), {port})
            inside.close()
            raise
        threading.Thread(target=self._carry, args=(client, inside, port), name="engine relay", daemon=True).start()

    def _carry(self, client: socket.socket, inside: socket.socket, port: int) -> None:
        back = threading.Thread(target=_pump, args=(inside, client), name="engine relay back", daemon=True)
        back.start()
        _pump(client, inside)
        back.join()
        self._let_in(set(), {port})
        client.close()
        inside.close()

    def _let_in(self, add: set[int], remove: set[int]) -> None:
        with self._lock:
            self._ports = (self._ports | add) - remove
            _attach(self._listener, tuple(sorted(self._ports)))


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carries bytes until the source ends, within the kernel: Python sees none of them."""
    read, write = os.pipe()
    try:
        with contextlib.suppress(OSError):
            _widen(write)
            while count := os.splice(source.fileno(), write, _PIPE_BYTES):
                while count:
                    count -= os.splice(read, target.fileno(), count)
        for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            with contextlib.suppress(OSError):
                end.shutdown(how)
    finally:
        os.close(read)
        os.close(write)


def _widen(pipe: int) -> None:
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_BYTES)


def _user(client: socket.socket) -> int:
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(credentials)[1])


def _listener(address: Address) -> socket.socket:
    """A descriptor of our own on the socket that listens at an address."""
    for found in _own_sockets(address):
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return found
        found.close()
    raise UnsealedError("the system does not show its descriptor, as Linux does under /proc")


def _own_sockets(address: Address) -> list[socket.socket]:
    """Duplicates of this process's TCP sockets whose near end is an address; there are no others on macOS."""
    found = []
    folder = Path("/proc/self/fd")
    for name in [path.name for path in folder.iterdir()] if folder.is_dir() else []:
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            candidate = socket.socket(fileno=os.dup(int(name)))
            if candidate.family == socket.AF_INET and candidate.getsockname() == address:
                found.append(candidate)
            else:
                candidate.close()
    return found


def _hang_up(address: Address) -> None:
    for found in _own_sockets(address):
        with contextlib.suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)
        found.close()


def _attach(listener: socket.socket, ports: tuple[int, ...]) -> None:
    """Drops every packet to a socket, except from these ports of 127.0.0.1; replaces what was attached before."""
    program = [(_LOAD_WORD, 0, 0, _SOURCE_ADDRESS), (_IF_EQUAL, 0, 1 + len(ports), 0x7F000001)]
    program.append((_LOAD_HALF, 0, 0, _SOURCE_PORT))
    program += [(_IF_EQUAL, len(ports) - place, 0, port) for place, port in enumerate(ports)]
    program += [(_RETURN, 0, 0, _NOTHING), (_RETURN, 0, 0, _ALL)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
        )
    except OSError as error:
        raise UnsealedError(f"this system has no socket filters ({error.strerror})") from error
