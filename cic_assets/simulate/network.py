"""An invented network: sites, devices, charge points, tariffs, planned works. What happens there: `life.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from cic_assets.simulate.clock import DAY, HOUR, date_of

# Rated power in W and how often it is built; about the mix of a British county.
RATINGS = ((7_400, 0.5), (22_000, 0.27), (50_000, 0.18), (150_000, 0.05))
RAPID_W = 50_000
POINTS_PER_SITE = 10
# Pence per kWh, excluding VAT, before and after the tariff changes in the middle of the simulated time.
PRICES = {7_400: (43, 45), 22_000: (47, 49), 50_000: (66, 69), 150_000: (75, 79)}
# Of charge points, by their number: new within the time, removed within it, moved to another site. So a county of 14
# has one of each.
PERIOD_OF_CHANGE = 50
APPEARS, REMOVED, MOVES = 7, 11, 13
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Site:
    """A location.

    Attributes:
        opens: hour of the day on the wall clock.
        closes: hour of the day; 24 for never.
        works: planned works, when no charge point of the site can be used: (from, until).
    """

    id: str
    opens: int
    closes: int
    works: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """What people call it."""
        return f"Car park {self.id}"


@dataclass(frozen=True, slots=True)
class ChargePoint:
    """A charge point (EVSE) with one connector.

    Attributes:
        device: the post that it is part of; slow charge points share one in pairs.
        popularity: its demand as a multiple of the mean of its power class.
        appears: when it is first used.
        removed: when it is taken away; None for never.
        moves: when it stands at another site from then on, and which; None for never.
        bay: its parking bay, where that has a sensor.
        max_stay_minutes: how long a car may stay in the bay.
    """

    name: str
    device: str
    site: Site
    rated_w: int
    popularity: float
    appears: int
    removed: int | None = None
    moves: tuple[int, Site] | None = None
    bay: str | None = None
    max_stay_minutes: int = 0

    @property
    def rated_kw(self) -> float:
        """Rated power, kW."""
        return self.rated_w / 1000

    def site_at(self, moment: int) -> Site:
        """Where it stands."""
        return self.moves[1] if self.moves and moment >= self.moves[0] else self.site

    def is_there(self, moment: int) -> bool:
        """Whether it has appeared and was not removed."""
        return self.appears <= moment and (self.removed is None or moment < self.removed)


def price(rated_w: int, moment: int, changes: int) -> int:
    """Pence per kWh excluding VAT; `changes` is when the tariff changes."""
    return PRICES[rated_w][moment >= changes]


def build(random: Random, letter: str, count: int, numbered: bool, start: int, end: int) -> list[ChargePoint]:
    """`count` charge points.

    Args:
        random: decides ratings, popularity, works.
        letter: with which all names begin.
        count: how many.
        numbered: whether a station's EVSEs have numbers (OCPP 2.0.1): D0001-1, D0001-2.
        start: when the simulated time begins.
        end: when it ends.
    """
    sites = {number: _site(random, number, start, end) for number in range(count // POINTS_PER_SITE + 2)}
    points: list[ChargePoint] = []
    while len(points) < count:
        rated_w = random.choices([watts for watts, _ in RATINGS], [share for _, share in RATINGS])[0]
        # A rapid post serves one car; posts on the street two.
        for evse in range(1 if rated_w >= RAPID_W else min(2, count - len(points))):
            number = len(points) + 1
            post = f"{letter}{number - evse:04d}"
            name = f"{post}-{evse + 1}" if numbered else f"{letter}{number:04d}"
            point = ChargePoint(
                name, post, sites[number // POINTS_PER_SITE], rated_w, random.lognormvariate(-0.5, 1.0), start
            )
            point = _with_bay(point, number)
            points.append(_changing(random, point, number, sites, start, end))
    return points


def _site(random: Random, number: int, start: int, end: int) -> Site:
    """Every fourth site closes at night; works take place once in four months, on a working day from nine to three."""
    works = []
    for month in range(start, end, 120 * DAY):
        day = month + random.randrange(120) * DAY
        if date_of(day).weekday() < SATURDAY and day + DAY < end:
            works.append((day + 9 * HOUR, day + 15 * HOUR))
    opens, closes = (7, 23) if number % 4 == 3 else (0, 24)
    return Site(f"L{number:03d}", opens, closes, tuple(works))


def _with_bay(point: ChargePoint, number: int) -> ChargePoint:
    """Every third bay has a sensor."""
    if number % 3:
        return point
    return replace(point, bay=f"bay-{point.name}", max_stay_minutes=60 if point.rated_w >= RAPID_W else 240)


def _changing(
    random: Random, point: ChargePoint, number: int, sites: dict[int, Site], start: int, end: int
) -> ChargePoint:
    days = (end - start) // DAY
    turn = number % PERIOD_OF_CHANGE
    if turn == APPEARS:
        return replace(point, appears=start + random.randrange(days // 4, days // 2 + 1) * DAY + 10 * HOUR)
    if turn == REMOVED:
        return replace(point, removed=start + random.randrange(days // 2, days * 3 // 4 + 1) * DAY + 14 * HOUR)
    if turn == MOVES:
        other = sites[(number // POINTS_PER_SITE + 1) % len(sites)]
        return replace(point, moves=(start + random.randrange(days // 4, days * 3 // 4 + 1) * DAY + 8 * HOUR, other))
    return point
