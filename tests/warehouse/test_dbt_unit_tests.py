"""The unit tests of dbt's models. Runs of the platform leave them out: their rows never change."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys

import yaml

from cic_assets.ledger.mart_sets import DBT_PROJECT
from cic_assets.orchestrate.doors import warehouse_of

DAY = dt.date(2026, 1, 5)


def test_every_unit_test_of_a_model_passes(settings, tmp_path):
    written = [
        test["name"]
        for path in sorted((DBT_PROJECT / "models").rglob("*.yml"))
        for test in yaml.safe_load(path.read_text()).get("unit_tests", [])
    ]
    command = [
        sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "test", "--select", "test_type:unit",
        "--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", tmp_path, "--log-path", tmp_path,
    ]  # fmt: skip
    environment = (
        os.environ | warehouse_of(settings).dbt_environment(DAY, DAY) | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    )
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    results = json.loads((tmp_path / "run_results.json").read_text())["results"]
    assert {each["unique_id"].split(".")[-1]: each["status"] for each in results} == dict.fromkeys(written, "pass")
