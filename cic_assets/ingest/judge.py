"""Splits harmonised rows into accepted and quarantined, with all reasons and flags, in one pass. Pure Spark.

The rules are in `kinds/rules.py`. What looks at other rows is resolved on read, in `facts/sessions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cic_assets.kinds.rule import Rule, with_thresholds

# kWh and kW·µs on one scale, so that a rule compares without dividing: 1 kWh = 3.6e9 kW·µs.
_SCALED = {
    "energy_scaled": "energy_kwh * cast(3600000000 as decimal(10,0))",
    # A session without a duration has no mean power; S02 rejects it.
    "rated_scaled": "case when duration_micros > 0 then rated_power_kw * cast(duration_micros as decimal(18,0)) end",
    "rated_longest_scaled": "case when duration_micros > 0"
    " then rated_power_kw * cast(longest_micros as decimal(18,0)) end",
}


def judge(harmonised: DataFrame, rules: Sequence[Rule], overrides: Mapping[str, float]) -> DataFrame:
    """Adds `reasons` (ids of rules that reject), `flags` (marks of rules that flag) and `disagreements`.

    `disagreements` holds the ids of rules whose predicate and whose `holds` contradict each other on the row: a defect
    in the rule, never in the data. Rows that could not be decoded have no fields, so only D rules look at them; at rows
    that the stream leaves out (`skipped`), none does.
    """
    compared = [text for rule in rules for text in (rule.predicate, rule.holds)]
    scaled = {name: F.expr(text) for name, text in _SCALED.items() if any(name in each for each in compared)}
    frame = harmonised.withColumns(scaled) if scaled else harmonised
    fired, wrong = {}, {}
    for rule in rules:
        fires = F.coalesce(F.expr(with_thresholds(rule.predicate, overrides)), F.lit(False))
        fine = F.coalesce(F.expr(with_thresholds(rule.holds, overrides)), F.lit(True))
        # A record of which nothing was read breaks no rule about its fields.
        looked_at = F.lit(True) if rule.id.startswith("D0") else F.col("decode_fault").isNull() & ~F.col("skipped")
        fired[rule.id] = fires & looked_at
        wrong[rule.id] = (fires == fine) & looked_at
    marked = frame.withColumns({f"fired_{name}": column for name, column in fired.items()})
    rejects = [(F.col(f"fired_{rule.id}"), rule.id) for rule in rules if rule.severity == "reject"]
    marks = [(F.col(f"fired_{rule.id}"), rule.mark) for rule in rules if rule.severity == "flag" and not rule.words]
    flags = _words(marks)
    for rule in (each for each in rules if each.words):
        flags = F.concat(flags, F.when(F.col(f"fired_{rule.id}"), _each_marked(rule)).otherwise(_words([])))
    return marked.withColumns(
        {"reasons": _words(rejects), "flags": flags, "disagreements": _words([(wrong[i], i) for i in wrong])}
    ).drop(*(f"fired_{name}" for name in fired), *_SCALED)


def _words(pairs: Sequence[tuple[Column, str]]) -> Column:
    """The words whose condition is true, in order."""
    if not pairs:
        return F.array().cast(T.ArrayType(T.StringType()))
    return F.filter(F.array(*(F.when(condition, word) for condition, word in pairs)), lambda word: word.isNotNull())


def _each_marked(rule: Rule) -> Column:
    return F.transform(F.expr(rule.words), lambda word: F.concat(F.lit(f"{rule.mark}:"), word))


def is_accepted() -> Column:
    """No rule rejects the row, and the stream does not leave it out."""
    return (F.size("reasons") == 0) & ~F.col("skipped")


def is_quarantined() -> Column:
    """A rule rejects the row."""
    return F.size("reasons") > 0
