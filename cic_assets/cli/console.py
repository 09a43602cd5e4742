"""Where commands print: results to standard output, messages to standard error, tables that lose nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cic_assets.printed import inert, marked

# A pipe has no width of its own; its tables are as wide as their rows (`print_table`).
# `:x:` in data is no emoji.
out = Console(width=None if sys.stdout.isatty() else 140, emoji=False)
err = Console(stderr=True, soft_wrap=True, emoji=False)
# More than any row is long, and a table is no wider than its rows.
_WIDEST = 10_000_000
# A cell that is folded into less is not readable any more.
_NARROWEST = 16
_BORDER = 3


def say(line: object) -> None:
    """A line of a result, as it is: no markup, no wrapping, no colours by rich's own taste."""
    out.print(inert(str(line)), markup=False, highlight=False, soft_wrap=True)


def say_error(message: str) -> None:
    """What went wrong."""
    err.print(f"[red]error[/red] {marked(message)}", highlight=False)


def wrong_call(message: str) -> typer.Exit:
    """What to raise where the command was called with arguments that make no sense."""
    say_error(message)
    return typer.Exit(2)


def print_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of which nothing is left out: in a pipe as wide as it is, in a terminal folded to its width.

    Where a terminal is too narrow for that many columns, each row is a block of lines, a column each.
    """
    cells = [["" if value is None else inert(str(value)) for value in row] for row in rows]
    head = [inert(name) for name in names]
    if not sys.stdout.isatty():
        _print_table(Console(width=_WIDEST, emoji=False), head, cells)
    elif _narrowest(head, cells) <= out.width:
        _print_table(out, head, cells)
    else:
        _print_blocks(head, cells)


def _narrowest(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    return sum(min(width, _NARROWEST) + _BORDER for width in widths) + 1


def _print_table(console: Console, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(header_style="bold")
    for name in names:
        table.add_column(Text(name), overflow="fold", no_wrap=console is not out)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_blocks(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, names))
    for number, row in enumerate(rows, start=1):
        out.print(f"row {number}", style="bold", highlight=False)
        for name, cell in zip(names, row, strict=True):
            say(f"  {name.ljust(width)}  {cell}")
