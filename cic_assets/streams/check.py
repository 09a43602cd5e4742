"""`cic streams check`: a file of the feed goes the way of ingest, without lake, warehouse or Dagster.

Decoded, harmonised, judged and looked at as a delivery by the code that ingest runs, by the same limits: what ingest
would warn of or hold is a problem here. What is told of it: `streams/summary.py`; what to try: `streams/advice.py`.
"""

from __future__ import annotations

import datetime as dt
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow.compute as pc
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from cic_assets.facts.sessions import named_ids, told_apart
from cic_assets.lake.decode import decoded_schema, names_twice, write_decoded
from cic_assets.lake.engine_errors import engine_failure
from cic_assets.lake.ingest import IngestCount, rule_set_of
from cic_assets.lake.kinds import KINDS
from cic_assets.lake.personal import Guard, Keys, absent_fields, held_reason
from cic_assets.lake.records import read_records
from cic_assets.lake.staging import staging_folder, write_and_read
from cic_assets.lake.tables import spark_schema
from cic_assets.lake.zones import Lake
from cic_assets.quality.delivery import Profile, findings, profiles
from cic_assets.quality.expectations import broken
from cic_assets.quality.judge import (
    EVERY,
    SKIPPED,
    count_by_rule,
    count_unreadable,
    is_accepted,
    is_quarantined,
    judge,
)
from cic_assets.quality.rules import rules_of
from cic_assets.settings import Settings
from cic_assets.streams import advice
from cic_assets.streams.load import StreamFileError
from cic_assets.streams.model import SessionsStream, Stream, referenced_fields
from cic_assets.streams.personal import undecided, undecided_hint

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from cic_assets.lake.rows import Rows

SHOWN = {
    "sessions": (
        "session_id", "charge_point_id", "connector_id", "started_at", "ended_at", "start_date", "energy_kwh",
        "revenue", "currency", "rated_power_kw", "flags",
    ),
    "status": ("charge_point_id", "connector_id", "source_status", "state", "event_at", "confirmed_at", "flags"),
    "locations": (
        "charge_point_id", "connector_id", "location_id", "location_name", "device_id", "rated_power_kw", "latitude",
        "longitude", "valid_from", "flags",
    ),
}  # fmt: skip
# Columns of the common model → columns of the stream file that they are made of.
_MADE_OF = {
    "charge_point_id": ("charge_point", "charge_point_alias"), "rated_power_kw": ("rated_power",),
    "energy_kwh": ("energy",), "revenue": ("cost",), "source_status": ("status",), "state": ("status",),
}  # fmt: skip
HIDDEN = "(not shown)"
# Least, 5 %, median, 95 %, most.
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
_EXAMPLE_CHARS, _NAMES_SHOWN = 160, 40


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


@dataclass(frozen=True)
class _Trial:
    """A file on its way: what it says of itself, and its rows."""

    settings: Settings
    stream: Stream
    guard: Guard
    staging: Lake
    records: DataFrame
    judged: DataFrame

    @property
    def rows(self) -> Rows:
        """The judged rows, read past the engine."""
        from pyspark.sql.pandas.types import to_arrow_schema

        return self.staging.parquet("judged", to_arrow_schema(self.judged.schema))


def check_sample(
    settings: Settings,
    spark: SparkSession,
    stream: Stream,
    sample: Path,
    arrived_at: dt.datetime | None = None,
    rows_shown: int = 5,
) -> SampleReport:
    """Lets a file go the way of ingest, and says what became of it.

    Args:
        settings: the rule set in force; of a cluster, the lake whose staging it reaches.
        spark: the engine.
        stream: whose file it is.
        sample: the file.
        arrived_at: when it is taken to have arrived; now if not said.
        rows_shown: how many of the first accepted rows are shown.

    Raises:
        OSError: the sample can't be read.
        StreamFileError: the engine fails on an expression.
    """
    moment = arrived_at or dt.datetime.now(dt.UTC)
    with _staging(settings) as staging, sample.open("rb") as handle:
        absent = absent_fields(handle, stream)
        reading = read_records(handle, stream.format, stream.record_level)
        # Nobody compares hashes of a sample.
        guard = Guard(stream, reading, Keys(secrets.token_bytes(), secrets.token_bytes()), absent)
        with staging.write("decoded.parquet") as target:
            rows_in = write_decoded(guard, "", target)
        trial = _judged(settings, spark, guard, staging, sample.name, moment)
        profile = _profile(trial)
        if isinstance(stream, SessionsStream) and stream.date_repair and stream.date_repair.auto and profile.shows_swap:
            trial = _judged(settings, spark, guard, staging, sample.name, moment, shows_swap=True)
            profile = _profile(trial)
        count = _count(trial, rows_in, moment.date())
        examples = _examples(trial)
        return SampleReport(
            rule_set_of(settings, stream),
            count,
            profile,
            _first_rows(trial, rows_shown),
            examples["rejected"],
            examples["flagged"],
            examples["skipped"].get("skipped"),
            _quantiles(trial),
            _dates(trial),
            list(_problems(trial, handle, count, profile)),
            list(_hints(trial, handle, sample, profile)),
        )


@contextmanager
def _staging(settings: Settings) -> Iterator[Lake]:
    """Scratch that the engine reaches: a cluster only the lake's."""
    if settings.spark.startswith("sc://"):
        with staging_folder(settings) as staging:
            yield staging
    else:
        with tempfile.TemporaryDirectory(prefix="cic-check-") as folder:
            yield Lake(folder)


def _judged(
    settings: Settings,
    spark: SparkSession,
    guard: Guard,
    staging: Lake,
    name: str,
    moment: dt.datetime,
    *,
    shows_swap: bool = False,
) -> _Trial:
    stream = guard.stream
    decoded = spark.read.schema(spark_schema(decoded_schema(stream))).parquet(staging.uri("decoded.parquet"))
    records = decoded.withColumns(
        {
            "arrival_date": F.lit(moment.date()),
            "source_file": F.lit(name),
            "arrived_at": F.lit(moment),
            "cic.shows_swap": F.lit(shows_swap),
        }
    )
    rules = rules_of(rule_set_of(settings, stream), stream.kind)
    try:
        judged = judge(KINDS[stream.kind].harmonise(records, stream), rules, stream.overrides)
        judged = write_and_read(spark, judged, staging.uri("judged"))
    except PySparkException as error:
        raise StreamFileError(engine_failure(stream, error, records)) from error
    return _Trial(settings, stream, guard, staging, records, judged)


def _profile(trial: _Trial) -> Profile:
    return next(iter(profiles(trial.judged, trial.stream).values()), Profile())


def _count(trial: _Trial, rows_in: int, day: dt.date) -> IngestCount:
    stream = trial.stream
    rules = rules_of(rule_set_of(trial.settings, stream), stream.kind)
    found = dict(count_by_rule(trial.judged, rules).get(day, {}))
    every, quarantined = found.pop(EVERY, (0, 0))
    skipped, _ = found.pop(SKIPPED, (0, 0))
    (newest,) = trial.judged.where(is_accepted()).agg(F.max(KINDS[stream.kind].newest).alias("n")).toArrow().to_pylist()
    return IngestCount(
        stream.id,
        day,
        rows_in,
        every - quarantined - skipped,
        quarantined,
        {rule: fired for rule, (fired, _) in found.items()},
        {rule.id: found.get(rule.id, (0, 0))[1] for rule in rules},
        newest["n"],
        skipped=skipped,
        unreadable=count_unreadable(trial.judged).get(day, {}),
    )


def _first_rows(trial: _Trial, shown: int) -> list[tuple[int, dict[str, Any]]]:
    """The first accepted rows; what a field that looks personal stands in is not shown."""
    names = SHOWN[trial.stream.kind]
    first = trial.judged.where(is_accepted()).orderBy("source_line").select("source_line", *names).limit(shown)
    hidden = {name for name in names if any(_hides(trial.stream, made) for made in _MADE_OF.get(name, (name,)))}
    rows = first.toArrow().to_pylist()
    return [
        (row["source_line"], {name: HIDDEN if name in hidden and row[name] else row[name] for name in names})
        for row in rows
    ]


def _hides(stream: Stream, column: str) -> bool:
    """Whether a column of the stream file reads a field that looks personal and of which the file does not say so."""
    ways = (column, column.replace("_at", "_local"))
    return any(undecided(stream, referenced_fields(stream.columns[way])) for way in ways if way in stream.columns)


def _examples(trial: _Trial) -> dict[str, dict[str, Example]]:
    """rejected, flagged or skipped → rule or mark → how many rows, and the first of them."""
    text = F.concat_ws(" ", F.col("raw"), F.concat(F.lit("("), F.col("detail"), F.lit(")")))
    # Of a table without names, nobody knows in which column persons stand.
    is_nameless = trial.stream.format.type in ("csv", "xlsx") and advice.is_row(trial.guard.reading.columns)
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


def _quantiles(trial: _Trial) -> dict[str, list[float]]:
    """Of what makes a wrong unit plain: energy, mean power and rating."""
    if trial.stream.kind == "locations":
        return _some_quantiles({"rating, kW": _numbers(trial, "rated_power_kw")})
    if trial.stream.kind != "sessions":
        return {}
    energy, rated, lasted = (_numbers(trial, name) for name in ("energy_kwh", "rated_power_kw", "duration_micros"))
    hours = pc.divide(pc.if_else(pc.greater(lasted, 0), lasted, None), 3.6e9)
    return _some_quantiles({"energy, kWh": energy, "mean power, kW": pc.divide(energy, hours), "rating, kW": rated})


def _numbers(trial: _Trial, column: str) -> Any:
    return pc.cast(trial.rows.to_table([column])[column], "double", safe=False)


def _some_quantiles(figures: Mapping[str, Any]) -> dict[str, list[float]]:
    known = {name: pc.drop_null(values) for name, values in figures.items()}
    return {name: pc.quantile(values, list(QUANTILES)).to_pylist() for name, values in known.items() if len(values)}


def _dates(trial: _Trial) -> tuple[dt.date, dt.date, dt.date, dt.date] | None:
    if not isinstance(trial.stream, SessionsStream) or "started_local" not in trial.stream.columns:
        return None
    from cic_assets.harmonise.swap import swapped_date

    walls = trial.rows.to_table(["started_wall_given"])["started_wall_given"]
    given = [date for date in pc.unique(pc.cast(walls, "date32")).to_pylist() if date is not None]
    swapped = [swapped_date(date) for date in given]
    return (min(given), max(given), min(swapped), max(swapped)) if given else None


def _problems(trial: _Trial, handle: BinaryIO, count: IngestCount, profile: Profile) -> Iterator[str]:
    """What ingest would warn of or hold, most telling first."""
    stream, guard = trial.stream, trial.guard
    if guard.absent:
        yield held_reason(guard.absent) + advice.of_absent(stream, guard.reading)
    yield from _header_problems(trial, handle)
    if faults := count.fired.get("D01", 0):
        yield f"{faults} of {count.rows_in} records can't be decoded (D01){advice.of_bytes(handle, stream)}"
    yield from _unreadable_problems(trial, count)
    if stream.kind == "status":
        yield from _unmapped_problems(trial)
    if isinstance(stream, SessionsStream):
        yield from _reused_problems(trial.judged.where(is_accepted()), hides=_hides(stream, "session_id"))
    for each in findings(profile, stream):
        would = "hold the file" if each.name in stream.delivery.hold else "warn"
        yield f"ingest would {would}: {each.text}"
    for bound, value in broken(stream, rules_of(rule_set_of(trial.settings, stream), stream.kind), count):
        limits = [f"at least {bound.min_value:g}"] if bound.min_value is not None else []
        limits += [f"at most {bound.max_value:g}"] if bound.max_value is not None else []
        said = f"{bound.column} is {value:.4g}, {' and '.join(limits)}"
        yield f"ingest would warn: {bound.check}: {bound.note}: {said}"
    if count.rows_in > count.skipped and not count.accepted:
        yield "no row is accepted"


def _header_problems(trial: _Trial, handle: BinaryIO) -> Iterator[str]:
    stream, reading = trial.stream, trial.guard.reading
    known = {*reading.columns, *reading.copies.values()}
    missing = [name for name in stream.required_fields if name not in known]
    if missing and not trial.guard.absent:
        names = advice.shown_names(trial.guard)
        there = ", ".join(names[:_NAMES_SHOWN]) + (
            f" and {len(names) - _NAMES_SHOWN} more" if names[_NAMES_SHOWN:] else ""
        )
        has = f"it has {there}" if names else "no field was read"
        yield f"the sample has no field {', '.join(missing)}; {has}{advice.of_missing(missing, trial.guard, handle)}"
    yield from names_twice(stream, reading)


def _unreadable_problems(trial: _Trial, count: IngestCount) -> Iterator[str]:
    """A column of which values are there and can't be read (U01), with the first of them."""
    for name, (present, unread) in count.unreadable.items():
        if unread:
            values, line = _first_unread(trial, name)
            yield (
                f"{name}: {unread} of {present} values can't be read (U01), such as {values} in line {line}: mend the "
                f"expression `{trial.stream.columns[name]}` or the feed{advice.of_values(trial.stream, name, values)}"
            )


def _first_unread(trial: _Trial, name: str) -> tuple[str, int]:
    """The fields that an expression reads where it first reads nothing, as text, and their line."""
    stream = trial.stream
    rows = trial.judged.where(F.array_contains("unreadable", name)).agg(F.min("source_line").alias("n"))
    line = int(rows.toArrow().to_pylist()[0]["n"])
    fields = [each for each in referenced_fields(stream.columns[name]) if not each.startswith("cic.")]
    if undecided(stream, fields):
        return HIDDEN, line
    of_line = trial.records.where(F.col("`cic.line`") == line).select(*(F.col(f"`{each}`") for each in fields))
    values = of_line.limit(1).toArrow().to_pylist()[0] if fields else {}
    return ", ".join(f"{each}='{(text or '')[:40]}'" for each, text in values.items()) or "the expression itself", line


def _unmapped_problems(trial: _Trial) -> Iterator[str]:
    rows = trial.judged.where(is_accepted() & F.col("mapped_state").isNull()).groupBy("source_status").count()
    found = rows.orderBy("source_status").toArrow().to_pylist()
    if found:
        hides = _hides(trial.stream, "status")
        words = ", ".join(f"{HIDDEN if hides else repr(row['source_status'])} ({row['count']} times)" for row in found)
        yield f"no vocabulary knows {words}: add to vocabulary.words, or they count as UNKNOWN"


def _reused_problems(known: DataFrame, *, hides: bool = False) -> list[str]:
    """Names the ids that don't identify (S16), the most frequent first."""
    reused = told_apart(known).where("id_reused").groupBy("session_id")
    found = reused.agg(F.count(F.lit(1)).alias("count"), F.sort_array(F.collect_set("charge_point_id")).alias("points"))
    rows = found.orderBy(F.desc("count"), "session_id").toArrow().to_pylist()
    if not rows:
        return []
    such = "" if hides else f", such as {named_ids(rows)}"
    return [
        f"{len(rows)} session ids are no ids{such}: their rows count as different sessions; "
        "say `session_id: none` if charge point, connector and start identify"
    ]


def _hints(trial: _Trial, handle: BinaryIO, sample: Path, profile: Profile) -> Iterator[str]:
    stream, reading = trial.stream, trial.guard.reading
    names = [reading.copies.get(name, name) for name in reading.columns]
    personal = undecided(stream, [*stream.read_fields, *names])
    if personal:
        yield undecided_hint(personal)
    if not any(sample.match(pattern) for pattern in stream.claims):
        yield f"no pattern of claims matches {sample.name}: `cic land auto` would leave the file alone"
    yield from advice.of_encoding(handle, stream)
    if 0 < profile.rows < stream.delivery.min_rows:
        yield (
            f"{profile.rows} rows are too few to tell a wrong unit, zone or date order: try a file of "
            f"{stream.delivery.min_rows} rows or more (delivery.min_rows)"
        )
        small = stream.model_copy(update={"delivery": stream.delivery.model_copy(update={"min_rows": 1})})
        for each in findings(profile, small):
            yield f"in so few rows, but look: {each.text}"
        return
    if quiet := advice.quiet_at_daytime(profile.hours):
        first, last = quiet
        yield (
            f"fewest sessions start at daytime, from {first} to {last} o'clock of {stream.zone}: is zone right, and "
            "has the feed instants (*_at) or the zone's clock (*_local)?"
        )
    if stream.kind != "locations" and profile.charge_points >= profile.rows > 0:
        yield "every row has a charge point of its own: does `charge_point` read the right field?"
