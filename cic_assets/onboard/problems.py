"""What ingest would warn of or hold in a sample, and what somebody should look at beside that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from pyspark.sql import functions as F

from cic_assets.facts.sessions import TOLD_BY, named_ids, reused_rows
from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.decoded import names_twice
from cic_assets.ingest.delivery import Profile, findings
from cic_assets.ingest.expectations import broken
from cic_assets.ingest.judge import is_accepted
from cic_assets.ingest.judged import accepted_of
from cic_assets.ingest.personal import Guard, held_reason
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.personal import undecided, undecided_hint
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.stream import referenced_fields
from cic_assets.onboard import advice
from cic_assets.onboard.sample import HIDDEN, Trial, hides, is_table

if TYPE_CHECKING:
    pass

_NAMES_SHOWN = 40
# What few rows may tell too, and no problem has told.
_TOLD_OF_FEW = ("dates", "energy", "power", "flags")


def problems(trial: Trial, handle: BinaryIO, count: IngestCount, profile: Profile) -> Iterator[str]:
    """What ingest would warn of or hold, most telling first."""
    stream, guard = trial.stream, trial.guard
    if guard.absent:
        yield held_reason(guard.absent) + advice.of_absent(stream, guard.reading)
    elif is_table(stream):
        yield from _missing(trial, handle)
    yield from names_twice(stream, guard.reading)
    if _undecoded_pct(count) > stream.batch.max_rejected_pct:
        yield _undecoded(trial, handle, count)
    yield from _unreadable_problems(trial, count)
    if KINDS[stream.kind].has_words:
        yield from _unmapped_problems(trial)
    if KINDS[stream.kind].work.repeated:
        yield from reused_problems(_accepted(trial), is_hidden=hides(stream, "session_id"))
    for each in findings(profile, stream):
        would = "hold the file" if each.name in stream.delivery.hold else "warn"
        yield f"ingest would {would}: {each.text}"
    for bound, value in broken(stream, rules_of(trial.rule_set, stream.kind), count):
        limits = [f"at least {bound.min_value:g}"] if bound.min_value is not None else []
        limits += [f"at most {bound.max_value:g}"] if bound.max_value is not None else []
        said = f"{bound.column} is {value:.4g}, {' and '.join(limits)}"
        yield f"ingest would warn: {bound.check}: {bound.note}: {said}"
    if count.rows_in > count.skipped and not count.accepted:
        yield "no row is accepted"


def _accepted(trial: Trial) -> pa.Table:
    """What tells sessions apart, of the rows that no rule rejects."""
    rows = (piece.filter(accepted_of(piece)).select(list(TOLD_BY)) for piece in trial.counted.pieces(TOLD_BY))
    return pa.Table.from_batches(rows, pa.schema([trial.rows.schema.field(name) for name in TOLD_BY]))


def _missing(trial: Trial, handle: BinaryIO) -> Iterator[str]:
    """Which fields of the stream file stand nowhere in the sample, and which may be meant."""
    stream, reading = trial.stream, trial.guard.reading
    known = {*reading.columns, *reading.copies.values()}
    missing = [name for name in stream.required_fields if name not in known]
    if missing and not is_table(stream):
        yield f"no record of the sample has {', '.join(missing)}{advice.of_missing(missing, trial.guard, handle)}"
    elif missing:
        tried = advice.of_missing(missing, trial.guard, handle)
        yield f"the sample has no field {', '.join(missing)}{_there(trial.guard)}{tried}"


def _there(guard: Guard) -> str:
    """The names that a table has, as far as they may be shown."""
    if advice.is_row(guard.reading.columns):
        return ""
    names = advice.shown_names(guard)
    more = f" and {len(names) - _NAMES_SHOWN} more" if names[_NAMES_SHOWN:] else ""
    return f"; it has {', '.join(names[:_NAMES_SHOWN])}{more}" if names else "; no field was read"


def _undecoded_pct(count: IngestCount) -> float:
    return 100 * count.fired.get("D01", 0) / max(count.rows_in, 1)


def _undecoded(trial: Trial, handle: BinaryIO, count: IngestCount) -> str:
    faults = count.fired["D01"]
    return f"{faults} of {count.rows_in} records can't be decoded (D01){advice.of_bytes(handle, trial.stream)}"


def _unreadable_problems(trial: Trial, count: IngestCount) -> Iterator[str]:
    """A column of which values are there and can't be read (U01), with the first of them."""
    for name, (present, unread) in count.unreadable.items():
        if unread:
            values, line = _first_unread(trial, name)
            yield (
                f"{name}: {unread} of {present} values can't be read (U01), such as {values} in line {line}: mend the "
                f"expression {trial.stream.columns[name]} or the feed{advice.of_values(trial.stream, name, values)}"
            )


def _first_unread(trial: Trial, name: str) -> tuple[str, int]:
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


def _unmapped_problems(trial: Trial) -> Iterator[str]:
    rows = trial.judged.where(is_accepted() & F.col("mapped_state").isNull()).groupBy("source_status").count()
    found = rows.orderBy("source_status").toArrow().to_pylist()
    if found:
        is_hidden = hides(trial.stream, "status")
        texts = [HIDDEN if is_hidden else repr(row["source_status"]) for row in found]
        words = ", ".join(f"{text} ({row['count']} times)" for text, row in zip(texts, found, strict=True))
        yield f"no vocabulary knows {words}: add to vocabulary.words, or they count as UNKNOWN"


def reused_problems(accepted: pa.Table, *, is_hidden: bool = False) -> list[str]:
    """Names the ids that don't identify (S16), the most frequent first."""
    found: dict[str, list[str]] = {}
    for row in accepted.filter(pa.array(reused_rows(accepted))).select(["session_id", "charge_point_id"]).to_pylist():
        found.setdefault(row["session_id"], []).append(row["charge_point_id"])
    if not found:
        return []
    named = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    rows = [{"session_id": name, "count": len(of), "points": sorted(set(of))} for name, of in named]
    such = "" if is_hidden else f", such as {named_ids(rows)}"
    return [
        f"{len(rows)} session ids are no ids{such}: their rows count as different sessions; "
        "say `session_id: none` if charge point, connector and start identify"
    ]


def hints(trial: Trial, handle: BinaryIO, sample: Path, count: IngestCount, profile: Profile) -> Iterator[str]:
    """What somebody should look at, and ingest says nothing of."""
    stream, reading = trial.stream, trial.guard.reading
    if not is_table(stream) and not trial.guard.absent:
        yield from _missing(trial, handle)
    if 0 < _undecoded_pct(count) <= stream.batch.max_rejected_pct:
        yield _undecoded(trial, handle, count)
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
            if each.name in _TOLD_OF_FEW:
                yield f"in so few rows, but look: {each.text}"
        return
    if quiet := advice.quiet_at_daytime(profile.hours):
        first, last = quiet
        yield (
            f"fewest sessions start at daytime, from {first} to {last} o'clock of {stream.zone}: is zone right, and "
            "has the feed instants (*_at) or the zone's clock (*_local)?"
        )
    kind = KINDS[stream.kind]
    if kind.has_points and not kind.is_list and profile.charge_points >= profile.rows > 0:
        yield "every row has a charge point of its own: does `charge_point` read the right field?"
