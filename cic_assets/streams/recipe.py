"""What ingest makes a stream's rows with: its file, the rule set in force and the rules of its kind as they are."""

from __future__ import annotations

import hashlib

from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.catalogue import Recipe


def recipe_of(stream: Stream, rule_set: str) -> Recipe:
    """The stream's recipe with a rule set; another one makes its arrivals due."""
    # Of its own kind alone: a changed rule of sessions, or a new kind, makes no arrival of states due.
    digest = hashlib.sha256(repr(rules_of(rule_set, stream.kind)).encode()).hexdigest()
    return Recipe(stream.id, stream.kind, (stream.fingerprint(), rule_set, digest), stream.reads_sightings)
