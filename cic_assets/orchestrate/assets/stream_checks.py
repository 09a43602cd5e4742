"""The checks of one stream's accepted rows: rules, batch expectations, and what its last ingest could not take.

They stand on the stream's own asset, so that another stream's ingest says nothing about them. A rule's check fails as
an error where the rule contradicts itself (`infra/decisions/0001`), as a warning where it rejects or flags more rows of
an arrival than the stream's limit; its figures are shown either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, MetadataValue

from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.expectations import BATCH_CHECKS, BLOCKING_BATCH_CHECKS, CheckOutcome, fired_pct, validate
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rule import WITHOUT_LIMIT, Rule
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
# The rule whose check names columns, and warns of any value that can't be read.
UNREADABLE = "U01"


def check_specs(stream: Stream) -> list[AssetCheckSpec]:
    """All checks that a stream's asset has.

    None blocks: an arrival that may not replace anything has failed, and the marts of other streams go on.
    """
    texts = {
        INGESTED: "ingest could take every arrival; what it could not is named, and the stream keeps what it had",
        **{each.check_name: _description(stream, each) for each in RULES if stream.kind in each.kinds},
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
        *_rule_results(stream, rule_set, outcomes, counts),
        *_batch_results(stream, outcomes),
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


def _description(stream: Stream, rule: Rule) -> str:
    """What the check looks for, and when it fails."""
    limit = stream.limit_pct(rule)
    beyond = f" Warning: on more than {limit:g} % of the rows of an arrival." if limit < 100 else ""
    return (
        f"{rule.id} {_VERBS[rule.severity]} rows: {rule.message} (source: {rule.source}).{beyond} Error: the rule "
        "contradicts itself, a defect of the rule and not of the data."
    )


_VERBS = {"reject": "rejects", "flag": "flags"}
_DONE = {"reject": "rejected", "flag": "flagged"}


def _rule_results(
    stream: Stream, rule_set: str, outcomes: Sequence[CheckOutcome], counts: Sequence[IngestCount]
) -> Iterator[AssetCheckResult]:
    """One result per rule of the kind; one that the rule set in force does not have is passed and says so."""
    in_force = {rule.id for rule in rules_of(rule_set, stream.kind)}
    for rule in (each for each in RULES if stream.kind in each.kinds):
        if rule.id not in in_force:
            yield AssetCheckResult(
                check_name=rule.check_name,
                asset_key=accepted_key(stream),
                passed=True,
                description=f"not in the rule set {rule_set}",
                metadata={"rule": rule.id},
            )
            continue
        defects = [each for each in outcomes if each.check == rule.id and not each.passed]
        yield _rule_result(stream, rule, defects, counts)


def _rule_result(
    stream: Stream, rule: Rule, defects: Sequence[CheckOutcome], counts: Sequence[IngestCount]
) -> AssetCheckResult:
    """What a rule found: contradictions of its own before rows beyond the limit, and its figures in any case."""
    rows, rows_in = sum(each.fired.get(rule.id, 0) for each in counts), sum(each.rows_in for each in counts)
    figures: dict[str, str | int | float] = {
        "rule": rule.id,
        "rows": rows,
        "rows_in": rows_in,
        "share_pct": round(100 * rows / rows_in, 3) if rows_in else 0.0,
        "contradictions": sum(each.count for each in defects),
    }
    if rule.id not in WITHOUT_LIMIT:
        figures["limit_pct"] = stream.limit_pct(rule)
    said = f"{rows:,} of {rows_in:,} rows {_DONE[rule.severity]} ({figures['share_pct']:.3g} %)"
    wrong = _unread(counts) if rule.id == UNREADABLE else _beyond(stream, rule, counts)
    if defects:
        said = (
            f"the rule contradicts itself on {figures['contradictions']:,} rows: a defect of the rule, not of the data;"
            f" those arrivals keep the rows that they had. {'; '.join(each.detail for each in defects)}"
        )
    elif wrong:
        said += f"; {wrong}"
    return AssetCheckResult(
        check_name=rule.check_name,
        asset_key=accepted_key(stream),
        passed=not defects and not wrong,
        severity=AssetCheckSeverity.ERROR if defects else AssetCheckSeverity.WARN,
        description=said,
        metadata=figures,
    )


def _beyond(stream: Stream, rule: Rule, counts: Sequence[IngestCount]) -> str:
    """Names the arrivals of which a rule rejects or flags more rows than the stream's limit; empty for none."""
    limit, shares = stream.limit_pct(rule), {each.arrival_date: fired_pct(stream, rule, each) for each in counts}
    found = [f"{day} ({share:.3g} %)" for day, share in shares.items() if share > limit]
    if not found:
        return ""
    more = f" and {len(found) - NAMED} more" if found[NAMED:] else ""
    return f"more than the limit of {limit:g} % in arrivals of {', '.join(found[:NAMED])}{more}"


def _unread(counts: Sequence[IngestCount]) -> str:
    """Names the columns of which values are there and were not read, and how many; empty where all were read."""
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for count in counts:
        found.update({name: unread for name, (_, unread) in count.unreadable.items() if unread})
        there.update({name: present for name, (present, _) in count.unreadable.items()})
    if not found:
        return ""
    columns = ", ".join(f"{name} {values} of {there[name]}" for name, values in sorted(found.items()))
    return f"values that are there can't be read: {columns}: mend the expressions of the stream file or the feed"


def _batch_results(stream: Stream, outcomes: Sequence[CheckOutcome]) -> Iterator[AssetCheckResult]:
    """One result per batch expectation; one that the stream does not have is passed and says so."""
    for name, message in BATCH_CHECKS.items():
        mine = [outcome for outcome in outcomes if outcome.check == name]
        failed = [outcome for outcome in mine if not outcome.passed]
        count = sum(outcome.count for outcome in failed)
        yield AssetCheckResult(
            check_name=name,
            asset_key=accepted_key(stream),
            passed=not failed,
            severity=AssetCheckSeverity.ERROR if name in BLOCKING_BATCH_CHECKS else AssetCheckSeverity.WARN,
            description=f"{name}: {count} against: {message}" if failed else None,
            metadata={
                "id": name,
                "count": count,
                "checked": bool(mine),
                "found": MetadataValue.text("; ".join(outcome.detail for outcome in failed)),
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
