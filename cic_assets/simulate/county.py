"""What one provider writes, and the truth beside it: files, counts, true sessions, true days, bays.

truth.json                       counts by stream: what must become of the rows
truth/<provider>_sessions.csv    every session that took place, and what was planted on it
truth/<provider>_status_day.csv  how long each charge point was in each state on each local day, as far as it was told
truth/<provider>_bays.csv        who stood in the bays with sensors
"""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from cic_assets.simulate.clock import DAY, date_of, moment_of
from cic_assets.simulate.life import Era


@dataclass(frozen=True)
class Provider:
    """One operator, and how it sends what.

    Attributes:
        id: as its stream files say.
        letter: with which its charge points' names begin.
        sessions: `csv` or `cdr`.
        status: how it reports states.
        party: OCPI party id, where it has one.
    """

    name: str
    id: str
    letter: str
    sessions: str
    status: str
    party: str = ""

    def evse_id(self, name: str) -> str:
        """What people call an EVSE: an eMI3 id beside its uid, the technical name, where a registry tells both."""
        return f"{self.id}*E{name[1:]}" if self.status == "ocpi" else name

    def charge_point_id(self, name: str) -> str:
        """The id under which a charge point stands in facts: as the registry spells it."""
        return f"{self.id}/{self.evse_id(name)}"


PROVIDERS = (
    Provider("ashbourne", "ashbourne-power", "A", "csv", "poll"),
    Provider("brackendale", "GB*BRK", "B", "cdr", "ocpi", "BRK"),
    Provider("cranmere", "cranmere-energy", "C", "csv", "ocpp16"),
    Provider("dunholt", "GB*DUN", "D", "cdr", "ocpp201", "DUN"),
    Provider("elmsworth", "GB*ELM", "E", "csv", "works", "ELM"),
)


@dataclass(frozen=True)
class SimulatedFile:
    """One file, and when (UTC) it would have arrived."""

    path: Path
    stream_id: str
    arrived_at: dt.datetime


@dataclass
class Truth:
    """What must become of one sessions stream's rows.

    Attributes:
        energy_kwh: of the sessions in facts that are counted.
        overlapping: sessions that are flagged S11.
        unlisted: sessions in facts at charge points that the registry lacks (S12).
        fired: row rule → rows, also those that are sent twice.
        planted: kind of dirt → rows.
    """

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    superseded: int = 0
    open: int = 0
    in_facts: int = 0
    credits: int = 0
    overlapping: int = 0
    unlisted: int = 0
    energy_kwh: Decimal = Decimal(0)
    fired: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """Plain types, keys sorted."""
        return _plain(self.__dict__)


@dataclass
class StatusTruth:
    """What must become of one status stream's rows.

    Attributes:
        rows: records written; of polls without a time of their own, of each file.
        quarantined: records that a rule rejects.
        duplicates: records that are sent twice.
        charging_seconds: time in CHARGING that its records tell of, up to its last cover.
        flapping_days: charge point days with more than six changes within an hour (E04).
        fired: row rule → records.
    """

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    charging_seconds: int = 0
    flapping_days: int = 0
    fired: Counter[str] = field(default_factory=Counter)

    def reject(self, rule: str) -> None:
        """Counts a record that a rule rejects."""
        self.quarantined += 1
        self.fired[rule] += 1

    def as_json(self) -> dict[str, object]:
        """Plain types, keys sorted."""
        return _plain(self.__dict__)


def _plain(values: dict[str, Any]) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, Counter):
            return dict(sorted(value.items()))
        return str(value) if isinstance(value, Decimal) else value

    return {name: plain(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Week:
    """A week of a provider: what happens in since <= t < until arrives on `monday`; the last one may be shorter."""

    since: int
    until: int
    monday: dt.date
    is_last: bool


def weeks(era: Era) -> Iterator[Week]:
    """Weeks end on Mondays at midnight UTC, the last one at the era's end."""
    since = era.start
    while since < era.end:
        monday = date_of(since) + dt.timedelta(days=7 - date_of(since).weekday())
        until = min(since + (monday - date_of(since)).days * DAY, era.end)
        yield Week(since, until, monday, until == era.end)
        since = until


class County:
    """Where one provider's files and truths go. Close it when all is written."""

    def __init__(self, out: Path, provider: Provider) -> None:
        self.out, self.provider = out, provider
        self.files: list[SimulatedFile] = []
        self.beside: list[Path] = []
        self.truth: dict[str, Truth] = {}
        self.status: dict[str, StatusTruth] = {}
        # Messages in the exchange's lake, by topic and place.
        self.exchange: dict[str, Counter[str]] = {}
        self._tables: dict[str, TextIO] = {}

    def write(self, name: str, content: str, arrived: int, *stream_ids: str) -> None:
        """A file and the streams that it belongs to; without any, it is for what no kind of stream reads yet."""
        path = self.out / name
        path.write_text(content, encoding="utf-8", newline="")
        self.files += [SimulatedFile(path, stream_id, moment_of(arrived)) for stream_id in stream_ids]
        if not stream_ids:
            self.beside.append(path)

    def table(self, name: str, header: Sequence[str]) -> TextIO:
        """A table of the truth, open for writing lines of CSV."""
        if name not in self._tables:
            folder = self.out / "truth"
            folder.mkdir(exist_ok=True)
            handle = (folder / f"{self.provider.name}_{name}.csv").open("w", encoding="utf-8", newline="")
            csv.writer(handle, lineterminator="\n").writerow(header)
            self._tables[name] = handle
        return self._tables[name]

    def close(self) -> None:
        """Finishes the tables."""
        for handle in self._tables.values():
            handle.close()
