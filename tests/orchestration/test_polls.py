"""Feeds that are fetched, in Dagster: "fetch now", the sensor that polls what is due, and what it says of a feed."""

from __future__ import annotations

import datetime as dt
import threading
import time
from dataclasses import replace

import pytest
import yaml
from dagster import AssetKey, DagsterInstance, SensorResult, SkipReason, build_sensor_context, materialize

from cic_assets.fetch.poll import poll
from cic_assets.ingest.feeds import ARRIVING, feed_states
from cic_assets.kinds.every import parse_stream
from cic_assets.orchestrate.assets.raw import raw_assets
from cic_assets.orchestrate.build import build_definitions
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.orchestrate.pollers import AT_ONCE, Pollers, due
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.sensors import build_sensors
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.web import Answer, answering

HOUR = dt.timedelta(hours=1)
CALENDAR = Calendar(dt.date(2026, 1, 1))
RAW = """
id: %s
kind: sessions
description: d
provider: {id: p, name: P}
authority: {id: a, name: A}
zone: Europe/London
format: {type: csv}
source: {type: http, url: %s, every: PT1H, limits: {seconds: 60}}
columns: {session_id: id, charge_point: cp, started_at: s, ended_at: e, energy: kwh}
vat_basis: unknown
licence: l
contact: c
"""
BODY = b"id,cp,s,e,kwh\n1,x,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,2\n"


def stream(url, name="fetched"):
    return parse_stream(yaml.safe_load(RAW % (name, url)))


def wait_for(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def test_to_materialise_a_raw_stream_is_to_fetch_it_now(settings):
    today, answers = dt.datetime.now(dt.UTC).date(), [Answer(BODY), Answer(b"gone", 404)]
    with DagsterInstance.ephemeral() as instance, answering(lambda _, n: answers[n]) as web:
        feed = stream(f"{web.url}/sessions.csv")
        (asset,) = raw_assets([feed], CALENDAR)
        platform = Platform(settings, {feed.id: feed}, calendar=CALENDAR)

        def run(day):
            return materialize(
                [asset], partition_key=day.isoformat(), resources={"platform": platform}, instance=instance,
                raise_on_error=False,
            )  # fmt: skip

        assert run(today).success
        (event,) = instance.fetch_materializations(AssetKey(["raw", "fetched"]), limit=5).records
        made = event.event_log_entry.asset_materialization
        assert made is not None
        assert (made.partition, made.metadata["new"].value, made.metadata["poll"].value) == (str(today), 1, "new")
        for day, said in (
            (today - dt.timedelta(days=1), f"choose the partition {today}"),
            (today, "404 Not Found: gone"),
        ):
            failed = run(day)
            assert not failed.success
            (failure,) = [each for each in failed.all_events if each.is_step_failure]
            assert said in str(failure.step_failure_data.error_display_string)


def test_a_fetched_stream_is_fresh_by_its_own_period_and_others_have_no_such_thing(settings):
    examples = load_streams(settings.streams)
    feed = stream("https://x.example/")
    fetched, by_hand = raw_assets([feed, examples["dundee_sessions"]], CALENDAR)
    (spec,) = fetched.specs
    assert spec.freshness_policy.fail_window.to_timedelta() == 3 * HOUR
    assert by_hand.freshness_policy is None
    definitions = build_definitions(settings, {**examples, feed.id: feed})
    graph = definitions.resolve_asset_graph()
    assert graph.get(spec.key).is_executable
    assert not graph.get(by_hand.key).is_executable
    # Nothing that runs by itself fetches: the sensor does.
    assert all(spec.key not in job.asset_layer.executable_asset_keys for job in definitions.resolve_all_job_defs()
               if not job.name.startswith("__"))  # fmt: skip


def test_the_sensor_fetches_what_is_due_and_one_streams_trouble_is_its_own(settings, tmp_path, monkeypatch):
    def answer(asked, _):
        return Answer(b"no", 404) if "bad" in asked.path else Answer(BODY)

    folder = tmp_path / "streams"
    folder.mkdir()
    with answering(answer) as web:
        for name in ("good", "bad"):
            (folder / f"{name}.yml").write_text(RAW % (name, f"{web.url}/{name}.csv"))
        mine = replace(settings, streams=(folder,))
        platform = Platform(mine, load_streams(mine.streams), calendar=CALENDAR)
        polls = next(sensor for sensor in build_sensors() if sensor.name == "polls")
        with DagsterInstance.ephemeral() as instance:

            def tick():
                return polls(build_sensor_context(instance=instance, resources={"platform": platform}))

            first = tick()
            assert isinstance(first, SensorResult)
            assert "good: new" in str(first.skip_reason)
            assert "bad: failed" in str(first.skip_reason)
            (event,) = first.asset_events
            assert event.asset_key == AssetKey(["raw", "good"])
            second = tick()
            assert isinstance(second, SkipReason)
            assert str(second.skip_message) == "no feed is due"
        # The failed one is due a minute later, the other one after its period.
        now = dt.datetime.now(dt.UTC)
        streams = platform.streams.values()
        assert [each.id for each in due(platform.parts, streams, now + dt.timedelta(minutes=2))] == ["bad"]
        assert [each.id for each in due(platform.parts, streams, now + 2 * HOUR)] == ["bad", "good"]


def test_a_slow_feed_holds_up_no_other_and_is_told_when_it_ends(settings):
    open_now = threading.Event()

    def answer(asked, _):
        if "slow" in asked.path:
            assert open_now.wait(120)
        return Answer(BODY)

    pollers = Pollers()
    with answering(answer) as web:
        streams = [stream(f"{web.url}/{name}", name) for name in ("slow", "quick")]
        parts = parts_of(settings, streams)
        now = dt.datetime.now(dt.UTC)
        found = []

        def tick(at):
            ended, under_way = pollers.tick(parts, streams, at, patience=0.05)
            found.extend(ended)
            return under_way

        tick(now)
        wait_for(lambda: tick(now) == ["slow"])
        assert [each.stream_id for each in found] == ["quick"]
        # Not begun again while it runs, however long.
        assert tick(now + 10 * HOUR) in (["slow"], ["quick", "slow"])
        open_now.set()
        wait_for(lambda: tick(now) == [] and len(found) >= 2)
    asked = [each.path for each in web.asked]
    assert asked.count("/slow") == 1
    assert {each.stream_id for each in found} == {"slow", "quick"}


def test_a_few_are_fetched_at_once_and_the_others_wait(settings):
    open_now, lock, most, running = threading.Event(), threading.Lock(), [0], [0]

    def answer(asked, _):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        assert open_now.wait(120)
        with lock:
            running[0] -= 1
        return Answer(BODY)

    pollers = Pollers()
    with answering(answer) as web:
        streams = [stream(f"{web.url}/{n}", f"s{n}") for n in range(2 * AT_ONCE)]
        parts, now, ended = parts_of(settings, streams), dt.datetime.now(dt.UTC), []
        _, under_way = pollers.tick(parts, streams, now, patience=0.05)
        assert len(under_way) == 2 * AT_ONCE
        wait_for(lambda: running[0] == AT_ONCE)
        open_now.set()
        wait_for(lambda: ended.extend(pollers.tick(parts, streams, now, patience=0.5)[0]) or len(ended) == 2 * AT_ONCE)
    assert most[0] == AT_ONCE
    assert all(each.is_good for each in ended)


@pytest.mark.parametrize(
    ("hours", "said"), [(2, ""), (4, "last at 2026-10-01 00:00 UTC: 1 polls failed since, the last: ")]
)
def test_a_feed_that_we_have_not_got_is_late_and_the_check_says_why(settings, hours, said):
    start = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    with answering(lambda _, n: Answer(BODY) if n == 0 else Answer(b"gone", 404)) as web:
        feed = stream(web.url)
        parts = parts_of(settings, [feed])
        poll(parts, feed, lambda: start)
        poll(parts, feed, lambda: start + HOUR)
    with connect(settings) as connection:
        states = {each.check: each for each in feed_states(connection, [feed], start + hours * HOUR)}
    assert said in states[ARRIVING].wrong
    assert states[ARRIVING].passed == (not said)
    if said:
        assert "404 Not Found: gone" in states[ARRIVING].wrong
