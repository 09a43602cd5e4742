"""Whether feeds are well: late, unknown and dead ones are named without an ingest, in Dagster and in a view."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
import yaml
from dagster import AssetCheckKey, DagsterInstance, build_sensor_context
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from cic_assets.facts.network_days import renew_status_days
from cic_assets.ingest.feeds import ALIVE, ARRIVING, KNOWN, feed_states
from cic_assets.kinds.every import parse_stream
from cic_assets.ledger.periods import Window
from cic_assets.orchestrate.assets.keys import accepted_key
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.sensors import build_sensors
from tests.doors import connect

DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
COMMON = {
    "id": "feed", "kind": "status", "description": "d", "provider": {"id": "p", "name": "P"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "jsonl"}, "claims": ["*"],
    "columns": {"charge_point": "cp", "status": "word", "changed_at": "at"}, "licence": "l", "contact": "c",
    "vocabulary": {"words": {"-1": "UNKNOWN", "1": "AVAILABLE"}},
}  # fmt: skip


def states(settings, now=NOW, **changes):
    stream = parse_stream(COMMON | changes)
    with connect(settings) as connection:
        return {state.check: state.wrong for state in feed_states(connection, [stream], now)}


def put_days(settings, last, days, points=5, reports_use=True, **seconds):
    """Days of charge points which spend them in the same states."""
    names = [f"{name}_seconds" for name in (
        "available", "blocked", "charging", "inoperative", "outoforder", "planned", "removed", "reserved", "unknown",
        "unreported", "unobserved",
    )]  # fmt: skip
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into facts.charge_point_status_day (charge_point_id, provider_id, authority_id, stream_id,"
            " status_date, day_seconds, event_count, confirmation_count, reports_use, flags,"
            f" {', '.join(names)}) values (%s, 'p', 'a', 'feed', %s, 86400, 0, 144, %s, '{{}}'{', %s' * len(names)})",
            [
                [f"p/{point}", last - number * DAY, reports_use]
                + [seconds.get(name.removesuffix("_seconds"), 0) for name in names]
                for point in range(points)
                for number in range(days)
            ],
        )
        first = last - (days - 1) * DAY
        renew_status_days(connection, Window("charge_point_status", first, last + DAY, monthly=False))


def test_a_feed_that_delivers_nothing_is_red_by_what_it_promised(settings):
    promised = {"expected": {"from": "2026-03-10", "by": 2}}
    # Of the 19th it may still come.
    assert "nothing arrived for 9 days that `expected` promises" in states(settings, **promised)[ARRIVING]
    assert "2026-03-14, 2026-03-15, 2026-03-16, 2026-03-17, 2026-03-18" in states(settings, **promised)[ARRIVING]
    with connect(settings) as connection:
        connection.execute(
            "insert into quality.ingest_count (stream_id, arrival_date, rows_in, accepted, quarantined, held)"
            " values ('feed', '2026-03-12', 9, 9, 0, 0), ('feed', '2026-03-17', 9, 0, 9, 9)"
        )
    # What came on the 12th is in time for the 10th to the 12th; what is held has not come.
    assert "nothing arrived for 6 days" in states(settings, **promised)[ARRIVING]
    assert states(settings) == {ARRIVING: "", KNOWN: "", ALIVE: ""}


def test_a_polled_feed_is_red_after_three_periods_and_an_ended_one_is_not(settings):
    polled = {"period": "PT10M"}
    assert states(settings, **polled)[ARRIVING] == ""
    with connect(settings) as connection:
        connection.execute(
            "insert into catalogue.object (stream_id, sha256, arrival_date, first_seen_at, original_name, path,"
            " byte_count) values ('feed', 'x', '2026-03-20', '2026-03-20 11:00Z', 'f', 'p', 1)"
        )
        connection.execute("insert into catalogue.sighting values ('feed', 'x', '2026-03-20 11:31Z', 'f')")
    assert states(settings, **polled)[ARRIVING] == ""
    late = states(settings, NOW + dt.timedelta(minutes=2), **polled)[ARRIVING]
    assert late.startswith("polled every 10 min, and last seen at 2026-03-20 11:31 UTC")
    assert states(settings, NOW + DAY, ends="2026-03-20", **polled)[ARRIVING] == ""


def test_a_feed_whose_newest_row_is_old_is_red(settings):
    with connect(settings) as connection:
        connection.execute(
            "insert into quality.ingest_count (stream_id, arrival_date, rows_in, accepted, quarantined, last_date)"
            " values ('feed', '2026-03-12', 9, 9, 0, '2026-03-11')"
        )
    assert states(settings, batch={"max_age_days": 9})[ARRIVING] == ""
    assert "its newest row is of 2026-03-11" in states(settings, batch={"max_age_days": 8})[ARRIVING]


LAST = dt.date(2026, 3, 19)


@pytest.mark.parametrize(
    ("seconds", "changes", "dead", "unknown"),
    [
        ({"unknown": 86400}, {}, "all 5 charge points were UNKNOWN or unreported (its words for that: '-1')", "100 %"),
        ({"unknown": 40000, "unreported": 46400}, {}, "UNKNOWN or unreported", "100 %"),
        ({"inoperative": 86400}, {}, "all 5 charge points were INOPERATIVE", None),
        ({"inoperative": 86400}, {"points": 4}, None, None),
        ({"available": 86400}, {"reports_use": False}, None, None),
        ({"available": 86400}, {"days": 6}, None, None),
        ({"available": 36400, "charging": 50000}, {}, None, None),
        ({"available": 36400, "unknown": 50000}, {}, None, "57.8704 %"),
        ({"removed": 86400}, {}, None, None),
    ],
)
def test_a_dead_feed_and_an_unknown_one_are_named(settings, seconds, changes, dead, unknown):
    put_days(settings, LAST, **{"days": 7, **changes}, **seconds)
    found = states(settings)
    assert (dead in found[ALIVE]) if dead else found[ALIVE] == ""
    assert (unknown in found[KNOWN]) if unknown else found[KNOWN] == ""
    if unknown:
        assert states(settings, delivery={"max_unknown_pct": 100})[KNOWN] == ""


def test_the_sensor_reports_what_changed_without_a_run(settings, tmp_path):
    content = COMMON | {"expected": {"from": "2026-03-10", "to": "2026-03-10", "by": 2}}
    stream = parse_stream(content)
    (tmp_path / "feed.yml").write_text(yaml.safe_dump(content))
    settings = replace(settings, streams=(tmp_path,))
    (sensor,) = (each for each in build_sensors() if each.name == "feeds")
    with DagsterInstance.ephemeral() as instance:

        def tick(cursor):
            platform = Platform(settings=settings, streams={"feed": stream})
            context = build_sensor_context(instance=instance, cursor=cursor, resources={"platform": platform})
            said = sensor(context).skip_message
            return context.cursor, said

        def last(check):
            key = AssetCheckKey(accepted_key(stream), check)
            records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
            return [record.status for record in records]

        cursor, said = tick(None)
        assert said == "3 checks changed; not well: feed"
        assert (last(ARRIVING), last(KNOWN)) == ([Status.FAILED], [Status.SUCCEEDED])
        cursor, said = tick(cursor)
        assert said == "0 checks changed; not well: feed" and len(last(ARRIVING)) == 1
        with connect(settings) as connection:
            connection.execute(
                "insert into quality.ingest_count (stream_id, arrival_date, rows_in, accepted, quarantined)"
                " values ('feed', '2026-03-11', 9, 9, 0)"
            )
        assert tick(cursor)[1] == "1 checks changed; not well: none"
        assert last(ARRIVING) == [Status.SUCCEEDED, Status.FAILED]
