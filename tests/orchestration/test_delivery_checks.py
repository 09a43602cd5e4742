"""What Dagster says of deliveries as a whole."""

from __future__ import annotations

import datetime as dt

from dagster import AssetCheckSeverity, AssetKey

from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.deliveries import Looked
from cic_assets.ingest.delivery import Finding, Profile
from cic_assets.ledger.catalogue import Incomplete
from cic_assets.orchestrate.assets.delivery_checks import DELIVERY_CHECKS, delivery_results

KEY, DAY = AssetKey(["accepted", "sessions", "s"]), dt.date(2026, 3, 2)


def results(counts=(), incomplete=()):
    found = {each.check_name: each for each in delivery_results(KEY, counts, incomplete)}
    assert list(found) == list(DELIVERY_CHECKS)
    return found


def test_nothing_found_is_passed():
    assert all(each.passed for each in results([IngestCount("s", DAY)]).values())


def test_what_is_held_is_an_error_whenever_it_arrived_and_says_what_to_do():
    held = Incomplete("s", DAY, "b.csv", (), None, ("the median session has 9000 kWh",))
    unread = Incomplete("s", DAY, "c.csv", ("Tag",), None)
    found = results([IngestCount("s", DAY + dt.timedelta(days=1))], [held, unread])["held"]
    assert (found.passed, found.severity, found.metadata["count"].value) == (False, AssetCheckSeverity.ERROR, 2)
    assert found.description.startswith("b.csv of s, arrival 2026-03-02, is held: the median session has 9000 kWh.")
    assert "cic release s --arrival 2026-03-02 --why" in found.description and "no field Tag" in found.description


def test_what_is_unusual_or_kept_as_decoded_is_a_warning():
    found = (Finding("nights", "30 of 30 sessions start between midnight and five"),)
    looked = Looked("s", "p", (DAY, "p"), ("x",), ("a.csv",), Profile(), found, ())
    kept = Incomplete("s", DAY, "old.csv", (), ("cost",))
    checks = results([IngestCount("s", DAY, deliveries=(looked,))], [kept])
    assert checks["held"].passed
    for name, said in (("unusual", "a.csv of s, arrival 2026-03-02: 30 of 30"), ("kept_as_decoded", "lacks cost")):
        assert (checks[name].passed, checks[name].severity) == (False, AssetCheckSeverity.WARN)
        assert said in checks[name].description
