"""A fact and its one life, outside Dagster: claim → demand → compute → audit → refuse or swap → what is to be said.

Assets, command line, fault sweep and tests all call `compute_window`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from cic_assets.errors import PlatformError
from cic_assets.facts import outcome
from cic_assets.facts.expected import Missing, expected_feeds, missing_feeds, spared
from cic_assets.facts.finding import Check, Finding
from cic_assets.facts.unfinished import failed_of, no_stream_is_missing, nothing_unresolved, pending_restatement
from cic_assets.lake.rows import Rows
from cic_assets.lake.zones import Lake
from cic_assets.ledger.periods import OUTCOME, Window, claim_window, swap_window
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Connection, Warehouse


@dataclass(frozen=True)
class Table:
    """A table of a fact, `schema.name`; `date_column` says in which period a row is."""

    name: str
    date_column: str
    description: str


@dataclass(frozen=True)
class Computed:
    """One window's rows, which lie in staging.

    Attributes:
        rows: by table.
        rows_read: how many accepted rows were read.
        outcomes: what became of them, as in `quality.outcome`; none of a fact that is made of other facts.
        findings: what the computation itself found.
    """

    rows: Mapping[str, Rows]
    rows_read: int = 0
    outcomes: Rows = outcome.NONE
    findings: tuple[Finding, ...] = ()


def _nothing(*_: object) -> tuple[()]:
    return ()


def _unchanged(connection: Connection, window: Window) -> None:
    """Nothing else belongs to the swap's transaction."""


@dataclass(frozen=True)
class Fact:
    """One fact.

    Attributes:
        name: in the ledger.
        asset: the name of what computes it in Dagster.
        is_monthly: whether its periods are months or days.
        tables: the first is the fact itself.
        reads: Dagster's keys, `schema.name`, of what the first table is made of.
        compute: the rows of a window, into staging.
        checks: what `audit`, `compute` and `look` find; findings of the blocking ones refuse the swap.
        audit: what is found in the rows before they replace others.
        kind: the kind of stream that it is made of, whose promised feeds and unfinished arrivals are told; None where
            it is made of other facts.
        demand: raises where something that the window needs is missing.
        makes_stale: (fact, period) that look at the window's rows; marked in the swap's transaction.
        then: what else belongs to the swap's transaction.
        look: what is found once the rows are there.
    """

    name: str
    asset: str
    is_monthly: bool
    tables: tuple[Table, ...]
    reads: tuple[str, ...]
    compute: Callable[[Parts, Window, Lake], Computed]
    checks: tuple[Check, ...]
    audit: Callable[[Computed], Sequence[Finding]] = _nothing
    kind: str | None = None
    demand: Callable[[Parts, Window], object] = _nothing
    makes_stale: Callable[[Parts, Window, Computed], Iterable[tuple[str, dt.date]]] = _nothing
    then: Callable[[Connection, Window], None] = _unchanged
    look: Callable[[Parts, Window, Computed], Sequence[Finding]] = _nothing

    def window(self, start: dt.date, end: dt.date) -> Window:
        """The periods of start <= date < end."""
        return Window(self.name, start, end, monthly=self.is_monthly)

    def is_refused_by(self, finding: Finding) -> bool:
        """Whether rows that fail the finding's check must not replace others."""
        return any(check.is_blocking for check in self.checks if check.name == finding.check)


@dataclass(frozen=True)
class Published:
    """What a run put in place: rows and columns of each table, and all that was found.

    `missing`: promised feeds that have not come; their streams' days keep the rows that they had.
    """

    rows: Mapping[str, tuple[int, pa.Schema]]
    findings: Sequence[Finding]
    missing: Sequence[Missing] = field(default=())


class FactNeedsError(PlatformError):
    """Something that a window needs is missing; the message says what to run first."""


class FactRefusedError(PlatformError):
    """An audit says that the rows can't be right; nothing was replaced."""

    def __init__(self, findings: Sequence[Finding], failed: Sequence[Finding]) -> None:
        self.findings = findings
        super().__init__("; ".join(str(each.text) for each in failed) + "; nothing was replaced")


def compute_window(fact: Fact, parts: Parts, window: Window, owner: str) -> Published:
    """Computes a fact's periods anew and puts them in the place of those that are there.

    Args:
        fact: which.
        parts: what it is computed with.
        window: the periods; `fact.window` makes it.
        owner: the run and its try; of two that claim a period, the later one may swap it.

    Raises:
        FactRefusedError: a blocking check failed; the rows stay as they were.
        WindowLostError: another run has claimed a period since; the rows stay.
        FactNeedsError: something that the window needs is missing (`fact.demand`).
    """
    warehouse = parts.warehouse
    fact.demand(parts, window)
    missing = missing_feeds(warehouse, parts.streams, fact.kind, window.start, window.end) if fact.kind else []
    touch_id = claim_window(warehouse, window, owner)
    with parts.staging() as staging:
        computed = fact.compute(parts, window, staging)
        found = [*computed.findings, *fact.audit(computed)]
        failed = [each for each in found if not each.passed and fact.is_refused_by(each)]
        if failed:
            raise FactRefusedError(found, failed)
        tables = {table.name: (table.date_column, computed.rows[table.name]) for table in fact.tables}
        tables[OUTCOME] = ("period_date", computed.outcomes)
        stale = fact.makes_stale(parts, window, computed)
        swap_window(warehouse, window, owner, touch_id, tables, stale, fact.then, spared(missing))
        found += [*_unfinished(fact, warehouse, missing), *fact.look(parts, window, computed)]
        rows = {name: (found_rows.count_rows(), found_rows.schema) for name, found_rows in computed.rows.items()}
        return Published(rows, found, missing)


def _unfinished(fact: Fact, warehouse: Warehouse, missing: Sequence[Missing]) -> list[Finding]:
    """What of the fact's streams is not in its rows, and which of its periods are older than that."""
    if fact.kind is None:
        return []
    table = fact.tables[0].name
    with warehouse.transaction() as connection:
        return [
            expected_feeds(table, missing),
            no_stream_is_missing(table, failed_of(connection, fact.kind)),
            nothing_unresolved(connection, fact.name, fact.kind, table, "month" if fact.is_monthly else "day"),
            pending_restatement(connection, fact.name, table, "monthly" if fact.is_monthly else "daily"),
        ]
