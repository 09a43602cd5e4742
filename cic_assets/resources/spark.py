"""The Spark engine: one lazy session per process, over Spark Connect, whatever stands behind it.

`embedded` is Sail in this process, `local[n]` Apache Spark on this machine, `sc://host:port` any cluster.
"""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dagster import ConfigurableResource
from pydantic import PrivateAttr

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Two cores and a county's data: 200 shuffle partitions cost more than the work.
    "spark.sql.shuffle.partitions": "4",
}


class EngineError(Exception):
    """The engine can't be started; the message says what it needs."""


@lru_cache(maxsize=1)
def _embedded_server() -> Any:
    """Sail, once per process; it ends with the process."""
    from pysail.spark import SparkConnectServer

    # Sail tells of each session at INFO, in the middle of a command's output.
    os.environ.setdefault("RUST_LOG", "error")

    server = SparkConnectServer()
    server.start(background=True)
    return server


def remote_url(engine: str) -> str:
    """The Spark Connect address of an engine; starts the embedded one.

    Raises:
        EngineError: Apache Spark is asked for and there is no Java.
    """
    if engine == "embedded":
        host, port = _embedded_server().listening_address
        return f"sc://{host}:{port}"
    if engine.startswith("local[") and shutil.which("java") is None:
        raise EngineError(f"CIC_SPARK={engine} needs Java 17 or newer on the PATH; CIC_SPARK=embedded needs none")
    return engine


class SparkResource(ConfigurableResource):  # type: ignore[type-arg]
    """A Spark session on first use, made by dagster-pyspark's lazy resource.

    Attributes:
        engine: `embedded`, `local[n]` or `sc://host:port`.
    """

    engine: str
    _lazy: Any = PrivateAttr(default=None)

    @property
    def session(self) -> SparkSession:
        """The session, with UTC as its time zone."""
        from dagster_pyspark import LazyPySparkResource

        if self._lazy is None:
            config = {"spark.remote": remote_url(self.engine)}
            if self.engine.startswith("local["):
                # Only before the JVM starts; its default of 1 GB is too little for a county's quarter.
                config["spark.driver.memory"] = "4g"
            self._lazy = LazyPySparkResource(spark_config=config)
        session: SparkSession = self._lazy.spark_session
        for name, value in SPARK_CONFIG.items():
            session.conf.set(name, value)
        return session
