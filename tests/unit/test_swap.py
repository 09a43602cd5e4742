from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.kinds.swap import (
    SwapEvidence,
    evidence_of_dates,
    overlaps,
    swap_day_month,
    swap_evidence,
)

HOUR = dt.timedelta(hours=1)
# Every day of the first quarter of 2026, one session each.
QUARTER = [dt.datetime(2026, 1, 1, 9) + dt.timedelta(days=n) for n in range(90)]
NOON = dt.datetime(2026, 1, 5, 12)


def uses(starts):
    return [("c", start, start + HOUR) for start in starts]


@pytest.mark.parametrize(
    ("given", "swapped"),
    [((3, 7), (7, 3)), ((7, 3), (3, 7)), ((5, 5), (5, 5)), ((3, 12), (12, 3)), ((3, 13), (3, 13))],
)
def test_day_and_month_are_exchanged_where_both_readings_exist(given, swapped):
    assert swap_day_month(dt.datetime(2026, *given, 8, 30)) == dt.datetime(2026, *swapped, 8, 30)


def test_evidence_of_a_right_quarter_in_figures():
    # 12 doubtful days a month but for 1/1, 2/2 and 3/3. Certain days run from 13 January to 31 March, so the span is
    # 31 December to 13 April; swapped, all starts in a month from May on lie outside it.
    found = swap_evidence(uses(QUARTER))
    assert found == SwapEvidence(33, 33, 9, 0, 0)
    assert not found.is_swapped


def test_evidence_of_a_swapped_quarter_is_the_mirror_image():
    found = swap_evidence(uses(map(swap_day_month, QUARTER)))
    assert (found.doubtful, found.inside_as_given, found.inside_swapped) == (33, 9, 33)
    assert found.is_swapped


def test_a_delivery_wholly_within_days_1_to_12_gives_no_evidence_but_its_overlaps():
    start = dt.datetime(2026, 2, 3, 9)
    found = swap_evidence([("c", start, start + 2 * HOUR), ("c", start + HOUR, start + 3 * HOUR)])
    assert found == SwapEvidence(0, 0, 0, 1, 1)
    assert not found.is_swapped


def test_nothing_at_all_accuses_nobody():
    assert not swap_evidence([]).is_swapped


@pytest.mark.parametrize(
    ("given", "swapped", "verdict"), [(97, 98, True), (98, 100, False), (0, 97, False), (97, 97, False)]
)
def test_the_verdict_turns_at_98_of_100(given, swapped, verdict):
    assert SwapEvidence(100, given, swapped, 0, 0).is_swapped is verdict


def test_a_long_session_is_overlapped_by_each_one_within_it():
    inner = [("a", NOON + n * HOUR, NOON + (n + 1) * HOUR) for n in range(1, 4)]
    assert overlaps([*reversed(inner), ("a", NOON, NOON + 4 * HOUR)]) == 3


def test_touching_and_endless_sessions_do_not_overlap():
    assert overlaps([("a", NOON, NOON + HOUR), ("a", NOON + HOUR, NOON + 2 * HOUR)]) == 0
    assert overlaps([("a", NOON, NOON + HOUR), ("a", NOON + HOUR / 2, NOON)]) == 0


@pytest.mark.parametrize("odd", [dt.date(1, 1, 13), dt.date(9999, 12, 31)])
def test_dates_at_either_end_of_the_calendar_are_looked_at_too(odd):
    """A feed's garbage: no span reaches beyond them. Found by the fuzzer."""
    assert evidence_of_dates({odd: 1, dt.date(2026, 2, 3): 5}).doubtful == 5
