"""Landing: bytes as received, once per content, in `raw`; and what drops into `raw` without us. Decodes nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cic_assets.lake import catalogue
from cic_assets.lake.catalogue import LandedObject
from cic_assets.lake.zones import lake_of, parse_raw_path, raw_path
from cic_assets.settings import Settings
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect


class LandingError(Exception):
    """A file can't be landed; the message names it."""


@dataclass(frozen=True)
class Landing:
    """What became of one `land` call: the object, and whether its bytes were new to the stream."""

    landed: LandedObject
    new: bool


def land(settings: Settings, stream: Stream, file: Path, arrived_at: dt.datetime | None = None) -> Landing:
    """Puts a file into the stream's raw partition, atomically and once per content.

    The catalogue's row comes first and the bytes second, so that a rerun after a crash keeps the first arrival. Equal
    bytes under another name or on another day are a further sighting of the same object.

    Args:
        settings: where lake and warehouse are.
        stream: whose file it is.
        file: a local file.
        arrived_at: when the platform first saw the bytes, for migrations and simulations; default: now.

    Raises:
        LandingError: no such file, or `arrived_at` outside the local environment.
    """
    if not file.is_file():
        raise LandingError(f"{file}: no such file")
    if arrived_at is not None and settings.environment == "prod":
        raise LandingError("--arrived-at is for local use and migrations, not for CIC_ENVIRONMENT=prod")
    seen_at = (arrived_at or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    with file.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    name = shown_name(file)
    suffixes = [suffix for suffix in file.suffixes[-2:] if suffix[1:].isalnum() and len(suffix) <= 6]
    extension = "".join(suffix for suffix in suffixes if suffix.isascii()).lower()
    lake = lake_of(settings)
    wish = LandedObject(
        stream.id, sha256, seen_at.date(), seen_at, name,
        raw_path(stream.id, seen_at.date(), sha256, extension), landed=False,
    )  # fmt: skip
    with connect(settings) as connection:
        landed = catalogue.register_object(connection, wish, file.stat().st_size)
    if not lake.exists(landed.path):
        lake.copy_in(file, landed.path)
    with connect(settings) as connection:
        catalogue.add_sighting(connection, landed, seen_at, name)
    return Landing(landed, new=not landed.landed)


def shown_name(file: Path) -> str:
    r"""A file's name without folder, as text: a byte that is no UTF-8 stands as \xNN, as Postgres takes no other."""
    return os.fsencode(file.name).decode("utf-8", "backslashreplace")


def adopt_foreign(settings: Settings, streams: dict[str, Stream], now: dt.datetime) -> list[LandedObject]:
    """Registers objects that something else put into `raw` (a Kafka sink, a copied lake), by their path's date.

    Returns:
        The new objects. Paths of unknown streams or of another shape are left alone.
    """
    lake = lake_of(settings)
    with connect(settings) as connection:
        known = {row[0] for row in connection.execute("select path from catalogue.object").fetchall()}
    adopted = []
    for path in lake.files("raw"):
        place = parse_raw_path(path)
        if path in known or place is None or place[0] not in streams:
            continue
        stream_id, arrival, name = place
        with lake.read(path) as handle:
            sha256 = hashlib.file_digest(cast(io.BufferedReader, handle), "sha256").hexdigest()
        midnight = dt.datetime.combine(arrival, dt.time(), dt.UTC)
        arrived_at = min(max(midnight, now), midnight + dt.timedelta(days=1, microseconds=-1))
        with connect(settings) as connection:
            wish = LandedObject(stream_id, sha256, arrival, arrived_at, name, path, landed=False)
            landed = catalogue.register_object(connection, wish, lake.size(path))
            if landed.path == path:
                catalogue.add_sighting(connection, landed, arrived_at, name)
                adopted.append(landed)
    return adopted


def purge_originals(settings: Settings, stream: Stream, now: dt.datetime) -> int:
    """Deletes originals with personal fields that are older than the stream's `raw_retention_days` and were decoded.

    Returns:
        How many objects were purged. Their decoded records, without personal values, stay.
    """
    if stream.raw_retention_days is None:
        return 0
    lake = lake_of(settings)
    oldest = now - dt.timedelta(days=stream.raw_retention_days)
    with connect(settings) as connection:
        rows = connection.execute(
            "select sha256, path from catalogue.object where stream_id = %s and landed and purged_at is null"
            " and first_seen_at < %s and record_count is not null",
            [stream.id, oldest],
        ).fetchall()
        for sha256, path in rows:
            if lake.exists(path):
                lake.delete(path)
            connection.execute(
                "update catalogue.object set purged_at = %s where stream_id = %s and sha256 = %s",
                [now, stream.id, sha256],
            )
    return len(rows)
