"""Lakes and warehouses in known states: the chain of steps of a clean run, copies of any link, and what is visible.

A state is a database and a lake folder. Copying one takes 0.2 s; making it anew takes as long as the steps.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from cic_assets.kinds.every import KINDS
from cic_assets.orchestrate.doors import lake_of, set_up
from cic_assets.settings import Settings, load_settings
from cic_assets.warehouse import embedded
from tests.conftest import admin, without_fsync
from tests.doors import connect
from tests.end_to_end.faults import county
from tests.end_to_end.faults.steps import STEPS, Step

# What one transaction or one commit makes visible: unit → (table, the column that tells units of it apart, its rows).
# Tables of one unit are swapped together, so they are seen together.
_Units = dict[str, tuple[tuple[str, str, str], ...]]
_WAREHOUSE_UNITS: _Units = {
    "facts of month": (
        ("facts.charging_session", "date_trunc('month', start_date)::date", "t.*"),
        ("facts.charging_session_day", "date_trunc('month', start_date)::date", "t.*"),
        ("quality.outcome where fact = 'charging_session'", "period_date", "t.*"),
    ),
    "facts of day": (
        ("facts.charge_point_status_day", "status_date", "t.*"),
        ("quality.outcome where fact = 'charge_point_status'", "period_date", "t.*"),
    ),
    "charge points of month": (("facts.charge_point_month", "month_date", "t.*"),),
    "edges of date": (("facts.charge_point_edge", "event_date", "t.*"),),
    "registry": (("facts.charge_point", "''", "t.*"),),
    "ingest of": (
        ("quality.quarantine", "stream_id", "t.*"),
        ("quality.ingest_count", "stream_id", "t.*"),
        ("quality.rule_count", "stream_id", "t.*"),
        ("quality.unmapped_status", "stream_id", "t.*"),
        ("quality.unreadable_value", "stream_id", "t.*"),
        ("catalogue.arrival where cover_at is not null", "stream_id", "stream_id, arrival_date, first_at, cover_at"),
        ("catalogue.stream_entry", "stream_id", "t.*"),
    ),
}
# A model's transaction makes its whole window visible; of each mart its own, as dbt has no order between most of them.
_WAREHOUSE_UNITS |= {
    table: ((table, key, "t.*"),)
    for table, key in (
        ("marts.session_statistics_day", "date_trunc('month', start_date)::date"),
        ("marts.network_overview_month", "month_date"),
        ("marts.charge_points_month", "month_date"),
        ("marts.data_quality_day", "arrival_date"),
        ("marts.data_quality_rule_day", "arrival_date"),
    )
}
# What goes through several commits within a step, and must be right at its end.
_END_UNITS: _Units = {
    "objects": (
        ("catalogue.object", "stream_id", "t.*"),
        ("catalogue.sighting", "stream_id", "t.*"),
        ("catalogue.stream", "stream_id", "t.*"),
    ),
    "ingested": (
        ("catalogue.arrival where fingerprint is not null", "stream_id", "stream_id, arrival_date, fingerprint"),
    ),
    "pending": (("catalogue.pending_period", "fact", "fact, period_date"),),
    "due": (
        ("catalogue.mart_period", "mart_set", "mart_set, period_date, touch_id is distinct from built_touch_id as due"),
    ),
    # Views, which show what they read at any moment. `dim_date` goes by today's year, and reads nothing.
    "views": tuple(
        (f"marts.{name}", f"'{name}'", "t.*")
        for name in (
            "charge_point_health_day", "data_reconciliation_day", "dim_authority", "dim_charge_point", "dim_provider",
        )
    ),
}  # fmt: skip
Visible = dict[str, str]
_numbers = count()


@dataclass(frozen=True)
class State:
    """A database and a lake after a step of the clean run (`after`), or the empty ones before the first.

    Attributes:
        visible: what a reader sees of each unit.
        at_end: the same of what must be right only when a step has ended.
    """

    round: str
    after: str
    settings: Settings
    visible: Visible
    at_end: Visible


@dataclass
class Chain:
    """The clean run: `states[n]` is before its n-th step and `states[n + 1]` after it.

    Attributes:
        server: the embedded Postgres, whose home is `home`.
        home: the folder of everything.
        sent: the county's files.
        steps: of each round, by name.
    """

    server: embedded.EmbeddedPostgres
    home: Path
    sent: Path
    steps: dict[str, Step] = field(default_factory=lambda: STEPS)
    states: list[State] = field(default_factory=list)

    def before(self, round_: str, step: str) -> int:
        """The number of the state before a step of a round."""
        return county.ROUNDS.index(round_) * len(self.steps) + list(self.steps).index(step)

    def end_of(self, round_: str) -> State:
        """The last state of a round: what any rerun must come to."""
        return self.states[(county.ROUNDS.index(round_) + 1) * len(self.steps)]

    def keep(self, settings: Settings, round_: str, step: str) -> State:
        """A copy of what is there after a step; the last of the states from then on."""
        copy = _copied(self, settings)
        self.states.append(State(round_, step, copy, visible(copy), at_end(copy)))
        return self.states[-1]

    @contextmanager
    def copy(self, number: int) -> Iterator[Settings]:
        """A fresh copy of a state, gone afterwards."""
        settings = _copied(self, self.states[number].settings)
        try:
            yield settings
        finally:
            # A test that failed may have left a worker that still writes.
            shutil.rmtree(settings.home, ignore_errors=True)
            with admin(self.server) as connection:
                connection.execute(f"drop database {_database(settings)} with (force)")


def run_chain(server_home: Path, home: Path, steps: dict[str, Step] = STEPS) -> Chain:
    """Runs both rounds without any fault and keeps the state after every step."""
    chain = Chain(embedded.locate(server_home), home, home / "sent", steps)
    county.write(chain.sent)
    without_fsync(chain.server)
    settings = _fresh(chain)
    set_up(settings)
    chain.keep(settings, "", "")
    for round_ in county.ROUNDS:
        for name, step in chain.steps.items():
            step(settings, chain.sent, round_)
            chain.keep(settings, round_, name)
    return chain


def finish(settings: Settings, chain: Chain, round_: str) -> None:
    """The rerun: every step of the round again, as an operator's script would."""
    for step in chain.steps.values():
        step(settings, chain.sent, round_)


def _fresh(chain: Chain, template: str = "template1") -> Settings:
    number = next(_numbers)
    name = f"faults_{os.getpid()}_{number}"
    with admin(chain.server) as connection:
        connection.execute(f"create database {name} template {template}")
    home = chain.home / str(number)
    base = load_settings(
        {"CIC_HOME": str(home), "CIC_PERSONAL_KEY": "key of the tests", "CIC_STREAMS": str(county.STREAMS)}
    )
    home.mkdir(parents=True)
    return replace(base, warehouse_url=chain.server.url(name))


def _copied(chain: Chain, source: Settings) -> Settings:
    settings = _fresh(chain, _database(source))
    if Path(source.lake).exists():
        shutil.copytree(source.lake, settings.lake)
    return settings


def _database(settings: Settings) -> str:
    return str(settings.warehouse_url).split("?")[0].rsplit("/", 1)[1]


def visible(settings: Settings) -> Visible:
    """One hash for each unit that appears whole or not at all: of the lake's tables per stream, of the warehouse."""
    found = _hashes(settings, _WAREHOUSE_UNITS)
    for kind in KINDS:
        for stream_id, rows in lake_rows(settings, kind).items():
            found[f"lake accepted {kind} {stream_id}"] = _hash(map(repr, rows))
    return found


def at_end(settings: Settings) -> Visible:
    """What a finished step leaves beside that."""
    return _hashes(settings, _END_UNITS)


def lake_rows(settings: Settings, kind: str) -> dict[str, list[dict[str, Any]]]:
    """The accepted rows of a kind by stream; reading it whole is part of what is tested."""
    uri = lake_of(settings).uri(f"accepted/{kind}")
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if DeltaTable.is_deltatable(uri):
        for row in DeltaTable(uri).to_pyarrow_table().to_pylist():
            found[row["stream_id"]].append(row)
    return found


def _hashes(settings: Settings, units: _Units) -> Visible:
    """Hashes of what is there: marts come with their first build."""
    found: dict[str, list[str]] = defaultdict(list)
    with connect(settings) as connection:
        known = connection.execute(
            "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        ).fetchall()
        for unit, tables in units.items():
            for table, key, rows in tables:
                name, _, condition = table.partition(" where ")
                if (name,) not in known:
                    continue
                query = f"select ({key})::text, (select x::text from (select {rows}) as x) from {name} as t"
                query += f" where {condition or True}"
                for key_, row in connection.execute(query.encode()).fetchall():
                    found[f"{unit} {key_}".strip()].append(f"{table} {row}")
    return {unit: _hash(rows) for unit, rows in found.items()}


def _hash(rows: Any) -> str:
    rows = sorted(rows)
    return f"{len(rows)}:{hashlib.sha256(repr(rows).encode()).hexdigest()[:16]}"
