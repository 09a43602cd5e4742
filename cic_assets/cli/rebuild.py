"""`cic rebuild`: a warehouse that was lost, made anew from the lake and the stream files. No Dagster until it computes.

The journal gives back what was seen, when and as what (`ledger/journal.py`); everything else is computed as always. An
interrupted rebuild goes on where it stopped when it is called again.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from cic_assets.cli import server
from cic_assets.errors import PlatformError
from cic_assets.ingest.landing import adopt_foreign
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import journal
from cic_assets.ledger.lake_id import forget_compared
from cic_assets.orchestrate.doors import lake_of, parts_of, set_up, warehouse_of
from cic_assets.parts import Parts
from cic_assets.settings import Settings
from cic_assets.warehouse.connect import Warehouse
from cic_assets.warehouse.migrate import OtherSchemaError

if TYPE_CHECKING:
    from cic_assets.orchestrate.runner import Runner, RunReport

LOG = logging.getLogger(__name__)
SCHEMAS = ("marts", "facts", "quality", "catalogue")
_SHOWN = 5


class RebuildError(PlatformError):
    """The warehouse can't be made anew; the message says why. What is there stays."""


@dataclass(frozen=True)
class Found:
    """What the lake knows of what was landed, as it stands in the catalogue now.

    Attributes:
        objects: contents.
        sightings: times that they were seen.
        purged: originals that retention removed.
        adopted: contents in `raw` without an entry in the journal; their arrival is the folder's date, their name the
            file's.
        lost: paths of originals that should be in the lake and are not; they are left out.
        unknown: streams without a stream file, which are not ingested.
    """

    objects: int
    sightings: int
    purged: int
    adopted: int
    lost: tuple[str, ...]
    unknown: tuple[str, ...]


def begin(settings: Settings, *, replace: bool) -> None:
    """An empty warehouse with all its tables and roles, or the one that an interrupted rebuild left.

    Raises:
        RebuildError: the warehouse has objects, and nobody said to replace it; UI and daemon run; the lake is empty.
        OtherSchemaError: its tables are of another release or damaged, and nobody said to replace it.
    """
    is_unusable = False
    try:
        set_up(settings)
    except OtherSchemaError:
        if not replace:
            raise
        is_unusable = True
    parts = parts_of(settings)
    objects, is_unfinished = (0, False) if is_unusable else _state(parts.warehouse)
    if replace or not (objects or is_unfinished):
        _demand_anything(settings)
    if replace and (objects or is_unfinished or is_unusable):
        if server.running_pid(settings) is not None:
            raise RebuildError("UI and daemon are running and would write meanwhile: `cic down` first")
        # Nothing may be lost that only this warehouse knows.
        _save_what_is_left(parts)
        _drop(settings)
        forget_compared()
        set_up(settings)
        objects, is_unfinished = 0, False
    if objects and not is_unfinished:
        raise RebuildError(
            f"the warehouse has {objects} objects, so it is not lost: `cic run daily` and `cic run monthly` compute "
            "what is pending; `cic rebuild --replace` drops all its tables and makes them anew from the lake"
        )
    if not is_unfinished:
        with parts.warehouse.transaction() as connection:
            connection.execute("insert into catalogue.rebuild default values")


def _save_what_is_left(parts: Parts) -> None:
    """Takes into the lake's journal what only this warehouse knows, as far as its tables are there."""
    try:
        _demand_readable(journal.agree(parts.warehouse, parts.lake))
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        LOG.warning("what the journal does not know yet can't be read from the warehouse: %s", str(error).strip())


def take_up(settings: Settings, streams: dict[str, Stream], now: dt.datetime) -> Found:
    """The catalogue as the journal has it, and objects that no entry names.

    Raises:
        RebuildError: an entry can't be read.
    """
    parts = parts_of(settings)
    _demand_readable(journal.agree(parts.warehouse, parts.lake))
    adopted = adopt_foreign(parts, streams, now)
    there = set(parts.lake.files("raw"))
    with parts.warehouse.transaction() as connection:
        row = connection.execute(
            "select count(*), count(purged_at), (select count(*) from catalogue.sighting),"
            " coalesce(array_agg(distinct stream_id order by stream_id), '{}') from catalogue.object"
        ).fetchone()
        paths = connection.execute(
            "select path from catalogue.object as o where purged_at is null"
            " and exists (select from catalogue.sighting where (stream_id, sha256) = (o.stream_id, o.sha256))"
            " order by path"
        ).fetchall()
        lost = tuple(path for (path,) in paths if path not in there)
        connection.execute("update catalogue.object set landed = false where path = any(%s)", [list(lost)])
    assert row is not None
    objects, purged, sightings, ids = row
    return Found(objects, sightings, purged, len(adopted), lost, tuple(set(ids) - streams.keys()))


def said_of(found: Found) -> list[str]:
    """What was found, in lines for whoever called."""
    lines = [
        f"journal: {found.objects} objects, seen {found.sightings} times, {found.purged} of them purged after retention"
    ]
    if found.adopted:
        lines.append(
            f"{found.adopted} objects are in no entry of the journal: they arrived on their folder's date, and their "
            "names are their files'"
        )
    if found.lost:
        more = f" and {len(found.lost) - _SHOWN} more" if len(found.lost) > _SHOWN else ""
        lines.append(
            f"{len(found.lost)} originals are not in the lake and are left out: land them again, "
            f"{', '.join(found.lost[:_SHOWN])}{more}"
        )
    if found.unknown:
        lines.append(
            f"no stream file for {', '.join(sorted(found.unknown))}: not ingested; add their files to CIC_STREAMS, and "
            "`cic run daily` ingests them"
        )
    return lines


def compute(runner: Runner) -> Iterator[RunReport]:
    """Everything that is pending, in the order in which one needs the other; each report as its run ends."""
    for work in (runner.ingest, runner.days, runner.months, runner.dimensions):
        yield from work()


def finish(settings: Settings) -> None:
    """Says that the rebuild is done: from now on the warehouse is one that is not empty."""
    with warehouse_of(settings).transaction() as connection:
        connection.execute("update catalogue.rebuild set finished_at = now() where finished_at is null")


def _state(warehouse: Warehouse) -> tuple[int, bool]:
    """(objects in the catalogue, whether a rebuild was begun and not finished)."""
    with warehouse.transaction() as connection:
        row = connection.execute(
            "select (select count(*) from catalogue.object),"
            " exists (select from catalogue.rebuild where finished_at is null)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def _drop(settings: Settings) -> None:
    with warehouse_of(settings).transaction() as connection:
        for schema in SCHEMAS:
            connection.execute(f"drop schema if exists {schema} cascade".encode())


def _demand_anything(settings: Settings) -> None:
    """The lake has objects or a journal: another folder must not become an empty warehouse that looks done."""
    lake = lake_of(settings)
    if not lake.files(journal.ROOT) and not lake.files("raw"):
        raise RebuildError(f"the lake {settings.lake} has neither objects nor a journal: is CIC_LAKE right?")


def _demand_readable(agreement: journal.Agreement) -> None:
    if agreement.unreadable:
        faults = "; ".join(agreement.unreadable[:_SHOWN])
        raise RebuildError(
            f"{len(agreement.unreadable)} files of the journal can't be read: {faults}: restore them, or move them away"
        )
