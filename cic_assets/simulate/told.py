"""What a feed's words tell of one charge point's days: numbers.md 2 in plain Python, as the truth beside the files.

Written word by word in order of time; the platform's own way (Spark, over sets of rows) shares nothing with it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TextIO

from cic_assets.kinds.vocabulary import STATES, State
from cic_assets.simulate.clock import DAY, HOUR, local_date, midnight
from cic_assets.simulate.county import County, StatusTruth
from cic_assets.simulate.network import ChargePoint

UNREPORTED, UNOBSERVED = len(STATES), len(STATES) + 1
HEADER = ("charge_point_id", "status_date", *(f"{name.lower()}_seconds" for name in STATES), "unreported_seconds",
          "unobserved_seconds", "is_flapping")  # fmt: skip
_PLACE = {state: place for place, state in enumerate(STATES)}
_NEVER_EXPIRE = ("PLANNED", "REMOVED")
_CHARGING = _PLACE["CHARGING"]
# E04: the seventh change within an hour.
_CHANGES = 7


class Told:
    """The timeline of one charge point.

    Attributes:
        charging_seconds: time in CHARGING so far.
        flapping_days: local days with more than six changes within an hour so far.
    """

    __slots__ = (
        "_believed", "_changes", "_day_end", "_end", "_flaps", "_name", "_out", "_since", "_spent", "_state",
        "charging_seconds", "flapping_days",
    )  # fmt: skip

    def __init__(self, name: str, out: TextIO, start: int, end: int) -> None:
        """Opens a timeline.

        Args:
            name: charge_point_id.
            out: table of days.
            start: midnight of the first local day.
            end: midnight after the last local day that is written.
        """
        self._name, self._out, self._end = name, out, end
        self._since, self._state, self._believed = start, UNOBSERVED, 0.0
        self._changes: deque[int] = deque(maxlen=_CHANGES)
        self._flaps, self.charging_seconds, self.flapping_days = False, 0, 0
        self._open_day()

    def _open_day(self) -> None:
        # Eleven sums of seconds: the nine states, unreported, unobserved.
        self._spent = [0] * (UNOBSERVED + 1)
        self._day_end = midnight(local_date(self._since + DAY + 2 * HOUR))
        self._flaps = False

    @property
    def state(self) -> State | None:
        """The state last told."""
        return STATES[self._state] if self._state < UNREPORTED else None

    def say(self, at: int, state: State, silence: int) -> None:
        """A state begins, and is believed for `silence` seconds without another word."""
        self._spend(at)
        place = _PLACE[state]
        if place != self._state and self._state != UNOBSERVED:
            self._changes.append(at)
            if len(self._changes) == _CHANGES and at - self._changes[0] < HOUR and not self._flaps:
                self._flaps, self.flapping_days = True, self.flapping_days + 1
        if self._state < UNREPORTED and STATES[self._state] in _NEVER_EXPIRE:
            self._believed = 0.0
        self._state = place
        self._believed = math.inf if state in _NEVER_EXPIRE else max(self._believed, at + silence)

    def hear(self, at: int, silence: int) -> None:
        """The charge point is heard of, and its state still holds."""
        if at > self._believed:
            self._spend(at)
        self._believed = max(self._believed, at + silence)

    def finish(self, cover: int) -> None:
        """Nothing is known after `cover`; a charge point that was never heard has no days."""
        if self._state != UNOBSERVED:
            self._spend(cover)
            self._believed = min(self._believed, cover)
            self._spend(max(self._end, self._since))

    def _spend(self, until: int) -> None:
        """The time up to an instant, day by day."""
        while self._since < until:
            stop = min(until, self._day_end)
            if self._state == UNOBSERVED:
                self._spent[UNOBSERVED] += stop - self._since
            else:
                known = int(min(max(self._believed, self._since), stop)) - self._since
                self._spent[self._state] += known
                self._spent[UNREPORTED] += stop - self._since - known
                if self._state == _CHARGING:
                    self.charging_seconds += known
            self._since = stop
            if stop == self._day_end:
                self._close_day()

    def _close_day(self) -> None:
        if self._since <= self._end:
            seconds = ",".join(map(str, self._spent))
            self._out.write(f"{self._name},{local_date(self._since - 1)},{seconds},{self._flaps:d}\n")
        self._open_day()


class Tellers:
    """The timelines that a provider's words tell, by charge point."""

    def __init__(self, county: County, points: Sequence[ChargePoint], start: int, end: int) -> None:
        out = county.table("status_day", HEADER)
        self.by_name = {
            point.name: Told(county.provider.charge_point_id(point.name), out, start, end) for point in points
        }

    def finish(self, cover: int, truth: StatusTruth) -> None:
        """Nothing is known after `cover`."""
        for told in self.by_name.values():
            told.finish(cover)
            truth.charging_seconds += told.charging_seconds
            truth.flapping_days += told.flapping_days
