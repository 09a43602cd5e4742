"""A county of ten small files in two rounds, written by hand, with where each of its rows must be after each round.

The second round restates the first: versions, duplicates, a session that moves to another month, a late state, a
charge point that the registry did not have. It lies around the end of March 2025, so that months and a day of 23 hours
are in it, and all of it is past for any clock that runs the tests.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STREAMS = Path(__file__).with_name("streams")
ROUNDS = ("first", "late")
FACTS, OPEN, DUPLICATE, SUPERSEDED, QUARANTINED = "facts", "open", "duplicate", "superseded", "quarantined"
REGISTRY = "registry"

RowId = tuple[str, str, int]


@dataclass(frozen=True)
class Sent:
    """One file of an operator.

    Attributes:
        lines: its text lines, a CSV's header included.
        places: of each record, where it is after the first round and after the second.
    """

    round: str
    stream_id: str
    name: str
    arrived_at: dt.datetime
    lines: tuple[str, ...]
    places: tuple[tuple[str, str], ...]

    def rows(self) -> Iterator[tuple[RowId, tuple[str, str]]]:
        """(stream, file, line) of each record, with its places; a CSV's first record is on line 2."""
        first = 2 if self.name.endswith(".csv") else 1
        for number, places in enumerate(self.places, first):
            yield (self.stream_id, self.name, number), places


def _places(text: str) -> tuple[str, str]:
    """`open>facts`: after the first round and after the second; one word for both."""
    first, _, late = text.partition(">")
    return first, late or first


def _sent(round_: str, name: str, day: int, *records: tuple[str, str], header: str = "", hour: int = 6) -> Sent:
    stream_id = name.rsplit("_", 1)[0]
    arrived_at = dt.datetime(2025, 4, day, hour, tzinfo=dt.UTC)
    lines = (*([header] if header else []), *(text for text, _ in records))
    return Sent(round_, stream_id, name, arrived_at, lines, tuple(_places(places) for _, places in records))


def _session(session_id: str, evse: str, start: str, kwh: float, **other: str) -> str:
    moment = dt.datetime.fromisoformat(f"2025-{start}:00+00:00")
    row = {
        "id": session_id, "kind": "session", "evse": evse, "start": moment.isoformat(),
        "end": (moment + dt.timedelta(minutes=45)).isoformat(), "kwh": kwh, "cost": 3.5, "status": "COMPLETED",
        "updated": "2025-04-01T00:00:00Z", "bills": None,
    }  # fmt: skip
    return json.dumps(row | other)


def _state(evse: str | None, status: str, at: str) -> str:
    return json.dumps({"evse": evse, "status": status, "at": at})


_N1 = _session("N1", "E1", "03-29T08:00", 10.01)
_N2 = _session("N2", "E2", "03-30T08:00", 10.02)
_N9 = _session("N9", "E2", "04-01T08:00", 30.01)
_SOUTH = "Session,Charger,Start,End,kWh,Paid,Token"
_SITES = "Charger,Site,kW,Since"
SENT = (
    _sent(
        "first", "north_locations_1.csv", 1,
        ("E1,L1,22,2025-01-01T00:00:00Z", REGISTRY),
        ("E2,L1,50,2025-01-01T00:00:00Z", REGISTRY),
        (",L1,50,2025-01-01T00:00:00Z", QUARANTINED),
        header=_SITES,
    ),
    _sent(
        "first", "north_sessions_1.jsonl", 1,
        (_N1, DUPLICATE),
        (_N2, "facts>duplicate"),
        (_N1, "facts>superseded"),
        (_session("N3", "E1", "03-30T12:00", 1.03, status="ACTIVE"), "open>superseded"),
        (_session("N4", "E1", "03-30T14:00", 10.04, end="2025-03-30T13:00:00Z"), QUARANTINED),
        ('{"id": "half', QUARANTINED),
        (_session("N5", "E9", "03-31T23:30", 10.05), FACTS),
        (_session("N6", "E2", "03-31T10:00", 10.06), "facts>superseded"),
    ),
    _sent(
        "first", "south_sessions_1.csv", 2,
        ("S1,C1,2025-03-30T03:00:00,2025-03-30T04:00:00,5.01,1.20,tok1", "facts>duplicate"),
        ("S2,C1,2025-03-31T09:00:00,2025-03-31T10:00:00,5.02,1.20,tok2", "facts>superseded"),
        ("S3,C1,2025-03-31T11:00:00,2025-03-31T11:00:00,5.03,1.20,tok3", QUARANTINED),
        ("S4,C1,yesterday,2025-03-31T12:00:00,5.04,1.20,tok4", QUARANTINED),
        header=_SOUTH,
    ),
    _sent(
        "first", "north_status_1.jsonl", 1,
        (_state("E1", "AVAILABLE", "2025-03-29T08:00:00Z"), FACTS),
        (_state("E1", "CHARGING", "2025-03-29T10:00:00Z"), DUPLICATE),
        (_state("E1", "CHARGING", "2025-03-29T10:00:00Z"), FACTS),
        (_state("E2", "AVAILABLE", "2025-03-30T00:30:00Z"), "superseded>duplicate"),
        (_state("E2", "OUTOFORDER", "2025-03-30T00:30:00Z"), "facts>superseded"),
        (_state("E9", "WEIRD", "2025-03-30T06:00:00Z"), FACTS),
        (_state(None, "AVAILABLE", "2025-03-30T06:00:00Z"), QUARANTINED),
        (_state("E1", "AVAILABLE", "1999-03-30T06:00:00Z"), QUARANTINED),
    ),
    _sent(
        "late", "north_locations_2.csv", 3,
        ("E1,L1,150,2025-04-01T00:00:00Z", REGISTRY),
        ("E9,L2,7,2025-01-01T00:00:00Z", REGISTRY),
        header=_SITES,
    ),
    _sent(
        "late", "north_sessions_2.jsonl", 1,
        (_session("N2", "E2", "03-30T08:00", 20.02, updated="2025-04-01T05:00:00Z"), FACTS),
        (_session("N3", "E1", "03-30T12:00", 20.03, updated="2025-04-01T05:00:00Z"), FACTS),
        (_session("N6", "E2", "04-01T02:00", 20.06, updated="2025-04-01T05:00:00Z"), FACTS),
        (_session("C1", "E1", "03-29T08:00", 20.01, kind="cdr", bills="N1"), FACTS),
        (_session("N8", "E1", "03-31T08:00", -1), QUARANTINED),
        hour=7,
    ),
    _sent("late", "north_sessions_3.jsonl", 3, (_N9, DUPLICATE), (_N9, FACTS), (_N2, SUPERSEDED)),
    _sent(
        "late", "south_sessions_2.csv", 2,
        ("S1,C1,2025-03-30T03:00:00,2025-03-30T04:00:00,5.01,1.20,tok1", FACTS),
        ("S2,C1,2025-03-31T09:00:00,2025-03-31T10:00:00,6.02,1.20,tok2", FACTS),
        ("S5,C2,2025-04-01T09:00:00,2025-04-01T10:00:00,6.05,1.20,tok5", FACTS),
        header=_SOUTH, hour=7,
    ),
    _sent(
        "late", "north_status_2.jsonl", 1,
        (_state("E1", "AVAILABLE", "2025-03-29T11:00:00Z"), FACTS),
        (_state("E2", "AVAILABLE", "2025-03-30T00:30:00Z"), FACTS),
        hour=7,
    ),
    _sent(
        "late", "north_status_3.jsonl", 3,
        (_state("E1", "AVAILABLE", "2025-04-01T09:00:00Z"), FACTS),
        (_state("E3", "CHARGING", "2025-04-02T09:00:00Z"), FACTS),
    ),
)  # fmt: skip


def sent_until(round_: str) -> list[Sent]:
    """The files of a round and of those before it."""
    return [each for each in SENT if ROUNDS.index(each.round) <= ROUNDS.index(round_)]


def places_after(round_: str) -> dict[RowId, str]:
    """Where every row that was sent until then must be."""
    number = ROUNDS.index(round_)
    return {row: places[number] for each in sent_until(round_) for row, places in each.rows()}


def write(folder: Path) -> None:
    """All files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in SENT:
        folder.joinpath(each.name).write_text("\n".join(each.lines) + "\n")
