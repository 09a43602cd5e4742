"""An engine's errors as one line: real messages of both engines, and of gRPC around them."""

from __future__ import annotations

import grpc
import pytest
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql import functions as F

from cic_assets.ingest.engine_errors import engine_failure, engine_said
from cic_assets.kinds.every import parse_stream
from tests.spark.test_judge_status import COMMON, records

ROWS = [
    {"id": "1", "cp": "E1", "start": "2026-06-01 10:00", "stop": "2026-06-01 11:00", "kwh": "5"},
    {"id": "2", "cp": "E1", "start": "2026-06-01 10:00", "stop": "2026-06-01 11:00", "kwh": "0"},
    {"id": "3", "cp": "E2", "start": "01/06/2026", "stop": "2026-06-01 11:00", "kwh": "\u202e£3.40"},
]  # fmt: skip
SAFE = {"session_id": "id", "charge_point": "cp", "started_local": "start", "ended_local": "stop", "energy": "kwh"}


STREAM = parse_stream({**COMMON, "id": "porto", "kind": "sessions", "vat_basis": "unknown", "columns": SAFE})


def stream_of(where: str | None = None, **changes: str):
    """As loaded, whatever loading would have done about the expressions."""
    return STREAM.model_copy(update={"columns": {**SAFE, **changes}, "where": where})


def failed(spark, where: str | None = None, **changes: str) -> tuple[str, PySparkException]:
    stream, frame = stream_of(where, **changes), records(spark, STREAM, ROWS).withColumn("rfid", F.lit("04A1"))
    with pytest.raises(PySparkException) as caught:
        frame.select(*(F.expr(text) for text in (where, *changes.values()) if text)).toArrow()
    return engine_failure(stream, caught.value, frame), caught.value


# What loading refuses or makes safe does not get this far; these are as good as anything that an engine chokes on.
CASES = {
    "a format": (
        {"energy": "to_number(kwh, '999')"}, 4, "column energy: `to_number(kwh, '999')` of kwh='\\u202e£3.40': ",
    ),
    "a value": (
        {"cost": "if(id = '2', raise_error(concat(id, ' is odd')), id)"}, 3,
        "column cost: `if(id = '2', raise_error(concat(id, ' is odd')), id)` of id='2': ",
    ),
    "a row filter": (
        {"where": "assert_true(id < '3') is null"}, 4, "where: `assert_true(id < '3') is null` of id='3': ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_line_names_stream_file_line_column_and_value(spark, case):
    changes, line, said = CASES[case]
    found, error = failed(spark, **changes)
    assert found.startswith(f"porto: f.csv, line {line}: {said}"), found
    assert "mend the feed" in found and "\n" not in found and "stacktrace" not in found and "\u202e" not in found
    assert len(engine_said(error)) < 200


def test_a_value_of_a_field_that_looks_personal_is_not_shown(spark):
    found, _ = failed(spark, connector_id="to_number(rfid, '999')")
    assert "column connector_id: `to_number(rfid, '999')`: " in found and "04A" not in found


def test_what_is_wrong_with_the_expression_itself_has_no_line(spark):
    found, _ = failed(spark, connector_id="conv(cp)")
    assert found.startswith("porto: column connector_id: `conv(cp)`") and "f.csv" not in found


def test_what_no_expression_causes_keeps_the_engine_s_words(spark):
    frame = records(spark, STREAM, ROWS)
    with pytest.raises(PySparkException) as caught:
        frame.select(F.expr("cast('x' as int)")).collect()
    found = engine_failure(STREAM, caught.value, frame)
    assert found.startswith("porto: the engine failed: ") and "'x'" in found and "\n" not in found


def test_of_a_grpc_error_the_details_are_told():
    with grpc.insecure_channel("127.0.0.1:1") as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/spark.connect.SparkConnectService/Config")(b"", timeout=60)
    said = engine_said(SparkConnectGrpcException(message=str(caught.value)))
    assert "failed to connect" in said and "debug_error_string" not in said and "status =" not in said


@pytest.mark.parametrize("text", ["", "\n", "[X] a\n\nJVM stacktrace:\nb.C\n\tat d"])
def test_a_message_is_one_line_and_never_empty(text):
    assert engine_said(RuntimeError(text)) in ("RuntimeError", "[X] a")
