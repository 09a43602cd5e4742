"""`cic quarantine list` and `show`: by stream, rule and day; what feeds sent is shown and never obeyed."""

from __future__ import annotations

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cic_assets.cli.app import app
from tests.doors import connect

ROWS = [
    ("ashbourne_sessions", "2026-09-01", "a.csv", 3, ["S02"], "1;E1;[red]\x1b[2J", None),
    ("ashbourne_sessions", "2026-09-01", "a.csv", 4, ["S02", "S03"], "2;E1;:x:", None),
    ("ashbourne_sessions", "2026-09-02", "b.csv", 2, ["S03"], "3;E1", None),
    ("gone_sessions", "2026-09-02", "g.csv", 1, ["D01"], "\u202e(…)", "not JSON"),
]


@pytest.fixture
def quarantine(settings, monkeypatch):
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into quality.quarantine (stream_id, arrival_date, source_file, source_line, reasons, raw, detail)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            ROWS,
        )
    monkeypatch.setenv("CIC_WAREHOUSE_URL", str(settings.warehouse_url))
    monkeypatch.setenv("CIC_HOME", str(settings.home))
    monkeypatch.setenv("CIC_STREAMS", "examples")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["quarantine", *arguments])

    return call


def counted(result: Result) -> list[list[str]]:
    lines = [line.split("│")[1:-1] for line in result.stdout.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in cells[:4]] for cells in lines]


def test_list_counts_rows_by_stream_day_and_rule(quarantine):
    assert counted(quarantine("list")) == [
        ["ashbourne_sessions", "2026-09-01", "S02", "2"],
        ["ashbourne_sessions", "2026-09-01", "S03", "1"],
        ["ashbourne_sessions", "2026-09-02", "S03", "1"],
        ["gone_sessions", "2026-09-02", "D01", "1"],
    ]
    assert "the end is not after the start" in quarantine("list").stdout
    one = quarantine("list", "--stream", "ashbourne_sessions", "--rule", "S03", "--day", "2026-09-01")
    assert counted(one) == [["ashbourne_sessions", "2026-09-01", "S03", "1"]]
    none = quarantine("list", "--rule", "S05")
    assert (none.exit_code, none.stdout) == (0, "no quarantined rows by S05\n")


def test_show_prints_the_rows_as_data(quarantine):
    shown = quarantine("show", "--stream", "ashbourne_sessions", "--day", "2026-09-01").stdout
    assert shown == (
        "ashbourne_sessions, arrived 2026-09-01, a.csv, line 3\n"
        "  S02: the end is not after the start\n"
        "  1;E1;[red]\\x1b[2J\n"
        "ashbourne_sessions, arrived 2026-09-01, a.csv, line 4\n"
        "  S02: the end is not after the start\n"
        "  S03: energy is missing or negative\n"
        "  2;E1;:x:\n"
    )
    gone = quarantine("show", "--stream", "gone_sessions").stdout
    assert "  why: not JSON\n  \\u202e(…)\n" in gone
    assert quarantine("show", "--limit", "1").stdout.endswith("1 of 4 rows; --limit shows more\n")


def test_a_stream_or_rule_that_is_not_there_is_a_wrong_call(quarantine):
    for arguments, said in (
        (("--stream", "nobody"), "no stream 'nobody'; there are ashbourne_"),
        (("--rule", "S06"), "no rule 'S06' that rejects; there are D01"),
    ):
        result = quarantine("list", *arguments)
        assert result.exit_code == 2 and said in result.stderr
