"""`cic streams check`: a file of the feed goes the way of ingest, without lake, warehouse or Dagster.

Decoded, harmonised, judged and looked at as a delivery by the code that ingest runs, by the same limits: what ingest
would warn of or hold is a problem here. What is told of it: `onboard/summary.py`; what to try: `onboard/advice.py`.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pyspark.sql import functions as F

from cic_assets.formats.read import read_records
from cic_assets.ingest.count import ByRule, IngestCount, count_by_rule, count_unreadable, newest_of
from cic_assets.ingest.decoded import write_decoded
from cic_assets.ingest.delivery import Profile, profiles
from cic_assets.ingest.judge import is_accepted, is_quarantined
from cic_assets.ingest.personal import Guard, Keys, absent_fields
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.onboard import advice
from cic_assets.onboard.problems import hints, problems
from cic_assets.onboard.sample import HIDDEN, Trial, hides, is_table, judged_sample, staging_of
from cic_assets.parts import Parts

# Least, 5 %, median, 95 %, most.
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
_EXAMPLE_CHARS = 160


@dataclass(frozen=True)
class Example:
    """How many rows something is said of, and the first of them as it may be shown."""

    rows: int
    line: int
    text: str


@dataclass(frozen=True)
class SampleReport:
    """What a stream file makes of a file of its feed.

    Attributes:
        rule_set: the one in force.
        count: as ingest would count it.
        profile: of the file as a delivery.
        first_rows: (line, the common model's columns) of the first accepted rows in the file's order.
        rejected: rule id → example.
        flagged: mark → example.
        skipped: what the stream's `where` leaves out.
        quantiles: figure → `QUANTILES` of it.
        dates: of the wall clock, the first and last start as given, and with day and month exchanged.
        problems: why the check fails: what ingest would warn of or hold. Empty if it doesn't.
        hints: what somebody should look at; the check passes all the same.
    """

    rule_set: str
    count: IngestCount
    profile: Profile = field(default_factory=Profile)
    first_rows: Sequence[tuple[int, Mapping[str, Any]]] = ()
    rejected: Mapping[str, Example] = field(default_factory=dict)
    flagged: Mapping[str, Example] = field(default_factory=dict)
    skipped: Example | None = None
    quantiles: Mapping[str, Sequence[float]] = field(default_factory=dict)
    dates: tuple[dt.date, dt.date, dt.date, dt.date] | None = None
    problems: Sequence[str] = ()
    hints: Sequence[str] = ()


def check_sample(
    parts: Parts,
    stream: Stream,
    sample: Path,
    arrived_at: dt.datetime | None = None,
    rows_shown: int = 5,
) -> SampleReport:
    """Lets a file go the way of ingest, and says what became of it.

    Args:
        parts: the engine and the rule set in force; of a cluster, the lake whose staging it reaches.
        stream: whose file it is.
        sample: the file.
        arrived_at: when it is taken to have arrived; now if not said.
        rows_shown: how many of the first accepted rows are shown.

    Raises:
        OSError: the sample can't be read.
        StreamFileError: the engine fails on an expression.
    """
    moment = arrived_at or dt.datetime.now(dt.UTC)
    with staging_of(parts) as staging, sample.open("rb") as handle:
        absent = absent_fields(handle, stream)
        reading = read_records(handle, stream.format, stream.record_level)
        # Nobody compares hashes of a sample.
        guard = Guard(stream, reading, Keys(secrets.token_bytes(), secrets.token_bytes()), absent)
        with staging.write("decoded.parquet") as target:
            rows_in = write_decoded(guard, "", target)
        trial = judged_sample(parts, guard, staging, sample.name, moment)
        profile = _profile(trial)
        if stream.repairs_swaps and profile.shows_swap:
            trial = judged_sample(parts, guard, staging, sample.name, moment, shows_swap=True)
            profile = _profile(trial)
        count = _count(trial, rows_in, moment.date())
        examples = _examples(trial)
        return SampleReport(
            parts.rule_set_of(stream),
            count,
            profile,
            _first_rows(trial, rows_shown),
            examples["rejected"],
            examples["flagged"],
            examples["skipped"].get("skipped"),
            _quantiles(trial),
            _dates(trial),
            list(problems(trial, handle, count, profile)),
            list(hints(trial, handle, sample, count, profile)),
        )


def _profile(trial: Trial) -> Profile:
    return next(iter(profiles(trial.counted, trial.stream).values()), Profile())


def _count(trial: Trial, rows_in: int, day: dt.date) -> IngestCount:
    stream = trial.stream
    rules = rules_of(trial.rule_set, stream.kind)
    found = count_by_rule(trial.counted, rules).get("", ByRule())
    return IngestCount(
        stream.id,
        day,
        rows_in=rows_in,
        accepted=found.rows - found.rejected - found.skipped,
        quarantined=found.rejected,
        fired=found.fired,
        disagreements={rule.id: found.wrong.get(rule.id, 0) for rule in rules},
        newest=newest_of(trial.counted, KINDS[stream.kind]),
        skipped=found.skipped,
        unreadable=count_unreadable(trial.counted).get("", {}),
    )


def _first_rows(trial: Trial, shown: int) -> list[tuple[int, dict[str, Any]]]:
    """The first accepted rows; what a field that looks personal stands in is not shown."""
    kind = KINDS[trial.stream.kind]
    names = kind.shown
    first = trial.judged.where(is_accepted()).orderBy("source_line").select("source_line", *names).limit(shown)
    hidden = {name for name in names if any(hides(trial.stream, made) for made in kind.made_of.get(name, (name,)))}
    rows = first.toArrow().to_pylist()
    return [
        (row["source_line"], {name: HIDDEN if name in hidden and row[name] else row[name] for name in names})
        for row in rows
    ]


def _examples(trial: Trial) -> dict[str, dict[str, Example]]:
    """rejected, flagged or skipped → rule or mark → how many rows, and the first of them."""
    text = F.concat_ws(" ", F.col("raw"), F.concat(F.lit("("), F.col("detail"), F.lit(")")))
    # Of a table without names, nobody knows in which column persons stand.
    is_nameless = is_table(trial.stream) and advice.is_row(trial.guard.reading.columns)
    text = F.lit(HIDDEN) if is_nameless else F.substring(text, 1, _EXAMPLE_CHARS)
    what = F.when(F.col("skipped"), "skipped").when(is_quarantined(), "rejected").when(F.size("flags") > 0, "flagged")
    words = F.when(F.col("skipped"), F.array(F.lit("skipped"))).when(is_quarantined(), F.col("reasons"))
    rows = trial.judged.select(
        what.alias("what"), words.otherwise(F.col("flags")).alias("words"), "source_line", text.alias("text")
    )
    found = (
        rows.select("what", F.explode("words").alias("word"), "source_line", "text")
        .groupBy("what", "word")
        .agg(F.count(F.lit(1)).alias("count"), F.min(F.struct("source_line", "text")).alias("first"))
        .orderBy("what", "word")
    )
    examples: dict[str, dict[str, Example]] = {"rejected": {}, "flagged": {}, "skipped": {}}
    for row in found.toArrow().to_pylist():
        first = row["first"]
        examples[row["what"]][row["word"]] = Example(int(row["count"]), int(first["source_line"]), first["text"] or "")
    return examples


def _quantiles(trial: Trial) -> dict[str, list[float]]:
    """Of what makes a wrong unit plain, such as energy, mean power and rating."""
    figures = KINDS[trial.stream.kind].work.sizes(partial(_numbers, trial))
    known = {name: pc.drop_null(values) for name, values in figures.items()}
    return {name: pc.quantile(values, list(QUANTILES)).to_pylist() for name, values in known.items() if len(values)}


def _numbers(trial: Trial, column: str) -> Any:
    return pc.cast(trial.rows.to_table([column])[column], "double", safe=False)


def _dates(trial: Trial) -> tuple[dt.date, dt.date, dt.date, dt.date] | None:
    if "date" not in KINDS[trial.stream.kind].work.figures(trial.stream).counted:
        return None
    from cic_assets.kinds.swap import swapped_date

    walls = trial.rows.to_table(["started_wall_given"])["started_wall_given"]
    given = [date for date in pc.unique(pc.cast(walls, "date32")).to_pylist() if date is not None]
    swapped = [swapped_date(date) for date in given]
    return (min(given), max(given), min(swapped), max(swapped)) if given else None
