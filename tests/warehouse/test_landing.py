from __future__ import annotations

import datetime as dt
import io
import os
import socket
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cic_assets.cli import app as cli
from cic_assets.facts.touch import SESSIONS, STATUS
from cic_assets.ingest.landing import LandingError, adopt_foreign, land, purge_originals, tidy
from cic_assets.lake.zones import DRAFT_SECONDS, Lake, LakeError
from cic_assets.ledger import catalogue
from cic_assets.ledger.periods import mark_stale
from cic_assets.orchestrate.doors import lake_of, parts_of
from cic_assets.orchestrate.work import stale_days, stale_months
from cic_assets.streams.load import load_streams
from tests.doors import connect, decode_one

FIRST = dt.datetime(2026, 1, 5, 6, tzinfo=dt.UTC)


@pytest.fixture
def stream(settings):
    return load_streams(settings.streams)["dundee_sessions"]


def test_equal_bytes_are_one_object_with_its_first_arrival_and_two_sightings(settings, stream, tmp_path):
    one, other = tmp_path / "dundee_2019.csv", tmp_path / "again.csv"
    one.write_bytes(b"CP ID\n1\n")
    other.write_bytes(b"CP ID\n1\n")
    first, second = (
        land(parts_of(settings), stream, one, FIRST),
        land(parts_of(settings), stream, other, FIRST + dt.timedelta(days=3)),
    )
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
    (adopted,) = adopt_foreign(parts_of(settings), streams, dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    assert adopted.arrival_date == dt.date(2026, 1, 7)
    assert adopt_foreign(parts_of(settings), streams, dt.datetime(2026, 2, 1, tzinfo=dt.UTC)) == []
    with connect(settings) as connection:
        (arrival,) = catalogue.arrivals(connection, streams)
    assert arrival.arrival_date == dt.date(2026, 1, 7)


def test_originals_with_personal_fields_go_after_their_retention_and_decoded_records_stay(settings, tmp_path):
    from cic_assets.ingest.decode import DecodeError

    stream = load_streams(settings.streams)["ashbourne_sessions"]
    file = tmp_path / "ashbourne_sessions_1.csv"
    file.write_text("Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID\n1,A,1,,,,,,TOKEN\n")
    landed = land(parts_of(settings), stream, file, FIRST).landed
    much_later = FIRST + dt.timedelta(days=500)
    assert purge_originals(parts_of(settings), stream, much_later) == 0, "not before it was decoded"
    path, count = decode_one(parts_of(settings), stream, landed)
    assert purge_originals(parts_of(settings), stream, FIRST + dt.timedelta(days=10)) == 0
    assert purge_originals(parts_of(settings), stream, much_later) == 1
    lake = lake_of(settings)
    assert (lake.exists(landed.path), lake.exists(path), count) == (False, True, 1)
    assert decode_one(parts_of(settings), stream, landed) == (path, 1)
    # What release 0.3 decoded serves as it is: it kept no content.
    with lake.read(path) as handle:
        rows = pq.read_table(handle)
    former = path.replace(stream.decode_fingerprint(), stream.former_decode_fingerprint())
    with lake.write(former) as handle:
        pq.write_table(rows.drop_columns(["cic.content"]), handle)
    lake.delete(path)
    assert decode_one(parts_of(settings), stream, landed) == (path, 1)
    with lake.read(path) as handle:
        carried = pq.read_table(handle)
    assert carried.schema == rows.schema and carried["cic.content"].null_count == 1
    assert carried.drop_columns(["cic.content"]).equals(rows.drop_columns(["cic.content"]))
    lake.delete(path)
    lake.delete(former)
    with pytest.raises(DecodeError, match="was purged after raw_retention_days"):
        decode_one(parts_of(settings), stream, landed)


def test_a_missing_file_is_said_by_name(settings, stream, tmp_path):
    with pytest.raises(LandingError, match=r"gone\.csv: no such file"):
        land(parts_of(settings), stream, tmp_path / "gone.csv")


def odd(kind, path, target):
    """Something that is no regular file, in a place where a file is expected."""
    if kind == "a symbolic link":
        path.symlink_to(target)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a pipe (FIFO)":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    return path


ODD = ["a symbolic link", "a folder", "a pipe (FIFO)", "a socket"]
if os.geteuid() == 0:
    ODD.append("a device")


@pytest.mark.parametrize("kind", ODD)
def test_only_regular_files_are_landed_and_adopted(settings, stream, tmp_path, kind, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("CP ID\nSECRET\n")
    # A socket's name is short.
    monkeypatch.chdir(tmp_path)
    path = odd(kind, tmp_path.relative_to(tmp_path) / "dundee_2019.csv", secret)
    with pytest.raises(LandingError, match=f"dundee_2019.csv is {kind}".replace("(", "[(]").replace(")", "[)]")):
        land(parts_of(settings), stream, path)
    folder = tmp_path / "home" / "lake" / "raw" / f"stream_id={stream.id}" / "date=2026-01-07"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    odd(kind, folder.relative_to(folder) / "x.csv", secret)
    assert adopt_foreign(parts_of(settings), {stream.id: stream}, FIRST + dt.timedelta(days=30)) == []
    said = tidy(parts_of(settings))
    assert (said == []) == (kind == "a folder") and all("x.csv is a" in line for line in said)
    with connect(settings) as connection:
        assert catalogue.arrivals(connection, [stream.id]) == []


def test_nothing_behind_a_link_is_adopted_or_read(settings, stream, tmp_path):
    lake = lake_of(settings)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.csv").write_text("SECRET")
    with lake.write(f"raw/stream_id={stream.id}/date=2026-01-07/good.csv") as handle:
        handle.write(b"CP ID\n1\n")
    (tmp_path / "home" / "lake" / "raw" / f"stream_id={stream.id}" / "date=2026-01-08").symlink_to(elsewhere)
    (adopted,) = adopt_foreign(parts_of(settings), {stream.id: stream}, FIRST + dt.timedelta(days=3))
    assert adopted.original_name == "good.csv"
    # What becomes a link later is not read either.
    path = tmp_path / "home" / "lake" / adopted.path
    path.unlink()
    path.symlink_to(elsewhere / "x.csv")
    with pytest.raises(LakeError, match=r"good\.csv is a symbolic link"), lake.read(adopted.path):
        pass


def test_a_folder_of_a_demo_lands_its_files_and_names_the_rest(settings, tmp_path, monkeypatch):
    from rich.console import Console

    from cic_assets.cli import demo

    folder, out = tmp_path / "in", io.StringIO()
    folder.mkdir()
    (folder / "dundee_2019.csv").write_text("CP ID\n1\n")
    (folder / "dundee_2020.csv").symlink_to(tmp_path / "gone")
    os.mkfifo(folder / "dundee_2021.csv")
    landed = demo._land_folder(parts_of(settings), load_streams(settings.streams), folder, Console(file=out, width=200))
    assert landed == (1, 0)
    assert "dundee_2020.csv is a symbolic link" in out.getvalue() and "dundee_2021.csv is a pipe" in out.getvalue()


@pytest.mark.parametrize("moment", ["while it is hashed", "between"])
def test_a_file_that_changes_while_it_is_read_is_refused(settings, stream, tmp_path, monkeypatch, moment):
    file = tmp_path / "dundee_2019.csv"
    file.write_text("CP ID\n1\n")

    def grow(*arguments):
        with file.open("a") as handle:
            handle.write("2\n")
        return saved(*arguments)

    owner, name = (os, "fstat") if moment == "while it is hashed" else (catalogue, "register_object")
    saved = getattr(owner, name)
    if moment == "while it is hashed":
        # The size is asked for before and after; by the second time it has grown.
        sizes = iter([saved, saved, grow])
        monkeypatch.setattr(os, name, lambda number: next(sizes, saved)(number))
    else:
        monkeypatch.setattr(owner, name, grow)
    with pytest.raises(LandingError, match=r"dundee_2019\.csv changes while it is being read"):
        land(parts_of(settings), stream, file, FIRST)
    monkeypatch.undo()
    assert lake_of(settings).files("raw") == []
    assert land(parts_of(settings), stream, file, FIRST).new


def test_drafts_that_killed_writers_left_go_and_those_of_living_ones_stay(settings, stream, tmp_path):
    file = tmp_path / "dundee_2019.csv"
    file.write_text("CP ID\n1\n")
    landed = land(parts_of(settings), stream, file, FIRST).landed
    folder = (tmp_path / "home" / "lake" / landed.path).parent
    old, young, foreign = folder / ".x.csv.0123abcd", folder / ".y.csv.0123abcd", folder / ".keep"
    for path in (old, young, foreign):
        path.write_text("SECRET")
    long_ago = old.stat().st_mtime - DRAFT_SECONDS - 60
    for path in (old, foreign):
        os.utime(path, (long_ago, long_ago))
    assert tidy(parts_of(settings)) == []
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)
    os.utime(young, (long_ago, long_ago))
    # All of the lake is looked through once an hour, not at every tick, and at no landing.
    assert tidy(parts_of(settings)) == [] and young.exists()
    os.utime(settings.home / "drafts_swept", (long_ago, long_ago))
    assert tidy(parts_of(settings)) == [] and not young.exists() and foreign.exists()


def test_landing_looks_through_no_folder(settings, stream, tmp_path, monkeypatch):
    monkeypatch.setattr(Lake, "_entries", lambda lake, folder: pytest.fail(f"{folder} is listed"))
    file = tmp_path / "dundee_2019.csv"
    file.write_text("CP ID\n1\n")
    assert land(parts_of(settings), stream, file, FIRST).new


def test_a_file_that_cannot_be_landed_keeps_no_other_one_out(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_platform", lambda: (settings, load_streams(settings.streams), ()))
    (tmp_path / "dundee_2019.csv").write_text("CP ID\n1\n")
    (tmp_path / "other.csv").write_text("x")
    calls = {
        ("gone_before.csv", "dundee_2020.csv", "dundee_2019.csv", "other.csv"): (1, 2, "dundee_2020.csv: no such file"),
        ("other.csv",): (1, 1, "add a pattern to `claims`"),
        ("other.csv", "dundee_2019.csv"): (0, 0, ""),
    }
    for names, (code, errors, said) in calls.items():
        monkeypatch.setattr("sys.argv", ["cic", "land", "auto", *(str(tmp_path / name) for name in names)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert (ended.value.code or 0, shown.err.count("error")) == (code, errors) and said in shown.err
    assert "known since" in shown.out and "other.csv: no stream claims it" in shown.out


def test_files_of_one_call_come_at_one_moment(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_platform", lambda: (settings, load_streams(settings.streams), ()))
    names = [str(tmp_path / f"dundee_{year}.csv") for year in (2019, 2020)]
    for name in names:
        Path(name).write_text(f"CP ID\n{name}\n")
    monkeypatch.setattr("sys.argv", ["cic", "land", "auto", *names])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code, capsys.readouterr().err
    with connect(settings) as connection:
        moments = connection.execute(
            "select distinct first_seen_at, (select count(*) from catalogue.object) from catalogue.object"
        ).fetchall()
    assert len(moments) == 1 and moments[0][1] == 2


@pytest.mark.parametrize(
    ("when", "said"), [(dt.timedelta(days=1), "in the future"), (-dt.timedelta(days=20_000), "before 2010")]
)
def test_nothing_arrives_outside_the_calendar(settings, stream, tmp_path, when, said):
    file = tmp_path / "dundee_2019.csv"
    file.write_text("CP ID\n1\n")
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    with pytest.raises(LandingError, match=said):
        land(parts_of(settings), stream, file, now + when, now)
    assert lake_of(settings).files("raw") == []
    lake = lake_of(settings)
    for day in (now + when).date(), now.date():
        with lake.write(f"raw/stream_id=dundee_sessions/date={day}/{day}.csv") as handle:
            handle.write(f"CP ID\n{day}\n".encode())
    # A folder that another program dates so waits; the others are taken.
    (adopted,) = adopt_foreign(parts_of(settings), {stream.id: stream}, now)
    assert adopted.arrival_date == now.date()


def test_work_ends_with_today(settings):
    today = dt.datetime.now(dt.UTC).date()
    with connect(settings) as connection:
        mark_stale(connection, "x", {(SESSIONS, today.replace(day=1)), (SESSIONS, dt.date(2130, 1, 1))})
        mark_stale(connection, "x", {(STATUS, today), (STATUS, today + dt.timedelta(days=2))})
    assert [month for month, _ in stale_months(parts_of(settings), today, asked_for=True)[0]] == [today.replace(day=1)]
    assert [day for day, _ in stale_days(parts_of(settings), today, asked_for=True)[0]] == [today]
