"""What an arrival breaks of its stream's suite: Great Expectations and `broken` say the same."""

from __future__ import annotations

import datetime as dt

from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.expectations import broken, validate
from cic_assets.kinds.rules import rules_of
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import load_stream

DAY = dt.date(2026, 9, 1)
OLD, NEW = (dt.datetime(2026, month, 30, tzinfo=dt.UTC) for month in (1, 8))
COUNTS = {
    "right": {"rows_in": 10, "accepted": 10, "newest": NEW},
    "lost": {"rows_in": 10, "accepted": 9, "newest": NEW},
    "too many": {"rows_in": 10, "accepted": 11, "newest": NEW},
    "empty": {},
    "rejected": {"rows_in": 10, "accepted": 5, "quarantined": 5, "fired": {"D02": 5}, "newest": NEW},
    "old": {"rows_in": 10, "accepted": 10, "newest": OLD},
    "new columns": {"rows_in": 10, "accepted": 10, "newest": NEW, "new_columns": ("a", "b")},
    "contradiction": {"rows_in": 10, "accepted": 10, "newest": NEW, "disagreements": {"S02": 3}},
}
# Of rules, which the suite leaves to `broken`.
LIMITS = {
    "at the limit": {"rows_in": 100, "accepted": 100, "newest": NEW, "fired": {"S02": 5, "S07": 100}},
    "beyond the limit": {"rows_in": 100, "accepted": 100, "newest": NEW, "fired": {"S02": 6, "S06": 51, "S10": 50}},
    "too few to tell": {"rows_in": 19, "accepted": 19, "newest": NEW, "fired": {"S02": 19}},
    "none may be": {"rows_in": 19, "accepted": 19, "newest": NEW, "fired": {"S01": 1}},
    "held": {"rows_in": 100, "quarantined": 100, "newest": NEW, "fired": {"D04": 100}},
}


def test_both_say_the_same_of_every_arrival():
    stream = load_stream(EXAMPLE_STREAMS / "ashbourne_sessions.yml")
    batch = stream.batch.model_copy(update={"max_age_days": 30, "max_rule_pct": {"S01": 0.0, "S02": 5.0}})
    stream = stream.model_copy(update={"batch": batch})
    rules = rules_of("default", "sessions")
    found = {}
    for name, given in (COUNTS | LIMITS).items():
        wrong = dict.fromkeys((rule.id for rule in rules), 0) | given.get("disagreements", {})
        count = IngestCount("ashbourne_sessions", DAY, **{**given, "disagreements": wrong})
        found[name] = {each.check for each, _ in broken(stream, rules, count)}
        if name not in LIMITS:
            suite = validate(stream, rules, [count], None)
            assert found[name] == {each.check for each in suite if not each.passed}, name
    assert found == {
        "right": set(), "lost": {"rows_add_up"}, "too many": {"rows_add_up"}, "empty": {"volume"},
        "rejected": {"schema", "share_rejected"}, "old": {"freshness"}, "new columns": {"new_columns"},
        "contradiction": {"S02"}, "at the limit": set(), "beyond the limit": {"S02", "S06"}, "too few to tell": set(),
        "none may be": {"S01"}, "held": set(),
    }  # fmt: skip
