"""A few thousand malformed payloads through the whole ingest; `make fuzz` sends a hundred thousand."""

from __future__ import annotations

from tests.fuzz import payloads
from tests.fuzz.whole_ingest import run


def test_every_malformed_payload_is_accepted_or_in_quarantine(settings, tmp_path):
    accounts = run(settings, tmp_path / "sent", 4000, seed=11)
    assert set(accounts) == {*payloads.LINES, "elmsworth_status"}
    for account in accounts.values():
        assert account.accepted + account.quarantined == account.records
        assert account.accepted > 0 and account.quarantined > 0
    sent = sum(accounts[name].sent for name in payloads.LINES)
    assert sent == 4000 + 1, "the payloads and one header"
