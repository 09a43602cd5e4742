"""What becomes of a delivery when its original is gone and its stream file changes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cic_assets.ingest import decode
from cic_assets.ingest.decode import GONE
from cic_assets.ingest.landing import land, purge_originals
from cic_assets.kinds.every import parse_stream
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger import catalogue
from cic_assets.orchestrate.doors import lake_of, parts_of
from cic_assets.streams.load import load_streams
from tests.doors import connect, decode_one

FIRST = dt.datetime(2026, 1, 5, 6, tzinfo=dt.UTC)
HEADER = "Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID,Member"
ROW = "1,A,1,01/01/2026 10:00,01/01/2026 11:00,7,2,22,TOKEN-ZQ,MEMBER-ZQ"


@pytest.fixture
def stream(settings):
    return load_streams(settings.streams)["ashbourne_sessions"]


def changed(stream, columns=None, **more):
    content = stream.model_dump(by_alias=True, exclude_none=True)
    return parse_stream({**content, "columns": {**content["columns"], **(columns or {})}, **more})


@pytest.fixture
def landed(settings, stream, tmp_path):
    file = tmp_path / "ashbourne_sessions_1.csv"
    file.write_text(f"{HEADER}\n{ROW}\n")
    return land(parts_of(settings), stream, file, FIRST).landed


def purge(settings, stream):
    return purge_originals(parts_of(settings), stream, FIRST + dt.timedelta(days=500))


def rows(settings, path):
    with lake_of(settings).read(path) as handle:
        return pq.read_table(handle).to_pylist()


def incomplete(settings):
    with connect(settings) as connection:
        return [str(each) for each in catalogue.incomplete(connection)]


def test_what_was_decoded_stays_in_use_and_what_it_lacks_is_named(settings, stream, landed):
    path, _ = decode_one(parts_of(settings), stream, landed)
    assert purge(settings, stream) == 1
    other = changed(stream, {"session_id": "concat(Session, Ref)"}, optional_fields=["Ref"])
    kept, count = decode_one(parts_of(settings), other, landed)
    assert kept != path and count == 1
    (before,), (after,) = rows(settings, path), rows(settings, kept)
    assert after == {**before, "Ref": None}
    assert decode_one(parts_of(settings), other, landed) == (kept, 1)
    (line,) = incomplete(settings)
    assert "ashbourne_sessions_1.csv" in line and "lacks Ref" in line and "land the file again" in line
    # A stream file that reads less and then as much as before finds it again.
    less = changed(stream, {"cost": "null"})
    lake_of(settings).delete(path)
    decode_one(parts_of(settings), less, landed)
    lake_of(settings).delete(kept)
    again, _ = decode_one(parts_of(settings), stream, landed)
    (found,) = rows(settings, again)
    assert {name: found[name] for name in before} == {**before, "cic.raw": found["cic.raw"]}


def test_what_is_personal_later_is_hashed_and_the_text_goes(settings, stream, landed):
    reads = changed(stream, {"session_id": "concat(Session, Member)"})
    path, _ = decode_one(parts_of(settings), reads, landed)
    assert "MEMBER-ZQ" in str(rows(settings, path))
    purge(settings, reads)
    token = rows(settings, path)[0]["RFID"]
    later = changed(reads, personal_fields=["RFID", "Member"])
    (row,) = rows(settings, decode_one(parts_of(settings), later, landed)[0])
    assert "MEMBER-ZQ" not in str(row) and len(row["Member"]) == 20 and row["cic.raw"] == GONE
    # A hash is not hashed once more: it equals those of deliveries that are still there.
    assert row["RFID"] == token
    # Nor does it come back when nobody reads it any more.
    lake_of(settings).delete(path)
    (row,) = rows(settings, decode_one(parts_of(settings), changed(stream, optional_fields=["x"]), landed)[0])
    assert "MEMBER-ZQ" not in str(row) and row["RFID"] == token


def test_landed_again_it_is_decoded_anew(settings, stream, landed, tmp_path):
    decode_one(parts_of(settings), stream, landed)
    purge(settings, stream)
    other = changed(stream, {"session_id": "concat(Session, Member)"}, optional_fields=["Member"])
    path, _ = decode_one(parts_of(settings), other, landed)
    assert rows(settings, path)[0]["Member"] is None and incomplete(settings)
    with connect(settings) as connection:
        (arrival,) = catalogue.arrivals(connection, [stream.id])
        ledger.note_ingested(connection, parts_of(settings).recipe_of(other), [arrival], "run")
    land(parts_of(settings), other, tmp_path / "ashbourne_sessions_1.csv", FIRST)
    with connect(settings) as connection:
        assert ledger.ingested(connection) == {}, "due again"
    assert rows(settings, decode_one(parts_of(settings), other, landed)[0])[0]["Member"] == "MEMBER-ZQ"
    assert incomplete(settings) == []


def test_a_held_delivery_is_not_purged_as_nothing_of_it_was_decoded(settings, stream, landed):
    renamed = changed(stream, personal_fields=["Tag"])
    path, _ = decode_one(parts_of(settings), renamed, landed)
    assert "ZQ" not in str(rows(settings, path)) and [row["cic.fault"] for row in rows(settings, path)] == ["D03"]
    assert purge(settings, renamed) == 0 and "has no field Tag" in incomplete(settings)[0]
    decode_one(parts_of(settings), stream, landed)
    assert incomplete(settings) == [] and purge(settings, stream) == 1


def test_hashes_are_equal_within_an_authority_and_a_year_only(settings, stream, landed, tmp_path):
    def hashed(said, moment):
        file = tmp_path / f"{moment:%Y%m}.csv"
        file.write_text(f"{HEADER}\n{moment:%Y%m}{ROW}\n")
        return rows(
            settings,
            decode_one(parts_of(settings), said, land(parts_of(settings), said, file, moment, moment).landed)[0],
        )[0]["RFID"]

    months = [FIRST, FIRST + dt.timedelta(days=300), FIRST + dt.timedelta(days=370)]
    other = changed(stream, id="other", authority={"id": "E2", "name": "Other"})
    neighbour = changed(stream, id="neighbour", provider={"id": "GB*NEI", "name": "N"})
    here, later, next_year = (hashed(stream, moment) for moment in months)
    assert here == later == hashed(neighbour, FIRST)
    assert len({here, next_year, hashed(other, FIRST), hashed(other, months[2])}) == 4
    moved = changed(stream, authority={"id": "E2", "name": "Other"})
    assert moved.decode_fingerprint() != stream.decode_fingerprint(), "decoded anew"


def test_a_table_that_somebody_writes_between_its_two_readings_is_not_decoded(settings, tmp_path, monkeypatch):
    parts, status = parts_of(settings), load_streams(settings.streams)["ashbourne_status"]
    file = tmp_path / "polls.csv"
    # More than is held of a file after the first reading.
    file.write_text("Polled at,Charger,State\n" + "2026-01-01T00:00:00Z,A1,Free\n" * 80_000)
    landed = land(parts, status, file, FIRST).landed
    original = Path(settings.lake, landed.path)
    content = original.read_bytes()
    look = decode.by_columns

    def written_after(*given):
        found = look(*given)
        assert found is not None
        original.write_bytes(content[::-1].replace(b"eerF", b"ysuB", 1)[::-1])
        return found

    with (
        monkeypatch.context() as patch,
        pytest.raises(LakeDamagedError, match=r"holds other bytes than polls\.csv had"),
    ):
        patch.setattr(decode, "by_columns", written_after)
        decode_one(parts, status, landed)
    original.write_bytes(content)
    assert decode_one(parts, status, landed)[1] == 80_000
