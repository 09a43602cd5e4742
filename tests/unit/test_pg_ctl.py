"""What becomes of a `pg_ctl` that a signal ends: a script stands for it, as nobody can make that happen to the real."""

from __future__ import annotations

from pathlib import Path

import pytest

from cic_assets.warehouse.embedded import EmbeddedPostgres


def server(folder: Path, script: str) -> EmbeddedPostgres:
    program = folder / "pg_ctl"
    program.write_text(f"#!/bin/sh\necho x >>{folder}/calls\n{script}\n")
    program.chmod(0o755)
    return EmbeddedPostgres(folder, folder / "data", folder, None)


def calls(folder: Path) -> int:
    return (folder / "calls").read_text().count("x")


def test_one_that_a_signal_ends_is_started_again(tmp_path):
    server(tmp_path, f"test -e {tmp_path}/again || {{ touch {tmp_path}/again; kill -9 $$; }}").ctl("stop")
    assert calls(tmp_path) == 2


@pytest.mark.parametrize(
    ("script", "code", "times"), [("kill -9 $$", "-9", 3), ("echo no room; exit 1", "1: no room", 1)]
)
def test_one_that_fails_says_with_which_code_and_words(tmp_path, script, code, times):
    with pytest.raises(RuntimeError, match=f"pg_ctl stop failed with code {code}"):
        server(tmp_path, script).ctl("stop")
    assert calls(tmp_path) == times
