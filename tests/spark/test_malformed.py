"""Malformed payloads on each engine: whatever was decoded is judged, and no rule contradicts itself."""

from __future__ import annotations

import datetime as dt
import io
from random import Random

import pyarrow as pa
import pytest

from cic_assets.lake.catalogue import LandedObject
from cic_assets.lake.decode import _batches
from cic_assets.lake.kinds import KINDS
from cic_assets.lake.records import read_records
from cic_assets.lake.tables import hand_over
from cic_assets.quality.judge import count_by_rule, judge
from cic_assets.quality.rules import rules_of
from cic_assets.settings import load_settings
from tests.fuzz import payloads

ARRIVED = dt.datetime(2026, 1, 20, 6, tzinfo=dt.UTC)
COUNT = 600


def decoded(name: str, content: bytes) -> pa.Table:
    stream, settings = payloads.stream(name), load_settings({"CIC_PERSONAL_KEY": "k"})
    landed = LandedObject(name, "0" * 64, ARRIVED.date(), ARRIVED, "f", "raw/f", landed=True)
    reading = read_records(io.BytesIO(content), stream.format)
    rows = pa.Table.from_batches(list(_batches(settings, stream, landed, reading)))
    origin = {
        "arrival_date": pa.array([ARRIVED.date()] * rows.num_rows, pa.date32()),
        "source_file": pa.array(["f"] * rows.num_rows),
        "arrived_at": pa.array([ARRIVED] * rows.num_rows, pa.timestamp("us", tz="UTC")),
    }
    for column, values in origin.items():
        rows = rows.append_column(column, values)
    return rows


@pytest.mark.parametrize("name", payloads.LINES)
def test_every_malformed_record_is_judged(spark, name):
    random, make = Random(f"spark:{name}"), payloads.LINES[name][1]
    lines = [make(random) for _ in range(COUNT)]
    header = [payloads.CSV_HEADER.encode()] if name == payloads.CSV_STREAM else []
    rows = decoded(name, b"\n".join([*header, *lines]))
    stream = payloads.stream(name)
    rules = rules_of("default", stream.kind)
    judged = judge(KINDS[stream.kind].harmonise(hand_over(spark, rows), stream), rules, {})
    counts = count_by_rule(judged, rules)[ARRIVED.date()]
    total, rejected = counts.pop("*")
    assert total == rows.num_rows and 0 < rejected < total
    assert {rule: wrong for rule, (_, wrong) in counts.items() if wrong} == {}
    entries = KINDS[stream.kind].entries(judged.where("size(reasons) = 0"), stream)
    kept = entries.select(*KINDS[stream.kind].schema.names).toArrow().cast(KINDS[stream.kind].schema)
    assert kept.num_rows == total - rejected
