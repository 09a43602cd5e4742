"""Names of the assets of streams: what was landed, and what was accepted of it."""

from __future__ import annotations

from dagster import AssetKey

from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream

# The table of all streams of a kind.
ACCEPTED = {kind: AssetKey(["accepted", kind]) for kind in KINDS}


def raw_key(stream_id: str) -> AssetKey:
    """The asset of a stream's landed objects."""
    return AssetKey(["raw", stream_id])


def accepted_key(stream: Stream) -> AssetKey:
    """The asset of one stream's accepted rows: its checks are its own, and red is red for it alone."""
    return AssetKey(["accepted", stream.kind, stream.id])
