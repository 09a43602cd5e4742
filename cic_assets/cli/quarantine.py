"""`cic quarantine`: which rows rules rejected, by stream, rule and day, and the rows themselves.

Personal values are in no row of the quarantine: decoding hashed them or left them out (`ingest/personal.py`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cic_assets.cli.console import out, print_table, say, wrong_call
from cic_assets.kinds.rules import RULES
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import read_streams

quarantine_app = typer.Typer(
    no_args_is_help=True, help="Rows that rules rejected, with their reasons. Nothing is lost."
)

StreamOption = Annotated[str | None, typer.Option(help="Of one stream.")]
RuleOption = Annotated[str | None, typer.Option(help="Rejected by one rule, such as S02.")]
DayOption = Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Arrived on one day (UTC).")]
_CHOSEN = """
with chosen as (
  select * from quality.quarantine
  where
    (%(stream)s::text is null or stream_id = %(stream)s)
    and (%(rule)s::text is null or %(rule)s = any(reasons))
    and (%(day)s::date is null or arrival_date = %(day)s)
)
"""
_COUNTS = f"""{_CHOSEN}
select stream_id, arrival_date, rule, count(*)
from chosen, unnest(reasons) as r (rule)
where %(rule)s::text is null or rule = %(rule)s
group by 1, 2, 3
order by 1, 2, 3
"""  # noqa: S608 - the text above
_ROWS = f"""{_CHOSEN}
select stream_id, arrival_date, source_file, source_line, reasons, raw, detail, count(*) over ()
from chosen
order by 1, 2, 3, 4
limit %(limit)s
"""  # noqa: S608 - the same
_MESSAGES = {rule.id: rule.message for rule in RULES if rule.severity == "reject"}


@dataclass(frozen=True)
class _Chosen:
    """Which rows are asked for; None for all."""

    stream: str | None
    rule: str | None
    day: dt.datetime | None

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the queries."""
        return {"stream": self.stream, "rule": self.rule, "day": self.day.date() if self.day else None}

    def __str__(self) -> str:
        parts = [f"of {self.stream}"] if self.stream else []
        parts += [f"by {self.rule}"] if self.rule else []
        return " ".join([*parts, *([f"that arrived on {self.day:%Y-%m-%d}"] if self.day else [])])


@quarantine_app.command("list")
def list_rows(stream: StreamOption = None, rule: RuleOption = None, day: DayOption = None) -> None:
    """How many rows each rule rejected, by stream and day of arrival."""
    settings, chosen = _chosen(stream, rule, day)
    rows = _rows(settings, _COUNTS, chosen.parameters)
    if not rows:
        out.print(f"no quarantined rows {chosen}".strip(), markup=False, highlight=False)
        return
    print_table(
        ("stream", "arrived", "rule", "rows", "what is wrong"),
        [(*row, _MESSAGES.get(row[2], "a rule of an earlier release")) for row in rows],
    )


@quarantine_app.command("show")
def show_rows(
    stream: StreamOption = None,
    rule: RuleOption = None,
    day: DayOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows at most.")] = 20,
) -> None:
    """The rejected rows: file, line, reasons, and the text as it may be shown."""
    settings, chosen = _chosen(stream, rule, day)
    rows = _rows(settings, _ROWS, {**chosen.parameters, "limit": limit})
    if not rows:
        out.print(f"no quarantined rows {chosen}".strip(), markup=False, highlight=False)
        return
    for stream_id, arrived, file, line, reasons, raw, detail, _ in rows:
        say(f"{stream_id}, arrived {arrived}, {file}, line {line}")
        for reason in reasons:
            say(f"  {reason}: {_MESSAGES.get(reason, 'a rule of an earlier release')}")
        if detail:
            say(f"  why: {detail}")
        say(f"  {raw}")
    if rows[0][-1] > len(rows):
        say(f"{len(rows)} of {rows[0][-1]} rows; --limit shows more")


def _chosen(stream: str | None, rule: str | None, day: dt.datetime | None) -> tuple[Settings, _Chosen]:
    settings = load_settings()
    if rule is not None and rule not in _MESSAGES:
        raise wrong_call(f"no rule {rule!r} that rejects; there are {', '.join(_MESSAGES)}")
    if stream is not None and stream not in (known := read_streams(settings.streams).streams):
        # A stream whose file is gone may still have rows.
        there = _rows(
            settings, "select 1 from quality.quarantine where stream_id = %(stream)s limit 1", {"stream": stream}
        )
        if not there:
            raise wrong_call(f"no stream {stream!r}; there are {', '.join(known)}")
    return settings, _Chosen(stream, rule, day)


def _rows(settings: Settings, query: str, parameters: dict[str, Any]) -> list[Any]:
    from cic_assets.orchestrate.doors import warehouse_of

    with warehouse_of(settings).looking("reader") as connection:
        return connection.execute(query.encode(), parameters).fetchall()
