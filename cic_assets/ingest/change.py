"""Whether a changed stream file makes accepted rows leave: then they stay until somebody says that they shall go.

One letter wrong in an expression, a `where`, the pattern of a record, rejects or skips all rows of an operator, and the
file is as valid as before. So what it accepts of an arrival is compared with what the former file accepted of the same
objects, before anything is replaced. New rules of a release and `CIC_RULE_SET` are nobody's edit: they ask nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.rows import Rows, pieces
from cic_assets.lake.zones import Lake
from cic_assets.ledger import accepted_files
from cic_assets.ledger.consent import accepted_changes
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection

# So much of an arrival may leave unasked: a stricter expression that rejects a few odd rows.
MAX_LOST_SHARE = 0.01

# Rows by the name of their file.
Files = Mapping[str, int]


@dataclass(frozen=True)
class Loss:
    """Accepted rows of an arrival that would leave.

    Attributes:
        before: how many there are, of files that are still the same.
        lost: how many would leave.
        file: the file that would lose most.
    """

    stream_id: str
    before: int
    lost: int
    file: str

    def __str__(self) -> str:
        """What would happen and what to do."""
        return (
            f"the stream file was changed, and {self.lost} of {self.before} accepted rows would leave (most of "
            f"{self.file}); they stay. Mend the file, or say that they shall go: cic streams accept {self.stream_id}"
        )


def loss(stream_id: str, before: Files, after: Files) -> Loss | None:
    """What a change takes of an arrival; None where that is so little that nobody is asked."""
    lost = {name: rows - after.get(name, 0) for name, rows in before.items() if rows > after.get(name, 0)}
    total, gone = sum(before.values()), sum(lost.values())
    if not gone or gone <= MAX_LOST_SHARE * total:
        return None
    return Loss(stream_id, total, gone, max(lost, key=lambda name: (lost[name], name)))


def losses(parts: Parts, lake: Lake, stream: Stream, days: Sequence[dt.date], new: Rows) -> dict[dt.date, Loss]:
    """The arrivals of which a changed stream file would take accepted rows that nobody has given up.

    Args:
        parts: lake, warehouse and engine.
        lake: where the rows are.
        stream: as its file is now.
        days: arrivals that are about to be replaced.
        new: what would replace their rows.
    """
    with parts.warehouse.transaction() as connection:
        if (stream.id, stream.fingerprint()) in accepted_changes(connection):
            return {}
        changed = _made_by_others(connection, stream, days)
        left_out = _left_out(connection, stream.id, changed)
    if not changed:
        return {}
    try:
        accepted_files.demand_arrivals(parts.warehouse, lake, stream.kind, stream.id, changed)
    except LakeDamagedError:
        # Nobody can tell what is there; the ingest that makes it anew must not be hindered.
        return {}
    old = _by_file(tables.arrival_rows(lake, stream.kind, KINDS[stream.kind].schema, stream.id, changed), left_out)
    now = _by_file(new, left_out)
    found = {day: loss(stream.id, old.get(day, {}), now.get(day, {})) for day in changed}
    return {day: each for day, each in found.items() if each is not None}


def _by_file(rows: Rows, left_out: set[tuple[dt.date, str]]) -> dict[dt.date, dict[str, int]]:
    counts: dict[dt.date, dict[str, int]] = {}
    for piece in pieces(rows, ["arrival_date", "source_file"]):
        found = pa.Table.from_batches([piece])
        for row in found.group_by(["arrival_date", "source_file"]).aggregate([([], "count_all")]).to_pylist():
            key = row["arrival_date"], row["source_file"]
            if key not in left_out:
                of_day = counts.setdefault(key[0], {})
                of_day[key[1]] = of_day.get(key[1], 0) + row["count_all"]
    return counts


def _made_by_others(connection: Connection, stream: Stream, days: Sequence[dt.date]) -> list[dt.date]:
    """Arrivals whose rows another version of the stream file made; of rows of older releases nobody knows."""
    rows = connection.execute(
        "select arrival_date from quality.ingest_count where stream_id = %s and arrival_date = any(%s)"
        " and stream_fingerprint <> %s order by 1",
        [stream.id, list(days), stream.fingerprint()],
    ).fetchall()
    return [day for (day,) in rows]


def _left_out(connection: Connection, stream_id: str, days: Sequence[dt.date]) -> set[tuple[dt.date, str]]:
    """Files that are not compared.

    Of another program's that are other ones now, rows left with the bytes. Those that are held for want of a personal
    field must go at once, and are named by their own check.
    """
    rows = connection.execute(
        "select arrival_date, original_name from catalogue.object"
        " where (not landed or held_fields is not null) and stream_id = %s and arrival_date = any(%s)",
        [stream_id, list(days)],
    ).fetchall()
    return {(day, name) for day, name in rows}
