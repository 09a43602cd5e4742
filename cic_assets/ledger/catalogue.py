"""The catalogue: which objects and partitions the lake has, and what ingest did with them. Lives in Postgres."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from psycopg import sql

from cic_assets.lake.zones import FileInfo
from cic_assets.warehouse.connect import Connection


@dataclass(frozen=True)
class LandedObject:
    """One content of one stream. `arrived_at` is its first sighting (UTC), `original_name` the name it had then.

    `sightings` are all of them, as (when, name), where `arrivals` read them.
    """

    stream_id: str
    sha256: str
    arrival_date: dt.date
    arrived_at: dt.datetime
    original_name: str
    path: str
    landed: bool
    sightings: tuple[tuple[dt.datetime, str], ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What ingest makes a stream's rows with.

    Attributes:
        stream_id: whose rows.
        kind: the stream's.
        parts: the digest of the stream file, the rule set's name, and the digest of its rules for the kind.
        reads_sightings: whether its rows depend on when the bytes were seen.
    """

    stream_id: str
    kind: str
    parts: tuple[str, ...]
    reads_sightings: bool

    @property
    def digest(self) -> str:
        """Another one where rows may be others."""
        return hashlib.sha256("\0".join(self.parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Arrival:
    """One stream's objects of one arrival date: the unit of ingest.

    `released`: SHA-256 of each object that a person released → findings that hold it no more.
    """

    stream_id: str
    arrival_date: dt.date
    objects: tuple[LandedObject, ...]
    released: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def fingerprint(self, recipe: Recipe) -> str:
        """Changes when an ingest would give other rows: new objects, another stream file, another rule set or rule."""
        parts = [*recipe.parts, *sorted(landed.sha256 for landed in self.objects)]
        if recipe.reads_sightings:
            parts += [repr(landed.sightings) for landed in sorted(self.objects, key=lambda each: each.sha256)]
        parts += [f"{sha256} released {names!r}" for sha256, names in sorted(self.released.items())]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def register_object(connection: Connection, landed: LandedObject, byte_count: int) -> LandedObject:
    """The catalogue's row of a content, made at its first sighting; the first arrival and name win for ever."""
    put_objects(connection, [(landed, byte_count)])
    return _objects(connection, "stream_id = %s and sha256 = %s", [landed.stream_id, landed.sha256])[0]


def put_objects(connection: Connection, objects: Sequence[tuple[LandedObject, int]]) -> int:
    """Rows of contents with their sizes, of those that have none; says how many."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.object"
            " (stream_id, sha256, arrival_date, first_seen_at, original_name, path, byte_count)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            [
                [
                    landed.stream_id, landed.sha256, landed.arrival_date, landed.arrived_at,
                    landed.original_name, landed.path, byte_count,
                ]
                for landed, byte_count in objects
            ],
        )  # fmt: skip
        return max(cursor.rowcount, 0)


# What `places` says of an object that we landed: its name is that of its bytes, which are written once and for all.
OURS = "ours"


def places(connection: Connection) -> dict[str, str | tuple[int, dt.datetime | None]]:
    """Paths of objects in `raw`: `OURS`, or of what another program put there, how long and how old it was."""
    rows = connection.execute(
        "select path, sha256, byte_count, modified_at, landed from catalogue.object order by landed"
    ).fetchall()
    found: dict[str, str | tuple[int, dt.datetime | None]] = {}
    for path, sha256, size, modified_at, is_landed in rows:
        if path.rsplit("/", 1)[-1].startswith(sha256):
            found[path] = OURS
        elif is_landed:
            found[path] = (int(size), modified_at and modified_at.astimezone(dt.UTC))
    return found


def move_object(connection: Connection, landed: LandedObject, path: str) -> LandedObject:
    """Says that the bytes of what another program had put into `raw` are to stand under their own name."""
    connection.execute(
        "update catalogue.object set path = %s, modified_at = null, landed = false"
        " where stream_id = %s and sha256 = %s",
        [path, landed.stream_id, landed.sha256],
    )
    return replace(landed, path=path)


def note_change(connection: Connection, stream_id: str, sha256: str, info: FileInfo) -> None:
    """Says what another program's object in `raw` is now; what it was before is no object any more."""
    connection.execute(
        "update catalogue.object set landed = false where path = %s and (stream_id, sha256) <> (%s, %s)",
        [info.path, stream_id, sha256],
    )
    connection.execute(
        "update catalogue.object set byte_count = %s, modified_at = %s where path = %s and stream_id = %s"
        " and sha256 = %s",
        [info.size, info.modified_at, info.path, stream_id, sha256],
    )


def add_sighting(connection: Connection, landed: LandedObject, seen_at: dt.datetime, name: str) -> None:
    """Says that the bytes are in the lake, and when and as what they were seen."""
    # Its arrival is due again, if the stream file asks for more than was left of it.
    connection.execute(
        "update catalogue.arrival set fingerprint = null, ingested_at = null, run_id = null"
        " where (stream_id, arrival_date) in (select stream_id, arrival_date from"
        " catalogue.object where stream_id = %s and sha256 = %s and missing_fields is not null)",
        [landed.stream_id, landed.sha256],
    )
    connection.execute(
        "update catalogue.object set landed = true, purged_at = null where stream_id = %s and sha256 = %s",
        [landed.stream_id, landed.sha256],
    )
    put_sightings(connection, [(landed, seen_at, name)])


def put_sightings(connection: Connection, sightings: Sequence[tuple[LandedObject, dt.datetime, str]]) -> None:
    """Keeps when and as what objects were seen, each once."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.sighting values (%s, %s, %s, %s) on conflict do nothing",
            [[landed.stream_id, landed.sha256, seen_at, name] for landed, seen_at, name in sightings],
        )


def arrivals(
    connection: Connection, stream_ids: Iterable[str], start: dt.date | None = None, end: dt.date | None = None
) -> list[Arrival]:
    """All arrivals of the streams with start <= arrival date < end, oldest first; only objects that are there."""
    condition = "landed and stream_id = any(%s) and arrival_date >= %s and arrival_date < %s"
    found = _objects(connection, condition, [list(stream_ids), start or dt.date.min, end or dt.date.max])
    seen: dict[tuple[str, str], list[tuple[dt.datetime, str]]] = {}
    for stream_id, sha256, moment, name in connection.execute(
        "select stream_id, sha256, seen_at, original_name from catalogue.sighting where stream_id = any(%s)"
        " order by seen_at, original_name",
        [list(stream_ids)],
    ).fetchall():
        seen.setdefault((stream_id, sha256), []).append((moment.astimezone(dt.UTC), name))
    groups: dict[tuple[dt.date, str], list[LandedObject]] = {}
    for landed in found:
        sightings = tuple(dict.fromkeys(seen.get((landed.stream_id, landed.sha256), ())))
        groups.setdefault((landed.arrival_date, landed.stream_id), []).append(replace(landed, sightings=sightings))
    passed = released(connection, stream_ids)
    return [
        Arrival(
            stream, day, tuple(objects),
            {each.sha256: passed[stream, each.sha256] for each in objects if (stream, each.sha256) in passed},
        )
        for (day, stream), objects in sorted(groups.items())
    ]  # fmt: skip


@dataclass(frozen=True)
class Release:
    """An object that a person lets pass though it was held, for what was found in it then."""

    stream_id: str
    sha256: str
    released_at: dt.datetime
    released_by: str
    reason: str
    findings: tuple[str, ...]


def put_releases(connection: Connection, releases: Sequence[Release]) -> None:
    """Keeps releases, each once."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.release values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
            [
                [each.stream_id, each.sha256, each.released_at, each.released_by, each.reason, list(each.findings)]
                for each in releases
            ],
        )


def releases(connection: Connection) -> list[Release]:
    """All of them, oldest first."""
    rows = connection.execute(
        "select stream_id, sha256, released_at, released_by, reason, findings from catalogue.release"
        " order by released_at, stream_id, sha256"
    ).fetchall()
    return [
        Release(stream, sha256, moment.astimezone(dt.UTC), by, why, tuple(found))
        for stream, sha256, moment, by, why, found in rows
    ]


def released(connection: Connection, stream_ids: Iterable[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(stream, SHA-256) → findings that hold it no more."""
    rows = connection.execute(
        "select stream_id, sha256, array_agg(distinct name order by name)"
        " from catalogue.release, unnest(findings) as n (name)"
        " where stream_id = any(%s) group by 1, 2",
        [list(stream_ids)],
    ).fetchall()
    return {(stream, sha256): tuple(names) for stream, sha256, names in rows}


def decoded_as(connection: Connection, paths: Mapping[str, LandedObject]) -> dict[str, tuple[int, str | None]]:
    """What decoding found: path of a decoded file → (its records, its SHA-256, None where that is unknown).

    Files that a crash left before the catalogue knew them are left out. What an earlier stream file found of an
    original that is there again does not count.
    """
    rows = connection.execute(
        "select wanted.path, coalesce(f.row_count, o.record_count), f.sha256"
        " from unnest(%s::text[], %s::text[], %s::text[]) as wanted (path, stream_id, sha256)"
        " join catalogue.object as o on (o.stream_id, o.sha256) = (wanted.stream_id, wanted.sha256)"
        " left join catalogue.decoded_file as f on f.path = wanted.path"
        " where o.record_count is not null and (o.missing_fields is null or o.purged_at is not null)",
        [[*paths], [each.stream_id for each in paths.values()], [each.sha256 for each in paths.values()]],
    ).fetchall()
    return {path: (int(records), sha256) for path, records, sha256 in rows}


def note_file(connection: Connection, path: str, rows: int, sha256: str) -> None:
    """Keeps what a decoded file holds."""
    connection.execute(
        "insert into catalogue.decoded_file values (%s, %s, %s) on conflict (path) do update"
        " set row_count = excluded.row_count, sha256 = excluded.sha256",
        [path, rows, sha256],
    )


def drop_files(connection: Connection, paths: Sequence[str]) -> None:
    """Forgets decoded files that are gone."""
    connection.execute("delete from catalogue.decoded_file where path = any(%s)", [list(paths)])


def is_purged(connection: Connection, landed: LandedObject) -> bool:
    """Whether the original went after its retention."""
    row = connection.execute(
        "select purged_at is not null from catalogue.object where stream_id = %s and sha256 = %s",
        [landed.stream_id, landed.sha256],
    ).fetchone()
    return bool(row and row[0])


def note_decoded(
    connection: Connection, landed: LandedObject, columns: list[str], records: int, absent: Sequence[str]
) -> None:
    """Keeps the file's header and record count, and of a held delivery the personal fields that it lacks."""
    connection.execute(
        "update catalogue.object set feed_columns = %s, record_count = %s, held_fields = %s, missing_fields = null"
        " where stream_id = %s and sha256 = %s",
        [columns, records, list(absent) or None, landed.stream_id, landed.sha256],
    )


def note_carried(connection: Connection, landed: LandedObject, missing: Sequence[str] | None) -> None:
    """Says that an object's decoding stays as it was, and which fields the stream file reads that it doesn't have."""
    connection.execute(
        "update catalogue.object set missing_fields = %s where stream_id = %s and sha256 = %s",
        [None if missing is None else list(missing), landed.stream_id, landed.sha256],
    )


@dataclass(frozen=True)
class Incomplete:
    """A delivery of which the stream file gets less than it asks for.

    Attributes:
        held: personal fields that it lacks; nothing of it is decoded. Empty if it isn't held.
        missing: its original is gone, and these fields were not read before. None if that is not so.
        findings: what is wrong with it as a whole, which holds it (`ingest/deliveries.py`).
    """

    stream_id: str
    arrival_date: dt.date
    original_name: str
    held: tuple[str, ...]
    missing: tuple[str, ...] | None
    findings: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether none of its rows is accepted."""
        return bool(self.held or self.findings)

    def __str__(self) -> str:
        """What it lacks and what to do."""
        where = f"{self.original_name} of {self.stream_id}, arrival {self.arrival_date},"
        if self.findings:
            return (
                f"{where} is held: {'; '.join(self.findings)}. Mend the stream file, or let it pass as it is: "
                f"`cic release {self.stream_id} --arrival {self.arrival_date} --why …`"
            )
        if self.held:
            return (
                f"{where} is held, as it has no field {', '.join(self.held)}, which may stand there under another "
                "name: mend personal_fields, or add the field to optional_fields"
            )
        lacks = f" lacks {', '.join(self.missing)}" if self.missing else " stays as it was decoded"
        return f"{where}{lacks}: the original was purged and the stream file has changed; land the file again"


def incomplete(connection: Connection, stream_id: str | None = None) -> list[Incomplete]:
    """All such deliveries, of one stream or of all, oldest first."""
    rows = connection.execute(
        "select stream_id, arrival_date, original_name, held_fields, missing_fields from catalogue.object"
        " where landed and (held_fields is not null or missing_fields is not null)"
        " and (%(stream)s::text is null or stream_id = %(stream)s) order by arrival_date, stream_id, original_name",
        {"stream": stream_id},
    ).fetchall()
    return [
        Incomplete(stream, day, name, tuple(held or ()), None if missing is None else tuple(missing))
        for stream, day, name, held, missing in rows
    ]


def new_columns(connection: Connection, stream_id: str) -> dict[dt.date, tuple[str, ...]]:
    """Fields that a stream's first arrival did not have, by the arrival that brought them."""
    rows = connection.execute(
        "select arrival_date, array_agg(column_name order by column_name) from quality.new_column"
        " where stream_id = %s group by arrival_date",
        [stream_id],
    ).fetchall()
    return {day: tuple(names) for day, names in rows}


def object_of(connection: Connection, stream_id: str, sha256: str) -> tuple[LandedObject, int] | None:
    """An object that is there, and its bytes; None where the stream has none with this SHA-256."""
    found = _objects(connection, "landed and stream_id = %s and sha256 = %s", [stream_id, sha256])
    row = connection.execute(
        "select byte_count from catalogue.object where stream_id = %s and sha256 = %s", [stream_id, sha256]
    ).fetchone()
    return (found[0], int(row[0])) if found and row else None


def _objects(connection: Connection, condition: str, values: list[object]) -> list[LandedObject]:
    query = sql.SQL(
        "select stream_id, sha256, arrival_date, first_seen_at, original_name, path, landed"
        " from catalogue.object where {} order by arrival_date, stream_id, sha256"
    ).format(sql.SQL(condition))
    return [LandedObject(*row) for row in connection.execute(query, values).fetchall()]
