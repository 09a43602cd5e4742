"""The journal: what of the catalogue nothing else in the lake tells, one small file per sighting, beside the objects.

    journal/stream_id=<id>/date=<seen>/<sha256>-<seen at>-<hash of the name>.json   when, and as what, bytes were seen
    journal/stream_id=<id>/date=<purged>/<sha256>-<purged at>-purged.json           an original that retention removed
    journal/stream_id=<id>/date=<released>/<sha256>-<released at>-released.json     a held delivery that may pass
    journal/stream_id=<id>/date=<began>/poll-<began at>-poll.json                   a poll: what was asked, what came

A file's name follows from what it says, so that writing it again changes nothing and what is missing on either side is
known from names alone. A sighting is written after the bytes and before the catalogue's row: an entry without a row is
taken up by `agree`, and a row without an entry (of a release without a journal) is written down by it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import psycopg

from cic_assets.lake.zones import Lake
from cic_assets.ledger import polls
from cic_assets.ledger.catalogue import (
    LandedObject,
    Release,
    put_objects,
    put_releases,
    put_sightings,
    releases,
)
from cic_assets.ledger.polls import Answer, Poll
from cic_assets.warehouse.connect import Connection, Warehouse

ROOT = "journal"
# Small files cost waiting, for the disk's confirmation or for S3, and hardly any work.
_THREADS = 16
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_PURGED = "-purged.json"
_RELEASED = "-released.json"
_POLLED = "-poll.json"
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Sighting:
    """Bytes seen at a moment under a name.

    Attributes:
        first: the object, with its first arrival and name.
        byte_count: of the object.
        seen_at: when (UTC).
        name: the file's name then.
    """

    first: LandedObject
    byte_count: int
    seen_at: dt.datetime
    name: str

    @property
    def path(self) -> str:
        """Where its entry lies."""
        mark = hashlib.sha256(self.name.encode()).hexdigest()[:12]
        return _entry_path(self.first.stream_id, self.first.sha256, self.seen_at, f"-{mark}.json")

    def content(self) -> dict[str, Any]:
        """What its entry says."""
        first = self.first
        return {
            "entry": "sighting", "stream_id": first.stream_id, "sha256": first.sha256, "path": first.path,
            "byte_count": self.byte_count, "arrival_date": first.arrival_date.isoformat(),
            "first_seen_at": _text(first.arrived_at), "first_name": first.original_name,
            "seen_at": _text(self.seen_at), "name": self.name,
        }  # fmt: skip


@dataclass(frozen=True)
class Purge:
    """An original that was removed after its retention, with what was known of it by decoding."""

    stream_id: str
    sha256: str
    purged_at: dt.datetime
    feed_columns: Sequence[str] | None
    record_count: int | None

    @property
    def path(self) -> str:
        """Where its entry lies."""
        return _entry_path(self.stream_id, self.sha256, self.purged_at, _PURGED)

    def content(self) -> dict[str, Any]:
        """What its entry says."""
        return {
            "entry": "purge", "stream_id": self.stream_id, "sha256": self.sha256, "purged_at": _text(self.purged_at),
            "feed_columns": self.feed_columns, "record_count": self.record_count,
        }  # fmt: skip


@dataclass(frozen=True)
class Passed:
    """A release, as the journal keeps it."""

    release: Release

    @property
    def path(self) -> str:
        """Where its entry lies."""
        return _entry_path(self.release.stream_id, self.release.sha256, self.release.released_at, _RELEASED)

    def content(self) -> dict[str, Any]:
        """What its entry says."""
        release = self.release
        return {
            "entry": "release", "stream_id": release.stream_id, "sha256": release.sha256,
            "released_at": _text(release.released_at), "released_by": release.released_by, "reason": release.reason,
            "findings": list(release.findings),
        }  # fmt: skip


@dataclass(frozen=True)
class Polled:
    """A poll that has ended, as the journal keeps it."""

    poll: Poll

    @property
    def path(self) -> str:
        """Where its entry lies."""
        return _polled_path(self.poll.stream_id, self.poll.started_at)

    def content(self) -> dict[str, Any]:
        """What its entry says."""
        poll = self.poll
        return {
            "entry": "poll", "stream_id": poll.stream_id, "started_at": _text(poll.started_at),
            "ended_at": _text_or_none(poll.ended_at), "every_seconds": poll.every.total_seconds(),
            "outcome": poll.outcome, "reach_from": _text_or_none(poll.reach_from),
            "reach_to": _text_or_none(poll.reach_to), "new_count": poll.new_count, "error": poll.error,
            "not_before": _text_or_none(poll.not_before),
            "answers": [
                {**asdict(answer), "requested_at": _text(answer.requested_at)} for answer in poll.answers
            ],
        }  # fmt: skip


def _polled_path(stream_id: str, started_at: dt.datetime) -> str:
    return _entry_path(stream_id, "poll", started_at, _POLLED)


Entry = Sighting | Purge | Passed | Polled


@dataclass(frozen=True)
class Agreement:
    """What `agree` did: entries written, and objects, sightings, purges, releases and polls that the catalogue took up.

    `unreadable`: files that are no entries, each with what is wrong.
    """

    written: int = 0
    objects: int = 0
    sightings: int = 0
    purges: int = 0
    releases: int = 0
    polls: int = 0
    unreadable: tuple[str, ...] = ()


def note(lake: Lake, entry: Entry) -> None:
    """Writes an entry, whole or not at all; once more changes nothing.

    Raises:
        LakeError: the folder takes nothing.
    """
    with lake.write(entry.path) as handle:
        handle.write(json.dumps(entry.content(), ensure_ascii=False, sort_keys=True).encode())


def agree(warehouse: Warehouse, lake: Lake, limit: int | None = None) -> Agreement:
    """Makes journal and catalogue say the same: each takes up what only the other has.

    Args:
        warehouse: its catalogue.
        lake: its journal; the one that the warehouse knows.
        limit: entries to write, and to take up, at most; the next call goes on.

    Raises:
        LakeError: the folder takes nothing.
    """
    # The listing first: a row that is younger than it has its entry, which is written once more.
    there = set(lake.files(ROOT))
    with warehouse.transaction() as connection:
        known: dict[str, Entry] = {entry.path: entry for entry in _known(connection)}
        # By their keys: what they say is read of those alone that have no entry.
        polled = {_polled_path(*key): key for key in polls.keys(connection)}
        originals = _originals(connection)
        unwritten = [key for path, key in sorted(polled.items()) if path not in there][:limit]
        known |= {entry.path: entry for entry in map(Polled, polls.polls_of(connection, unwritten))}
    missing = [entry for path, entry in sorted(known.items()) if path not in there][:limit]
    _at_once(lambda entry: note(lake, entry), missing)
    unknown = sorted(path for path in there - known.keys() - polled.keys() if _is_news(lake, path, originals))[:limit]
    found, unreadable = _read(lake, unknown)
    sightings = [entry for entry in found if isinstance(entry, Sighting)]
    purges = sorted((entry for entry in found if isinstance(entry, Purge)), key=lambda purge: purge.purged_at)
    passed = [entry.release for entry in found if isinstance(entry, Passed)]
    ended = [entry.poll for entry in found if isinstance(entry, Polled)]
    with warehouse.transaction() as connection:
        objects = _take_sightings(connection, lake, sightings)
        taken = sum(_take_purge(connection, lake, purge) for purge in purges)
        put_releases(connection, passed)
        for poll in ended:
            try:
                with connection.transaction():
                    polls.put(connection, [poll])
            except psycopg.DataError as error:
                unreadable.append(f"{Polled(poll).path} is not taken: {str(error).strip()}")
    return Agreement(len(missing), objects, len(sightings), taken, len(passed), len(ended), tuple(unreadable))


def _known(connection: Connection) -> Iterable[Entry]:
    """What the catalogue knows, as entries."""
    rows = connection.execute(
        "select o.stream_id, o.sha256, o.arrival_date, o.first_seen_at, o.original_name, o.path, o.byte_count,"
        " s.seen_at, s.original_name from catalogue.object as o join catalogue.sighting as s using (stream_id, sha256)"
    ).fetchall()
    for stream_id, sha256, arrival, first_seen_at, name, path, size, seen_at, seen_as in rows:
        first = LandedObject(stream_id, sha256, arrival, first_seen_at, name, path, landed=True)
        yield Sighting(first, size, seen_at, seen_as)
    gone = connection.execute(
        "select stream_id, sha256, purged_at, feed_columns, record_count from catalogue.object"
        " where purged_at is not null"
    ).fetchall()
    yield from (Purge(*row) for row in gone)
    yield from (Passed(release) for release in releases(connection))


def _originals(connection: Connection) -> dict[tuple[str, str], tuple[str, dt.datetime | None]]:
    """(stream, SHA-256) → (path in raw, when it was purged)."""
    rows = connection.execute("select stream_id, sha256, path, purged_at from catalogue.object").fetchall()
    return {(stream_id, sha256): (path, purged_at) for stream_id, sha256, path, purged_at in rows}


def _is_news(lake: Lake, path: str, originals: dict[tuple[str, str], tuple[str, dt.datetime | None]]) -> bool:
    """Whether an entry without a row says anything: not a purge after which the file was landed or purged again."""
    stream_id, name = path.split("/")[1].removeprefix("stream_id="), path.rpartition("/")[2]
    sha256, _, stamp = name.removesuffix(_PURGED).partition("-")
    if not name.endswith(_PURGED) or (stream_id, sha256) not in originals:
        return True
    raw, purged_at = originals[stream_id, sha256]
    return not lake.exists(raw) if purged_at is None else _stamp(purged_at) < stamp


def _read(lake: Lake, paths: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """(entries, what is wrong with the other files)."""
    read = _at_once(lambda path: _parsed(lake, path), paths)
    return [each for each in read if not isinstance(each, str)], [each for each in read if isinstance(each, str)]


def _parsed(lake: Lake, path: str) -> Entry | str:
    """An entry, or what is wrong with its file."""
    with lake.read(path) as handle:
        text = handle.read()
    try:
        entry = json.loads(text)
        found = _ENTRIES[entry["entry"]](entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{path} is no entry of the journal ({type(error).__name__}: {error})"
    return found if found.path == path else f"{path} says what belongs to {found.path}"


def _sighting(entry: dict[str, Any]) -> Sighting:
    first = LandedObject(
        entry["stream_id"], entry["sha256"], dt.date.fromisoformat(entry["arrival_date"]),
        _instant(entry["first_seen_at"]), entry["first_name"], entry["path"], landed=True,
    )  # fmt: skip
    return Sighting(first, int(entry["byte_count"]), _instant(entry["seen_at"]), entry["name"])


def _purge(entry: dict[str, Any]) -> Purge:
    return Purge(
        entry["stream_id"], entry["sha256"], _instant(entry["purged_at"]), entry["feed_columns"], entry["record_count"]
    )


def _passed(entry: dict[str, Any]) -> Passed:
    moment, names = _instant(entry["released_at"]), tuple(entry["findings"])
    return Passed(Release(entry["stream_id"], entry["sha256"], moment, entry["released_by"], entry["reason"], names))


def _polled(entry: dict[str, Any]) -> Polled:
    answers = [Answer(**{**answer, "requested_at": _instant(answer["requested_at"])}) for answer in entry["answers"]]
    return Polled(
        Poll(
            entry["stream_id"], _instant(entry["started_at"]), dt.timedelta(seconds=entry["every_seconds"]),
            entry["outcome"], ended_at=_instant_or_none(entry["ended_at"]),
            reach_from=_instant_or_none(entry["reach_from"]), reach_to=_instant_or_none(entry["reach_to"]),
            new_count=int(entry["new_count"]), error=entry["error"],
            not_before=_instant_or_none(entry["not_before"]), answers=tuple(answers),
        )
    )  # fmt: skip


_ENTRIES: dict[str, Callable[[dict[str, Any]], Entry]] = {
    "sighting": _sighting, "purge": _purge, "release": _passed, "poll": _polled,
}  # fmt: skip


def _take_sightings(connection: Connection, lake: Lake, sightings: Sequence[Sighting]) -> int:
    """Rows for sightings; the earliest first arrival is the object's. Returns how many objects are new."""
    firsts: dict[tuple[str, str], Sighting] = {}
    for each in sorted(sightings, key=lambda each: (each.first.arrived_at, each.seen_at, each.name)):
        key = (each.first.stream_id, each.first.sha256)
        found = firsts.setdefault(key, each)
        if not _is_ours(found.first) and _is_ours(each.first):
            # Landed by us since, as the other program's file holds something else.
            firsts[key] = replace(found, first=replace(found.first, path=each.first.path))
    # All of a statement at once: one by one, 4,422 polls took 18,000 round trips.
    new = put_objects(connection, [(each.first, each.byte_count) for each in firsts.values()])
    for key, (raw, arrived_at, purged_at) in _rows_of(connection, firsts).items():
        raw = _with_first_arrival(connection, lake, firsts[key].first, raw, arrived_at)
        if purged_at is not None and lake.exists(raw):
            connection.execute("update catalogue.object set purged_at = null where (stream_id, sha256) = (%s, %s)", key)
    with connection.cursor() as cursor:
        cursor.executemany("update catalogue.object set landed = true where (stream_id, sha256) = (%s, %s)", [*firsts])
    put_sightings(connection, [(each.first, each.seen_at, each.name) for each in sightings])
    return new


def _is_ours(landed: LandedObject) -> bool:
    """Whether the bytes stand under their own name, not another program's."""
    return landed.path.rpartition("/")[2].startswith(landed.sha256)


def _rows_of(
    connection: Connection, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, dt.datetime, dt.datetime | None]]:
    """(stream, SHA-256) → (path in raw, first arrival, when it was purged)."""
    rows = connection.execute(
        "select stream_id, sha256, path, first_seen_at, purged_at from catalogue.object where sha256 = any(%s)",
        [[sha256 for _, sha256 in wanted]],
    ).fetchall()
    return {(stream, sha256): (path, at, gone) for stream, sha256, path, at, gone in rows if (stream, sha256) in wanted}


def _with_first_arrival(
    connection: Connection, lake: Lake, first: LandedObject, raw: str, arrived_at: dt.datetime
) -> str:
    """The path of an object's bytes, once a row that was made before the journal was looked at has its first arrival.

    It keeps what it has where its bytes were read already: they are under that arrival in the accepted tables.
    """
    if arrived_at <= first.arrived_at or not lake.exists(first.path):
        return raw
    moved = connection.execute(
        "update catalogue.object set arrival_date = %s, first_seen_at = %s, original_name = %s, path = %s"
        " where stream_id = %s and sha256 = %s and record_count is null",
        [first.arrival_date, first.arrived_at, first.original_name, first.path, first.stream_id, first.sha256],
    ).rowcount
    return first.path if moved else raw


def _take_purge(connection: Connection, lake: Lake, purge: Purge) -> bool:
    """What was known of an original that is gone; false where its bytes are there again."""
    row = connection.execute(
        "select path from catalogue.object where stream_id = %s and sha256 = %s", [purge.stream_id, purge.sha256]
    ).fetchone()
    if row is None or lake.exists(row[0]):
        return False
    connection.execute(
        "update catalogue.object set purged_at = %s, feed_columns = coalesce(feed_columns, %s::text[]),"
        " record_count = coalesce(record_count, %s) where stream_id = %s and sha256 = %s",
        [purge.purged_at, purge.feed_columns, purge.record_count, purge.stream_id, purge.sha256],
    )
    return True


def _at_once(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Results in the items' order; the first error ends it."""
    if not items:
        return []
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, items))


def _entry_path(stream_id: str, sha256: str, moment: dt.datetime, ending: str) -> str:
    return f"{ROOT}/stream_id={stream_id}/date={moment.astimezone(dt.UTC).date()}/{sha256}-{_stamp(moment)}{ending}"


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime(_STAMP)


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def _text_or_none(moment: dt.datetime | None) -> str | None:
    return None if moment is None else _text(moment)


def _instant_or_none(text: str | None) -> dt.datetime | None:
    return None if text is None else _instant(text)
