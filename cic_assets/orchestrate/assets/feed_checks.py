"""Dagster's checks of whether feeds are well. Ingest evaluates its streams'; the sensor `feeds` all, without a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from dagster import AssetCheckEvaluation, AssetCheckResult, AssetCheckSeverity

from cic_assets.ingest.feeds import ALIVE, FEED_CHECKS, KNOWN, FeedState
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.assets.keys import accepted_key

# A dead or silent feed is an error; a share is a warning.
_SEVERITIES = {KNOWN: AssetCheckSeverity.WARN}


def feed_checks_of(stream: Stream) -> dict[str, str]:
    """Check → what holds; only states can be unknown."""
    left_out = () if KINDS[stream.kind].has_words else (KNOWN, ALIVE)
    return {name: text for name, text in FEED_CHECKS.items() if name not in left_out}


def feed_results(streams: Mapping[str, Stream], states: Iterable[FeedState]) -> Iterator[AssetCheckResult]:
    """The states as a run yields them."""
    for state in states:
        yield AssetCheckResult(
            check_name=state.check,
            asset_key=accepted_key(streams[state.stream_id]),
            passed=state.passed,
            severity=_severity(state),
            description=state.wrong or None,
            metadata={"id": state.check},
        )


def feed_evaluations(streams: Mapping[str, Stream], states: Iterable[FeedState]) -> Iterator[AssetCheckEvaluation]:
    """The states as they are reported without a run."""
    for state in states:
        yield AssetCheckEvaluation(
            asset_key=accepted_key(streams[state.stream_id]),
            check_name=state.check,
            passed=state.passed,
            severity=_severity(state),
            description=state.wrong or None,
            metadata={"id": state.check},
        )


def changed(states: Iterable[FeedState], cursor: str | None) -> tuple[list[FeedState], str]:
    """The states that are others than when they were last reported, and what to remember of all."""
    before = json.loads(cursor) if cursor else {}
    now = {f"{state.stream_id} {state.check}": state for state in states}
    news = [state for name, state in now.items() if before.get(name) != state.wrong]
    return news, json.dumps({name: state.wrong for name, state in now.items()})


def _severity(state: FeedState) -> AssetCheckSeverity:
    return _SEVERITIES.get(state.check, AssetCheckSeverity.ERROR)
