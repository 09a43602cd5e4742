from __future__ import annotations

import csv
import datetime as dt
import io
import json
from itertools import pairwise

import pytest
import sqlglot

from cic_assets.harmonise.swap import overlaps, swap_day_month, swap_evidence
from cic_assets.quality.rules import RULES, SETS, rules_of, with_thresholds
from cic_assets.simulate import ASHBOURNE, BRACKENDALE, simulate
from cic_assets.simulate.dirt import KINDS

QUARTER = [dt.datetime(2026, 3, 1, 9) + dt.timedelta(hours=7 * n) for n in range(300)]
HOUR = dt.timedelta(hours=1)


def uses(starts):
    return [("c", start, start + HOUR) for start in starts]


def test_a_swapped_quarter_is_detected_and_a_right_one_is_not_accused():
    assert swap_evidence(uses(map(swap_day_month, QUARTER))).is_swapped
    right = swap_evidence(uses(QUARTER))
    assert right.doubtful > 50 and not right.is_swapped


def test_a_delivery_without_certain_days_accuses_nobody():
    assert not swap_evidence(uses(start for start in QUARTER if start.day <= 12)).is_swapped


def test_overlaps_are_counted_per_connector():
    noon = dt.datetime(2026, 1, 5, 12)
    found = [("a", noon, noon + 3 * HOUR), ("a", noon + HOUR, noon + 2 * HOUR), ("a", noon + 3 * HOUR, noon + 4 * HOUR)]
    assert overlaps([*found, ("b", noon, noon + HOUR)]) == 1


def test_rules_are_known_and_parse():
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    for name, members in SETS.items():
        assert set(members) <= set(ids) and len(rules_of(name)) == len(members)
    for rule in RULES:
        for text in (rule.predicate, rule.holds):
            sqlglot.parse_one(with_thresholds(text, {}), read="spark")


def test_thresholds_stay_exact_and_can_be_overridden():
    assert with_thresholds("{reject_power_ratio} {min_duration_seconds} {max_duration_minutes}", {}) == "1.5 60 2880"
    assert with_thresholds("{reject_power_ratio}", {"reject_power_ratio": 2}) == "2"


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("a"), last_day=dt.date(2026, 11, 1))


def content(simulation):
    return {file.path.name: file.path.read_bytes() for file in simulation.files}


def test_same_seed_same_bytes_and_another_seed_other_bytes(county, tmp_path):
    again = simulate(tmp_path / "b", last_day=dt.date(2026, 11, 1))
    other = simulate(tmp_path / "c", last_day=dt.date(2026, 11, 1), seed=2)
    assert content(again) == content(county) != content(other)
    assert again.truth == county.truth
    truths = [(file.files[0].path.parent / "truth.json").read_bytes() for file in (county, again)]
    assert truths[0] == truths[1]


def test_files_hold_as_many_rows_as_the_truth_says_and_every_kind_of_dirt(county):
    lines = {ASHBOURNE: 0, BRACKENDALE: 0}
    for file in county.files:
        header = 1 if file.stream_id == ASHBOURNE else 0
        lines[file.stream_id] += len(file.path.read_text().splitlines()) - header
    assert lines == {name: truth.rows for name, truth in county.truth.items()}
    assert json.loads((county.files[0].path.parent / "truth.json").read_text())[ASHBOURNE]["rows"] == lines[ASHBOURNE]
    for truth in county.truth.values():
        assert {"D01", "S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09"} <= set(truth.fired)
        assert truth.rows == truth.in_facts + truth.quarantined + truth.duplicates + truth.superseded
    assert len(KINDS) == 10


def test_arrivals_ascend_and_clean_sessions_of_a_charger_lie_apart(county):
    moments = [file.arrived_at for file in county.files]
    assert moments == sorted(moments)
    sessions: dict[str, set[tuple[dt.datetime, dt.datetime]]] = {}
    for file in county.files:
        if file.stream_id == ASHBOURNE:
            for row in csv.DictReader(io.StringIO(file.path.read_text())):
                if (
                    row["Ended"]
                    and row["Charger"]
                    and not row["Session"].endswith("X")
                    and "1970" not in row["Started"]
                ):
                    span = tuple(dt.datetime.strptime(row[edge], "%d/%m/%Y %H:%M") for edge in ("Started", "Ended"))
                    sessions.setdefault(row["Charger"], set()).add(span)
    assert len(sessions) == 60
    for spans in sessions.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(spans)))
