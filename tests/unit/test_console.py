"""Tables in a pipe and in a terminal: nothing is cut, whatever the width."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

WIDE = (
    "from cic_assets.cli.console import print_table\n"
    "print_table([f'column_{n}' for n in range(60)], [[f'value_{n}' * 3 for n in range(60)], ['w' * 300] * 60])\n"
    "print_table(['a', 'b'], [[':x: [red]', None]])\n"
)


def in_pipe(code: str, **variables: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=True, timeout=300
    ).stdout


def in_terminal(code: str) -> str:
    """What a terminal of 80 columns shows."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env=variables) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n")


def test_a_table_in_a_pipe_is_as_wide_as_its_rows():
    for variables in ({}, {"COLUMNS": "40", "TERM": "dumb"}, {"FORCE_COLOR": "1"}):
        lines = in_pipe(WIDE, **variables).splitlines()
        (row,) = [line for line in lines if "value_0" in line]
        assert [cell.strip() for cell in row.split("│")[1:-1]] == [f"value_{n}" * 3 for n in range(60)]
        assert sum(line.count("w" * 300) for line in lines) == 60
        assert "│ :x: [red] │   │" in lines


def test_a_terminal_that_is_too_narrow_shows_a_line_per_column():
    shown = in_terminal(WIDE)
    assert all(f"  column_{n}".ljust(11) + f"  value_{n}value_{n}" in shown for n in range(60))
    assert shown.count("w" * 300) == 60 and "row 2\n" in shown
    assert "│ :x: [red] │   │" in shown
