"""Full OCPI 2.2.1 Locations responses: states of all charge points at a moment, and the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cic_assets.kinds.vocabulary import STATES, State
from cic_assets.simulate.clock import DAY, HOUR, LONDON, MINUTE, at, date_of, utc
from cic_assets.simulate.county import County, StatusTruth, Week
from cic_assets.simulate.exchange import Exchange
from cic_assets.simulate.life import Change, Era, Happened
from cic_assets.simulate.network import RAPID_W, ChargePoint, Site
from cic_assets.simulate.told import Tellers

WORKS: tuple[State, ...] = ("AVAILABLE", "CHARGING")


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
        sites: dict[str, tuple[Site, list[dict[str, Any]]]] = {}
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
            "uid": point.name, "evse_id": self._county.provider.evse_id(point.name),
            "status": self._words[change.state], "connectors": [connector],
            "physical_reference": point.device, "last_updated": time,
        }  # fmt: skip


def location(party: str, site: Site, evses: Sequence[dict[str, Any]]) -> dict[str, Any]:
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

    def __init__(self, county: County, era: Era, tellers: Tellers, exchange: Exchange | None, opens: int) -> None:
        """Opens the feed with its first pull; its locations also go to the exchange where there is one."""
        self._opens, self.stream_id = opens, f"{county.provider.name}_status"
        self._county, self._era, self._tellers, self._exchange = county, era, tellers, exchange
        works: dict[State, str] = {"AVAILABLE": "WORKING", "CHARGING": "WORKING"}
        self._snapshots = Snapshots(county, {**works, "OUTOFORDER": "FAULTED", "INOPERATIVE": "FAULTED"})
        self.truth = county.status.setdefault(self.stream_id, StatusTruth())
        self.cover = era.opens

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the pulls of a week; the last one comes after the last day."""
        places = dict.fromkeys((point.name for point, _ in happened), 0)
        pulls = [day + self.PULL for day in range(week.since, week.until, DAY) if day + self.PULL >= self._opens]
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
                # Of the time before the first pull nothing is told but what survived until then.
                told.say(max(change.at, self._opens), state, self.SILENCE)  # type: ignore[arg-type]
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
