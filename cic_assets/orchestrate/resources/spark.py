"""The Spark session as a resource: one lazy session per process, over Spark Connect, whatever stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dagster import ConfigurableResource
from pydantic import PrivateAttr

import cic_assets
from cic_assets.lake.engine import SPARK_CONFIG, session_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkResource(ConfigurableResource):  # type: ignore[type-arg]
    """A Spark session on first use; that of a cluster is made by dagster-pyspark's lazy resource.

    Attributes:
        engine: `embedded`, `local[n]` or `sc://host:port`.
        memory_bytes: what Apache Spark on this machine may take. A cluster has its own settings, and Sail none that
            works (`lake/engine.py`).
    """

    engine: str
    memory_bytes: int = 4 << 30
    _lazy: Any = PrivateAttr(default=None)

    @property
    def session(self) -> SparkSession:
        """The session, with UTC as its time zone."""
        session = self._connected()
        for name, value in SPARK_CONFIG.items():
            session.conf.set(name, value)
        return session

    def _connected(self) -> SparkSession:
        if self.engine == "embedded" or self.engine.startswith("local["):
            return session_of(self.engine, self.memory_bytes)
        from dagster_pyspark import LazyPySparkResource
        from pyspark import cloudpickle

        # Kernels travel as they are: a cluster's Python needs numpy and pyarrow, and nothing of ours.
        cloudpickle.register_pickle_by_value(cic_assets)
        if self._lazy is None:
            self._lazy = LazyPySparkResource(spark_config={"spark.remote": self.engine})
        return cast("SparkSession", self._lazy.spark_session)
