"""The simulated county stays about as far from real cities as they are from each other.

`make calibration` shows how, with the facts of all. Here the sessions that took place in a smaller county are compared
with what the ingest accepted of two cities: a tenth of the time.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import Settings
from cic_assets.simulate import Simulation, simulate
from cic_assets.streams.load import load_streams
from tests.bench import report
from tests.bench.calibration import COUNTY, LAST_DAY, POOLED, Operator, distances
from tests.bench.measures import MEASURES, measured
from tests.end_to_end.steps import run_ingest

REAL = {
    "Perth & Kinross": ("perth_kinross_sessions", "perth_kinross_2016-17.csv.gz"),
    "Ticino": ("ticino_sessions", "ticino_2017.csv.gz"),
}
# How far the nearest of the two may be.
BOUNDS = {
    "sessions_per_day": 0.35,
    "duration": 0.2,
    "energy": 0.2,
    "power": 0.25,
    "hour": 0.15,
    "weekday": 0.05,
    "month": 0.1,
}
# Percent of rows that may lack a charge point, start or end; last no time; have no energy. Dundee: 0.5, 0.9, 4.0.
RATES = {"S01": (0.3, 1.0), "S02": (0.7, 1.5), "S07": (3.0, 5.0)}


def frame(sessions: pd.DataFrame, zone: str) -> pd.DataFrame:
    """As `measured` takes it, from started_at, ended_at, energy_kwh."""
    start, end = (pd.to_datetime(sessions[name], utc=True) for name in ("started_at", "ended_at"))
    local = start.dt.tz_convert(zone)
    return sessions[["charge_point_id"]].assign(
        start_date=local.dt.date, hour=local.dt.hour, duration=(end - start).dt.total_seconds() / 3600,
        energy=sessions["energy_kwh"].astype(float),
    )  # fmt: skip


def accepted(settings: Settings, data: Path) -> dict[str, pd.DataFrame]:
    streams = load_streams(settings.streams)
    for stream_id, name in REAL.values():
        land(parts_of(settings), streams[stream_id], data / "sessions" / name)
    run_ingest(settings, streams)
    columns = ["stream_id", "charge_point_id", "started_at", "ended_at", "energy_kwh"]
    rows = DeltaTable(str(Path(settings.lake, "accepted", "sessions"))).to_pandas(columns=columns)
    return {title: frame(rows[rows["stream_id"] == each], streams[each].zone) for title, (each, _) in REAL.items()}


def operators(settings: Settings, data: Path, sent: Simulation) -> dict[str, Operator]:
    """The county as the truth has it, the cities as the ingest accepted them."""
    folder = sent.files[0].path.parent / "truth"
    took_place = pd.concat(pd.read_csv(folder / f"{name}_sessions.csv") for name in POOLED)
    truth = [sent.truth[f"{name}_sessions"] for name in POOLED]
    rows = tuple(sum(getattr(each, name) for each in truth) for name in ("rows", "quarantined", "in_facts"))
    fired = sum((each.fired for each in truth), Counter[str]())
    found = {COUNTY: Operator(measured(frame(took_place, "Europe/London")), rows, fired)}
    for title, city in accepted(settings, data).items():
        found[title] = Operator(measured(city), (len(city), 0, len(city)), {})
    return found


def test_the_county_is_as_near_to_a_city_as_cities_are(settings, data, tmp_path):
    found = operators(settings, data, simulate(tmp_path, last_day=LAST_DAY, days=365, charge_points=20))
    apart = distances(found)
    nearest = apart[[pair for pair in apart if pair[0] == COUNTY]].min(axis=1).to_dict()
    assert set(nearest) == set(BOUNDS)
    assert {name: value for name, value in nearest.items() if not 0 < value < BOUNDS[name]} == {}
    rates = {rule: found[COUNTY].rate(rule) for rule in RATES}
    assert {rule: rate for rule, rate in rates.items() if not RATES[rule][0] < rate < RATES[rule][1]} == {}
    report.write(tmp_path / "page", found, apart)
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count('src="data:image/png;base64,') == len(MEASURES) + 1 and "Ticino" in page
    written = json.loads((tmp_path / "page" / "figures.json").read_text())["distances"]
    assert {name: min(pairs[f"{COUNTY} / {city}"] for city in REAL) for name, pairs in written.items()} == {
        name: pytest.approx(value, abs=1e-4) for name, value in nearest.items()
    }
