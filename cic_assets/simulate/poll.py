"""A council's own feeds, as CSV: a poll of its chargers on the wall clock, and its list of them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from random import Random

from cic_assets.kinds.vocabulary import State
from cic_assets.simulate.clock import DAY, HOUR, MINUTE, at, date_of, wall_with_offset
from cic_assets.simulate.county import County, StatusTruth, Week
from cic_assets.simulate.life import Change, Era, Happened
from cic_assets.simulate.network import ChargePoint
from cic_assets.simulate.push import DIRT_EVERY, STRANGE_WORD
from cic_assets.simulate.told import Tellers

POLL_PERIOD = 30 * MINUTE
POLL_WORDS: dict[State, str] = {
    "AVAILABLE": "Free", "CHARGING": "In use", "OUTOFORDER": "Faulty", "INOPERATIVE": "Closed",
}  # fmt: skip
# A poll has ten times the records of a log.
POLL_DIRT_EVERY = 10 * DIRT_EVERY


class CouncilPoll:
    """A row per charger and half-hour, on the wall clock with its offset; nothing on three days."""

    HEADER = ("Polled at", "Charger", "State")
    SILENCE = 3 * POLL_PERIOD

    def __init__(self, county: County, era: Era, tellers: Tellers, dirt: float) -> None:
        self.stream_id = f"{county.provider.name}_status"
        self._county, self._era, self._tellers = county, era, tellers
        self._random = Random(f"{era.seed}:status")
        self._share = 5 * dirt / POLL_DIRT_EVERY
        half = (era.end - era.start) // (2 * DAY) * DAY
        self._silent = (era.start + half, era.start + half + 3 * DAY)
        self._states: dict[str, State] = {}
        self.truth = county.status.setdefault(self.stream_id, StatusTruth())
        self.cover = era.opens

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the polls of a week."""
        first = max(week.since, self._era.start + 2 * HOUR)
        polls = [
            poll for poll in range(first, week.until, POLL_PERIOD) if not self._silent[0] <= poll < self._silent[1]
        ]
        rows: list[list[str]] = [[] for _ in polls]
        for point, changes in happened:
            self._poll(point, changes, polls, rows)
        lines = [",".join(self.HEADER) + "\r\n"]
        for poll, cells in zip(polls, rows, strict=True):
            lines += [f"{wall_with_offset(poll)}{cell}" if cell[0] == "," else cell for cell in cells]
            self.truth.rows += len(cells)
        name = f"{self._county.provider.name}_poll_{week.monday}.csv"
        self._county.write(name, "".join(lines), at(week.monday, 6, 10), self.stream_id)

    def _poll(
        self, point: ChargePoint, changes: Sequence[Change], polls: Sequence[int], rows: Sequence[list[str]]
    ) -> None:  # fmt: skip
        told, name = self._tellers.by_name[point.name], point.name
        cells = {state: f",{name},{word}\r\n" for state, word in POLL_WORDS.items()}
        state, place, dirty = self._states.get(name, "PLANNED"), 0, self._next_dirt()
        for number, poll in enumerate(polls):
            while place < len(changes) and changes[place].at <= poll:
                state, place = changes[place].state, place + 1
            if state not in POLL_WORDS:
                continue
            self.cover = max(self.cover, poll)
            dirty -= 1
            kind = int(self._random.random() * 5) if dirty == 0 else -1
            if kind == 0 and state == "AVAILABLE":
                self.truth.fired["E03"] += 1
                told.say(poll, "UNKNOWN", self.SILENCE)
                rows[number].append(f",{name},{STRANGE_WORD}\r\n")
            else:
                if told.state == state:
                    told.hear(poll, self.SILENCE)
                else:
                    told.say(poll, state, self.SILENCE)
                rows[number].append(cells[state])
            if kind > 0:
                rows[number].append(self._dirt(kind, name, cells[state], poll))
            if dirty == 0:
                dirty = self._next_dirt()
        while place < len(changes):
            state, place = changes[place].state, place + 1
        self._states[name] = state

    def _next_dirt(self) -> int:
        """How many rows there are to the next dirty one."""
        return 1 + int(math.log(1 - self._random.random()) / math.log(1 - self._share)) if self._share else 0

    def _dirt(self, kind: int, name: str, cell: str, poll: int) -> str:
        if kind == 1:
            self.truth.duplicates += 1
            return cell
        if kind == 2:
            self.truth.reject("E01")
            return ",,Free\r\n"
        if kind == 3:
            self.truth.reject("E02")
            return f"{wall_with_offset(poll + 400 * DAY)},{name},Free\r\n"
        self.truth.reject("D01")
        return f",{name}\r\n"

    def finish(self) -> None:
        """Nothing more comes."""
        self._tellers.finish(self.cover, self.truth)


class ChargerList:
    """A council's own list of its chargers, every fourth week if it has changed; it forgot one."""

    HEADER = ("Charger", "Site", "Site name", "Post", "Rated kW", "Installed")

    def __init__(self, county: County, era: Era, points: Sequence[ChargePoint]) -> None:
        self.stream_id, self._county, self._era = f"{county.provider.name}_locations", county, era
        self._points = points[:-1]
        self._sent = ""
        self._send(era.start, at(date_of(era.start), 5))

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the list where it has changed; what happens there is not in it."""
        self._send(week.until, at(week.monday, 5))

    def _send(self, moment: int, arrived: int) -> None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(self.HEADER)
        for point in self._points:
            if point.is_there(moment):
                since = registered_since(point, self._era)
                since = since if since <= moment else self._era.start - 400 * DAY
                site = point.site_at(moment)
                kw = f"{point.rated_w / 1000:g}"
                writer.writerow([point.name, site.id, site.name, point.device, kw, date_of(since).isoformat()])
        if out.getvalue() != self._sent:
            self._sent = out.getvalue()
            name = f"{self._county.provider.name}_chargers_{date_of(arrived)}.csv"
            self._county.write(name, self._sent, arrived, self.stream_id)


def registered_since(point: ChargePoint, era: Era) -> int:
    """The date that the list gives: when it was installed, or came to where it stands."""
    if point.moves:
        return point.moves[0]
    return point.appears if point.appears > era.start else era.start - 400 * DAY
