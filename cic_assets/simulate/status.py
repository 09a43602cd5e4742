"""How the invented charge points spend their time: in use during their sessions, now and then out of order.

Timelines only; how operators report them is in `simulate/status_dialects.py`.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from cic_assets.simulate.network import Charge, ChargePoint
from cic_assets.streams.vocabulary import State

# Outages per charge point and day, and how long they may last; together about 3 % of the time of a county.
OUTAGES_PER_DAY = 1 / 12
OUTAGE_HOURS = (2.0, 40.0)
MARGIN = dt.timedelta(minutes=20)
# More than six changes within an hour (E04).
FLAPS = 8


@dataclass(frozen=True)
class Change:
    """From `at` (UTC) on, a charge point is in `state`."""

    at: dt.datetime
    state: State


@dataclass
class StatusTruth:
    """What must become of one status stream's rows.

    Attributes:
        rows: records written; of polls without a time of their own, of each file.
        quarantined: records that a rule rejects.
        duplicates: records that are sent twice.
        charging_seconds: time in CHARGING that its records tell of, up to its last word.
        fired: rule → records.
    """

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    charging_seconds: int = 0
    fired: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """Plain types, keys sorted."""
        return {**self.__dict__, "fired": dict(sorted(self.fired.items()))}


Timelines = dict[str, list[Change]]


def timelines(
    random: Random, points: Sequence[ChargePoint], charges: Iterable[Charge], first: dt.date, days: int
) -> Timelines:
    """Changes of each charge point in order, from the first morning on; outages lie between sessions."""
    start = dt.datetime.combine(first, dt.time(1), dt.UTC)
    end = start + dt.timedelta(days=days)
    sessions: dict[str, list[Charge]] = {point.name: [] for point in points}
    for charge in charges:
        sessions[charge.point.name].append(charge)
    found = {}
    for number, point in enumerate(points):
        changes = [Change(start, "AVAILABLE")]
        for charge in sessions[point.name]:
            changes += [Change(charge.start, "CHARGING"), Change(charge.end, "AVAILABLE")]
        gaps = list(_gaps(sessions[point.name], start, end))
        changes += _outages(random, gaps, days)
        if number == 0:
            changes += _flapping(gaps)
        found[point.name] = sorted(changes, key=lambda change: change.at)
    return found


def _gaps(
    sessions: Sequence[Charge], start: dt.datetime, end: dt.datetime
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    since = start
    for session in sessions:
        yield since + MARGIN, session.start - MARGIN
        since = session.end
    yield since + MARGIN, end - MARGIN


def _outages(random: Random, gaps: Sequence[tuple[dt.datetime, dt.datetime]], days: int) -> Iterator[Change]:
    """Every other gap may have one, so that the first charge point's flapping finds a quiet one."""
    for since, until in gaps[1::2]:
        if random.random() > OUTAGES_PER_DAY * days / max(1, len(gaps) / 2) or until - since < dt.timedelta(hours=3):
            continue
        hours = dt.timedelta(hours=random.uniform(*OUTAGE_HOURS))
        state: State = "OUTOFORDER" if random.random() < 0.7 else "INOPERATIVE"
        begins = _whole_second(since + random.random() * (until - since) / 2)
        yield Change(begins, state)
        yield Change(_whole_second(min(begins + hours, until)), "AVAILABLE")


def _whole_second(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=0)


def _flapping(gaps: Sequence[tuple[dt.datetime, dt.datetime]]) -> list[Change]:
    for since, until in gaps[::2]:
        if until - since > dt.timedelta(hours=1):
            return [
                Change(since + n * dt.timedelta(minutes=5), "OUTOFORDER" if n % 2 == 0 else "AVAILABLE")
                for n in range(FLAPS)
            ]
    return []


def charging_seconds(changes: Sequence[Change]) -> int:
    """Time in CHARGING up to the last change."""
    pairs = itertools.pairwise(changes)
    return sum(int((later.at - change.at).total_seconds()) for change, later in pairs if change.state == "CHARGING")
