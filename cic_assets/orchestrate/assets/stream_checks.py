"""The checks of one stream's accepted rows: rules, batch expectations, and what its last ingest could not take.

They stand on the stream's own asset, so that another stream's ingest says nothing about them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, MetadataValue

from cic_assets.ingest.expectations import BATCH_CHECKS, BLOCKING_BATCH_CHECKS, CheckOutcome, validate
from cic_assets.ingest.ingest import IngestCount
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rules import RULES, rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.failures import IngestFailure
from cic_assets.orchestrate.assets.delivery_checks import DELIVERY_CHECKS
from cic_assets.orchestrate.assets.feed_checks import feed_checks_of
from cic_assets.orchestrate.assets.keys import accepted_key

# Nothing is outstanding: every arrival was taken.
INGESTED = "ingested"
UNMAPPED = "unmapped_status"
# Arrivals or deliveries that a message names; it counts all.
NAMED = 20
# The rule whose check also says what could not be read.
UNREADABLE = "U01"


def check_specs(stream: Stream) -> list[AssetCheckSpec]:
    """All checks that a stream's asset has.

    None blocks: an arrival that may not replace anything has failed, and the marts of other streams go on.
    """
    texts = {
        INGESTED: "ingest could take every arrival; what it could not is named, and the stream keeps what it had",
        **{r.id: f"{r.severity}: {r.message} ({r.source})" for r in RULES if stream.kind in r.kinds},
        **BATCH_CHECKS,
        **DELIVERY_CHECKS,
        **feed_checks_of(stream),
    }
    if KINDS[stream.kind].has_words:
        texts[UNMAPPED] = "every word for a state is in the stream's vocabulary"
    return [AssetCheckSpec(name, asset=accepted_key(stream), description=text) for name, text in texts.items()]


def count_checks(stream: Stream, rule_set: str, counts: Sequence[IngestCount], docs: Path) -> list[AssetCheckResult]:
    """What an ingest's counts say, and the stream's Data Docs.

    Args:
        stream: whose arrivals were counted.
        rule_set: the one in force.
        counts: one per arrival, at least one.
        docs: folder of the Data Docs.
    """
    outcomes = validate(stream, rules_of(rule_set, stream.kind), counts, docs)
    unmapped = [_unmapped(stream, counts)] if KINDS[stream.kind].has_words else []
    return [
        *_results(stream, outcomes),
        _unreadable(stream, outcomes, counts),
        *unmapped,
    ]


def ingested(stream: Stream, failed: Sequence[IngestFailure]) -> AssetCheckResult:
    """Names the arrivals that ingest could not take, also those of earlier runs that still wait."""
    return AssetCheckResult(
        check_name=INGESTED,
        asset_key=accepted_key(stream),
        passed=not failed,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(failure.message for failure in failed[:NAMED]) if failed else None,
        metadata={"arrivals": len(failed), "attempts": max((failure.attempts for failure in failed), default=0)},
    )


def _results(stream: Stream, outcomes: Sequence[CheckOutcome]) -> Iterator[AssetCheckResult]:
    """One result per rule and batch expectation; one that the stream does not have is passed and says so."""
    messages = {rule.id: rule.message for rule in RULES if stream.kind in rule.kinds} | BATCH_CHECKS
    warnings = set(BATCH_CHECKS) - set(BLOCKING_BATCH_CHECKS)
    messages.pop(UNREADABLE)
    for name, message in messages.items():
        mine = [outcome for outcome in outcomes if outcome.check == name]
        failed = [outcome for outcome in mine if not outcome.passed]
        count = sum(outcome.count for outcome in failed)
        yield AssetCheckResult(
            check_name=name,
            asset_key=accepted_key(stream),
            passed=not failed,
            severity=AssetCheckSeverity.WARN if name in warnings else AssetCheckSeverity.ERROR,
            description=f"{name}: {count} against: {message}" if failed else None,
            metadata={
                "id": name,
                "count": count,
                "checked": bool(mine),
                "found": MetadataValue.text("; ".join(outcome.detail for outcome in failed)),
            },
        )


def _unreadable(stream: Stream, outcomes: Sequence[CheckOutcome], counts: Sequence[IngestCount]) -> AssetCheckResult:
    """Names the columns of which values are there and were not read, and how many; the rule's own audit with it."""
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for count in counts:
        found.update({name: unread for name, (_, unread) in count.unreadable.items() if unread})
        there.update({name: present for name, (present, _) in count.unreadable.items()})
    said = ", ".join(f"{name} {rows} of {there[name]}" for name, rows in sorted(found.items()))
    broken = [outcome for outcome in outcomes if outcome.check == UNREADABLE and not outcome.passed]
    return AssetCheckResult(
        check_name=UNREADABLE,
        asset_key=accepted_key(stream),
        passed=not found and not broken,
        severity=AssetCheckSeverity.ERROR if broken else AssetCheckSeverity.WARN,
        description=f"values that are there can't be read: {said}: mend the expressions of the stream file or the feed"
        if found
        else None,
        metadata={
            "id": UNREADABLE,
            "count": sum(found.values()),
            "columns": said,
            "found": MetadataValue.text("; ".join(outcome.detail for outcome in broken)),
        },
    )


def _unmapped(stream: Stream, counts: Sequence[IngestCount]) -> AssetCheckResult:
    """Names the words that the vocabulary does not know; their rows count as UNKNOWN."""
    found: Counter[str] = Counter()
    for count in counts:
        found.update(count.unmapped)
    words = ", ".join(f"{word!r} {rows} times" for word, rows in sorted(found.items()))
    return AssetCheckResult(
        check_name=UNMAPPED,
        asset_key=accepted_key(stream),
        passed=not found,
        severity=AssetCheckSeverity.WARN,
        description=f"no vocabulary knows {words}: add to vocabulary.words of the stream file" if found else None,
        metadata={"id": "E03", "count": sum(found.values()), "words": words},
    )
