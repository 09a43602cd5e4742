"""An invented network and its demand: charge points, and clean sessions that never overlap on a connector."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

# Rated power in kW and how often it is built; about the mix of a British county.
RATINGS = ((7.4, 0.5), (22.0, 0.3), (50.0, 0.15), (150.0, 0.05))
# Clocks change on a Sunday at 01:00 UTC; no clean session ends in an hour that a wall clock shows twice or never.
SUNDAY = 6
# Share of a day's sessions that start in each hour: commuters in the morning, shoppers at noon, residents at night.
HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 9, 8, 7, 7, 8, 7, 7, 7, 8, 9, 9, 7, 5, 4, 3, 2)
WEEKDAYS = (1.0, 1.0, 1.0, 1.05, 1.15, 1.2, 0.9)
PRICE_PER_KWH = {7.4: 0.45, 22.0: 0.49, 50.0: 0.69, 150.0: 0.79}


@dataclass(frozen=True)
class ChargePoint:
    """A charge point with one connector; power in kW."""

    name: str
    rated_kw: float


@dataclass(frozen=True)
class Charge:
    """One clean session in UTC: whole minutes, energy in kWh with three decimals, cost excluding VAT."""

    session_id: str
    point: ChargePoint
    start: dt.datetime
    end: dt.datetime
    energy_kwh: float
    cost: float
    token: str


def build_points(random: Random, prefix: str, count: int, suffix: str = "") -> list[ChargePoint]:
    """`count` charge points with ratings drawn from `RATINGS`, named prefix, number, suffix."""
    ratings, weights = [kw for kw, _ in RATINGS], [share for _, share in RATINGS]
    return [ChargePoint(f"{prefix}{n:04d}{suffix}", random.choices(ratings, weights)[0]) for n in range(1, count + 1)]


def charges(random: Random, points: list[ChargePoint], first: dt.date, days: int, prefix: str) -> Iterator[Charge]:
    """Clean sessions in order of start, about two per charge point and day, apart from each other on a connector."""
    free_from = {point.name: dt.datetime.combine(first, dt.time(1), dt.UTC) for point in points}
    number = 0
    for day in (first + dt.timedelta(days=n) for n in range(days)):
        demand = round(len(points) * 1.6 * WEEKDAYS[day.weekday()])
        starts = sorted(_start(random, day) for _ in range(demand))
        for start in starts:
            point = random.choice(points)
            if start < free_from[point.name]:
                continue
            charge = _charge(random, f"{prefix}{number + 1:07d}", point, start)
            if charge.end.weekday() == SUNDAY and charge.end.hour < 2:
                continue
            number += 1
            free_from[point.name] = charge.end + dt.timedelta(minutes=5)
            yield charge


def _start(random: Random, day: dt.date) -> dt.datetime:
    hour = random.choices(range(24), HOURS)[0]
    # From 02:00 UTC on, so that no clean local time lies in an hour that daylight saving repeats or skips.
    return dt.datetime.combine(day, dt.time(max(hour, 2), random.randrange(60)), dt.UTC)


def _charge(random: Random, session_id: str, point: ChargePoint, start: dt.datetime) -> Charge:
    """Energy is what a car took at 40 to 90 % of the rated power; slow chargers are left plugged in longer."""
    charging = random.uniform(0.4, 5.0) if point.rated_kw < 50 else random.uniform(0.25, 1.0)
    energy = max(1.0, round(min(point.rated_kw, 80) * charging * random.uniform(0.4, 0.9), 3))
    idle = random.uniform(0.0, 1.5) if point.rated_kw < 50 else 0.0
    end = start + dt.timedelta(minutes=round(60 * (charging + idle)))
    cost = round(energy * PRICE_PER_KWH[point.rated_kw], 2)
    return Charge(session_id, point, start, end, energy, cost, f"{random.getrandbits(56):014X}")
