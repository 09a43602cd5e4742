"""Rows that say whose they are: registries of all providers, hubs, several zones in one feed."""

from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.facts.status import Feed, status_facts
from cic_assets.kinds.common import _zones
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.sessions import harmonise as sessions
from tests.builders import entry, window_frame
from tests.spark.test_judge_status import COMMON, STATUS, records
from tests.spark.test_values import SESSION, SESSIONS, judged, utc


def hub(content, **columns):
    return {**content, "columns": {**content["columns"], **columns}}


def said(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_a_registry_of_all_providers_names_them_and_their_authorities(spark):
    content = {**COMMON, "kind": "locations"}
    content["columns"] = {
        "charge_point": "cp", "location_id": "site", "provider": "upper(operator)", "authority": "district",
    }  # fmt: skip
    rows = [
        {"cp": "1", "site": "a", "operator": "gb*one", "district": "E1"},
        # The same id of another provider is another charge point, and at no second place.
        {"cp": "1", "site": "b", "operator": "GB*TWO", "district": "E2"},
        {"cp": "2", "site": "c", "operator": " ", "district": "E2"},
        {"cp": "3", "site": "c", "operator": "a/b", "district": "E2"},
        {"cp": "4", "site": "c", "operator": "GB*TWO", "district": None},
    ]  # fmt: skip
    found = judged(spark, content, rows)
    assert said(found, "provider_id", "authority_id", "charge_point_id", "two_places")[:2] == [
        ("GB*ONE", "E1", "GB*ONE/1", False), ("GB*TWO", "E2", "GB*TWO/1", False),
    ]  # fmt: skip
    assert said(found, "reasons", "flags") == [
        ([], []), ([], []), (["L01"], []), (["L01"], ["unreadable:provider"]), (["L01"], []),
    ]  # fmt: skip


def test_sessions_of_a_hub_have_days_of_their_own_zones(spark):
    content = hub(SESSIONS, provider="cpo", authority="city", zone="tz")
    del content["columns"]["started_at"], content["columns"]["ended_at"]
    content["columns"] |= {"started_local": "start", "ended_local": "stop"}
    row = {**SESSION, "start": "2026-06-01 00:30", "stop": "2026-06-01 01:30", "cpo": "A", "city": "X"}
    rows = [
        {**row, "tz": "Europe/London"}, {**row, "tz": "America/New_York", "cpo": "B"}, {**row, "tz": "Mars/Phobos"},
        {**row, "tz": None}, {**row, "tz": "Asia/Kolkata", "start": "2026-05-31T19:30:00Z"},
    ]  # fmt: skip
    found = judged(spark, content, rows)
    day = dt.date(2026, 6, 1)
    assert said(found, "started_at", "start_date", "provider_id")[:2] == [
        (utc(2026, 5, 31, 23, 30), day, "A"), (utc(2026, 6, 1, 4, 30), day, "B"),
    ]  # fmt: skip
    assert said(found, "started_at", "start_date")[4] == (utc(2026, 5, 31, 19, 30), day)
    assert [row["reasons"] for row in found] == [[], [], ["S01"], ["S01"], []]
    assert "unreadable:zone" in found[2]["flags"] and "unreadable:zone" not in found[3]["flags"]


def test_an_instant_without_a_zone_has_no_day_and_is_rejected(spark):
    good, bad = judged(spark, hub(SESSIONS, zone="tz"), [{**SESSION, "tz": "Asia/Tokyo"}, {**SESSION, "tz": "JST9"}])
    assert (good["start_date"], good["reasons"], bad["reasons"]) == (dt.date(2026, 6, 1), [], ["S01"])


def test_both_engines_know_every_zone_that_a_row_may_say(spark):
    content = hub(SESSIONS, zone="tz")
    rows = [{**SESSION, "tz": zone} for zone in _zones()]
    frame = sessions.harmonise(records(spark, parse_stream(content), rows), parse_stream(content))
    assert frame.where("start_date is not null").count() == len(rows) > 500


def test_a_status_hub_speaks_of_charge_points_of_several_providers(spark):
    content = hub(STATUS, provider="cpo")
    row = {"word": "AVAILABLE", "since": "2026-11-01T10:00:00Z", "seen": "2026-11-02T05:00:00Z", "cp": "1"}
    rows = [{**row, "cpo": "A"}, {**row, "cpo": "B", "word": "CHARGING"}, {**row, "cpo": "not one"}]
    found = judged(spark, content, rows)
    assert said(found, "charge_point_id", "reasons", "two_places") == [
        ("A/1", [], False), ("B/1", [], False), (None, ["E01"], False),
    ]  # fmt: skip


def test_the_days_of_a_hubs_charge_points_are_their_providers(spark):
    start = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    entries = [
        entry(start, charge_point_id="A/1", stream_id="hub"),
        entry(start, charge_point_id="B/1", stream_id="hub"),
    ]
    feed = Feed("hub", "hub", "a", "Europe/London", None, start + dt.timedelta(days=1), start)
    day, now = start.date(), start + dt.timedelta(days=3)
    points = [(row["charge_point_id"], "hub") for row in entries]
    frame = window_frame(spark, entries, points, day, day, listed=[("B/9", "B")])
    found = status_facts(frame, [feed], day, day + dt.timedelta(days=1), {"B"}, now).toArrow().to_pylist()
    rows = sorted((row for row in found if row["outcome"] is None), key=lambda row: row["charge_point_id"])
    assert said(rows, "charge_point_id", "provider_id", "authority_id", "flags") == [
        ("A/1", "A", "a", []), ("B/1", "B", "a", ["E05"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "columns", "said_why"),
    [
        (STATUS, {"authority": "x"}, "the days of a status feed are one authority's"),
        (STATUS, {"zone": "x"}, "days of one zone"),
        ({**COMMON, "kind": "locations", "columns": {"charge_point": "cp"}}, {"zone": "x"}, "months end by the clock"),
        ({**SESSIONS, "personal_fields": ["rfid"]}, {"authority": "x"}, "the key of one authority"),
    ],
)
def test_what_a_kind_has_not_is_refused_with_what_to_do(content, columns, said_why):
    with pytest.raises(ValueError, match=said_why) as caught:
        parse_stream(hub(content, **columns))
    assert "one stream file for each" in str(caught.value) or "one stream file for" in str(caught.value)
