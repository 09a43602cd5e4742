"""Any day alone is the day out of years, on the warehouse's own edges: polls far apart, and a log beside them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import Settings
from tests.doors import connect
from tests.end_to_end.steps import compute_status, run_days, run_ingest

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
START = dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
COMMON = {
    "kind": "status", "description": "d", "provider": {"id": "GB*ACM", "name": "Acme"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "jsonl"}, "licence": "l",
    "contact": "c", "vocabulary": {"standard": "OCPI 2.2.1"}, "ends": "2026-04-05",
}  # fmt: skip
POLL = parse_stream(
    {
        **COMMON, "id": "acme_polls", "claims": ["p*"], "max_silence": "P9D",
        "columns": {"charge_point": "cp", "status": "word", "changed_at": "since", "confirmed_at": "seen"},
    }
)  # fmt: skip
LOG = parse_stream(
    {
        **COMMON, "id": "acme_log", "claims": ["l*"], "max_silence": "P2D",
        "columns": {"charge_point": "cp", "status": "word", "changed_at": "since"},
    }
)  # fmt: skip


def sent(folder: Path, settings: Settings, stream: Stream, rows: list[tuple[object, ...]]) -> None:
    names = ("cp", "word", "since", "seen")
    lines = (dict(zip(names, map(str, row), strict=False)) for row in rows)
    path = folder / f"{stream.id}.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    land(parts_of(settings), stream, path, START + 40 * DAY)


def test_each_day_alone_is_that_day_of_one_run_over_all(settings, tmp_path):
    polls = []
    for number, (word, back) in enumerate(
        [("AVAILABLE", 90), ("CHARGING", 70), ("OUTOFORDER", 400), ("OUTOFORDER", 520), ("AVAILABLE", 100)]
    ):
        # Every fifth day: the state began days before and after the poll before it, or never said when.
        seen = START + number * 5 * DAY + 2 * HOUR
        polls += [("E1", word, seen - back * HOUR, seen), ("E2", "CHARGING", START - 99 * DAY, seen)]
    # A word between two polls, which the poll after it contradicts or confirms.
    log = [
        ("E1", "RESERVED", START + 7 * DAY + 3 * HOUR), ("E1", "CHARGING", START + 12 * DAY),
        ("E3", "BLOCKED", START + 3 * DAY), ("E3", "AVAILABLE", START + 4 * DAY),
    ]  # fmt: skip
    streams = {stream.id: stream for stream in (POLL, LOG)}
    sent(tmp_path, settings, POLL, polls)
    sent(tmp_path, settings, LOG, log)
    run_ingest(settings, streams)
    run_days(settings, streams)
    whole = days(settings)
    assert len({row[1] for row in whole}) == 27
    # One day, and the gap between polls, far from any that is read with it.
    for first, length in ((0, 1), (2, 1), (5, 1), (7, 2), (9, 1), (11, 1), (13, 1), (16, 1), (20, 1), (25, 1)):
        start = START.date() + first * DAY
        compute_status(settings, streams, start, start + length * DAY)
        assert days(settings) == whole, start
    states = {name for row in whole for name, value in zip(STATES, row[3:], strict=False) if value}
    assert states >= {"available_seconds", "charging_seconds", "outoforder_seconds", "reserved_seconds"}


STATES = [f"{state}_seconds" for state in ("available", "blocked", "charging", "outoforder", "reserved", "unreported")]


def days(settings: Settings) -> list[tuple]:
    query = (
        f"select charge_point_id, status_date, flags, {', '.join(STATES)}, unobserved_seconds, stream_id, event_count"
        " from facts.charge_point_status_day order by 1, 2"
    )
    with connect(settings) as connection:
        return connection.execute(query.encode()).fetchall()
