"""The files of the accepted tables as ingest left them, kept in the warehouse, and compared with before they are read.

A log that is gone or rolled back names fewer files, or older ones; a file may be gone, or hold other bytes. Facts of
what is left would replace good ones, so that such a table is not read; ingest makes its arrivals anew from `raw`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from cic_assets.lake import tables
from cic_assets.lake.digests import LakeDamagedError, digest_of
from cic_assets.lake.tables import AcceptedFile
from cic_assets.lake.zones import FileInfo, Lake, LakeError
from cic_assets.warehouse.connect import Connection, Warehouse

Arrival = tuple[str, dt.date]
# How many arrivals a message names.
_SHOWN = 5
_LIMITED = sql.SQL(
    "(%(stream)s::text is null or stream_id = %(stream)s)"
    " and (%(days)s::date[] is null or arrival_date = any(%(days)s))"
)


@dataclass(frozen=True)
class Noted:
    """An accepted file as it was written.

    Attributes:
        file: as the table's log named it.
        byte_count: its size.
        modified_at: when its storage wrote it.
        sha256: of its bytes.
    """

    file: AcceptedFile
    byte_count: int
    modified_at: dt.datetime
    sha256: str


@dataclass
class _State:
    """What is known of a kind's accepted rows, by arrival.

    Attributes:
        counts: rows that ingest counted.
        done: arrivals whose last ingest was finished; of others the rows may be in the middle of a swap.
        pending: arrivals of objects that wait for their first ingest.
        noted: files as they were written.
        found: files that the table's log names now.
    """

    counts: dict[Arrival, int]
    done: set[Arrival]
    pending: set[Arrival]
    noted: dict[Arrival, list[Noted]] = field(default_factory=dict)
    found: dict[Arrival, list[AcceptedFile]] = field(default_factory=dict)


def demand_whole(
    warehouse: Warehouse, lake: Lake, kind: str, start: dt.date | None = None, end: dt.date | None = None
) -> None:
    """The accepted rows of a kind with start <= event date < end are those that ingest wrote.

    Raises:
        LakeDamagedError: they are not; the message names table, stream, arrival and rows.
    """
    damages = damages_of(warehouse, lake, kind, start, end)
    if damages:
        raise LakeDamagedError(message_of(lake, kind, damages))


def demand_arrivals(warehouse: Warehouse, lake: Lake, kind: str, stream_id: str, days: Sequence[dt.date]) -> None:
    """Accepted rows of a stream's arrivals are those that ingest wrote.

    Raises:
        LakeDamagedError: as `demand_whole`.
    """
    damages = damages_of(warehouse, lake, kind, some=(stream_id, days))
    if damages:
        raise LakeDamagedError(message_of(lake, kind, damages))


def message_of(lake: Lake, kind: str, damages: Mapping[Arrival, str]) -> str:
    """What is wrong with a table, where, and what to do."""
    named = [f"{stream}, arrival {day}: {said}" for (stream, day), said in sorted(damages.items())[:_SHOWN]]
    more = f" and {len(damages) - _SHOWN} more arrivals" if len(damages) > _SHOWN else ""
    days = sorted(day for _, day in damages)
    return (
        f"{lake.uri(f'accepted/{kind}')} is not what was accepted: {'; '.join(named)}{more}. Nothing was replaced: "
        f"restore it from a backup, or ingest again with `cic run daily --from {days[0]} --to {days[-1]}`"
    )


def damages_of(
    warehouse: Warehouse,
    lake: Lake,
    kind: str,
    start: dt.date | None = None,
    end: dt.date | None = None,
    some: tuple[str, Sequence[dt.date]] | None = None,
) -> dict[Arrival, str]:
    """What is wrong with the accepted rows of a kind with start <= event date < end, by arrival.

    Args:
        warehouse: where it is kept what was written.
        lake: where the table is.
        kind: whose table.
        start: the first date; None from the beginning.
        end: the date after the last; None to the end.
        some: a stream and arrivals of it, to which it is limited.
    """
    found = tables.files_of(lake, kind) if some is None else tables.arrival_files(lake, kind, *some)
    with warehouse.transaction() as connection:
        state = _state(connection, kind, *(some or (None, None)))
    for file in found:
        state.found.setdefault((file.stream_id, file.arrival_date), []).append(file)
    _adopt(warehouse, lake, kind, state)
    damages = {
        key: said
        for key in {*state.noted, *state.found, *state.counts}
        if (said := _rows_wrong(state, key)) and _reaches(state, key, start, end)
    }
    read = {file.path for file in found if _is_within(file.event_date, start, end)}
    noted = [each for files in state.noted.values() for each in files if each.file.path in read]
    return _bytes_wrong(lake, kind, noted) | damages


def _is_within(date: dt.date | None, start: dt.date | None, end: dt.date | None) -> bool:
    if start is None and end is None:
        return True
    return date is not None and (start or dt.date.min) <= date < (end or dt.date.max)


def _reaches(state: _State, key: Arrival, start: dt.date | None, end: dt.date | None) -> bool:
    """Whether a file between two dates is named by the log and not written by ingest, or the other way round."""
    noted = {each.file.path: each.file for each in state.noted.get(key, ())}
    found = {file.path: file for file in state.found.get(key, ())}
    other = [(noted | found)[path] for path in noted.keys() ^ found.keys()]
    # Of a release before, which kept no files, nobody knows the dates of rows that are gone.
    return not noted or any(_is_within(file.event_date, start, end) for file in other)


def _rows_wrong(state: _State, key: Arrival) -> str | None:
    """What is wrong with an arrival's files as the log names them; None if nothing is."""
    noted, found = state.noted.get(key, []), state.found.get(key, [])
    expected, there = sum(each.file.row_count for each in noted), sum(file.row_count for file in found)
    if key not in state.done:
        if noted and not found:
            return f"{expected} rows expected, 0 found"
        if found and key not in state.counts and key not in state.pending:
            return f"{there} rows, of which this warehouse knows nothing"
        # In the middle of a swap, or of one that was broken off: the next ingest ends it.
        return None
    if not noted:
        expected = state.counts.get(key, 0)
    if {each.file.path for each in noted} == {file.path for file in found} and expected == there:
        return None
    other = ", in other files" if expected == there else ""
    return f"{expected} rows expected, {there} found{other}"


def _adopt(warehouse: Warehouse, lake: Lake, kind: str, state: _State) -> None:
    """Notes the files of arrivals that a release before ingested, where their rows are as many as it counted."""
    adopted = {
        key: note(lake, kind, state.found[key])
        for key, count in state.counts.items()
        if count and key in state.done and key not in state.noted
        and sum(file.row_count for file in state.found.get(key, ())) == count
    }  # fmt: skip
    if adopted:
        with warehouse.transaction() as connection:
            for (stream_id, day), files in adopted.items():
                keep(connection, kind, stream_id, [day], files)
    state.noted |= adopted


def _bytes_wrong(lake: Lake, kind: str, noted: Sequence[Noted]) -> dict[Arrival, str]:
    """Files that are gone, can't be read or hold other bytes, by arrival."""
    infos = _infos(lake, kind, [each.file.path for each in noted])
    wrong: dict[Arrival, list[str]] = {}
    rows: dict[Arrival, list[int]] = {}
    for each in noted:
        key = (each.file.stream_id, each.file.arrival_date)
        said = _file_wrong(lake, each, infos.get(each.file.path))
        total = rows.setdefault(key, [0, 0])
        total[0] += each.file.row_count
        if said is None:
            total[1] += each.file.row_count
        else:
            wrong.setdefault(key, []).append(f"{each.file.path} {said}")
    return {
        key: f"{rows[key][0]} rows expected, {rows[key][1]} found: {said[0]}"
        + (f" and {len(said) - 1} more files" if said[1:] else "")
        for key, said in wrong.items()
    }


def _file_wrong(lake: Lake, noted: Noted, info: FileInfo | None) -> str | None:
    if info is None:
        return "is gone"
    # A bucket changes no object without its time; a disk may.
    if lake.is_on_s3 and (info.size, info.modified_at) == (noted.byte_count, noted.modified_at):
        return None
    try:
        changed = info.size != noted.byte_count or digest_of(lake, info) != noted.sha256
    except LakeError:
        return "can't be read"
    return "holds other bytes than were written" if changed else None


def _infos(lake: Lake, kind: str, paths: Sequence[str]) -> dict[str, FileInfo]:
    """Files of a kind's table by their path in it."""
    folder = f"accepted/{kind}/"
    if lake.is_on_s3:
        # A listing of a thousand files costs as much as a question for one.
        wanted = set(paths)
        listed = {info.path.removeprefix(folder): info for info in lake.infos(folder.rstrip("/"))} if paths else {}
        return {path: info for path, info in listed.items() if path in wanted}
    return {path.removeprefix(folder): info for path, info in lake.look_up([folder + path for path in paths]).items()}


def note(lake: Lake, kind: str, files: Sequence[AcceptedFile]) -> list[Noted]:
    """Files of the accepted table as they are now.

    Raises:
        LakeDamagedError: one is gone.
    """
    infos = _infos(lake, kind, [file.path for file in files])
    gone = [file.path for file in files if file.path not in infos]
    if gone:
        raise LakeDamagedError(f"{lake.uri(f'accepted/{kind}/{gone[0]}')} is gone; nothing was replaced, run again")
    noted = []
    for file in files:
        info = infos[file.path]
        noted.append(Noted(file, info.size, info.modified_at, digest_of(lake, info)))
    return noted


def keep(connection: Connection, kind: str, stream_id: str, days: Sequence[dt.date], files: Iterable[Noted]) -> None:
    """Replaces what is known of the files of a stream's arrivals."""
    connection.execute(
        "delete from catalogue.accepted_file where stream_id = %s and arrival_date = any(%s)", [stream_id, list(days)]
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalogue.accepted_file values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                [
                    kind, stream_id, each.file.arrival_date, each.file.event_date, each.file.path, each.file.row_count,
                    each.byte_count, each.modified_at, each.sha256,
                ]
                for each in files
            ],
        )  # fmt: skip


_COUNTS = sql.SQL(
    "select i.stream_id, i.arrival_date, i.accepted, g.fingerprint is not null"
    " from quality.ingest_count as i join catalogue.stream as s using (stream_id)"
    " left join catalogue.arrival as g using (stream_id, arrival_date) where s.kind = %(kind)s and {}"
)
_OBJECTS = sql.SQL("select distinct stream_id, arrival_date from catalogue.object where {}")
_FILES = sql.SQL(
    "select stream_id, arrival_date, event_date, path, row_count, byte_count, modified_at, sha256"
    " from catalogue.accepted_file where kind = %(kind)s and {}"
)


def _state(connection: Connection, kind: str, stream_id: str | None, days: Sequence[dt.date] | None) -> _State:
    limits = {"kind": kind, "stream": stream_id, "days": None if days is None else list(days)}
    counts = connection.execute(_COUNTS.format(_LIMITED), limits).fetchall()
    pending = connection.execute(_OBJECTS.format(_LIMITED), limits).fetchall()
    state = _State(
        {(stream, day): int(rows) for stream, day, rows, _ in counts},
        {(stream, day) for stream, day, _, is_done in counts if is_done},
        set(pending),
    )
    for stream, day, event_date, path, rows, size, modified_at, sha256 in connection.execute(
        _FILES.format(_LIMITED), limits
    ):
        file = AcceptedFile(stream, day, event_date, path, int(rows))
        noted = Noted(file, int(size), modified_at.astimezone(dt.UTC), sha256)
        state.noted.setdefault((stream, day), []).append(noted)
    return state
