"""What the checks of a stream's rules say: contradictions are errors, rows beyond the stream's limit are warnings."""

from __future__ import annotations

import datetime as dt

import pytest
from dagster import AssetCheckSeverity

from cic_assets.ingest.count import IngestCount
from cic_assets.kinds.rules import RULES, rules_of
from cic_assets.orchestrate.assets.stream_checks import check_specs, count_checks
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import load_stream

SESSIONS = EXAMPLE_STREAMS / "ashbourne_sessions.yml"
DAYS = [dt.date(2026, 9, day) for day in (1, 8)]


def counted(day, fired, wrong=None, unreadable=None):
    none = dict.fromkeys((rule.id for rule in RULES), 0)
    return IngestCount(
        "ashbourne_sessions", day, rows_in=1_000, accepted=1_000, fired=fired, disagreements=none | (wrong or {}),
        unreadable=unreadable or {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of two arrivals of 1,000 rows each."""
    stream = load_stream(SESSIONS)
    stream = stream.model_copy(update={"batch": stream.batch.model_copy(update={"max_rule_pct": {"S02": 1.0}})})
    fired = [{"S02": 10, "S03": 5, "S09": 30, "U01": 7}, {"S02": 11, "S03": 5, "S09": 30}]
    counts = [
        counted(DAYS[0], fired[0], unreadable={"cost": (900, 7)}),
        counted(DAYS[1], fired[1], wrong={"S09": 3}),
    ]
    found = count_checks(stream, "default", counts, tmp_path_factory.mktemp("docs"))
    # Each check that is declared once, and no other one.
    assert len({each.check_name for each in found}) == len(found)
    assert {each.check_name for each in found} <= {spec.name for spec in check_specs(stream)}
    return {each.check_name: each for each in found}


def figures(result):
    return {name: value.value for name, value in result.metadata.items()}


def test_rows_within_the_limit_are_counted_and_pass(results):
    found = results["S03_no_or_negative_energy"]
    assert found.passed and found.description == "10 of 2,000 rows rejected (0.5 %)"
    assert figures(found) == {
        "rule": "S03", "rows": 10, "rows_in": 2_000, "share_pct": 0.5, "contradictions": 0, "limit_pct": 10.0,
    }  # fmt: skip


def test_an_arrival_beyond_the_limit_is_a_warning_that_names_it_alone(results):
    found = results["S02_end_not_after_start"]
    assert (found.passed, found.severity) == (False, AssetCheckSeverity.WARN)
    assert found.description == (
        "21 of 2,000 rows rejected (1.05 %); more than the limit of 1 % in arrivals of 2026-09-08 (1.1 %)"
    )
    assert figures(found)["rows"] == 21


def test_a_contradiction_is_an_error_and_says_that_the_rule_is_wrong(results):
    found = results["S09_unusual_duration"]
    assert (found.passed, found.severity) == (False, AssetCheckSeverity.ERROR)
    assert found.description.startswith("the rule contradicts itself on 3 rows: a defect of the rule, not of the data")
    assert (figures(found)["contradictions"], figures(found)["rows"]) == (3, 60)


def test_a_value_that_cannot_be_read_is_a_warning_with_its_column(results):
    found = results["U01_value_unreadable"]
    assert (found.passed, found.severity) == (False, AssetCheckSeverity.WARN)
    assert "cost 7 of 900" in found.description and figures(found)["rows"] == 7


def test_a_rule_of_another_set_passes_and_says_so(results):
    assert results["A01_duration_out_of_bounds"].description == "not in the rule set default"
    assert "A01" not in {rule.id for rule in rules_of("default", "sessions")}


def test_a_check_says_what_it_looks_for_and_when_it_fails():
    texts = {spec.name: spec.description for spec in check_specs(load_stream(SESSIONS))}
    said = texts["S02_end_not_after_start"]
    assert said.startswith("S02 rejects rows: the end is not after the start (source: Atlas).")
    assert "Warning: on more than 10 %" in said and "Error: the rule contradicts itself" in said
    # What may stand on every row has no limit.
    assert "Warning" not in texts["S15_day_month_swapped_back"]
