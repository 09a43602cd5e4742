"""What `cic streams check` tells of a sample, as lines of plain text for somebody who can mend the stream file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from cic_assets.ingest.delivery import figures_of
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rules import RULES
from cic_assets.kinds.stream import Stream
from cic_assets.onboard.check import SampleReport

_MESSAGES = {rule.id: rule.message for rule in RULES}
_OF_MARK = {rule.mark: rule for rule in RULES if rule.severity == "flag"}
_BARS = "▁▂▃▄▅▆▇█"
_WORDS_SHOWN = 20


def lines(report: SampleReport, stream: Stream) -> Iterator[str]:
    """The summary; problems and hints are said apart."""
    count = report.count
    yield (
        f"{count.rows_in} rows: {count.accepted} accepted, {count.quarantined} rejected, {count.skipped} skipped "
        f"(rule set {report.rule_set})"
    )
    for line, row in report.first_rows:
        yield f"line {line}: " + ", ".join(f"{name}={_shown(value)}" for name, value in row.items())
    for rule, each in report.rejected.items():
        yield f"rejected {rule}, {each.rows} rows: {_MESSAGES[rule]}; first in line {each.line}: {each.text}"
    for mark, each in report.flagged.items():
        yield f"flagged {mark}, {each.rows} rows: {_meaning(mark)}; first in line {each.line}: {each.text}"
    if report.skipped:
        each, why = report.skipped, f"`where: {stream.where}`" if stream.where else "a message without a state"
        yield f"skipped, {each.rows} rows: left out by {why}; first in line {each.line}: {each.text}"
    yield from _figures(report, stream)


def _figures(report: SampleReport, stream: Stream) -> Iterator[str]:
    profile = report.profile
    if report.quantiles:
        yield "least, 5 %, median, 95 %, most:"
    for name, values in report.quantiles.items():
        yield f"  {name}: " + " · ".join(f"{value:.4g}" for value in values)
    if sum(profile.hours):
        highest = max(profile.hours)
        bars = "".join(_BARS[-(-rows * 7 // highest)] for rows in profile.hours)
        yield f"starts by hour of {stream.zone}, from midnight: {bars} ({', '.join(map(str, profile.hours))})"
    if report.dates:
        first, last, first_swapped, last_swapped = report.dates
        given, exchanged = f"from {first} to {last} as given", f"from {first_swapped} to {last_swapped}"
        yield f"starts {given}, {exchanged} with day and month exchanged"
    if profile.swap and profile.swap.doubtful:
        yield f"day and month: {figures_of(profile.swap)}"
    if profile.repaired:
        yield f"day and month were exchanged back in {profile.repaired} rows (date_repair)"
    if KINDS[stream.kind].has_points:
        yield f"charge points: {profile.charge_points}"
    if KINDS[stream.kind].work.repeated:
        yield f"ids: {profile.reused_ids} rows have ids of other sessions, {profile.repeats} repeat another row exactly"
    if profile.words:
        yield f"words for states: {_most_frequent(profile.words)}"


def _meaning(mark: str) -> str:
    """What a flag says: the rule's message, with its id where the mark is a word."""
    word, _, column = mark.partition(":")
    rule = _OF_MARK[word]
    said = rule.message if rule.id == mark else f"{rule.id}, {rule.message}"
    return f"{said} in {column}" if column else said


def _most_frequent(words: Mapping[str, int]) -> str:
    found = sorted(words.items(), key=lambda each: (-each[1], each[0]))
    more = f" and {len(found) - _WORDS_SHOWN} more" if found[_WORDS_SHOWN:] else ""
    return ", ".join(f"{word!r} {rows}" for word, rows in found[:_WORDS_SHOWN]) + more


def _shown(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.datetime | dt.date) else str(value)
