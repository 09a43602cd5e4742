"""The dbt project as a person finds it: a model's description beside it, each text once, a unit test where logic is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cic_assets.ledger.mart_sets import DBT_PROJECT

MODELS = sorted((DBT_PROJECT / "models").rglob("*.sql"))
# They choose columns or count days; there is nothing that a row could show.
WITHOUT_LOGIC = {"data_reconciliation_day", "dim_date"}


def described(model: Path) -> dict[str, Any]:
    """What the file beside a model says."""
    found: dict[str, Any] = yaml.safe_load(model.with_suffix(".yml").read_text())
    return found


def descriptions() -> Iterator[str]:
    """Of all columns of models and sources."""
    for path in sorted((DBT_PROJECT / "models").rglob("*.yml")):
        content = yaml.safe_load(path.read_text())
        tables = [table for source in content.get("sources", []) for table in source["tables"]]
        for relation in [*content.get("models", []), *tables]:
            yield from (column["description"] for column in relation.get("columns", []))


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_a_model_is_described_beside_it(model):
    content = described(model)
    assert [each["name"] for each in content["models"]] == [model.stem]
    assert {test["model"] for test in content.get("unit_tests", [])} <= {model.stem}
    if "marts" in model.parts:
        for column in content["models"][0]["columns"]:
            assert column["description"] and column["data_type"], column["name"]


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_a_model_with_logic_has_a_unit_test(model):
    assert ("unit_tests" not in described(model)) == (model.stem in WITHOUT_LOGIC)


def test_rows_of_tables_name_what_matters():
    """Only of a model that is no relation must SQL say all columns and their types."""
    for model in MODELS:
        for test in described(model).get("unit_tests", []):
            formats = {given["input"]: given.get("format", "dict") for given in test["given"]}
            assert {name for name, form in formats.items() if form != "dict"} == {
                name for name in formats if name.startswith("ref('int_")
            }, test["name"]


def test_a_text_on_several_columns_stands_once():
    written = [text for path in (DBT_PROJECT / "docs").glob("*.md") for text in re.split(r"{%.*?%}", path.read_text())]
    texts = [" ".join(text.split()) for text in [*written, *(each for each in descriptions() if "doc('" not in each)]]
    assert [text for text, count in Counter(filter(None, texts)).items() if count > 1] == []


def test_each_shared_text_is_used():
    blocks = {
        name
        for path in (DBT_PROJECT / "docs").glob("*.md")
        for name in re.findall(r"{% docs (\w+) %}", path.read_text())
    }
    used = Counter(name for text in descriptions() for name in re.findall(r"doc\('(\w+)'\)", text))
    assert set(used) == blocks and [name for name, count in used.items() if count < 2] == []
