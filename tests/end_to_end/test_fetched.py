"""A county that is fetched over HTTP, and the same county as files: equal facts; and what an outage does to them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from cic_assets.fetch.poll import poll
from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import EXAMPLE_STREAMS, load_settings
from cic_assets.simulate import simulate
from cic_assets.simulate.serve import TOKEN, Clock, County, Feeds, serving
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded
from tests.conftest import admin
from tests.doors import connect
from tests.end_to_end.steps import run_days, run_facts, run_ingest

LAST = dt.date(2026, 11, 1)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SESSIONS = ("brackendale_sessions", "brackendale_ocpi_sessions", "dunholt_sessions")
STATES = ("elmsworth_status", "elmsworth_locations")


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("county"), last_day=LAST, days=14, charge_points=20, dirt=0.0)


@pytest.fixture
def places(server_home, template, tmp_path):
    """Settings of a warehouse and a lake of their own, by name."""

    def make(name):
        server, database = embedded.locate(server_home), f"fetched_{name}_{abs(hash(tmp_path)) % 10**9}"
        with admin(server) as connection:
            connection.execute(f"create database {database} template {template}")
        base = load_settings(
            {
                "CIC_HOME": str(tmp_path / name),
                "CIC_STREAMS": "examples",
                "CIC_PERSONAL_KEY": "k",
                "CIC_SECRET_COUNTY": TOKEN,
            }
        )
        return replace(base, warehouse_url=server.url(database))

    return make


def fetched(stream_id, url, every="PT6H", **more):
    """An example stream as its operator's server has it."""
    stream = load_streams([EXAMPLE_STREAMS])[stream_id]
    provider, _, what = stream_id.partition("_")
    content = stream.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if stream_id in STATES:
        source = {"module": "locations", "url": f"{url}/open/{provider}/locations"}
    else:
        module = {"sessions": "cdrs", "ocpi_sessions": "sessions", "snapshot": "locations"}[what]
        source = {"module": module, "versions": f"{url}/ocpi/{provider}/versions", "token": {"secret": "county"}}
    if stream.format.type == "jsonl":
        content["format"] = {"type": "json", "records": "data"}
    return parse_stream({**content, **more, "source": {"type": "ocpi", "every": every, **source}})


def compute(settings, streams):
    run_ingest(settings, streams)
    run_days(settings, streams)
    run_facts(settings, asked_for=True)


def rows(settings, query):
    with connect(settings) as connection:
        return connection.execute(query).fetchall()


# What a session or a day says, without the days on which it came.
SESSION_FACTS = (
    "select stream_id, record_kind, session_id, charge_point_id, connector_id, started_at, ended_at, energy_kwh,"
    " revenue, currency, rated_power_kw, flags from facts.charging_session order by 1, 2, 3, 6"
)
STATUS_FACTS = (
    "select stream_id, charge_point_id, status_date, available_seconds, outoforder_seconds, unreported_seconds,"
    " unobserved_seconds, event_count, flags, operational_of_known_pct from facts.charge_point_status_day"
    " order by 1, 2, 3"
)


def test_the_same_county_as_files_and_by_ocpi_has_equal_facts(places, sent):
    by_file, by_ocpi = places("files"), places("ocpi")
    streams = {name: stream for name, stream in load_streams(by_file.streams).items() if name in (*SESSIONS, *STATES)}
    for file in sent.files:
        if file.stream_id in streams:
            land(parts_of(by_file), streams[file.stream_id], file.path, file.arrived_at)
    compute(by_file, streams)

    feeds = Feeds(sent.files, sent.beside)
    clock = Clock(feeds.span[0].replace(hour=6, minute=30, second=0, microsecond=0), speed=0)
    with serving(County(feeds, clock, page_size=7)) as url:
        polled = {name: fetched(name, url, "P1D") for name in (*SESSIONS, *STATES)}
        parts = parts_of(by_ocpi, polled.values())
        failures = []
        while clock.now() < feeds.span[1] + DAY:
            for stream in polled.values():
                done = poll(parts, stream, clock.now)
                failures += [done] if not done.is_good else []
            clock.set(clock.now() + DAY)
    assert failures == []
    compute(by_ocpi, polled)
    for query in (SESSION_FACTS, STATUS_FACTS):
        theirs = rows(by_file, query)
        assert len(theirs) > 100
        assert rows(by_ocpi, query) == theirs
    # Nobody fetches it any more: from the last poll on, nothing is the operator's fault.
    last = clock.now() - DAY
    lost = "select sum(receiver_seconds), sum(unreported_seconds) from facts.charge_point_status_day where status_date"
    assert rows(by_ocpi, f"{lost} < '{last.date()}'")[0][0] == 0
    receiver, unreported = rows(by_ocpi, f"{lost} > '{last.date() + 4 * DAY}'")[0]
    assert receiver == unreported > 0


OUTAGE_DAY = dt.date(2026, 10, 28)
START = dt.datetime(2026, 10, 27, 12, tzinfo=dt.UTC)
FAILS, WORKS = START + 22 * HOUR, START + 28 * HOUR
SHARES = (
    "select charge_point_id, unreported_seconds, receiver_seconds, operational_of_known_pct, operational_pct,"
    " unknown_pct, inoperative_seconds + outoforder_seconds from facts.charge_point_status_day"
    f" where status_date = '{OUTAGE_DAY}'"
)


def polled_hourly(settings, feeds, *, fails):
    """(sessions, shares of the day by charge point) of a county that is fetched each hour; whether it fails for six."""
    clock = Clock(START, speed=0)
    county = County(feeds, clock)
    with serving(county) as url:
        # Believed for an hour: so the gap is as wide as can be.
        status = fetched("brackendale_snapshot", url, "PT1H", period=None, max_silence="PT1H")
        sessions = fetched("brackendale_ocpi_sessions", url, "PT1H")
        streams = {each.id: each for each in (status, sessions)}
        parts = parts_of(settings, streams.values())
        failed = 0
        while clock.now() <= START + 2 * DAY:
            if fails and clock.now() == FAILS:
                county.fail("brackendale", 6 * 3600 - 1)
            for stream in streams.values():
                done = poll(parts, stream, clock.now, pause=lambda seconds: None)
                failed += not done.is_good
                assert done.is_good == (not fails or not FAILS <= clock.now() < WORKS), done.error
            clock.set(clock.now() + HOUR)
    assert failed == (12 if fails else 0)
    compute(settings, streams)
    return rows(settings, SESSION_FACTS), {point: row for point, *row in rows(settings, SHARES)}


def test_an_operator_that_fails_for_six_hours_is_not_held_responsible_and_loses_no_session(places, sent):
    """Its feed is fetched each hour; from 10 to 16 o'clock it answers nothing but errors."""
    feeds, settings = Feeds(sent.files, sent.beside), places("failing")
    sessions_well, well = polled_hourly(places("well"), feeds, fails=False)
    sessions_failing, failing = polled_hourly(settings, feeds, fails=True)
    assert sessions_failing == sessions_well
    assert len(sessions_well) > 20
    assert well.keys() == failing.keys()
    assert len(well) > 15
    moved = silent = 0
    for point, (unreported, receiver, of_known, operational, unknown, down) in failing.items():
        assert (well[point][0], well[point][1]) == (0, 0)
        # From 10 o'clock, an hour after the last word, to the next good poll, or to when the feed says it changed.
        # What is planned or removed stays so, whoever is silent.
        assert 0 <= receiver == unreported <= 6 * 3600
        silent += receiver > 0
        # Nobody is held responsible: what we did not hear is in no share, and never counts as down.
        assert operational == of_known
        assert unknown == (None if of_known is None else 0)
        assert down <= well[point][5]
        if well[point][2] in (None, 0, 100):
            assert of_known == well[point][2], point
        else:
            # The same sum over less time: it can't be further off than that the lost time was all up, or all down.
            lost = Decimal(receiver) / (86400 - Decimal(receiver))
            assert abs(of_known - well[point][2]) <= 100 * lost
            moved += 1
    assert silent > 15 > moved
    # What a fetched feed was, on the day: known as a whole, as far as it is the operator's.
    assert rows(settings, f"select unknown_pct from quality.feed_day where status_date = '{OUTAGE_DAY}'") == [(0,)]
