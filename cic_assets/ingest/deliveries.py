"""Deliveries that are held: judged as a whole at ingest, and released by a person or by a mended stream file.

A delivery is one object of an arrival; those with few rows are looked at together, as far as they are in one portion
(`ingest/portions.py`). Rows of a held one go to the quarantine with the reason D04, so that every identity counts them.
What was found stands in `quality.delivery`; a release stands in the lake's journal and in `catalogue.release`, which
only grow. What is wrong: `ingest/delivery.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cic_assets.errors import PlatformError
from cic_assets.ingest.delivery import (
    LOOK_BACK,
    Finding,
    Profile,
    Reference,
    findings,
    held_by,
    profiles,
    reference,
)
from cic_assets.ingest.judged import JudgedRows
from cic_assets.ingest.portions import Portion, Renewal
from cic_assets.kinds.profile import Key
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import catalogue, journal
from cic_assets.ledger.catalogue import Incomplete, LandedObject, Release
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection

# Of many small objects that are looked at together.
_NAMES_KEPT = 20


class ReleaseError(PlatformError):
    """Nothing can be released; the message says why."""


@dataclass(frozen=True)
class Looked:
    """A delivery as it was judged.

    Attributes:
        portion: of which it is a part.
        key: arrival date, and SHA-256 of the object, or the portion for all small ones of it.
        objects: SHA-256 of each.
        names: of its files, the first few.
        profile: what it is like.
        found: what is wrong with it.
        held: of that, what holds it.
    """

    stream_id: str
    portion: str
    key: Key
    objects: tuple[str, ...]
    names: tuple[str, ...]
    profile: Profile
    found: tuple[Finding, ...]
    held: tuple[Finding, ...]

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is unusual and does not hold it."""
        return tuple(each for each in self.found if each not in self.held)

    def said(self, some: Sequence[Finding]) -> str:
        """The delivery, and some of what was found."""
        return f"{', '.join(self.names)} of {self.stream_id}, arrival {self.key[0]}: {'; '.join(f.text for f in some)}"

    @property
    def incomplete(self) -> Incomplete:
        """As the catalogue names what is held."""
        texts = tuple(each.text for each in self.held)
        return Incomplete(self.stream_id, self.key[0], ", ".join(self.names), (), None, texts)


# Arrival date and SHA-256 of an object → the delivery as which it is judged.
Delivered = Mapping[tuple[dt.date, str], Key]


def judged_with(
    judge: Callable[[Collection[Key]], JudgedRows],
    stream: Stream,
    renewals: Sequence[Renewal],
    delivered: Delivered,
    recorded: Sequence[Looked],
    past: Sequence[tuple[dt.date, Profile]],
) -> tuple[JudgedRows, list[Looked]]:
    """Judges the rows of some arrivals' portions, and each delivery as a whole.

    Args:
        judge: gives the judged rows, materialised, with day and month of some deliveries exchanged back.
        stream: whose arrivals.
        renewals: these, all of the stream's earlier ones being recorded already.
        delivered: their objects' deliveries.
        recorded: deliveries of the same arrivals whose rows stay.
        past: accepted deliveries of other arrivals (`past`).

    Returns:
        (the rows, those of held deliveries rejected; their deliveries).
    """
    judged = judge(())
    found = profiles(judged, stream)
    swapped = {key for key, profile in found.items() if profile.shows_swap} if stream.repairs_swaps else set()
    if swapped:
        judged = judge(swapped)
        found = profiles(judged, stream)
    looked = _looked(stream, renewals, found, delivered, recorded, past)
    return replace(judged, held=frozenset(each.key for each in looked if each.held)), looked


def _looked(
    stream: Stream,
    renewals: Sequence[Renewal],
    found: Mapping[Key, Profile],
    delivered: Delivered,
    recorded: Sequence[Looked],
    past: Sequence[tuple[dt.date, Profile]],
) -> list[Looked]:
    """In the order of arrivals, each by what was accepted before it; within an arrival, none by another."""
    before = list(past)
    looked: list[Looked] = []
    for renewal in sorted(renewals, key=lambda each: each.day):
        usual = reference(before, renewal.day)
        mine = [_one(stream, renewal, portion, found, delivered, usual) for portion in renewal.portions]
        looked += [each for some in mine for each in some]
        of_day = [each for each in (*looked, *recorded) if each.key[0] == renewal.day and not each.held]
        before += [(renewal.day, each.profile) for each in of_day]
    return looked


def _one(
    stream: Stream,
    renewal: Renewal,
    portion: Portion,
    found: Mapping[Key, Profile],
    delivered: Delivered,
    usual: Reference,
) -> Iterator[Looked]:
    """The deliveries of one portion that have rows."""
    objects: dict[Key, list[LandedObject]] = {}
    for landed in portion.objects:
        objects.setdefault(delivered[renewal.day, landed.sha256], []).append(landed)
    for key, some in sorted(objects.items()):
        if key not in found:
            continue
        wrong = findings(found[key], stream, usual)
        held = held_by(wrong, stream, renewal.arrival.released.get(key[1], ()))
        names = sorted({each.original_name for each in some})[:_NAMES_KEPT]
        hashes = tuple(sorted(each.sha256 for each in some))
        yield Looked(stream.id, portion.id, key, hashes, tuple(names), found[key], tuple(wrong), tuple(held))


def recorded(
    connection: Connection, stream_id: str, days: Sequence[dt.date], portions: Collection[str]
) -> list[Looked]:
    """The deliveries of some portions of some arrivals as they were recorded, with what is kept of their profiles."""
    rows = connection.execute(
        "select portion, arrival_date, delivery, objects, file_names, row_count, charge_point_count, median_kwh,"
        " median_kw, hours, held_by, findings, finding_texts from quality.delivery"
        " where stream_id = %s and arrival_date = any(%s) and portion = any(%s) order by arrival_date, delivery",
        [stream_id, list(days), sorted(portions)],
    ).fetchall()
    looked = []
    for portion, day, delivery, objects, files, count, points, kwh, kw, hours, by, names, texts in rows:
        profile = Profile(rows=count, charge_points=points, median_kwh=kwh, median_kw=kw, hours=tuple(hours))
        found = tuple(Finding(name, text) for name, text in zip(names, texts, strict=True))
        held = tuple(each for each in found if each.name in by)
        looked.append(Looked(stream_id, portion, (day, delivery), tuple(objects), tuple(files), profile, found, held))
    return looked


def past(connection: Connection, stream_id: str, days: Sequence[dt.date]) -> list[tuple[dt.date, Profile]]:
    """Accepted deliveries of a stream as they were recorded: those between some days, and of the newest days before.

    Args:
        connection: to the warehouse.
        stream_id: whose deliveries.
        days: arrivals, in order, whose own ones are left out.
    """
    rows = connection.execute(
        "select arrival_date, charge_point_count, median_kwh, median_kw, hours from quality.delivery"
        " where stream_id = %(stream)s and not is_held and arrival_date < %(last)s and arrival_date <> all(%(days)s)"
        " and arrival_date >= coalesce((select min(d.arrival_date) from (select distinct arrival_date"
        " from quality.delivery where stream_id = %(stream)s and not is_held and arrival_date < %(first)s"
        " order by arrival_date desc limit %(look_back)s) as d), %(first)s)",
        {"stream": stream_id, "first": days[0], "last": days[-1], "days": list(days), "look_back": LOOK_BACK},
    ).fetchall()
    return [
        (day, Profile(charge_points=points, median_kwh=kwh, median_kw=kw, hours=tuple(hours)))
        for day, points, kwh, kw, hours in rows
    ]


def record(
    connection: Connection, stream_id: str, days: Sequence[dt.date], staying: Collection[str], looked: Sequence[Looked]
) -> None:
    """Keeps what was found in some arrivals' deliveries, in place of what was found before.

    Args:
        connection: in whose transaction.
        stream_id: whose arrivals.
        days: which.
        staying: portions of them whose deliveries stay as they are.
        looked: the others.
    """
    connection.execute(
        "delete from quality.delivery where stream_id = %s and arrival_date = any(%s)"
        " and (portion is null or portion <> all(%s))",
        [stream_id, list(days), sorted(staying)],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into quality.delivery (stream_id, portion, arrival_date, delivery, objects, file_names, row_count,"
            " charge_point_count, median_kwh, median_kw, hours, is_held, held_by, findings, finding_texts)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                [
                    stream_id, each.portion, *each.key, list(each.objects), list(each.names), each.profile.rows,
                    each.profile.charge_points, each.profile.median_kwh, each.profile.median_kw,
                    list(each.profile.hours), bool(each.held), [found.name for found in each.held],
                    [found.name for found in each.found], [found.text for found in each.found],
                ]
                for each in looked
            ],
        )  # fmt: skip


def to_release(
    connection: Connection, stream_id: str, name: str | None, arrival: dt.date | None, by: str, why: str
) -> list[Release]:
    """The releases that let a stream's held deliveries pass: of a file, of an arrival, or all.

    Args:
        connection: to the warehouse.
        stream_id: whose deliveries.
        name: of a file; None for any.
        arrival: its date; None for any.
        by: who releases them.
        why: the reason.

    Raises:
        ReleaseError: there is no such held delivery, or it is held for a reason that only the stream file can mend.
    """
    rows = connection.execute(
        "select o.sha256, d.held_by from quality.delivery as d join catalogue.object as o"
        " on o.stream_id = d.stream_id and o.sha256 = any(d.objects)"
        " where d.stream_id = %(stream)s and d.is_held and (%(name)s::text is null or o.original_name = %(name)s)"
        " and (%(arrival)s::date is null or d.arrival_date = %(arrival)s) order by o.sha256",
        {"stream": stream_id, "name": name, "arrival": arrival},
    ).fetchall()
    before = catalogue.released(connection, [stream_id])
    rows = [(sha256, names) for sha256, names in rows if not set(names) <= {*before.get((stream_id, sha256), ())}]
    if not rows:
        raise ReleaseError(_nothing_held(connection, stream_id, name, arrival))
    now = dt.datetime.now(dt.UTC)
    return [Release(stream_id, sha256, now, by, why, tuple(sorted(set(names)))) for sha256, names in rows]


def _nothing_held(connection: Connection, stream_id: str, name: str | None, arrival: dt.date | None) -> str:
    wanted = " ".join([stream_id, *([name] if name else []), *([f"arrival {arrival}"] if arrival else [])])
    for each in catalogue.incomplete(connection, stream_id):
        if each.held and name in (None, each.original_name) and arrival in (None, each.arrival_date):
            return f"{each}: nothing of it was read, so it can't be released"
    return f"nothing of {wanted} is held, or it was released and waits for `cic run daily`; `cic held` shows all"


def held(connection: Connection, stream_id: str | None = None) -> list[Incomplete]:
    """All that is held or incomplete, of one stream or of all, oldest first."""
    rows = connection.execute(
        "select stream_id, arrival_date, file_names, held_by, findings, finding_texts from quality.delivery"
        " where is_held and (%(stream)s::text is null or stream_id = %(stream)s)"
        " order by arrival_date, stream_id, delivery",
        {"stream": stream_id},
    ).fetchall()
    found = []
    for stream, day, files, by, names, texts in rows:
        holding = tuple(text for name, text in zip(names, texts, strict=True) if name in by)
        found.append(Incomplete(stream, day, ", ".join(files), (), None, holding))
    return sorted([*catalogue.incomplete(connection, stream_id), *found], key=lambda each: each.arrival_date)


def release(parts: Parts, passed: Sequence[Release]) -> None:
    """Lets held deliveries pass: their arrivals are pending, and the next ingest accepts what their rows' rules do.

    Raises:
        LakeError: the lake's folder takes nothing.
    """
    lake = parts.lake
    for each in passed:
        journal.note(lake, journal.Passed(each))
    with parts.warehouse.transaction() as connection:
        catalogue.put_releases(connection, passed)
