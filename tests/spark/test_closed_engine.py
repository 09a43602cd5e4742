"""Another user of the machine tries each port and socket behind which an engine listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import grpc
import pytest

from cic_assets.lake import sealed
from cic_assets.orchestrate.resources.spark import SparkResource
from tests.conftest import demand

NOBODY = 65534
MEMORY = SparkResource(engine="embedded").memory_bytes


def ports_of(*pids: int) -> list[tuple[str, int]]:
    """Addresses at which processes listen, from Linux's tables."""
    inodes = set()
    for pid in pids:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            if path.is_symlink() and (name := str(path.readlink())).startswith("socket:["):
                inodes.add(name[8:-1])
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return [
        (row[1].partition(":")[0], int(row[1].partition(":")[2], 16))
        for row in rows
        if row[3] == "0A" and row[9] in inodes
    ]


def descendants(pid: int) -> list[int]:
    children = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _parent(path) == pid]
    return [pid, *(below for child in children for below in descendants(child))]


def _parent(path: Path) -> int | None:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return None


def read_by(target: str, path: Path) -> bytes:
    """What a query without a token reads from a file."""
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

    request = base_pb2.ExecutePlanRequest(session_id=str(uuid.uuid4()))
    request.user_context.user_id = "somebody"
    request.plan.root.read.data_source.format = "text"
    request.plan.root.read.data_source.paths.append(str(path))
    with grpc.insecure_channel(target) as channel:
        found = base_pb2_grpc.SparkConnectServiceStub(channel).ExecutePlan(request, timeout=2)
        return b"".join(part.arrow_batch.data for part in found)


def test_a_query_of_somebody_else_reads_nothing_at_any_port(spark, engine, tmp_path):
    demand(Path("/proc/net/tcp").exists(), "Linux, whose /proc names the ports")
    secret = tmp_path / "secret.txt"
    secret.write_text("top secret")
    secret.chmod(0o600)
    assert [row.value for row in spark.read.text(str(secret)).collect()] == ["top secret"]
    listening = ports_of(*descendants(os.getpid()))
    assert listening
    # 127.0.0.1, also as IPv6 writes it: nobody beyond the machine.
    assert {address for address, _ in listening} <= {"0100007F", "0000000000000000FFFF00000100007F"}
    for _, port in listening:
        with pytest.raises(grpc.RpcError) as refused:
            read_by(f"127.0.0.1:{port}", secret)
        assert "top secret" not in str(refused.value)


def test_the_token_is_on_no_command_line(spark, engine):
    if engine == "embedded":
        return
    from cic_assets.lake.engine import _local_target

    _, token = _local_target(engine, MEMORY)
    shown = subprocess.run(["ps", "-eo", "args", "-ww"], check=True, capture_output=True, text=True).stdout
    assert "java" in shown
    assert token not in shown
    assert "SPARK_CONNECT_AUTHENTICATE_TOKEN" not in os.environ


def test_the_relay_hangs_up_on_another_user(spark, engine):
    if engine != "embedded":
        return
    demand(os.geteuid() == 0, "root, to be another user")
    from cic_assets.lake.engine import _embedded_target

    name = _embedded_target().removeprefix("unix-abstract:")
    assert as_user(NOBODY, name).startswith("hung up")
    assert as_user(0, name).startswith("let in")


CALL = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
client = socket.socket(socket.AF_UNIX)
try:
    client.connect("\\0" + sys.argv[2])
    client.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0")
    print("let in" if client.recv(1) else "hung up")
except OSError as error:
    print("hung up", error)
"""


def as_user(user: int, name: str) -> str:
    """What another process finds at an abstract socket, which speaks HTTP/2 as gRPC does."""
    # A process of its own, not a fork: gRPC's handlers of forks wait for ever for its other threads.
    command = [sys.executable, "-c", CALL, str(user), name]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


class Listening:
    """A server of our own in place of Sail's."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.listening_address = self.socket.getsockname()
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


def test_who_came_before_the_door_was_closed_is_thrown_out(engine):
    server = Listening()
    early = socket.create_connection(server.listening_address)
    early.settimeout(60)
    with pytest.raises(sealed.ForeignConnectionError, match=f"user {os.geteuid()} had connected"):
        sealed.seal(server)
    assert server.stopped
    with pytest.raises(ConnectionResetError):
        early.recv(1)


def test_the_relay_carries_everything_both_ways_and_lets_each_client_in(engine):
    server = Listening()
    name = "\0" + sealed.seal(server).removeprefix("unix-abstract:")
    with pytest.raises(TimeoutError):
        socket.create_connection(server.listening_address, timeout=0.3)
    clients = []
    for number in range(3):
        client = socket.socket(socket.AF_UNIX)
        client.connect(name)
        inside, _ = server.socket.accept()
        payload = bytes([number]) * 3_000_000
        client.sendall(payload[:1000])
        assert inside.recv(1000, socket.MSG_WAITALL) == payload[:1000]
        clients.append((client, inside))
    for client, inside in clients:
        client.sendall(b"end")
        client.shutdown(socket.SHUT_WR)
        assert inside.recv(100, socket.MSG_WAITALL) == b"end"
        inside.sendall(b"bye")
        inside.close()
        assert client.recv(100, socket.MSG_WAITALL) == b"bye"
        client.close()
    # The ports of those who left are let through no more.
    with pytest.raises(TimeoutError):
        socket.create_connection(server.listening_address, timeout=0.3)
