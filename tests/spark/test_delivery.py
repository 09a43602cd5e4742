"""What is found in a whole delivery, each in a small frame that shows it and in one that does not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from random import Random

import pytest

from cic_assets.ingest.delivery import (
    Finding,
    Profile,
    findings,
    held_by,
    hours_shifted,
    profiles,
    reference,
)
from cic_assets.ingest.judge import judge
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.status import harmonise as status
from cic_assets.kinds.stream import Delivery
from cic_assets.kinds.swap import SwapEvidence
from tests.builders import judged_rows
from tests.spark import test_judge_status as status_rows
from tests.spark.test_judge import ARRIVED, GOOD, STREAM, harmonised

# Without the repair: a delivery as it is given.
PLAIN = STREAM.model_copy(update={"date_repair": None})
STATUS = parse_stream(status_rows.STATUS)
KEY = (ARRIVED.date(), "")
DAY = dt.timedelta(days=1)


def session(number: int, start: dt.datetime, hours: int = 2, **values: str) -> dict[str, str | None]:
    times = {"start": f"{start:%Y-%m-%d %H:%M:%S}", "stop": f"{start + dt.timedelta(hours=hours):%Y-%m-%d %H:%M:%S}"}
    return {"source_file": "f.csv", **GOOD, "id": str(number), "cp": f"C{number % 5}", **times, **values}


def delivery(first: dt.datetime, days: int, **values: str) -> list[dict[str, str | None]]:
    """Two sessions a day, by day and over midnight."""
    starts = [first + day * DAY + dt.timedelta(hours=hour) for day in range(days) for hour in (9, 23)]
    return [session(number, start, **values) for number, start in enumerate(starts)]


def swapped(rows: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """As software gives them that reads mm/dd wherever it can."""

    def other(text: str) -> str:
        moment = dt.datetime.fromisoformat(text)
        moment = moment.replace(day=moment.month, month=moment.day) if moment.day <= 12 else moment
        return f"{moment:%Y-%m-%d %H:%M:%S}"

    return [row | {name: other(row[name]) for name in ("start", "stop")} for row in rows]


def profile_of(spark, rows, stream=PLAIN):
    frame = judge(harmonised(spark, rows, stream), rules_of("default", "sessions"), {})
    return profiles(judged_rows(frame), stream).get(KEY, Profile())


def names(profile, stream=PLAIN, known=None):
    return [found.name for found in findings(profile, stream, known)]


QUARTER = (dt.datetime(2025, 4, 1), 91)
CALENDAR_YEAR = (dt.datetime(2025, 1, 1), 365)
EARLY = (dt.datetime(2025, 7, 1), 12)


@pytest.mark.parametrize("span", [QUARTER, CALENDAR_YEAR, EARLY], ids=["quarter", "calendar year", "first 12 days"])
def test_swapped_dates_are_found_in_the_rows_alone_and_right_ones_are_not(spark, span):
    rows = delivery(*span)
    assert names(profile_of(spark, rows)) == []
    found = findings(profile_of(spark, swapped(rows)), PLAIN)
    assert "dates" in [each.name for each in found]
    assert "say `date_repair: auto`" in next(each.text for each in found if each.name == "dates")


def test_a_repaired_delivery_is_right_and_a_right_one_that_is_repaired_is_not(spark):
    named = [row | {"source_file": "swapped.csv"} for row in delivery(*QUARTER)]
    assert names(profile_of(spark, swapped(named), STREAM)) == []
    (found,) = findings(profile_of(spark, named, STREAM), STREAM)
    assert found.name == "dates" and "shows no swap" in found.text


def test_energy_a_thousand_times_off_is_found_with_a_rating_and_without(spark):
    rows = delivery(dt.datetime(2025, 6, 1), 20)
    watt_hours = [row | {"kwh": "12500", "cost": None} for row in rows]
    assert {"energy", "power", "rejected"} <= set(names(profile_of(spark, watt_hours)))
    unrated = [row | {"kwh": "12500", "cost": None, "kw": None} for row in rows]
    assert names(profile_of(spark, unrated)) == ["energy", "power", "flags"]
    megawatt_hours = [row | {"kwh": "0.0125", "cost": None} for row in rows]
    assert names(profile_of(spark, megawatt_hours)) == ["energy", "power", "flags", "flags"]
    rated_in_watts = [row | {"kw": "22000"} for row in rows]
    found, _ = findings(profile_of(spark, rated_in_watts), PLAIN)
    assert found.name == "power" and "22000 kW" in found.text


def test_too_few_rows_tell_nothing_and_a_stream_says_how_many_do(spark):
    few = profile_of(spark, delivery(dt.datetime(2025, 6, 1), 9, kwh="12500", kw=None, cost=None))
    assert names(few) == []
    sensitive = PLAIN.model_copy(update={"delivery": Delivery(min_rows=5)})
    assert names(few, sensitive) == ["energy", "power", "flags"]
    fleet = PLAIN.model_copy(update={"delivery": Delivery(min_rows=5, median_kwh=(0.2, 2e4), median_kw=(0.1, 1e4))})
    assert names(few, fleet) == ["flags"]


def test_values_that_cannot_be_read_rejects_and_ids_that_repeat_are_found(spark):
    rows = delivery(dt.datetime(2025, 6, 1), 20)
    (found,) = findings(profile_of(spark, [row | {"cost": "£3.40"} for row in rows]), PLAIN)
    assert (found.name, "cost: 40 of 40 values" in found.text) == ("unreadable", True)
    assert names(profile_of(spark, [row | {"stop": row["start"], "charging": None} for row in rows])) == [
        "rejected", "flags",
    ]  # fmt: skip
    # A counter that each charge point has for itself.
    (reused,) = findings(profile_of(spark, [row | {"id": str(n // 5)} for n, row in enumerate(rows)]), PLAIN)
    assert (reused.name, "40 of 40" in reused.text) == ("reused_ids", True)
    assert names(profile_of(spark, rows * 3)) == ["repeats"]


def test_starts_in_the_night_are_named_and_do_not_hold(spark):
    starts = [dt.datetime(2025, 6, 1, 3) + day * DAY for day in range(30)]
    profile = profile_of(spark, [session(number, start) for number, start in enumerate(starts)])
    (found,) = findings(profile, PLAIN)
    assert found.name == "nights" and held_by([found], PLAIN) == []


def test_words_that_no_vocabulary_knows_are_named(spark):
    rows = [status_rows.GOOD | {"cp": f"C{n}", "word": "-1" if n % 2 else "Available"} for n in range(40)]
    records = status_rows.records(spark, STATUS, rows)
    frame = judge(status.harmonise(records, STATUS), rules_of("default", "status"), {})
    profile = profiles(judged_rows(frame), STATUS)[status_rows.ARRIVED.date(), ""]
    assert (profile.unmapped, profile.unknown, profile.words) == (20, 20, {"-1": 20, "Available": 20})
    (found,) = findings(profile, STATUS)
    assert found.name == "unmapped" and "'-1' 20 times" in found.text


# Shares of starts by hour as Dundee has them, in 2018.
BUSY = (327, 430, 306, 216, 259, 222, 273, 465, 776, 1073, 1173, 1366, 1557, 1473, 1376, 1453, 1258, 1029, 768, 781,
        768, 864, 528, 486)  # fmt: skip


def drawn(random: Random, shift: int, starts: int) -> list[int]:
    found = random.choices([(hour + shift) % 24 for hour in range(24)], weights=BUSY, k=starts)
    return [found.count(hour) for hour in range(24)]


@pytest.mark.parametrize("shift", [-8, -5, 3, 9])
def test_a_shifted_clock_is_told_from_chance(shift):
    random = Random(1)
    assert all(hours_shifted(drawn(random, shift, 800), BUSY) == shift for _ in range(20))
    assert all(hours_shifted(drawn(random, 0, 800), BUSY) == 0 for _ in range(100))
    assert hours_shifted(drawn(random, shift, 150), BUSY) == 0


def past(count: int, **values) -> list[tuple[dt.date, Profile]]:
    profile = replace(Profile(rows=100, energy_rows=100, charge_points=40, median_kwh=9.0, median_kw=8.0), **values)
    return [(ARRIVED.date() - (number + 1) * DAY, profile) for number in range(count)]


def test_a_change_against_earlier_arrivals_is_found_once_there_are_enough_of_them():
    now = Profile(rows=100, energy_rows=100, charge_points=15, median_kwh=300.0, median_kw=260.0)
    assert names(now, known=reference(past(4), ARRIVED.date())) == []
    assert names(now, known=reference(past(5), ARRIVED.date())) == ["energy", "power"]
    assert names(now, known=reference(past(10), ARRIVED.date())) == ["energy", "power", "coverage"]
    # What comes later, or at the same time, is no history.
    assert names(now, known=reference(past(10), ARRIVED.date() - 9 * DAY)) == []


def test_the_order_in_which_the_past_is_told_changes_nothing():
    known = [(day, replace(profile, median_kwh=float(n))) for n, (day, profile) in enumerate(past(40), 1)]
    shuffled = known[:]
    Random(2).shuffle(shuffled)
    assert reference(shuffled, ARRIVED.date()) == reference(known, ARRIVED.date())
    assert reference(known, ARRIVED.date()).median_kwh == 15.5


def test_a_stream_says_what_holds_and_a_person_what_passes():
    found = [Finding("energy", "…"), Finding("reused_ids", "…")]
    assert [each.name for each in held_by(found, PLAIN)] == ["energy"]
    assert held_by(found, PLAIN, released=["energy"]) == []
    strict = PLAIN.model_copy(update={"delivery": Delivery(hold=("reused_ids",))})
    assert [each.name for each in held_by(found, strict)] == ["reused_ids"]


def test_a_stream_file_says_limits_and_auto():
    content = {**STREAM.model_dump(by_alias=True), "date_repair": "auto", "delivery": {"max_flagged_pct": {"S08": 99}}}
    stream = parse_stream(content)
    assert stream.date_repair.auto
    assert (stream.flagged_pct("S08"), stream.flagged_pct("S09"), stream.flagged_pct("dst")) == (
        99, 80, 100,
    )  # fmt: skip


def test_few_doubtful_starts_do_not_accuse():
    assert not Profile(swap=SwapEvidence(4, 0, 4)).shows_swap
    assert Profile(swap=SwapEvidence(5, 0, 5)).shows_swap
