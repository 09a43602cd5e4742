"""A small simulator: an invented county of five providers, with sessions, states and registries.

Same arguments, same bytes. It writes the truth beside its output: what must be quarantined, by which rule, what must be
in facts, and how long charge points were in use.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random

from cic_assets.simulate import status_dialects as dialect
from cic_assets.simulate.dialects import write_cdrs, write_csv
from cic_assets.simulate.dirt import Row, clean, soil
from cic_assets.simulate.network import Charge, ChargePoint, build_points, charges
from cic_assets.simulate.status import Change, StatusTruth, Timelines, timelines
from cic_assets.streams.vocabulary import STATES

ASHBOURNE = "ashbourne_sessions"
BRACKENDALE = "brackendale_sessions"
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Provider:
    """One operator: the start of its file names, its charge points' letter, how its sessions and states are sent.

    Attributes:
        suffix: of charge points' names, where a station has numbered EVSEs.
        status: how it reports states.
        party: OCPI party id, where it has one.
    """

    name: str
    letter: str
    sessions: str
    status: str
    party: str = ""
    suffix: str = ""


PROVIDERS = (
    Provider("ashbourne", "A", "csv", "poll"),
    Provider("brackendale", "B", "cdr", "ocpi", "BRK"),
    Provider("cranmere", "C", "csv", "ocpp16"),
    Provider("dunholt", "D", "cdr", "ocpp201", "DUN", "-1"),
    Provider("elmsworth", "E", "csv", "works", "ELM"),
)


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
    """Files in order of arrival, and the truth by stream, of sessions and of status."""

    files: list[SimulatedFile]
    truth: dict[str, Truth]
    status: dict[str, StatusTruth]


def simulate(out: Path, *, last_day: dt.date, seed: int = 1, days: int = 90, charge_points: int = 60) -> Simulation:
    """Writes the raw files of five providers, and `truth.json`.

    Args:
        out: folder; made if missing, files of the same names are replaced.
        last_day: last day on which sessions start.
        seed: another seed, another county.
        days: how many days.
        charge_points: how many each provider has.
    """
    out.mkdir(parents=True, exist_ok=True)
    first = last_day - dt.timedelta(days=days - 1)
    county = _County(out, first, days, last_day)
    for provider in PROVIDERS:
        # One generator per provider and purpose: more rows in one do not change the other.
        random = Random(f"{seed}:{provider.name}_sessions")
        points = build_points(random, provider.letter, charge_points, provider.suffix)
        found = list(charges(random, points, first, days, provider.letter))
        _sessions(county, random, provider, found)
        random = Random(f"{seed}:{provider.name}_status")
        _STATUS[provider.status](county, random, provider, points, timelines(random, points, found, first, days))
    _write_truth(out, {**county.truth, **county.status})
    files = sorted(county.files, key=lambda file: (file.arrived_at, file.stream_id))
    return Simulation(files, county.truth, county.status)


@dataclass
class _County:
    """What has been written so far, and where."""

    out: Path
    first: dt.date
    days: int
    last_day: dt.date
    files: list[SimulatedFile] = field(default_factory=list)
    truth: dict[str, Truth] = field(default_factory=dict)
    status: dict[str, StatusTruth] = field(default_factory=dict)

    def write(self, name: str, content: bytes, arrived_at: dt.datetime, *stream_ids: str) -> None:
        """A file, and the streams that it belongs to."""
        path = self.out / name
        path.write_bytes(content)
        self.files += [SimulatedFile(path, stream_id, arrived_at) for stream_id in stream_ids]

    def mondays(self) -> list[dt.date]:
        """The days on which weekly files arrive: after each week, and after the last one."""
        monday = self.first + dt.timedelta(days=7 - self.first.weekday())
        final = self.last_day + dt.timedelta(days=7 - self.last_day.weekday())
        return [monday + n * WEEK for n in range((final - monday) // WEEK + 1)]


def _at(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), dt.UTC)


def _sessions(county: _County, random: Random, provider: Provider, found: Sequence[Charge]) -> None:
    """Weekly files of sessions, on Mondays at six."""
    stream_id = f"{provider.name}_sessions"
    truth = county.truth.setdefault(stream_id, Truth())
    rows = _rows(random, found, truth, ocpi=provider.sessions == "cdr")
    for week, batch in _weeks(rows, county.first, county.last_day):
        if provider.sessions == "csv":
            content, name = write_csv([row for row, _ in batch]), f"{provider.name}_sessions_{week:%Y-%m-%d}.csv"
        else:
            content, name = write_cdrs(batch, provider.party), f"{provider.name}_cdrs_{week:%Y-%m-%d}.jsonl"
        county.write(name, content, _at(week, 6), stream_id)


def _weekly(
    county: _County, said: Sequence[dialect.Said], name: str, stream_id: str, write: Callable[..., bytes]
) -> None:
    """Weekly files of states, ten minutes after those of sessions."""
    for monday in county.mondays():
        since, until = _at(monday - WEEK, 0), _at(monday, 0)
        last = monday == county.mondays()[-1]
        rows = [each for each in said if since <= each.at and (each.at < until or last)]
        county.write(name.format(monday), write(rows), _at(monday, 6, 10), stream_id)


def _poll(county: _County, random: Random, provider: Provider, points: list[ChargePoint], lines: Timelines) -> None:
    """A council polls its own chargers, was silent for three days, and forgot one charger in its list."""
    stream_id = f"{provider.name}_status"
    truth = county.status.setdefault(stream_id, StatusTruth())
    silent_from = county.first + dt.timedelta(days=county.days // 2)
    silent = (silent_from, silent_from + dt.timedelta(days=2))
    said = dialect.council_poll(random, lines, county.first, county.days, silent, truth)
    _weekly(
        county, said, f"{provider.name}_poll_{{:%Y-%m-%d}}.csv", stream_id,
        lambda rows: dialect.csv_of(dialect.POLL_HEADER, rows),
    )  # fmt: skip
    installed = dialect.registry_csv(points[:-1], county.first - dt.timedelta(days=400))
    county.write(f"{provider.name}_chargers.csv", installed, _at(county.first, 5), f"{provider.name}_locations")


def _ocpi(county: _County, random: Random, provider: Provider, points: list[ChargePoint], lines: Timelines) -> None:
    """Pushes of every change, and a full Locations response each Monday; one point is removed and one is new."""
    gone, new = (ChargePoint(f"{provider.letter}{number}", 22.0) for number in (9001, 9002))
    start, third = _at(county.first, 1), dt.timedelta(days=county.days / 3)
    extra: Timelines = {
        gone.name: [Change(start, "AVAILABLE"), Change(start + third, "REMOVED")],
        new.name: [Change(start, "PLANNED"), Change(start + 2 * third, "AVAILABLE")],
    }
    words = {state: state for state in STATES}
    all_lines, all_points = {**lines, **extra}, [*points, gone, new]
    stream_id = f"{provider.name}_status"
    truth = county.status.setdefault(stream_id, StatusTruth())
    said = dialect.push_log(random, all_lines, words, dialect.ocpi_patch(provider.party), truth)
    _weekly(county, said, f"{provider.name}_status_{{:%Y-%m-%d}}.jsonl", stream_id, dialect.lines_of)
    full = county.status.setdefault(f"{provider.name}_snapshot", StatusTruth())
    for monday in county.mondays():
        content = dialect.locations(provider.party, all_points, all_lines, _at(monday, 5), words)
        streams = (f"{provider.name}_snapshot", f"{provider.name}_locations")
        county.write(f"{provider.name}_locations_{monday:%Y-%m-%d}.json", content, _at(monday, 6, 20), *streams)
        full.rows += len(all_points)


def _ocpp(county: _County, random: Random, provider: Provider, points: list[ChargePoint], lines: Timelines) -> None:
    """A central system's log; one station said nothing for twelve days."""
    stream_id = f"{provider.name}_status"
    truth = county.status.setdefault(stream_id, StatusTruth())
    lines = {**lines, points[1].name: _silenced(lines[points[1].name], county)}
    words, write = {
        "ocpp16": (dialect.OCPP16_WORDS, dialect.ocpp16),
        "ocpp201": (dialect.OCPP201_WORDS, dialect.ocpp201),
    }[provider.status]
    said = dialect.push_log(random, lines, words, write, truth)
    _weekly(county, said, f"{provider.name}_ocpp_{{:%Y-%m-%d}}.jsonl", stream_id, dialect.lines_of)


def _silenced(changes: list[Change], county: _County) -> list[Change]:
    """Without the changes of twelve days; a session that begins before them is still told to its end."""
    since = _at(county.first + dt.timedelta(days=county.days // 3), 0)
    until = since + dt.timedelta(days=12)
    kept: list[Change] = []
    for change in changes:
        silent = since <= change.at < until
        open_state = kept[-1].state if kept else "AVAILABLE"
        if silent and open_state == "AVAILABLE":
            continue
        # An end whose beginning was not told says what is known already.
        if not (change.state == "AVAILABLE" and open_state == "AVAILABLE" and kept):
            kept.append(change)
    return kept


def _works(county: _County, random: Random, provider: Provider, points: list[ChargePoint], lines: Timelines) -> None:
    """A statutory open feed, pulled each morning, that only says whether a point works."""
    stream_id = f"{provider.name}_status"
    truth = county.status.setdefault(stream_id, StatusTruth())
    words = dict.fromkeys(STATES, "FAULTED") | {"AVAILABLE": "WORKING", "CHARGING": "WORKING"}
    up = {name: _only_faults(changes) for name, changes in lines.items()}
    for day in (county.first + dt.timedelta(days=n) for n in range(1, county.days + 1)):
        content = dialect.locations(provider.party, points, up, _at(day, 5, 30), words)
        streams = (stream_id, f"{provider.name}_locations")
        county.write(f"{provider.name}_locations_{day:%Y-%m-%d}.json", content, _at(day, 6, 30), *streams)
        truth.rows += len(points)


def _only_faults(changes: Sequence[Change]) -> list[Change]:
    """The changes between working and not working."""
    kept: list[Change] = []
    for change in changes:
        works = change.state in ("AVAILABLE", "CHARGING")
        if not kept or works != (kept[-1].state in ("AVAILABLE", "CHARGING")):
            kept.append(change)
    return kept


_STATUS: dict[str, Callable[[_County, Random, Provider, list[ChargePoint], Timelines], None]] = {
    "poll": _poll,
    "ocpi": _ocpi,
    "ocpp16": _ocpp,
    "ocpp201": _ocpp,
    "works": _works,
}


def _write_truth(out: Path, truth: Mapping[str, Truth | StatusTruth]) -> None:
    content = {stream_id: found.as_json() for stream_id, found in truth.items()}
    (out / "truth.json").write_text(json.dumps(content, indent=2) + "\n")


Sent = tuple[dt.date, Row, str | None]


def _rows(random: Random, found: Sequence[Charge], truth: Truth, *, ocpi: bool) -> list[Sent]:
    """(day on which it is sent, row, what it credits) of all rows, with the truth counted."""
    sent: list[Sent] = []
    for charge in found:
        kind, row = soil(random, clean(charge))
        day = charge.end.date()
        if kind is None:
            sent += _variants(random, row, day, truth, ocpi=ocpi)
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
