"""Versions of tariffs, from what was said of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cic_assets.facts.tariffs import TARIFF, versions
from cic_assets.kinds.tariffs.schema import ACCEPTED


def at(month, day=1):
    return dt.datetime(2026, month, day, tzinfo=dt.UTC)


def price(valid_from, amount="0.25", position="1.1", **values):
    row = dict.fromkeys(ACCEPTED.names)
    row |= {
        "provider_id": "p", "authority_id": "a", "stream_id": "s", "tariff_id": "t", "currency": "GBP",
        "component": "ENERGY", "price": Decimal(amount), "position": position, "valid_from": valid_from,
        "arrived_at": at(1), "source_file": "f", "source_line": 1, "flags": [],
    }  # fmt: skip
    return row | values


def shown(rows):
    return [(row["valid_from"], row["valid_to"], row["element"], row["part"], str(row["price"])) for row in rows]


def test_a_version_applies_until_the_next_one_or_its_own_end():
    rows = [price(at(3), "0.30"), price(at(1)), price(at(6), "0.40", valid_to=at(7)), price(at(9), "0.50")]
    assert shown(versions(rows)) == [
        (at(1), at(3), 1, 1, "0.25"), (at(3), at(6), 1, 1, "0.30"), (at(6), at(7), 1, 1, "0.40"),
        (at(9), None, 1, 1, "0.50"),
    ]  # fmt: skip


def test_what_says_the_same_as_before_is_no_version_unless_something_lay_between():
    rows = [
        price(at(1)),
        price(at(2), last_updated=at(2)),
        price(at(3), "0.30"),
        price(at(4)),
        price(at(5), valid_to=at(6)),
    ]
    assert [row["valid_from"] for row in versions(rows)] == [at(1), at(3), at(4), at(5)]
    again = [price(at(1), valid_to=at(2)), price(at(3), valid_to=at(4))]
    assert [row["valid_from"] for row in versions(again)] == [at(1), at(3)]


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_words_about_one_version_the_last_update_holds_then_the_last_arrival(turned):
    rows = [
        price(at(1), "0.10", last_updated=at(2), arrived_at=at(9)),
        price(at(1), "0.20", last_updated=at(3), arrived_at=at(4)),
        price(at(1), "0.30", last_updated=at(3), arrived_at=at(5)),
        price(at(1), "0.40", position="2.1", last_updated=at(3), arrived_at=at(4)),
    ]
    assert shown(versions(reversed(rows) if turned else rows)) == [(at(1), None, 1, 1, "0.30")]


def test_elements_and_their_prices_keep_their_places_and_other_providers_their_tariffs():
    rows = [
        price(at(1), "3", position="10.2"), price(at(1), "2", position="10.1"), price(at(1), "1", position="2.1"),
        price(at(1), "7", provider_id="q"), price(at(1), "8", provider_id="q", position=None, source_line=2),
    ]  # fmt: skip
    found = versions(rows)
    assert [(row["provider_id"], row["element"], row["part"], str(row["price"])) for row in found] == [
        ("p", 2, 1, "1"), ("p", 10, 1, "2"), ("p", 10, 2, "3"), ("q", 1, 1, "7"), ("q", 2, 1, "8"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ('["MONDAY", "friday"]', ["MONDAY", "FRIDAY"]),
        ("MONDAY, FRIDAY", ["MONDAY", "FRIDAY"]),
        ("[]", []),
        (None, None),
        ("3", ["3"]),
    ],
)
def test_days_are_a_list_however_they_are_written(said, days):
    (row,) = versions([price(at(1), days=said)])
    assert row["days"] == days
    assert set(TARIFF.names) <= set(row)
