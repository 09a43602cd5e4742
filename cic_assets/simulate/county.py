"""Puts a county together: two councils, their weekly files, `truth.json`. Its parts: `network`, `demand`, `dirt`, `dialects`."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from cic_assets.simulate.demand import Charge, charges
from cic_assets.simulate.dialects import Dialect, minute_csv, ocpi_cdrs
from cic_assets.simulate.dirt import CDR_KINDS, MINUTE_CSV_KINDS, Kind, Row, export_date, plant
from cic_assets.simulate.network import network
from cic_assets.simulate.truth import DirtyLine, StreamTruth, truth_of

_ZONE = ZoneInfo("Europe/London")
# Weekly files are there on Monday morning.
_ARRIVAL = dt.time(6, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Council:
    """One council and its operator's feed.

    Attributes:
        stream_id: also how its files' names begin.
        charge_point_pattern: format of a charge point's id.
        slow_sockets: per charge point below 50 kW.
        grain_seconds: what the feed's times are multiples of.
        dialect: how rows are written.
        kinds: what goes wrong.
    """

    stream_id: str
    charge_point_pattern: str
    slow_sockets: int
    grain_seconds: int
    dialect: Dialect
    kinds: tuple[Kind, ...]


ASHBOURNE = Council("ashbourne_sessions", "ASH-{:04d}", 2, 60, minute_csv(_ZONE), MINUTE_CSV_KINDS)
BRACKENDALE = Council("brackendale_cdrs", "GB*BRK*E{:05d}", 1, 1, ocpi_cdrs(), CDR_KINDS)


@dataclass(frozen=True)
class WrittenFile:
    """One file: where it is, whose it is, and when it would have arrived (UTC)."""

    path: Path
    stream_id: str
    arrived_at: dt.datetime


@dataclass(frozen=True)
class Simulation:
    """What was written.

    Attributes:
        files: by arrival, then stream.
        truth: stream id → what its files hold.
        dirty: stream id → lines that are not plain clean rows, by arrival and line.
    """

    files: tuple[WrittenFile, ...]
    truth: dict[str, StreamTruth]
    dirty: dict[str, tuple[DirtyLine, ...]]


def simulate(
    out: Path, *, seed: int = 1, days: int = 90, last_day: dt.date, charge_points: int = 60
) -> Simulation:
    """Writes raw session files of two invented councils, and `truth.json` beside them.

    Ashbourne: `ashbourne_sessions_YYYY-MM-DD.csv`; Brackendale: `brackendale_cdrs_YYYY-MM-DD.jsonl`. The date is the
    Monday on which the file arrives, at 06:00 UTC; it has what ended before that Monday, London time. What is still
    plugged in after the last file's end is in no file.

    Args:
        out: folder, made if missing; files of the same name are replaced.
        seed: other seeds give other counties.
        days: local days with starts.
        last_day: the last of them; the last file arrives on the Monday after it.
        charge_points: of the county; Ashbourne has the half, rounded up.

    Raises:
        ValueError: fewer than 1 day or 2 charge points.
    """
    if days < 1 or charge_points < 2:
        raise ValueError(f"days={days}, charge_points={charge_points}: needs at least 1 day and 2 charge points")
    out.mkdir(parents=True, exist_ok=True)
    dates = [last_day - dt.timedelta(days=back) for back in reversed(range(days))]
    shares = ((ASHBOURNE, (charge_points + 1) // 2), (BRACKENDALE, charge_points // 2))
    rows = {council: _rows(council, Random(f"{seed}/{council.stream_id}"), dates, size) for council, size in shares}
    files = [file for council, _ in shares for file in _write(out, council, rows[council])]
    simulation = Simulation(
        files=tuple(sorted(files, key=lambda file: (file.arrived_at, file.stream_id))),
        truth={council.stream_id: truth_of(rows[council]) for council, _ in shares},
        dirty={council.stream_id: _dirty(council, rows[council]) for council, _ in shares},
    )
    (out / "truth.json").write_text(_truth_text(simulation), encoding="utf-8")
    return simulation


def _rows(council: Council, rng: Random, dates: Sequence[dt.date], charge_points: int) -> list[Row]:
    """All rows of a council, in the order in which its files have them."""
    connectors = network(rng, council.charge_point_pattern, charge_points, council.slow_sockets)
    last = dates[-1] + dt.timedelta(days=7 - dates[-1].weekday())
    clean = [
        Row(charge, export_date(charge.end, _ZONE))
        for charge in charges(rng, connectors, _ZONE, dates, council.grain_seconds)
    ]
    clean = [row for row in clean if row.export <= last]
    if council is ASHBOURNE:
        clean = [_marked(row) for row in clean if _is_readable(row.charge)]
    rows = plant(rng, clean, council.kinds, _ZONE)
    return sorted(rows, key=lambda row: (row.export, row.charge.number, row.revised, row.credit))


def _marked(row: Row) -> Row:
    """A clean row in the autumn hour that occurs twice is flagged by whoever reads local times."""
    if _occurs_twice(row.charge.start) or _occurs_twice(row.charge.end):
        return replace(row, kind="clock_change", fires=("DST",))
    return row


def _occurs_twice(instant: dt.datetime) -> bool:
    local = instant.astimezone(_ZONE)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _is_readable(charge: Charge) -> bool:
    """Whether local times say what happened: first reading, or the second where the first ends before the start."""
    start, end = (_first_reading(instant) for instant in (charge.start, charge.end))
    if end <= start and _occurs_twice(charge.end):
        end += dt.timedelta(hours=1)
    return start == charge.start and end == charge.end


def _first_reading(instant: dt.datetime) -> dt.datetime:
    return instant.astimezone(_ZONE).replace(fold=0).astimezone(dt.UTC)


def _by_export(rows: Sequence[Row]) -> dict[dt.date, list[Row]]:
    files = defaultdict(list)
    for row in rows:
        files[row.export].append(row)
    return dict(files)


def _name(council: Council, export: dt.date) -> str:
    return f"{council.stream_id}_{export.isoformat()}{council.dialect.suffix}"


def _write(out: Path, council: Council, rows: Sequence[Row]) -> list[WrittenFile]:
    files = []
    for export, lines in _by_export(rows).items():
        path = out / _name(council, export)
        path.write_bytes(council.dialect.content(lines))
        files.append(WrittenFile(path, council.stream_id, dt.datetime.combine(export, _ARRIVAL)))
    return files


def _dirty(council: Council, rows: Sequence[Row]) -> tuple[DirtyLine, ...]:
    return tuple(
        DirtyLine(_name(council, export), line, row.kind, row.fate, row.fires)
        for export, lines in _by_export(rows).items()
        for line, row in enumerate(lines, start=council.dialect.first_line)
        if row.kind
    )


def _truth_text(simulation: Simulation) -> str:
    """JSON of the truth; kWh as text, so that no digit is lost; paths without folder."""
    content = {
        "files": [
            {"file": file.path.name, "stream_id": file.stream_id, "arrived_at": f"{file.arrived_at:%Y-%m-%dT%H:%M:%SZ}"}
            for file in simulation.files
        ],
        "streams": {stream_id: asdict(truth) for stream_id, truth in simulation.truth.items()},
        "dirty": {stream_id: [asdict(line) for line in lines] for stream_id, lines in simulation.dirty.items()},
    }
    return json.dumps(content, indent=1, default=str) + "\n"
