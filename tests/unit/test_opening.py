"""Since when a feed has days: a few entries that stand alone, long before all others, open none."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from cic_assets.facts.status_edges import Entries, opening


def entries(**counts: int) -> list[Entries]:
    """`d2010_01_05=1`: one entry of that date, at noon."""
    dates = {dt.date(*map(int, name[1:].split("_"))): count for name, count in counts.items()}
    return [Entries(date, count, dt.datetime.combine(date, dt.time(12), dt.UTC)) for date, count in dates.items()]


CASES = {
    "nothing": ({}, None),
    "one entry": ({"d2010_01_05": 1}, "2010-01-05"),
    "one of fifty-one": ({"d2010_01_05": 1, "d2026_01_01": 25, "d2026_01_02": 25}, "2026-01-01"),
    "one of twenty": ({"d2010_01_05": 1, "d2026_01_01": 19}, "2026-01-01"),
    "one of few": ({"d2010_01_05": 1, "d2026_01_01": 9}, "2010-01-05"),
    "two of a hundred": ({"d2010_01_05": 2, "d2026_01_01": 98}, "2010-01-05"),
    "two of a hundred and one": ({"d2010_01_05": 2, "d2026_01_01": 99}, "2026-01-01"),
    "less than a year before": ({"d2025_01_05": 1, "d2026_01_01": 99}, "2025-01-05"),
    "some, years apart": ({"d2010_01_05": 1, "d2014_03_01": 1, "d2018_07_01": 1, "d2026_01_01": 200}, "2026-01-01"),
    "an archive and its sequel": ({"d2012_01_05": 50, "d2026_01_01": 900}, "2012-01-05"),
    "a pause of years": ({"d2019_01_05": 400, "d2022_01_01": 1, "d2026_01_01": 900}, "2019-01-05"),
    "one long after": ({"d2012_01_05": 400, "d2026_01_01": 1}, "2012-01-05"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_few_entries_long_before_all_others_open_no_days(case):
    counts, expected = CASES[case]
    found = entries(**counts)
    opens, early = opening(found)
    assert (opens and str(opens.date())) == expected
    assert [each.date for each in early] == [each.date for each in found if opens and each.first_at < opens]


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_landing_and_the_cut_into_arrivals_make_no_difference(case):
    found = entries(**CASES[case][0])
    rng = random.Random(case)
    for _ in range(5):
        parts = []
        for each in found:
            first = rng.randint(0, each.count)
            later = Entries(each.date, first, each.first_at + dt.timedelta(hours=1))
            parts += [part for part in (later, Entries(each.date, each.count - first, each.first_at)) if part.count]
        rng.shuffle(parts)
        opens, early = opening(parts)
        assert opens is None or opens.date() == opening(found)[0].date()
        assert [(each.date, each.count) for each in early] == [(each.date, each.count) for each in opening(found)[1]]
