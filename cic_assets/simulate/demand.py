"""Who comes, when, for how long: cars and habits. `make calibration` sets the figures beside three real cities."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from cic_assets.simulate.clock import DAY, HOUR, MINUTE, date_of
from cic_assets.simulate.network import RAPID_W, ChargePoint

# Share of starts in each hour, UTC, about the mean of three cities: from eight on, most at noon, few at night.
HOURS = (1, 1, 1, 1, 1, 2, 6, 11, 13, 12, 13, 14, 14, 13, 12, 11, 10, 8, 7, 5, 4, 3, 2, 1)
# Rapid chargers are used on the way: later, and less at night.
RAPID_HOURS = (2, 2, 1, 1, 1, 2, 4, 7, 9, 11, 12, 13, 14, 14, 14, 13, 13, 12, 11, 9, 7, 5, 4, 3)
WEEKDAYS = (1.0, 1.02, 1.03, 1.05, 1.1, 0.98, 0.82)
# From January on: cars need more in the cold.
SEASON = (1.08, 1.06, 1.04, 0.98, 0.95, 0.93, 0.92, 0.93, 0.97, 1.02, 1.07, 1.05)
# Sessions per day of a charge point of mean popularity, by rated power in W; 50 kW had 2.2 in Perth and 11.7 in Dundee.
SESSIONS = {7_400: 1.0, 22_000: 1.2, 50_000: 6.0, 150_000: 6.0}
# Share of sessions after which a car stays plugged in, and its mean stay: at rapid charge points, and at others.
STAYS = {True: (0.3, 5 * MINUTE), False: (0.7, 100 * MINUTE)}
# Of stays at others: left overnight or for days. A tenth of Dundee's sessions at 7 kW took longer than 22 hours.
LONG_STAYS, LONG_STAY, LONGEST_STAY = 0.15, 14 * HOUR, 4 * DAY


@dataclass(frozen=True, slots=True)
class Car:
    """A kind of car.

    Attributes:
        share: of sessions at slow and fast charge points.
        ac_w: what its charger takes, W.
        dc_w: what its battery takes at a rapid charge point, W; 0 if it has no such socket.
        battery_wh: usable.
    """

    share: float
    ac_w: int
    dc_w: int
    battery_wh: int


CARS = (
    Car(0.30, 3_700, 0, 9_000),
    Car(0.28, 6_600, 44_000, 27_000),
    Car(0.12, 7_200, 46_000, 38_000),
    Car(0.12, 21_000, 43_000, 38_000),
    Car(0.12, 11_000, 100_000, 60_000),
    Car(0.06, 11_000, 135_000, 75_000),
)


class Lots:
    """Draws an index by weight: 0.3 µs, where `random.choices` takes 1.5."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._sums = list(accumulate(weights))

    def draw(self, random: Random) -> int:
        """An index."""
        return bisect(self._sums, random.random() * self._sums[-1])


_HOURS = {False: Lots(HOURS), True: Lots(RAPID_HOURS)}
_CARS = {False: Lots([car.share for car in CARS]), True: Lots([car.share if car.dc_w else 0 for car in CARS])}


def starts(random: Random, point: ChargePoint, day: int, demand: float) -> list[int]:
    """When cars would come on a UTC day that begins at `day`, in order; whole minutes.

    Args:
        random: decides.
        point: where.
        day: midnight, UTC.
        demand: multiple of the usual one.
    """
    date = date_of(day)
    rate = SESSIONS[point.rated_w] * point.popularity * WEEKDAYS[date.weekday()] * SEASON[date.month - 1] * demand
    hours = _HOURS[point.rated_w >= RAPID_W]
    return sorted(
        day + hours.draw(random) * HOUR + int(random.random() * 60) * MINUTE for _ in range(_poisson(random, rate))
    )


def _poisson(random: Random, rate: float) -> int:
    """Knuth's way: enough for rates of a few a day."""
    limit, product, count = math.exp(-rate), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Need:
    """What one car does: seconds of charging, seconds plugged in after it, energy in Wh."""

    charging: int
    idle: int
    energy_wh: int


def need(random: Random, rated_w: int, grain: int) -> Need:
    """One session.

    Args:
        random: decides.
        rated_w: of the charge point.
        grain: times are multiples of so many seconds.
    """
    rapid = rated_w >= RAPID_W
    car = CARS[_CARS[rapid].draw(random)]
    power = min(rated_w, car.dc_w if rapid else car.ac_w) * (0.45 + 0.5 * random.random() if rapid else 0.93)
    wanted = car.battery_wh * random.betavariate(1.3, 2.4)
    # Rapid sessions end when the driver goes on; an hour is the longest stay on many sites.
    most = 80 * MINUTE if rapid else 14 * HOUR
    charging = max(grain, int(min(wanted / power * HOUR, most)) // grain * grain, 2 * MINUTE)
    return Need(charging, _idle(random, rapid) // grain * grain, max(1, int(power * charging / HOUR)))


def _idle(random: Random, rapid: bool) -> int:
    share, mean = STAYS[rapid]
    if random.random() >= share:
        return 0
    if not rapid and random.random() < LONG_STAYS:
        mean = LONG_STAY
    return int(min(random.expovariate(1 / mean), LONGEST_STAY))
