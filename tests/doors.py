"""How tests reach what they look at."""

from __future__ import annotations

from contextlib import AbstractContextManager

from cic_assets.ingest.decode import decode
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import journal
from cic_assets.ledger.catalogue import LandedObject
from cic_assets.orchestrate.doors import parts_of, warehouse_of
from cic_assets.parts import Parts
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Connection, Role


def connect(settings: Settings, role: Role | None = None) -> AbstractContextManager[Connection]:
    """A transaction of the platform's own, or one of those who look."""
    warehouse = warehouse_of(settings)
    return warehouse.looking(role) if role else warehouse.transaction()


def agree(settings: Settings, limit: int | None = None) -> journal.Agreement:
    """Makes journal and catalogue say the same."""
    parts = parts_of(settings)
    return journal.agree(parts.warehouse, parts.lake, limit)


def decode_one(parts: Parts, stream: Stream, landed: LandedObject) -> tuple[str, int]:
    """(path, records) of one object's decoded file, made if need be."""
    return decode(parts, stream, [landed])[landed.sha256]
