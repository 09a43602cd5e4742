"""Programs that are started while the engine is talked to: gRPC has no hand in what a child does before it is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cic_assets.warehouse.embedded import EmbeddedPostgres

# As for a server of another user: `vfork`, of which gRPC hears nothing, can't become one.
TALKING = """
import subprocess, threading
from cic_assets.orchestrate.resources.spark import SparkResource

subprocess._USE_VFORK = False
session = SparkResource(engine="embedded").session
session.range(1).count()
ended = threading.Event()

def talk():
    while not ended.is_set():
        session.range(1).count()

thread = threading.Thread(target=talk)
thread.start()
codes = [subprocess.run(["true"], stdout=subprocess.DEVNULL, check=False).returncode for _ in range(30)]
ended.set()
thread.join()
print(codes)
"""


def test_a_child_begins_as_if_there_were_no_engine():
    done = subprocess.run([sys.executable, "-c", TALKING], capture_output=True, text=True, timeout=300, check=False)
    # With its handlers, gRPC says at nearly each fork that it can't prepare it; where it can, some children abort.
    assert (done.stdout.strip(), done.stderr) == (str([0] * 30), "")


@pytest.mark.parametrize(("script", "said"), [("kill -9 $$", "-9: ; its log"), ("echo no room; exit 1", "1: no room;")])
def test_a_pg_ctl_that_fails_says_with_which_code_and_words(tmp_path: Path, script: str, said: str):
    program = tmp_path / "pg_ctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match=f"pg_ctl stop failed with code {said}"):
        EmbeddedPostgres(tmp_path, tmp_path / "data", tmp_path, None).ctl("stop")
