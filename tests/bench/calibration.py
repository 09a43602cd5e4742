"""How real the simulated county is: its sessions beside those of three real operators, both through the platform.

`make calibration` writes .cic/calibration/index.html and figures.json. What is compared: `measures.py`; the pictures:
`plots.py`; the page: `report.py`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cic_assets.ingest.landing import land
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import PROJECT, Settings
from cic_assets.simulate import PROVIDERS, simulate
from cic_assets.streams.load import claimants, load_streams
from tests.bench.measures import MEASURES, distance, measured
from tests.bench.scratch import scratch
from tests.conftest import data_folder
from tests.doors import connect
from tests.end_to_end.steps import run_facts, run_ingest

REAL = {"dundee": "Dundee", "perth_kinross": "Perth & Kinross", "ticino": "Ticino"}
# Providers with the mix of charge points of a council, whose CSV files are like those of the real ones, as one.
COUNTY = "Simulated county"
POOLED = tuple(provider.name for provider in PROVIDERS if provider.sessions == "csv")
# A year with all its months, long ago enough for the end_to_end steps to compute its facts.
LAST_DAY = dt.date(2025, 12, 31)

# Sessions that a CDR or a CSV row tells of; local days and hours are those of the stream's zone.
SESSIONS = """
select charge_point_id, start_date, extract(hour from started_at at time zone %s)::int as hour,
  duration_seconds::float8 / 3600 as duration, energy_kwh::float8 as energy
from facts.charging_session where stream_id = %s
"""
ROWS = """
select sum(rows_in)::int, sum(quarantined)::int, sum(in_facts)::int, sum(unresolved)::int
from quality.reconciliation where stream_id = any(%s)
"""
# Overlaps are seen across sessions, so only those in facts are judged.
FIRED = """
select rule_id, sum(row_count)::int from quality.rule_count where stream_id = any(%(streams)s) group by 1
union all
select 'S11', count(*)::int from facts.charging_session where stream_id = any(%(streams)s) and 'S11' = any(flags)
"""


@dataclass(frozen=True)
class Operator:
    """An operator, or several as one.

    Attributes:
        values: by measure, as `measured` returns them.
        rows: rows in, quarantined, in facts.
        fired: rule → rows that fired it.
    """

    values: dict[str, np.ndarray]
    rows: tuple[int, int, int]
    fired: dict[str, int]

    def rate(self, rule: str) -> float:
        """Rows that fired a rule, in percent of the rows in."""
        return 100 * self.fired.get(rule, 0) / self.rows[0]


def collect(settings: Settings, folder: Path, real: Sequence[Path], **plan: object) -> dict[str, Operator]:
    """Operators by name: the pooled county, its providers, and the real ones whose files are given.

    Args:
        settings: of an empty lake and warehouse.
        folder: for the simulated files.
        real: operators' files that a stream claims.
        plan: as `simulate` takes it.
    """
    streams = load_streams(settings.streams)
    for file in simulate(folder, last_day=LAST_DAY, **plan).files:
        if _is_compared(file.stream_id):
            land(parts_of(settings), streams[file.stream_id], file.path, file.arrived_at)
    for path in real:
        for stream in claimants(streams.values(), path.name):
            land(parts_of(settings), stream, path)
    for what, step in (("ingest", run_ingest), ("monthly facts", _facts)):
        began = time.monotonic()
        step(settings, streams)
        print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
    groups = {COUNTY: POOLED} | {provider.name.title(): (provider.name,) for provider in PROVIDERS}
    groups |= {title: (name,) for name, title in REAL.items() if any(path.name.startswith(name) for path in real)}
    return {title: _operator(settings, streams, names) for title, names in groups.items()}


def _facts(settings: Settings, streams: dict[str, Stream]) -> None:
    run_facts(settings, asked_for=True)


def _is_compared(stream_id: str) -> bool:
    """OCPI Sessions tell of charges whose CDR is there too."""
    return stream_id.endswith("_sessions") and not stream_id.endswith("_ocpi_sessions")


def _operator(settings: Settings, streams: dict[str, Stream], names: Sequence[str]) -> Operator:
    ids = [f"{name}_sessions" for name in names]
    with connect(settings) as connection:
        rows = connection.execute(ROWS, (ids,)).fetchone()
        fired = dict(connection.execute(FIRED, {"streams": ids}).fetchall())
        found = [connection.execute(SESSIONS, (streams[each].zone, each)) for each in ids]
        frames = [pd.DataFrame(each.fetchall(), columns=[column.name for column in each.description]) for each in found]
    if rows is None or not rows[0] or rows[3]:
        raise SystemExit(f"{ids}: nothing arrived, or rows are neither in facts nor quarantined: {rows}")
    return Operator(measured(pd.concat(frames, ignore_index=True)), rows[:3], fired)


def distances(operators: dict[str, Operator]) -> pd.DataFrame:
    """Rows are measures, columns pairs of operators: the county with each real one, then the real ones themselves."""
    real = [title for title in REAL.values() if title in operators]
    pairs = [(COUNTY, title) for title in real] + list(itertools.combinations(real, 2))
    return pd.DataFrame(
        {pair: {name: distance(name, *(operators[each].values[name] for each in pair)) for name in MEASURES}
         for pair in pairs}
    )  # fmt: skip


def main(out: Path) -> None:
    from tests.bench import report

    began = time.monotonic()
    data = data_folder()
    real = sorted(path for name in REAL for path in (data / "sessions").glob(f"{name}_*"))
    if not real:
        print(f"no operators' files in {data}/sessions (set CIC_TEST_DATA to their folder): the simulated side alone")
    with scratch() as (settings, folder):
        operators = collect(settings, folder / "sent", real, days=365, charge_points=60)
    report.write(out, operators, distances(operators))
    print(f"{out / 'index.html'}: {len(operators)} operators in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".cic" / "calibration")
