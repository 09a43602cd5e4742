"""How operators report states: OCPI pushes and Locations, OCPP 1.6 and 2.0.1 logs, and a council's own poll.

Dirt is added beside what is true, never in its place, so that the truth about the time in use stays exact.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from cic_assets.simulate.network import ChargePoint
from cic_assets.simulate.status import Change, StatusTruth, Timelines, charging_seconds
from cic_assets.streams.vocabulary import State

LONDON = ZoneInfo("Europe/London")
# One record in so many, of each kind of dirt.
DIRT_EVERY = 400
STRANGE_WORD = "Rebooting"
POLL_PERIOD = dt.timedelta(minutes=30)
# What the council's stream file says: three periods.
POLL_SILENCE = 3 * POLL_PERIOD
POLL_WORDS: dict[State, str] = {
    "AVAILABLE": "Free", "CHARGING": "In use", "OUTOFORDER": "Faulty", "INOPERATIVE": "Closed",
}  # fmt: skip
OCPP16_WORDS: dict[State, str] = {
    "AVAILABLE": "Available", "CHARGING": "Charging", "OUTOFORDER": "Faulted", "INOPERATIVE": "Unavailable",
}  # fmt: skip
OCPP201_WORDS: dict[State, str] = OCPP16_WORDS | {"CHARGING": "Occupied"}


@dataclass(frozen=True)
class Said:
    """One record: when it was sent (UTC) and its text."""

    at: dt.datetime
    text: str


Writer = Callable[[str, str, dt.datetime], str]


def push_log(
    random: Random, lines: Timelines, words: Mapping[State, str], write: Writer, truth: StatusTruth
) -> list[Said]:
    """One record per change, with dirt: `write(charge point, word, instant)` gives a line."""
    said: list[Said] = []
    for name, changes in lines.items():
        for change, later in zip(changes, [*changes[1:], None], strict=True):
            text = write(name, words[change.state], change.at)
            said.append(Said(change.at, text))
            quiet = later is None or later.at - change.at > dt.timedelta(hours=2)
            said += _dirt(random, name, change, text, write, words["AVAILABLE"], truth, quiet=quiet)
        truth.charging_seconds += charging_seconds(changes)
    truth.rows += len(said)
    return sorted(said, key=lambda each: each.at)


def _dirt(
    random: Random, name: str, change: Change, text: str, write: Writer, free: str, truth: StatusTruth, *, quiet: bool
) -> Iterator[Said]:
    lot = random.randrange(DIRT_EVERY)
    if lot == 0:
        yield Said(change.at, text)
        truth.duplicates += 1
    elif lot == 1:
        yield Said(change.at, write("", free, change.at))
        _rejected(truth, "E01")
    elif lot == 2:
        yield Said(change.at, write(name, free, change.at + dt.timedelta(days=400)))
        _rejected(truth, "E02")
    elif lot == 3:
        yield Said(change.at, text[: len(text) // 2])
        _rejected(truth, "D01")
    elif lot < 8 and quiet and change.state == "AVAILABLE":
        later = change.at + dt.timedelta(minutes=40)
        yield Said(later, write(name, STRANGE_WORD, later))
        yield Said(later + dt.timedelta(minutes=5), write(name, free, later + dt.timedelta(minutes=5)))
        truth.fired["E03"] += 1


def _rejected(truth: StatusTruth, rule: str) -> None:
    truth.quarantined += 1
    truth.fired[rule] += 1


def ocpi_patch(party: str) -> Writer:
    """A log of OCPI 2.2.1 PATCH requests to our receiver, one JSON line each; the EVSE is in the path."""

    def write(name: str, word: str, at: dt.datetime) -> str:
        path = f"/ocpi/emsp/2.2.1/locations/GB/{party}/{location_of(name)}/{name}"
        body = {"status": word, "last_updated": instant(at)}
        line = {"received_at": instant(at), "method": "PATCH", "path": path, "body": body}
        return json.dumps(line, separators=(",", ":"))

    return write


def ocpp16(name: str, word: str, at: dt.datetime) -> str:
    """A line of an OCPP 1.6 central system's log; the connector is 1."""
    payload = {
        "connectorId": 1, "errorCode": "OtherError" if word == "Faulted" else "NoError", "status": word,
        "timestamp": instant(at),
    }  # fmt: skip
    line = {"received_at": instant(at), "station": name, "action": "StatusNotification", "payload": payload}
    return json.dumps(line, separators=(",", ":"))


def ocpp201(name: str, word: str, at: dt.datetime) -> str:
    """A line of an OCPP 2.0.1 log; a charge point D0001-2 is EVSE 2 of station D0001."""
    station, _, evse = name.partition("-")
    payload = {"timestamp": instant(at), "connectorStatus": word, "evseId": int(evse or 0), "connectorId": 1}
    line = {"received_at": instant(at), "station": station, "action": "StatusNotification", "payload": payload}
    return json.dumps(line, separators=(",", ":"))


POLL_HEADER = ("Polled at", "Charger", "State")


def council_poll(
    random: Random, lines: Timelines, first: dt.date, days: int, silent: tuple[dt.date, dt.date], truth: StatusTruth
) -> list[Said]:
    """A row per charger and half-hour, on the wall clock with its offset; nothing on the silent days."""
    start = dt.datetime.combine(first, dt.time(2), dt.UTC)
    polls = [start + n * POLL_PERIOD for n in range(round(days * dt.timedelta(days=1) / POLL_PERIOD) - 4)]
    polls = [at for at in polls if not silent[0] <= at.date() <= silent[1]]
    said: list[Said] = []
    for name, changes in lines.items():
        moments = [change.at for change in changes]
        for at, later in zip(polls, [*polls[1:], None], strict=True):
            state = changes[bisect_right(moments, at) - 1].state
            if later is not None and state == "CHARGING":
                truth.charging_seconds += int(min(later - at, POLL_SILENCE).total_seconds())
            said += _polled(random, name, state, at, truth)
    truth.rows += len(said)
    # A poll's rows stand together; the sort keeps the order in which they were written.
    return sorted(said, key=lambda each: each.at)


def _polled(random: Random, name: str, state: State, at: dt.datetime, truth: StatusTruth) -> Iterator[Said]:
    text = _poll_row(name, POLL_WORDS[state], at)
    lot = random.randrange(10 * DIRT_EVERY)
    if lot == 0 and state == "AVAILABLE":
        text = _poll_row(name, STRANGE_WORD, at)
        truth.fired["E03"] += 1
    yield Said(at, text)
    if lot == 1:
        yield Said(at, text)
        truth.duplicates += 1
    elif lot == 2:
        yield Said(at, _poll_row("", "Free", at))
        _rejected(truth, "E01")
    elif lot == 3:
        yield Said(at, _poll_row(name, "Free", at + dt.timedelta(days=400)))
        _rejected(truth, "E02")
    elif lot == 4:
        yield Said(at, text.rpartition(",")[0])
        _rejected(truth, "D01")


def _poll_row(name: str, word: str, at: dt.datetime) -> str:
    return f"{at.astimezone(LONDON).isoformat()},{name},{word}"


def csv_of(header: Sequence[str], rows: Sequence[Said]) -> bytes:
    """A CSV file of finished rows."""
    return "\r\n".join([",".join(header), *(row.text for row in rows), ""]).encode()


def lines_of(rows: Sequence[Said]) -> bytes:
    """A file of JSON lines."""
    return "\n".join([*(row.text for row in rows), ""]).encode()


def locations(
    party: str, points: Sequence[ChargePoint], lines: Timelines, at: dt.datetime, words: Mapping[State, str]
) -> bytes:
    """An OCPI 2.2.1 Locations response: all EVSEs with their state at a moment."""
    sites: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        changes = [change for change in lines[point.name] if change.at <= at]
        if changes:
            sites.setdefault(location_of(point.name), []).append(_evse(point, changes[-1], words))
    data = [
        {
            "country_code": "GB", "party_id": party, "id": site, "publish": True, "name": f"Car park {site}",
            "city": "Wealdham", "country": "GBR",
            "coordinates": {"latitude": f"51.{site[1:]:0>4}", "longitude": f"0.{site[1:]:0>4}"},
            "evses": evses, "time_zone": "Europe/London", "last_updated": max(evse["last_updated"] for evse in evses),
        }
        for site, evses in sorted(sites.items())
    ]  # fmt: skip
    response = {"data": data, "status_code": 1000, "status_message": "Success", "timestamp": instant(at)}
    return json.dumps(response, indent=1).encode()


def _evse(point: ChargePoint, change: Change, words: Mapping[State, str]) -> dict[str, Any]:
    connector = {
        "id": "1", "standard": "IEC_62196_T2_COMBO" if point.rated_kw >= 50 else "IEC_62196_T2",
        "power_type": "DC" if point.rated_kw >= 50 else "AC_3_PHASE",
        "max_electric_power": round(point.rated_kw * 1000), "last_updated": instant(change.at),
    }  # fmt: skip
    return {
        "uid": point.name, "evse_id": point.name, "status": words[change.state], "connectors": [connector],
        "physical_reference": point.name, "last_updated": instant(change.at),
    }  # fmt: skip


REGISTRY_HEADER = ("Charger", "Site", "Site name", "Post", "Rated kW", "Installed")


def registry_csv(points: Sequence[ChargePoint], installed: dt.date) -> bytes:
    """A council's own list of its chargers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(REGISTRY_HEADER)
    for point in points:
        site = location_of(point.name)
        writer.writerow(
            [point.name, site, f"Car park {site}", point.name, f"{point.rated_kw:g}", installed.isoformat()]
        )
    return out.getvalue().encode()


def location_of(name: str) -> str:
    """Ten charge points share a site."""
    return f"L{name[1:4]}" if name else "L000"


def instant(at: dt.datetime) -> str:
    """RFC 3339 in UTC, as OCPI and OCPP write it."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
