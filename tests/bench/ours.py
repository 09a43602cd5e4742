"""A simulated county from raw files to marts, as `cic` runs it, in one process: what each stage takes, as JSON.

python -m tests.bench.ours year|day FOLDER FACTS: files of `tests/bench/speed.py:county`, and a folder for the facts as
Parquet. `year` is all but the files of the last day on which some arrived, `day` are those, on top, in a new process:
each feed's last week. The home that the environment names is made; its server goes on.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import opened, set_up
from cic_assets.orchestrate.runner import Runner, instance_of
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded
from tests.bench.processes import server_cpu
from tests.doors import connect

# Of the simulated counties; facts go on to yesterday, all of it unreported.
LAST_DAY = dt.date(2026, 10, 31)
STATUS_DAYS, SESSIONS = "status_days", "sessions"
YEAR, DAY = "year", "day"
# What is compared with the facts that were made by hand.
FACTS = {
    STATUS_DAYS: "select charge_point_id, status_date, available_seconds, blocked_seconds, charging_seconds,"
    " inoperative_seconds, outoforder_seconds, planned_seconds, removed_seconds, reserved_seconds, unknown_seconds,"
    " unreported_seconds, unobserved_seconds from facts.charge_point_status_day"
    f" where status_date <= '{LAST_DAY}' order by 1, 2",
    # With VAT where the feed has it so, and as OCPI has one who charged: reservations are facts too, but no CDRs.
    SESSIONS: "select stream_id, session_id, charge_point_id, started_at, ended_at, energy_kwh,"
    " round(case when stream_id ~ 'brackendale|dunholt' then revenue else revenue * 1.2 end, 2) as cost"
    " from facts.charging_session where record_kind = 'cdr' or stream_id !~ 'ocpi' order by 1, 2",
}


class Stages:
    """What each stage takes: CPU seconds of this process and its children, of the server, and seconds."""

    def __init__(self, home: Path) -> None:
        self._pid = int((embedded.locate(home).data / "postmaster.pid").read_text().splitlines()[0])
        self.found: dict[str, dict[str, float]] = {}

    def _now(self) -> tuple[float, float, float]:
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return own, server_cpu(self._pid), time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures the block."""
        before = self._now()
        yield
        self.found[name] = dict(
            zip(("cpu", "server_cpu", "wall"), (b - a for a, b in zip(before, self._now(), strict=True)), strict=True)
        )


def files_of(folder: Path, which: str) -> list[tuple[Path, str, dt.datetime]]:
    """(file, stream, moment of arrival) of the year or of the day on top of it."""
    listed = json.loads((folder / "files.json").read_text())
    files = [(folder / name, stream, dt.datetime.fromisoformat(arrived_at)) for name, stream, arrived_at in listed]
    last = max(moment.date() for *_, moment in files)
    return [each for each in files if (each[2].date() == last) == (which == DAY)]


def run(which: str, folder: Path, settings: Settings, facts: Path) -> dict[str, dict[str, float]]:
    """Lands, ingests and computes; after the day, the facts stay as Parquet in `facts`."""
    embedded.start(settings.home)
    stages = Stages(settings.home)
    with stages.stage("set-up and imports"):
        set_up(settings)
        streams = load_streams(settings.streams)
        with instance_of(settings) as instance:
            Runner(settings, streams, instance)
    with stages.stage("land"), opened(settings, streams.values()) as parts:
        for file, stream, arrived_at in files_of(folder, which):
            land(parts, streams[stream], file, arrived_at)
    with instance_of(settings) as instance:
        runner = Runner(settings, streams, instance)
        for name, work in (
            ("ingest", runner.ingest), ("days", runner.days), ("months", runner.months),
            ("dimensions", runner.dimensions),
        ):  # fmt: skip
            with stages.stage(name):
                for report in work():
                    if report.troubles:
                        raise SystemExit(f"{report.job}: {'; '.join(report.troubles)}")
    if which == DAY:
        _write_facts(settings, facts)
    return stages.found


def _write_facts(settings: Settings, facts: Path) -> None:
    facts.mkdir(parents=True, exist_ok=True)
    with connect(settings) as connection:
        for name, query in FACTS.items():
            found = connection.execute(query.encode())
            assert found.description is not None
            rows = found.fetchall()
            columns = {column.name: [row[n] for row in rows] for n, column in enumerate(found.description)}
            pq.write_table(pa.table(columns), facts / f"{name}.parquet")


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], Path(sys.argv[2]), load_settings(), Path(sys.argv[3]))))
