"""A run that hangs until it is killed, in a process of its own: python -m tests.orchestration.hanging FOLDER 'TAGS'.

The job has the name of the platform's own, and its executor: what is there to be looked at is what a run worker leaves.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

from dagster import DagsterInstance, JobDefinition, execute_job, job, op, reconstructable

from cic_assets.orchestrate.liveness import build_executor
from cic_assets.settings import load_settings


def hanging() -> JobDefinition:
    # No server answers there, as for a run worker whose warehouse is away.
    settings = replace(load_settings({}), warehouse_url="postgresql://nobody@127.0.0.1:1/none")

    @op
    def hang() -> None:
        print("ready", flush=True)
        time.sleep(600)

    @job(name="ingest", executor_def=build_executor(settings))
    def ingest() -> None:
        hang()

    return ingest


if __name__ == "__main__":
    with DagsterInstance.local_temp(sys.argv[1]) as instance:
        execute_job(reconstructable(hanging), instance, tags=json.loads(sys.argv[2]))
