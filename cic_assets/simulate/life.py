"""How an invented charge point spends its time, as a stream in order of time: sessions, outages, works, its end.

Nothing here knows how operators report it: `push.py`, `poll.py`, `locations.py`, `sessions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from cic_assets.kinds.vocabulary import State
from cic_assets.simulate.clock import DAY, HOUR, MINUTE, is_repeated, offset
from cic_assets.simulate.demand import need, starts
from cic_assets.simulate.network import ChargePoint, Site, price

# Outages per charge point and day, and how long they last; together about 3 % of the time of a county.
OUTAGES_PER_DAY = 1 / 28
OUTAGE_HOURS = (0.5, 40.0)
# Time between two cars.
GAP = 5 * MINUTE
# More than six changes within an hour (E04), and not one more: the first charge point of a provider, on its third day.
FLAPS, FLAP_PERIOD, FLAP_DAY = 8, 9 * MINUTE, 2
# Of a county.
DRIVERS = 20_000
# OCPP 1.6 tells the phases of a session.
PREPARING, CHARGING, SUSPENDED, FINISHING = "Preparing", "Charging", "SuspendedEV", "Finishing"


@dataclass(slots=True, eq=False)
class Charge:
    """One session in UTC; `session_id` is numbered by the provider when it ends.

    Attributes:
        charging: seconds with energy flowing, from the start on.
        energy_wh: energy delivered.
        pence: cost, excluding VAT.
        token: who charged.
    """

    point: ChargePoint
    start: int
    end: int
    charging: int
    energy_wh: int
    pence: int
    token: str
    session_id: str = ""


class Change(NamedTuple):
    """From `at` on, a charge point is in `state`; a session that begins or ends then comes with it."""

    at: int
    state: State
    phase: str = ""
    charge: Charge | None = None


# What happened at each charge point in some time.
Happened = Sequence[tuple[ChargePoint, Sequence[Change]]]


@dataclass(frozen=True, slots=True)
class Era:
    """The simulated time of one provider.

    Attributes:
        start: first midnight, UTC; the first word of a feed is said an hour later.
        end: midnight after the last day; what happens then is not told any more.
        demand: multiple of the usual demand.
        grain: its sessions' times are multiples of so many seconds.
        on_wall_clock: whether sessions are sent on the wall clock, which can't tell the hour after an autumn change.
        seed: another one, another county.
    """

    start: int
    end: int
    demand: float
    grain: int
    on_wall_clock: bool
    seed: str

    @property
    def opens(self) -> int:
        """The first word."""
        return self.start + HOUR


# Something that takes place at a charge point: its changes, the last of which ends it; none if it does not happen.
Plan = Callable[[Random, ChargePoint, Era, int], Iterator[Change]]


def life(point: ChargePoint, era: Era, first: bool) -> Iterator[Change]:
    """All that happens at a charge point before the era's end, in order of time.

    Args:
        point: where.
        era: when.
        first: whether it is the provider's first one, which flaps once.
    """
    random = Random(f"{era.seed}:{point.name}")
    end = min(era.end, point.removed or era.end)
    if point.appears > era.start:
        yield Change(era.opens, "PLANNED")
    free_from = max(era.opens, point.appears)
    yield Change(free_from, "AVAILABLE")
    works = _closures(point, era)
    closed = next(works, None)
    for day in range(era.start, end, DAY):
        for moment, plan in _plans(random, point, era, day, first):
            while closed and closed[0] <= moment:
                yield from _closure(closed, end)
                free_from = closed[1] + GAP
                closed = next(works, None)
            happens = list(plan(random, point, era, moment)) if moment >= free_from else []
            if not happens:
                continue
            until = happens[-1].at
            # What planned works or the end would cut short does not begin; a car that stays beyond the era may.
            if (closed and until > closed[0] - GAP) or (point.removed is not None and until > point.removed - GAP):
                continue
            yield from (change for change in happens if change.at < end)
            free_from = until + GAP
    while closed:
        yield from _closure(closed, end)
        closed = next(works, None)
    if point.removed is not None:
        yield Change(point.removed, "REMOVED")


def _closures(point: ChargePoint, era: Era) -> Iterator[tuple[int, int]]:
    """Planned works, and the move to another site, which takes six hours."""
    found = list(point.site.works)
    if point.moves:
        found.append((point.moves[0] - 6 * HOUR, point.moves[0]))
    since, until = max(era.opens, point.appears) + GAP, min(era.end, point.removed or era.end)
    free_from = since
    for begins, ends in sorted(found):
        # What planned works would meet has to leave or not begin, so they never wait; they don't overlap either.
        if begins >= free_from and begins < until:
            yield begins, ends
            free_from = ends + GAP


def _closure(closed: tuple[int, int], end: int) -> Iterator[Change]:
    if closed[0] < end:
        yield Change(closed[0], "INOPERATIVE")
    if closed[1] < end:
        yield Change(closed[1], "AVAILABLE")


def _plans(random: Random, point: ChargePoint, era: Era, day: int, first: bool) -> list[tuple[int, Plan]]:
    """What may begin on a day, in order of time."""
    found: list[tuple[int, Plan]] = [
        (moment, _session)
        for moment in starts(random, point, day, era.demand)
        if _is_open(point.site_at(moment), moment)
    ]
    if random.random() < OUTAGES_PER_DAY:
        found.append((day + int(random.random() * DAY), _outage))
    if first and day == era.start + FLAP_DAY * DAY:
        found.append((day + 3 * HOUR, _flapping))
    return sorted(found, key=lambda plan: plan[0])


def _is_open(site: Site, moment: int) -> bool:
    hour = (moment + offset(moment)) % DAY // HOUR
    return site.opens <= hour < site.closes


def _session(random: Random, point: ChargePoint, era: Era, moment: int) -> Iterator[Change]:
    wish = need(random, point.rated_w, era.grain)
    idle = wish.idle if wish.idle >= MINUTE else 0
    begins = moment + int(random.random() * MINUTE) // era.grain * era.grain
    end = begins + wish.charging + idle
    if era.on_wall_clock and (_is_second_reading(begins) or _is_second_reading(end)):
        return
    pence = round(wish.energy_wh * price(point.rated_w, begins, (era.start + era.end) // 2) / 1000)
    token = f"{int(random.random() * DRIVERS) * 2654435761 % (1 << 56):014X}"
    charge = Charge(point, begins, end, wish.charging, wish.energy_wh, pence, token)
    yield Change(begins, "CHARGING", PREPARING, charge)
    yield Change(begins + 20 + int(random.random() * MINUTE), "CHARGING", CHARGING)
    if idle:
        yield Change(begins + wish.charging, "CHARGING", SUSPENDED)
    yield Change(end - 15, "CHARGING", FINISHING)
    yield Change(end, "AVAILABLE", "", charge)


def _is_second_reading(moment: int) -> bool:
    """The hour after the autumn change: a feed on the wall clock can't tell it from the hour before."""
    return is_repeated(moment) and not is_repeated(moment + HOUR)


def _outage(random: Random, point: ChargePoint, era: Era, moment: int) -> Iterator[Change]:
    shortest, longest = OUTAGE_HOURS
    hours = shortest + (longest - shortest) * random.random() ** 2
    yield Change(moment, "OUTOFORDER" if random.random() < 0.7 else "INOPERATIVE")
    yield Change(moment + int(hours * HOUR), "AVAILABLE")


def _flapping(random: Random, point: ChargePoint, era: Era, moment: int) -> Iterator[Change]:
    for number in range(FLAPS):
        yield Change(moment + number * FLAP_PERIOD, "AVAILABLE" if number % 2 else "OUTOFORDER")
