"""What a person reads when a command fails: one message that names the place and the way out, and an exit code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
import sqlalchemy.exc

from cic_assets.cli import app as cli
from cic_assets.cli.edge import exit_code_of
from cic_assets.errors import PlatformError, WrongCallError
from cic_assets.streams.load import StreamFileError, load_streams


def outcome(command: Callable[[], object]) -> tuple[int, str]:
    said: list[str] = []
    code = exit_code_of(command, said.append)
    return code, "\n".join(said)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


@pytest.mark.parametrize(("kind", "code"), [(PlatformError, 1), (StreamFileError, 1), (WrongCallError, 2)])
def test_the_platforms_own_errors_are_their_message_and_code(kind, code):
    def fail() -> None:
        raise kind("a.yml: zone: no such place; write Europe/London")

    assert outcome(fail) == (code, "a.yml: zone: no such place; write Europe/London")


def test_a_place_that_the_system_refuses_is_named_with_its_setting(home):
    home.write_text("a file")
    code, said = outcome((home / "lake").mkdir)
    assert code == 1
    assert said.startswith(f"{home}/lake (CIC_LAKE): ") and "a file stands where a folder should" in said
    assert outcome(home.mkdir)[1].startswith(f"{home} (CIC_HOME): ")


def test_a_full_disk_is_one_line(home, monkeypatch):
    def fill() -> None:
        with Path("/dev/full").open("w") as file:
            file.write("x")

    said = "No space left on device; make room there and run again; nothing was replaced"
    assert outcome(fill) == (1, said)
    # The system names no file; of the platform's own places, the one without room is meant.
    home.mkdir()
    room = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: room._replace(free=0 if place == home else 1 << 40))
    assert outcome(fill) == (1, f"{home} (CIC_HOME): {said}")


def test_what_postgres_refuses_is_its_own_words(tmp_path):
    code, said = outcome(lambda: psycopg.connect(f"postgresql:///x?host={tmp_path}"))
    assert code == 1 and str(tmp_path) in said and "Traceback" not in said


def test_a_warehouse_that_goes_away_under_dagster_is_no_defect(tmp_path):
    def fail() -> None:
        try:
            sqlalchemy.create_engine(f"postgresql+psycopg2:///x?host={tmp_path}").connect()
        except sqlalchemy.exc.OperationalError as error:
            raise RuntimeError("too many retries for DB connection") from error

    code, said = outcome(fail)
    assert code == 1 and said.startswith("the warehouse went away: ") and "run again" in said and "defect" not in said


@pytest.mark.parametrize("is_there", [True, False])
def test_a_defect_names_the_log_with_its_stack_trace(home, is_there):
    if is_there:
        home.mkdir()
    code, said = outcome(lambda: 1 // 0)
    found = re.fullmatch(
        r"unexpected ZeroDivisionError: integer .* by zero\nthis is a defect; its stack trace is in (.+)", said
    )
    assert code == 1 and found, said
    log = Path(found[1])
    assert (log == home / "cic.log") == is_there
    assert "Traceback" in log.read_text() and "1 // 0" in log.read_text()


def test_simulating_onto_a_file_is_no_stack_trace(home, tmp_path, monkeypatch, capsys):
    target = tmp_path / "taken"
    target.write_text("mine")
    monkeypatch.setattr("sys.argv", ["cic", "simulate", str(target)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 1 and f"{target}: File exists" in said.err and "Traceback" not in said.err + said.out
    assert target.read_text() == "mine"


def test_a_folder_without_stream_files_is_said(tmp_path):
    with pytest.raises(StreamFileError, match=f"no stream file .* in {tmp_path}"):
        load_streams([tmp_path])
