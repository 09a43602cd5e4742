"""What dates of a call mean: a month means all of it, and a window ends with today."""

from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.calendar import Span, window
from cic_assets.cli import app as cli
from cic_assets.errors import WrongCallError

TODAY = dt.date(2026, 11, 30)


def days(*texts: str) -> tuple[dt.date, ...]:
    return tuple(map(dt.date.fromisoformat, texts))


@pytest.mark.parametrize(
    ("since", "until", "daily", "monthly"),
    [
        ("2026-10", "2026-10", days("2026-10-01", "2026-10-31"), days("2026-10-01", "2026-10-01")),
        ("2024-02", "2024-02", days("2024-02-01", "2024-02-29"), days("2024-02-01", "2024-02-01")),
        ("2026-10-05", "2026-10", days("2026-10-05", "2026-10-31"), days("2026-10-01", "2026-10-01")),
        ("2026-09", "2026-10-05", days("2026-09-01", "2026-10-05"), days("2026-09-01", "2026-10-01")),
        ("2025-12-31", "2026-01-01", days("2025-12-31", "2026-01-01"), days("2025-12-01", "2026-01-01")),
    ],
)
def test_a_month_means_all_of_it(since, until, daily, monthly):
    for cadence, wanted in ((False, daily), (True, monthly)):
        found = window(Span.parse(since), Span.parse(until), TODAY, monthly=cadence)
        assert (found.first, found.last) == wanted and not found.notes


def test_a_window_ends_with_today_and_says_so():
    found = window(Span.parse("2026-11"), Span.parse("2027-02"), TODAY, monthly=False)
    assert (found.first, found.last) == days("2026-11-01", "2026-11-30")
    assert found.notes == ("--to 2027-02-28 is after today: the run ends 2026-11-30 (UTC)",)
    found = window(Span.parse("2009-06"), Span.parse("2010-01-02"), TODAY, monthly=False)
    assert (found.first, found.last) == days("2010-01-01", "2010-01-02")
    assert "the calendar begins 2010-01-01" in found.notes[0]
    # The last month is today's, which has not ended.
    found = window(Span.parse("2026-11"), Span.parse("2026-11"), dt.date(2026, 11, 3), monthly=True)
    assert (found.first, found.last) == days("2026-11-01", "2026-11-01")


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("2030-01", "2030-02", "--from 2030-01-01 is after today, 2026-11-30"),
        ("2026-12-01", "2026-12-01", "is after today"),
        ("2026-10", "2026-09", "--from 2026-10-01 is after --to 2026-09-30"),
        ("2001-01", "2009-12", "--to 2009-12-31 is before 2010-01-01"),
    ],
)
def test_a_window_outside_the_calendar_is_a_wrong_call(since, until, said):
    for cadence in (False, True):
        with pytest.raises(WrongCallError, match=said):
            window(Span.parse(since), Span.parse(until), TODAY, monthly=cadence)


@pytest.mark.parametrize(
    "text", ["2026", "2026-13", "2026-02-30", "26-01", "2026-1-1", "0000-01", "٢٠٢٦-01", "today", ""]
)
def test_what_is_no_date_is_said(text):
    with pytest.raises(ValueError, match="give a day, such as 2026-10-31, or a month"):
        Span.parse(text)


@pytest.mark.parametrize(
    "command", [["run", "daily", "--from", "2026-1", "--to", "2026-02"], ["simulate", "x", "--last-day", "2026-1"]]
)
def test_all_commands_read_dates_alike(command, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cic", *command])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "is no date" in capsys.readouterr().err
