"""A small simulator: weekly session files of two invented councils, some rows broken. Same arguments, same bytes.

It writes the truth beside its output: what must be quarantined, by which rule, and what must be in facts.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random

from cic_assets.simulate.dialects import write_cdrs, write_csv
from cic_assets.simulate.dirt import Row, clean, soil
from cic_assets.simulate.network import build_points, charges

ASHBOURNE = "ashbourne_sessions"
BRACKENDALE = "brackendale_sessions"
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class SimulatedFile:
    """One file, and when (UTC) it would have arrived."""

    path: Path
    stream_id: str
    arrived_at: dt.datetime


@dataclass
class Truth:
    """What must become of one stream's rows. `energy_kwh` is that of the sessions in facts that are counted."""

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    superseded: int = 0
    in_facts: int = 0
    credits: int = 0
    overlapping: int = 0
    energy_kwh: Decimal = Decimal(0)
    fired: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """Plain types, keys sorted."""
        return {**self.__dict__, "energy_kwh": str(self.energy_kwh), "fired": dict(sorted(self.fired.items()))}


@dataclass(frozen=True)
class Simulation:
    """Files in order of arrival, and the truth by stream."""

    files: list[SimulatedFile]
    truth: dict[str, Truth]


def simulate(out: Path, *, last_day: dt.date, seed: int = 1, days: int = 90, charge_points: int = 60) -> Simulation:
    """Writes weekly raw files of both councils, and `truth.json`.

    Args:
        out: folder; made if missing, files of the same names are replaced.
        last_day: last day on which sessions start.
        seed: another seed, another county.
        days: how many days of sessions.
        charge_points: how many in each council.
    """
    out.mkdir(parents=True, exist_ok=True)
    first = last_day - dt.timedelta(days=days - 1)
    files: list[SimulatedFile] = []
    truth = {ASHBOURNE: Truth(), BRACKENDALE: Truth()}
    for stream_id, prefix in ((ASHBOURNE, "A"), (BRACKENDALE, "B")):
        # One generator per council: more rows in one do not change the other.
        random = Random(f"{seed}:{stream_id}")
        rows = _rows(random, prefix, first, days, charge_points, truth[stream_id])
        for week, batch in _weeks(rows, first, last_day):
            name = f"{stream_id.removesuffix('_sessions')}_{'sessions' if prefix == 'A' else 'cdrs'}_{week:%Y-%m-%d}"
            path = out / f"{name}.{'csv' if prefix == 'A' else 'jsonl'}"
            path.write_bytes(write_csv([row for row, _ in batch]) if prefix == "A" else write_cdrs(batch))
            files.append(SimulatedFile(path, stream_id, dt.datetime.combine(week, dt.time(6), dt.UTC)))
    _write_truth(out, truth)
    return Simulation(sorted(files, key=lambda file: (file.arrived_at, file.stream_id)), truth)


def _write_truth(out: Path, truth: dict[str, Truth]) -> None:
    content = {stream_id: found.as_json() for stream_id, found in truth.items()}
    (out / "truth.json").write_text(json.dumps(content, indent=2) + "\n")


Sent = tuple[dt.date, Row, str | None]


def _rows(random: Random, prefix: str, first: dt.date, days: int, points: int, truth: Truth) -> list[Sent]:
    """(day on which it is sent, row, what it credits) of all rows, with the truth counted."""
    sent: list[Sent] = []
    for charge in charges(random, build_points(random, prefix, points), first, days, prefix):
        kind, row = soil(random, clean(charge))
        day = charge.end.date()
        if kind is None:
            sent += _variants(random, row, day, truth, ocpi=prefix == "B")
        else:
            sent.append((day, row, None))
            truth.quarantined += row.rejected
            if not row.rejected:
                _keep(truth, row)
        truth.fired.update(row.rules)
    truth.rows = len(sent)
    return sent


def _keep(truth: Truth, row: Row) -> None:
    truth.in_facts += 1
    truth.energy_kwh += Decimal(f"{row.energy_kwh:.3f}")


def _variants(random: Random, row: Row, day: dt.date, truth: Truth, *, ocpi: bool) -> list[Sent]:
    """A clean row, now and then late, sent twice, corrected, credited, or used by two sessions at once."""
    lot = random.random()
    later = day + WEEK
    if lot < 0.005:
        _keep(truth, row)
        return [(later, row, None)]
    if lot < 0.010:
        _keep(truth, row)
        truth.duplicates += 1
        return [(day, row, None), (later, row, None)]
    if lot < 0.014:
        assert row.end is not None
        twin = replace(row, session_id=f"{row.session_id}X", last_updated=row.last_updated + dt.timedelta(minutes=1))
        _keep(truth, row)
        _keep(truth, twin)
        truth.overlapping += 2
        return [(day, row, None), (day, twin, None)]
    if ocpi and lot < 0.020:
        assert row.energy_kwh is not None
        better = replace(row, energy_kwh=row.energy_kwh + 0.25, last_updated=row.last_updated + WEEK)
        _keep(truth, better)
        truth.superseded += 1
        return [(day, row, None), (later, better, None)]
    if ocpi and lot < 0.024:
        credit = replace(row, session_id=f"{row.session_id}C", last_updated=row.last_updated + WEEK)
        # Both stay in facts and neither counts.
        truth.in_facts += 2
        truth.credits += 1
        return [(day, row, None), (later, credit, row.session_id)]
    _keep(truth, row)
    return [(day, row, None)]


def _weeks(rows: Sequence[Sent], first: dt.date, last: dt.date) -> list[tuple[dt.date, list[tuple[Row, str | None]]]]:
    """Rows by the Monday on which their week's file arrives; what would come later comes with the last file."""
    monday = first + dt.timedelta(days=7 - first.weekday())
    final = last + dt.timedelta(days=7 - last.weekday())
    weeks: dict[dt.date, list[tuple[Row, str | None]]] = {}
    for day, row, credits in rows:
        due = min(day + dt.timedelta(days=7 - day.weekday()), final)
        weeks.setdefault(max(due, monday), []).append((row, credits))
    return sorted(weeks.items())
