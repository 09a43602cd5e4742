"""What expressions of stream files may call: functions of a list, each the same on every engine and on every day.

Others read the server's environment (`reflect`, `${env:…}`), or give something else at the next run (`uuid()`), so that
a rerun would change what is published. Names are checked as they are written, and the tree as it is parsed: what has no
parentheses (`current_date`) has no name before one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.tokens import Token, TokenType

# By what they are for; each with an example over the text fields of one record.
FUNCTIONS: dict[str, dict[str, str]] = {
    "conditions": {
        "coalesce": "coalesce(word, 'none')",
        "nvl": "nvl(word, 'none')",
        "ifnull": "ifnull(word, 'none')",
        "nullif": "nullif(word, '-')",
        "if": "if(word = 'x', 1, 0)",
        "isnull": "isnull(word)",
        "isnotnull": "isnotnull(word)",
        "greatest": "greatest(word, 'b')",
        "least": "least(word, 'b')",
        "cast": "cast(number as double)",
        "try_cast": "try_cast(number as decimal(12, 4))",
    },
    "text": {
        "concat": "concat(word, '-', number)",
        "concat_ws": "concat_ws('-', word, number)",
        "substring": "substring(word, 1, 2)",
        "substr": "substr(word, 1, 2)",
        "left": "left(word, 2)",
        "right": "right(word, 2)",
        "trim": "trim(word)",
        "ltrim": "ltrim(word)",
        "rtrim": "rtrim(word)",
        "upper": "upper(word)",
        "lower": "lower(word)",
        "initcap": "initcap(word)",
        "length": "length(word)",
        "char_length": "char_length(word)",
        "lpad": "lpad(word, 8, '0')",
        "rpad": "rpad(word, 8, '0')",
        "replace": "replace(word, 'A', 'B')",
        "translate": "translate(word, 'A', 'B')",
        "reverse": "reverse(word)",
        "instr": "instr(word, 'c')",
        "locate": "locate('c', word)",
        "position": "position('c' in word)",
        "split": "split(word, ' ')",
        "split_part": "split_part(word, ' ', 1)",
        "substring_index": "substring_index(word, ' ', 1)",
        "startswith": "startswith(word, 'A')",
        "endswith": "endswith(word, 'c')",
        "contains": "contains(word, 'b')",
        "regexp_extract": "regexp_extract(word, '([a-z]+)', 1)",
        "regexp_replace": "regexp_replace(word, '[a-z]', '-')",
        "regexp_like": "regexp_like(word, '^A')",
        "md5": "md5(word)",
        "sha1": "sha1(word)",
        "sha2": "sha2(word, 256)",
    },
    "numbers": {
        "abs": "abs(try_cast(number as decimal(12, 4)))",
        "round": "round(try_cast(number as decimal(12, 4)), 1)",
        "floor": "floor(try_cast(number as double))",
        "ceil": "ceil(try_cast(number as double))",
        "ceiling": "ceiling(try_cast(number as double))",
        "sign": "sign(try_cast(number as double))",
        "pow": "pow(try_cast(number as double), 2)",
        "power": "power(try_cast(number as double), 2)",
        "sqrt": "sqrt(try_cast(number as double))",
        "mod": "mod(try_cast(number as int), 5)",
        "pmod": "pmod(try_cast(number as int), 5)",
        "conv": "conv('ff', 16, 10)",
    },
    "times": {
        "to_timestamp": "to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss')",
        "try_to_timestamp": "try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss')",
        "to_date": "to_date(moment, 'yyyy-MM-dd HH:mm:ss')",
        "to_utc_timestamp": "to_utc_timestamp(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'), 'Europe/London')",
        "from_utc_timestamp": "from_utc_timestamp(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'), 'Europe/London')",
        "timestamp_seconds": "timestamp_seconds(try_cast(number as bigint))",
        "timestamp_millis": "timestamp_millis(try_cast(number as bigint))",
        "timestamp_micros": "timestamp_micros(try_cast(number as bigint))",
        "date_format": "date_format(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'), 'yyyy-MM-dd')",
        "date_trunc": "date_trunc('hour', try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "date_add": "date_add(to_date(moment, 'yyyy-MM-dd HH:mm:ss'), 1)",
        "date_sub": "date_sub(to_date(moment, 'yyyy-MM-dd HH:mm:ss'), 1)",
        "make_date": "make_date(2026, 3, 29)",
        "make_timestamp": "make_timestamp(2026, 3, 29, 1, 30, 0)",
        "unix_timestamp": "unix_timestamp(moment, 'yyyy-MM-dd HH:mm:ss')",
        "extract": "extract(hour from try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "year": "year(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "month": "month(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "day": "day(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "hour": "hour(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "minute": "minute(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
        "second": "second(try_to_timestamp(moment, 'yyyy-MM-dd HH:mm:ss'))",
    },
    "JSON, lists and maps": {
        "get_json_object": "get_json_object(json, '$.a')",
        "from_json": "from_json(json, 'a array<int>').a",
        "to_json": "to_json(named_struct('a', word))",
        "json_array_length": "json_array_length('[1, 2]')",
        "named_struct": "named_struct('a', word).a",
        "array": "array(word, number)",
        "map": "map('a', word)['a']",
        "size": "size(split(word, ' '))",
        "cardinality": "cardinality(split(word, ' '))",
        "element_at": "element_at(split(word, ' '), 1)",
        "try_element_at": "try_element_at(split(word, ' '), 9)",
        "get": "get(split(word, ' '), 0)",
        "array_contains": "array_contains(split(word, ' '), 'c')",
        "array_join": "array_join(split(word, ' '), '-')",
        "array_position": "array_position(split(word, ' '), 'c')",
        "array_distinct": "array_distinct(split(word, ' '))",
        "array_max": "array_max(split(word, ' '))",
        "array_min": "array_min(split(word, ' '))",
        "array_sort": "array_sort(split(word, ' '))",
        "sort_array": "sort_array(split(word, ' '))",
        "slice": "slice(split(word, ' '), 1, 1)",
        "transform": "transform(split(word, ' '), x -> upper(x))",
        "filter": "filter(split(word, ' '), x -> x <> 'c')",
        "exists": "exists(split(word, ' '), x -> x = 'c')",
        "forall": "forall(split(word, ' '), x -> x = 'c')",
    },
}
OPERATORS = (
    "(word = 'a' or word <> 'b') and not word <=> 'c' and word is not null",
    "word < 'z' and word >= 'a' and 1 > 0 and 1 <= 2",
    "word in ('a', 'b') or word between 'a' and 'b' or word like 'a%' or word ilike 'a%' or word rlike 'a' or true",
    "case word when 'a' then -1 else null end + 1 - 2 * 3 / 4 % 5 div 6 | 1 & 2 ^ 3",
    "a.b.c || a['b'][0] || cast(word as string) || x.`y z`",
    "timestamp '2026-01-01 00:00:00' + interval 5 minutes - interval '1' day",
    "cast(word as array<string>) is null or word is distinct from 'a' or ~1 = 2",
)  # fmt: skip
# Words that may stand before a parenthesis and call nothing.
_SYNTAX = frozenset(
    (
        "select", "and", "or", "not", "in", "when", "then", "else", "case", "end", "between", "like", "ilike", "rlike",
        "is", "as", "from", "div", "interval", "distinct", "decimal", "numeric", "dec", "varchar", "char",
    )
)  # fmt: skip
# Functions that need no parentheses, where no field has their name.
_OF_THE_SESSION = frozenset(
    (
        "current_date", "current_timestamp", "current_time", "current_user", "current_catalog", "current_database",
        "current_schema", "current_timezone", "localtimestamp", "localtime", "session_user", "user",
    )
)  # fmt: skip
_TYPES = frozenset(
    (
        "TEXT", "VARCHAR", "CHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL",
        "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "ARRAY", "MAP", "STRUCT",
    )
)  # fmt: skip
_TIME_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ")
_ALLOWED = frozenset(name for names in FUNCTIONS.values() for name in names)


def call_faults(expression: str) -> list[str]:
    """Why an expression may not be handed to an engine; empty where it may.

    Raises:
        SqlglotError: it doesn't parse.
    """
    # Apache Spark puts these in before it parses, within texts too: '${env:CIC_PERSONAL_KEY}'.
    if "${" in expression:
        return ["'${' takes settings of the server into the text; write concat('$', '{') for the signs themselves"]
    faults = [*_written(sqlglot.tokenize(_query(expression), read="spark")), *_parsed(expression)]
    return list(dict.fromkeys(faults))


def _query(expression: str) -> str:
    # Within a query: at its own beginning a word such as `call` makes one text of all that follows.
    return f"select {expression} as value"


def _written(tokens: list[Token]) -> Iterator[str]:
    """What is wrong with the words as they stand, before anything gives them other names."""
    for place, token in enumerate(tokens):
        following = tokens[place + 1].token_type if place + 1 < len(tokens) else None
        if token.comments:
            yield "a comment has no place in an expression"
        if token.token_type in _STRANGE:
            yield f"{token.text!r} is not supported"
        is_name = token.token_type is TokenType.IDENTIFIER or token.text.replace("_", "").isalnum()
        if token.text.lower() in _OF_THE_SESSION and token.token_type is not TokenType.IDENTIFIER:
            yield f"{token.text} is the session's; write `{token.text}` in backquotes for a field of that name"
        if following is not TokenType.L_PAREN or not is_name or token.token_type in _VALUES:
            continue
        name = token.text.lower()
        is_qualified = place > 0 and tokens[place - 1].token_type is TokenType.DOT
        if is_qualified or (name not in _ALLOWED and name not in _SYNTAX):
            yield f"{token.text}(…) may not be called; `cic streams functions` lists what may"


_VALUES = (TokenType.STRING, TokenType.NUMBER)
# Engines and sqlglot don't agree on where a raw text ends; `;` and `:` begin what is no expression.
_STRANGE = (TokenType.RAW_STRING, TokenType.SEMICOLON, TokenType.COLON, TokenType.PARAMETER, TokenType.PLACEHOLDER)


def _parsed(expression: str) -> Iterator[str]:
    select = sqlglot.parse_one(_query(expression), read="spark")
    if not isinstance(select, exp.Select) or any(value for name, value in select.args.items() if name != "expressions"):
        yield "give one expression, not a query"
        return
    for node in select.expressions[0].this.walk():
        is_unknown = isinstance(node, exp.Anonymous) and str(node.this).lower() not in _ALLOWED
        if type(node) not in _shapes() or is_unknown:
            yield f"{node.sql('spark')} is not supported; `cic streams functions` lists what may be called"
        elif isinstance(node, exp.DataType) and node.this.name not in _TYPES:
            yield f"no cast to {node.sql('spark')}"
        elif _is_of_today(node):
            yield f"{node.sql('spark')} is another time each day; write the time itself, '2026-01-31 00:00:00'"


@lru_cache(maxsize=1)
def _shapes() -> frozenset[type]:
    """The kinds of nodes in the examples."""
    examples = [*OPERATORS, *(text for names in FUNCTIONS.values() for text in names.values())]
    trees = [sqlglot.parse_one(_query(text), read="spark").expressions[0].this for text in examples]
    return frozenset(type(node) for tree in trees for node in tree.walk()) | {exp.Anonymous}


def _is_of_today(node: exp.Expression) -> bool:
    """Whether a constant becomes a time whose day is that of the run: `timestamp 'now'`, `date 'today'`, '12:30'."""
    is_cast = isinstance(node, exp.Cast) and node.to.this.name in _TIME_TYPES
    is_read = isinstance(node, exp.StrToTime | exp.TsOrDsToDate) or (
        isinstance(node, exp.Anonymous) and str(node.this).lower() in ("to_timestamp", "try_to_timestamp", "to_date")
    )
    if not (is_cast or is_read) or any(node.find_all(exp.Column)):
        return False
    text = node.this if isinstance(node.this, exp.Expression) else (node.expressions or [None])[0]
    return not (isinstance(text, exp.Literal) and text.is_string and text.this.strip()[:4].isdigit())
