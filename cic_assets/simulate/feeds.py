"""How operators report states: OCPI pushes and Locations, OCPP 1.6 and 2.0.1 logs, a council's poll, an open feed.

Dirt is added beside what is true, never in its place, so that the truth about the time in use stays exact. Each feed
takes a week of changes per charge point at a time.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from cic_assets.simulate.clock import DAY, HOUR, LONDON, MINUTE, at, date_of, utc, wall_with_offset
from cic_assets.simulate.county import County, StatusTruth, Week
from cic_assets.simulate.exchange import Exchange
from cic_assets.simulate.life import PREPARING, Change, Era
from cic_assets.simulate.network import RAPID_W, ChargePoint
from cic_assets.simulate.sessions import registered_since
from cic_assets.simulate.told import HEADER, Told
from cic_assets.streams.vocabulary import STATES, State

# One record in so many, of each kind of dirt.
DIRT_EVERY = 400
STRANGE_WORD = "Rebooting"
# DEFINITIONS 2: feeds that report on change; polled ones three periods.
ON_CHANGE_SILENCE = 7 * DAY
POLL_PERIOD = 30 * MINUTE
POLL_WORDS: dict[State, str] = {
    "AVAILABLE": "Free", "CHARGING": "In use", "OUTOFORDER": "Faulty", "INOPERATIVE": "Closed",
}  # fmt: skip
OCPP_WORDS: dict[State, str] = {"AVAILABLE": "Available", "OUTOFORDER": "Faulted", "INOPERATIVE": "Unavailable"}
WORKS = ("AVAILABLE", "CHARGING")

Happened = Sequence[tuple[ChargePoint, Sequence[Change]]]
Line = tuple[int, str]


class Tellers:
    """The timelines that a provider's words tell, by charge point."""

    def __init__(self, county: County, points: Sequence[ChargePoint], start: int, end: int) -> None:
        out = county.table("status_day", HEADER)
        self.by_name = {point.name: Told(f"{county.provider.id}/{point.name}", out, start, end) for point in points}

    def finish(self, cover: int, truth: StatusTruth) -> None:
        """Nothing is known after `cover`."""
        for told in self.by_name.values():
            told.finish(cover)
            truth.charging_seconds += told.charging_seconds
            truth.flapping_days += told.flapping_days


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
            told.say(change.at, change.state, ON_CHANGE_SILENCE)
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
        return change.at >= until and change.state in WORKS and not in_use and change.phase != PREPARING and (
            told.state == change.state or change.state == "CHARGING"
        )  # fmt: skip

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
                told.say(when, state, ON_CHANGE_SILENCE)  # type: ignore[arg-type]
                self.cover = max(self.cover, when)
                yield when, self._write(name, word, when)

    def finish(self) -> None:
        """Nothing more comes."""
        self._tellers.finish(self.cover, self.truth)


class CouncilPoll:
    """A row per charger and half-hour, on the wall clock with its offset; nothing on three days."""

    HEADER = ("Polled at", "Charger", "State")
    SILENCE = 3 * POLL_PERIOD

    def __init__(self, county: County, era: Era, tellers: Tellers, dirt: float) -> None:
        self.stream_id = f"{county.provider.name}_status"
        self._county, self._era, self._tellers = county, era, tellers
        self._random = Random(f"{era.seed}:status")
        self._share = 5 * dirt / (10 * DIRT_EVERY)
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


class Snapshots:
    """Full OCPI 2.2.1 Locations responses: the state of all charge points at a moment, and where they stand."""

    def __init__(self, county: County, words: Mapping[State, str]) -> None:
        self._county, self._words = county, words
        self._latest: dict[str, Change] = {}

    def learn(self, point: ChargePoint, change: Change) -> None:
        """A change that the next response shows, if it shows its state at all."""
        before = self._latest.get(point.name)
        if before is None or self._words.get(change.state) != self._words.get(before.state):
            self._latest[point.name] = change

    def seen(self, points: Sequence[ChargePoint]) -> list[tuple[ChargePoint, Change]]:
        """The charge points that a response lists, with their latest change."""
        found = [(point, self._latest[point.name]) for point in points if point.name in self._latest]
        return [(point, change) for point, change in found if change.state in self._words]

    def send(self, name: str, data: Sequence[Any], moment: int, arrived: int, *stream_ids: str) -> None:
        """Writes a response with the locations of a moment."""
        response = {"data": data, "status_code": 1000, "status_message": "Success", "timestamp": utc(moment)}
        self._county.write(name, json.dumps(response, indent=1), arrived, *stream_ids)

    def locations(self, seen: Sequence[tuple[ChargePoint, Change]], moment: int) -> list[dict[str, Any]]:
        """The sites of charge points, as OCPI Locations."""
        party = self._county.provider.party
        sites: dict[str, tuple[Any, list[dict[str, Any]]]] = {}
        for point, change in seen:
            site = point.site_at(moment)
            sites.setdefault(site.id, (site, []))[1].append(self._evse(point, change))
        return [location(party, site, evses) for _, (site, evses) in sorted(sites.items())]

    def _evse(self, point: ChargePoint, change: Change) -> dict[str, Any]:
        time, rapid = utc(change.at), point.rated_w >= RAPID_W
        connector = {
            "id": "1", "standard": "IEC_62196_T2_COMBO" if rapid else "IEC_62196_T2",
            "power_type": "DC" if rapid else "AC_3_PHASE", "max_electric_power": point.rated_w,
            "tariff_ids": [f"T{point.rated_w // 1000}"], "last_updated": time,
        }  # fmt: skip
        return {
            "uid": point.name, "evse_id": point.name, "status": self._words[change.state], "connectors": [connector],
            "physical_reference": point.device, "last_updated": time,
        }  # fmt: skip


def location(party: str, site: Any, evses: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An OCPI 2.2.1 Location."""
    hours: dict[str, Any] = {"twentyfourseven": True}
    if site.closes - site.opens < 24:
        times = {"period_begin": f"{site.opens:02d}:00", "period_end": f"{site.closes:02d}:00"}
        hours = {"twentyfourseven": False, "regular_hours": [{"weekday": day, **times} for day in range(1, 8)]}
    return {
        "country_code": "GB", "party_id": party, "id": site.id, "publish": True, "name": site.name, "city": "Wealdham",
        "country": "GBR", "coordinates": {"latitude": f"51.{site.id[1:]:0>4}", "longitude": f"0.{site.id[1:]:0>4}"},
        "opening_times": hours, "evses": list(evses), "time_zone": str(LONDON),
        "last_updated": max(evse["last_updated"] for evse in evses),
    }  # fmt: skip


class OcpiLocations:
    """The weekly Locations response beside the pushes: states, and the registry."""

    SILENCE = 3 * 7 * DAY

    def __init__(self, county: County, tellers: Tellers) -> None:
        self.stream_id, self._county, self._tellers = f"{county.provider.name}_snapshot", county, tellers
        self._snapshots = Snapshots(county, {state: state for state in STATES})
        self.truth = county.status.setdefault(self.stream_id, StatusTruth())
        self.cover = 0

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the state at the week's end."""
        for point, changes in happened:
            for change in changes:
                self._snapshots.learn(point, change)
            self._tellers.by_name[point.name].hear(week.until, self.SILENCE)
        provider = self._county.provider.name
        name, streams = f"{provider}_locations_{week.monday}.json", (self.stream_id, f"{provider}_locations")
        seen = self._snapshots.seen([point for point, _ in happened])
        data = self._snapshots.locations(seen, week.until)
        self._snapshots.send(name, data, week.until, at(week.monday, 6, 20), *streams)
        self.truth.rows += len(seen)
        self.cover = week.until


class OpenFeed:
    """A statutory open feed, pulled each morning, that only says whether a point works."""

    SILENCE = 3 * DAY
    PULL = 5 * HOUR + 30 * MINUTE

    def __init__(self, county: County, era: Era, tellers: Tellers, exchange: Exchange | None) -> None:
        """Opens the feed; its locations also go to the exchange where there is one."""
        self.stream_id = f"{county.provider.name}_status"
        self._county, self._era, self._tellers, self._exchange = county, era, tellers, exchange
        works: dict[State, str] = {"AVAILABLE": "WORKING", "CHARGING": "WORKING"}
        self._snapshots = Snapshots(county, {**works, "OUTOFORDER": "FAULTED", "INOPERATIVE": "FAULTED"})
        self.truth = county.status.setdefault(self.stream_id, StatusTruth())
        self.cover = era.opens

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the pulls of a week; the last one comes after the last day."""
        places = dict.fromkeys((point.name for point, _ in happened), 0)
        pulls = [day + self.PULL for day in range(week.since, week.until, DAY) if day > self._era.start]
        for pull in [*pulls, *([self._era.end + self.PULL] if week.is_last else [])]:
            for point, changes in happened:
                self._learn(point, changes, places, pull)
            self._pull([point for point, _ in happened], pull)
        for point, changes in happened:
            self._learn(point, changes, places, week.until)

    def _learn(self, point: ChargePoint, changes: Sequence[Change], places: dict[str, int], until: int) -> None:
        while places[point.name] < len(changes) and changes[places[point.name]].at <= until:
            self._snapshots.learn(point, changes[places[point.name]])
            places[point.name] += 1

    def _pull(self, points: Sequence[ChargePoint], pull: int) -> None:
        seen = self._snapshots.seen(points)
        for point, change in seen:
            told, state = self._tellers.by_name[point.name], "AVAILABLE" if change.state in WORKS else "OUTOFORDER"
            if told.state != state:
                told.say(change.at, state, self.SILENCE)  # type: ignore[arg-type]
            told.hear(pull, self.SILENCE)
        provider, day = self._county.provider.name, date_of(pull)
        streams = (self.stream_id, f"{provider}_locations")
        data = self._snapshots.locations(seen, pull)
        self._snapshots.send(f"{provider}_locations_{day}.json", data, pull, at(day, 6, 30), *streams)
        if self._exchange:
            self._exchange.locations(data, pull)
        self.truth.rows += len(seen)
        self.cover = pull

    def finish(self) -> None:
        """Nothing more comes. Whether a point is in use is not told."""
        self._tellers.finish(self.cover, self.truth)
        self.truth.charging_seconds = 0


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
