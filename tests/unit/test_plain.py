"""Plain CSV: the columns that Arrow reads are the records that the exact reader reads, or the file is not plain."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cic_assets.formats import blocks
from cic_assets.formats.bounds import RAW_KEPT
from cic_assets.formats.feed import Unpivot
from cic_assets.formats.read import read_records
from cic_assets.ingest.by_columns import by_columns
from cic_assets.ingest.decoded import batches, decoded_schema
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds.stream import Stream
from cic_assets.settings import load_settings
from cic_assets.streams.load import load_streams

KEYS = Keys(b"person", b"content")
STREAM = load_streams(load_settings({"CIC_STREAMS": "examples"}).streams)["ashbourne_status"]
HEADER = "Polled at,Charger,State"


def exact(content: bytes, stream: Stream = STREAM) -> tuple[pa.Table, list[str]]:
    """Rows, and names that are noted."""
    reading = read_records(io.BytesIO(content), stream.format, stream.record_level)
    guard = Guard(stream, reading, KEYS)
    rows = pa.Table.from_batches(batches(guard, "sha"), decoded_schema(stream))
    return rows, guard.names(reading.columns)


def columns(content: bytes, stream: Stream = STREAM) -> tuple[pa.Table, list[str]] | None:
    """The same by columns; None where the file is not plain."""
    found = by_columns(io.BytesIO(content), stream, KEYS)
    if found is None:
        return None
    rows = pa.Table.from_batches(found.batches("sha"), decoded_schema(stream))
    assert rows.num_rows == found.count
    return rows, found.guard.names(found.guard.reading.columns)


@pytest.fixture(params=[blocks.BLOCK_BYTES, 40], ids=["one block", "blocks of a line or two"])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", request.param)


ROW = "2026-05-01T00:00:00Z,A1,Free"


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{ROW}\n{ROW}\n",
        f"{HEADER}\r\n{ROW}\r\n{ROW}",
        f"{HEADER}\r\n{ROW}\n{ROW}\r\n",
        f"\ufeff{HEADER}\n{ROW}\n",
        f"{HEADER}\n",
        HEADER,
        f"{HEADER}\n,A1,\n , A1 ,Frei\u200b\n",
        f"{HEADER}\nMünchen – Süd,\u2028A1,東京1\n",
        f" Polled at ,Charger\u200b,State,Note\n{ROW},more [1]\n{ROW},\n",
        f"{HEADER}\nNA,null,NaN\n#1,'A',\\N1\n[{{}}],[{{name:1}}],2\n",
        f"{HEADER}\n{ROW} \t\x0b\x0c\x1c\x85\n{ROW}\n",
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["as it is", "gzip"])
def test_plain_files_give_the_same_records(text, pack):
    content = pack(text.encode())
    assert (found := columns(content)) is not None
    assert found == exact(content)


@pytest.mark.parametrize(
    "content",
    [
        f'{HEADER}\n"{ROW}"\n'.encode(),
        f"{HEADER}\n{ROW}\rx\n".encode(),
        f"{HEADER}\n{ROW}\r\r\n".encode(),
        f"{HEADER}\n{ROW}\xe9\n".encode("latin-1"),
        f"{HEADER}\n2026-05-01T00:00:00Z,A1\n".encode(),
        f"{HEADER}\n{ROW},\n".encode(),
        f"{HEADER}\n{ROW}\n\n{ROW}\n".encode(),
        f"{HEADER}\n{ROW}\n , ,\u200b\n".encode(),
        f"{HEADER}\n{ROW}\0\n".encode(),
        f"{HEADER}\n{ROW}{'x' * RAW_KEPT}\n".encode(),
        f"Polled at,Charger,Charger\n{ROW}\n".encode(),
        f"Polled at,Charger,State,\n{ROW},1\n".encode(),
        f"Polled at,Charger,Zustand\n{ROW}\n".encode(),
        f"sep=,\n{HEADER}\n{ROW}\n".encode(),
        f"{HEADER}\n{ROW}\n".encode("utf-16"),
        f"\n{HEADER}\n{ROW}\n".encode(),
        b"PK\x03\x041,2,3\n",
        b"",
        gzip.compress(f"{HEADER}\n{ROW}\n".encode() * 99, mtime=0)[:-9],
        gzip.compress(b"", mtime=0)[:5],
        b"\x1f\x8bno gzip inside",
        gzip.compress(HEADER.encode(), mtime=0) + b"x" * 20,
    ],
)
def test_what_needs_a_second_look_is_left_to_the_exact_reader(content):
    source = io.BytesIO(content)
    assert by_columns(source, STREAM, KEYS) is None and source.tell() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("Polled at", "Charger", "State")},
        {"skip_lines": 1},
        {"encoding": "latin-1"},
        {"delimiter": "1"},
        {"unpivot": Unpivot(key="n", fields={"State": "state#"})},
    ],
)
def test_what_the_stream_file_says_of_the_form_may_need_the_exact_reader(change):
    stream = STREAM.model_copy(update={"format": STREAM.format.model_copy(update=change)})
    assert columns(f"{HEADER}\n{ROW}\n".encode()) and columns(f"{HEADER}\n{ROW}\n".encode(), stream) is None


SIGNS = st.sampled_from(['"', "\r", "\0", "{", "\u200b", "\ufeff", "\x1c", "\u2028", " ", "", "é", "[", "a", "1", "\t"])
CELLS = st.lists(st.one_of(SIGNS, st.sampled_from(["Free", "A1", "2026-05-01"])), max_size=3).map("".join)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=4).map(",".join), max_size=6)


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(8, 64))
def test_columns_are_the_exact_readers_records_or_none(rows, end, is_ended, block):
    """Of random rows, most of which have something odd."""
    content = end.join([HEADER, *rows]).encode() + end.encode() * is_ended
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        found = columns(content)
    assert found is None or found == exact(content)


PLAIN = st.text(st.sampled_from("abc189 \t-.é\u200b\u2028東'[{}]:\\#"), max_size=6)


@given(
    st.lists(st.tuples(PLAIN, PLAIN.map("A{}".format), PLAIN).map(",".join), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    # No line is longer.
    st.integers(64, 200),
)
def test_rows_without_anything_odd_are_read_by_columns(rows, end, block):
    content = end.join([HEADER, *rows]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        assert (found := columns(content)) is not None
    assert found == exact(content)
