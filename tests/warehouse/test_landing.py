from __future__ import annotations

import datetime as dt

import pyarrow.parquet as pq
import pytest

from cic_assets.lake import catalogue
from cic_assets.lake.landing import LandingError, adopt_foreign, land, purge_originals
from cic_assets.lake.zones import lake_of
from cic_assets.streams.load import load_streams
from cic_assets.warehouse.connect import connect

FIRST = dt.datetime(2026, 1, 5, 6, tzinfo=dt.UTC)


@pytest.fixture
def stream(settings):
    return load_streams(settings.streams)["dundee_sessions"]


def test_equal_bytes_are_one_object_with_its_first_arrival_and_two_sightings(settings, stream, tmp_path):
    one, other = tmp_path / "dundee_2019.csv", tmp_path / "again.csv"
    one.write_bytes(b"CP ID\n1\n")
    other.write_bytes(b"CP ID\n1\n")
    first, second = land(settings, stream, one, FIRST), land(settings, stream, other, FIRST + dt.timedelta(days=3))
    assert (first.new, second.new) == (True, False)
    assert second.landed.arrival_date == FIRST.date()
    assert second.landed.original_name == "dundee_2019.csv"
    assert lake_of(settings).files("raw") == [first.landed.path]
    with connect(settings) as connection:
        names = connection.execute("select original_name from catalogue.sighting order by seen_at").fetchall()
    assert names == [("dundee_2019.csv",), ("again.csv",)]


def test_what_another_program_puts_into_raw_is_adopted_by_its_path(settings, stream):
    lake = lake_of(settings)
    with lake.write(f"raw/stream_id={stream.id}/date=2026-01-07/sink+0+1.csv") as handle:
        handle.write(b"CP ID\n1\n")
    with lake.write("raw/stream_id=nobody/date=2026-01-07/x.csv") as handle:
        handle.write(b"x")
    streams = {stream.id: stream}
    (adopted,) = adopt_foreign(settings, streams, dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    assert adopted.arrival_date == dt.date(2026, 1, 7)
    assert adopt_foreign(settings, streams, dt.datetime(2026, 2, 1, tzinfo=dt.UTC)) == []
    with connect(settings) as connection:
        (arrival,) = catalogue.arrivals(connection, streams)
    assert arrival.arrival_date == dt.date(2026, 1, 7)


def test_originals_with_personal_fields_go_after_their_retention_and_decoded_records_stay(settings, tmp_path):
    from cic_assets.lake.decode import DecodeError, decode

    stream = load_streams(settings.streams)["ashbourne_sessions"]
    file = tmp_path / "ashbourne_sessions_1.csv"
    file.write_text("Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID\n1,A,1,,,,,,TOKEN\n")
    landed = land(settings, stream, file, FIRST).landed
    much_later = FIRST + dt.timedelta(days=500)
    assert purge_originals(settings, stream, much_later) == 0, "not before it was decoded"
    path, count = decode(settings, stream, landed)
    assert purge_originals(settings, stream, FIRST + dt.timedelta(days=10)) == 0
    assert purge_originals(settings, stream, much_later) == 1
    lake = lake_of(settings)
    assert (lake.exists(landed.path), lake.exists(path), count) == (False, True, 1)
    assert decode(settings, stream, landed) == (path, 1)
    # What release 0.3 decoded serves as it is: it kept no content.
    with lake.read(path) as handle:
        rows = pq.read_table(handle)
    former = path.replace(stream.decode_fingerprint(), stream.former_decode_fingerprint())
    with lake.write(former) as handle:
        pq.write_table(rows.drop_columns(["cic.content"]), handle)
    lake.delete(path)
    assert decode(settings, stream, landed) == (path, 1)
    with lake.read(path) as handle:
        carried = pq.read_table(handle)
    assert carried.schema == rows.schema and carried["cic.content"].null_count == 1
    assert carried.drop_columns(["cic.content"]).equals(rows.drop_columns(["cic.content"]))
    lake.delete(path)
    lake.delete(former)
    with pytest.raises(DecodeError, match="was purged after raw_retention_days"):
        decode(settings, stream, landed)


def test_a_missing_file_is_said_by_name(settings, stream, tmp_path):
    with pytest.raises(LandingError, match=r"gone\.csv: no such file"):
        land(settings, stream, tmp_path / "gone.csv")
