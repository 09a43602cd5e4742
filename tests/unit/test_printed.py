"""Data that would move the cursor, colour the line, turn it round or run in a spreadsheet."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from cic_assets.printed import csv_row, inert, marked


@pytest.mark.parametrize(
    "sign", ["\x00", "\x07", "\x08", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\ufeff", "\u2028"]
)
def test_what_acts_is_written_out(sign):
    shown = inert(f"a{sign}b")
    assert sign not in shown and shown.startswith("a\\") and shown.endswith("b")


def test_letters_of_all_languages_stay():
    text = "Straße · شارژ‌ها · 充电 · 👩‍🔧 · [red]"
    assert inert(text) == text


def test_markup_is_shown():
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=80).print(marked("[link=https://x][red]a[/]\x1b]8;;"), highlight=False)
    assert out.getvalue() == "[link=https://x][red]a[/]\\x1b]8;;\n"


def test_no_cell_is_a_formula_and_numbers_stay():
    row = ["=1+1", "+a", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "-12.50", "+4", "1e5", "a=b"]
    assert csv_row(row) == [
        "'=1+1", "'+a", "'-2+3", "'@SUM(A1)", "'\t=1", "'\\r=1", "'  =1", "'＝1", "-12.50", "+4", "1e5", "a=b",
    ]  # fmt: skip
    assert csv_row([None, -1, Decimal("-2.50"), True, ["=1"]]) == [None, -1, "-2.50", True, "['=1']"]
