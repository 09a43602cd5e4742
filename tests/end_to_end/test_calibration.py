"""The simulated county stays about as far from real cities as they are from each other.

`make calibration` shows how, with the facts of all. Here the sessions that took place in a smaller county are compared
with what the ingest accepted of two cities: a tenth of the time.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pandas as pd
from deltalake import DeltaTable

from cic_assets.lake.landing import land
from cic_assets.settings import Settings
from cic_assets.simulate import simulate
from cic_assets.streams.load import load_streams
from tests.bench.calibration import POOLED
from tests.bench.measures import distance, measured
from tests.end_to_end.steps import run_ingest

REAL = {"perth_kinross_sessions": "perth_kinross_2016-17.csv.gz", "ticino_sessions": "ticino_2017.csv.gz"}
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
    for stream_id, name in REAL.items():
        land(settings, streams[stream_id], data / "sessions" / name)
    run_ingest(settings, streams)
    columns = ["stream_id", "charge_point_id", "started_at", "ended_at", "energy_kwh"]
    rows = DeltaTable(str(Path(settings.lake, "accepted", "sessions"))).to_pandas(columns=columns)
    return {each: frame(rows[rows["stream_id"] == each], streams[each].zone) for each in REAL}


def test_the_county_is_as_near_to_a_city_as_cities_are(settings, data, tmp_path):
    sent = simulate(tmp_path, last_day=dt.date(2025, 12, 31), days=365, charge_points=20)
    took_place = pd.concat(pd.read_csv(tmp_path / "truth" / f"{name}_sessions.csv") for name in POOLED)
    county = measured(frame(took_place, "Europe/London"))
    cities = [measured(found) for found in accepted(settings, data).values()]
    nearest = {name: min(distance(name, county[name], city[name]) for city in cities) for name in BOUNDS}
    assert set(nearest) == set(county)
    assert {name: value for name, value in nearest.items() if not 0 < value < BOUNDS[name]} == {}
    truth = [sent.truth[f"{name}_sessions"] for name in POOLED]
    fired = sum((found.fired for found in truth), Counter[str]())
    rates = {rule: 100 * fired[rule] / sum(found.rows for found in truth) for rule in RATES}
    assert {rule: rate for rule, rate in rates.items() if not RATES[rule][0] < rate < RATES[rule][1]} == {}
