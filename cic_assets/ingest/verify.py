"""Looks through the whole lake for what is gone or holds other bytes than were put there. Reads every file once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cic_assets.kinds.every import KINDS
from cic_assets.lake.digests import digest_of
from cic_assets.lake.zones import FileInfo, Lake, LakeError
from cic_assets.ledger.accepted_files import damages_of, message_of
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Warehouse

_PER_LOOK = 1000


def verify(parts: Parts) -> Iterator[str]:
    """A line for each damage: what, where, and what to do; none of a lake that is whole.

    Raises:
        OtherLakeError: the lake is not there, or not the warehouse's.
    """
    lake = parts.lake
    yield from _originals(parts.warehouse, lake)
    yield from _decoded(parts.warehouse, lake)
    for kind in KINDS:
        try:
            damages = damages_of(parts.warehouse, lake, kind)
        except LakeError as error:
            yield str(error)
            continue
        if damages:
            yield message_of(lake, kind, damages)


def _originals(warehouse: Warehouse, lake: Lake) -> Iterator[str]:
    with warehouse.transaction() as connection:
        rows = connection.execute(
            "select path, sha256, stream_id, original_name from catalogue.object where landed and purged_at is null"
            " order by path"
        ).fetchall()
    wrong = dict(_wrong(lake, [(path, sha256) for path, sha256, *_ in rows]))
    for path, _, stream_id, name in rows:
        if path in wrong:
            yield f"{lake.uri(path)} {wrong[path]}: restore it, or land {name} again (`cic land {stream_id} …`)"


def _decoded(warehouse: Warehouse, lake: Lake) -> Iterator[str]:
    """What is gone is no damage: it is made again from the original, or was of an earlier stream file."""
    with warehouse.transaction() as connection:
        rows = connection.execute("select path, sha256 from catalogue.decoded_file order by path").fetchall()
    for path, said in _wrong(lake, rows):
        if said != _GONE:
            yield f"{lake.uri(path)} {said}: the next ingest of its arrival makes it again from the original"


_GONE = "is gone"


def _wrong(lake: Lake, files: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of files that are to have a SHA-256."""
    for start in range(0, len(files), _PER_LOOK):
        part = files[start : start + _PER_LOOK]
        infos = lake.look_up([path for path, _ in part])
        for path, sha256 in part:
            said = _file_wrong(lake, infos.get(path), sha256)
            if said:
                yield path, said


def _file_wrong(lake: Lake, info: FileInfo | None, sha256: str) -> str | None:
    if info is None:
        return _GONE
    try:
        return None if digest_of(lake, info) == sha256 else "holds other bytes than were written"
    except LakeError:
        return "can't be read"
