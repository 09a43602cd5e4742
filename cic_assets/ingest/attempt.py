"""One stream's ingest as an attempt: what is the stream's own trouble is named and set aside; the rest goes on.

An arrival fails by itself: where several failed together, each is tried alone. The platform's trouble (the warehouse or
the engine is down, a disk is full, the lake is another one) is nobody's own and is raised. No Dagster here.
"""

from __future__ import annotations

import datetime as dt
import errno
import shutil
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from pyspark.errors import PySparkException

from cic_assets.calendar import is_in_calendar
from cic_assets.errors import PlatformError
from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.decode import DecodeError
from cic_assets.ingest.engine_errors import engine_said
from cic_assets.ingest.ingest import ingest
from cic_assets.kinds.stream import Stream
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.engine import EngineError
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger import catalogue
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.failures import forget_failures, note_failures
from cic_assets.ledger.lake_id import OtherLakeError, open_lake
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import WarehouseError
from cic_assets.warehouse.embedded import WarehouseDownError

# Of arrivals that are tried alone, so many in a row that fail are enough to say that all of them would.
_ALIKE = 3
_PLATFORMS = (WarehouseError, WarehouseDownError, EngineError, OtherLakeError, MemoryError)
# The disk is full or read-only, or the process has no file or memory left.
_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# Postgres, Appendix A: connection, resources (disk full, out of memory), operator intervention, system error.
_SQLSTATES = ("08", "53", "57P", "58")
# As engines say it, without a number; what failed has given back its part of the room.
_FULL, _SCARCE_BYTES = "No space left on device", 256 << 20


@dataclass
class Attempt:
    """What became of one stream's arrivals in one run.

    Attributes:
        stream: whose they are.
        counts: of arrivals that were judged, replaced or not.
        failures: arrival date → what is wrong, where, and what to do.
        is_mendable: whether another stream's ingest may have mended since what one of them lacked.
        traces: of what failed, as Python tells it.
    """

    stream: Stream
    counts: list[IngestCount] = field(default_factory=list)
    failures: dict[dt.date, str] = field(default_factory=dict)
    is_mendable: bool = False
    traces: list[str] = field(default_factory=list)

    @property
    def replaced(self) -> list[IngestCount]:
        """The counts of arrivals whose rows are in place."""
        return [count for count in self.counts if count.arrival_date not in self.failures]


def attempt_all(
    parts: Parts,
    due: Sequence[tuple[Stream, Sequence[Arrival]]],
    run_id: str,
) -> list[Attempt]:
    """Ingests the arrivals of streams as far as they can be; those that fail keep their rows and stay pending.

    Args:
        parts: lake, warehouse and engine.
        due: streams and arrivals of theirs, those of locations first.
        run_id: kept beside the result.

    Raises:
        Exception: the platform's own, with which no other stream would fare better.
    """
    outcomes = [Attempt(stream) for stream, _ in due]
    for outcome, (_, arrivals) in zip(outcomes, due, strict=True):
        _try(parts, outcome, arrivals, run_id)
    for outcome, (_, arrivals) in zip(outcomes, due, strict=True):
        # The registry is made of all locations: what one stream lacked, another one may have brought.
        failed = [arrival for arrival in arrivals if arrival.arrival_date in outcome.failures]
        if outcome.is_mendable:
            outcome.failures = {}
            _try(parts, outcome, failed, run_id)
    return outcomes


def fail(parts: Parts, outcome: Attempt, day: dt.date, error: Exception, run_id: str) -> None:
    """Says that something went wrong with a stream after its arrival of a day was judged."""
    stream = outcome.stream
    outcome.traces.append("".join(traceback.format_exception(error)))
    outcome.failures[day] = message = _said(stream, day, error)
    with parts.warehouse.transaction() as connection:
        found = catalogue.arrivals(connection, [stream.id], day, day + dt.timedelta(days=1))
        note_failures(connection, parts.recipe_of(stream), [(each, message) for each in found], run_id)


def _try(parts: Parts, outcome: Attempt, arrivals: Sequence[Arrival], run_id: str) -> None:
    stream = outcome.stream
    known = [arrival for arrival in arrivals if is_in_calendar(arrival.arrival_date)]
    outcome.failures = {day: _BEYOND.format(day=day) for day in _days(arrivals) if not is_in_calendar(day)}
    with parts.warehouse.transaction() as connection:
        begun = ledger.moment(connection)
    if known and not _is_taken(parts, outcome, known, run_id):
        with parts.warehouse.transaction() as connection:
            done = ledger.done_since(connection, stream.id, begun)
        left = [each for each in known if each.arrival_date not in {*done, *outcome.failures}]
        _one_by_one(parts, outcome, left, run_id)
    failures = outcome.failures
    failed = [(each, failures[each.arrival_date]) for each in arrivals if each.arrival_date in failures]
    with parts.warehouse.transaction() as connection:
        forget_failures(connection, stream.id, [day for day in _days(arrivals) if day not in outcome.failures])
        note_failures(connection, parts.recipe_of(stream), failed, run_id)


_BEYOND = (
    "arrival {day} is in the future or before 2010, where the calendar has no day: move the folder in raw/ to the date "
    "(UTC) on which the files came"
)


def _days(arrivals: Sequence[Arrival]) -> list[dt.date]:
    return [arrival.arrival_date for arrival in arrivals]


def _one_by_one(parts: Parts, outcome: Attempt, arrivals: Sequence[Arrival], run_id: str) -> None:
    """Tries alone what failed with others, so that one delivery keeps none of the others out."""
    alike: list[str] = []
    for arrival in arrivals:
        if len(alike) == _ALIKE:
            outcome.failures[arrival.arrival_date] = f"not tried, as {_ALIKE} others failed: {alike[-1]}"
        elif _is_taken(parts, outcome, [arrival], run_id):
            alike = []
        else:
            alike.append(outcome.failures[arrival.arrival_date])


def _is_taken(parts: Parts, outcome: Attempt, arrivals: Sequence[Arrival], run_id: str) -> bool:
    """Ingests arrivals together; whether all of them are in place. Of one alone it keeps what is wrong with it."""
    stream, days = outcome.stream, _days(arrivals)
    outcome.counts = [count for count in outcome.counts if count.arrival_date not in days]
    defects: dict[dt.date, str] = {}

    def audit(count: IngestCount) -> bool:
        outcome.counts.append(count)
        if wrong := _defects_of(count):
            defects[count.arrival_date] = wrong
        return not wrong

    try:
        ingest(parts, stream, arrivals, run_id, audit)
    except Exception as error:
        demand_platform(parts, error)
        outcome.traces.append("".join(traceback.format_exception(error)))
        outcome.is_mendable |= isinstance(error, LakeDamagedError | DecodeError)
        if len(arrivals) == 1:
            outcome.failures[days[0]] = _said(stream, days[0], error)
        return False
    outcome.failures |= defects
    return not defects


def _defects_of(count: IngestCount) -> str:
    """Why an arrival may not be replaced; empty if it may.

    Rules contradict themselves, records got lost, or the stream file was changed and takes accepted rows away.
    """
    wrong = [f"{rule} on {rows} rows" for rule, rows in count.disagreements.items() if rows]
    wrong = [f"rules contradict themselves: {', '.join(wrong)}"] if wrong else []
    if count.unaccounted:
        wrong.append(f"{count.unaccounted} of {count.rows_in} decoded records are nowhere")
    said = (
        f"arrival {count.arrival_date}: {', '.join(wrong)}: a defect of the rules or the engine; nothing was replaced"
    )
    if not wrong and count.doubt:
        return f"arrival {count.arrival_date}: {count.doubt}"
    return said if wrong else ""


def _said(stream: Stream, day: dt.date, error: Exception) -> str:
    """What is wrong with an arrival, in a line."""
    text = " ".join(str(error).split()).removeprefix(f"{stream.id}: ").removeprefix(f"{stream.id}, ")
    if isinstance(error, PySparkException):
        text = f"the engine failed: {engine_said(error)}"
    elif isinstance(error, psycopg.Error):
        text = f"the warehouse refuses what came: {text}"
    elif not isinstance(error, PlatformError | OSError):
        text = f"a defect ({type(error).__name__}: {text}); the run's log has its trace"
    return text if str(day) in text else f"arrival {day}: {text}"


def demand_platform(parts: Parts, error: Exception) -> None:
    """An error is a stream's own if the platform is well.

    Raises:
        Exception: the error itself, where it says that the platform is not; or what asking warehouse, lake and engine
            gave, if one of them does not answer.
    """
    if any(map(_is_platforms, _causes(error))) or (_FULL in str(error) and _is_disk_full(parts)):
        raise error
    open_lake(parts.warehouse, parts.place)
    with parts.warehouse.transaction() as connection:
        connection.execute("select 1")
    try:
        parts.session().range(1).count()
    except Exception as silence:
        raise EngineError(f"the engine does not answer any more: {engine_said(silence)}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_platforms(error: BaseException) -> bool:
    if isinstance(error, psycopg.OperationalError):
        # Without a state, the connection broke.
        return error.sqlstate is None or error.sqlstate.startswith(_SQLSTATES)
    return isinstance(error, _PLATFORMS) or (isinstance(error, OSError) and error.errno in _ERRNOS)


def _is_disk_full(parts: Parts) -> bool:
    """Whether it looks so: engines say it in words, which may also stand in an operator's cell."""
    folders = [folder for folder in (parts.home, Path(parts.place.root)) if folder.exists()]
    return any(shutil.disk_usage(folder).free < _SCARCE_BYTES for folder in folders)
