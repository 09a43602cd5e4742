"""The Spark engine: one lazy session per process, over Spark Connect, whatever stands behind it.

`embedded` is Sail in this process, `local[n]` Apache Spark on this machine, `sc://host:port` any cluster. No other user
of the machine reaches the first two.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from cic_assets.errors import PlatformError
from cic_assets.lake.sealed import ForeignConnectionError, UnsealedError, seal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_IDLE_SECONDS = 7 * 86_400
SPARK_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Two cores and a county's data: 200 shuffle partitions cost more than the work.
    "spark.sql.shuffle.partitions": "4",
}
# Otherwise PySpark looks for IPython, in vain, in each of the thousands of calls that build a plan: half of that time.
# Apache Spark takes it only when it starts, so that a cluster has it in its own settings.
NO_DEBUGGING = {"spark.python.sql.dataFrameDebugging.enabled": "false"}


class EngineError(PlatformError):
    """The engine can't be started; the message says what it needs."""


# Every port of Apache Spark's own is on loopback and asks for a secret; the page on 4040 needs none, so it is off.
LOCAL_CONFIG = {
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.sql.artifact.isolation.enabled": "true",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "true",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    # Any free one: who takes a fixed one first could pass for the server, and two processes would want the same.
    "spark.connect.grpc.binding.port": "0",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.authenticate": "true",
    "spark.ui.enabled": "false",
    **NO_DEBUGGING,
}
_log = logging.getLogger(__name__)
_TRIES = 3
_running: list[Any] = []


@lru_cache(maxsize=1)
def _embedded_target() -> str:
    """Sail, once per process, and the gRPC target by which this user alone reaches it; it ends with the process.

    Raises:
        EngineError: others keep connecting while it starts.
    """
    # Sail tells of each session at INFO, in the middle of a command's output.
    os.environ.setdefault("RUST_LOG", "error")
    # By itself Sail ends a session after 15 minutes without a request: a run whose marts took longer failed after them.
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(_IDLE_SECONDS))
    met: list[str] = []
    while len(met) < _TRIES:
        server = _sail()
        try:
            target = seal(server)
        except ForeignConnectionError as error:
            met.append(str(error))
            continue
        except UnsealedError as error:
            target = "{}:{}".format(*server.listening_address)
            _log.warning("other users of this machine can reach the engine on %s: %s", target, error)
        _running.append(server)
        return target
    raise EngineError(f"{'; '.join(met)}, before the engine was closed to others: find that program, or set CIC_SPARK")


def _sail() -> Any:
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer()
    server.start(background=True)
    return server


@lru_cache(maxsize=1)
def _local_target(engine: str, memory_bytes: int) -> tuple[str, str]:
    """Apache Spark on this machine, once per process: its gRPC target and its token.

    Raises:
        EngineError: there is no Java.
    """
    if shutil.which("java") is None:
        raise EngineError(f"CIC_SPARK={engine} needs Java 17 or newer on the PATH; CIC_SPARK=embedded needs none")
    from pyspark.sql import SparkSession

    # A parent that is on Connect, or a cluster named for other programs, would make the classic session a remote one.
    for name in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE"):
        os.environ.pop(name, None)
    # By the environment: what is in the configuration stands on Java's command line, which every user may read.
    # Kernels run in this Python, whichever `python3` the PATH knows.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    config: dict[str, Any] = {**LOCAL_CONFIG, "spark.driver.memory": f"{memory_bytes >> 20}m"}
    token = os.environ["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = secrets.token_hex(32)
    try:
        # A classic session starts the server beside it, as PySpark's `remote("local")` does at a fixed port.
        classic: Any = SparkSession.builder.master(engine).config(map=config).getOrCreate()
    finally:
        del os.environ["SPARK_CONNECT_AUTHENTICATE_TOKEN"]
    service = getattr(classic.sparkContext._jvm, "org.apache.spark.sql.connect.service.SparkConnectService$")
    port = getattr(service, "MODULE$").localPort()
    return f"127.0.0.1:{port}", token


def _session_at(target: str, token: str | None) -> SparkSession:
    """The process's session at a gRPC target."""
    import grpc
    from pyspark.sql.connect.client import ChannelBuilder
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    class Channel(ChannelBuilder):
        """A channel that the connection strings of Spark Connect have no words for."""

        @property
        def host(self) -> str:
            return "localhost"

        def toChannel(self) -> grpc.Channel:  # noqa: N802
            if token is None:
                return self._insecure_channel(target)
            secret = grpc.access_token_call_credentials(token)
            local = grpc.local_channel_credentials()
            return self._secure_channel(target, grpc.composite_channel_credentials(local, secret))

    # PySpark's functions ask it whether they are on Connect.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    session: Any = RemoteSession.builder.channelBuilder(cast(Any, Channel())).getOrCreate()
    return cast("SparkSession", session)


def session_of(engine: str, memory_bytes: int) -> SparkSession:
    """The session of an engine on this machine.

    Args:
        engine: `embedded` or `local[n]`.
        memory_bytes: what Apache Spark may take. Sail has no bound that works: its pool counts a text once for each
            column that it is copied to, and refused a query that needed 1.4 GiB at 3.9 GiB. So what is given to an
            engine at once is bounded (`BYTES_PER_ENTRY` and such).

    Raises:
        EngineError: it can't be started; the message says what it needs.
    """
    if engine == "embedded":
        session = _session_at(_embedded_target(), None)
        for name, value in NO_DEBUGGING.items():
            session.conf.set(name, value)
        return session
    return _session_at(*_local_target(engine, memory_bytes))
