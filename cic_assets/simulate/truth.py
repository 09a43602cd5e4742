"""What a reader of the simulated files should find: counted from the plan, never from the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cic_assets.simulate.dirt import Row

# What the platform writes into `flags` of an accepted row where that is not the rule's id.
_MARKS = {"S07": "failed_start", "DST": "dst"}
_FLAGGING = ("S06", "S07", "S08", "S09", "S11", "DST")


@dataclass(frozen=True)
class DirtyLine:
    """A line that is not a plain clean row.

    Attributes:
        file: name of the file.
        line: physical line, from 1; a CSV's header is line 1.
        kind: as in `simulate/dirt.py`; `clock_change` for a clean row in the hour that occurs twice.
        fate: facts, quarantined, open, duplicates or superseded.
        fires: ids of the rules that fire on it, sorted.
    """

    file: str
    line: int
    kind: str
    fate: str
    fires: tuple[str, ...]


@dataclass(frozen=True)
class StreamTruth:
    """What is in one stream. `rows` = `in_facts` + `quarantined` + `open` + `duplicates` + `superseded`.

    Attributes:
        rows: lines with a record, of all files.
        in_facts: sessions, credits and credited ones included.
        quarantined: rows that a rule rejects.
        open: sessions that never end.
        duplicates: exact repetitions in a later file.
        superseded: versions that a later one replaces.
        credits: credit CDRs, in facts; each credits one other row.
        late: rows that arrive two files after their own.
        charge_points: with at least one row in facts.
        kinds: kind of dirt → rows (an overlap, a duplicate, a superseded or credited one: two each).
        fires: rule id → rows on which it fires, rejected rows included. S08 counts 0 < energy < 0.5 and > 250 kWh:
            neither zero (S07) nor negative energy (S03). S11 looks at other rows, all others at one.
        flags: mark → rows in facts that bear it (`failed_start` for S07, `dst`, `credit`, `credited`, else the rule).
        kwh_in_facts: of all rows in facts.
        sessions_counted: rows in facts without credits and credited ones: the sum of `session_count`.
        failed_sessions: of these, without energy.
        kwh_counted: energy of these.
    """

    rows: int
    in_facts: int
    quarantined: int
    open: int
    duplicates: int
    superseded: int
    credits: int
    late: int
    charge_points: int
    kinds: dict[str, int]
    fires: dict[str, int]
    flags: dict[str, int]
    kwh_in_facts: Decimal
    sessions_counted: int
    failed_sessions: int
    kwh_counted: Decimal


def truth_of(rows: Sequence[Row]) -> StreamTruth:
    """Counts of the rows of one stream."""
    fates = Counter(row.fate for row in rows)
    facts = [row for row in rows if row.fate == "facts"]
    counted = [row for row in facts if not (row.credit or row.credited)]
    return StreamTruth(
        rows=len(rows),
        in_facts=len(facts),
        quarantined=fates["quarantined"],
        open=fates["open"],
        duplicates=fates["duplicates"],
        superseded=fates["superseded"],
        credits=sum(row.credit for row in rows),
        late=sum(row.kind == "late" for row in rows),
        charge_points=len({row.charge.connector.charge_point for row in facts}),
        kinds=_sorted_counts(row.kind for row in rows if row.kind),
        fires=_sorted_counts(rule for row in rows for rule in row.fires),
        flags=_sorted_counts(mark for row in facts for mark in _marks(row)),
        kwh_in_facts=_kwh(facts),
        sessions_counted=len(counted),
        failed_sessions=sum(row.charge.energy_wh == 0 for row in counted),
        kwh_counted=_kwh(counted),
    )


def _marks(row: Row) -> list[str]:
    marks = [_MARKS.get(rule, rule) for rule in row.fires if rule in _FLAGGING]
    return marks + ["credit"] * row.credit + ["credited"] * row.credited


def _sorted_counts(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _kwh(rows: Iterable[Row]) -> Decimal:
    return Decimal(sum(row.charge.energy_wh for row in rows)).scaleb(-3)
