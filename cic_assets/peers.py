"""Whose process stands at the other end of a TCP connection within this machine (Linux)."""

from __future__ import annotations

import ipaddress
from pathlib import Path

Address = tuple[str, int]
_TABLES = {4: Path("/proc/self/net/tcp"), 6: Path("/proc/self/net/tcp6")}
_ESTABLISHED = "01"


def is_known() -> bool:
    """Whether this system tells; macOS does not."""
    return _TABLES[4].exists()


def user_at(peer: Address) -> int | None:
    """The user id that holds the connected TCP socket at an address of this machine.

    None where there is none: also of a socket that its process has closed already, which the table gives to root.
    """
    host = ipaddress.ip_address(peer[0])
    there = f"{_words(host)}:{peer[1]:04X}"
    for line in _TABLES[host.version].read_text().splitlines()[1:]:
        # sl, local address, remote address, state, queues, timer, retransmits, user, time-out, inode.
        row = line.split()
        if row[1] == there and row[3] == _ESTABLISHED and row[9] != "0":
            return int(row[7])
    return None


def _words(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """As the kernel prints an address: 32-bit words, each with its bytes in the machine's order (little-endian)."""
    packed = host.packed
    return "".join(packed[at : at + 4][::-1].hex().upper() for at in range(0, len(packed), 4))
