"""The rules of all kinds (numbers.md 4), and the rule sets. A kind's own: its folder; what a rule is: `kinds/rule.py`.

Rules that look at other rows (S11, credits) are in `facts/sessions.py`.
"""

from __future__ import annotations

from dataclasses import replace

from cic_assets.kinds.every import KINDS
from cic_assets.kinds.rule import DECODING, UNREADABLE, CrossRule, Rule, in_order
from cic_assets.settings import RULE_SETS


def _kinds_of(rule: Rule) -> tuple[str, ...]:
    """The kinds that have a rule: those of every kind in the order of `KINDS`, others by name."""
    if rule in (*DECODING, UNREADABLE):
        return tuple(KINDS)
    return tuple(sorted(name for name, kind in KINDS.items() if rule in kind.stream.RULES))


# Once each, where the first kind that has it names it.
_OWN = dict.fromkeys(rule for kind in KINDS.values() for rule in kind.stream.RULES)
RULES: tuple[Rule, ...] = tuple(replace(rule, kinds=_kinds_of(rule)) for rule in in_order(_OWN))
SETS: dict[str, tuple[str, ...]] = {name: tuple(rule.id for rule in RULES if name in rule.sets) for name in RULE_SETS}
CROSS_RULES = {
    rule.id: rule
    for rule in (
        CrossRule("S11", "overlaps another session on the same connector", "OCPI"),
        CrossRule("S12", "the charge point is not in its provider's registry", "Atlas"),
        CrossRule("S16", "one id at two charge points, or with starts more than 24 h apart", "ours", "id_reused"),
        CrossRule("E04", "more than 6 changes within an hour", "ours", "flapping"),
        CrossRule(
            "E07",
            "a poll contradicts an earlier poll by an older instant: the feed changes states without saying when",
            "ours",
            "instant_stands_still",
        ),
        CrossRule("E05", "the charge point is not in its provider's registry", "ours"),
    )
}


def rules_of(rule_set: str, kind: str) -> tuple[Rule, ...]:
    """The rules of a set that look at a kind's rows, in the order of numbers.md."""
    return tuple(rule for rule in RULES if rule.id in SETS[rule_set] and kind in rule.kinds)
