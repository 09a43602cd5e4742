"""What an engine says when it fails, as one line for people: which stream, column and value, and what to do.

An engine names neither the stream nor the column nor the line, and often not even the value (`Division by zero`). So
each of the stream file's expressions is tried by itself on the records that failed; halving them finds the first line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from cic_assets.kinds.personal import undecided
from cic_assets.kinds.safe import safe, safe_condition
from cic_assets.kinds.stream import Stream, referenced_fields
from cic_assets.printed import inert

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# gRPC's own text around what was said, and Spark's stack and query behind it.
_DETAILS = re.compile(r'details = "(.*?)"\s*(?:\n\s*debug_error_string|>|$)', re.DOTALL)
_BEHIND = re.compile(r"\n\s*(?:JVM stacktrace:|== SQL|== DataFrame|SQLSTATE:)|\s*SQLSTATE: \w+|\n\s*at [\w.$]+\(")
_CLASS = re.compile(
    r"^(?:[a-z_]\w*\.)+\w*(?:Exception|Error)\w*:\s*|^\([\w.]+Exception\)\s*|^(?:Cast|Execution) error:\s*"
)
_ADVICE = re.compile(r" (?:Correct the value as per|Use (?:the SQL function )?`|If necessary set)[^\n]*")
_ERROR_CLASS = re.compile(r"\[[A-Z_.]+\]")
_WAY_OUT = "write it in another way, or mend the feed"
_MAX_CHARS, _MAX_VALUE_CHARS = 500, 60


def engine_said(error: BaseException | str, limit: int = _MAX_CHARS) -> str:
    """The one sentence of an engine's error that says what went wrong, without stack, query or gRPC's wrapping."""
    text = str(error).strip()
    if (details := _DETAILS.search(text)) is not None:
        text = details[1].replace('\\"', '"').replace("\\n", "\n")
    text = _BEHIND.split(text, maxsplit=1)[0]
    while (shorter := _CLASS.sub("", text)) != text:
        text = shorter
    return _one_line(_ADVICE.sub("", text), limit) or type(error).__name__


def engine_failure(stream: Stream, error: PySparkException, records: DataFrame | None = None) -> str:
    """One line on why the engine could not compute a stream: file, line, column, value where they can be found.

    Args:
        stream: whose expressions were computed.
        error: what the engine raised.
        records: what they were computed of: decoded records with `source_file`, `arrival_date` and `arrived_at`.
            Without them, or if no expression fails by itself, the line has the stream and the engine's words.
    """
    found = None if records is None else _first_failure(stream, records)
    if found is None:
        return f"{stream.id}: the engine failed: {engine_said(error)}"
    column, text, cause, place, values = found
    hides = bool(undecided(stream, referenced_fields(text)))
    said = _without_values(cause) if hides else engine_said(cause)
    given = "" if hides or not values else " of " + ", ".join(f"{name}={value}" for name, value in values.items())
    where = f"{place}: " if place else ""
    return _one_line(f"{stream.id}: {where}{column}: `{text}`{given}: {said}: {_WAY_OUT}", limit=2 * _MAX_CHARS)


def _without_values(error: PySparkException) -> str:
    """An engine quotes values as it likes, so of its words only the class is left."""
    found = _ERROR_CLASS.match(engine_said(error))
    return f"{found[0] if found else 'it failed'} (values are not shown, as the field looks personal)"


_Failure = tuple[str, str, PySparkException, str, dict[str, str]]


def _first_failure(stream: Stream, records: DataFrame) -> _Failure | None:
    """(key of the stream file, expression, error, place, values) of the first expression that fails, if one does."""
    known = records.withColumns({"cic.seen_at": F.col("arrived_at"), "cic.file_name": F.col("source_file")})
    # As they are computed (`kinds/safe.py`): what would raise by itself gives null there.
    expressions = {f"column {name}": (text, safe(text)) for name, text in stream.columns.items()}
    if stream.where is not None:
        expressions = {"where": (stream.where, safe_condition(stream.where)), **expressions}
    for key, (written, text) in expressions.items():
        cause = _error_of(known, text)
        if cause is not None:
            place, values = _first_row(known, text)
            return key, written, cause, place, values
    return None


def _error_of(frame: DataFrame, text: str) -> PySparkException | None:
    try:
        # The maximum needs every value; a count would not compute them.
        frame.agg(F.max(F.expr(text).cast("string"))).collect()
    except PySparkException as error:
        return error
    return None


def _first_row(known: DataFrame, text: str) -> tuple[str, dict[str, str]]:
    """Where an expression first fails, and the fields that it reads there; nothing if it fails on no rows too."""
    if _error_of(known.limit(0), text) is not None:
        return "", {}
    files = sorted(row["source_file"] for row in known.select("source_file").distinct().collect())
    place = F.col("source_file")
    number = _first_failing(len(files), lambda count: _error_of(known.where(place.isin(files[:count])), text))
    of_file = known.where(place == files[number - 1])
    lines = sorted(row["cic.line"] for row in of_file.select("`cic.line`").distinct().collect())
    line = F.col("`cic.line`")
    last = _first_failing(len(lines), lambda count: _error_of(of_file.where(line <= lines[count - 1]), text))
    names = [f"`{name}`" for name in referenced_fields(text) if not name.startswith("cic.")]
    rows = of_file.where(line == lines[last - 1]).select(*names).limit(1).collect() if names else []
    return f"{files[number - 1]}, line {lines[last - 1]}", _shown(names, rows)


def _shown(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> dict[str, str]:
    if not rows:
        return {}
    return {
        name.strip("`"): "null" if text is None else f"'{text[:_MAX_VALUE_CHARS]}'"
        for name, text in zip(names, rows[0], strict=True)
    }


def _first_failing(count: int, fails: Callable[[int], object | None]) -> int:
    """The smallest number of items, from the first on, that fails; all of them do."""
    low, high = 1, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) is not None else (middle + 1, high)
    return low


def _one_line(text: str, limit: int = _MAX_CHARS) -> str:
    line = inert(" ".join(text.split()))
    return line if len(line) <= limit else f"{line[:limit]}…"
