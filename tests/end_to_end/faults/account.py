"""The account, id by id: every row that was sent is in exactly one place, told from what is stored, not from counts.

Rows are known by (stream, file, line). Facts have no lines, so a session's fact is matched with the one accepted row
that says the same: id, start and energy. What the counts of the platform say is compared with it in the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from cic_assets.kinds.every import KINDS
from cic_assets.ledger.catalogue import arrivals
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.work import pending_arrivals
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.end_to_end.faults.county import (
    DUPLICATE,
    FACTS,
    OPEN,
    QUARANTINED,
    REGISTRY,
    SUPERSEDED,
    RowId,
    places_after,
)
from tests.end_to_end.faults.states import lake_rows

Row = dict[str, Any]


def faults_of_a_half(settings: Settings, round_: str) -> list[str]:
    """What an interrupted round may not have: rows twice, rows that nobody sent, rows of a finished ingest missing."""
    found = Counter(_stored(settings))
    wrong = [f"{row} is there {times} times" for row, times in found.items() if times > 1]
    sent = places_after(round_)
    wrong += [f"{row} was never sent" for row in found if row not in sent]
    return wrong + [f"{row} was ingested, and is lost" for row in _ingested(settings) if row not in found]


def faults_of_a_round(settings: Settings, round_: str) -> list[str]:
    """Rows that are elsewhere than they must be at the end of a round, and counts that say something else."""
    stored = Counter(_stored(settings))
    wrong = [f"{row} is there {times} times" for row, times in stored.items() if times > 1]
    expected, found = places_after(round_), _placed(settings)
    for row in sorted({*expected, *found}):
        if expected.get(row, "nowhere") != found.get(row, "nowhere"):
            wrong.append(f"{row}: {found.get(row, 'nowhere')}, not {expected.get(row, 'nowhere')}")
    return wrong + _counted_otherwise(settings, found)


def _id(row: Row) -> RowId:
    return row["stream_id"], row["source_file"], row["source_line"]


def _rows(settings: Settings, kind: str) -> list[Row]:
    return [row for rows in lake_rows(settings, kind).values() for row in rows]


def _quarantined(settings: Settings) -> list[RowId]:
    with connect(settings) as connection:
        rows = connection.execute("select stream_id, source_file, source_line from quality.quarantine").fetchall()
    return [(stream_id, file, line) for stream_id, file, line in rows]


def _stored(settings: Settings) -> list[RowId]:
    """Each row, accepted or quarantined, as often as it is there."""
    return [*(_id(row) for kind in KINDS for row in _rows(settings, kind)), *_quarantined(settings)]


def _ingested(settings: Settings) -> list[RowId]:
    """Rows of the landed files that no ingest is pending for."""
    streams = load_streams(settings.streams)
    pending = {(each.stream_id, each.arrival_date) for each in pending_arrivals(parts_of(settings), streams)}
    with connect(settings) as connection:
        landed = arrivals(connection, streams)
    done = [each for each in landed if (each.stream_id, each.arrival_date) not in pending]
    files = {(each.stream_id, found.original_name) for each in done for found in each.objects}
    return [row for row in places_after("late") if row[:2] in files]


def _placed(settings: Settings) -> dict[RowId, str]:
    """Where each row is."""
    found = dict.fromkeys(_quarantined(settings), QUARANTINED)
    found |= {_id(row): REGISTRY for row in _rows(settings, "locations")}
    return found | _sessions(settings) | _states(settings)


def _newest_first(rows: list[Row]) -> list[Row]:
    names = ("arrival_date", "arrived_at", "source_file", "source_line")
    return sorted(rows, key=lambda row: tuple(row[name] for name in names), reverse=True)


def _sessions(settings: Settings) -> dict[RowId, str]:
    """Of equal rows, the newest stands for all: in facts if a fact says the same, else open or superseded."""
    with connect(settings) as connection:
        facts = Counter(
            connection.execute(
                "select provider_id, record_kind, session_id, started_at, energy_kwh from facts.charging_session"
            ).fetchall()
        )
    same: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(settings, "sessions"):
        same[row["content_hash"]].append(row)
    found: dict[RowId, str] = {}
    for rows in same.values():
        first, *others = _newest_first(rows)
        key = tuple(first[name] for name in ("provider_id", "record_kind", "session_id", "started_at", "energy_kwh"))
        known = sum(times for fact, times in facts.items() if fact[:3] == key[:3]) or _is_billed(first, facts)
        place = FACTS if facts[key] == 1 else SUPERSEDED if known else OPEN if first["is_open"] else "lost"
        found |= {_id(first): place} | {_id(row): DUPLICATE for row in others}
    return found


def _is_billed(row: Row, facts: Counter[tuple[Any, ...]]) -> bool:
    """Whether a CDR of the same start stands for the session."""
    return any(fact[0] == row["provider_id"] and fact[1] == "cdr" and fact[3] == row["started_at"] for fact in facts)


def _states(settings: Settings) -> dict[RowId, str]:
    """Of one charge point's words about an instant, the newest is in facts, and of equal words the newest counts."""
    instants: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in _rows(settings, "status"):
        instants[row["charge_point_id"], row["connector_id"], row["entry"], row["at"]].append(row)
    found: dict[RowId, str] = {}
    for rows in instants.values():
        said: set[str] = set()
        for row in sorted(_newest_first(rows), key=lambda each: each["arrived_at"], reverse=True):
            found[_id(row)] = DUPLICATE if row["state"] in said else SUPERSEDED if said else FACTS
            said.add(row["state"])
    return found


def _counted_otherwise(settings: Settings, found: dict[RowId, str]) -> list[str]:
    """Streams of which `quality.reconciliation` or the facts count other rows than the account has."""
    counts = Counter((row[0], FACTS if place == REGISTRY else place) for row, place in found.items())
    with connect(settings) as connection:
        rows = connection.execute(
            "select stream_id, sum(in_facts), sum(quarantined), sum(open), sum(duplicates), sum(superseded),"
            " sum(unresolved) from quality.reconciliation group by 1"
        ).fetchall()
        events = connection.execute("select sum(event_count) from facts.charge_point_status_day").fetchone()
        facts = connection.execute("select count(*) from facts.charging_session").fetchone()
    sessions = counts["north_sessions", FACTS] + counts["south_sessions", FACTS]
    wrong = [] if facts == (sessions,) else [f"{facts} sessions are facts, and {sessions} rows say so"]
    places = (FACTS, QUARANTINED, OPEN, DUPLICATE, SUPERSEDED, "unresolved")
    for stream_id, *numbers in rows:
        mine = [counts[stream_id, place] for place in places]
        if mine != [int(number) for number in numbers]:
            wrong.append(f"{stream_id}: {dict(zip(places, numbers, strict=True))} counted, {mine} found")
    if events is None or events[0] != counts["north_status", FACTS]:
        wrong.append(f"{events} events are in the days, and {counts['north_status', FACTS]} rows say so")
    return wrong
