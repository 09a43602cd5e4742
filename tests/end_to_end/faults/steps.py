"""The steps of a round, as an operator's script would run them; each does what is pending and no more.

With `marts`, the chain ends where readers look; a dbt run takes seven seconds, so that short tests end before it.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from cic_assets.ingest import portions
from cic_assets.ingest.landing import land
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.mart_sets import DBT_PROJECT, MONTHLY
from cic_assets.ledger.publication import building, due_by_set
from cic_assets.orchestrate.assets.marts import target_folder
from cic_assets.orchestrate.doors import opened, parts_of, warehouse_of
from cic_assets.orchestrate.resources.dbt import local_dbt
from cic_assets.orchestrate.work import months_work, stale_months
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams
from tests.end_to_end import steps as common
from tests.end_to_end.faults.county import sent_until

Step = Callable[[Settings, Path, str], None]


def _streams(settings: Settings) -> dict[str, Stream]:
    return load_streams(settings.streams)


def run_land(settings: Settings, sent: Path, round_: str) -> None:
    """Lands the files of the round and of those before it."""
    streams = _streams(settings)
    with opened(settings) as parts:
        for each in sent_until(round_):
            land(parts, streams[each.stream_id], sent / each.name, each.arrived_at)


def _run_ingest(settings: Settings, sent: Path, round_: str) -> None:
    # A file is a portion, so that swaps of the late round leave rows of the same arrivals in place.
    with patch.object(portions, "PORTION_RECORDS", 1):
        common.run_ingest(settings, _streams(settings))


def _run_days(settings: Settings, sent: Path, round_: str) -> None:
    common.run_days(settings, _streams(settings))


def _run_months(settings: Settings, sent: Path, round_: str) -> None:
    """Charge points' months after sessions', each computed from what is there, as one run of the monthly job."""
    stale, _ = stale_months(parts_of(settings), dt.date(2025, 6, 1), asked_for=True)
    for work in months_work(stale):
        end = (work.last + dt.timedelta(days=32)).replace(day=1)
        common.compute_sessions(settings, work.first, end)
        common.compute_charge_points(settings, _streams(settings), work.first, end)


def run_marts(settings: Settings, sent: Path, round_: str) -> None:
    """All marts that are due, of each set the window from the first period to the last; one dbt run for all."""
    windows: dict[str, tuple[dt.date, dt.date]] = {}
    for name, found in due_by_set(warehouse_of(settings)).items():
        if found:
            last = found[-1].period
            end = (last + dt.timedelta(days=32)).replace(day=1) if name == MONTHLY else last + dt.timedelta(days=1)
            windows[name] = (found[0].period, end)
    if windows:
        with ExitStack() as stack:
            for name, window in windows.items():
                stack.enter_context(building(warehouse_of(settings), name, *window))
            starts, ends = zip(*windows.values(), strict=True)
            select = ["--select", *(f"tag:{name}" for name in windows)]
            _run_dbt(settings, ["build", *select], (min(starts), max(ends)))


# They change no mart, and are 119 of its 132 nodes.
_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


def _run_dbt(settings: Settings, arguments: list[str], window: tuple[dt.date, dt.date]) -> None:
    """In a process of its own, which finds the warehouse by its environment, as Dagster runs it."""
    environment = os.environ | warehouse_of(settings).dbt_environment(*window)
    environment |= {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    with target_folder(settings, "all") as target:
        folders = ("--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", target)
        dbt = [local_dbt().dbt_executable, "--no-use-colors", *arguments, *_TESTS, *folders, "--log-path", target]
        subprocess.run(dbt, env=environment, check=True)


STEPS: dict[str, Step] = {"land": run_land, "ingest": _run_ingest, "days": _run_days, "months": _run_months}
MARTS = "marts"
WITH_MARTS: dict[str, Step] = STEPS | {MARTS: run_marts}
