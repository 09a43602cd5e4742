"""What a step of work is done with: lake, warehouse, engine and streams, opened once at the edge.

Assets and commands open them (`orchestrate/doors.py`); what is below takes these, or one of them: a `Lake`, a
`Warehouse`, a `Connection`, a Spark session. Nothing below reads settings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.staging import staging_folder
from cic_assets.lake.zones import Lake
from cic_assets.ledger.accepted_files import demand_whole
from cic_assets.ledger.catalogue import Recipe
from cic_assets.ledger.lake_id import open_lake
from cic_assets.streams.recipe import recipe_of
from cic_assets.warehouse.connect import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, eq=False)
class Parts:
    """Lake, warehouse, engine and streams.

    Attributes:
        place: where the lake is, unasked.
        warehouse: facts, counts, the ledger.
        session: gives the engine's session.
        engine: `embedded`, `local[n]` or `sc://host:port`.
        memory_bytes: what the process may take, engine included; work is cut into passes accordingly.
        home: folder of this machine's own files.
        derived_key: a key for one purpose, from the personal key.
        secret: a secret that a stream file names; raises where there is none.
        rule_set: forces one rule set for all streams, or None.
        restatement_horizon_days: age in days up to which computed periods restate by themselves.
        streams: all streams that are known.
    """

    place: Lake
    warehouse: Warehouse
    session: Callable[[], SparkSession]
    engine: str
    memory_bytes: int
    home: Path
    derived_key: Callable[..., bytes]
    secret: Callable[[str], str]
    rule_set: str | None
    restatement_horizon_days: int
    streams: Sequence[Stream] = ()

    @property
    def lake(self) -> Lake:
        """The lake, if it is the one that the warehouse knows; asked each time, as a folder may come unmounted.

        Raises:
            OtherLakeError: it is another one, or not there. Nothing was read or written.
        """
        return open_lake(self.warehouse, self.place)

    @cached_property
    def spark(self) -> SparkSession:
        """The engine's session, started at first use."""
        return self.session()

    def staging(self) -> AbstractContextManager[Lake]:
        """A scratch folder of the lake for one step.

        Raises:
            OtherLakeError: as of `lake`.
        """
        return staging_folder(self.lake)

    def accepted(self, kind: str, start: dt.date | None = None, end: dt.date | None = None) -> DataFrame:
        """The accepted rows of a kind with start <= event date < end, lazily; what is read is what was accepted.

        Raises:
            LakeDamagedError: it is not; the message names table, stream, arrival and rows.
            OtherLakeError: the lake is not there, or not the warehouse's.
        """
        lake = self.lake
        demand_whole(self.warehouse, lake, kind, start, end)
        return tables.read_accepted(self.spark, self.engine, lake, kind, KINDS[kind].schema, start, end)

    def rule_set_of(self, stream: Stream) -> str:
        """The rule set in force: `CIC_RULE_SET` for all streams, else the stream's own."""
        return self.rule_set or stream.rule_set

    def recipe_of(self, stream: Stream) -> Recipe:
        """What ingest makes the stream's rows with; another one makes its arrivals due."""
        return recipe_of(stream, self.rule_set_of(stream))
