"""Tariffs as feeds send them: what is read, what is flagged and rejected; every rule of theirs broken on purpose."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from cic_assets.ingest.count import count_by_rule
from cic_assets.ingest.judge import judge
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.rules import rules_of
from cic_assets.kinds.tariffs import harmonise as tariffs
from cic_assets.lake.tables import hand_over
from tests.builders import judged_rows
from tests.spark.test_judge_status import ARRIVED, COMMON, records

COLUMNS = {
    "tariff_id": "id", "currency": "money", "component": "what", "price": "price", "vat": "vat", "position": "place",
    "days": "days", "min_duration": "longer", "max_power": "kw", "valid_from": "since", "valid_to": "until",
    "last_updated": "updated",
}  # fmt: skip
STREAM = parse_stream({**COMMON, "kind": "tariffs", "columns": COLUMNS})
GOOD = {
    "id": "T1", "money": "gbp", "what": "energy", "price": "0.25", "vat": "20", "place": "1.1", "days": '["MONDAY"]',
    "longer": "1800", "kw": "50", "since": "2026-05-01", "until": "2026-07-01T00:00:00Z",
    "updated": "2026-04-01T00:00:00Z",
}  # fmt: skip
CASES = {
    "good": ({}, [], []),
    "no id": ({"id": None}, ["T01"], []),
    "no such thing": ({"what": "KWH"}, ["T01"], []),
    "no price": ({"price": None}, ["T01"], []),
    "a price that is none": ({"price": "free"}, ["T01"], []),
    "nothing to pay": ({"price": "0"}, [], []),
    "negative": ({"price": "-0.1"}, [], ["T02"]),
    "pence as pounds": ({"price": "25"}, [], ["T02"]),
    "an hour's parking": ({"what": "PARKING_TIME", "price": "25"}, [], []),
    "a dear hour": ({"what": "TIME", "price": "101"}, [], ["T02"]),
    "a start's fee": ({"what": "FLAT", "price": "199"}, [], []),
    "a dear start": ({"what": "FLAT", "price": "201"}, [], ["T02"]),
    "ends before it begins": ({"until": "2026-04-30T00:00:00Z"}, [], ["T03"]),
    "no end": ({"until": None}, [], []),
    "unreadable": ({"vat": "much", "money": "pounds", "longer": "x"}, [], [
        "unreadable:currency", "unreadable:min_duration", "unreadable:vat",
    ]),
    "not decoded": ({"cic.fault": "D01"}, ["D01"], []),
}  # fmt: skip


@cache
def harmonised(spark):
    rows = [{**GOOD, **changes} for changes, _, _ in CASES.values()]
    return hand_over(spark, tariffs.harmonise(records(spark, STREAM, rows), STREAM).toArrow())


def test_each_row_has_its_reasons_and_its_flags(spark):
    found = judge(harmonised(spark), rules_of("default", "tariffs"), {}).toArrow().to_pylist()
    found.sort(key=lambda row: row["source_line"])
    for (name, (_, reasons, flags)), row in zip(CASES.items(), found, strict=True):
        assert (row["reasons"], sorted(row["flags"])) == (reasons, flags), name
        assert row["disagreements"] == []
    good = found[0]
    assert (good["tariff_id"], good["currency"], good["component"], good["price"], good["vat_pct"]) == (
        "T1", "GBP", "ENERGY", Decimal("0.2500"), Decimal("20.0000"),
    )  # fmt: skip
    # A date alone begins by the zone's clock; it has no charge point.
    assert good["valid_from"].astimezone(dt.UTC) == dt.datetime(2026, 4, 30, 23, tzinfo=dt.UTC)
    assert good["event_date"] == dt.date(2026, 4, 30)
    assert (good["min_duration_seconds"], good["max_power_kw"], good["provider_id"]) == (1800, 50, "GB*ACM")


def test_without_a_beginning_it_applies_since_its_update_or_its_arrival(spark):
    rows = [{**GOOD, "since": None}, {**GOOD, "since": None, "updated": None}]
    found = tariffs.harmonise(records(spark, STREAM, rows), STREAM).toArrow().to_pylist()
    assert sorted(row["valid_from"].astimezone(dt.UTC) for row in found) == [
        dt.datetime(2026, 4, 1, tzinfo=dt.UTC),
        ARRIVED,
    ]


@pytest.mark.parametrize(
    ("rule", "broken"),
    [(rule, how) for rule in rules_of("default", "tariffs") for how in ("false", "true") if rule.id[0] == "T"],
    ids=lambda value: getattr(value, "id", value),
)
def test_breaking_a_predicate_is_seen_by_its_own_audit(spark, rule, broken):
    rules = [replace(each, predicate=broken) if each.id == rule.id else each for each in rules_of("default", "tariffs")]
    (counts,) = count_by_rule(judged_rows(judge(harmonised(spark), rules, {})), rules).values()
    assert {name for name, found in counts.wrong.items() if found} == {rule.id}
