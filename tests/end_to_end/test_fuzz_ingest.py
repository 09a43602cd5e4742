"""A few thousand malformed payloads through the whole ingest; `make fuzz` sends 100,000, on Apache Spark too."""

from __future__ import annotations

from tests.end_to_end.steps import run_ingest
from tests.fuzz.bulk import check, send
from tests.fuzz.payloads import STREAMS


def test_accepted_and_quarantined_are_what_was_sent_file_by_file(settings, tmp_path):
    sent = send(settings, tmp_path, seed=3, payloads=4000, per_file=500)
    run_ingest(settings, STREAMS)
    accepted, quarantined = check(settings, sent)
    assert (len(sent), sum(sent.values())) == (8, 4000)
    # Both ways are taken: a generator of nothing but noise would never reach the rules.
    assert accepted > 800 and quarantined > 1500
