"""What a rule of numbers.md 4 is, and the rules and thresholds that several kinds have; a kind's own are in its folder.

A rule says when it fires (`predicate`) and, in other words, what holds for a row on which it does not (`holds`). The
first splits the rows; the second audits the split, so that a predicate which somebody broke is seen by the rule's own
check and not only by a customer. Both are Spark SQL over the judged columns (`ingest/judge.py` names them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["reject", "flag"]

# A stream file of any kind may set each of them.
THRESHOLDS: dict[str, float] = {
    "reject_power_ratio": 1.5,
    "reject_power_excess_kwh": 1,
    "flag_power_ratio": 1.1,
    "min_energy_kwh": 0.5,
    "max_energy_kwh": 250,
    "min_duration_seconds": 60,
    "max_duration_minutes": 2880,
    "future_minutes": 5,
    "min_cost_per_kwh": 0.05,
    "max_cost_per_kwh": 2,
    "min_rated_kw": 1.3,
    "max_rated_kw": 4000,
    "academic_max_minutes": 1440,
    "academic_max_kwh": 100,
}


@dataclass(frozen=True)
class Rule:
    """One rule. What `repr` shows is in the digest of ingest's recipe: another text makes arrivals of its kinds due.

    Attributes:
        id: as in numbers.md 4, or `D…` for records that could not be decoded and `A…` for the academic rule set.
        severity: `reject` quarantines the row, `flag` keeps and marks it.
        message: what is wrong, for people.
        predicate: true where the rule fires; null counts as false. `{name}` is a threshold.
        holds: true where the row is fine by this rule; null counts as true.
        source: who says so.
        kinds: the kinds of stream that have it; `kinds/rules.py` fills them in.
        flag: the word in `flags` where numbers.md gives one, else the id.
        words: of a rule that marks several things in a row: Spark SQL for an array of them; each becomes `flag:word`.
        name: what its check is called after the id, in letters that Dagster takes; the UI's list cuts names of more
            than 28.
        sets: the rule sets that have it.
        max_flagged_pct: rows of a delivery that may carry its mark, in per cent, if the stream file says nothing; less
            than 100 where many rows carry it only because a column is read wrongly.
    """

    id: str
    severity: Severity
    message: str
    predicate: str
    holds: str
    source: str
    kinds: tuple[str, ...] = field(default=(), repr=False)
    flag: str = ""
    words: str = ""
    name: str = field(default="", repr=False)
    sets: tuple[str, ...] = field(default=("default", "academic"), repr=False)
    max_flagged_pct: float = field(default=100.0, repr=False)

    @property
    def mark(self) -> str:
        """What a flagged row carries."""
        return self.flag or self.id

    @property
    def check_name(self) -> str:
        """What its check is called: its id, and what it looks for."""
        return f"{self.id}_{self.name}"


# Every kind has these, before its own.
DECODING: tuple[Rule, ...] = (
    Rule(
        "D01", "reject", "the record can't be decoded",
        predicate="decode_fault = 'D01'",
        holds="coalesce(decode_fault, '') <> 'D01'",
        name="record_not_decodable",
        source="ours",
    ),
    Rule(
        "D02", "reject", "the file lacks a field that the stream's expressions read",
        predicate="decode_fault = 'D02'",
        holds="coalesce(decode_fault, '') <> 'D02'",
        name="field_missing_in_file",
        source="ours",
    ),
    Rule(
        "D03", "reject", "the delivery lacks a personal field and is held: nothing of it is decoded until the stream"
        " file is mended",
        predicate="decode_fault = 'D03'",
        holds="coalesce(decode_fault, '') <> 'D03'",
        name="personal_field_missing",
        source="ours",
    ),
    Rule(
        # Decided over a whole delivery, after its rows were judged: `ingest/deliveries.py`.
        "D04", "reject", "the delivery is held for what it is like as a whole, until it is released or the stream file"
        " is mended; `cic held` shows why",
        predicate="decode_fault = 'D04'",
        holds="coalesce(decode_fault, '') <> 'D04'",
        name="delivery_held",
        source="ours",
    ),
)  # fmt: skip
# Every kind has this one, after its own.
UNREADABLE = Rule(
    "U01", "flag", "a value is there and can't be read",
    predicate="size(unreadable) > 0",
    holds="values_present = values_read",
    name="value_unreadable",
    source="ours",
    flag="unreadable",
    words="unreadable",
)  # fmt: skip
# For kinds whose rows have wall clocks.
CLOCK_CHANGE = Rule(
    "DST", "flag", "a local time that occurs twice or never",
    predicate="dst",
    holds="not dst_shifted and not dst_twice",
    name="time_twice_or_never",
    source="DEFINITIONS 4, daylight saving",
    flag="dst",
)  # fmt: skip
# For kinds whose deliveries list what there is.
TWO_PLACES = Rule(
    "E08", "flag", "one id stands at two places in one delivery",
    predicate="two_places",
    holds="not two_places",
    name="one_id_at_two_places",
    source="ours",
    flag="two_places",
)  # fmt: skip
# What other checks say of every single row: a delivery is held, a value can't be read.
WITHOUT_LIMIT = ("D03", "D04", "U01")


def in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Some kinds' own rules and those of every kind, in the order of numbers.md; the default set's come first."""
    own = tuple(rules)
    usual, others = ([rule for rule in own if ("default" in rule.sets) is is_usual] for is_usual in (True, False))
    return (*DECODING, *usual, UNREADABLE, *others)


@dataclass(frozen=True)
class CrossRule:
    """A rule that looks at other rows or tables, computed over event time in `facts/`.

    Attributes:
        id: as in numbers.md 4.
        message: what is wrong, for people.
        source: who says so.
        flag: the word in `flags` where numbers.md gives one, else the id.
    """

    id: str
    message: str
    source: str
    flag: str = ""

    @property
    def mark(self) -> str:
        """What a flagged row carries."""
        return self.flag or self.id


def with_thresholds(text: str, overrides: Mapping[str, float]) -> str:
    """A predicate with its thresholds filled in; whole numbers stay whole, so that decimals stay exact."""
    values = {**THRESHOLDS, **overrides}
    return text.format(**{name: f"{value:f}".rstrip("0").rstrip(".") for name, value in values.items()})
