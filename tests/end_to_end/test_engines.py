"""The embedded engine and Apache Spark give equal tables, to the microsecond, each in a process of its own."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import Settings
from cic_assets.simulate import simulate
from cic_assets.streams.load import load_streams
from tests.conftest import ENGINES, demand
from tests.end_to_end.steps import run_ingest

STEPS = Path(__file__).with_name("steps.py")
# For a few minutes Java's quick compiler alone is enough: the days of Düsseldorf took 80 CPU seconds, and take 50.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def digest(settings: Settings, engine: str) -> dict[str, str]:
    names = {
        "CIC_HOME": str(settings.home), "CIC_WAREHOUSE_URL": str(settings.warehouse_url), "CIC_SPARK": engine,
        "CIC_STREAMS": "examples", "PYTHONPATH": str(STEPS.parents[2]), "JAVA_TOOL_OPTIONS": JAVA_OPTIONS,
    }  # fmt: skip
    command = [sys.executable, str(STEPS), "digest"]
    done = subprocess.run(
        command, env={**os.environ, **names}, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(params=["the demo's 90 days", "Düsseldorf"])
def landed(request, settings, tmp_path) -> Settings:
    streams = load_streams(settings.streams)
    if request.param == "Düsseldorf":
        data = request.getfixturevalue("data")
        land(
            parts_of(settings),
            streams["dusseldorf_status"],
            data / "status" / "dusseldorf_2023-07-17_2023-07-31.csv.gz",
        )
    else:
        # The demo's county with fewer charge points, or as many as it has (60): `CIC_TEST_CHARGE_POINTS=60 make test`.
        points = int(os.environ.get("CIC_TEST_CHARGE_POINTS", "4"))
        for file in simulate(tmp_path / "sent", last_day=dt.date(2026, 11, 1), charge_points=points).files:
            if not file.stream_id.endswith("_sessions"):
                land(parts_of(settings), streams[file.stream_id], file.path, file.arrived_at)
    run_ingest(settings, streams)
    return settings


def test_status_tables_are_equal_on_both_engines(landed):
    demand(shutil.which("java") is not None, "Java 17 for Apache Spark (openjdk-17-jre-headless)")
    embedded, spark = (digest(landed, engine) for engine in ENGINES)
    assert embedded == spark
    assert int(embedded["facts.charge_point_status_day"].split(":")[0]) > 200
