"""The journal in the lake and the catalogue: neither loses or invents anything, wherever a landing ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from cic_assets.cli import rebuild
from cic_assets.cli.rebuild import RebuildError
from cic_assets.ingest import landing
from cic_assets.ingest.landing import adopt_foreign, land, purge_originals
from cic_assets.lake.zones import Lake
from cic_assets.ledger import catalogue, journal
from cic_assets.ledger.lake_id import OtherLakeError
from cic_assets.orchestrate.doors import lake_of, parts_of
from cic_assets.streams.load import load_streams
from tests.doors import agree, connect, decode_one

FIRST = dt.datetime(2026, 1, 5, 6, 0, 0, 123, tzinfo=dt.UTC)
LATER = FIRST + dt.timedelta(days=3)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def stream(settings):
    return load_streams(settings.streams)["ashbourne_sessions"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ashbourne_sessions_1.csv"
    path.write_text("Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID\n1,A,1,,,,,,TOKEN\n")
    return path


def known(settings) -> dict[str, list[tuple]]:
    """Objects and sightings; how old another program's file is, only of what it is now."""
    queries = {
        "object": "select stream_id, sha256, arrival_date, first_seen_at, original_name, path, byte_count, landed,"
        " purged_at, feed_columns, record_count, case when landed then modified_at end from catalogue.object"
        " order by stream_id, sha256",
        "sighting": "select * from catalogue.sighting order by stream_id, sha256, seen_at, original_name",
    }
    with connect(settings) as connection:
        return {table: connection.execute(query.encode()).fetchall() for table, query in queries.items()}


def forget(settings) -> None:
    with connect(settings) as connection:
        connection.execute("truncate catalogue.object cascade")


def decoded(settings, stream, landed) -> None:
    with connect(settings) as connection:
        catalogue.note_decoded(connection, landed, ["Session", "RFID"], 1, [])


def test_the_catalogue_comes_back_from_the_journal_and_a_second_look_changes_nothing(settings, stream, file, tmp_path):
    again = tmp_path / "ashbourne_sessions_again.csv"
    again.write_bytes(file.read_bytes())
    land(parts_of(settings), stream, file, LATER)
    land(parts_of(settings), stream, again, FIRST)
    land(parts_of(settings), stream, file, LATER)
    before = known(settings)
    assert len(before["sighting"]) == 2
    assert agree(settings) == journal.Agreement()
    forget(settings)
    assert agree(settings) == journal.Agreement(objects=1, sightings=2)
    assert known(settings) == before
    assert agree(settings) == journal.Agreement()


# The step before which it ends: the bytes, the entry, the sighting's row.
@pytest.mark.parametrize(("of", "step"), [(landing, "_copy_in"), (journal, "note"), (catalogue, "add_sighting")])
def test_a_landing_that_ends_anywhere_is_finished_by_its_rerun(settings, stream, file, monkeypatch, of, step):
    land(parts_of(settings), stream, file, FIRST)
    whole = known(settings)
    entries = lake_of(settings).files(journal.ROOT)
    forget(settings)
    for path in [*entries, *lake_of(settings).files("raw")]:
        lake_of(settings).delete(path)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(of, step, killed)
        with pytest.raises(Killed):
            land(parts_of(settings), stream, file, FIRST)
    agree(settings)
    # What has an entry is landed; what has none is not, and no ingest reads it.
    assert [row[7] for row in known(settings)["object"]] == [step == "add_sighting"]
    assert (known(settings) == whole) == (step == "add_sighting")
    land(parts_of(settings), stream, file, FIRST)
    assert known(settings) == whole
    assert lake_of(settings).files(journal.ROOT) == entries
    assert agree(settings) == journal.Agreement()


def test_what_a_release_without_a_journal_landed_is_written_down_once(settings, stream, file):
    landed = land(parts_of(settings), stream, file, FIRST).landed
    land(parts_of(settings), stream, file, LATER)
    decode_one(parts_of(settings), stream, landed)
    assert purge_originals(parts_of(settings), stream, LATER + dt.timedelta(days=500)) == 1
    lake = lake_of(settings)
    entries = {path: _bytes(lake, path) for path in lake.files(journal.ROOT)}
    for path in entries:
        lake.delete(path)
    assert agree(settings, limit=2).written == 2
    assert agree(settings).written == 1
    assert {path: _bytes(lake, path) for path in lake.files(journal.ROOT)} == entries


def _bytes(lake: Lake, path: str) -> bytes:
    with lake.read(path) as handle:
        return handle.read()


def test_a_purge_is_known_until_the_file_is_landed_again(settings, stream, file):
    landed = land(parts_of(settings), stream, file, FIRST).landed
    decoded(settings, stream, landed)
    first_purge = LATER + dt.timedelta(days=500)
    assert purge_originals(parts_of(settings), stream, first_purge) == 1
    purged = known(settings)
    forget(settings)
    assert agree(settings) == journal.Agreement(objects=1, sightings=1, purges=1)
    # Header and number of records too, which nobody can read any more.
    assert known(settings) == purged
    land(parts_of(settings), stream, file, now=first_purge + dt.timedelta(days=1))
    landed_again = known(settings)
    assert agree(settings) == journal.Agreement()
    assert known(settings) == landed_again
    forget(settings)
    agree(settings)
    assert [row[8] for row in known(settings)["object"]] == [None]
    decoded(settings, stream, landed)
    assert purge_originals(parts_of(settings), stream, first_purge + dt.timedelta(days=500)) == 1
    twice = known(settings)
    forget(settings)
    assert agree(settings).purges == 2
    assert known(settings) == twice
    assert agree(settings) == journal.Agreement()


def test_a_crash_between_a_purge_and_its_row_ends_with_the_purge_known(settings, stream, file, monkeypatch):
    landed = land(parts_of(settings), stream, file, FIRST).landed
    decoded(settings, stream, landed)
    delete = Lake.delete

    def killed(lake: Lake, path: str) -> None:
        delete(lake, path)
        raise Killed

    moment = LATER + dt.timedelta(days=500)
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "delete", killed)
        with pytest.raises(Killed):
            purge_originals(parts_of(settings), stream, moment)
    assert [row[8] for row in known(settings)["object"]] == [None]
    agree(settings)
    purged = known(settings)
    assert [row[8] for row in purged["object"]] == [moment]
    forget(settings)
    agree(settings)
    assert known(settings) == purged


def test_bytes_that_came_before_the_journal_was_looked_at_keep_their_first_arrival(settings, stream, file):
    land(parts_of(settings), stream, file, FIRST)
    forget(settings)
    land(parts_of(settings), stream, file, LATER)
    assert known(settings)["object"][0][3] == LATER
    agree(settings)
    assert known(settings)["object"][0][2:4] == (FIRST.date(), FIRST)
    assert len(known(settings)["sighting"]) == 2
    assert agree(settings) == journal.Agreement()


def test_a_damaged_entry_is_named_and_hides_no_other(settings, stream, file, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("x\n")
    land(parts_of(settings), stream, file, FIRST)
    land(parts_of(settings), stream, other, FIRST)
    forget(settings)
    folder = Path(settings.lake, journal.ROOT)
    one, two = sorted(folder.rglob("*.json"))
    one.write_text(one.read_text()[:-9])
    two.rename(two.with_name("x-purged.json"))
    for text in ("", "[]", '"x"', "{}"):
        folder.joinpath("stray.json").write_text(text)
        faults = agree(settings).unreadable
        assert len(faults) == 3 and any(one.name in fault for fault in faults)
    with pytest.raises(RebuildError, match=r"3 files of the journal can't be read: .*restore them, or move them away"):
        rebuild.begin(settings, replace=False)
        rebuild.take_up(settings, {}, FIRST)


def test_another_folder_is_no_lake_to_rebuild_from_and_gets_no_journal(settings, stream, file, tmp_path):
    elsewhere = replace(settings, lake=str(tmp_path / "elsewhere"))
    for _ in range(2):
        with pytest.raises(RebuildError, match="has neither objects nor a journal: is CIC_LAKE right"):
            rebuild.begin(elsewhere, replace=False)
    land(parts_of(settings), stream, file, FIRST)
    whole = known(settings)
    with pytest.raises(RebuildError, match="is CIC_LAKE right"):
        rebuild.begin(elsewhere, replace=True)
    with pytest.raises(OtherLakeError):
        agree(elsewhere)
    assert lake_of(elsewhere).files(journal.ROOT) == []
    assert known(settings) == whole


def test_an_interrupted_rebuild_goes_on_and_a_whole_warehouse_is_replaced_only_when_told(settings, stream, file):
    land(parts_of(settings), stream, file, FIRST)
    streams = {stream.id: stream}
    whole = known(settings)
    with pytest.raises(RebuildError, match="has 1 objects, so it is not lost"):
        rebuild.begin(settings, replace=False)
    # What only the catalogue knows is written down before it goes.
    (entry,) = lake_of(settings).files(journal.ROOT)
    lake_of(settings).delete(entry)
    rebuild.begin(settings, replace=True)
    assert known(settings) == {"object": [], "sighting": []}
    for _ in range(2):
        rebuild.begin(settings, replace=False)
        found = rebuild.take_up(settings, streams, LATER)
        assert (found.objects, found.sightings, found.adopted, found.unknown) == (1, 1, 0, ())
    assert known(settings) == whole
    rebuild.finish(settings)
    with pytest.raises(RebuildError, match="so it is not lost"):
        rebuild.begin(settings, replace=False)


def test_what_is_lost_or_without_a_stream_file_is_named(settings, stream, file):
    landed = land(parts_of(settings), stream, file, FIRST).landed
    lake_of(settings).delete(landed.path)
    forget(settings)
    rebuild.begin(settings, replace=False)
    for _ in range(2):
        found = rebuild.take_up(settings, {}, LATER)
        assert (found.lost, found.unknown) == ((landed.path,), (stream.id,))
    said = "\n".join(rebuild.said_of(found))
    assert f"land them again, {landed.path}" in said and f"no stream file for {stream.id}" in said
    # The others' arrivals go in without it; it comes back under its first arrival.
    with connect(settings) as connection:
        assert catalogue.arrivals(connection, [stream.id]) == []
    assert land(parts_of(settings), stream, file, LATER).landed.arrived_at == FIRST
    with connect(settings) as connection:
        (arrival,) = catalogue.arrivals(connection, [stream.id])
    assert arrival.arrival_date == FIRST.date()


def test_what_another_program_put_into_raw_and_changed_comes_back_as_it_was_known(settings, stream, file):
    streams = {stream.id: stream}
    sink = Path(settings.lake, f"raw/stream_id={stream.id}/date=2026-01-05/sink+0.csv")
    sink.parent.mkdir(parents=True)
    sink.write_bytes(file.read_bytes())
    adopt_foreign(parts_of(settings), streams, FIRST)
    sink.write_text("Session\n2\n3\n")
    adopt_foreign(parts_of(settings), streams, FIRST + dt.timedelta(hours=1))
    grown = known(settings)
    assert sorted(row[7] for row in grown["object"]) == [False, True]

    def lose_and_find() -> None:
        forget(settings)
        agree(settings)
        adopt_foreign(parts_of(settings), streams, LATER)

    lose_and_find()
    assert known(settings) == grown
    # Its bytes of before, landed by hand: they get a place of their own.
    land(parts_of(settings), stream, file, LATER)
    landed = known(settings)
    assert [row[7] for row in landed["object"]] == [True, True]
    lose_and_find()
    assert known(settings) == landed
