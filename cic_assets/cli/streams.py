"""`cic streams`: which streams there are, what a stream file may say, and one tried on a file of the feed."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from cic_assets.cli.console import err, print_table, say, say_error, wrong_call
from cic_assets.kinds.personal import undecided, undecided_hint
from cic_assets.printed import marked
from cic_assets.settings import load_settings
from cic_assets.streams.load import NO_STREAMS, StreamFileError, load_stream, read_streams
from cic_assets.streams.new import NEW_KINDS, write_new

streams_app = typer.Typer(no_args_is_help=True, help="Stream files: one YAML file per operator's feed.")


@streams_app.command("list")
def list_streams() -> None:
    """All streams: id, provider, authority, format, and the files that they claim; and stream files that are broken."""
    files = read_streams(load_settings().streams)
    if not files.streams and not files.broken:
        say(NO_STREAMS)
        return
    rows = [
        (
            stream.id, stream.kind, stream.provider.name, stream.authority.name, stream.zone, stream.format.type,
            ", ".join(stream.claims),
        )
        for stream in files.streams.values()
    ]  # fmt: skip
    print_table(("stream", "kind", "provider", "authority", "zone", "format", "claims"), rows)
    for each in files.broken:
        say_error(f"stream {each.stream_id} is left out: {each.reason}")


@streams_app.command("accept")
def accept_stream(stream_id: Annotated[str, typer.Argument(metavar="STREAM", help="Its id.")]) -> None:
    """Say that accepted rows may leave with the stream file as it is now; the next edit asks again.

    An edit that takes more than 1 % of an arrival's accepted rows is not applied to it until then: they stay. Of a
    stream whose file is gone: give it up, so that a status feed has no days any more.
    """
    from cic_assets.ledger.consent import accept_change, give_up
    from cic_assets.orchestrate.doors import set_up, warehouse_of

    settings = load_settings()
    files = read_streams(settings.streams)
    streams = files.streams
    if reasons := [each.reason for each in files.broken if each.stream_id == stream_id]:
        raise StreamFileError("; ".join(reasons))
    set_up(settings)
    with warehouse_of(settings).transaction() as connection:
        if stream_id in streams:
            accept_change(connection, stream_id, streams[stream_id].fingerprint())
        elif not give_up(connection, stream_id):
            raise wrong_call(f"no stream {stream_id!r}; there are {', '.join(streams) or 'none'}")
    said = "rows may leave with its file as it is now" if stream_id in streams else "given up, as it has no file"
    say(f"{stream_id}: {said}; `cic run daily` or the daemon applies it")


@streams_app.command("functions")
def list_functions() -> None:
    """The functions that expressions of stream files may call, each with an example over text fields."""
    from cic_assets.kinds.functions import FUNCTIONS

    rows = [(purpose, *each) for purpose, functions in FUNCTIONS.items() for each in functions.items()]
    print_table(("for", "function", "example"), rows)


@streams_app.command("check")
def check_stream(
    file: Annotated[Path, typer.Argument(help="A stream file.")],
    sample: Annotated[Path | None, typer.Option(help="A file of the feed, to try it on.")] = None,
    arrived_at: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"], help="As if it had arrived then (UTC); default: now."),
    ] = None,
) -> None:
    """Check a stream file; with --sample, what ingest would make of a file. Exit code 1 where it would warn or hold.

    No personal value is printed: fields of `personal_fields` as hashes, what else looks personal not at all.
    """
    stream = load_stream(file)
    say(f"✓ {file}: {stream.id} ({stream.kind}), reads {', '.join(stream.fields)}")
    if sample is None:
        if found := undecided(stream, stream.read_fields):
            say(f"? {undecided_hint(found)}")
        return
    if not sample.is_file():
        raise wrong_call(f"--sample {sample}: no such file")
    from cic_assets.onboard.check import check_sample
    from cic_assets.onboard.summary import lines
    from cic_assets.orchestrate.doors import parts_of

    settings = load_settings()
    moment = arrived_at.replace(tzinfo=dt.UTC) if arrived_at else None
    report = check_sample(parts_of(settings), stream, sample, moment)
    for line in lines(report, stream):
        say(line)
    for hint in report.hints:
        say(f"? {hint}")
    for problem in report.problems:
        err.print(f"[red]✗[/red] {marked(problem)}", highlight=False)
    if report.problems:
        raise typer.Exit(1)
    say("✓ ingest would take the file without a warning")


@streams_app.command("new")
def new_stream(
    stream_id: Annotated[str, typer.Argument(help="Id of the new stream: a-z, 0-9, _ and -.")],
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"What it is about: {', '.join(NEW_KINDS)}. Default: as the sample shows, else {NEW_KINDS[0]}."
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the file goes; made if it isn't there.")] = Path(),
    sample: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Draft it from a file of the feed, or from open data.")
    ] = None,
) -> None:
    """Write a stream file to start from; then edit it and run `cic streams check FILE --sample DATA`.

    With --sample, format, zone, units, columns and vocabulary are guessed, each with what was seen beside it; what
    nothing shows stands there as CHANGE. No value of a field that looks personal is written down.
    """
    if kind is not None and kind not in NEW_KINDS:
        raise wrong_call(f"no kind {kind!r}; there are {', '.join(NEW_KINDS)}")
    if sample is None:
        path = write_new(folder, stream_id, kind or NEW_KINDS[0])
        say(f"{path} written: edit it, then try it: cic streams check {path} --sample DATA")
    else:
        path = _drafted(stream_id, kind, folder, sample)
    settings = load_settings()
    if path.parent.absolute() not in settings.streams:
        folders = os.pathsep.join(map(str, (*settings.streams, path.parent.absolute())))
        say(f"so that the platform sees it: export CIC_STREAMS={shlex.quote(folders)}")


def _drafted(stream_id: str, kind: str | None, folder: Path, sample: str) -> Path:
    """Writes a draft; says what is left to be changed."""
    from cic_assets.onboard.draft import CHANGE, draft_of
    from cic_assets.streams.new import write_file

    draft = draft_of(stream_id, kind, sample)
    path = write_file(folder, stream_id, draft.text)
    say(f"{path} drafted from {draft.records} records: {draft.kind}, {draft.columns} columns")
    for number, line in enumerate(draft.text.splitlines(), 1):
        if CHANGE in line:
            say(f"  to be changed, line {number}: {line.strip()}")
    tried = sample if Path(sample).is_file() else "DATA"
    say(f"look through the guesses, then try it: cic streams check {path} --sample {shlex.quote(tried)}")
    return path
