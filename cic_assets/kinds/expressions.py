"""What Spark SQL expressions of streams say of themselves, without data: hidden casts of times, reads that can fail.

An engine's own cast completes what is no instant: `00:15` becomes today, `2026` the first of January, `… BST` Dhaka.
So text is parsed by `kinds/common.py`, or by a pattern that has every part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from cic_assets.kinds.columns import SEEN_AT, Type

_TIME_TYPES = {"TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "DATETIME", "DATE", "DATE32"}
_TEXT_TYPES = {"TEXT", "VARCHAR", "CHAR", "NVARCHAR", "NCHAR"}
# Functions of one text that complete it; with a pattern beside the text they read what the pattern says.
_PARSERS = {
    f"{prefix}{name}"
    for prefix in ("", "try_")
    for name in ("to_timestamp", "to_timestamp_ntz", "to_timestamp_ltz", "to_date", "to_unix_timestamp", "to_time")
}
_OTHER_TIME = {
    "timestamp_seconds", "timestamp_millis", "timestamp_micros", "make_timestamp", "make_timestamp_ntz",
    "make_timestamp_ltz", "try_make_timestamp", "make_date", "convert_timezone", "to_utc_timestamp",
    "from_utc_timestamp", "current_timestamp", "now", "localtimestamp",
}  # fmt: skip
# What takes a time, and casts a text that stands in its place.
_SHIFTS = (
    exp.FromTimeZone, exp.AtTimeZone, exp.ConvertTimezone, exp.TimestampTrunc, exp.DateTrunc, exp.TsOrDsAdd,
    exp.TimestampAdd, exp.DateAdd, exp.DateSub, exp.AddMonths,
)  # fmt: skip
_TO_UTC = (exp.FromTimeZone, exp.ConvertTimezone)
_OFFSET = re.compile("[XxzZVO]")
_MEND = {
    "local": "give the text itself, or try_to_timestamp(text, pattern)",
    "at": "give the text itself (`concat(text, 'Z')` where the feed means UTC), or try_to_timestamp(text, pattern)",
}


def parsed(expression: str) -> exp.Expression:
    """The tree of one Spark SQL expression.

    Raises:
        SqlglotError: it doesn't parse.
    """
    tree = sqlglot.parse_one(f"select {expression} as value", read="spark").expressions[0].this
    assert isinstance(tree, exp.Expression)
    return tree


def instant_faults(name: str, expression: str, type_: Type) -> list[str]:
    """Why an expression can't give the times of a column, such as `started_at`; empty where it can.

    Args:
        name: of the column.
        expression: in Spark SQL.
        type_: of the column: `instant`, `day` or `date`.
    """
    tree = parsed(expression)
    way = "local" if name.endswith("_local") else "at"
    faults = [
        f"{node.sql('spark')} lets the engine complete a text that is no whole time; {_MEND[way]}"
        for node in _completing(tree)
    ]
    for node, pattern in patterns(tree):
        faults += [f"{pattern!r} {fault}" for fault in _pattern_faults(name, type_, node, pattern)]
    return faults


def _completing(tree: exp.Expression) -> Iterator[exp.Expression]:
    """Nodes in which the engine makes a time of a text by its own rules."""
    for node in tree.walk():
        if isinstance(node, exp.Cast):
            # `to_utc_timestamp(x)` is parsed into a cast too; a literal is the author's own.
            is_time = node.to.this.name in _TIME_TYPES
            if is_time and _kind(node.this) == "text" and not isinstance(node.this, exp.Literal):
                yield node
        elif name_of(node) in _PARSERS:
            if len(arguments_of(node)) == 1 and _kind(arguments_of(node)[0]) == "text":
                yield node
        elif isinstance(node, _SHIFTS):
            value = node.args.get("timestamp") if isinstance(node, exp.ConvertTimezone) else node.this
            if isinstance(value, exp.Expression) and _kind(value) == "text":
                yield node
        elif isinstance(node, exp.Add | exp.Sub):
            sides = (node.this, node.expression)
            others = [side for side in sides if not isinstance(side, exp.Interval)]
            if len(others) == 1 and _kind(others[0]) == "text":
                yield node
        elif {"time", "text"} <= {_kind(branch) for branch in _branches(node)}:
            yield node


def patterns(tree: exp.Expression) -> Iterator[tuple[exp.Expression, str]]:
    """What reads a text by a pattern, and the pattern, where that is a literal."""
    for node in tree.walk():
        if name_of(node) in _PARSERS and len(arguments_of(node)) > 1:
            pattern = pattern_of(node)
            if pattern is not None:
                yield node, pattern


def pattern_of(node: exp.Expression) -> str | None:
    """The pattern as written; None where it is no literal."""
    if isinstance(node, exp.Anonymous):
        given = node.expressions[1]
    else:
        # sqlglot keeps other letters inside, and writes Spark's again for this function whatever they are.
        if not isinstance(node.args.get("format"), exp.Expression):
            return None
        written = exp.StrToTime(this=exp.Literal.number(0), format=node.args["format"].copy()).sql("spark")
        given = arguments_of(parsed(f"f({written.partition('(')[2]}"))[1]
    if isinstance(given, exp.Concat) and all(isinstance(part, exp.Literal) for part in given.expressions):
        # 'a''b' is one text for SQL, and two side by side for Spark.
        return "'".join(str(part.this) for part in given.expressions)
    return str(given.this) if isinstance(given, exp.Literal) else None


def _pattern_faults(name: str, type_: Type, node: exp.Expression, pattern: str) -> Iterator[str]:
    letters = re.sub(r"'[^']*'", "", pattern)
    lacking = [
        what
        for what, signs in (("year", "yu"), ("month", "MLD"), ("day", "dD"), ("hours", "HhkK"), ("minutes", "m"))
        if not set(signs) & set(letters) and (what in ("year", "month", "day") or type_ == "instant")
    ]
    if lacking:
        yield f"has no {', no '.join(lacking)}, which the engine would make up; read them from the feed too"
    if name.endswith("_local") and _OFFSET.search(letters):
        yield f"reads an offset, so the time is an instant: name the column {name.removesuffix('_local')}_at"
    # A registry's dates are the zone's wall clock.
    if not name.endswith("_local") and type_ != "date" and _is_naive(node, pattern):
        local = f"name the column {name.removesuffix('_at')}_local if the time is the zone's wall clock, or "
        yield (
            f"has no offset: {local if type_ == 'instant' else ''}wrap it in "
            "to_utc_timestamp(…, zone); zone 'UTC' if the feed means UTC"
        )


def reads_wall_clock(expression: str) -> bool:
    """Whether an expression's timestamps come from patterns without an offset, and nothing turned them into UTC."""
    return any(_is_naive(node, pattern) for node, pattern in patterns(parsed(expression)))


def _is_naive(node: exp.Expression, pattern: str) -> bool:
    has_offset = _OFFSET.search(re.sub(r"'[^']*'", "", pattern)) or pattern.rstrip().endswith("'Z'")
    return not has_offset and not any(isinstance(above, _TO_UTC) for above in _ancestors(node))


def _ancestors(node: exp.Expression) -> Iterator[exp.Expression]:
    above = node.parent
    while isinstance(above, exp.Expression):
        yield above
        above = above.parent


def name_of(node: exp.Expression) -> str:
    """The name of a function that sqlglot does not know, or by which texts are read as times; else nothing."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    names = {exp.StrToTime: "to_timestamp", exp.TsOrDsToDate: "to_date"}
    return names.get(type(node), "")


def arguments_of(node: exp.Expression) -> Sequence[exp.Expression]:
    """What a function is given."""
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    return [part for part in (node.this, node.args.get("format")) if isinstance(part, exp.Expression)]


def _branches(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.If):
        found = [node.args.get("true"), node.args.get("false")]
    elif isinstance(node, exp.Case):
        found = [*(branch.args.get("true") for branch in node.args["ifs"]), node.args.get("default")]
    elif isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        found = [node.this, *node.expressions]
    else:
        found = []
    return [branch for branch in found if isinstance(branch, exp.Expression) and not isinstance(branch, exp.Null)]


def _kind(node: exp.Expression) -> str:
    """time, number or text; fields are text, and what is not known counts as text."""
    if isinstance(node, exp.Paren | exp.Neg):
        return _kind(node.this)
    if isinstance(node, exp.Column):
        return "time" if node.name == SEEN_AT or ".".join(part.name for part in node.parts) == SEEN_AT else "text"
    if isinstance(node, exp.Cast):
        kind = node.to.this.name
        return "time" if kind in _TIME_TYPES else "text" if kind in _TEXT_TYPES else "number"
    if isinstance(node, exp.Coalesce | exp.If | exp.Case | exp.Greatest | exp.Least):
        kinds = {_kind(branch) for branch in _branches(node)}
        return kinds.pop() if len(kinds) == 1 else "text"
    if isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Interval):
        return "time"
    if name_of(node) in _PARSERS | _OTHER_TIME or isinstance(node, (*_SHIFTS, exp.TimestampFromParts, exp.UnixToTime)):
        return "time"
    is_number = isinstance(node, exp.Binary) and not isinstance(node, exp.DPipe | exp.Dot | exp.Bracket)
    if is_number or (isinstance(node, exp.Literal) and not node.is_string):
        return "number"
    return "number" if isinstance(node, exp.StrToUnix | exp.Round | exp.Floor | exp.Ceil) else "text"


def _as_text(node: exp.Expression) -> exp.Expression:
    return exp.cast(node.copy(), "string", dialect="spark")


def failing_reads(expression: str) -> list[tuple[str, str]]:
    """(what reads a text and gives null where it can't, the text that it reads), as Spark SQL."""
    found = {}
    for node in parsed(expression).walk():
        text = _read_text(node)
        # The variable of a lambda has no value outside of it.
        if text is not None and node.find_ancestor(exp.Lambda) is None:
            found[node.sql("spark")] = text.sql("spark")
    return list(found.items())


def _read_text(node: exp.Expression) -> exp.Expression | None:
    """What a node reads that may be null though there is something; the parts of a division by zero, or of no date."""
    if isinstance(node, exp.Div | exp.IntDiv | exp.Mod) and isinstance(node.expression, exp.Nullif):
        return exp.Concat(expressions=[_as_text(node.this), _as_text(node.expression.this)])
    if name_of(node) == "try_make_timestamp":
        return exp.Concat(expressions=[_as_text(part) for part in arguments_of(node)])
    if isinstance(node, exp.TryCast):
        return node.this if node.args.get("safe") else None
    reads = name_of(node) in _PARSERS | {"try_to_number", "try_to_binary"}
    return arguments_of(node)[0] if reads and arguments_of(node) else None
