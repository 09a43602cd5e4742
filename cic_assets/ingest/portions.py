"""Cuts an arrival into portions: objects whose rows are judged and replaced together, so that one more costs little.

A portion is known by its objects, when they were seen and what was released. So an ingest leaves alone what is there
already by the same recipe, and judges the rest: of a day of 2,000 small files and one more, some 500 records. What
looks at each other is in one portion: rows beside others of their moment (E08), small deliveries as a whole
(`ingest/deliveries.py`). Pure: no lake, no warehouse.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cic_assets.kinds.stream import Stream
from cic_assets.ledger.catalogue import Arrival, LandedObject

# A portion is full from so many records on. What is in the last one that is not full is judged again with the next
# object; an hour's shift of the clock shows in 200 starts (`ingest/delivery.py`).
PORTION_RECORDS = 500


@dataclass(frozen=True)
class Portion:
    """Objects of an arrival that are ingested together.

    Attributes:
        id: changes when an ingest by the same recipe would give other rows; the rows' column `portion`.
        objects: in the order of their moments.
    """

    id: str
    objects: tuple[LandedObject, ...]


def seen(stream: Stream, landed: LandedObject) -> tuple[tuple[dt.datetime, str], ...]:
    """When and as what an object was delivered: once, or at each sighting where the time is the poll's."""
    return landed.sightings if stream.reads_sightings else ((landed.arrived_at, landed.original_name),)


def is_alone(stream: Stream, arrival: Arrival, landed: LandedObject, records: int) -> bool:
    """Whether an object is looked at as a delivery by itself, and not with other small ones."""
    # A released small one is not judged again with others that nobody has seen.
    return records >= stream.delivery.min_rows or landed.sha256 in arrival.released


def portion_of(stream: Stream, arrival: Arrival, objects: Iterable[LandedObject]) -> Portion:
    """The portion of some of an arrival's objects."""
    ordered = tuple(sorted(objects, key=lambda landed: (_first(stream, landed), landed.sha256)))
    made_of = [arrival.stream_id, arrival.arrival_date.isoformat()]
    made_of += [
        repr((landed.sha256, seen(stream, landed), arrival.released.get(landed.sha256, ()))) for landed in ordered
    ]
    return Portion(hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16], ordered)


def portions_of(stream: Stream, arrival: Arrival, records: Mapping[str, int]) -> list[Portion]:
    """All portions of an arrival: the same of the same objects, in whatever order they were landed.

    Args:
        stream: whose arrival.
        arrival: its objects.
        records: of each object, by SHA-256.
    """
    small: list[list[LandedObject]] = []
    large: list[list[LandedObject]] = []
    for group in _groups(stream, arrival):
        has_large = any(is_alone(stream, arrival, landed, records[landed.sha256]) for landed in group)
        (large if has_large else small).append(group)
    limit = max(PORTION_RECORDS, stream.delivery.min_rows)
    small, large = list(_joined(small, records, limit)), list(_joined(large, records, limit))
    if len(small) > 1 and _count(small[-1], records) < stream.delivery.min_rows:
        # A rest too small to be judged as a whole goes with those before.
        small[-2:] = [small[-2] + small[-1]]
    return [portion_of(stream, arrival, objects) for objects in (*small, *large)]


def _joined(
    groups: Iterable[list[LandedObject]], records: Mapping[str, int], limit: int
) -> Iterator[list[LandedObject]]:
    """Groups put together until there are so many records."""
    joined: list[LandedObject] = []
    size = 0
    for group in groups:
        joined += group
        size += _count(group, records)
        if size >= limit:
            yield joined
            joined, size = [], 0
    if joined:
        yield joined


def _count(objects: Iterable[LandedObject], records: Mapping[str, int]) -> int:
    return sum(records[landed.sha256] for landed in objects)


def _groups(stream: Stream, arrival: Arrival) -> list[list[LandedObject]]:
    """Objects that must not be parted, in the order of their first moments."""
    ordered = sorted(arrival.objects, key=lambda landed: (_first(stream, landed), landed.sha256))
    if not stream.looks_at_moment:
        return [[landed] for landed in ordered]
    parents: dict[object, object] = {}

    def root(thing: object) -> object:
        parents.setdefault(thing, thing)
        while parents[thing] != thing:
            parents[thing] = parents[parents[thing]]
            thing = parents[thing]
        return thing

    for landed in ordered:
        for moment, _ in seen(stream, landed):
            parents[root(moment)] = root(landed.sha256)
    groups: dict[object, list[LandedObject]] = {}
    for landed in ordered:
        groups.setdefault(root(landed.sha256), []).append(landed)
    return list(groups.values())


def _first(stream: Stream, landed: LandedObject) -> dt.datetime:
    return min((moment for moment, _ in seen(stream, landed)), default=landed.arrived_at)


def delivery_of(stream: Stream, arrival: Arrival, portion: Portion, records: Mapping[str, int]) -> dict[str, str]:
    """SHA-256 of each object → the delivery as which it is judged: itself, or the portion's small ones together."""
    return {
        landed.sha256: landed.sha256 if is_alone(stream, arrival, landed, records[landed.sha256]) else portion.id
        for landed in portion.objects
    }


@dataclass(frozen=True)
class Renewal:
    """What is to be done with an arrival.

    Attributes:
        arrival: as it is under the claim.
        portions: whose rows are made anew.
        staying: those whose rows are there; empty where all are replaced.
        going: those whose rows go, where some stay.
    """

    arrival: Arrival
    portions: tuple[Portion, ...]
    staying: frozenset[str] = frozenset()
    going: frozenset[str] = frozenset()

    @property
    def day(self) -> dt.date:
        """The arrival's date."""
        return self.arrival.arrival_date

    @property
    def objects(self) -> Sequence[LandedObject]:
        """Those whose rows are made anew."""
        return [landed for portion in self.portions for landed in portion.objects]


def renewal_of(stream: Stream, arrival: Arrival, records: Mapping[str, int], there: set[str]) -> Renewal:
    """What of an arrival is to be made anew.

    Args:
        stream: whose arrival.
        arrival: its objects.
        records: of each object.
        there: portions whose rows are in place, by the recipe of now.
    """
    wanted = portions_of(stream, arrival, records)
    new = tuple(portion for portion in wanted if portion.id not in there)
    staying = frozenset(there & {portion.id for portion in wanted})
    if not new or not staying:
        return Renewal(arrival, tuple(wanted))
    return Renewal(arrival, new, staying, frozenset(there - staying))
