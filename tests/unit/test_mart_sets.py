from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cic_assets.ledger.mart_sets import (
    ARRIVAL,
    DAILY,
    DBT_PROJECT,
    DIMENSION,
    MONTHLY,
    NAMES,
    NotSetUpError,
    mart_sets,
)
from cic_assets.ledger.publication import READERS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the dbt project, to be changed."""
    for name in ("models", "macros"):
        shutil.copytree(DBT_PROJECT / name, tmp_path / name)
    (tmp_path / "target").mkdir()
    shutil.copy(DBT_PROJECT / "target" / "manifest.json", tmp_path / "target")
    return tmp_path


def prints(project: Path) -> dict[str, str]:
    return {name: marts.fingerprint for name, marts in mart_sets(project).items()}


@pytest.mark.parametrize(
    ("file", "others"),
    [
        ("models/marts/use/session_statistics_day.sql", {MONTHLY}),
        ("models/marts/quality/data_quality_rule_day.sql", {ARRIVAL}),
        ("models/intermediate/int_parties.sql", {DAILY, DIMENSION, MONTHLY}),
        ("models/intermediate/int_status_month_by_network.sql", {MONTHLY}),
        ("macros/window.sql", set(NAMES)),
        ("models/marts/use/session_statistics_day.yml", set()),
    ],
)
def test_a_set_is_another_when_sql_that_it_is_made_of_is_another(project, file, others):
    before = prints(project)
    with (project / file).open("a") as text:
        text.write("\n-- changed\n")
    after = prints(project)
    assert {name for name in NAMES if before[name] != after[name]} == others


def test_sets_know_their_marts():
    sets = mart_sets()
    assert ("marts", "network_overview_month") in sets[MONTHLY].relations
    assert not [name for _, name in sets[MONTHLY].relations if name.startswith("int_")]
    assert sets[DIMENSION].is_only_views and not sets[MONTHLY].is_only_views and not sets[ARRIVAL].is_only_views
    assert len({marts.fingerprint for marts in sets.values()}) == len(NAMES)


def test_whatever_marts_with_rows_of_their_own_read_makes_them_due():
    """A mart that reads another table needs it in `READERS`, and its writer a touch."""
    for name, marts in mart_sets().items():
        if not marts.is_only_views:
            read = {".".join(source) for source in marts.sources}
            assert read == {table for table, readers in READERS.items() if name in readers}, name


def test_without_a_manifest_it_says_what_to_do(tmp_path):
    with pytest.raises(NotSetUpError, match=r"manifest\.json is missing: run `make setup`"):
        mart_sets(tmp_path)


def test_a_manifest_of_another_release_says_what_to_do(project):
    (project / "models" / "marts" / "new_mart.sql").write_text("select 1 as one")
    with pytest.raises(NotSetUpError, match=r"is of other models \(models/marts/new_mart\.sql\): run `make setup`"):
        mart_sets(project)
