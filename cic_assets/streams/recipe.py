"""What ingest makes a stream's rows with: its file, the rule set in force and the rules as they are."""

from __future__ import annotations

import hashlib

from cic_assets.kinds import rules
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.catalogue import Recipe


def recipe_of(stream: Stream, rule_set: str) -> Recipe:
    """The stream's recipe with a rule set; another one makes its arrivals due."""
    digest = hashlib.sha256(repr(rules.RULES).encode()).hexdigest()
    return Recipe(stream.id, stream.kind, (stream.fingerprint(), rule_set, digest), stream.reads_sightings)
