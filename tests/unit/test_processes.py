"""Which process is meant, told of real ones: spawned, killed, not waited for, with an id that another one has."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from cic_assets.processes import Process, end_group, look, process_of, this_process

FOREVER = "import time; time.sleep(600)"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", FOREVER])
    yield process
    process.kill()
    process.wait()


def identity(process: subprocess.Popen[bytes]) -> Process:
    found = process_of(process.pid)
    assert found is not None
    return found


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_one_that_runs_is_not_gone_and_its_identity_survives_as_text(child):
    found = identity(child)
    assert (found.why_gone(), this_process().why_gone()) == ("", "")
    assert Process.parse(str(found)) == found


def test_one_that_was_killed_is_gone_before_and_after_its_parent_waits_for_it(child):
    found = identity(child)
    child.kill()
    wait_for(lambda: found.why_gone())
    # Not waited for: the id is still its own.
    assert found.why_gone() == f"process {child.pid} has ended"
    child.wait()
    assert found.why_gone() == f"process {child.pid} is gone"


def test_another_with_its_id_is_not_taken_for_it(child):
    found = replace(identity(child), started="1")
    assert found.why_gone() == f"process {child.pid} is gone, and its id belongs to another one"


def test_after_a_restart_of_the_machine_its_processes_are_gone_and_those_of_another_machine_are_not_judged(child):
    found = identity(child)
    assert replace(found, boot="another").why_gone() == f"{found.host} was restarted since"
    elsewhere = replace(found, host="elsewhere", boot="another", pid=1, started="1")
    assert elsewhere.why_gone() == ""


def test_a_name_with_brackets_and_spaces_is_read_right(tmp_path):
    program = tmp_path / "a) b (c"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", FOREVER]) as process:
        try:
            wait_for(lambda: look(process.pid))
            assert identity(process).why_gone() == ""
            assert identity(process).started.isdecimal()
        finally:
            process.kill()


@pytest.mark.parametrize("text", ["", "4711", "host boot pid started", "\0"])
def test_what_is_no_identity_is_none(text):
    assert Process.parse(text) is None


def test_a_group_ends_with_members_that_its_dead_leader_left(tmp_path):
    # The leader starts one that ignores SIGTERM, and is killed itself.
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {FOREVER}"
    leads = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {stubborn!r}]).pid, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{leads}; {FOREVER}"], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        lines = {leader.stdout.readline().strip(), leader.stdout.readline().strip()}
        member = next(int(line) for line in lines if line != b"ready")
        found = identity(leader)
        leader.kill()
        leader.wait()
        assert os.getpgid(member) == found.pid
        assert end_group(found, patience=0.2)
        wait_for(lambda: (seen := look(member)) is None or seen.state == "Z")
        assert not end_group(found)


def test_a_group_whose_id_is_somebody_elses_by_now_is_left_alone():
    with subprocess.Popen([sys.executable, "-c", FOREVER], start_new_session=True) as other:
        try:
            mistaken = replace(identity(other), started="1")
            assert not end_group(mistaken)
            assert not end_group(replace(identity(other), boot="another"))
            assert other.poll() is None
        finally:
            other.kill()
