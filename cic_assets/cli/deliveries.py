"""`cic held` and `cic release`: deliveries that are held for what they are like as a whole, and letting them pass."""

from __future__ import annotations

import datetime as dt
import getpass
from typing import Annotated

import typer

from cic_assets.cli.console import out, say, wrong_call
from cic_assets.settings import load_settings
from cic_assets.streams.load import read_streams

StreamArgument = Annotated[str | None, typer.Argument(help="Of one stream; all if not said.")]


def held(stream: StreamArgument = None) -> None:
    """Which deliveries are held, why, and what to do."""
    from cic_assets.ingest import deliveries
    from cic_assets.orchestrate.doors import warehouse_of

    with warehouse_of(load_settings()).looking("reader") as connection:
        found = deliveries.held(connection, stream)
    if not found:
        out.print("nothing is held")
    for each in found:
        say(each)


def release(
    stream: Annotated[str, typer.Argument(help="Whose deliveries.")],
    file: Annotated[str | None, typer.Argument(help="Name of one file, as it was landed.")] = None,
    arrival: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Of one day of arrival (UTC).")
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, for whoever asks later.")] = "",
    by: Annotated[str | None, typer.Option(help="Who releases it; the account's name if not said.")] = None,
) -> None:
    """Let held deliveries pass as they are, for what was found in them; the next ingest accepts their rows.

    Where the stream file is wrong, mend that instead: its deliveries are judged again by themselves.
    """
    from cic_assets.ingest import deliveries
    from cic_assets.orchestrate.doors import parts_of

    settings = load_settings()
    if stream not in read_streams(settings.streams).streams:
        raise wrong_call(f"no stream {stream}; `cic streams list` shows all")
    if not why.strip():
        raise wrong_call("say why with --why: what makes these figures right")
    day, parts = arrival.date() if arrival else None, parts_of(settings)
    with parts.warehouse.transaction() as connection:
        passed = deliveries.to_release(connection, stream, file, day, by or getpass.getuser(), why.strip())
    deliveries.release(parts, passed)
    names = sorted({name for each in passed for name in each.findings})
    say(f"released {len(passed)} files of {stream} ({', '.join(names)}); `cic run daily` ingests them")
