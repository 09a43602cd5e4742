"""dbt as Dagster starts it: one process for one command."""

from __future__ import annotations

import sys

from cic_assets.orchestrate.resources.dbt import local_dbt


def test_a_command_of_dbt_is_one_process_and_no_adapter_beside_it(tmp_path):
    started: list[list[str]] = []
    # There is no way to take a hook off again; it listens no longer then.
    listening = True

    def hear(event, details):
        if listening and event == "subprocess.Popen":
            started.append([str(word) for word in details[1]])

    sys.addaudithook(hear)
    invocation = local_dbt().cli(["--version"], target_path=tmp_path)
    assert invocation.wait().is_successful()
    listening = False
    assert len(started) == 1 and started[0][0].endswith("/cic-dbt")
    assert invocation.adapter is None
