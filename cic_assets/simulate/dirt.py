"""Rows of sessions as operators send them, and the dirt that is planted on some, each kind at about its real rate.

Which rules must see it: `simulate/expected.py`, from the row as it is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from cic_assets.simulate.clock import HOUR, MINUTE, at
from cic_assets.simulate.life import Charge


@dataclass(slots=True)
class Row:
    """A session as it is sent: fields may be missing or wrong. Times in seconds since 1970 UTC.

    Attributes:
        energy_wh: in Wh; feeds send kWh with three decimals.
        pence: cost, excluding VAT.
        charging: seconds with energy flowing.
        planted: the kind of dirt or of resending, empty for none.
        rejected: whether it belongs in quarantine.
        broken: the record is to be written cut off.
        credits: id of the CDR that this credit CDR credits.
        status: OCPI SessionStatus.
    """

    session_id: str
    point: str | None
    start: int
    end: int | None
    energy_wh: int | None
    pence: int | None
    rated_w: int
    charging: int
    token: str
    last_updated: int
    planted: str = ""
    rejected: bool = False
    broken: bool = False
    credits: str = ""
    status: str = "COMPLETED"

    @property
    def is_open(self) -> bool:
        """Whether the session still runs."""
        return self.status == "ACTIVE"

    @property
    def seconds(self) -> int:
        """Length of the session; zero without an end."""
        return self.end - self.start if self.end is not None else 0


def clean(charge: Charge) -> Row:
    """The row of a session, updated a minute after its end."""
    return Row(
        charge.session_id, charge.point.name, charge.start, charge.end, charge.energy_wh, charge.pence,
        charge.point.rated_w, charge.charging, charge.token, charge.end + MINUTE,
    )  # fmt: skip


def _no_charge_point(row: Row) -> Row:
    return replace(row, point=None, rejected=True)


def _no_end(row: Row) -> Row:
    return replace(row, end=None, charging=0, rejected=True)


def _no_duration(row: Row) -> Row:
    # Zero energy with it: any energy in no time would be too much as well.
    return replace(row, end=row.start, energy_wh=0, pence=0, charging=0, rejected=True)


def _negative_duration(row: Row) -> Row:
    return replace(row, start=row.end or row.start, end=row.start, charging=0, rejected=True)


def _negative_energy(row: Row) -> Row:
    return replace(row, energy_wh=-1000, pence=0, rejected=True)


def _epoch(row: Row) -> Row:
    moved = at(dt.date(1970, 1, 1), 12)
    return replace(row, start=moved, end=moved + row.seconds, rejected=True)


def _future(row: Row) -> Row:
    moved = at(dt.date(2059, 7, 5), 12)
    return replace(row, start=moved, end=moved + row.seconds, rejected=True)


def _overpowered(row: Row) -> Row:
    """Two and a half times what the rating allows in an hour more, and at least 2 kWh beyond it."""
    return replace(_with_energy(row, 5 * row.rated_w * (row.seconds + HOUR) // 7200 + 2000), rejected=True)


def _strong(row: Row) -> Row:
    """A fifth above the rating: flagged, not rejected."""
    return _with_energy(row, 6 * row.rated_w * row.seconds // 18000)


def _with_energy(row: Row, energy_wh: int) -> Row:
    return replace(row, energy_wh=energy_wh, pence=energy_wh // 20)


def _in_wh(row: Row) -> Row:
    """Wh in a column of kWh: far beyond the rating, unless the car stood for days."""
    energy_wh = (row.energy_wh or 0) * 1000
    if energy_wh * 3600 < 2 * row.rated_w * row.seconds or energy_wh < 10_000_000:
        return row
    return replace(row, energy_wh=energy_wh, rejected=True)


def _in_mwh(row: Row) -> Row:
    """MWh in a column of kWh."""
    return replace(row, energy_wh=(row.energy_wh or 0) // 1000)


def _failed_start(row: Row) -> Row:
    return replace(_shortened(row, 3), energy_wh=0, pence=0)


def _small(row: Row) -> Row:
    """A third of a kWh in four minutes: below 0.5, and no unit suspicion."""
    return replace(_shortened(row, 4), energy_wh=300, pence=15)


def _shortened(row: Row, minutes: int) -> Row:
    end = row.start + min(minutes * MINUTE, row.seconds)
    return replace(row, end=end, charging=end - row.start, last_updated=end + MINUTE)


def _long_charging(row: Row) -> Row:
    """Ten minutes more of charging than of session."""
    return replace(row, charging=row.seconds + 10 * MINUTE)


def _broken(row: Row) -> Row:
    return replace(row, rejected=True, broken=True)


# Kind → (share of rows, change). Dundee's rates where it has the kind, else one in 500. Failed starts and those without
# a duration are together the 4 % without energy.
KINDS: dict[str, tuple[float, Callable[[Row], Row]]] = {
    "no_charge_point": (0.002, _no_charge_point),
    "no_end": (0.005, _no_end),
    "no_duration": (0.009, _no_duration),
    "negative_duration": (0.001, _negative_duration),
    "negative_energy": (0.002, _negative_energy),
    "epoch": (0.002, _epoch),
    "future": (0.001, _future),
    "overpowered": (0.002, _overpowered),
    "strong": (0.005, _strong),
    "in_wh": (0.002, _in_wh),
    "in_mwh": (0.002, _in_mwh),
    "failed_start": (0.031, _failed_start),
    "small": (0.01, _small),
    "broken": (0.002, _broken),
}
# Only CDRs say how long energy flowed.
CDR_KINDS = KINDS | {"long_charging": (0.004, _long_charging)}


def soil(random: Random, row: Row, kinds: dict[str, tuple[float, Callable[[Row], Row]]], dirt: float) -> Row:
    """The row, or a dirty version of it; `dirt` multiplies the shares."""
    lot = random.random() / dirt if dirt else 1.0
    for kind, (share, change) in kinds.items():
        if lot < share:
            changed = change(row)
            return changed if changed is row else replace(changed, planted=kind)
        lot -= share
    return row
