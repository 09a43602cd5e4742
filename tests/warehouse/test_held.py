"""Deliveries that are held: a council's files with day and month exchanged, a unit that changes, releases."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from cic_assets.cli.app import app
from cic_assets.ingest import deliveries
from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import land
from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.ledger import catalogue, journal
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.orchestrate.work import pending_arrivals
from tests.doors import agree, connect

DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
COUNCIL = {
    "id": "council", "kind": "sessions", "description": "d", "provider": {"id": "p", "name": "P"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "csv"},
    "claims": ["council_*.csv"], "vat_basis": "unknown", "licence": "l", "contact": "c",
    "columns": {
        "charge_point": "`CP ID`", "started_local": "Start", "ended_local": "End", "energy": "`Total kWh`",
        "rated_power": "'50'",
    },
    "date_repair": {"kind": "day_month_swap", "files": ["council_2016-17.*"]},
}  # fmt: skip
YEARS = (2016, 2017, 2018)


def charges(year: int) -> list[tuple[str, dt.datetime, dt.datetime, Decimal]]:
    """A council's sessions from September to August: two a day, some over midnight."""
    random, found = Random(year), []
    for number in range(730):
        day = dt.datetime(year, 9, 1) + number // 2 * DAY
        start = day + random.choice([9 * 60, 13 * 60, 17 * 60, 23 * 60 + 30]) * MINUTE + random.randrange(30) * MINUTE
        minutes = random.randrange(31, 90)
        kwh = Decimal(random.randrange(100, 400)) / 20
        found.append((f"{50000 + number % 7}", start, start + minutes * MINUTE, kwh))
    return found


def swapped(moment: dt.datetime) -> dt.datetime:
    return moment.replace(day=moment.month, month=moment.day) if moment.day <= 12 else moment


def write(folder: Path, name: str, rows, factor: int = 1, change=swapped) -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["CP ID", "Start", "End", "Total kWh"])
        writer.writerows([point, change(start), change(end), kwh * factor] for point, start, end, kwh in rows)
    return path


def as_is(moment: dt.datetime) -> dt.datetime:
    return moment


def run(settings, stream):
    """Ingests what is pending; the counts by arrival."""
    pending = pending_arrivals(parts_of(settings), {stream.id: stream})
    if not pending:
        return {}
    spark = SparkResource(engine="embedded").session
    return {
        each.arrival_date: each
        for each in ingest(parts_of(settings, session=lambda: spark), stream, pending, "run", lambda count: True)
    }


def query(settings, text, *values):
    with connect(settings) as connection:
        return connection.execute(text, values).fetchall()


def accepted(settings):
    """(month of start → sessions, kWh) of what stands in the lake's accepted table."""
    from cic_assets.lake.tables import arrival_rows

    days = [day for (day,) in query(settings, "select distinct arrival_date from catalogue.object")]
    rows = (
        arrival_rows(parts_of(settings).lake, "sessions", KINDS["sessions"].schema, "council", days)
        .to_table()
        .to_pylist()
    )
    months = Counter(row["start_date"].replace(day=1) for row in rows)
    return months, sum((row["energy_kwh"] for row in rows), Decimal())


def truth(*years):
    rows = [row for year in years for row in charges(year)]
    return Counter(start.date().replace(day=1) for _, start, _, _ in rows), sum(row[3] for row in rows)


def arrival(number: int) -> dt.datetime:
    return dt.datetime(2026, 3, 1 + number, 6, tzinfo=dt.UTC)


def test_swapped_years_are_held_then_repaired_by_evidence_and_right(settings, tmp_path):
    stream = parse_stream(COUNCIL)
    for number, year in enumerate(YEARS):
        path = write(tmp_path, f"council_{year}-{year - 1999}.csv", charges(year))
        land(parts_of(settings), stream, path, arrival(number))
    counts = run(settings, stream)
    assert [(each.accepted, each.quarantined, each.held) for _, each in sorted(counts.items())] == [
        # Some of the swapped ends lie before the starts, which rejects them anyway.
        (730, 0, 0), (0, 730, 720), (0, 730, 715),
    ]  # fmt: skip
    assert accepted(settings) == truth(2016)
    with connect(settings) as connection:
        texts = [str(each) for each in deliveries.held(connection)]
    assert [text.split(" is held: ")[0] for text in texts] == [
        "council_2017-18.csv of council, arrival 2026-03-02,", "council_2018-19.csv of council, arrival 2026-03-03,",
    ]  # fmt: skip
    assert all("day and month are swapped (of 264 doubtful starts" in text for text in texts)
    reasons = query(settings, "select reasons, count(*) from quality.quarantine group by 1 order by 1")
    assert reasons == [(["D04"], 1435), (["S02"], 25)]
    held = query(settings, "select quarantined, held from quality.ingest_count order by arrival_date")
    assert held == [(0, 0), (730, 720), (730, 715)]
    assert run(settings, stream) == {}

    mended = parse_stream(COUNCIL | {"date_repair": "auto"})
    counts = run(settings, mended)
    assert [(each.accepted, each.held) for _, each in sorted(counts.items())] == [(730, 0)] * 3
    assert accepted(settings) == truth(*YEARS)
    # A file that is right stays as it is, whatever it is called, and whatever others were like.
    land(parts_of(settings), mended, write(tmp_path, "council_2016-17.csv", charges(2019), change=as_is), arrival(3))
    run(settings, mended)
    assert accepted(settings) == truth(*YEARS, 2019)
    with connect(settings) as connection:
        assert deliveries.held(connection) == []


@pytest.fixture
def watt_hours(settings, tmp_path):
    """A council whose second delivery is in watt-hours."""
    stream = parse_stream({**COUNCIL, "date_repair": None, "columns": {**COUNCIL["columns"], "rated_power": "null"}})
    land(parts_of(settings), stream, write(tmp_path, "council_a.csv", charges(2016), change=as_is), arrival(0))
    land(parts_of(settings), stream, write(tmp_path, "council_b.csv", charges(2017), 1000, as_is), arrival(1))
    return stream


def test_a_release_lets_a_delivery_pass_and_stands_in_the_journal(settings, watt_hours, tmp_path):
    counts = run(settings, watt_hours)
    assert [each.held for _, each in sorted(counts.items())] == [0, 730]
    with connect(settings) as connection:
        with pytest.raises(deliveries.ReleaseError, match=r"nothing of council council_a\.csv is held"):
            deliveries.to_release(connection, "council", "council_a.csv", None, "me", "why")
        passed = deliveries.to_release(connection, "council", "council_b.csv", None, "me", "buses")
    deliveries.release(parts_of(settings), passed)
    assert [(each.findings, each.reason) for each in passed] == [(("energy", "power"), "buses")]
    counts = run(settings, watt_hours)
    assert [(each.accepted, each.held) for each in counts.values()] == [(730, 0)]
    # What is found stays known, as a warning.
    (looked,) = counts[arrival(1).date()].deliveries
    assert [each.name for each in looked.warnings][:2] == ["energy", "power"]
    assert run(settings, watt_hours) == {}
    # A warehouse that was lost knows it from the lake.
    with connect(settings) as connection:
        kept = catalogue.releases(connection)
        connection.execute("delete from catalogue.release")
    assert agree(settings).releases == 1
    with connect(settings) as connection:
        assert catalogue.releases(connection) == kept == passed
    assert agree(settings) == journal.Agreement() and run(settings, watt_hours) == {}


def test_the_same_deliveries_are_held_whatever_was_ingested_first(settings, watt_hours):
    pending = pending_arrivals(parts_of(settings), {"council": watt_hours})
    spark = SparkResource(engine="embedded").session
    counts = [
        count
        for each in reversed(pending)
        for count in ingest(parts_of(settings, session=lambda: spark), watt_hours, [each], "run", lambda count: True)
    ]
    assert [each.held for each in counts] == [730, 0]


def test_the_commands_list_and_release(settings, watt_hours, monkeypatch, tmp_path):
    run(settings, watt_hours)
    folder = tmp_path / "streams"
    folder.mkdir()
    (folder / "council.yml").write_text(watt_hours.model_dump_json(by_alias=True, exclude_none=True))
    monkeypatch.setenv("CIC_WAREHOUSE_URL", str(settings.warehouse_url))
    monkeypatch.setenv("CIC_HOME", str(settings.home))
    monkeypatch.setenv("CIC_STREAMS", str(folder))

    def call(*arguments: str):
        return CliRunner().invoke(app, arguments)

    shown = call("held").stdout
    assert "council_b.csv of council, arrival 2026-03-02, is held: the median session has" in shown
    assert "is units.energy of the stream file right?" in shown and "cic release council --arrival 2026-03-02" in shown
    assert (call("release", "council").exit_code, call("release", "nobody", "--why", "x").exit_code) == (2, 2)
    done = call("release", "council", "--arrival", "2026-03-02", "--why", "buses", "--by", "me")
    assert done.stdout == "released 1 files of council (energy, power); `cic run daily` ingests them\n"
    again = call("release", "council", "--why", "buses")
    assert again.exit_code == 1 and "waits for `cic run daily`" in str(again.exception)
    assert query(settings, "select released_by, reason from catalogue.release") == [("me", "buses")]
    assert run(settings, watt_hours)[arrival(1).date()].accepted == 730
    assert call("held").stdout == "nothing is held\n"
