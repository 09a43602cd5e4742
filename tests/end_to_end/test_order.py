"""What a feed says does not depend on other feeds, on the order of landing, or on how its deliveries are cut.

Random feeds in pairs. They are landed at once, each in one delivery; and one of each pair is landed and computed before
the other, each history cut into deliveries at random, landed in any order. Facts are equal; `make orders` runs more
pairs (PAIRS, SEED) with Dagster and dbt, and compares marts too.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance

from cic_assets.calendar import next_month
from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.kinds.vocabulary import STATES
from cic_assets.orchestrate.doors import parts_of, set_up
from cic_assets.orchestrate.runner import Runner
from cic_assets.orchestrate.work import months_work, stale_months
from cic_assets.settings import Settings, load_settings
from cic_assets.warehouse import embedded
from tests.doors import connect
from tests.end_to_end.steps import compute_charge_points, run_days, run_facts, run_ingest

PAIRS = int(os.environ.get("CIC_TEST_PAIRS", "3"))
# A run of Dagster and dbt over everything takes 50 s, and a test needs five: `make orders`.
WITH_MARTS = PAIRS > 3
SEED = int(os.environ.get("CIC_TEST_SEED", "1"))
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
FIRST = dt.datetime(2026, 10, 12, tzinfo=dt.UTC)
# Feeds begin at random within these days, last as many, and are delivered after both; the clock change is in them.
SPREAD, LENGTH = 8, 10
FORMAT = {"format": {"type": "jsonl"}, "licence": "l", "contact": "c", "zone": "Europe/London", "description": "d"}
POINTS = ("E1", "E2", "E3")
# What names deliveries rather than what they said, or when something was computed.
BY_DELIVERY = ("arrival_date", "source_file", "source_line", "arrived_at")
FACTS = (
    "facts.charging_session", "facts.charging_session_day", "facts.charge_point_status_day",
    "facts.charge_point_month", "facts.charge_point", "facts.charge_point_rating",
)  # fmt: skip
MARTS = (
    "marts.charge_point_health_day", "marts.charge_points_month", "marts.network_overview_month",
    "marts.session_statistics_day", "marts.dim_charge_point",
)  # fmt: skip


@dataclass(frozen=True)
class Feed:
    """A stream and its history: each record as it would stand in a line of JSON, in the order of the feed."""

    stream: Stream
    records: list[dict[str, Any]]

    def deliver(self, settings: Settings, folder: Path, name: str, records: Sequence[dict[str, Any]], day: int) -> None:
        path = folder / f"{self.stream.id}_{name}.jsonl"
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        land(parts_of(settings), self.stream, path, FIRST + (SPREAD + LENGTH + day) * DAY)

    def cut(self, random: Random) -> list[tuple[Feed, str, list[dict[str, Any]], int]]:
        """The history in up to four deliveries, a day apart in the feed's order, whenever they are landed."""
        cuts = [0, *sorted(random.sample(range(1, len(self.records)), min(3, len(self.records) - 1)))]
        parts = zip(cuts, [*cuts[1:], len(self.records)], strict=True)
        return [(self, f"part{number}", self.records[start:end], number) for number, (start, end) in enumerate(parts)]


def text(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def log(random: Random, name: str, provider: dict[str, str], begins: dt.datetime) -> Feed:
    moments = sorted({begins + random.randrange(LENGTH * 24 * 60) * HOUR / 60 for _ in range(40)})
    records = [{"cp": random.choice(POINTS), "word": random.choice(STATES), "since": text(at)} for at in moments]
    columns = {"charge_point": "cp", "status": "word", "changed_at": "since"}
    return Feed(status(name, provider, columns, begins, max_silence="P2D"), records)


def polls(random: Random, name: str, provider: dict[str, str], begins: dt.datetime) -> Feed:
    """Polls whose stamp says when, stands still, or moves back."""
    records = []
    stamp = {point: begins - random.randrange(1, 400) * HOUR for point in POINTS}
    for number in range(LENGTH * 6):
        seen = begins + number * 4 * HOUR
        for point in POINTS:
            if random.random() < 0.5:
                stamp[point] = random.choice([seen - HOUR, seen - 30 * HOUR, stamp[point]])
            word = random.choice(STATES[:4])
            records.append({"cp": point, "word": word, "since": text(stamp[point]), "seen": text(seen)})
    columns = {"charge_point": "cp", "status": "word", "changed_at": "since", "confirmed_at": "seen"}
    return Feed(status(name, provider, columns, begins, period="PT4H"), records)


def status(name: str, provider: dict[str, str], columns: dict[str, str], begins: dt.datetime, **more: Any) -> Stream:
    ends = (begins + (LENGTH + 3) * DAY).date()
    return parse_stream(
        {
            **FORMAT, "id": name, "kind": "status", "provider": provider, "authority": {"id": "a", "name": "A"},
            "claims": [f"{name}*"], "columns": columns, "vocabulary": {"standard": "OCPI 2.2.1"}, "ends": ends, **more,
        }
    )  # fmt: skip


def sessions(random: Random, name: str, provider: dict[str, str], begins: dt.datetime) -> Feed:
    """Sessions, some of them corrected or said twice, and ids that some charge points share."""
    records: list[dict[str, Any]] = []
    for number in range(40):
        start = begins + random.randrange(LENGTH * 24 * 4) * HOUR / 4
        record = {
            "id": str(number % 35), "cp": random.choice(POINTS), "start": text(start),
            "end": text(start + random.randrange(1, 9) * HOUR / 2), "kwh": random.randrange(1, 30),
            "kw": random.choice([7, 22, 150]), "updated": text(start + DAY), "paid": "1.50",
        }  # fmt: skip
        records.append(record)
        if random.random() < 0.2:
            records.append(record | {"kwh": random.randrange(1, 30), "updated": text(start + 2 * DAY)})
    columns = {
        "session_id": "id", "charge_point": "cp", "started_at": "start", "ended_at": "end", "energy": "kwh",
        "rated_power": "kw", "last_updated": "updated", "cost": "paid", "currency": "'GBP'",
    }  # fmt: skip
    content = {
        **FORMAT, "id": name, "kind": "sessions", "provider": provider, "authority": {"id": "a", "name": "A"},
        "claims": [f"{name}*"], "columns": columns, "vat_basis": "excluded",
    }  # fmt: skip
    return Feed(parse_stream(content), records)


def registry(random: Random, name: str, provider: dict[str, str], begins: dt.datetime) -> Feed:
    """Charge points, one moved, one rated anew, one that no feed speaks of, one missing."""
    listed = [*random.sample(POINTS, 2), "E9"]
    records = []
    for number in range(4):
        for point in listed:
            site, kw = random.choice(["L1", "L2"]), random.choice([7, 22, 150, None])
            records.append({"cp": point, "site": site, "kw": kw, "since": text(begins + number * DAY)})
    content = {
        **FORMAT, "id": name, "kind": "locations", "provider": provider, "authority": {"id": "a", "name": "A"},
        "claims": [f"{name}*"],
        "columns": {"charge_point": "cp", "location_id": "site", "rated_power": "kw", "valid_from": "since"},
    }  # fmt: skip
    return Feed(parse_stream(content), records)


KINDS = (log, polls, sessions, registry)


def pairs(seed: int, count: int) -> list[tuple[Feed, Feed]]:
    """Pairs of feeds; of every second pair, both speak of the same provider's charge points."""
    found = []
    for number in range(count):
        random = Random(f"{seed} {number}")
        feeds = []
        # All pairs of kinds come, if there are enough; of three pairs, each kind.
        for place, make in zip("xy", (KINDS[number % 4], KINDS[(number + 1 + number // 4) % 4]), strict=True):
            party = f"GB*{chr(65 + number // 26)}{chr(65 + number % 26)}{place if number % 2 else 'Z'}".upper()
            # No two feeds speak of one instant: who wins it goes by the delivery.
            begins = FIRST + random.randrange(SPREAD) * DAY + (place == "y") * HOUR / 120
            if number % 5 == 4 and place == "x":
                # One of the pair is an archive.
                begins -= 700 * DAY
            feeds.append(make(random, f"f{number}{place}", {"id": party, "name": party}, begins))
        found.append((feeds[0], feeds[1]))
    return found


class Home:
    """A platform of its own."""

    def __init__(self, server_home: Path, folder: Path, streams: dict[str, Stream]) -> None:
        folder.mkdir()
        server, name = embedded.locate(server_home), f"order_{abs(hash(folder)) % 10**9}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        base = load_settings({"CIC_HOME": str(folder / "home"), "CIC_PERSONAL_KEY": "k"})
        self.settings, self.folder, self.streams = replace(base, warehouse_url=server.url(name)), folder, streams
        set_up(self.settings)
        self.settings.home.mkdir(parents=True, exist_ok=True)

    def compute(self) -> None:
        """Whatever is due: of few pairs the facts, step by step; of many, with Dagster and dbt."""
        if not WITH_MARTS:
            run_ingest(self.settings, self.streams)
            run_days(self.settings, self.streams)
            run_facts(self.settings, asked_for=True)
            stale, _ = stale_months(parts_of(self.settings), dt.date(2026, 12, 1), asked_for=True)
            for work in months_work(stale):
                compute_charge_points(self.settings, self.streams, work.first, next_month(work.last))
            return
        with DagsterInstance.ephemeral() as instance:
            runner = Runner(self.settings, self.streams, instance)
            runner.ingest(), runner.days(), runner.months(), runner.dimensions()
            # What was published makes nothing due by itself.
            assert (runner.ingest(), runner.days(), runner.months()) == ([], [], [])

    def tables(self) -> dict[str, list[str]]:
        found = {}
        with connect(self.settings) as connection:
            for table in (*FACTS, *(MARTS if WITH_MARTS else ())):
                rows = connection.execute(f"select to_jsonb(t) from {table} as t".encode()).fetchall()
                kept = ({k: v for k, v in row[0].items() if k not in BY_DELIVERY} for row in rows)
                found[table] = sorted(json.dumps(row, sort_keys=True) for row in kept)
        return found


@pytest.fixture(scope="module")
def feeds() -> list[tuple[Feed, Feed]]:
    return pairs(SEED, PAIRS)


@pytest.fixture(scope="module")
def at_once(feeds, server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Tables of a platform that all feeds reached together, each in one delivery."""
    home = platform(feeds, server_home, tmp_path_factory.mktemp("order") / "once")
    for pair in feeds:
        for feed in pair:
            feed.deliver(home.settings, home.folder, "all", feed.records, 0)
    home.compute()
    return home.tables()


def platform(feeds: list[tuple[Feed, Feed]], server_home: Path, folder: Path) -> Home:
    return Home(server_home, folder, {feed.stream.id: feed.stream for pair in feeds for feed in pair})


def differing(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """The first rows that are only in one of the two, per table."""
    return {
        table: (sorted(set(rows) - set(wanted[table]))[:3], sorted(set(wanted[table]) - set(rows))[:3])
        for table, rows in found.items()
        if rows != wanted[table]
    }


@pytest.mark.parametrize("first", (0, 1))
def test_feeds_say_the_same_in_any_order_of_landing_and_however_they_are_cut(
    feeds, at_once, server_home, tmp_path, first
):
    assert all(at_once.values())
    random, home = Random(SEED + first), platform(feeds, server_home, tmp_path / "cut")
    for place in (first, 1 - first):
        deliveries = [each for pair in feeds for each in pair[place].cut(random)]
        random.shuffle(deliveries)
        for feed, name, records, day in deliveries:
            feed.deliver(home.settings, home.folder, name, records, day)
        home.compute()
    assert differing(home.tables(), at_once) == {}
