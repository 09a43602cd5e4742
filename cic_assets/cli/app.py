"""The `cic` command. Exit codes: 0 done, 1 failed, 2 wrong call. A message says what, where and what to do."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cic_assets.calendar import Span
from cic_assets.cli.console import err, out, print_table, say_error, wrong_call
from cic_assets.cli.deliveries import held, release
from cic_assets.cli.quarantine import quarantine_app
from cic_assets.cli.streams import streams_app
from cic_assets.printed import csv_row, marked
from cic_assets.settings import Settings, keep_calendar, load_settings, with_examples
from cic_assets.streams.load import NO_STREAMS, BrokenFile, StreamFileError, claimants, read_streams

if TYPE_CHECKING:
    from cic_assets.kinds.stream import Stream
    from cic_assets.orchestrate.runner import RunReport
    from cic_assets.parts import Parts
    from cic_assets.simulate import Simulation

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="CitiesInCharge: operators' charging data → consolidated, checked marts.\n\n"
    "First steps: `cic doctor`, then `cic up`, `cic land STREAM FILE…`, and the UI on http://localhost:3000.",
)
app.add_typer(streams_app, name="streams")
app.add_typer(quarantine_app, name="quarantine")
app.command()(held)
app.command()(release)
lake_app = typer.Typer(no_args_is_help=True, help="The lake: raw, decoded and accepted files.")
app.add_typer(lake_app, name="lake")

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")]


def _span(text: str) -> Span:
    try:
        return Span.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


FromOption = Annotated[
    Span | None, typer.Option("--from", parser=_span, metavar="DAY|MONTH", help="First day or month.")
]
ToOption = Annotated[
    Span | None,
    typer.Option("--to", parser=_span, metavar="DAY|MONTH", help="Last day or month, included; a month to its end."),
]


class Cadence(StrEnum):
    """What `cic run` computes."""

    daily = "daily"
    monthly = "monthly"


class Format(StrEnum):
    """How `cic sql` prints."""

    table = "table"
    csv = "csv"
    json = "json"


class SqlRole(StrEnum):
    """Whose eyes `cic sql` has."""

    analyst = "analyst"
    etl = "etl"


def main() -> None:
    """Runs a command; whatever goes wrong is one message and an exit code."""
    from cic_assets.cli.edge import exit_code_of
    from cic_assets.private import set_umask

    set_umask()
    sys.exit(exit_code_of(app, say_error))


def _warn(message: str) -> None:
    err.print(f"[yellow]warning[/yellow] {marked(message)}", highlight=False)


def _platform() -> tuple[Settings, dict[str, Stream], tuple[BrokenFile, ...]]:
    settings = load_settings()
    files = read_streams(settings.streams)
    return settings, files.streams, files.broken


def _warn_of(broken: Iterable[BrokenFile]) -> None:
    for each in broken:
        _warn(f"stream {each.stream_id} is left out: {each.reason}")


@app.command()
def up(port: Port = 3000, ui: Annotated[bool, typer.Option(help="Start UI and daemon too.")] = True) -> None:
    """Start the warehouse, the Dagster UI and its daemon (schedules and sensors) in the background."""
    from cic_assets.cli import server
    from cic_assets.cli.demo import step
    from cic_assets.facts.every import FACT_NAMES
    from cic_assets.ledger.mart_sets import manifest_of
    from cic_assets.ledger.periods import oldest_day
    from cic_assets.orchestrate.doors import set_up, warehouse_of

    settings, streams, broken = _platform()
    _warn_of(broken)
    if ui:
        # Without it the UI comes up with an error in place of assets.
        manifest_of()
        # At once, not after the warehouse's start.
        server.demand_startable(settings, port)
    with step(out, "warehouse"):
        set_up(settings)
        # Before the definitions are loaded, which take their calendar from it.
        with warehouse_of(settings).transaction() as connection:
            keep_calendar(settings, oldest_day(connection, FACT_NAMES))
    if ui:
        with step(out, "UI and daemon"):
            server.start(settings, port)
        out.print(f"http://localhost:{port}  (log: {server.log_file(settings)}; stop with `cic down`)")
    if not streams and not broken:
        _warn(NO_STREAMS)
    # Last, as it loads Dagster, which takes 2 s of CPU time, and the sensors do it too.
    _fail_dead_runs(settings)


def _fail_dead_runs(settings: Settings) -> None:
    """Says which runs died; the sensors, or the next `cic run`, ask for their work again."""
    from cic_assets.orchestrate.runner import fail_dead_runs

    for line in fail_dead_runs(settings):
        out.print(f"{line}; reported as failed", highlight=False, soft_wrap=True, markup=False)


@app.command()
def down(
    delete: Annotated[
        bool, typer.Option("--delete", help="Also delete the embedded warehouse's data for good.")
    ] = False,
) -> None:
    """Stop UI, daemon and the embedded warehouse."""
    from cic_assets.cli import server
    from cic_assets.warehouse import embedded

    settings = load_settings()
    out.print("UI and daemon stopped" if server.stop(settings) else "UI and daemon were not running")
    if settings.warehouse_url is None:
        out.print("warehouse stopped" if embedded.stop(settings.home) else "warehouse was not running")
        if delete:
            embedded.delete(settings.home)
            out.print("warehouse deleted")


@app.command()
def doctor() -> None:
    """Say what is there, what is missing, and how to get it. Exit code 1 if something needed is missing."""
    from cic_assets.cli.doctor import examine

    findings = list(examine())
    table = Table(header_style="bold")
    for column in ("part", "state", "what"):
        table.add_column(column, overflow="fold")
    colours = {"ok": "green", "missing": "red", "optional": "yellow"}
    for finding in findings:
        table.add_row(finding.part, f"[{colours[finding.state]}]{finding.state}[/]", marked(finding.text))
    out.print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def demo(
    source: Annotated[
        Path | None, typer.Option("--input", help="Folder of real files, instead of simulated ones.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Keep the UI up until interrupted.")] = True,
    port: Port = 3000,
) -> None:
    """From raw files to marts: land, ingest, compute, print; then the UI.

    Where CIC_STREAMS is not set, with the example streams, which later commands of the same home know too.
    """
    from cic_assets.cli import server
    from cic_assets.cli.demo import demand_county, run_demo, step

    settings, streams, broken = _platform()
    _warn_of(broken)
    if source is not None and not source.is_dir():
        raise wrong_call(f"--input {source}: no such folder")
    if source is None and settings.environment == "prod":
        raise wrong_call("the simulated county is for local use, not for CIC_ENVIRONMENT=prod: give --input DIR")
    if wait:
        server.demand_startable(settings, port)
    if not settings.streams:
        settings = with_examples(settings)
        streams = read_streams(settings.streams).streams
        said = f"example streams ({settings.streams[0]}), kept for {settings.home}; CIC_STREAMS names others"
        out.print(said, highlight=False, soft_wrap=True)
    if source is None:
        demand_county(streams)
    run_demo(settings, streams, source, out)
    if wait:
        with step(out, "UI and daemon"):
            server.start(settings, port)
        out.print(f"http://localhost:{port}  Ctrl-C stops the UI; the warehouse stays up until `cic down`")
        _wait(settings)


def _wait(settings: Settings) -> None:
    import signal
    import threading

    from cic_assets.cli import server

    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    while not stopped.wait(2) and server.running_pid(settings) is not None:
        pass
    server.stop(settings)
    out.print("UI and daemon stopped")


@app.command()
def land(
    stream: Annotated[str, typer.Argument(help="Stream id, or `auto`: by the patterns that streams claim.")],
    files: Annotated[list[Path], typer.Argument(help="Files as received.")],
    arrived_at: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"], help="First sighting (UTC); migrations and tests only."
        ),
    ] = None,
) -> None:
    """Put files into the lake's raw zone, atomically, once per content however often it is called.

    With UI and daemon up, what is landed ends in the marts by itself. A file that can't be landed keeps no other one
    out; the exit code is 1 then, and where no stream claims any of them.
    """
    from cic_assets.ingest.landing import LandingError, demand_arrival
    from cic_assets.orchestrate.doors import opened, set_up

    settings, streams, broken = _platform()
    if stream != "auto" and stream not in streams:
        if reasons := [each.reason for each in broken if each.stream_id == stream]:
            raise StreamFileError("; ".join(reasons))
        raise wrong_call(f"no stream {stream!r}; there are {', '.join(streams)}" if streams else NO_STREAMS)
    _warn_of(broken)
    moment = arrived_at.replace(tzinfo=dt.UTC) if arrived_at else None
    # One for all files of a call: they came together.
    now = dt.datetime.now(dt.UTC)
    if moment and settings.environment == "prod":
        raise LandingError("--arrived-at is for local use and migrations, not for CIC_ENVIRONMENT=prod")
    if moment:
        demand_arrival(moment.date(), now)
    set_up(settings)
    count = failed = 0
    with opened(settings) as parts:
        for file in files:
            owners = claimants(streams.values(), file.name) if stream == "auto" else [streams[stream]]
            try:
                count += _land(parts, owners, file, moment, now)
            except LandingError as error:
                say_error(str(error))
                failed += 1
    if not failed and not count:
        say_error("no file was landed: name the stream, or add a pattern to `claims` of its file (`cic streams list`)")
    if failed or not count:
        raise typer.Exit(1)


def _land(parts: Parts, owners: Sequence[Stream], file: Path, moment: dt.datetime | None, now: dt.datetime) -> int:
    """Lands a file for all that claim it; how many did."""
    from cic_assets.ingest.landing import LandingError, land, shown_name

    if not owners and not file.exists():
        raise LandingError(f"{file}: no such file")
    if not owners:
        out.print(f"{marked(shown_name(file))}: no stream claims it; left alone", highlight=False)
    for owner in owners:
        landing = land(parts, owner, file, moment, now)
        said = "landed" if landing.new else f"known since {landing.landed.arrival_date}"
        line = f"{marked(shown_name(file))} → {owner.id}: {said} ({landing.landed.path})"
        out.print(line, highlight=False, soft_wrap=True)
    return len(owners)


@app.command()
def poll(
    streams: Annotated[list[str] | None, typer.Argument(help="Stream ids; of none, all that are due.")] = None,
    since: Annotated[
        Span | None,
        typer.Option(parser=_span, metavar="DAY|MONTH", help="OCPI sessions and CDRs updated since then, once more."),
    ] = None,
) -> None:
    """Fetch feeds now, as their stream files say (`source`). Exit code 1 if one fails; the others are fetched.

    With UI and daemon up, the sensor `polls` does it by itself, and what comes ends in the marts.
    """
    from cic_assets.fetch.poll import NoSourceError
    from cic_assets.fetch.poll import poll as fetch
    from cic_assets.ledger.polls import BeingPolledError
    from cic_assets.orchestrate.doors import opened, set_up
    from cic_assets.orchestrate.pollers import due

    settings, known, broken = _platform()
    for stream_id in streams or ():
        if stream_id not in known:
            if reasons := [each.reason for each in broken if each.stream_id == stream_id]:
                raise StreamFileError("; ".join(reasons))
            raise wrong_call(f"no stream {stream_id!r}; there are {', '.join(known)}" if known else NO_STREAMS)
    _warn_of(broken)
    set_up(settings)
    moment = dt.datetime.combine(since.first, dt.time(), dt.UTC) if since else None
    failed = False
    with opened(settings, known.values()) as parts:
        wanted = [known[each] for each in streams] if streams else due(parts, known.values(), dt.datetime.now(dt.UTC))
        for stream in wanted:
            try:
                done = fetch(parts, stream, since=moment)
            except (BeingPolledError, NoSourceError) as error:
                say_error(str(error))
                failed = True
                continue
            if done.is_good:
                said = f"{len(done.answers)} answers, {done.new_count} of them new, {done.byte_count:,} bytes"
                out.print(f"{stream.id}: {done.outcome}; {said}", highlight=False, soft_wrap=True)
            else:
                say_error(f"{stream.id}: {done.error}")
                failed = True
    if not wanted:
        out.print("no feed is due" if any(each.source for each in known.values()) else "no stream file has a `source`")
    if failed:
        raise typer.Exit(1)


@app.command()
def run(cadence: Cadence, since: FromOption = None, until: ToOption = None) -> None:
    """Materialise a window without the UI, as one run recorded in Dagster's storage.

    `daily` ingests the arrivals of days and computes the status facts of local days, `monthly` computes facts and marts
    of months. Both ends are included, and a month means all of it. Without a window: whatever is pending.
    """
    from cic_assets.calendar import window
    from cic_assets.orchestrate.doors import set_up
    from cic_assets.orchestrate.runner import Runner, instance_of

    settings, streams, broken = _platform()
    if (since is None) != (until is None):
        raise wrong_call("give both --from and --to, or neither for whatever is pending")
    asked = None
    if since and until:
        today = dt.datetime.now(dt.UTC).date()
        asked = window(since, until, today, monthly=cadence is Cadence.monthly)
        for note in asked.notes:
            _warn(note)
    set_up(settings)
    _fail_dead_runs(settings)
    with instance_of(settings) as instance:
        runner = Runner(settings, streams, instance, broken)
        if asked:
            jobs = ("ingest", "daily") if cadence is Cadence.daily else ("monthly",)
            reports = runner.window(jobs, asked.first, asked.last)
        else:
            reports = [*runner.ingest(), *runner.days()] if cadence is Cadence.daily else runner.months()
        reports += runner.dimensions()
    for report in reports:
        _print_report(report)
    for line in runner.oddities:
        _warn(line)
    for fault in runner.unreadable:
        _warn(f"{fault}: restore it, or move it away")
    if not reports:
        out.print("nothing pending" if streams else f"nothing pending: {NO_STREAMS}", soft_wrap=True, highlight=False)
    for line in _orphans(settings, [*streams, *(each.stream_id for each in broken)]):
        _warn(line)
    for line in [*_incomplete_deliveries(settings), *_unwell_feeds(settings, streams)]:
        out.print(f"[yellow]![/yellow] {marked(line)}", highlight=False, soft_wrap=True)
    _end_with_troubles(reports, broken)


def _end_with_troubles(reports: Iterable[RunReport], broken: Iterable[BrokenFile]) -> None:
    """Says what could not be done for single streams, with exit code 1."""
    troubles = list(dict.fromkeys(line for report in reports for line in report.troubles))
    troubles += [f"stream {each.stream_id} was left out: {each.reason}" for each in broken]
    for line in troubles:
        err.print(f"[red]error[/red] {marked(line)}", highlight=False)
    if troubles:
        raise typer.Exit(1)


def _orphans(settings: Settings, streams: Iterable[str]) -> list[str]:
    from cic_assets.ledger.consent import orphans
    from cic_assets.orchestrate.doors import warehouse_of

    with warehouse_of(settings).transaction() as connection:
        return orphans(connection, streams)


def _incomplete_deliveries(settings: Settings) -> list[str]:
    from cic_assets.ingest import deliveries
    from cic_assets.orchestrate.doors import warehouse_of

    with warehouse_of(settings).transaction() as connection:
        return [str(each) for each in deliveries.held(connection)]


def _unwell_feeds(settings: Settings, streams: dict[str, Stream]) -> list[str]:
    from cic_assets.ingest.feeds import feed_states
    from cic_assets.orchestrate.doors import warehouse_of

    with warehouse_of(settings).transaction() as connection:
        states = feed_states(connection, streams.values(), dt.datetime.now(dt.UTC))
    return [f"{state.stream_id}: {state.wrong}" for state in states if not state.passed]


def _print_report(report: RunReport) -> None:
    said = f"done, but for {len(report.troubles)} troubles" if report.troubles else "done"
    out.print(f"run {report.run_id} {report.job} {report.first or ''} {report.last or ''}: {said}", highlight=False)


@app.command()
def rebuild(
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop all tables of a warehouse that is not empty, first.")
    ] = False,
) -> None:
    """Make a lost warehouse anew from the lake and the stream files: tables, roles, catalogue, facts and marts.

    Called again after an interruption, it goes on. It takes as long as everything takes to compute.
    """
    from cic_assets.cli import rebuild as steps
    from cic_assets.orchestrate.runner import Runner, instance_of

    settings, streams, broken = _platform()
    steps.begin(settings, replace=replace)
    for line in steps.said_of(steps.take_up(settings, streams, dt.datetime.now(dt.UTC))):
        out.print(marked(line), highlight=False, soft_wrap=True)
    _fail_dead_runs(settings)
    with instance_of(settings) as instance:
        reports = []
        for report in steps.compute(Runner(settings, streams, instance, broken)):
            _print_report(report)
            reports.append(report)
    steps.finish(settings)
    out.print("rebuilt; `cic doctor` says whether anything is left to do")
    _end_with_troubles(reports, broken)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One statement.")],
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    role: Annotated[
        SqlRole, typer.Option(help="analyst reads marts; etl looks at facts and quality too.")
    ] = SqlRole.analyst,
) -> None:
    """Run a query, as the read-only analyst unless --role says otherwise.

    Table and CSV write control characters out, and CSV puts `'` before what a spreadsheet would take for a formula;
    JSON has each value as it is.
    """
    from cic_assets.orchestrate.doors import warehouse_of

    with warehouse_of(load_settings()).looking("reader" if role is SqlRole.etl else "analyst") as connection:
        # Prepared, so that the text is one statement.
        cursor = connection.execute(query.encode(), prepare=True)
        names = [column.name for column in cursor.description or []]
        rows = cursor.fetchall() if names else []
    if form is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(csv_row(names))
        writer.writerows(map(csv_row, rows))
    elif form is Format.json:
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str, indent=1))
    else:
        print_table(names, rows)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days of sessions.")] = 90,
    charge_points: Annotated[int, typer.Option(min=1, help="Charge points per provider.")] = 60,
    last_day: Annotated[
        Span | None,
        typer.Option(parser=_span, metavar="DAY|MONTH", help="Last day, or a month to its end; default: last Sunday."),
    ] = None,
    demand: Annotated[float, typer.Option(min=0, max=20, help="Multiple of the usual number of sessions.")] = 1.0,
    dirt: Annotated[float, typer.Option(min=0, max=10, help="Multiple of the usual dirt; 0 for clean feeds.")] = 1.0,
    exchange: Annotated[
        bool, typer.Option("--exchange", help="Also a lake in the layout of the exchange, a small file per message.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    serve: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Then be its operators' servers, at this port of this machine.")
    ] = None,
    clock: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"],
            help="With --serve: the county's time (UTC) at the start; default: now if it lies in the county's days, "
            "else when all files have come.",
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, max=10_000, help="With --serve: how many times faster than ours its time runs.")
    ] = 1.0,
    token: Annotated[str, typer.Option(help="With --serve: what opens its OCPI.")] = "county-token",
    rate: Annotated[
        int | None, typer.Option(min=1, help="With --serve: requests a minute, beyond which callers must wait.")
    ] = None,
) -> None:
    """Write raw files of an invented county of five providers, some rows broken, and the truth beside them.

    truth.json counts what must become of the rows; truth/ has each session, each charge point's days, and the bays.
    With --serve they are fetched like an operator's: OCPI with a token, pages and dates, open data, files.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn

    from cic_assets.simulate import simulate as write

    today = dt.datetime.now(dt.UTC).date()
    day = last_day.last if last_day else today - dt.timedelta(days=today.isoweekday() % 7 or 7)
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        simulation = write(
            folder, workers=workers, progress=lambda share: bar.update(task, completed=share), last_day=day, seed=seed,
            days=days, charge_points=charge_points, demand=demand, dirt=dirt, exchange=exchange,
        )  # fmt: skip
    truths: dict[str, Any] = {**simulation.truth, **simulation.status}
    for stream_id, truth in truths.items():
        files = sum(file.stream_id == stream_id for file in simulation.files)
        out.print(f"{stream_id}: {files} files, {truth.rows} rows, {truth.quarantined} to quarantine", highlight=False)
    for topic, counted in simulation.exchange.items():
        said = ", ".join(f"{count} {place}" for place, count in sorted(counted.items()))
        out.print(f"exchange {topic}: {said}", highlight=False)
    out.print(f"{len(simulation.beside)} files that no kind of stream reads yet: bays, tariffs, planned works")
    if serve is not None:
        _serve(simulation, serve, clock, speed, token, rate)


def _serve(
    simulation: Simulation, port: int, clock: dt.datetime | None, speed: float, token: str, rate: int | None
) -> None:
    """The county's servers, until they are interrupted."""
    from cic_assets.simulate.serve import Clock, County, Feeds, serve_here

    feeds = Feeds(simulation.files, simulation.beside)
    began, ended = feeds.span
    now = clock.replace(tzinfo=dt.UTC) if clock else dt.datetime.now(dt.UTC)
    now = now if clock or began <= now <= ended else ended
    county = County(feeds, Clock(now, speed), token=token, requests_a_minute=rate)
    serve_here(county, port, lambda line: print(line, flush=True))


@lake_app.command("verify")
def verify_lake() -> None:
    """Read the whole lake and name what is gone or holds other bytes than were put there. Exit code 1 if any is."""
    from cic_assets.ingest.verify import verify
    from cic_assets.orchestrate.doors import parts_of, set_up

    settings = load_settings()
    set_up(settings)
    damages = 0
    for line in verify(parts_of(settings)):
        damages += 1
        out.print(marked(line), highlight=False, soft_wrap=True)
    if damages:
        raise typer.Exit(1)
    out.print("the lake is whole")


if __name__ == "__main__":
    main()
