"""What ingest makes a stream's rows with: its file, the rule set in force and the rules as they are."""

from __future__ import annotations

import hashlib

from cic_assets.kinds import rules
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.catalogue import Recipe
from cic_assets.settings import Settings


def rule_set_of(settings: Settings, stream: Stream) -> str:
    """The rule set in force: `CIC_RULE_SET` for all streams, else the stream's own."""
    return settings.rule_set or stream.rule_set


def recipe_of(settings: Settings, stream: Stream) -> Recipe:
    """The stream's recipe; another one makes its arrivals due."""
    digest = hashlib.sha256(repr(rules.RULES).encode()).hexdigest()
    parts = (stream.fingerprint(), rule_set_of(settings, stream), digest)
    return Recipe(stream.id, stream.kind, parts, stream.reads_sightings)
