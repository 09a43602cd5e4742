"""What expressions of stream files become, so that no value ends an ingest; and what is refused in place of that."""

from __future__ import annotations

import pytest

from cic_assets.kinds.expressions import failing_reads
from cic_assets.kinds.safe import safe, safe_condition, unsafe_faults

SAFE = {
    "cast(volts as int)": "TRY_CAST(volts AS INT)",
    "volts::int": "TRY_CAST(volts AS INT)",
    "cast(volts as string)": "cast(volts as string)",
    "energy / 1000": "TRY_CAST(energy AS DOUBLE) / 1000",
    "try_cast(a as double) / try_cast(b as double)": (
        "TRY_CAST(a AS DOUBLE) / NULLIF(TRY_CAST(b AS DOUBLE), 0)"
    ),
    "parts[2]": "GET(parts, 2)",
    "parts['a']": "parts['a']",
    "element_at(parts, 2)": "TRY_ELEMENT_AT(parts, 2)",
    "try_element_at(parts, 2)": "try_element_at(parts, 2)",
    "to_timestamp(t, 'dd/MM/yyyy HH:mm')": "TRY_TO_TIMESTAMP(t, 'dd/MM/yyyy HH:mm')",
    "to_date(t, 'dd/MM/yyyy')": "CAST(TRY_TO_TIMESTAMP(t, 'dd/MM/yyyy') AS DATE)",
    # What can't raise stays as it was written.
    "try_to_timestamp(t, 'dd/MM/yyyy HH:mm')": "try_to_timestamp(t, 'dd/MM/yyyy HH:mm')",
    "concat(`a.b`, 'x')": "concat(`a.b`, 'x')",
    "timestamp '2026-01-01 00:00:00'": "timestamp '2026-01-01 00:00:00'",
    "3600 * (try_cast(a as decimal(12,6)) - 1)": "3600 * (try_cast(a as decimal(12,6)) - 1)",
}  # fmt: skip


@pytest.mark.parametrize(("expression", "becomes"), SAFE.items())
def test_what_can_raise_becomes_what_gives_null(expression, becomes):
    assert safe(expression) == becomes
    assert safe(becomes) == becomes


def test_a_condition_that_is_a_text_is_read_as_a_truth_value():
    assert safe_condition("active") == "try_cast(active as boolean)"
    assert safe_condition("active = 'yes'") == "active = 'yes'"


REFUSED = {
    "coalesce(try_cast(a as int), 'none')": "mixes texts and numbers",
    "case when a = 'x' then 1 else b end": "mixes texts and numbers",
    "if(a = 'x', b, 1)": "mixes texts and numbers",
    "year(started)": "reads a text as a time",
    "started + interval 5 minutes": "reads a text as a time",
    "to_timestamp(a, b)": "try_to_timestamp(text, 'pattern')",
    "regexp_extract(model, '[0-9]+ kW')": "asks for group 1 of 0",
    "regexp_extract(model, '([0-9]+', 1)": "no regular expression",
    "array(model, 1)": "mixes texts and numbers",
    "to_utc_timestamp(try_to_timestamp(t, 'yyyy-MM-dd'), 'Europe/Londn')": "'Europe/Londn' is no IANA time zone",
    "to_utc_timestamp(try_to_timestamp(t, 'yyyy-MM-dd'), tz)": "`columns.zone` says it",
    "try_cast(a as decimal(50, 2))": "at most 38 digits",
    "try_cast(a as decimal(4, 6))": "no more behind the point",
    "split_part(a, ' ', 0)": "places count from 1",
    "slice(split(a, ' '), try_cast(n as int), 1)": "write TRY_CAST(n AS INT) as a number itself",
    "element_at(split(a, ' '), 0)": "places count from 1",
    "lpad(a, 100000, '0')": "at most 1000 signs",
    "try_to_timestamp(t, 'EEE dd/MM/yyyy')": "the letters E are not read",
    "try_to_timestamp(t, 'dd/MM/YYYY HH:mm')": "the letters Y are not read",
    "try_to_timestamp(t, 'dd/MM/yyyy hh:mm')": "12-hour clock (h) without AM or PM",
    "try_to_timestamp(t, 'dd/MM/yyyy HH:mm a')": "24-hour clock (H) beside AM or PM",
}


@pytest.mark.parametrize(("expression", "said"), REFUSED.items())
def test_what_cannot_be_made_safe_is_refused_with_what_to_write(expression, said):
    assert said in "; ".join(unsafe_faults(expression))


def test_what_every_engine_reads_is_taken():
    for expression in (
        "slice(split(a, ' '), -1, 1)", "element_at(parts, 'key')", "round(try_cast(a as decimal(12, 4)), 1)",
        "from_utc_timestamp(try_to_timestamp(t, 'yyyy-MM-dd'), case when a = 'x' then 'UTC' else 'Europe/Paris' end)",
        "lpad(a, 8, '0')", "array(a, b)", "cast(a as decimal)", "cast(a as decimal(38, 6))",
    ):  # fmt: skip
        assert unsafe_faults(expression) == []
    assert safe("left(a, b)") == "CASE WHEN NOT TRY_CAST(b AS INT) IS NULL THEN LEFT(a, TRY_CAST(b AS INT)) END"


def test_a_division_by_zero_is_a_value_that_is_there_and_was_not_read():
    reads = dict(failing_reads(safe("a / b")))
    assert any("NULLIF" in read for read in reads)
    assert "TRY_CAST(b AS DOUBLE)" in reads
