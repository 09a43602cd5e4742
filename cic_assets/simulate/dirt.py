"""Dirt, planted row by row, each kind at about its rate in real files, with the rules that must see it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from cic_assets.simulate.network import Charge


@dataclass(frozen=True)
class Row:
    """A session as an operator would send it: fields may be missing or wrong.

    Attributes:
        rules: rules that must fire on it.
        rejected: whether one of them rejects.
        broken: the record is to be written cut off.
    """

    session_id: str
    charge_point: str | None
    start: dt.datetime
    end: dt.datetime | None
    energy_kwh: float | None
    cost: float
    rated_kw: float
    token: str
    last_updated: dt.datetime
    rules: tuple[str, ...] = ()
    rejected: bool = False
    broken: bool = False

    @property
    def hours(self) -> float:
        """Length of the session; zero without an end."""
        return (self.end - self.start).total_seconds() / 3600 if self.end else 0.0


def clean(charge: Charge) -> Row:
    """The row of a clean session, updated a minute after its end."""
    return Row(
        charge.session_id, charge.point.name, charge.start, charge.end, charge.energy_kwh, charge.cost,
        charge.point.rated_kw, charge.token, charge.end + dt.timedelta(minutes=1),
    )  # fmt: skip


def _no_charge_point(row: Row) -> Row:
    return replace(row, charge_point=None, rules=("S01",), rejected=True)


def _no_end(row: Row) -> Row:
    return replace(row, end=None, rules=("S01",), rejected=True)


def _no_duration(row: Row) -> Row:
    # Zero energy with it: any energy in no time would be too much as well.
    return replace(row, end=row.start, energy_kwh=0.0, cost=0.0, rules=("S02", "S07", "S08", "S09"), rejected=True)


def _negative_energy(row: Row) -> Row:
    return replace(row, energy_kwh=-1.0, cost=0.0, rules=("S03", "S08"), rejected=True)


def _epoch(row: Row) -> Row:
    moved = dt.datetime(1970, 1, 1, 12, tzinfo=dt.UTC)
    return replace(row, start=moved, end=moved + dt.timedelta(hours=row.hours), rules=("S04",), rejected=True)


def _overpowered(row: Row) -> Row:
    """Two and a half times what the rating allows, and at least 2 kWh beyond it."""
    row = _with_energy(row, round(2.5 * row.rated_kw * row.hours + 2, 3), ("S05", "S06"))
    return replace(row, rejected=True)


def _strong(row: Row) -> Row:
    """A fifth above the rating: flagged, not rejected."""
    return _with_energy(row, round(1.2 * row.rated_kw * row.hours, 3), ("S06",))


def _with_energy(row: Row, energy: float, rules: tuple[str, ...]) -> Row:
    high = ("S08",) if energy > 250 else ()
    return replace(row, energy_kwh=energy, cost=round(energy * 0.5, 2), rules=(*rules, *high))


def _failed_start(row: Row) -> Row:
    return replace(_shortened(row, 3), energy_kwh=0.0, cost=0.0, rules=("S07", "S08"))


def _small(row: Row) -> Row:
    """A third of a kWh in four minutes: below 0.5, and no unit suspicion."""
    return replace(_shortened(row, 4), energy_kwh=0.3, cost=0.15, rules=("S08",))


def _shortened(row: Row, minutes: int) -> Row:
    end = row.start + dt.timedelta(minutes=minutes)
    return replace(row, end=end, last_updated=end + dt.timedelta(minutes=1))


def _broken(row: Row) -> Row:
    return replace(row, rules=("D01",), rejected=True, broken=True)


# Kind → (share of rows, change). Rates of Dundee, Perth and Ticino where they have the kind, else one in 500.
KINDS: dict[str, tuple[float, Callable[[Row], Row]]] = {
    "no_charge_point": (0.002, _no_charge_point),
    "no_end": (0.005, _no_end),
    "no_duration": (0.009, _no_duration),
    "negative_energy": (0.002, _negative_energy),
    "epoch": (0.002, _epoch),
    "overpowered": (0.002, _overpowered),
    "strong": (0.005, _strong),
    "failed_start": (0.04, _failed_start),
    "small": (0.01, _small),
    "broken": (0.002, _broken),
}


def soil(random: Random, row: Row) -> tuple[str | None, Row]:
    """The row, or a dirty version of it with its kind."""
    lot = random.random()
    for kind, (share, change) in KINDS.items():
        if lot < share:
            return kind, change(row)
        lot -= share
    return None, row
