"""One broken stream file leaves all others loaded, and is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import StreamFileError, load_streams, read_streams

SHIPPED = EXAMPLE_STREAMS / "ashbourne_sessions.yml"


@pytest.mark.parametrize(
    ("content", "stream_id", "said"),
    [
        ("id: acme_sessions\nkind: [sessions\n", "acme_sessions", "while parsing"),
        ('id: "quoted"\nkind: sessions\n', "quoted", "broken.yml: "),
        ("- no mapping\n", "broken", "a stream file is a mapping"),
        ("\udce9: latin", "broken", "broken.yml: "),
        ("", "broken", "a stream file is a mapping"),
    ],
)
def test_a_broken_file_is_named_and_the_others_load(tmp_path: Path, content: str, stream_id: str, said: str) -> None:
    shutil.copy(SHIPPED, tmp_path)
    (tmp_path / "broken.yml").write_bytes(content.encode("utf-8", "surrogateescape"))
    files = read_streams([tmp_path])
    assert list(files.streams) == ["ashbourne_sessions"]
    ((found),) = files.broken
    assert (found.stream_id, found.path) == (stream_id, tmp_path / "broken.yml") and said in found.reason
    with pytest.raises(StreamFileError, match=r"broken\.yml"):
        load_streams([tmp_path])


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "one.yml"
    shutil.copy(SHIPPED, path)
    first = read_streams([tmp_path]).streams["ashbourne_sessions"]
    assert read_streams([tmp_path]).streams["ashbourne_sessions"] is first
    path.write_text(path.read_text().replace("contact:", "contact: x\nunknown_key:"))
    assert [each.stream_id for each in read_streams([tmp_path]).broken] == ["ashbourne_sessions"]
    shutil.copy(SHIPPED, path)
    assert read_streams([tmp_path]).streams["ashbourne_sessions"] == first


def test_of_two_files_with_one_id_the_second_is_broken(tmp_path: Path) -> None:
    for name in ("a.yml", "b.yml"):
        shutil.copy(SHIPPED, tmp_path / name)
    files = read_streams([tmp_path])
    assert list(files.streams) == ["ashbourne_sessions"]
    assert [each.path.name for each in files.broken] == ["b.yml"] and "is taken by" in files.broken[0].reason
