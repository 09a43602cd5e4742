"""Parking bays with sensors, as NGSI-LD ParkingSpot entities: cars that charge, and cars that only stand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from cic_assets.simulate.clock import DAY, MINUTE, at, utc
from cic_assets.simulate.county import County, Week
from cic_assets.simulate.life import PREPARING, Change, Era, Happened
from cic_assets.simulate.network import ChargePoint

# How often a car that does not charge follows one that did, and for how long it stays, minutes.
BLOCKED_SHARE, BLOCKED_MINUTES = 0.08, (12, 150)
HEADER = ("bay_id", "charge_point_id", "occupied_from", "occupied_until", "session_id")
SMART_DATA_MODEL = "https://raw.githubusercontent.com/smart-data-models/dataModel.Parking/master/context.jsonld"


class Bays:
    """The sensors of one provider's bays; the first one is silent for five days."""

    def __init__(self, county: County, era: Era) -> None:
        self._county, self._random = county, Random(f"{era.seed}:bays")
        self._table = county.table("bays", HEADER)
        self._since: dict[str, int] = {}
        middle = era.start + (era.end - era.start) // 2
        self._silent = (middle, middle + 5 * DAY)
        self._silent_bay = ""

    def week(self, week: Week, happened: Happened) -> None:
        """Sends the week's changes of all bays."""
        said: list[tuple[int, str]] = []
        for point, changes in happened:
            if point.bay:
                self._silent_bay = self._silent_bay or point.bay
                for moment, status in self._stays(point, changes):
                    if point.bay != self._silent_bay or not self._silent[0] <= moment < self._silent[1]:
                        said.append((moment, _entity(point, status, moment)))
        said.sort(key=lambda each: each[0])
        name = f"{self._county.provider.name}_bays_{week.monday}.jsonl"
        self._county.write(name, "".join(f"{text}\n" for _, text in said), at(week.monday, 6, 30))

    def _stays(self, point: ChargePoint, changes: Sequence[Change]) -> Iterator[tuple[int, str]]:
        """A car comes up to two minutes before its session and leaves as long after it."""
        for place, change in enumerate(changes):
            if change.charge is None:
                continue
            margin = int(self._random.random() * 2 * MINUTE)
            if change.phase == PREPARING:
                self._since[point.name] = change.at - margin
                yield change.at - margin, "occupied"
                continue
            left = change.at + margin
            yield left, "free"
            self._note(point, self._since.pop(point.name), left, change.charge.session_id)
            if self._random.random() < BLOCKED_SHARE and place + 1 < len(changes):
                yield from self._blocked(point, left + 10 * MINUTE, changes[place + 1].at - 5 * MINUTE)

    def _blocked(self, point: ChargePoint, since: int, latest: int) -> Iterator[tuple[int, str]]:
        """A car that does not charge, if there is time until the next session."""
        shortest, longest = BLOCKED_MINUTES
        until = min(since + int((shortest + (longest - shortest) * self._random.random()) * MINUTE), latest)
        if until - since >= shortest * MINUTE:
            yield since, "occupied"
            yield until, "free"
            self._note(point, since, until, "")

    def _note(self, point: ChargePoint, since: int, until: int, session_id: str) -> None:
        self._table.write(
            f"{point.bay},{self._county.provider.charge_point_id(point.name)},{utc(since)},{utc(until)},{session_id}\n"
        )


def _entity(point: ChargePoint, status: str, moment: int) -> str:
    site = point.site_at(moment).id
    return (
        f'{{"id":"urn:ngsi-ld:ParkingSpot:{point.bay}","type":"ParkingSpot","status":{{"type":"Property",'
        f'"value":"{status}","observedAt":"{utc(moment)}"}},"maximumParkingDuration":{{"type":"Property",'
        f'"value":"PT{point.max_stay_minutes}M"}},"refParkingSite":{{"type":"Relationship",'
        f'"object":"urn:ngsi-ld:OffStreetParking:{site}"}},"@context":["{SMART_DATA_MODEL}"]}}'
    )
