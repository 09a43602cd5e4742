"""`make demo`: from raw files to marts in one command, through Dagster's jobs, with the time of each step."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cic_assets.errors import WrongCallError
from cic_assets.fetch.errors import FetchError
from cic_assets.ingest.landing import land
from cic_assets.kinds.stream import Stream
from cic_assets.lake.regular import oddity
from cic_assets.ledger.catalogue import incomplete
from cic_assets.orchestrate.doors import opened, set_up, warehouse_of
from cic_assets.orchestrate.runner import Runner, RunReport, fail_dead_runs, instance_of
from cic_assets.parts import Parts
from cic_assets.printed import marked
from cic_assets.settings import Settings
from cic_assets.streams.load import claimants

if TYPE_CHECKING:
    from cic_assets.simulate import SimulatedFile

SUMMARY = """
select to_char(month_date, 'YYYY-MM') as month, provider_name as provider, authority_name as authority,
  session_count as sessions, round(energy_kwh_total, 1) as kwh, round(revenue_total, 2) as revenue, currency,
  status_charge_point_count as points, round(operational_pct, 2) as "operational %",
  round(unknown_pct, 2) as "unknown %", round(uk_reliability_in_area_pct, 2) as "UK rapid %"
from marts.network_overview_month order by month_date, provider, authority
"""
POINTS = """
select to_char(month_date, 'YYYY-MM') as month, power_class as kw, sum(registered_count) as registered,
  sum(heard_from_count) as heard_from, sum(online_count) as online
from marts.charge_points_month group by 1, 2 order by 1, 2
"""
QUALITY = """
select stream_id as stream, sum(rows_in) as rows_in, sum(accepted) as accepted, sum(quarantined) as quarantined,
  round(100.0 * sum(quarantined) / nullif(sum(rows_in), 0), 2) as quarantined_pct
from marts.data_quality_day group by stream_id order by stream_id
"""


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """Says what is being done and, after it, how long it took."""
    console.print(f"[bold]…[/bold] {title}", highlight=False)
    started = time.monotonic()
    yield
    console.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - started:.1f} s[/dim]", highlight=False)


def run_demo(settings: Settings, streams: dict[str, Stream], source: Path | None, console: Console) -> None:
    """Lands files, runs what they make necessary, and prints the marts.

    Args:
        settings: where lake and warehouse are.
        streams: all streams by id.
        source: folder of real files; None for the simulated county.
        console: where the report goes.

    Raises:
        RunFailedError: a run failed.
    """
    with step(console, "warehouse: databases, tables, roles"):
        set_up(settings)
    for line in fail_dead_runs(settings):
        console.print(f"  {line}; reported as failed", highlight=False, soft_wrap=True, markup=False)
    with step(console, "files landed" if source else "files landed, and a feed fetched"), opened(settings) as parts:
        land_all = partial(_land_folder, source=source) if source else _land_simulation
        new, known = land_all(parts, streams, console=console)
    console.print(f"  {new} new files, {known} known ones")
    with instance_of(settings) as instance:
        with step(console, "definitions loaded"):
            runner = Runner(settings, streams, instance)
        reports: list[RunReport] = []
        with step(console, "ingest: decoded, harmonised, judged, accepted"):
            reports += runner.ingest()
        with step(console, "status facts and daily marts"):
            reports += runner.days()
        with step(console, "monthly facts and marts"):
            reports += runner.months()
        with step(console, "dimensions"):
            reports += runner.dimensions()
    for report in reports:
        console.print(f"  run {report.run_id} {report.job} {report.first or ''} {report.last or ''}", highlight=False)
        for line in report.troubles:
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    with warehouse_of(settings).transaction() as connection:
        for each in incomplete(connection):
            console.print(f"  {each}", highlight=False, markup=False, soft_wrap=True)
    print_summary(settings, console)


def demand_county(streams: Iterable[str]) -> None:
    """The streams of the simulated county are there.

    Raises:
        WrongCallError: they are not.
    """
    from cic_assets.simulate import ASHBOURNE, BRACKENDALE

    if not {ASHBOURNE, BRACKENDALE} <= set(streams):
        raise WrongCallError(
            "the simulated county needs the example streams: add `examples` to CIC_STREAMS, or give --input DIR"
        )


# Which of the county's feeds the demo fetches, from a server that it starts; the others are handed over as files.
FETCHED = "elmsworth_status"


def _land_simulation(parts: Parts, streams: dict[str, Stream], console: Console) -> tuple[int, int]:
    """Ninety days up to the last Sunday; an earlier demo's files stay, so that a second call is the same."""
    from cic_assets.simulate import SimulatedFile, simulate

    folder = parts.home / "simulated"
    manifest = folder / "arrivals.json"
    if not manifest.exists():
        today = dt.datetime.now(dt.UTC).date()
        last_sunday = today - dt.timedelta(days=today.isoweekday() % 7 or 7)
        files = simulate(folder, last_day=last_sunday).files
        listed = [[file.stream_id, str(file.path.relative_to(folder)), file.arrived_at.isoformat()] for file in files]
        manifest.write_text(json.dumps(listed, indent=1))
    sent = [
        SimulatedFile(folder / name, stream_id, dt.datetime.fromisoformat(arrived_at))
        for stream_id, name, arrived_at in json.loads(manifest.read_text())
    ]
    landings = [
        land(parts, streams[file.stream_id], file.path, file.arrived_at) for file in sent if file.stream_id != FETCHED
    ]
    new = sum(landing.new for landing in landings)
    polled, known = _fetch(parts, streams[FETCHED], sent)
    console.print(f"  {FETCHED}: {polled} polls by OCPI, {known} known ones", highlight=False)
    return new + polled, len(landings) - new + known


def _fetch(parts: Parts, stream: Stream, sent: list[SimulatedFile]) -> tuple[int, int]:
    """Fetches an open feed from the county's own server each time that it has a new response; (polls, known ones)."""
    from cic_assets.fetch.poll import poll
    from cic_assets.ledger import polls
    from cic_assets.simulate.serve import Clock, County, Feeds, open_source, serving

    moments = [file.arrived_at for file in sent if file.stream_id == stream.id]
    with parts.warehouse.transaction() as connection:
        known = set(polls.keys(connection))
    wanted = [moment for moment in moments if (stream.id, moment) not in known]
    clock = Clock(moments[0], speed=0)
    with serving(County(Feeds(sent, ()), clock)) as url:
        fetched = stream.model_copy(update={"source": open_source(url, stream.id.partition("_")[0])})
        for moment in wanted:
            clock.set(moment)
            done = poll(parts, fetched, clock.now)
            if not done.is_good:
                raise FetchError(f"{stream.id}: {done.error}")
    return len(wanted), len(moments) - len(wanted)


def _land_folder(parts: Parts, streams: dict[str, Stream], source: Path, console: Console) -> tuple[int, int]:
    new = known = 0
    now = dt.datetime.now(dt.UTC)
    unclaimed: list[str] = []
    for path in sorted(path for path in source.rglob("*") if path.is_symlink() or not path.is_dir()):
        what = oddity(path)
        if what:
            console.print(f"  {marked(path.relative_to(source))} is {what}: not landed", highlight=False)
            continue
        owners = claimants(streams.values(), path.name)
        if not owners:
            unclaimed.append(str(path.relative_to(source)))
        for stream in owners:
            landing = land(parts, stream, path, now=now)
            new, known = new + landing.new, known + (not landing.new)
            console.print(f"  {marked(path.name)} → {stream.id}", highlight=False)
    if unclaimed:
        console.print(
            f"  {len(unclaimed)} files that no stream claims: {marked(', '.join(unclaimed))}", highlight=False
        )
    return new, known


def print_summary(settings: Settings, console: Console) -> None:
    """The overview by month and the data quality by stream."""
    with warehouse_of(settings).transaction() as connection:
        for title, query in _REPORT:
            cursor = connection.execute(query.encode())
            table = Table(title=title, title_justify="left", header_style="bold")
            for column in cursor.description or []:
                table.add_column(column.name, justify="left" if column.name in _TEXTS else "right")
            for row in cursor.fetchall():
                table.add_row(*("" if value is None else marked(value) for value in row))
            console.print(table)


_REPORT = (
    ("Network overview by month", SUMMARY),
    ("Charge points by month and power class", POINTS),
    ("Data quality by stream", QUALITY),
)
_TEXTS = {"month", "provider", "authority", "stream", "currency", "kw"}
