"""Which lake it is: a small file at its root, written once, and the same in the warehouse.

What is not there is not empty: a folder that is not mounted, another `CIC_LAKE` or an emptied bucket looks like a lake
without rows, and facts would be replaced by nothing. So whoever opens the lake compares, before anything is read or
written. A lake that moved is the same one. One without the file (of a release before, or restored without it) is known
by its objects.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from cic_assets.lake.zones import Lake, LakeError
from cic_assets.warehouse.connect import Connection, Warehouse

LAKE_FILE = "lake.json"
# So many of the catalogue's files are looked for in a lake without its file.
_SAMPLE = 100
# What this process has compared: lake, warehouse → identity. The lake's file is read again each time it is a folder.
_compared: dict[tuple[str, str], str] = {}


class OtherLakeError(LakeError):
    """The lake is not there, or not the one that the warehouse knows; the message names both."""


def open_lake(warehouse: Warehouse, lake: Lake) -> Lake:
    """The lake, if it is the one that its warehouse knows; made at first use.

    Raises:
        OtherLakeError: it is another one, or not there. Nothing was read or written.
        LakeError: its file can't be read or written.
    """
    key = (lake.root, warehouse.name)
    known = _compared.get(key)
    # A bucket does not come unmounted under a process.
    if known is not None and (lake.is_on_s3 or _read(lake) == known):
        return lake
    with warehouse.transaction() as connection:
        _compared[key] = _compare(connection, lake)
    return lake


def forget_compared() -> None:
    """After the warehouse's tables were made anew: the next look at the lake tells them which one it is."""
    _compared.clear()


def _compare(connection: Connection, lake: Lake) -> str:
    """The lake's identity, which the warehouse knows from now on."""
    # One at a time: of two that make a new lake's file, the second one reads the first one's.
    connection.execute("lock table catalogue.lake in share row exclusive mode")
    row = connection.execute("select lake_id, root from catalogue.lake").fetchone()
    found = _read(lake)
    if row is None and found is not None and not _has_objects(connection, lake):
        raise OtherLakeError(
            f"CIC_LAKE={lake.root} is the lake {found}, and has none of the objects that this warehouse knows: "
            f"{_WAY_OUT}"
        )
    if row is not None and found != row[0]:
        if found is not None:
            raise OtherLakeError(
                f"CIC_LAKE={lake.root} is the lake {found}, but this warehouse knows the lake {row[0]}, last at "
                f"{row[1]}: {_WAY_OUT}"
            )
        if not _has_objects(connection, lake):
            raise OtherLakeError(
                f"CIC_LAKE={lake.root} {_state(lake)}, but this warehouse knows the lake {row[0]}, last at {row[1]}: "
                f"{_WAY_OUT}"
            )
    if row is None and found is None and not _has_objects(connection, lake):
        raise OtherLakeError(
            f"CIC_LAKE={lake.root} {_state(lake)}, and has none of the objects that this warehouse knows: {_WAY_OUT}"
        )
    lake_id = found or _write(lake, row[0] if row else str(uuid.uuid4()))
    connection.execute(
        "insert into catalogue.lake (lake_id, root) values (%s, %s) on conflict (is_only) do update"
        " set root = excluded.root where lake.root <> excluded.root",
        [lake_id, lake.root],
    )
    return lake_id


_WAY_OUT = (
    "mount or restore that lake, or set CIC_LAKE to where it is now; another lake needs another warehouse (CIC_HOME or "
    "CIC_WAREHOUSE_URL). Nothing was read or replaced"
)


def _state(lake: Lake) -> str:
    if not lake.is_on_s3 and not Path(lake.root).is_dir():
        return "is not there (not mounted?)"
    return f"has no {LAKE_FILE}" if lake.folders() else "is empty (not mounted?)"


def _has_objects(connection: Connection, lake: Lake) -> bool:
    """Whether any of the files that the catalogue knows is there; true if it knows of none."""
    rows = connection.execute(
        "(select path from catalogue.object where landed and purged_at is null limit %(limit)s) union all"
        " (select 'accepted/' || kind || '/' || path from catalogue.accepted_file limit %(limit)s) union all"
        " (select path from catalogue.decoded_file limit %(limit)s)",
        {"limit": _SAMPLE},
    ).fetchall()
    return not rows or bool(lake.look_up([row[0] for row in rows]))


def _read(lake: Lake) -> str | None:
    """The identity that a lake carries; None without its file."""
    content = _content(lake)
    if content is None:
        return None
    try:
        return str(uuid.UUID(json.loads(content)["lake_id"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OtherLakeError(
            f"{lake.uri(LAKE_FILE)} does not say which lake it is: restore it, or remove it, so that the lake is known "
            "by its objects. Nothing was read or replaced"
        ) from error


def _content(lake: Lake) -> bytes | None:
    if lake.is_on_s3:
        if not lake.exists(LAKE_FILE):
            return None
        with lake.read(LAKE_FILE) as handle:
            return handle.read()
    # Asked before every step and object: as short as it can be.
    try:
        return Path(lake.root, LAKE_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LakeError(f"{lake.uri(LAKE_FILE)} can't be read: {error.strerror}; mend it and run again") from error


def _write(lake: Lake, lake_id: str) -> str:
    """Writes the file; what it says then, as another process may have been faster."""
    lake.write_once(LAKE_FILE, json.dumps({"lake_id": lake_id}).encode() + b"\n")
    found = _read(lake)
    if found is None:
        raise LakeError(f"{lake.uri(LAKE_FILE)} was written and is not there: look at the storage and run again")
    return found
