"""Ratings by month, in Postgres: registry over sessions, devices, classes, and what a change makes stale."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cic_assets.facts.ratings import renew_ratings
from tests.doors import connect

NEVER = dt.date(2000, 1, 1)


def month(number: int) -> dt.date:
    return dt.date(2026, number, 1)


@pytest.fixture
def found(settings):
    """What the ratings are, once a registry and sessions are there; (charge point, from) → the rest."""

    def rate(listed=(), sessions=()):
        with connect(settings) as connection, connection.cursor() as cursor:
            for stream, kind in (("l", "locations"), ("s", "sessions")):
                cursor.execute(
                    "insert into catalogue.stream (stream_id, kind, provider_id, provider_name, authority_id,"
                    " authority_name, zone, licence, contact, rule_set, fingerprint) values"
                    " (%s, %s, 'p', 'P', 'a', 'A', 'Europe/London', 'l', 'c', 'default', 'f') on conflict do nothing",
                    [stream, kind],
                )
            cursor.execute("delete from facts.charge_point; delete from facts.charging_session")
            cursor.executemany(
                "insert into facts.charge_point (charge_point_id, provider_id, authority_id, stream_id, device_id,"
                " rated_power_kw, valid_from, valid_to) values (%s, 'p', 'a', 'l', %s, %s, %s, %s)",
                listed,
            )
            cursor.executemany(
                "insert into facts.charging_session (session_id, charge_point_id, provider_id, authority_id, stream_id,"
                " started_at, ended_at, start_date, duration_seconds, energy_kwh, flags, rated_power_kw, record_kind,"
                " arrival_date, is_counted) values (%s, %s, 'p', 'a', 's', %s, %s, %s, 60, 1, '{}', %s, 'session', %s,"
                " true)",
                [(str(n), point, day, day, day, kw, day) for n, (point, day, kw) in enumerate(sessions)],
            )
            renew_ratings(connection)
            rows = connection.execute(
                "select charge_point_id, from_month, to_month, rated_power_kw, power_class, is_rapid, rating_source"
                " from facts.charge_point_rating order by 1, 2"
            ).fetchall()
        return {(point, since): rest for point, since, *rest in rows}

    return rate


def at(day: int, number: int = 1, hour: int = 12) -> dt.datetime:
    return dt.datetime(2026, number, day, hour, tzinfo=dt.UTC)


def test_classes_are_half_open(found):
    powers = ("0", "7.9999", "8", "49.9999", "50", "149.9999", "150", None)
    rated = found([(f"p/{kw}", None, kw, at(1), None) for kw in powers])
    assert {point.split("/")[1]: (rest[2], rest[3]) for (point, _), rest in rated.items()} == {
        "0": ("0-8", False), "7.9999": ("0-8", False), "8": ("8-50", False), "49.9999": ("8-50", False),
        "50": ("50-150", True), "149.9999": ("50-150", True), "150": ("150+", True), "None": ("unknown", None),
    }  # fmt: skip


def test_a_version_counts_from_the_month_at_whose_local_end_it_holds_and_the_first_one_before(found):
    # 31 March 23:30 UTC is April in London.
    moments = (at(10), at(31, 3, 23), at(20, 5), at(25, 5))
    versions = [
        ("p/1", "d", kw, since, until)
        for kw, since, until in zip((7, 22, 50, 150), moments, (*moments[1:], None), strict=True)
    ]
    assert {since: (until, int(kw)) for (_, since), (until, kw, *_) in found(versions).items()} == {
        NEVER: (month(4), 7), month(4): (month(5), 22), month(5): (None, 150),
    }  # fmt: skip


def test_rapid_is_said_of_the_device_as_it_is_in_the_month(found):
    rated = found(
        [
            ("p/1", "d", 7, at(1), None), ("p/2", "d", 50, at(1), at(1, 3)), ("p/2", "e", 50, at(1, 3), None),
            ("p/3", "e", 7, at(1, 2), None),
        ]
    )  # fmt: skip
    assert {key: (rest[0], rest[3]) for key, rest in rated.items()} == {
        ("p/1", NEVER): (month(3), True), ("p/1", month(3)): (None, False), ("p/2", NEVER): (None, True),
        ("p/3", NEVER): (month(3), False), ("p/3", month(3)): (None, True),
    }  # fmt: skip


def test_what_the_registry_does_not_say_sessions_may_have_said_by_then(found):
    sessions = [("p/1", dt.date(2026, 1, 5), 7), ("p/1", dt.date(2026, 2, 5), 3), ("p/1", dt.date(2026, 3, 5), 60)]
    sessions += [("p/2", dt.date(2026, 1, 5), 22), ("p/3", dt.date(2026, 1, 5), 22)]
    listed = [("p/2", "p/2", None, at(9), None), ("p/3", "p/3", 7, at(9), None)]
    rated = found(listed, sessions)
    assert {key: (rest[0], int(rest[1]), rest[4]) for key, rest in rated.items() if rest[1] is not None} == {
        ("p/1", month(1)): (month(3), 7, "sessions"), ("p/1", month(3)): (None, 60, "sessions"),
        ("p/2", month(1)): (None, 22, "sessions"), ("p/3", NEVER): (None, 7, "registry"),
    }  # fmt: skip
    assert rated["p/2", NEVER][1:] == [None, "unknown", None, None]


def test_a_changed_rating_makes_the_computed_months_stale_from_then_on(settings, found):
    found([("p/1", "d", 7, at(1), None)])
    with connect(settings) as connection:
        connection.execute("delete from catalogue.touched_period; delete from catalogue.fact_window")
        connection.execute(
            "insert into catalogue.fact_window (fact, period_date, owner) select 'charge_point_month', d, 'me'"
            " from generate_series(date '2026-01-01', '2026-04-01', interval '1 month') as d"
        )
    stale = "select period_date from catalogue.touched_period where fact = 'charge_point_month' order by 1"

    def touched():
        with connect(settings) as connection:
            return [row[0] for row in connection.execute(stale).fetchall()]

    assert found([("p/1", "d", 7, at(1), None)])["p/1", NEVER][1] == Decimal(7) and touched() == []
    found([("p/1", "d", 7, at(1), at(9, 3)), ("p/1", "d", 50, at(9, 3), None)])
    # Of the changed first row, the beginning is the same and the end another one.
    assert touched()[-2:] == [month(3), month(4)]
