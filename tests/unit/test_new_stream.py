"""`cic streams new`: a file that loads, for each kind that there is, in a folder that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cic_assets.cli.app import app
from cic_assets.errors import WrongCallError
from cic_assets.kinds.every import KINDS
from cic_assets.streams.load import load_stream
from cic_assets.streams.new import NEW_KINDS, write_new


@pytest.fixture(autouse=True)
def _no_folders(monkeypatch, tmp_path_factory):
    monkeypatch.delenv("CIC_STREAMS", raising=False)
    monkeypatch.setenv("CIC_HOME", str(tmp_path_factory.mktemp("home")))


def test_every_kind_has_a_file_to_start_from():
    assert set(NEW_KINDS) == set(KINDS)


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_a_new_file_loads_and_its_folder_is_made(tmp_path: Path, kind):
    folder = tmp_path / "my streams" / "new"
    done = CliRunner().invoke(app, ["streams", "new", "acme-1", "--kind", kind, "--folder", str(folder)])
    stream = load_stream(folder / "acme-1.yml")
    assert (done.exit_code, stream.id, stream.kind) == (0, "acme-1", kind)
    assert f"export CIC_STREAMS='{folder}'" in done.stdout
    before = (folder / "acme-1.yml").read_text()
    again = CliRunner().invoke(app, ["streams", "new", "acme-1", "--kind", kind, "--folder", str(folder)])
    assert "is there already" in str(again.exception) and (folder / "acme-1.yml").read_text() == before


@pytest.mark.parametrize("name", ["Acme", "a b", "../x", "a: b", "[", ""])
def test_what_is_no_id_leaves_nothing_behind(tmp_path: Path, name):
    done = CliRunner().invoke(app, ["streams", "new", name, "--folder", str(tmp_path / "new")])
    assert "is no id of a stream" in str(done.exception) and not list(tmp_path.iterdir())


def test_an_unknown_kind_is_a_wrong_call(tmp_path: Path):
    done = CliRunner().invoke(app, ["streams", "new", "acme", "--kind", "cars", "--folder", str(tmp_path)])
    assert done.exit_code == 2 and "no kind 'cars'; there are sessions, status, locations" in done.stderr


def test_a_fresh_installation_has_no_streams_and_says_what_to_do(tmp_path: Path):
    file = tmp_path / "export.csv"
    file.write_text("a\n1\n")
    for command in (["streams", "list"], ["land", "acme", str(file)], ["doctor"]):
        done = CliRunner().invoke(app, command)
        said = " ".join(done.output.replace("│", " ").split())
        assert "cic streams new" in said and "CIC_STREAMS=examples" in said, command
    assert not list(tmp_path.glob("lake"))


def test_the_simulated_county_is_refused_without_its_streams(tmp_path: Path, monkeypatch):
    write_new(tmp_path / "mine", "acme", "sessions")
    monkeypatch.setenv("CIC_STREAMS", str(tmp_path / "mine"))
    done = CliRunner().invoke(app, ["demo", "--no-wait"])
    assert isinstance(done.exception, WrongCallError) and "add `examples` to CIC_STREAMS" in str(done.exception)
