"""What the warehouse knows of feeds that speak of several providers, and of charge points that have ended."""

from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.facts.charge_point_months import _KNOWN, _OF_ALL_TIME
from cic_assets.facts.touch import _longest_silence
from cic_assets.kinds.every import parse_stream
from cic_assets.streams.register import register_streams
from tests.doors import connect

COMMON = {
    "description": "d", "authority": {"id": "nation", "name": "Nation"}, "zone": "Europe/London", "claims": ["*"],
    "format": {"type": "csv"}, "licence": "l", "contact": "c", "kind": "status",
    "vocabulary": {"standard": "OICP 2.3"},
}  # fmt: skip
COLUMNS = {"charge_point": "cp", "status": "state", "changed_at": "since"}


def feed(name, party_id, silence, **columns):
    party = {"id": party_id, "name": party_id}
    return parse_stream(
        {**COMMON, "id": name, "provider": party, "max_silence": silence, "columns": {**COLUMNS, **columns}}
    )


@pytest.fixture
def feeds(settings):
    found = {
        each.id: each
        for each in (feed("a", "A", "P1D"), feed("b", "B", "P9D"), feed("hub", "hub", "P3D", provider="cpo"))
    }
    with connect(settings) as connection:
        connection.execute(
            "delete from catalogue.stream; delete from facts.charge_point; delete from facts.charge_point_edge"
        )
        register_streams(connection, found.values(), None)
    return found


def test_a_hub_may_keep_any_providers_state_alive_and_others_their_own(settings, feeds):
    with connect(settings) as connection:
        longest = {name: _longest_silence(connection, stream).days for name, stream in feeds.items()}
    assert longest == {"a": 3, "b": 9, "hub": 9}


def month_of(settings, month):
    following = (month + dt.timedelta(days=31)).replace(day=1)
    late = {f"late_{name}": [] for name in ("points", "connectors", "at", "states")}
    with connect(settings) as connection:
        connection.execute(_OF_ALL_TIME)
        rows = connection.execute(_KNOWN, {"start": month, "end": following, **late}).fetchall()
    return sorted((point, provider, authority) for point, provider, authority, _ in rows)


def test_what_has_ended_by_a_months_end_is_not_registered(settings, feeds):
    began = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    listed = [("A/1", None), ("A/2", dt.datetime(2026, 2, 10, tzinfo=dt.UTC)), ("A/3", began)]
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into facts.charge_point (charge_point_id, provider_id, authority_id, stream_id, valid_from,"
            " ended_at) values (%s, 'A', 'E1', 'a', %s, %s)",
            [(point, began, ended) for point, ended in listed],
        )
    assert month_of(settings, dt.date(2026, 1, 1)) == [("A/1", "A", "E1"), ("A/2", "A", "E1")]
    assert month_of(settings, dt.date(2026, 2, 1)) == [("A/1", "A", "E1")]


def test_charge_points_that_a_hub_speaks_of_are_their_providers(settings, feeds):
    spoke = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into facts.charge_point_edge (charge_point_id, connector_id, stream_id, event_date, entry_count,"
            " first_event_at, last_event_at, last_state, last_heard_at) values (%s, '', 'hub', %s, 1, %s, %s,"
            " 'AVAILABLE', %s)",
            [(point, spoke.date(), spoke, spoke, spoke) for point in ("A/1", "B/1")],
        )
        cursor.execute(
            "insert into facts.charging_session (session_id, charge_point_id, provider_id, authority_id, stream_id,"
            " started_at, ended_at, start_date, duration_seconds, energy_kwh, flags, record_kind, arrival_date,"
            " is_counted) values ('1', 'A/9', 'A', 'nation', 'a', %(at)s, %(at)s, %(at)s, 60, 1, '{}', 'session',"
            " %(at)s, true)",
            {"at": spoke},
        )
    # Of B neither a day nor a session is known, so nobody knows until when it was heard.
    assert month_of(settings, dt.date(2026, 1, 1)) == [("A/1", "A", "nation"), ("A/9", "A", "nation")]
