"""Which rules must fire on a row as it is sent: numbers.md 4 read anew, in whole numbers of plain Python.

The platform's rules are Spark SQL (`kinds/rules.py`); that both agree on every row of a county is a test of both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from cic_assets.simulate.clock import HOUR, MINUTE, at, is_repeated, local_date, offset
from cic_assets.simulate.dirt import Row

REJECTING = {"D01", "S01", "S02", "S03", "S04", "S05"}
_FIRST_DAY = at(dt.date(2010, 1, 1))


@dataclass(frozen=True, slots=True)
class Manner:
    """How a feed sends sessions.

    Attributes:
        on_wall_clock: times are local, without an offset.
        with_vat: money includes VAT.
        says_rating: rated power and cost are told.
        says_charging: the time with energy flowing is told.
    """

    on_wall_clock: bool = False
    with_vat: bool = False
    says_rating: bool = True
    says_charging: bool = False

    def pence(self, row: Row) -> int | None:
        """Cost as sent."""
        return row.pence if row.pence is None or not self.with_vat else round(row.pence * 1.2)


def expected(row: Row, arrived: int, manner: Manner, *, is_swapped: bool) -> list[str]:
    """Ids of the row rules that must fire.

    Args:
        row: as sent.
        arrived: when.
        manner: how.
        is_swapped: whether its file has day and month exchanged.
    """
    if row.broken:
        return ["D01"]
    edges = (row.start, row.end)
    return [
        *_rejecting(row, arrived, manner),
        *_odd(row, manner),
        *(["S15"] if is_swapped and _is_swapped(row) else []),
        *(["DST"] if manner.on_wall_clock and any(is_repeated(at) for at in edges if at is not None) else []),
    ]


def _longest(row: Row, manner: Manner) -> int:
    """Seconds by the longest reading of the feed's clock."""
    if row.end is None or not manner.on_wall_clock:
        return row.seconds
    wall = row.seconds + offset(row.end) - offset(row.start)
    return max(row.seconds + HOUR * any(map(is_repeated, (row.start, row.end))), wall)


def _rejecting(row: Row, arrived: int, manner: Manner) -> Iterator[str]:
    energy, seconds = row.energy_wh, row.seconds
    if row.point is None or (row.end is None and not row.is_open):
        yield "S01"
    if row.end is not None and seconds <= 0:
        yield "S02"
    if (energy is None and not row.is_open) or (energy is not None and energy < 0):
        yield "S03"
    if row.start > arrived + 5 * MINUTE or row.start < _FIRST_DAY:
        yield "S04"
    if manner.says_rating and energy is not None and seconds > 0:
        # W·s on both sides.
        given, allowed = energy * 3600, row.rated_w * _longest(row, manner)
        if 2 * given > 3 * allowed and given - allowed > 1000 * 3600:
            yield "S05"


def _odd(row: Row, manner: Manner) -> Iterator[str]:
    energy, seconds = row.energy_wh, row.seconds
    given, allowed = (energy or 0) * 3600, row.rated_w * seconds
    measured = manner.says_rating and energy is not None and seconds > 0
    if measured and 10 * given > 11 * allowed:
        yield "S06"
    if energy == 0:
        yield "S07"
    if energy is not None and (energy < 500 or energy > 250_000):
        yield "S08"
    if row.end is not None and (seconds < 60 or seconds > 2880 * MINUTE):
        yield "S09"
    if row.end is not None and row.charging >= seconds + _clock_step(row) and manner.says_charging:
        yield "S10"
    if (measured and _looks_like_another_unit(given, allowed)) or _is_odd_price(energy, manner.pence(row)):
        yield "S14"


def _clock_step(row: Row) -> int:
    """A feed that shows whole minutes knows no seconds."""
    return MINUTE if row.start % MINUTE == 0 and (row.end or 0) % MINUTE == 0 else 1


def _looks_like_another_unit(given: int, allowed: int) -> bool:
    thousandfold = 2 * given > 3 * allowed and 100 * allowed <= given <= 1100 * allowed
    return thousandfold or (given > 0 and allowed <= 10_000 * given and 10_000 * given <= 11 * allowed)


def _is_odd_price(energy: int | None, pence: int | None) -> bool:
    """Outside 0.05 to 2.00 per kWh: pence / Wh outside 0.005 to 0.2."""
    return bool(energy and pence and energy > 0 and (200 * pence < energy or 5 * pence > energy))


def _is_swapped(row: Row) -> bool:
    days = [local_date(edge) for edge in (row.start, row.end) if edge is not None]
    return any(day.day <= 12 and day.day != day.month for day in days)
