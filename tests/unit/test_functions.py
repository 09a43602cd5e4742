"""What expressions of stream files may not do, and ways in which it was hidden."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError
from sqlglot.errors import SqlglotError

from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.functions import FUNCTIONS, OPERATORS, call_faults
from cic_assets.settings import EXAMPLE_STREAMS

REFUSED = [
    # The server's environment, files and users.
    "reflect('java.lang.System', 'getenv', 'CIC_PERSONAL_KEY')", "java_method('a', 'b')", "try_reflect('a', 'b')",
    "`reflect`('a', 'b')", "system.builtin.reflect('a', 'b')", "identifier('reflect')('a', 'b')", "getenv('x')",
    "'${env:HOME}'", "`${system:user.home}`", "input_file_name()", "version()", "current_user()", "user", "user()",
    "session_user", "current_catalog", "current_database()", "read_files('x')", "http_request('x')",
    "ai_query('x', 'y')",
    # Another value at the next run.
    "uuid()", "rand()", "random(1)", "randn()", "shuffle(array(1, 2))", "now()", "curdate()", "current_date",
    "current_date()", "current_timestamp", "current_timestamp()", "localtimestamp", "current_time()",
    "unix_timestamp()",
    "timestamp 'now'", "date 'today'", "cast('no' || 'w' as timestamp)", "to_timestamp('now')",
    "to_date(concat('to', 'day'))", "try_cast('12:30' as timestamp)", "monotonically_increasing_id()",
    "spark_partition_id()", "row_number() over (order by a)",
    # Queries, aggregates, other languages, and what ends a run.
    "(select 1)", "a in (select 1)", "exists(select 1)", "a from t", "a where b", "distinct a", "sum(a)", "count(*)",
    "*",
    "explode(a)", "transform(a, b) using 'cat'", "from_xml(a, 'b')", "raise_error('x')", "assert_true(a)",
    "a:b.c", ":p", "?", "a; b", "cast(a as interval)", "cast(a as variant)",
    # Hidden from one reader and not from the other.
    "r'\\' || reflect('a', 'b') || ''", "call + reflect('a', 'b')", "show(a)", "a /* x */", "a -- x",
    "upper(lower(reflect('a', 'b')))", "filter(array(1), x -> rand() > x)", "case when uuid() = a then 1 end",
]  # fmt: skip


@pytest.mark.parametrize("expression", REFUSED)
def test_refused(expression):
    try:
        faults = call_faults(expression)
    except SqlglotError:
        # The reader of the stream file says why it doesn't parse.
        return
    assert faults


@pytest.mark.parametrize("expression", [*OPERATORS, *(text for names in FUNCTIONS.values() for text in names.values())])
def test_what_is_listed_may_be_used(expression):
    assert call_faults(expression) == []


@pytest.mark.parametrize("place", ["columns", "where"])
def test_wherever_it_stands_and_with_the_way_out(place):
    content = yaml.safe_load((EXAMPLE_STREAMS / "ashbourne_sessions.yml").read_text())
    if place == "where":
        content["where"] = "Charger = uuid()"
    else:
        content["columns"]["charge_point"] = "coalesce(Charger, uuid())"
    with pytest.raises(ValidationError, match=r"uuid\(…\) may not be called; `cic streams functions` lists what may"):
        parse_stream(content)
