"""Guesses of `cic streams check` at what is wrong with a stream file."""

from __future__ import annotations

import pytest

from cic_assets.kinds.every import parse_stream
from cic_assets.onboard.advice import is_row, of_values, quiet_at_daytime
from tests.spark.test_check import STREAM


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("kwh='1,50'", ' (or say `numbers: {decimal: ","}`)'),
        ("kwh='1.234,50'", ' (or say `numbers: {decimal: ","}`)'),
        ("kwh='€ 3,40'", ' (or say `numbers: {decimal: ",", signs: ["€"]}`)'),
        ("kwh='1,234.50'", ' (or say `numbers: {thousands: ","}`)'),
        ("kwh='7 kW'", ' (or say `numbers: {signs: ["kW"]}`)'),
        ("kwh='none'", ""),
        ("kwh=''", ""),
    ],
)
def test_signs_of_numbers_are_named(values, said):
    assert of_values(parse_stream(STREAM), "energy", values) == said
    assert of_values(parse_stream(STREAM), "session_id", values) == ""


def test_a_row_is_told_from_names():
    assert is_row(["9001", "E1", "2026-03-01 10:00", "7.5"]) and is_row(["a@b.example"])
    assert not is_row([]) and not is_row(["Session", "kWh", "Start", "2026"])


def test_quiet_hours_of_daytime_are_told_from_those_at_night():
    day = [0] * 7 + [5] * 12 + [1] * 5
    assert [quiet_at_daytime(day[shift:] + day[:shift]) is None for shift in (0, 2, 9, 12)] == [
        True,
        True,
        False,
        False,
    ]
    assert quiet_at_daytime([0] * 24) is None and quiet_at_daytime(()) is None and quiet_at_daytime([3] * 24) is None
