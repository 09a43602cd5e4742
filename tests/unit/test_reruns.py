"""Which tests may run a second time, and who hears of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests import conftest

FAILS_ONCE = """
from pathlib import Path
def test_that_fails_once():
    mark = Path(__file__).with_suffix(".mark")
    first = not mark.exists()
    mark.touch()
    assert not first
"""


def run(folder: Path, tier: str) -> tuple[int, str]:
    """Exit code and output of a test of a tier that fails the first time, with this suite's own conftest."""
    tests = folder / "tests"
    (tests / tier).mkdir(parents=True)
    shutil.copy(conftest.__file__, tests)
    (tests / tier / "test_once.py").write_text(FAILS_ONCE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, tests]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_fault_that_misses_once_runs_again_and_is_named(tmp_path):
    code, said = run(tmp_path, "end_to_end/faults")
    assert code == 0 and re.search(r"\b1 passed\b.*\b1 rerun\b", said)
    named = said.partition("needed a second run")[2]
    assert "tests/end_to_end/faults/test_once.py::test_that_fails_once" in named


def test_any_other_test_runs_once(tmp_path):
    code, said = run(tmp_path, "end_to_end")
    assert code == 1 and "1 failed" in said and "second run" not in said
