from __future__ import annotations

import re
from dataclasses import replace
from string import Formatter
from types import SimpleNamespace

import pytest
import sqlglot

from cic_assets.kinds import rules
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rule import THRESHOLDS, with_thresholds
from cic_assets.kinds.rules import RULES, SETS, rules_of
from cic_assets.settings import RULE_SETS
from cic_assets.streams.recipe import recipe_of

TEXTS = [
    pytest.param(text, id=f"{rule.id}-{n}") for rule in RULES for n, text in enumerate((rule.predicate, rule.holds))
]


def names_in(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_the_sets_are_those_that_settings_offer():
    assert set(SETS) == set(RULE_SETS)


def test_no_set_names_a_rule_twice_or_one_that_is_not_there():
    ids = {rule.id for rule in RULES}
    for members in SETS.values():
        assert set(members) <= ids and len(members) == len(set(members))


def test_the_academic_set_puts_its_two_rules_in_place_of_s05():
    default, academic = ({rule.id for rule in rules_of(name, "sessions")} for name in ("default", "academic"))
    assert (academic - default, default - academic) == ({"A01", "A02"}, {"S05"})


def test_each_rule_belongs_to_a_set():
    assert {rule.id for rule in RULES} == {name for members in SETS.values() for name in members}


def test_each_rule_has_a_check_name_of_its_own_that_begins_with_its_id():
    names = [rule.check_name for rule in RULES]
    assert len(set(names)) == len(names) and all(re.fullmatch("[A-Z0-9]+(_[a-z0-9]+)+", name) for name in names)
    assert max(map(len, names)) <= 28
    assert [name.partition("_")[0] for name in names] == [rule.id for rule in RULES]


def digests():
    """What recipes have of the rules, by rule set and kind."""
    streams = [SimpleNamespace(id="s", kind=kind, fingerprint=lambda: "f", reads_sightings=False) for kind in KINDS]
    return {(name, each.kind): recipe_of(each, name).parts[-1][:16] for name in RULE_SETS for each in streams}


def test_the_texts_of_rules_are_those_for_which_arrivals_were_ingested():
    """Another digest makes every arrival of the kind due. Change it only together with a rule of the kind."""
    assert digests() == {
        ("default", "sessions"): "648d88575cf0e7d7",
        ("default", "status"): "634fb12ca54ea0e0",
        ("default", "locations"): "f29f6dd774472076",
        ("default", "tariffs"): "4311ba11874b62cd",
        ("academic", "sessions"): "2f8dca80d157a1d9",
        ("academic", "status"): "634fb12ca54ea0e0",
        ("academic", "locations"): "f29f6dd774472076",
        ("academic", "tariffs"): "4311ba11874b62cd",
    }


@pytest.mark.parametrize(
    ("rule_id", "changed"),
    [
        ("S02", {("default", "sessions"), ("academic", "sessions")}),
        ("S05", {("default", "sessions")}),
        ("A01", {("academic", "sessions")}),
        ("E01", {("default", "status"), ("academic", "status")}),
        ("E08", {(name, kind) for name in RULE_SETS for kind in ("status", "locations")}),
        ("U01", {(name, kind) for name in RULE_SETS for kind in KINDS}),
    ],
)
def test_a_changed_rule_makes_arrivals_of_its_own_kinds_and_sets_due(monkeypatch, rule_id, changed):
    before = digests()
    other = tuple(replace(rule, predicate="false") if rule.id == rule_id else rule for rule in RULES)
    monkeypatch.setattr(rules, "RULES", other)
    assert {key for key, digest in digests().items() if digest != before[key]} == changed


def test_a_rule_that_another_kind_has_too_is_the_same_rule(monkeypatch):
    before = digests()
    monkeypatch.setattr(rules, "RULES", tuple(replace(rule, kinds=(*rule.kinds, "carbon")) for rule in RULES))
    assert digests() == before and rules_of("default", "carbon")


@pytest.mark.parametrize("text", TEXTS)
def test_each_text_is_one_spark_condition_with_its_thresholds_filled_in(text):
    filled = with_thresholds(text, {})
    assert "{" not in filled
    (statement,) = sqlglot.parse(f"select 1 from t where {filled}", read="spark")
    assert statement is not None and statement.args["where"] is not None


def test_each_threshold_is_used_and_each_one_used_exists():
    used = {name for rule in RULES for text in (rule.predicate, rule.holds) for name in names_in(text)}
    assert used == set(THRESHOLDS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_predicate_and_holds_use_the_same_thresholds_in_other_words(rule):
    assert names_in(rule.predicate) == names_in(rule.holds)
    assert rule.predicate != rule.holds


@pytest.mark.parametrize(
    ("value", "text"), [(1.5, "1.5"), (60, "60"), (60.0, "60"), (100, "100"), (0, "0"), (0.05, "0.05")]
)
def test_decimals_stay_and_whole_numbers_stay_whole(value, text):
    assert with_thresholds("{min_energy_kwh}", {"min_energy_kwh": value}) == text


def test_an_override_leaves_the_defaults_alone():
    assert with_thresholds("{max_energy_kwh}", {"max_energy_kwh": 300}) == "300"
    assert with_thresholds("{max_energy_kwh}", {}) == "250"


def test_a_flagged_row_carries_the_word_or_the_id():
    marks = {rule.id: rule.mark for rule in RULES}
    assert (marks["S06"], marks["S07"], marks["DST"]) == ("S06", "failed_start", "dst")
