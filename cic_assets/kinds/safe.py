"""Expressions of stream files as they run: what would raise on a value gives null in its place, to be flagged (U01).

Both engines are in ANSI mode: one cell that is no number ended the ingest of all feeds. What can't be made safe is
refused when the stream file is loaded: texts and numbers mixed in one list of alternatives, a pattern that no engine
reads. Which reads gave null, `kinds/expressions.py:failing_reads` finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from zoneinfo import available_timezones

from sqlglot import exp

from cic_assets.kinds.expressions import arguments_of, name_of, parsed, pattern_of, patterns

_INTEGERS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
_TEXTS = ("TEXT", "VARCHAR", "CHAR")
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ")
_SUMS = (exp.Add, exp.Sub, exp.Mul, exp.Div)
_DIVISIONS = (exp.Div, exp.IntDiv, exp.Mod)
_COMPARED = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_OF_A_NUMBER = (exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sign, exp.Sqrt, exp.Pow)
_BITS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot)
_OF_A_TIME = (
    exp.Year, exp.Month, exp.Day, exp.DayOfMonth, exp.Hour, exp.Minute, exp.Second, exp.Extract, exp.TimeToStr,
    exp.DateTrunc, exp.TimestampTrunc, exp.TsOrDsAdd, exp.DateAdd, exp.DateSub, exp.TsOrDsToDate,
)  # fmt: skip
_SHIFTS = (exp.DateTrunc, exp.TimestampTrunc, exp.FromTimeZone, exp.AtTimeZone)
# Where a whole number is given; of some a text can be read as one, of others the number must be written.
_COUNTED = {
    exp.Substring: ("start", "length"), exp.Left: ("expression",), exp.Right: ("expression",),
    exp.TsOrDsAdd: ("expression",), exp.StrPosition: ("position",),
}  # fmt: skip
_WRITTEN = {
    exp.Pad: ("expression",), exp.SplitPart: ("part_index",), exp.ArraySlice: ("start", "end"),
    exp.Round: ("decimals",),
}  # fmt: skip
# A padded text is at most so long, and of a decimal Spark keeps so many digits.
_MAX_PADDED, _MAX_DIGITS = 1_000, 38
# Seconds and milliseconds of the years 1 to 9999.
_UNIX = {"timestamp_seconds": (-62_135_596_800, 253_402_300_799)}
_UNIX["timestamp_millis"] = (_UNIX["timestamp_seconds"][0] * 1000, _UNIX["timestamp_seconds"][1] * 1000 + 999)
# Letters that both engines parse; `E`, `w` or `Y` raise on each row.
_PATTERN_LETTERS = frozenset("yMdHhkKmsSaXxzVO")
_GROUPS = re.compile(r"\\p|&&|\(\?[<>=!]")


@lru_cache(maxsize=10_000)
def safe(expression: str) -> str:
    """The expression as it is handed to an engine: as it stands where nothing in it can raise on a value."""
    tree = parsed(expression).copy()
    before = tree.sql("spark")
    # From the leaves up: a division may stand within a cast.
    for node in list(tree.dfs())[::-1]:
        other = _mended(node)
        if other is not node:
            tree = other if node is tree else tree
            if node.parent is not None:
                node.replace(other)
    after = tree.sql("spark")
    return expression if after == before else after


@lru_cache(maxsize=10_000)
def safe_condition(expression: str) -> str:
    """The same of an expression that says whether something is so: of a text, whether it says true."""
    tree = parsed(expression)
    return f"try_cast({safe(expression)} as boolean)" if _is_text(tree) else safe(expression)


def _mended(node: exp.Expression) -> exp.Expression:
    """A node that can't raise; what stands below it can't any more."""
    if isinstance(node, exp.Cast) and not node.args.get("safe") and _can_fail(node):
        return _try_cast(node.this, node.to.copy())
    if isinstance(node, exp.StrToTime | exp.TsOrDsToDate | exp.StrToUnix):
        return _read_time(node)
    if isinstance(node, exp.Bracket) and len(node.expressions) == 1 and not node.args.get("safe"):
        return _element(node)
    if isinstance(node, exp.TimestampFromParts) or name_of(node) == "make_date":
        return _made(node)
    if isinstance(node, exp.UnixToTime) or name_of(node) in _UNIX:
        return _within_years(node)
    return _with_numbers(node)


def _can_fail(node: exp.Cast) -> bool:
    """A time is one already: some casts are sqlglot's own, around what is shifted to another zone."""
    is_constant = isinstance(node.this, exp.Literal | exp.Null | exp.Boolean)
    return not (is_constant or node.to.this.name in _TEXTS or (_is_time(node.this) and node.to.this.name in _TIMES))


def _element(node: exp.Bracket) -> exp.Expression:
    """An element of a list; null where there is none so far behind. A map's value is null without its key anyway."""
    key = node.expressions[0]
    if node.args.get("offset"):
        return exp.Anonymous(this="try_element_at", expressions=[node.this.copy(), key.copy()])
    if _is_literal_text(key):
        return node
    return exp.Anonymous(this="get", expressions=[node.this.copy(), key.copy()])


def _read_time(node: exp.Expression) -> exp.Expression:
    pattern = pattern_of(node)
    if pattern is None:
        return node
    quoted = exp.Literal.string(pattern)
    moment = exp.Anonymous(this="try_to_timestamp", expressions=[node.this.copy(), quoted])
    if isinstance(node, exp.TsOrDsToDate):
        return exp.cast(moment, "date", dialect="spark")
    return exp.Anonymous(this="unix_timestamp", expressions=[moment]) if isinstance(node, exp.StrToUnix) else moment


def _made(node: exp.Expression) -> exp.Expression:
    """A date or time of its parts: `make_date(2026, 13, 1)` raises."""
    parts = [part.copy() for part in _written_arguments(node)]
    if all(isinstance(part, exp.Literal) for part in parts):
        return node
    is_date = name_of(node) == "make_date"
    kinds = [*["int"] * 5, "decimal(8, 6)"]
    parts = [
        part if isinstance(part, exp.Literal) else _try_cast(part, exp.DataType.build(kind, dialect="spark"))
        for part, kind in zip(parts, kinds, strict=False)
    ]
    parts += [exp.Literal.number(0) for _ in range(3)] if is_date else []
    moment = exp.Anonymous(this="try_make_timestamp", expressions=parts)
    return exp.cast(moment, "date", dialect="spark") if is_date else moment


def _within_years(node: exp.Expression) -> exp.Expression:
    text = node.sql("spark")
    bounds = _UNIX.get(text.partition("(")[0].lower())
    if bounds is None:
        return node
    value = _number(_written_arguments(node)[0], "bigint")
    low, high = bounds
    within = exp.Between(this=value.copy(), low=parsed(str(low)), high=parsed(str(high)))
    call = exp.Anonymous(this=text.partition("(")[0].lower(), expressions=[value.copy()])
    return exp.Case(ifs=[exp.If(this=within, true=call)])


def _written_arguments(node: exp.Expression) -> list[exp.Expression]:
    """What a function is given, in the order of Spark SQL."""
    return list(arguments_of(parsed(f"f({node.sql('spark').partition('(')[2]}")))


def _with_numbers(node: exp.Expression) -> exp.Expression:
    """Numbers where the engine would make some of texts, none by which nothing can be divided, none that overflow."""
    copy = node.copy()
    texts = [place for name in _COUNTED.get(type(copy), ()) if (place := copy.args.get(name)) and _is_text(place)]
    if texts:
        # Of a part that begins at no place, Sail gives the beginning.
        places = [_number(place, "int") for place in texts]
        for text, place in zip(texts, places, strict=True):
            text.replace(place)
        are_there = exp.and_(*(place.copy().is_(exp.null()).not_() for place in places))
        return exp.Case(ifs=[exp.If(this=are_there, true=copy)])
    if isinstance(copy, _SUMS) and not _is_of_times(copy):
        for side in (copy.this, copy.expression):
            side.replace(_wide(side))
    elif isinstance(copy, exp.IntDiv | exp.Mod):
        for side in (copy.this, copy.expression):
            side.replace(_number(side, "bigint" if isinstance(copy, exp.IntDiv) else "double"))
    elif isinstance(copy, _OF_A_NUMBER):
        copy.this.replace(_wide(copy.this))
    elif isinstance(copy, _BITS):
        for side in (copy.this, copy.args.get("expression")):
            if isinstance(side, exp.Expression):
                side.replace(_number(side, "bigint"))
    elif isinstance(copy, (*_COMPARED, exp.Between, exp.In)):
        _compare_numbers(copy)
    elif isinstance(copy, exp.And | exp.Or | exp.Not | exp.If):
        for side in (copy.this, copy.expression if isinstance(copy, exp.Connector) else None):
            if side is not None and _is_text(side):
                side.replace(_try_cast(side, exp.DataType.build("boolean")))
    elif name_of(copy) == "pmod":
        for side in arguments_of(copy):
            side.replace(_number(side, "double"))
    if isinstance(copy, _DIVISIONS) or name_of(copy) == "pmod":
        divisor = copy.expression if isinstance(copy, exp.Binary) else arguments_of(copy)[1]
        is_something = isinstance(divisor, exp.Literal) and divisor.this.strip("0.")
        if not (is_something or isinstance(divisor, exp.Nullif)):
            divisor.replace(exp.Nullif(this=divisor.copy(), expression=exp.Literal.number(0)))
    return node if copy.sql("spark") == node.sql("spark") else copy


def _compare_numbers(node: exp.Expression) -> None:
    others = [part for part in node.iter_expressions() if not isinstance(part, exp.Null)]
    if any(_is_number(part) for part in others):
        for part in others:
            if _is_text(part):
                part.replace(_number(part, "double"))


def _is_of_times(node: exp.Expression) -> bool:
    return any(isinstance(part, exp.Interval) or _is_time(part) for part in (node.this, node.expression))


def _is_time(node: exp.Expression) -> bool:
    if isinstance(node, exp.Paren):
        return _is_time(node.this)
    is_shifted = isinstance(node, (*_SHIFTS, exp.UnixToTime, exp.TimestampFromParts))
    is_platforms = isinstance(node, exp.Column) and _is_platforms(node)
    is_cast = isinstance(node, exp.Cast) and node.to.this.name in _TIMES
    return is_cast or is_platforms or is_shifted or "to_timestamp" in name_of(node) or "make_timestamp" in name_of(node)


def _wide(node: exp.Expression) -> exp.Expression:
    """A number that no product of a few overflows: 2^63 raises on one engine and becomes negative on the other."""
    if isinstance(node, exp.Cast) and node.to.this.name in _INTEGERS:
        return _try_cast(node, exp.DataType.build("double"))
    return _number(node, "double")


def _number(node: exp.Expression, kind: str) -> exp.Expression:
    return _try_cast(node, exp.DataType.build(kind, dialect="spark")) if _is_text(node) else node.copy()


def _try_cast(node: exp.Expression, kind: exp.DataType) -> exp.Expression:
    return exp.TryCast(this=node.copy(), to=kind, safe=True)


def _is_literal_text(node: exp.Expression) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


# Functions that give a text whatever they are given.
_GIVE_TEXT = (
    exp.Concat, exp.ConcatWs, exp.DPipe, exp.Substring, exp.SubstringIndex, exp.Left, exp.Right, exp.Trim, exp.Upper,
    exp.Lower, exp.Initcap, exp.Pad, exp.SplitPart, exp.RegexpExtract, exp.RegexpReplace, exp.Replace, exp.Translate,
    exp.JSONExtractScalar, exp.ArrayToString,
)  # fmt: skip


def _is_text(node: exp.Expression) -> bool:
    """Whether it is a text, as fields are; what is not known is none."""
    if isinstance(node, exp.Paren):
        return _is_text(node.this)
    if isinstance(node, exp.Column):
        return not _is_platforms(node) and node.find_ancestor(exp.Lambda) is None
    if isinstance(node, exp.Cast):
        return node.to.this.name in _TEXTS
    if isinstance(node, exp.Coalesce | exp.Nullif):
        return _is_text(node.this)
    return _is_literal_text(node) or isinstance(node, _GIVE_TEXT)


def _is_platforms(column: exp.Column) -> bool:
    return ".".join(part.name for part in column.parts) == "cic.seen_at"


def _is_number(node: exp.Expression) -> bool:
    if isinstance(node, exp.Paren | exp.Neg):
        return _is_number(node.this)
    if isinstance(node, exp.Cast):
        return node.to.this.name not in (*_TEXTS, *_TIMES, "BOOLEAN", "ARRAY", "MAP", "STRUCT")
    is_literal = isinstance(node, exp.Literal) and not node.is_string
    return is_literal or isinstance(node, (*_SUMS, *_DIVISIONS, *_OF_A_NUMBER, exp.Length))


def unsafe_faults(expression: str) -> list[str]:
    """What in an expression would raise on values, or on all of them, and can't be made safe; empty where nothing."""
    tree = parsed(expression)
    found = [fault for node in tree.walk() for fault in _node_faults(node)]
    found += [fault for _, pattern in patterns(tree) for fault in _pattern_faults(pattern)]
    return list(dict.fromkeys(found))


def _node_faults(node: exp.Expression) -> Iterator[str]:
    said = node.sql("spark")
    if isinstance(node, exp.StrToTime | exp.TsOrDsToDate | exp.StrToUnix) and node.args.get("format"):
        if pattern_of(node) is None:
            yield f"{said} ends the ingest where a text has another form; write try_to_timestamp(text, 'pattern')"
    elif _takes_a_time(node) and isinstance(node.this, exp.Column) and _is_text(node.this):
        yield f"{said} reads a text as a time; write try_to_timestamp({node.this.sql('spark')}, 'pattern') in its place"
    elif isinstance(node, exp.Coalesce | exp.Greatest | exp.Least | exp.Nullif | exp.Case | exp.If | exp.Array):
        mixed = [part for part in _alternatives(node) if not isinstance(part, exp.Null)]
        if any(map(_is_text, mixed)) and any(map(_is_number, mixed)):
            yield f"{said} mixes texts and numbers, and a text that is none ends the ingest; write all of them alike"
    elif isinstance(node, exp.FromTimeZone | exp.AtTimeZone):
        yield from _zone_faults(node)
    elif isinstance(node, exp.Cast) and node.to.this is exp.DataType.Type.DECIMAL:
        digits = [int(part.name) for part in node.to.expressions]
        if digits and (not 0 < digits[0] <= _MAX_DIGITS or max(digits[1:], default=0) > digits[0]):
            yield f"{said}: a decimal has at most {_MAX_DIGITS} digits, and no more behind the point than in all"
    elif type(node) in _WRITTEN or (isinstance(node, exp.Bracket) and node.args.get("offset")):
        yield from _place_faults(node)
    elif isinstance(node, exp.RegexpExtract | exp.RegexpReplace | exp.RegexpLike):
        yield from _regex_faults(node)


@cache
def _zones() -> set[str]:
    return available_timezones()


def _zone_faults(node: exp.Expression) -> Iterator[str]:
    """One zone that nobody knows ends the query of all rows."""
    zone = node.args.get("zone")
    places = _alternatives(zone) if isinstance(zone, exp.Case | exp.If | exp.Coalesce) else [zone]
    for place in places:
        if not isinstance(place, exp.Expression) or not _is_literal_text(place):
            yield f"{node.sql('spark')}: write the zone itself; where rows have their own, `columns.zone` says it"
        elif place.this not in _zones():
            yield f"{place.this!r} is no IANA time zone, such as Europe/London"


def _place_faults(node: exp.Expression) -> Iterator[str]:
    """A place 0, or one that a row tells, raises; so long a text as a row tells takes all memory."""
    parts = [node.args.get(name) for name in _WRITTEN.get(type(node), ())] or node.expressions
    for part in parts:
        number = part.this if isinstance(part, exp.Neg) else part
        if not isinstance(number, exp.Expression) or _is_literal_text(number):
            continue
        if not isinstance(number, exp.Literal):
            yield f"{node.sql('spark')}: write {number.sql('spark')} as a number itself"
        elif isinstance(node, exp.Pad) and int(float(number.this)) > _MAX_PADDED:
            yield f"{node.sql('spark')}: a text of at most {_MAX_PADDED} signs"
        elif part in parts[:1] and number.this == "0" and not isinstance(node, exp.Pad | exp.Round):
            yield f"{node.sql('spark')}: places count from 1"


def _takes_a_time(node: exp.Expression) -> bool:
    is_shifted = isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Interval)
    return is_shifted or isinstance(node, _OF_A_TIME)


def _alternatives(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Case):
        found = [*(branch.args.get("true") for branch in node.args["ifs"]), node.args.get("default")]
    elif isinstance(node, exp.If):
        # Of a `case`, its own branches are looked at together.
        found = [] if isinstance(node.parent, exp.Case) else [node.args.get("true"), node.args.get("false")]
    else:
        found = [node.this, *node.expressions, node.args.get("expression")]
    return [part for part in found if isinstance(part, exp.Expression)]


def _regex_faults(node: exp.Expression) -> Iterator[str]:
    pattern = node.expression
    if not _is_literal_text(pattern):
        return
    try:
        groups = re.compile(pattern.this).groups
    except re.error as error:
        # Python lacks some of what the engines know.
        if not _GROUPS.search(pattern.this):
            yield f"{pattern.this!r} is no regular expression: {error}"
        return
    group = node.args.get("group")
    number = int(group.this) if isinstance(group, exp.Literal) and group.this.isdigit() else 1 if group is None else 0
    if isinstance(node, exp.RegexpExtract) and number > groups:
        yield f"{node.sql('spark')} asks for group {number} of {groups}; put (…) around it, or ask for group 0"


def _pattern_faults(pattern: str) -> Iterator[str]:
    letters = set(re.findall("[A-Za-z]", re.sub(r"'[^']*'", "", pattern)))
    if strange := letters - _PATTERN_LETTERS:
        yield f"{pattern!r}: the letters {', '.join(sorted(strange))} are not read; text stands in '…'"
    if letters & {"h", "K"} and "a" not in letters:
        yield f"{pattern!r}: hours of a 12-hour clock (h) without AM or PM (a); write H for 24 hours"
    if letters & {"H", "k"} and "a" in letters:
        yield f"{pattern!r}: hours of a 24-hour clock (H) beside AM or PM (a); write h"
