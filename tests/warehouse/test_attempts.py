"""Attempts belong to an arrival of a stream: what fails waits by itself, and what changed back is work again."""

from __future__ import annotations

import datetime as dt
import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from dagster import DagsterInstance, SensorResult, SkipReason, build_sensor_context

from cic_assets.calendar import FIRST_DAY
from cic_assets.ingest.attempt import attempt_all, demand_platform
from cic_assets.ingest.landing import land
from cic_assets.lake.engine import EngineError
from cic_assets.lake.zones import LakeError
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.failures import MAX_ATTEMPTS, failures
from cic_assets.orchestrate.doors import parts_of, warehouse_of
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.orchestrate.sensors import build_sensors, raw_events
from cic_assets.orchestrate.work import Work, forget_mended, ingest_work, pending_arrivals
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams
from tests.doors import connect

STREAM: dict[str, Any] = {
    "kind": "sessions", "description": "d", "provider": {"id": "GB*ONE", "name": "One"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "csv"}, "vat_basis": "unknown",
    "columns": {
        "session_id": "id", "charge_point": "cp", "connector_id": "'1'", "started_at": "start", "ended_at": "stop",
        "energy": "kwh", "currency": "'GBP'",
    },
    "licence": "l", "contact": "c",
}  # fmt: skip


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def two(settings: Settings, tmp_path: Path) -> Settings:
    """A good stream, and one that has lost an original."""
    folder = tmp_path / "streams"
    folder.mkdir()
    settings = replace(settings, streams=(folder,))
    for name in ("good", "lossy"):
        describe(settings, name, "as ever")
        deliver(settings, tmp_path, name, 10)
    for path in Path(settings.lake, "raw", "stream_id=lossy").rglob("*.csv"):
        path.unlink()
    return settings


def describe(settings: Settings, name: str, text: str) -> None:
    content = {**STREAM, "id": name, "description": text, "claims": [f"{name}*"]}
    (settings.streams[0] / f"{name}.yml").write_text(yaml.safe_dump(content))


def deliver(settings: Settings, folder: Path, name: str, day: int) -> None:
    path = folder / f"{name}_{day}.csv"
    path.write_text(f"id,cp,start,stop,kwh\n{day},{name},2026-11-01T10:00:00Z,2026-11-01T12:00:00Z,{day}\n")
    land(parts_of(settings), load_streams(settings.streams)[name], path, dt.datetime(2026, 11, day, 6, tzinfo=dt.UTC))


def pending(settings: Settings) -> list[Arrival]:
    found = pending_arrivals(parts_of(settings), load_streams(settings.streams))
    forget_mended(warehouse_of(settings), load_streams(settings.streams), found)
    return found


def work(settings: Settings, *, asked_for: bool = False) -> list[Work]:
    return ingest_work(parts_of(settings), load_streams(settings.streams), pending(settings), asked_for=asked_for)


def ingest(settings: Settings, run_id: str, *names: str) -> list[str]:
    """Ingests what is pending of some streams, as a run does; what failed."""
    streams = load_streams(settings.streams)
    due = [(streams[name], [each for each in pending(settings) if each.stream_id == name]) for name in names]
    done = attempt_all(parts_of(settings, session=lambda: SparkResource(engine=settings.spark).session), due, run_id)
    return [message for each in done for message in each.failures.values()]


def test_three_failures_give_up_one_arrival_and_nobody_else(two: Settings, tmp_path: Path, instance: Any) -> None:
    seen = set()
    for number in range(MAX_ATTEMPTS):
        deliver(two, tmp_path, "good", 11 + number)
        (found,) = work(two)
        assert found.streams == ("good", "lossy")
        seen.add(found.identity)
        (message,) = ingest(two, f"run {number}", *found.streams)
        assert "is gone from the lake" in message
    assert len(seen) == MAX_ATTEMPTS and work(two) == []
    assert [each.streams for each in work(two, asked_for=True)] == [("lossy",)]
    arrivals = next(sensor for sensor in build_sensors() if sensor.name == "arrivals")
    platform = Platform(two, load_streams(two.streams))
    said = [
        arrivals(build_sensor_context(instance=instance, resources={"platform": platform})),
        arrivals(build_sensor_context(instance=instance, resources={"platform": platform})),
    ]
    assert all(isinstance(each, SensorResult | SkipReason) for each in said)
    requests = [request for each in said if isinstance(each, SensorResult) for request in each.run_requests or []]
    assert not any("lossy" in str(request.run_config) for request in requests)
    # The next delivery of the same stream is its own.
    deliver(two, tmp_path, "lossy", 20)
    assert [(each.first.day, each.streams) for each in work(two)] == [(20, ("lossy",))]
    assert ingest(two, "later", "lossy")[0].startswith("/") and work(two) == []
    with connect(two) as connection:
        counted = connection.execute("select stream_id, count(*) from quality.ingest_count group by 1").fetchall()
        assert dict(counted) == {"good": 1 + MAX_ATTEMPTS, "lossy": 1}
        assert [key[1].day for key in failures(connection)] == [10]
    # Another stream file is another content.
    describe(two, "lossy", "mended")
    assert [each.streams for each in work(two)] == [("lossy",)]


def test_an_edit_that_is_taken_back_and_made_again_is_work_each_time(two: Settings, instance: Any) -> None:
    identities = []
    for number, text in enumerate(("as ever", "other", "as ever", "other")):
        describe(two, "good", text)
        mine = [each for each in pending(two) if each.stream_id == "good"]
        (found,) = ingest_work(parts_of(two), load_streams(two.streams), mine)
        identities.append(found.identity)
        # The feed came once; an edit of its stream file is no coming.
        events = raw_events(instance, Calendar(FIRST_DAY), mine)
        assert len(events) == (1 if number == 0 else 0)
        for event in events:
            instance.report_runless_asset_event(event)
        assert ingest(two, f"run {number}", "good") == []
    assert len(set(identities)) == len(identities)


def test_what_a_change_that_was_taken_back_failed_with_is_forgotten(two: Settings) -> None:
    assert ingest(two, "one", "good") == []
    describe(two, "good", "other")
    for path in Path(two.lake).rglob("*"):
        if path.is_file() and "stream_id=good" in str(path) and ("/raw/" in str(path) or "/decoded/" in str(path)):
            path.unlink()
    assert len(ingest(two, "two", "good")) == 1
    describe(two, "good", "as ever")
    assert "good" not in {each.stream_id for each in pending(two)}
    with connect(two) as connection:
        assert "good" not in {stream_id for stream_id, _ in failures(connection)}


@pytest.mark.parametrize(
    ("error", "is_platforms"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (psycopg.errors.DiskFull("could not extend file"), True),
        (psycopg.errors.ProgramLimitExceeded("index row size 8000 exceeds btree maximum 2704"), False),
        (MemoryError(), True),
        (LakeError("a file can't be read"), False),
        (ValueError("No space left on device, says a cell"), False),
        (KeyError("a defect"), False),
    ],
)
def test_the_platforms_trouble_is_raised_and_a_streams_own_is_not(
    settings: Settings, error: Exception, is_platforms: bool
) -> None:
    def session() -> Any:
        return SparkResource(engine=settings.spark).session

    if is_platforms:
        with pytest.raises(type(error)):
            demand_platform(parts_of(settings, session=session), error)
    else:
        demand_platform(parts_of(settings, session=session), error)


def test_an_engine_that_is_silent_is_the_platforms_trouble(settings: Settings) -> None:
    def silent() -> Any:
        raise ConnectionError("nobody listens")

    with pytest.raises(EngineError, match="does not answer any more: nobody listens"):
        demand_platform(parts_of(settings, session=silent), ValueError("what the stream's ingest met first"))
