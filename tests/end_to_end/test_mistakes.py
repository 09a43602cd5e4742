"""What `cic streams check` says of mistakes that people make, and that it shows no personal value while it does."""

from __future__ import annotations

import pytest

from tests.end_to_end.mistakes import MISTAKES, RFID, Mistake, check, table


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_check_says_what_to_do_and_fails_where_ingest_would_warn_or_hold(mistake: Mistake, tmp_path):
    result = check(mistake, tmp_path)
    # On a terminal lines are wrapped nowhere; the test's is none.
    text = result.stderr + result.stdout
    assert result.exit_code == mistake.code, (text, result.exception)
    for words in mistake.says:
        assert words in text, text
    assert ("would hold the file" in text or "✗ held: " in text) == mistake.held, text
    assert RFID not in text and "\x1b" not in text
    assert list(table({mistake.name: result}))[-1].startswith(f"| {mistake.name} | ")
