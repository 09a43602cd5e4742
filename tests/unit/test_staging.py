from __future__ import annotations

import ast
import datetime as dt
from pathlib import Path

import pytest

from cic_assets.lake.staging import staging_folder
from cic_assets.orchestrate.doors import lake_of
from cic_assets.settings import PROJECT, load_settings


def test_what_killed_steps_left_goes_after_two_days_and_nothing_else(tmp_path):
    settings = load_settings({"CIC_HOME": str(tmp_path)})
    staging = Path(lake_of(settings).uri("_staging"))
    today = dt.datetime.now(dt.UTC).date()
    names = {days: str(today - dt.timedelta(days=days)) for days in (0, 1, 2, 3, 400)}
    for name in (*names.values(), "notes"):
        (staging / name / "killed").mkdir(parents=True)
        (staging / name / "killed" / "part-0.parquet").write_bytes(b"x")
    with pytest.raises(RuntimeError, match="the step failed"), staging_folder(lake_of(settings)) as mine:
        Path(mine.root).mkdir(parents=True)
        Path(mine.uri("part-0.parquet")).write_bytes(b"x")
        raise RuntimeError("the step failed")
    assert not Path(mine.root).exists()
    kept = {str(path.relative_to(staging).parts[0]) for path in staging.glob("*/killed/part-0.parquet")}
    assert kept == {names[0], names[1], names[2], "notes"}


def test_no_step_puts_a_table_that_grows_into_a_plan():
    """Each hands its staging over with the rows, except for empty tables."""
    given = {
        (path.name, ast.unparse(call))
        for path in sorted((PROJECT / "cic_assets").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("hand_over", "createDataFrame"))
    }
    without = {(name, call) for name, call in given if not call.endswith(("staging)", "scratch)"))}
    known = {"status_edges.py", "touch.py", "rated.py", "ingest.py", "charging_session.py"}
    assert {name for name, _ in given} >= known
    assert {name for name, _ in without} == {"tables.py"}
