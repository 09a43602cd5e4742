"""What the calibration compares: the measures of an operator's sessions, and how far two operators are apart.

A distance is 0 for the same distribution and 1 for two that share nothing: Kolmogorov and Smirnov's statistic for
quantities, total variation for shares of hours, weekdays and months.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp


@dataclass(frozen=True)
class Measure:
    """One thing that is compared.

    Attributes:
        title: for readers.
        axis: what its axis shows, with the unit.
        size: of the values of a discrete measure; 0 for a quantity.
        first: the smallest value of a discrete measure.
    """

    title: str
    axis: str
    size: int = 0
    first: int = 0


MEASURES = {
    "sessions_per_day": Measure("How often a charge point is used", "Sessions per charge point and day"),
    "duration": Measure("How long cars stay plugged in", "Time plugged in"),
    "energy": Measure("How much they take", "Energy of a session, kWh"),
    "power": Measure("How fast they take it, on average over their stay", "Mean power of a session, kW"),
    "hour": Measure("When they come", "Hour of the start, local time", 24),
    "weekday": Measure("On which days they come", "Day of the start", 7),
    "month": Measure("In which months charge points are used most", "Month of the start", 12, 1),
}


def measured(sessions: pd.DataFrame) -> dict[str, np.ndarray]:
    """All measures of an operator.

    Args:
        sessions: charge_point_id, start_date, hour, duration (h), energy (kWh); a row per session.

    Returns:
        Values of quantities, one each session or charge point; shares of discrete measures.
    """
    days = pd.to_datetime(sessions["start_date"])
    charged = sessions[sessions["energy"] > 0]
    return {
        "sessions_per_day": _per_day(sessions["charge_point_id"], days),
        "duration": sessions["duration"].to_numpy(),
        "energy": charged["energy"].to_numpy(),
        "power": (charged["energy"] / charged["duration"]).to_numpy(),
        "hour": _shares(sessions["hour"], "hour"),
        "weekday": _shares(days.dt.weekday, "weekday"),
        "month": _months(sessions["charge_point_id"], days),
    }


def _shares(values: pd.Series, name: str) -> np.ndarray:
    measure = MEASURES[name]
    counts = np.bincount(values - measure.first, minlength=measure.size)
    return counts / counts.sum()


def _per_day(points: pd.Series, days: pd.Series) -> np.ndarray:
    """Sessions per day of each charge point, from its first to its last; a gap in the operator's files is no day."""
    heard = np.sort(days.unique())
    found = days.groupby(points).agg(["min", "max", "count"])
    length = np.searchsorted(heard, found["max"], "right") - np.searchsorted(heard, found["min"])
    # A week is too short to tell how often.
    return (found["count"] / length)[length >= 28].to_numpy()


def _months(points: pd.Series, days: pd.Series) -> np.ndarray:
    """Sessions per charge point and day in each month, as shares of a year whose other months are like those known."""
    month = days.dt.to_period("M")
    found = (
        pd.DataFrame({"point": points, "day": days})
        .groupby(month)
        .agg({"point": ["count", "nunique"], "day": "nunique"})
    )
    rates = found["point", "count"] / found["point", "nunique"] / found["day", "nunique"]
    # A month with less than ten days is chance.
    rates = rates[found["day", "nunique"] >= 10].groupby(lambda period: period.month).mean()
    return (rates / rates.mean() / 12).reindex(range(1, 13)).to_numpy()


def distance(name: str, one: np.ndarray, other: np.ndarray) -> float:
    """How far two operators are apart in a measure: 0 to 1."""
    if not MEASURES[name].size:
        return float(ks_2samp(one, other, method="asymp").statistic)
    both = ~(np.isnan(one) | np.isnan(other))
    return float(abs(one[both] / one[both].sum() - other[both] / other[both].sum()).sum() / 2)
