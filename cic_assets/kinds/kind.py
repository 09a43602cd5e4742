"""What ingest must know of a kind of stream, and nothing else; the way of every kind through ingest is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cic_assets.kinds.locations import harmonise as locations
from cic_assets.kinds.sessions import harmonise as sessions
from cic_assets.kinds.status import harmonise as status
from cic_assets.lake.tables import ACCEPTED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: of the kind, and of its folder under `accepted`.
        harmonise: decoded records and their stream → the judged columns.
        entries: judged rows that no rule rejects, and their stream → the columns of `accepted`.
        newest: the judged column by which freshness is told.
        dated: the column of accepted rows that says in which day or month of facts a row is; None without facts.
        identity: columns by which a rerun knows a row again; a row that changed elsewhere changed here too.
    """

    name: str
    harmonise: Callable[[DataFrame, Any], DataFrame]
    entries: Callable[[DataFrame, Any], DataFrame]
    newest: str
    dated: str | None
    identity: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """Of the accepted rows."""
        return ACCEPTED[self.name]


KINDS: dict[str, Kind] = {
    "sessions": Kind(
        "sessions",
        sessions.harmonise,
        lambda judged, stream: judged,
        "started_at",
        "start_date",
        (
            "source_file", "source_line", "content_hash", "session_id", "start_date", "authority_id", "provider_id",
            "revenue", "flags",
        ),
    ),
    "status": Kind(
        "status",
        status.harmonise,
        status.entries,
        "heard_at",
        "status_date",
        (
            "source_file", "source_line", "arrived_at", "entry", "at", "since_at", "charge_point_id", "connector_id",
            "state", "source_status", "status_date", "authority_id", "covers_until", "flags",
        ),
    ),
    "locations": Kind(
        "locations",
        locations.harmonise,
        lambda judged, stream: judged,
        "arrived_at",
        None,
        (
            "source_file", "source_line", "charge_point_id", "charge_point_alias", "connector_id", "location_id",
            "location_name", "device_id", "rated_power_kw", "latitude", "longitude", "valid_from", "valid_to",
            "authority_id", "status", "flags",
        ),
    ),
}  # fmt: skip
