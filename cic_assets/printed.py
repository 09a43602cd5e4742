"""Data as people see it in a terminal, a pipe or a spreadsheet: shown, never obeyed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from rich.markup import escape

# Persian needs the one, emoji the other; neither moves the cursor nor turns the line round.
_JOINERS = "\u200c\u200d"
# Controls, formats (bidi overrides), halves of pairs, private signs, separators of lines.
_ACTIVE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert(text: str, keep: str = "") -> str:
    r"""A text whose control characters, escapes and bidi overrides are written out: `\x1b`, `\u202e`.

    Args:
        text: anything.
        keep: control characters that stay, such as a message's line ends.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign in keep or _is_plain(sign) else _written(sign) for sign in text)


def marked(text: object) -> str:
    """`inert`, for a place where rich reads markup: `[red]` is shown as such."""
    return escape(inert(str(text), keep="\n"))


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: `'` stands before it, unless it is a number. Null is empty."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = inert(str(value), keep="\n\t")
    return f"'{text}" if str(value).lstrip(" ").startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def csv_row(row: Iterable[object]) -> list[object]:
    """The cells of a row of CSV."""
    return [csv_cell(value) for value in row]


def _is_plain(sign: str) -> bool:
    return sign in _JOINERS or unicodedata.category(sign) not in _ACTIVE


def _written(sign: str) -> str:
    if sign in _SHORT:
        return _SHORT[sign]
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
