"""`cic streams`: which streams there are, what a stream file may say, and one tried on a file of the feed."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cic_assets.console import err, out, print_table, say, wrong_call
from cic_assets.printed import marked
from cic_assets.settings import load_settings
from cic_assets.streams.load import StreamFileError, load_stream, load_streams
from cic_assets.streams.new import NEW_KINDS, write_new

if TYPE_CHECKING:
    from cic_assets.streams.check import SampleReport

streams_app = typer.Typer(no_args_is_help=True, help="Stream files: one YAML file per operator's feed.")


@streams_app.command("list")
def list_streams() -> None:
    """All streams: id, provider, authority, format, and the files that they claim."""
    rows = [
        (
            stream.id, stream.kind, stream.provider.name, stream.authority.name, stream.zone, stream.format.type,
            ", ".join(stream.claims),
        )
        for stream in load_streams(load_settings().streams).values()
    ]  # fmt: skip
    print_table(("stream", "kind", "provider", "authority", "zone", "format", "claims"), rows)


@streams_app.command("functions")
def list_functions() -> None:
    """The functions that expressions of stream files may call, each with an example over text fields."""
    from cic_assets.streams.functions import FUNCTIONS

    rows = [(purpose, *each) for purpose, functions in FUNCTIONS.items() for each in functions.items()]
    print_table(("for", "function", "example"), rows)


@streams_app.command("check")
def check_stream(
    file: Annotated[Path, typer.Argument(help="A stream file.")],
    sample: Annotated[Path | None, typer.Option(help="A file of the feed, to try it on.")] = None,
) -> None:
    """Check a stream file; with --sample, show the first harmonised rows, and what is rejected and why."""
    stream = load_stream(file)
    out.print(
        f"[green]✓[/green] {marked(file)}: {stream.id} ({stream.kind}), reads {marked(', '.join(stream.fields))}",
        highlight=False,
    )
    if sample is None:
        return
    if not sample.is_file():
        raise wrong_call(f"--sample {sample}: no such file")
    from cic_assets.resources.spark import SparkResource
    from cic_assets.streams.check import check_sample

    try:
        settings = load_settings()
        spark = SparkResource(engine=settings.spark, memory_bytes=settings.engine_bytes)
        report = check_sample(spark.session, stream, sample)
    except Exception as error:
        from pyspark.errors import PySparkException

        if not isinstance(error, PySparkException):
            raise
        raise StreamFileError(f"{file}: columns: Spark says: {str(error).splitlines()[0]}") from error
    _print_sample(report)
    for hint in report.hints:
        out.print(f"[yellow]?[/yellow] {marked(hint)}", highlight=False)
    if report.problems:
        for problem in report.problems:
            err.print(f"[red]✗[/red] {marked(problem)}", highlight=False)
        raise typer.Exit(1)


def _print_sample(report: SampleReport) -> None:
    from cic_assets.quality.rules import RULES

    messages = {rule.id: rule.message for rule in RULES}
    rejected = report.rows_in - report.accepted_count - report.skipped
    out.print(f"{report.rows_in} rows: {report.accepted_count} accepted, {rejected} rejected, {report.skipped} skipped")
    for number, row in enumerate(report.accepted, start=1):
        out.print(
            f"[bold]row {number}[/bold] " + marked(", ".join(f"{k}={_shown(v)}" for k, v in row.items())),
            highlight=False,
        )
    for rule, (count, line, raw) in report.rejected.items():
        out.print(
            f"[yellow]{rule}[/yellow] {count}: {messages[rule]}; first in line {line}: {marked(raw[:160])}",
            highlight=False,
        )
    if report.swap is not None and report.swap.doubtful:
        swap = report.swap
        out.print(
            f"day and month: of {swap.doubtful} doubtful starts {swap.inside_as_given} fit as given, "
            f"{swap.inside_swapped} swapped; overlaps {swap.overlaps_as_given} as given, "
            f"{swap.overlaps_swapped} swapped",
            highlight=False,
        )


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.datetime | dt.date) else str(value)


@streams_app.command("new")
def new_stream(
    stream_id: Annotated[str, typer.Argument(help="Id of the new stream: a-z, 0-9, _ and -.")],
    kind: Annotated[str, typer.Option(help=f"What it is about: {', '.join(NEW_KINDS)}.")] = NEW_KINDS[0],
    folder: Annotated[Path, typer.Option(help="Where the file goes; made if it isn't there.")] = Path(),
) -> None:
    """Write a stream file to start from; then edit it and run `cic streams check FILE --sample DATA`."""
    if kind not in NEW_KINDS:
        raise wrong_call(f"no kind {kind!r}; there are {', '.join(NEW_KINDS)}")
    path = write_new(folder, stream_id, kind)
    say(f"{path} written: edit it, then try it: cic streams check {path} --sample DATA")
    settings = load_settings()
    if path.parent.absolute() not in settings.streams:
        folders = os.pathsep.join(map(str, (*settings.streams, path.parent.absolute())))
        say(f"so that the platform sees it: export CIC_STREAMS={shlex.quote(folders)}")
