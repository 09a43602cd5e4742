"""Lakes that are lost, moved or damaged: each is named, and nothing is replaced. What ingest can mend, it mends."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from cic_assets.facts.touch import renew_registry
from cic_assets.ingest import portions
from cic_assets.ingest.attempt import attempt_all
from cic_assets.ingest.decode import DecodeError
from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import adopt_foreign, land
from cic_assets.ingest.verify import verify
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.zones import LakeError
from cic_assets.ledger import catalogue
from cic_assets.ledger.lake_id import OtherLakeError
from cic_assets.orchestrate.doors import parts_of, set_up
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.orchestrate.work import pending_arrivals
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded
from tests.doors import connect
from tests.end_to_end import steps as common
from tests.end_to_end.faults import county
from tests.end_to_end.faults.steps import STEPS

FACTS = (
    "facts.charging_session", "facts.charging_session_day", "quality.outcome", "facts.charge_point_status_day",
    "facts.charge_point_edge", "facts.charge_point", "facts.charge_point_month",
    "quality.ingest_count", "quality.quarantine",
)  # fmt: skip
NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
_numbers = count()


@dataclass(frozen=True)
class Prepared:
    """A small county, landed, ingested and computed: its settings, the server, and the files that were sent."""

    settings: Settings
    server: embedded.EmbeddedPostgres
    sent: Path


@pytest.fixture(scope="module")
def prepared(server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    server, home = embedded.locate(server_home), tmp_path_factory.mktemp("lakes")
    county.write(home / "sent")
    settings = fresh(server, home / "prepared", "template1")
    set_up(settings)
    for step in STEPS.values():
        step(settings, home / "sent", "late")
    return Prepared(settings, server, home / "sent")


def fresh(server: embedded.EmbeddedPostgres, home: Path, template: str) -> Settings:
    name = f"lakes_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    variables = {"CIC_HOME": str(home), "CIC_PERSONAL_KEY": "key of the tests", "CIC_STREAMS": str(county.STREAMS)}
    return replace(load_settings(variables), warehouse_url=server.url(name))


@pytest.fixture(autouse=True)
def portions_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the steps cut them."""
    monkeypatch.setattr(portions, "PORTION_RECORDS", 1)


@pytest.fixture
def settings(prepared: Prepared, tmp_path: Path) -> Iterator[Settings]:
    """A copy of the prepared lake and warehouse."""
    database = str(prepared.settings.warehouse_url).split("?")[0].rsplit("/", 1)[1]
    copy = fresh(prepared.server, tmp_path / "home", database)
    shutil.copytree(prepared.settings.lake, copy.lake)
    yield copy
    with psycopg.connect(prepared.server.url("postgres"), autocommit=True) as connection:
        name = str(copy.warehouse_url).split("?")[0].rsplit("/", 1)[1]
        connection.execute(f"drop database {name} with (force)")


def facts(settings: Settings) -> dict[str, str]:
    """One hash per table."""
    found = {}
    with connect(settings) as connection:
        for table in FACTS:
            rows = connection.execute(f"select t::text from {table} as t order by 1").fetchall()
            found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def compute(settings: Settings) -> None:
    """Facts of all that was landed, and the registry."""
    streams = load_streams(settings.streams)
    renew_registry(parts_of(settings, session=lambda: SparkResource(engine=settings.spark).session))
    common.compute_status(settings, streams, dt.date(2025, 3, 29), dt.date(2025, 4, 3))
    common.compute_sessions(settings, dt.date(2025, 3, 1), dt.date(2025, 5, 1))


def ingest_again(settings: Settings, only: str = "") -> None:
    """As `cic run daily --from --to`: all arrivals, pending or not, twice where the registry had to wait."""
    streams = load_streams(settings.streams)
    spark = SparkResource(engine=settings.spark).session
    with connect(settings) as connection:
        arrivals = catalogue.arrivals(connection, streams)
    for stream in sorted(streams.values(), key=lambda each: (each.kind != "locations", each.id)):
        if only in stream.id:
            mine = [arrival for arrival in arrivals if arrival.stream_id == stream.id]
            ingest(parts_of(settings, session=lambda: spark), stream, mine, common.owner(), lambda counted: True)


def log_of(settings: Settings, kind: str) -> Path:
    return Path(settings.lake, "accepted", kind, "_delta_log")


def accepted_file(settings: Settings, kind: str, stream: str = "") -> Path:
    """The first file of a kind's table that its log names."""
    root = Path(settings.lake, "accepted", kind)
    names = sorted(pa.table(DeltaTable(str(root)).get_add_actions(flatten=True))["path"].to_pylist())
    return root / next(name for name in names if f"stream_id={stream}" in name)


def flip(file: Path) -> None:
    """One bit in the middle of a file, which keeps its length and its time."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def roll_back(kind: str) -> Callable[[Settings], None]:
    def damage(settings: Settings) -> None:
        max(log_of(settings, kind).glob("*.json")).unlink()

    return damage


def lose_log(kind: str) -> Callable[[Settings], None]:
    return lambda settings: shutil.rmtree(log_of(settings, kind))


def halve_log(settings: Settings) -> None:
    newest = max(log_of(settings, "sessions").glob("*.json"))
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])


def older_half(settings: Settings) -> None:
    """Half of the lake from a backup of before its last files."""
    roll_back("status")(settings)
    for file in Path(settings.lake, "accepted", "sessions").rglob("*.parquet"):
        if "arrival_date=2025-04-03" in str(file):
            file.unlink()


def link(settings: Settings) -> None:
    file = accepted_file(settings, "sessions")
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved"))


def append(settings: Settings) -> None:
    uri = str(log_of(settings, "status").parent)
    write_deltalake(uri, DeltaTable(uri).to_pyarrow_table().slice(0, 1), mode="append")


def strange_rows(settings: Settings) -> None:
    uri = str(log_of(settings, "sessions").parent)
    rows = DeltaTable(uri).to_pyarrow_table().slice(0, 1)
    place = rows.schema.get_field_index("arrival_date")
    write_deltalake(uri, rows.set_column(place, "arrival_date", pa.array([dt.date(2024, 1, 1)])), mode="append")


def empty(settings: Settings) -> None:
    for each in Path(settings.lake).iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def other(settings: Settings) -> None:
    Path(settings.lake, "lake.json").write_text('{"lake_id": "00000000-0000-0000-0000-000000000001"}')


def unreadable_id(settings: Settings) -> None:
    Path(settings.lake, "lake.json").write_text("{")


KNOWN = "this warehouse knows the lake [0-9a-f-]{36}, last at /"
DAMAGES: dict[str, tuple[Callable[[Settings], None], str]] = {
    "no log of sessions": (
        lose_log("sessions"),
        "accepted/sessions is not what was accepted: north_sessions, arrival 2025-04-01: 1[0-9] rows expected, 0 found",
    ),
    "no log of status": (lose_log("status"), "accepted/status .* north_status, arrival 2025-04-01: .* 0 found"),
    "no log of locations": (lose_log("locations"), "accepted/locations .* north_locations, .* 0 found"),
    "sessions' log rolled back": (roll_back("sessions"), "_sessions, arrival 2025-04-0.: . rows expected, .* found"),
    "status log rolled back": (roll_back("status"), "north_status, arrival 2025-04-0[13]: . rows expected, . found"),
    "half a version": (halve_log, "the log of .*accepted/sessions can't be read"),
    "older half": (older_half, r"accepted/status .* rows expected, . found"),
    "a file gone": (lambda settings: accepted_file(settings, "sessions").unlink(), r"rows expected, .*parquet is gone"),
    "a file of the registry": (
        lambda settings: accepted_file(settings, "locations").unlink(),
        r"north_locations, arrival 2025-04-01: 2 rows expected, 0 found: .*parquet is gone",
    ),
    "a bit of sessions": (lambda settings: flip(accepted_file(settings, "sessions")), "parquet holds other bytes than"),
    "a bit of status": (lambda settings: flip(accepted_file(settings, "status")), "parquet holds other bytes than"),
    "a file cut off": (lambda settings: os.truncate(accepted_file(settings, "status"), 100), "holds other bytes than"),
    "a file that can't be opened": (link, "parquet can't be read"),
    "rows appended by others": (append, "rows expected, . found"),
    "rows of an unknown arrival": (strange_rows, "arrival 2024-01-01: 1 rows, of which this warehouse knows nothing"),
    "accepted gone": (lambda settings: shutil.rmtree(Path(settings.lake, "accepted")), "rows expected, 0 found"),
    "not mounted": (empty, f"is empty \\(not mounted\\?\\), but {KNOWN}"),
    "not there": (lambda settings: shutil.rmtree(settings.lake), f"is not there \\(not mounted\\?\\), but {KNOWN}"),
    "another lake": (other, f"is the lake 0{{8}}-.*, but {KNOWN}"),
    "an identity that says nothing": (unreadable_id, "lake.json does not say which lake it is"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_named_and_nothing_is_replaced(settings, prepared, name):
    damage, said = DAMAGES[name]
    before = facts(settings)
    damage(settings)
    with pytest.raises(LakeError, match=f"(?s){said}") as raised:
        compute(settings)
    assert "othing was r" in str(raised.value), "says that nothing was replaced"
    assert facts(settings) == before
    assert pending_arrivals(parts_of(settings), load_streams(settings.streams)) == []
    if isinstance(raised.value, OtherLakeError):
        with pytest.raises(OtherLakeError):
            land(
                parts_of(settings),
                load_streams(settings.streams)["north_status"],
                prepared.sent / "north_status_1.jsonl",
            )
        assert not Path(settings.lake, "raw").exists() or name in ("another lake", "an identity that says nothing")


@pytest.mark.parametrize("name", ["older half", "accepted gone"])
def test_what_is_lost_is_made_again_from_raw(settings, name):
    before = facts(settings)
    DAMAGES[name][0](settings)
    shutil.rmtree(Path(settings.lake, "decoded"))
    ingest_again(settings)
    compute(settings)
    assert facts(settings) == before


def ingest_window(settings: Settings) -> tuple[list[str], list[str]]:
    """As the asset does, all arrivals of April: streams that were replaced, and what went wrong."""
    streams = sorted(load_streams(settings.streams).values(), key=lambda each: (each.kind != "locations", each.id))
    with connect(settings) as connection:
        found = catalogue.arrivals(
            connection, [stream.id for stream in streams], dt.date(2025, 4, 1), dt.date(2025, 5, 1)
        )
    due = [(stream, [each for each in found if each.stream_id == stream.id]) for stream in streams]
    attempts = attempt_all(
        parts_of(settings, session=lambda: SparkResource(engine=settings.spark).session), due, common.owner()
    )
    counted = sorted({count.stream_id for each in attempts for count in each.replaced})
    return counted, [message for each in attempts for message in each.failures.values()]


def test_the_registry_waits_for_all_locations_and_one_run_brings_them(settings, tmp_path):
    streams = tmp_path / "streams"
    shutil.copytree(county.STREAMS, streams)
    text = (streams / "north_locations.yml").read_text()
    other_one = text.replace("north_locations", "south_locations").replace("GB*NTH", "south").replace("North", "South")
    (streams / "south_locations.yml").write_text(other_one)
    settings = replace(settings, streams=(streams,))
    file = tmp_path / "south_locations_1.csv"
    file.write_text("Charger,Site,kW,Since\nC1,S1,22,2025-01-01T00:00:00Z\n")
    land(
        parts_of(settings),
        load_streams(settings.streams)["south_locations"],
        file,
        dt.datetime(2025, 4, 20, tzinfo=dt.UTC),
    )
    common.run_ingest(settings, load_streams(settings.streams))
    before = facts(settings)
    lose_log("locations")(settings)
    ingested, failures = ingest_window(settings)
    assert failures == [] and len(ingested) == 5
    assert facts(settings) == before
    assert pending_arrivals(parts_of(settings), load_streams(settings.streams)) == []


def test_an_arrivals_damage_is_its_own(settings, raw, decoded):
    before = facts(settings)
    flip(raw)
    decoded.unlink()
    ingested, failures = ingest_window(settings)
    assert len(ingested) == 4, "the other arrivals of the stream go on too"
    assert len(failures) == 1 and f"{raw.name} holds other bytes" in failures[0]
    assert facts(settings) == before


def test_a_new_arrival_beside_a_damage_makes_all_stale_and_is_computed_once_all_is_whole(settings, tmp_path):
    """What a session reaches can't be told while others are missing: so all months wait for the table."""
    streams = load_streams(settings.streams)
    file = accepted_file(settings, "sessions", "north_sessions")
    content = file.read_bytes()
    file.unlink()
    new = tmp_path / "south_sessions_9.csv"
    row = "S9,C9,2025-06-02T09:00:00,2025-06-02T10:00:00,9.09,1.20,tok9"
    new.write_text(f"Session,Charger,Start,End,kWh,Paid,Token\n{row}\n")
    land(parts_of(settings), streams["south_sessions"], new, dt.datetime(2025, 6, 3, tzinfo=dt.UTC))
    common.run_ingest(settings, streams)
    with pytest.raises(LakeDamagedError, match="north_sessions"):
        compute(settings)
    file.write_bytes(content)
    with connect(settings) as connection:
        stale = connection.execute("select period_date from catalogue.pending_period where fact = 'charging_session'")
        assert {row[0].month for row in stale.fetchall()} >= {3, 4, 6}
    common.run_facts(settings, asked_for=True)
    with connect(settings) as connection:
        found = connection.execute("select count(*) from facts.charging_session where session_id = 'S9'").fetchone()
    assert found == (1,)


def test_days_beside_a_damage_are_computed_and_the_damaged_ones_are_not(settings):
    spark = SparkResource(engine=settings.spark).session
    file = next(Path(settings.lake, "accepted", "status").rglob("event_date=2025-03-29/*.parquet"))
    file.unlink()
    parts_of(settings, session=lambda: spark).accepted("status", dt.date(2025, 3, 30), dt.date(2025, 4, 3))
    for window in ((dt.date(2025, 3, 28), dt.date(2025, 3, 30)), (None, None), (None, dt.date(2025, 4, 1))):
        with pytest.raises(LakeDamagedError, match="event_date=2025-03-29"):
            parts_of(settings, session=lambda: spark).accepted("status", *window)


def test_a_lake_that_moved_or_was_copied_is_the_same_one(settings, tmp_path):
    before = facts(settings)
    moved = replace(settings, lake=str(tmp_path / "elsewhere"))
    Path(settings.lake).rename(moved.lake)
    compute(moved)
    assert facts(moved) == before
    with connect(moved) as connection:
        assert connection.execute("select root from catalogue.lake").fetchall() == [(moved.lake,)]


def test_a_warehouse_and_lake_of_a_release_before_are_known_by_their_objects_and_counts(settings):
    with connect(settings) as connection:
        for table in ("lake", "accepted_file", "decoded_file"):
            connection.execute(f"delete from catalogue.{table}")
    Path(settings.lake, "lake.json").unlink()
    before = facts(settings)
    compute(settings)
    assert facts(settings) == before
    with connect(settings) as connection:
        counts = [
            connection.execute(f"select count(*) from catalogue.{t}").fetchone() for t in ("lake", "accepted_file")
        ]
    assert counts[0] == (1,) and counts[1][0] > 10
    # One whose rows are fewer than were counted is not adopted.
    with connect(settings) as connection:
        connection.execute("delete from catalogue.accepted_file")
    lose_log("status")(settings)
    with pytest.raises(LakeDamagedError, match=r"accepted/status .* rows expected, 0 found"):
        compute(settings)
    empty(settings)
    with pytest.raises(OtherLakeError, match="is empty"):
        compute(settings)
    assert facts(settings) == before


def test_a_lake_that_lost_its_file_gets_it_again_with_the_same_identity(settings):
    file = Path(settings.lake, "lake.json")
    content = file.read_bytes()
    file.unlink()
    assert parts_of(settings).lake
    assert file.read_bytes() == content


def test_a_new_warehouse_takes_the_lake_that_it_finds_and_another_one_with_objects_does_not(
    settings, prepared, tmp_path
):
    new = fresh(prepared.server, tmp_path / "new", "template1")
    set_up(new)
    assert parts_of(replace(new, lake=settings.lake)).lake
    streams = load_streams(settings.streams)
    other_one = fresh(prepared.server, tmp_path / "other", "template1")
    set_up(other_one)
    land(parts_of(other_one), streams["north_status"], prepared.sent / "north_status_1.jsonl")
    with pytest.raises(OtherLakeError, match=r"is the lake .*, but this warehouse knows the lake"):
        land(
            parts_of(replace(other_one, lake=settings.lake)),
            streams["north_status"],
            prepared.sent / "north_status_2.jsonl",
        )


@pytest.fixture
def raw(settings: Settings) -> Path:
    """The original of north_sessions_3, which is the only object of its arrival."""
    (file,) = Path(settings.lake, "raw", "stream_id=north_sessions", "date=2025-04-03").iterdir()
    return file


@pytest.fixture
def decoded(settings: Settings) -> Path:
    """Its decoded file."""
    (file,) = Path(settings.lake, "decoded", "stream_id=north_sessions", "date=2025-04-03").iterdir()
    return file


def test_an_original_whose_bytes_changed_is_named_and_the_file_landed_again_replaces_it(
    settings, prepared, raw, decoded
):
    before = facts(settings)
    good = raw.read_bytes()
    # 30.01 kWh becomes 31.01 kWh: as valid as the other.
    raw.write_bytes(good.replace(b"30.01", b"31.01"))
    decoded.unlink()
    with pytest.raises(LakeDamagedError, match=f"{raw.name} holds other bytes than north_sessions_3.jsonl had"):
        ingest_again(settings, "north_sessions")
    assert facts(settings) == before and not decoded.exists()
    stream = load_streams(settings.streams)["north_sessions"]
    landing = land(parts_of(settings), stream, prepared.sent / "north_sessions_3.jsonl")
    assert not landing.new and raw.read_bytes() == good
    ingest_again(settings, "north_sessions")
    compute(settings)
    assert facts(settings) == before


def test_an_original_that_is_gone_is_named_where_it_is_needed_and_put_back_by_landing(settings, prepared, raw, decoded):
    before = facts(settings)
    raw.unlink()
    ingest_again(settings, "north_sessions")
    assert facts(settings) == before, "decoded records serve"
    flip(decoded)
    with pytest.raises(DecodeError, match=f"{raw.name} is gone from the lake, and its decoded copy .* is damaged"):
        ingest_again(settings, "north_sessions")
    land(parts_of(settings), load_streams(settings.streams)["north_sessions"], prepared.sent / "north_sessions_3.jsonl")
    ingest_again(settings, "north_sessions")
    assert facts(settings) == before and raw.exists()


def test_a_decoded_file_whose_bytes_changed_is_named_and_made_again(settings, decoded, caplog):
    before, good = facts(settings), decoded.read_bytes()
    flip(decoded)
    ingest_again(settings, "north_sessions")
    assert f"{decoded.name} holds other bytes than were written" in caplog.text
    assert decoded.read_bytes() == good and facts(settings) == before


def test_verify_names_every_damage_of_the_whole_lake(settings, raw, decoded):
    assert list(verify(parts_of(settings))) == []
    other_one = next(Path(settings.lake, "raw", "stream_id=south_sessions").rglob("*.csv"))
    other_one.unlink()
    for file in (raw, decoded, accepted_file(settings, "status")):
        flip(file)
    halve_log(settings)
    said = list(verify(parts_of(settings)))
    assert len(said) == 5, said
    assert f"{raw.name} holds other bytes than were written: restore it, or land north_sessions_3.jsonl" in said[0]
    assert f"{other_one.name} is gone: restore it" in said[1]
    assert f"{decoded.name} holds other bytes" in said[2] and "makes it again" in said[2]
    assert "accepted/sessions can't be read" in said[3]
    assert "accepted/status is not what was accepted" in said[4]


def test_an_object_of_another_program_that_grows_or_changes_is_ingested_as_what_it_is_now(settings):
    streams = load_streams(settings.streams)
    folder = Path(settings.lake, "raw", "stream_id=north_status", "date=2025-05-01")
    folder.mkdir(parents=True)
    file = folder / "sink+0+1.jsonl"

    def states() -> list[tuple[str, ...]]:
        adopted = adopt_foreign(parts_of(settings), streams, NOW)
        common.run_ingest(settings, streams)
        spark = SparkResource(engine=settings.spark).session
        rows = (
            parts_of(settings, session=lambda: spark)
            .accepted("status", dt.date(2025, 5, 1), dt.date(2025, 5, 2))
            .toArrow()
        )
        assert adopt_foreign(parts_of(settings), streams, NOW) == [], "looked at again, it is no news"
        return [(str(len(adopted)), *sorted(rows["state"].to_pylist()))]

    one = county._state("E1", "AVAILABLE", "2025-05-01T08:00:00Z") + "\n"
    two = county._state("E1", "CHARGING", "2025-05-01T09:00:00Z") + "\n"
    file.write_text(one)
    assert states() == [("1", "AVAILABLE")]
    file.write_text(one + two)
    assert states() == [("1", "AVAILABLE", "CHARGING")]
    before = file.stat()
    file.write_text(one + two.replace("CHARGING", "REMOVED "))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    # A word with a blank is the word.
    assert states() == [("1", "AVAILABLE", "REMOVED")]
    file.write_text(one)
    assert states() == [("1", "AVAILABLE")]
    # Its time alone is no change.
    file.touch()
    assert states() == [("0", "AVAILABLE")]


def test_landing_what_another_program_has_written_over_leaves_its_file_alone(settings, tmp_path):
    stream = load_streams(settings.streams)["north_status"]
    folder = Path(settings.lake, "raw", "stream_id=north_status", "date=2025-05-01")
    folder.mkdir(parents=True)
    file, mine = folder / "sink+0+1.jsonl", tmp_path / "north_status_9.jsonl"
    mine.write_text(county._state("E1", "AVAILABLE", "2025-05-01T08:00:00Z") + "\n")
    shutil.copy(mine, file)
    adopt_foreign(parts_of(settings), {stream.id: stream}, NOW)
    file.write_text("longer\n")
    landing = land(parts_of(settings), stream, mine)
    assert file.read_text() == "longer\n"
    assert Path(settings.lake, landing.landed.path).read_bytes() == mine.read_bytes()
