"""Why a run failed, as `cic run` says it: the root cause in one line, whatever was put around it."""

from __future__ import annotations

import psycopg
import pytest
from dagster import Failure, GraphDefinition, op
from dagster_dbt.errors import DagsterDbtCliRuntimeError
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from cic_assets.ingest.replace import IngestError
from cic_assets.orchestrate.runner import root_cause


def of_platform() -> None:
    try:
        {}["x"]
    except KeyError as error:
        raise IngestError("porto: 3 rows were lost;\nnothing was replaced") from error


def of_library() -> None:
    try:
        raise psycopg.errors.DiskFull("could not extend file\nHINT: Check free disk space.")
    except psycopg.Error as error:
        raise RuntimeError("a step failed") from error


def of_asset() -> None:
    raise Failure("rules contradict themselves: S02 on 3 rows")


def of_engine() -> None:
    raise SparkConnectGrpcException(
        "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate it. SQLSTATE: 22012\n"
        "== SQL (line 1, position 1) ==\n1 / 0\n\nJVM stacktrace:\norg.apache.X\n\tat a.b(C.scala:1)"
    )


def of_dbt() -> None:
    raise DagsterDbtCliRuntimeError(
        "The dbt CLI process with command\n\n`dbt build`\n\nfailed with exit code `1`. Check the stdout.\n\n"
        "Errors parsed from dbt logs:\n\n  Database Error in model usage (models/usage.sql)\n  division by zero\n"
    )


def of_code() -> None:
    raise KeyError("energy")


SAID = {
    of_platform: "porto: 3 rows were lost; nothing was replaced",
    of_library: "DiskFull: could not extend file HINT: Check free disk space.",
    of_asset: "rules contradict themselves: S02 on 3 rows",
    of_engine: "[DIVIDE_BY_ZERO] Division by zero.",
    of_dbt: "Database Error in model usage (models/usage.sql) division by zero",
    of_code: "KeyError: 'energy'",
}


@pytest.mark.parametrize("failing", SAID, ids=lambda failing: failing.__name__)
def test_the_root_cause_is_one_line(failing):
    @op(name="step")
    def step() -> None:
        failing()

    result = GraphDefinition(name="g", node_defs=[step]).to_job().execute_in_process(raise_on_error=False)
    assert root_cause(result) == f"step: {SAID[failing]}"
