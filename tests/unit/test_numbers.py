"""`docs/numbers.md` is where what every number means is written: what cites it is there, and each rule is in it."""

from __future__ import annotations

import re

from cic_assets.kinds.rules import CROSS_RULES, RULES
from cic_assets.settings import PROJECT

NUMBERS = (PROJECT / "docs" / "numbers.md").read_text()
CITED = re.compile(r"(?<!/)\bnumbers\.md (\d+)(?:, ([A-Z]\w+))?")
# Written down, and built with the feeds that they need.
TO_COME = {"S13", "P01", "P02", *(f"C0{number}" for number in range(1, 9)), *(f"V{number}" for number in range(1, 5))}


def test_each_cited_section_is_there():
    places = [
        (path.relative_to(PROJECT), *found)
        for folder in ("cic_assets", "tests", "dbt_project/models", "dbt_project/macros")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".yml")
        for found in CITED.findall(path.read_text())
    ]
    assert len(places) > 30
    sections = re.split(r"^## (\d+)\. ", NUMBERS, flags=re.MULTILINE)
    texts = dict(zip(sections[1::2], sections[2::2], strict=True))
    wrong = [
        place
        for place in places
        if place[1] not in texts or (place[2] and place[2].lower() not in texts[place[1]].lower())
    ]
    assert wrong == []


def test_each_rule_is_written_down_and_each_that_is_written_is_there():
    written = set(re.findall(r"^\| ([A-Z]+\d*) \|", NUMBERS, flags=re.MULTILINE))
    built = {rule.id for rule in (*RULES, *CROSS_RULES.values())}
    assert {each for each in built if not re.search(rf"\b{each}\b", NUMBERS)} == set()
    assert written - built == TO_COME
