"""Logs of every change of state: OCPI 2.2.1 PATCH requests, OCPP 1.6 and 2.0.1 StatusNotification, as JSON lines.

Dirt is added beside what is true, never in its place, so that the truth about the time in use stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from cic_assets.kinds.vocabulary import State
from cic_assets.simulate.clock import DAY, HOUR, MINUTE, at, utc
from cic_assets.simulate.county import County, StatusTruth, Week
from cic_assets.simulate.life import PREPARING, Change, Era, Happened
from cic_assets.simulate.told import Tellers, Told

# One record in so many, of each kind of dirt.
DIRT_EVERY = 400
STRANGE_WORD = "Rebooting"
# numbers.md 2: feeds that report on change.
SILENCE = 7 * DAY
OCPP_WORDS: dict[State, str] = {"AVAILABLE": "Available", "OUTOFORDER": "Faulted", "INOPERATIVE": "Unavailable"}

Line = tuple[int, str]


def ocpi_word(change: Change) -> str | None:
    """OCPI tells states and knows no phases of a session."""
    return change.state if change.phase in ("", PREPARING) else None


def ocpp16_word(change: Change) -> str | None:
    """OCPP 1.6 tells the phases of a session; what is planned or removed says nothing."""
    return change.phase or OCPP_WORDS.get(change.state)


def ocpp201_word(change: Change) -> str | None:
    """OCPP 2.0.1 tells that a connector is occupied."""
    if change.phase:
        return "Occupied" if change.phase == PREPARING else None
    return OCPP_WORDS.get(change.state)


Writer = Callable[[str, str, int], str]


def ocpi_patch(party: str) -> Writer:
    """A log of OCPI 2.2.1 PATCH requests to our receiver, one JSON line each; the EVSE is in the path."""

    def write(name: str, word: str, moment: int) -> str:
        time = utc(moment)
        return (
            f'{{"received_at":"{time}","method":"PATCH","path":"/ocpi/emsp/2.2.1/locations/GB/{party}/L-{name}/{name}",'
            f'"body":{{"status":"{word}","last_updated":"{time}"}}}}'
        )

    return write


def ocpp16(name: str, word: str, moment: int) -> str:
    """A line of an OCPP 1.6 central system's log; the connector is 1."""
    time, code = utc(moment), "OtherError" if word == "Faulted" else "NoError"
    return (
        f'{{"received_at":"{time}","station":"{name}","action":"StatusNotification","payload":{{"connectorId":1,'
        f'"errorCode":"{code}","status":"{word}","timestamp":"{time}"}}}}'
    )


def ocpp201(name: str, word: str, moment: int) -> str:
    """A line of an OCPP 2.0.1 log; a charge point D0001-2 is EVSE 2 of station D0001."""
    time, (station, _, evse) = utc(moment), name.partition("-")
    return (
        f'{{"received_at":"{time}","station":"{station}","action":"StatusNotification","payload":{{"timestamp":"{time}",'
        f'"connectorStatus":"{word}","evseId":{evse or 0},"connectorId":1}}}}'
    )


class PushFeed:
    """A log of every change, one line each."""

    def __init__(
        self,
        county: County,
        era: Era,
        tellers: Tellers,
        file_name: str,
        word: Callable[[Change], str | None],
        write: Writer,
        *,
        dirt: float,
        marks_invalid: bool = False,
        silenced: tuple[str, int, int] = ("", 0, 0),
    ) -> None:
        """Opens the feed.

        Args:
            county: where files and truth go.
            era: the simulated time.
            tellers: the truth of the days.
            file_name: with the Monday in it.
            word: of a change; None where the feed says nothing of it.
            write: (charge point, word, instant) → line.
            dirt: multiplies the shares of dirty lines.
            marks_invalid: whether the log itself marks messages that break the protocol's schema (E06).
            silenced: a charge point that says nothing between two instants.
        """
        self.stream_id = f"{county.provider.name}_status"
        self._county, self._tellers, self._file_name = county, tellers, file_name
        self._word, self._write = word, write
        self._random = Random(f"{era.seed}:status")
        self._every = round(DIRT_EVERY / dirt) if dirt else 0
        self._marks_invalid, self._silenced = marks_invalid, silenced
        self.truth = county.status.setdefault(self.stream_id, StatusTruth())
        self.cover = era.opens

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the words of a week, ten minutes after the sessions."""
        lines: list[Line] = []
        for point, changes in happened:
            lines += self._said(point.name, changes)
        lines.sort(key=lambda line: line[0])
        self.truth.rows += len(lines)
        content = "".join(f"{text}\n" for _, text in lines)
        self._county.write(self._file_name.format(week.monday), content, at(week.monday, 6, 10), self.stream_id)

    def _said(self, name: str, changes: Sequence[Change]) -> Iterator[Line]:
        told = self._tellers.by_name[name]
        silent = name == self._silenced[0]
        for place, change in enumerate(changes):
            word = self._word(change)
            if word is None or (silent and self._is_swallowed(change, told)):
                continue
            told.say(change.at, change.state, SILENCE)
            self.cover = max(self.cover, change.at)
            text = self._write(name, word, change.at)
            yield change.at, text
            if self._every and (lot := int(self._random.random() * self._every)) < 9:
                later = changes[place + 1].at if place + 1 < len(changes) else 0
                yield from self._dirt(lot, name, change, text, told, quiet=later - change.at > 2 * HOUR)

    def _is_swallowed(self, change: Change, told: Told) -> bool:
        """Within the silence. A session that began before it is still told to its end.

        After it, an end whose beginning was not told says what is known already.
        """
        _, since, until = self._silenced
        in_use = told.state == "CHARGING"
        if since <= change.at < until:
            return not in_use
        if change.at < since or in_use or change.phase == PREPARING:
            return False
        return change.state == "CHARGING" or change.state == told.state == "AVAILABLE"

    def _dirt(
        self, lot: int, name: str, change: Change, text: str, told: Told, *, quiet: bool
    ) -> Iterator[Line]:  # fmt: skip
        free, truth, moment = self._word(Change(0, "AVAILABLE")) or "", self.truth, change.at
        if lot == 0:
            truth.duplicates += 1
            yield moment, text
        elif lot == 1:
            truth.reject("E01")
            yield moment, self._write("", free, moment)
        elif lot == 2:
            truth.reject("E02")
            yield moment, self._write(name, free, moment + 400 * DAY)
        elif lot == 3:
            truth.reject("D01")
            yield moment, text[: len(text) // 2]
        elif lot == 4 and self._marks_invalid:
            truth.reject("E06")
            yield moment, f'{text[:-1]},"error":"FormatViolation"}}'
        elif quiet and change.state == "AVAILABLE":
            strange = moment + 40 * MINUTE
            truth.fired["E03"] += 1
            for when, state, word in ((strange, "UNKNOWN", STRANGE_WORD), (strange + 5 * MINUTE, "AVAILABLE", free)):
                told.say(when, state, SILENCE)  # type: ignore[arg-type]
                self.cover = max(self.cover, when)
                yield when, self._write(name, word, when)

    def finish(self) -> None:
        """Nothing more comes."""
        self._tellers.finish(self.cover, self.truth)
