"""dbt with the project as set-up has parsed it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from cic_assets.ledger.mart_sets import DBT_PROJECT
from cic_assets.orchestrate import dbt_program
from cic_assets.orchestrate.dbt_program import for_database, parsed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project, parsed."""
    return Path(shutil.copytree(DBT_PROJECT, tmp_path / "project"))


def later(path: Path) -> None:
    now = time.time() + 60
    os.utime(path, (now, now))


def test_what_set_up_has_parsed_is_taken_as_long_as_no_file_is_newer(project):
    assert parsed(project) is not None
    # dbt's own: whom it would count, what it wrote.
    for own in (project / ".user.yml", project / "target" / "run_results.json", project / "logs"):
        own.touch()
        later(own)
    assert parsed(project) is not None
    kept = project / "target" / "partial_parse.msgpack"
    read = [project / "dbt_project.yml", project / "profiles.yml"]
    read += [next((project / name).rglob("*.*")) for name in ("docs", "macros", "models", "tests")]
    for path in read:
        before = path.stat().st_mtime
        later(path)
        assert parsed(project) is None, path
        os.utime(path, (before, before))
    assert parsed(project) is not None
    gone = next((project / "models").rglob("*.sql"))
    gone.unlink()
    later(gone.parent)
    assert parsed(project) is None
    later(kept)
    os.utime(kept, (time.time() + 120,) * 2)
    assert parsed(project) is not None
    kept.unlink()
    assert parsed(project) is None


def test_what_another_dbt_has_parsed_is_not_taken(project, monkeypatch):
    monkeypatch.setattr("dbt.version.__version__", "1.0.0")
    assert parsed(project) is None


def test_all_relations_stand_in_the_database_of_the_connection(project):
    manifest = for_database(parsed(project), "county")
    nodes = [*manifest.nodes.values(), *manifest.sources.values()]
    assert len(nodes) > 100 and {node.database for node in nodes} == {"county"}
    relations = [name for node in nodes if (name := getattr(node, "relation_name", None))]
    assert len(relations) > 20 and all(name.startswith('"county".') for name in relations)


def test_the_connection_says_which_database(monkeypatch):
    given: dict[str, object] = {}
    monkeypatch.setenv("CIC_DBT_DBNAME", "county")
    monkeypatch.setattr("dbt.cli.main.cli.main", lambda *_, obj, **__: given.update(obj))
    dbt_program.run(["build"], parsed())
    assert {node.database for node in given["manifest"].nodes.values()} == {"county"}
