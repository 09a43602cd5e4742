"""What goes through the engine's channel, in either direction, does not grow with the feeds.

Spark Connect takes 128 MiB: a year of 500 charge points could not be ingested at all (384,816,804 bytes were sent), and
445,000 point-days came back as one message.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cic_assets.ingest import count
from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import Settings
from tests.doors import connect
from tests.end_to_end.steps import checksum, run_days, run_facts, run_ingest

START = dt.datetime(2026, 3, 21, tzinfo=dt.UTC)
POINTS, DAYS, A_DAY = 30, 20, 12
STATUS = {"charge_point": "evse", "status": "word", "changed_at": "at"}
SESSIONS = {
    "session_id": "id", "charge_point": "evse", "started_at": "at", "ended_at": "until", "energy": "kwh", "cost": "eur",
    "currency": "'EUR'",
}  # fmt: skip
LOCATIONS = {"charge_point": "evse", "location_id": "site", "rated_power": "kw"}


def stream(kind: str, party: str, columns: dict[str, str], **more: Any) -> Stream:
    content = {
        "id": f"{party}_{kind}", "kind": kind, "description": "d", "provider": {"id": f"GB*{party}", "name": party},
        "authority": {"id": "X-1", "name": "A"}, "zone": "Europe/London", "format": {"type": "jsonl"},
        "claims": [f"{party}*"], "columns": columns, "licence": "l", "contact": "c", **more,
    }  # fmt: skip
    return parse_stream(content)


STREAMS = {
    each.id: each
    for each in (
        stream("status", "one", STATUS, vocabulary={"standard": "OCPI 2.2.1"}, ends="2026-04-10"),
        stream("sessions", "one", SESSIONS, vat_basis="excluded"),
        # Another provider's registry: with it, rows of those without one came back as one message.
        stream("locations", "other", LOCATIONS),
    )
}


def written(folder: Path, name: str, rows: Iterator[dict[str, object]]) -> Path:
    folder.joinpath(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def states() -> Iterator[dict[str, object]]:
    """7,200 changes; every second word is another one."""
    for number in range(POINTS * DAYS * A_DAY):
        point, change = number % POINTS, number // POINTS
        word = f"free text {number}" if number % 2 else ("AVAILABLE", "CHARGING")[change % 2]
        yield {"evse": f"E{point}", "word": word, "at": (START + dt.timedelta(hours=2 * change)).isoformat()}


def sessions() -> Iterator[dict[str, object]]:
    for number in range(POINTS * DAYS * 3):
        at = START + dt.timedelta(hours=8 * (number // POINTS))
        until = at + dt.timedelta(hours=1)
        yield {
            "id": f"S{number}", "evse": f"E{number % POINTS}", "at": at.isoformat(), "until": until.isoformat(),
            "kwh": 7.5, "eur": 3.1,
        }  # fmt: skip


@pytest.fixture
def messages(spark, monkeypatch) -> dict[str, int]:
    """The largest message that was sent, and the largest result that came back, in bytes, so far."""
    largest = {"sent": 0, "back": 0}
    client = type(spark.client)
    run, execute = client.to_table, client.execute_command

    def to_table(self: Any, plan: Any, *given: Any, **named: Any) -> Any:
        found = run(self, plan, *given, **named)
        largest["sent"] = max(largest["sent"], plan.ByteSize())
        largest["back"] = max(largest["back"], found[0].nbytes)
        return found

    def execute_command(self: Any, command: Any, *given: Any, **named: Any) -> Any:
        largest["sent"] = max(largest["sent"], command.ByteSize())
        return execute(self, command, *given, **named)

    monkeypatch.setattr(client, "to_table", to_table)
    monkeypatch.setattr(client, "execute_command", execute_command)
    return largest


def stale_days(settings: Settings) -> list[dt.date]:
    """Days of states that were touched after they were computed."""
    with connect(settings) as connection:
        rows = connection.execute(
            "select t.period_date from catalogue.touched_period as t join catalogue.fact_window as w"
            " using (fact, period_date) where fact = 'charge_point_status' and t.touch_id > w.computed_touch_id"
            " group by 1 order by 1"
        ).fetchall()
    return [day for (day,) in rows]


# Facts of a run, by which others' are measured.
FACTS: dict[str, str] = {}


@pytest.mark.parametrize("memory", [4 << 30, 4 << 20], ids=["at once", "in groups and passes"])
def test_no_message_grows_with_the_feeds(settings: Settings, messages, tmp_path, memory):
    """Nor does what is looked at together grow beyond memory; the facts are the same."""
    settings = replace(settings, memory_bytes=memory, personal_key_variable="the same hashes")
    rows = {"one_status": states, "one_sessions": sessions}
    arrived_at = START + dt.timedelta(days=30)
    sizes = {}
    for name, made in rows.items():
        path = written(tmp_path, f"{name}.jsonl", made())
        sizes[name] = path.stat().st_size
        land(parts_of(settings), STREAMS[name], path, arrived_at)
    registry = ({"evse": f"E{n}", "site": f"site {n}", "kw": "22"} for n in range(2_000))
    land(parts_of(settings), STREAMS["other_locations"], written(tmp_path, "registry.jsonl", registry), arrived_at)
    run_ingest(settings, STREAMS)
    run_days(settings, STREAMS)
    run_facts(settings, asked_for=True)
    with connect(settings) as connection:
        counts = connection.execute(
            "select (select count(*) from facts.charge_point_status_day),"
            " (select count(*) from facts.charging_session), (select count(*) from facts.charge_point),"
            " (select sum(row_count) from quality.unmapped_status), (select count(*) from quality.unmapped_status)"
        ).fetchone()
    assert counts == (
        POINTS * (DAYS + 1), POINTS * DAYS * 3, 2_000, POINTS * DAYS * A_DAY // 2, count.WORDS_KEPT + 1,
    )  # fmt: skip
    found = checksum(settings)
    assert FACTS.setdefault("all", repr(found)) == repr(found)
    # What a late word reaches: its connector's days until the next one, whatever is compared together.
    late = [
        {"evse": f"E{n}", "word": "OUTOFORDER", "at": (START + dt.timedelta(days=5, hours=1)).isoformat()}
        for n in (3, 4)
    ]
    land(
        parts_of(settings),
        STREAMS["one_status"],
        written(tmp_path, "one_late.jsonl", iter(late)),
        arrived_at + dt.timedelta(days=1),
    )
    run_ingest(settings, STREAMS)
    assert stale_days(settings) == [(START + dt.timedelta(days=5)).date()]
    # Plans hold small tables several times.
    assert messages["sent"] < 30 * tables.IN_PLAN_BYTES
    assert 0 < messages["back"] < tables.IN_PLAN_BYTES < min(sizes.values())
