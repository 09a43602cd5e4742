"""The README's first operator, from URL to mart, word for word; and what `cic poll` says when it can't."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess

import pytest

from cic_assets.settings import PROJECT
from cic_assets.simulate.serve import TOKEN
from tests.forked import served

SECTION = "## Your first operator"
# What it says beside its commands, and what goes wrong.
BESIDE = """
export CIC_STREAMS=$PWD/my_streams
cic poll brackendale_cdrs || echo code $?
cic poll nobody || echo code $?
cic poll || echo code $?
cic sql --role etl 'select outcome from catalogue.poll'
"""


def commands() -> str:
    """The section's shell blocks, in order."""
    section = (PROJECT / "README.md").read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    return "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@pytest.fixture
def environment(tmp_path):
    """With a `cic` that is forked from a process that has imported all."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("CIC_")}
    forked = tmp_path / "forked"
    forked.mkdir()
    with served("cic", forked) as program:
        path = f"{program.parent}{os.pathsep}{given['PATH']}"
        yield {**given, "CIC_HOME": str(tmp_path / "home"), "PATH": path, "COLUMNS": "200"}


def run(script, folder, environment):
    """What a script says; all that it started is gone afterwards."""
    with subprocess.Popen(
        ["bash", "-e", "-c", f"{script}\necho reached the end"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as shell:  # fmt: skip
        try:
            said, _ = shell.communicate(timeout=900)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    return said


def test_the_readmes_first_operator_is_in_the_marts(tmp_path, environment):
    script = commands()
    assert len(script.splitlines()) > 40
    try:
        # The server goes on in the background and holds the output open: it is told to end, as the text says.
        said = run(f"{script}\nkill %1; wait %1 || true", tmp_path, environment)
        assert "reached the end" in said
        assert "brackendale_cdrs: new" in said
        truth = json.loads((tmp_path / "county" / "truth.json").read_text())["brackendale_sessions"]
        months = re.findall(r"2026-1\d-01\D+Brackendale Charging\D+(\d+)\D+([\d.]+)", said)
        assert sum(int(count) for count, _ in months) == truth["in_facts"] - truth["credits"] > 20
        assert TOKEN not in "".join(each.read_text() for each in (tmp_path / "home").rglob("*.json"))
        said = run(BESIDE, tmp_path, environment)
        assert "no secret county: set CIC_SECRET_COUNTY, or write it into" in said
        assert "code 1" in said
        assert "no stream 'nobody'; there are brackendale_cdrs" in said
        assert "code 2" in said
        # The failed one is due again in a minute.
        assert "no feed is due" in said
        assert "failed" in said
    finally:
        run("cic down --delete", tmp_path, environment)
