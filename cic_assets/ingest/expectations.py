"""The Great Expectations suite of a stream, made from its rules and its batch expectations.

One pass over the rows has counted what every rule saw (`ingest/judge.py`); the suite looks at those counts, one row
per arrival. Five expectations on 7.2 million rows, each with a scan of its own, took 17 s; on counts it is constant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from cic_assets.kinds.rule import Rule
from cic_assets.kinds.stream import Stream

if TYPE_CHECKING:
    from cic_assets.ingest.count import IngestCount

# Checks that are not a rule's: name → what holds.
BATCH_CHECKS = {
    "rows_add_up": "decoded records = accepted + quarantined + skipped, counted as they are about to be written",
    "schema": "every file has the fields that the stream's expressions read",
    "new_columns": "no file has a field that no earlier arrival had; marts.data_quality_day.new_columns names them",
    "volume": "at least batch.min_rows rows in each arrival",
    "share_rejected": "at most batch.max_rejected_pct of the rows are rejected",
    "freshness": "the newest start is at most batch.max_age_days older than the arrival",
}
BLOCKING_BATCH_CHECKS = ("rows_add_up",)


@dataclass(frozen=True)
class CheckOutcome:
    """One check of one stream: its name (a rule id or a key of `BATCH_CHECKS`), and how many rows broke it."""

    stream_id: str
    check: str
    passed: bool
    count: int
    detail: str


def validate(
    stream: Stream, rules: Sequence[Rule], counts: Sequence[IngestCount], docs: Path | None
) -> list[CheckOutcome]:
    """Runs the stream's suite on the counts of its arrivals.

    Args:
        stream: whose suite.
        rules: the rule set in force.
        counts: one per arrival, at least one.
        docs: folder of the Data Docs, or None for none.
    """
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    frame = pd.DataFrame(_rows(stream, counts))
    batch = (
        context.data_sources.add_pandas("counts")
        .add_dataframe_asset(stream.id)
        .add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=stream.id, expectations=list(_expectations(stream, rules))))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=stream.id, data=batch, suite=suite))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=stream.id, validation_definitions=[definition],
            actions=[_docs_action(context, docs)] if docs else [], result_format="SUMMARY",
        )
    )  # fmt: skip
    (result,) = checkpoint.run(batch_parameters={"dataframe": frame}).run_results.values()
    return [_outcome(stream, frame, item) for item in result.results]


class _Compiled(BytecodeCache):
    """Templates compiled once in a process: Great Expectations makes an environment for each page, which knows none."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """What is known of a template's source."""
        if (code := self._known.get(f"{bucket.key} {bucket.checksum}")) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps it."""
        self._known[f"{bucket.key} {bucket.checksum}"] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def _docs_action(context: Any, docs: Path) -> Any:
    """What writes the Data Docs into a folder."""
    import great_expectations as gx
    from great_expectations.render.view import view

    # Compiling was 0.13 of the 0.17 CPU seconds of a stream's page.
    view.Environment = partial(Environment, bytecode_cache=_COMPILED)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
    site = {
        "class_name": "SiteBuilder",
        "store_backend": backend,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site("local", site)
    return gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=["local"])


def fired_pct(stream: Stream, rule: Rule, count: IngestCount) -> float:
    """Rows of an arrival on which a rule fired, in per cent; NaN where rows are too few to tell, unless none may be."""
    if not count.rows_in or (count.rows_in < stream.delivery.min_rows and stream.limit_pct(rule)):
        return float("nan")
    return 100 * count.fired.get(rule.id, 0) / count.rows_in


def _rows(stream: Stream, counts: Iterable[IngestCount]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for count in counts:
        arrival = dt.datetime.combine(count.arrival_date, dt.time(), dt.UTC)
        newest = count.newest
        rows.append(
            {
                "arrival_date": count.arrival_date.isoformat(),
                "rows_in": count.rows_in,
                "unaccounted": count.unaccounted,
                "missing_field_rows": count.fired.get("D02", 0),
                "new_columns": len(count.new_columns),
                # What is held breaks no rule; another check names it.
                "rejected_pct": 100 * (count.quarantined - count.held) / count.rows_in if count.rows_in else 0.0,
                "age_days": float("nan") if newest is None else (arrival - newest).total_seconds() / 86_400,
                **{f"contradictions_{rule}": wrong for rule, wrong in count.disagreements.items()},
            }
        )
    return rows


@dataclass(frozen=True)
class Bound:
    """What a count of every arrival must be within.

    Attributes:
        check: a rule id or a key of `BATCH_CHECKS`.
        column: of `_rows`, or `fired_pct_` and a rule's id.
        note: what holds, for people.
    """

    check: str
    column: str
    note: str
    min_value: float | None = None
    max_value: float | None = None

    def is_broken(self, value: float) -> bool:
        """Whether a value is out of bounds; what is not known is not."""
        return (self.min_value is not None and value < self.min_value) or (
            self.max_value is not None and value > self.max_value
        )


def bounds(stream: Stream, rules: Sequence[Rule]) -> Iterable[Bound]:
    """What the suite of a stream demands."""
    for rule in rules:
        note = f"{rule.id} ({rule.severity}): {rule.message}. Source: {rule.source}. No row contradicts the rule."
        yield Bound(rule.id, f"contradictions_{rule.id}", note, max_value=0)

    def batch(check: str, column: str, least: float | None = None, most: float | None = None) -> Bound:
        return Bound(check, column, BATCH_CHECKS[check], least, most)

    yield batch("rows_add_up", "unaccounted", 0, 0)
    yield batch("schema", "missing_field_rows", most=0)
    yield batch("new_columns", "new_columns", most=0)
    yield batch("volume", "rows_in", stream.batch.min_rows)
    yield batch("share_rejected", "rejected_pct", most=stream.batch.max_rejected_pct)
    if stream.batch.max_age_days is not None:
        yield batch("freshness", "age_days", most=stream.batch.max_age_days)


def limits(stream: Stream, rules: Sequence[Rule]) -> Iterable[Bound]:
    """On how many rows of an arrival the rules may fire.

    Not in the suite, where they took 0.45 s of CPU time for each ingest of a stream, of 1.0 s in all.
    """
    for rule in rules:
        limit = stream.limit_pct(rule)
        if limit < 100:
            note = f"{rule.message}: on at most {limit:g} % of the rows of an arrival"
            yield Bound(rule.id, f"fired_pct_{rule.id}", note, max_value=limit)


def broken(stream: Stream, rules: Sequence[Rule], count: IngestCount) -> list[tuple[Bound, float]]:
    """What one arrival breaks, and by which value: the suite as `validate` finds it, without its 5 s, and limits."""
    (row,) = _rows(stream, [count])
    row |= {f"fired_pct_{rule.id}": fired_pct(stream, rule, count) for rule in rules}
    demands = [*bounds(stream, rules), *limits(stream, rules)]
    return [(each, row[each.column]) for each in demands if each.is_broken(row[each.column])]


def _expectations(stream: Stream, rules: Sequence[Rule]) -> Iterable[Any]:
    from great_expectations import expectations as gxe

    for each in bounds(stream, rules):
        limits = {"min_value": each.min_value, "max_value": each.max_value}
        given = {name: value for name, value in limits.items() if value is not None}
        yield gxe.ExpectColumnValuesToBeBetween(
            column=each.column, meta={"check": each.check}, notes=each.note, **given
        )


def _outcome(stream: Stream, frame: pd.DataFrame, item: Any) -> CheckOutcome:
    check = str(item.expectation_config.meta["check"])
    column = str(item.expectation_config.kwargs["column"])
    arrivals = int(item.result.get("unexpected_count") or 0)
    # Of rows for a rule and the identities; of arrivals for what is said of an arrival.
    counts_rows = column.startswith("contradictions_") or column in ("unaccounted", "missing_field_rows", "new_columns")
    count = int(frame[column].abs().sum()) if counts_rows else arrivals
    values = [str(value) for value in item.result.get("partial_unexpected_list") or []][:5]
    detail = f"{column}: {', '.join(values)} in {arrivals} of {len(frame)} arrivals" if values else ""
    return CheckOutcome(stream.id, check, bool(item.success), count, detail)
