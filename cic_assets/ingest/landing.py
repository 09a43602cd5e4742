"""Landing: bytes as received, once per content, in `raw`; and what drops into `raw` without us. Decodes nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from cic_assets.calendar import FIRST_DAY
from cic_assets.errors import PlatformError
from cic_assets.kinds.stream import Stream
from cic_assets.lake.digests import digest_of
from cic_assets.lake.regular import NotAFileError, open_regular
from cic_assets.lake.zones import (
    DRAFT_SECONDS,
    FileInfo,
    Lake,
    LakeError,
    parse_raw_path,
    raw_path,
)
from cic_assets.ledger import catalogue, journal
from cic_assets.ledger.catalogue import OURS, LandedObject
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Warehouse

LOG = logging.getLogger(__name__)
# A file of `home`, as old as the last look for drafts, which lists all of the lake.
_SWEPT = "drafts_swept"


class LandingError(PlatformError):
    """A file can't be landed; the message names it."""


@dataclass(frozen=True)
class Landing:
    """What became of one `land` call: the object, and whether its bytes were new to the stream."""

    landed: LandedObject
    new: bool


def land(
    parts: Parts,
    stream: Stream,
    file: Path,
    arrived_at: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> Landing:
    """Puts a file into the stream's raw partition, atomically and once per content.

    The catalogue's row comes first and the bytes second, so that a rerun after a crash keeps the first arrival; then
    the journal's entry, and last the sighting's row, which `journal.agree` makes if a crash comes between the two.
    Equal bytes under another name or on another day are a further sighting of the same object.
    Where the lake's copy of them is gone or holds other bytes by now, it is put back.

    Args:
        parts: lake, warehouse and engine.
        stream: whose file it is.
        file: a local file.
        arrived_at: when the platform first saw the bytes, for migrations and simulations; default: `now`.
        now: the moment of the call, one for all its files; default: the clock's.

    Raises:
        LandingError: no such file, no regular file (a link, pipe or device), one that changes while it is read, or
            `arrived_at` in the future, or before the calendar begins.
    """
    now = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    seen_at = (arrived_at or now).astimezone(dt.UTC)
    if arrived_at is not None:
        demand_arrival(seen_at.date(), now)
    name = shown_name(file)
    suffixes = [suffix for suffix in file.suffixes[-2:] if suffix[1:].isalnum() and len(suffix) <= 6]
    extension = "".join(suffix for suffix in suffixes if suffix.isascii()).lower()
    lake = parts.lake
    with _opened(file) as handle:
        sha256, byte_count = _digest(handle, file)
        wish = LandedObject(
            stream.id, sha256, seen_at.date(), seen_at, name,
            raw_path(stream.id, seen_at.date(), sha256, extension), landed=False,
        )  # fmt: skip
        with parts.warehouse.transaction() as connection:
            landed = catalogue.register_object(connection, wish, byte_count)
        if not _is_there(lake, landed):
            if sha256 not in landed.path:
                # Another program's file, which holds something else by now, or is gone: it stays as it is.
                path = raw_path(stream.id, landed.arrival_date, sha256, extension)
                with parts.warehouse.transaction() as connection:
                    landed = catalogue.move_object(connection, landed, path)
            _copy_in(lake, handle, landed, file)
    journal.note(lake, journal.Sighting(landed, byte_count, seen_at, name))
    with parts.warehouse.transaction() as connection:
        catalogue.add_sighting(connection, landed, seen_at, name)
    return Landing(landed, new=not landed.landed)


def see_again(parts: Parts, stream_id: str, sha256: str, name: str, seen_at: dt.datetime) -> None:
    """Says that an object's bytes were seen once more, by somebody who has not sent them: they are as they were.

    Raises:
        LandingError: the stream has no such object.
    """
    with parts.warehouse.transaction() as connection:
        found = catalogue.object_of(connection, stream_id, sha256)
    if found is None:
        raise LandingError(f"{stream_id} has no object {sha256}, of which {name} says that it has not changed")
    landed, byte_count = found
    journal.note(parts.lake, journal.Sighting(landed, byte_count, seen_at, name))
    with parts.warehouse.transaction() as connection:
        catalogue.put_sightings(connection, [(landed, seen_at, name)])


def demand_arrival(day: dt.date, now: dt.datetime) -> None:
    """A day on which a migration may say that something arrived.

    Raises:
        LandingError: for a day in the future, or before the calendar begins.
    """
    if day > now.date():
        raise LandingError(f"--arrived-at {day} is in the future: nothing has arrived then")
    if day < FIRST_DAY:
        raise LandingError(f"--arrived-at {day} is before {FIRST_DAY}, where the calendar begins")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        handle = open_regular(file)
    except NotAFileError as error:
        raise LandingError(str(error)) from error
    except FileNotFoundError as error:
        raise LandingError(f"{file}: no such file") from error
    except OSError as error:
        raise LandingError(f"{file} can't be read: {error.strerror}") from error
    with handle:
        yield handle


_CHANGES = "changes while it is being read; land it when its writer is done"


def _digest(handle: BinaryIO, file: Path) -> tuple[str, int]:
    """(SHA-256, bytes) of a file that stands still."""
    before = os.fstat(handle.fileno())
    sha256 = hashlib.file_digest(cast(io.BufferedReader, handle), "sha256").hexdigest()
    after = os.fstat(handle.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or handle.tell() != after.st_size:
        raise LandingError(f"{file} {_CHANGES}")
    return sha256, after.st_size


def _copy_in(lake: Lake, handle: BinaryIO, landed: LandedObject, file: Path) -> None:
    """The bytes into the lake, whole or not at all; what is written has the SHA-256 under which it stands."""
    handle.seek(0)
    written = hashlib.sha256()
    with lake.write(landed.path) as writer:
        while chunk := handle.read(1 << 20):
            written.update(chunk)
            writer.write(chunk)
        if written.hexdigest() != landed.sha256:
            raise LandingError(f"{file} {_CHANGES}")


def shown_name(file: Path) -> str:
    r"""A file's name without folder, as text: a byte that is no UTF-8 stands as \xNN, as Postgres takes no other."""
    return os.fsencode(file.name).decode("utf-8", "backslashreplace")


def _is_there(lake: Lake, landed: LandedObject) -> bool:
    """Whether the lake has the object's bytes, and no others in their place."""
    info = lake.look_up([landed.path]).get(landed.path)
    if info is None:
        return False
    with suppress(LakeError):
        return digest_of(lake, info) == landed.sha256
    return False


def adopt_foreign(
    parts: Parts, streams: dict[str, Stream], now: dt.datetime, say: Callable[[str], None] = LOG.warning
) -> list[LandedObject]:
    """Registers objects that something else put into `raw` (a Kafka sink, a copied lake), by their path's date.

    One that grew or changed since is the object that it is now; its arrival is ingested anew, without what it was.

    Returns:
        The new objects. Paths of unknown streams, of another shape or dated outside the calendar are left alone, and so
        are links, pipes and devices, and what lies behind a link to a folder (`Lake.oddities` names them). `say` takes
        a line for each that is dated outside the calendar.
    """
    lake = parts.lake
    odd = tuple(path for path, _ in lake.oddities("raw"))
    with parts.warehouse.transaction() as connection:
        known = catalogue.places(connection)
    adopted = []
    for info in lake.infos("raw"):
        place = parse_raw_path(info.path)
        if place is None or place[0] not in streams or known.get(info.path) in (OURS, (info.size, info.modified_at)):
            continue
        if not FIRST_DAY <= place[1] <= now.date():
            say(
                f"{info.path}: its date is outside the calendar ({FIRST_DAY} to today), so it is left alone: move it "
                "to the date (UTC) on which it came"
            )
            continue
        if any(info.path == each or info.path.startswith(f"{each}/") for each in odd):
            continue
        landed = _adopt(parts.warehouse, lake, info, place, now)
        if landed:
            adopted.append(landed)
    return adopted


def _adopt(
    warehouse: Warehouse, lake: Lake, info: FileInfo, place: tuple[str, dt.date, str], now: dt.datetime
) -> LandedObject | None:
    """Registers what a foreign object is now; None where that is no news."""
    stream_id, arrival, name = place
    sha256 = digest_of(lake, info)
    midnight = dt.datetime.combine(arrival, dt.time(), dt.UTC)
    arrived_at = min(max(midnight, now), midnight + dt.timedelta(days=1, microseconds=-1))
    with warehouse.transaction() as connection:
        wish = LandedObject(stream_id, sha256, arrival, arrived_at, name, info.path, landed=False)
        landed = catalogue.register_object(connection, wish, info.size)
        catalogue.note_change(connection, stream_id, sha256, info)
        if landed.path != info.path or landed.landed:
            return None
        journal.note(lake, journal.Sighting(landed, info.size, arrived_at, name))
        catalogue.add_sighting(connection, landed, arrived_at, name)
    return landed


def tidy(parts: Parts) -> list[str]:
    """Removes drafts that killed landings and decodings left, once an hour, and says what in `raw` is never read.

    Returns:
        A line for each link, pipe, socket or device: what it is and what to do.
    """
    lake = parts.lake
    marker = parts.home / _SWEPT
    # What became old enough since the last look waits for the next one.
    if not marker.exists() or marker.stat().st_mtime < time.time() - DRAFT_SECONDS:
        for zone in ("raw", "decoded", journal.ROOT):
            lake.sweep_drafts(zone)
        # A copy that releases up to 0.3 kept of `quality.quarantine`; nobody has ever read it.
        if "quarantine" in lake.folders():
            Lake(lake.uri("quarantine"), lake.endpoint).clear()
        marker.touch()
    return [f"{path} is {what} and is not read: put the file itself there" for path, what in lake.oddities("raw")]


def purge_originals(parts: Parts, stream: Stream, now: dt.datetime) -> int:
    """Deletes originals with personal fields that are older than the stream's `raw_retention_days` and were decoded.

    Held deliveries were not.

    Returns:
        How many objects were purged. Their decoded records, without personal values, stay.
    """
    if stream.raw_retention_days is None:
        return 0
    lake = parts.lake
    oldest = now - dt.timedelta(days=stream.raw_retention_days)
    with parts.warehouse.transaction() as connection:
        rows = connection.execute(
            "select sha256, path, feed_columns, record_count from catalogue.object where stream_id = %s and landed"
            " and purged_at is null and first_seen_at < %s and record_count is not null and held_fields is null",
            [stream.id, oldest],
        ).fetchall()
        for sha256, path, columns, records in rows:
            # While the header can still be read: a crash after it leaves an entry that the next call's replaces.
            journal.note(lake, journal.Purge(stream.id, sha256, now, columns, records))
            if lake.exists(path):
                lake.delete(path)
            connection.execute(
                "update catalogue.object set purged_at = %s where stream_id = %s and sha256 = %s",
                [now, stream.id, sha256],
            )
    return len(rows)
