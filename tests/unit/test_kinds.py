"""A kind brings all that is its own by its class and its `Kind`: the rest of the platform asks these."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import ClassVar, Literal

import pyarrow as pa
import pytest
from pydantic import ValidationError

from cic_assets.facts import reach
from cic_assets.kinds.columns import Column
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rule import Rule, in_order
from cic_assets.kinds.rules import RULES, rules_of
from cic_assets.kinds.stream import Stream
from cic_assets.lake.rows import rows_of

C01 = Rule("C01", "flag", "m", predicate="x > 1", holds="x <= 1", source="ours", max_flagged_pct=30)


class Carbon(Stream):
    """A kind about regions: no charge point, no fact."""

    COLUMNS: ClassVar = {
        "region": Column("r", "id", "text"),
        "from_at": Column("f", "start", "instant"),
        "seen_on": Column("s", "day", "date"),
    }
    NEEDED: ClassVar = (("region",), ("from_at",))
    RULES: ClassVar = (C01,)
    kind: Literal["carbon"]


def carbon(**keys):
    content = {
        "id": "s", "kind": "carbon", "description": "d", "provider": {"id": "p", "name": "P"},
        "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "csv"}, "claims": ["*"],
        "licence": "l", "contact": "c", "columns": {"region": "id", "from_at": "start"},
    }  # fmt: skip
    return Carbon.model_validate(content | keys)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"region": "id"}, "needs from_at"),
        ({"region": "id", "from_at": "start", "energy": "kwh"}, "no column energy in the common model of carbon"),
        ({"region": "id", "from_at": "to_timestamp(start)"}, "lets the engine complete a text"),
        ({"region": "id", "from_at": "try_to_timestamp(start, 'yyyy-MM-dd')"}, "has no hours, no minutes"),
    ],
)
def test_columns_are_refused_by_what_the_class_says_of_them(columns, said):
    with pytest.raises(ValidationError, match=said):
        carbon(columns=columns)


def test_a_date_may_lack_what_an_instant_needs():
    columns = {"region": "id", "from_at": "start", "seen_on": "try_to_timestamp(day, 'dd/MM/yyyy')"}
    assert carbon(columns=columns).read_fields == ("id", "start", "day")


def test_limits_are_those_of_the_kinds_rules():
    stream = carbon(batch={"max_rule_pct": {"C01": 5}})
    assert (stream.limit_pct(C01), carbon().limit_pct(C01), stream.flagged_pct("dst")) == (5, 30, 100)
    with pytest.raises(ValidationError, match="no limit of S02; there are D01, D02, C01"):
        carbon(batch={"max_rule_pct": {"S02": 5}})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_fits_together(kind):
    names = set(kind.schema.names)
    assert kind.stream.model_fields["kind"].annotation == Literal[kind.name]
    assert set(kind.identity) <= names and (kind.dated is None or kind.dated in names)
    assert {name for group in kind.stream.NEEDED for name in group} | set(kind.stream.RULED) <= set(kind.stream.COLUMNS)
    assert set(kind.made_of) <= set(kind.shown)
    ids = [rule.id for rule in in_order(kind.stream.RULES)]
    assert ids == [rule.id for rule in RULES if kind.name in rule.kinds]
    assert {rule.id for name in ("default", "academic") for rule in rules_of(name, kind.name)} == set(ids)


def test_a_kind_without_facts_reaches_nothing():
    assert set(reach.REACH) <= set(KINDS)
    assert {name for name, kind in KINDS.items() if kind.has_facts} == {
        name for name, each in reach.REACH.items() if each.facts
    }
    stream, rows = SimpleNamespace(kind="carbon", id="s"), rows_of(pa.table({"from_at": [dt.date(2026, 1, 1)]}))
    assert reach.touched_by(None, stream, rows, rows, {}, {}) == set() and not reach.makes_registry(stream)
    assert [name for name in KINDS if reach.makes_registry(SimpleNamespace(kind=name))] == ["locations"]
