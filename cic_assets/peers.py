"""Whose processes stand at the ends of this machine's TCP sockets, as the kernel's table says (Linux)."""

from __future__ import annotations

import ipaddress
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]
_PROC = Path("/proc")
_TABLES = {4: _PROC / "self" / "net" / "tcp", 6: _PROC / "self" / "net" / "tcp6"}
# include/net/tcp_states.h
_ESTABLISHED, _COMING, _LISTENS = "01", "03", "0A"
_SHOWN = 120


@dataclass(frozen=True)
class _Socket:
    """A row of the table; addresses as the kernel prints them, `host:port` in hexadecimal."""

    near: str
    far: str
    state: str
    user: int
    inode: str


@dataclass(frozen=True)
class Holder:
    """Who listens at a port.

    Attributes:
        pid: the process; None where this user may not see whose socket it is.
        user: the user's name.
        command: its command line, cut.
    """

    pid: int | None
    user: str
    command: str

    def __str__(self) -> str:
        """For a message."""
        if self.pid is None:
            return f"a process of user {self.user}"
        return f"process {self.pid} of user {self.user} ({self.command})"


def is_known() -> bool:
    """Whether this system tells; macOS does not."""
    return _TABLES[4].exists()


def _sockets(version: int) -> Iterator[_Socket]:
    for line in _TABLES[version].read_text().splitlines()[1:]:
        # sl, local address, remote address, state, queues, timer, retransmits, user, time-out, inode.
        row = line.split()
        yield _Socket(row[1], row[2], row[3], int(row[7]), row[9])


def user_at(peer: Address) -> int | None:
    """The user id that holds the connected TCP socket at an address of this machine.

    None where there is none: also of a socket that its process has closed already, which the table gives to root.
    """
    host = ipaddress.ip_address(peer[0])
    there = f"{_words(host)}:{peer[1]:04X}"
    for each in _sockets(host.version):
        if each.near == there and each.state == _ESTABLISHED and each.inode != "0":
            return each.user
    return None


def users_connected_to(port: int) -> set[int]:
    """Users who are connected to a port of this machine's IPv4 addresses, or about to be."""
    there = f":{port:04X}"
    return {each.user for each in _sockets(4) if each.far.endswith(there) and each.state in (_ESTABLISHED, _COMING)}


def holder_of(port: int) -> Holder | None:
    """Who listens at a port of this machine; None where nobody does, or the system doesn't tell."""
    here = f":{port:04X}"
    for version, table in _TABLES.items():
        for each in _sockets(version) if table.exists() else ():
            if each.near.endswith(here) and each.state == _LISTENS:
                pid = _process_with(each.inode)
                return Holder(pid, _name(each.user), _command(pid) if pid is not None else "")
    return None


def _process_with(inode: str) -> int | None:
    """A process that has the socket open, of those whose descriptors this user may see."""
    for entry in _PROC.iterdir():
        # Processes come and go meanwhile, and those of other users can't be looked at.
        with suppress(OSError):
            if entry.name.isdecimal() and any(
                str(link.readlink()) == f"socket:[{inode}]" for link in (entry / "fd").iterdir()
            ):
                return int(entry.name)
    return None


def _command(pid: int) -> str:
    with suppress(OSError):
        words = (_PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
        return words.decode("utf-8", "backslashreplace")[:_SHOWN]
    return "gone"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _words(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """As the kernel prints an address: 32-bit words, each with its bytes in the machine's order (little-endian)."""
    packed = host.packed
    return "".join(packed[at : at + 4][::-1].hex().upper() for at in range(0, len(packed), 4))
