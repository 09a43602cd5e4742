"""What must hold for any bytes, one function per decoder; and the coverage-guided fuzzer on each.

python -m tests.fuzz.targets csv|cdr|status|json|xlsx|sheet|gzip|shaped|stream SECONDS

Found crashes are written to the folder that it names; each becomes a case of `tests/unit/test_fuzz.py`.
"""

from __future__ import annotations

import gzip
import io
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa

from cic_assets.formats.bounds import MAX_LINE_BYTES
from cic_assets.formats.read import Record, read_records
from cic_assets.ingest.decoded import decoded_row, decoded_schema
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds.stream import Stream
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import StreamFileError, load_stream
from tests.fuzz.payloads import HEADER, SHAPED, STREAMS, cdr, files, state, table_row

SCHEMAS = {name: decoded_schema(stream) for name, stream in {**STREAMS, **SHAPED}.items()}


def decode_all(stream: Stream, content: bytes) -> list[Record]:
    """The records of any bytes, each with values or a fault, storable, within bounds."""
    reading = read_records(io.BytesIO(content), stream.format)
    guard, found = Guard(stream, reading, Keys(b"key", b"key")), []
    for record in reading.records:
        assert record.line >= 1
        assert (record.values is None) == (record.fault is not None), record
        assert len(record.raw) <= 2 * MAX_LINE_BYTES
        found.append(record)
        row = decoded_row(guard, "x", record)
        assert set(row) <= set(SCHEMAS[stream.id].names), row
        assert row.get("cic.fault") in (None, "D01", "D02")
        pa.RecordBatch.from_pylist([row], schema=SCHEMAS[stream.id])
    return found


def decoded_rows(stream: Stream, content: bytes) -> list[dict[str, object]]:
    """The rows that any bytes are decoded to."""
    reading = read_records(io.BytesIO(content), stream.format)
    guard = Guard(stream, reading, Keys(b"key", b"key"))
    return [decoded_row(guard, "x", record) for record in reading.records]


def _workbook() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(HEADER.split(","))
    for number in range(3):
        book.active.append(table_row(random.Random(number)))
    book.save(out)
    return out.getvalue()


WORKBOOK = _workbook()


def sheet(content: bytes, part: str = "xl/worksheets/sheet1.xml") -> bytes:
    """A workbook with other bytes in place of a part."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
    return out.getvalue()


def _part(name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as book:
        return book.read(name)


_PARTS = ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml")


def any_sheet(content: bytes) -> None:
    """The first byte says which part of the workbook the others are."""
    decode_all(STREAMS["fuzz_xlsx"], sheet(content[1:], _PARTS[(content[:1] or b"\0")[0] % len(_PARTS)]))


def any_gzip(content: bytes) -> None:
    """Packed, and as if packed."""
    decode_all(STREAMS["fuzz_csv"], gzip.compress(content, 1, mtime=0))
    decode_all(STREAMS["fuzz_json"], b"\x1f\x8b" + content)


def any_stream_file(content: bytes) -> None:
    """Any text is a stream, or says why not."""
    path = Path(tempfile.gettempdir(), "fuzz_stream.yml")
    path.write_bytes(content)
    try:
        load_stream(path)
    except StreamFileError as error:
        assert str(error).startswith(str(path))


def both_csv(content: bytes) -> None:
    """With and without personal fields; what stands under a personal header leaves nowhere."""
    decode_all(STREAMS["fuzz_csv"], HEADER.encode() + b"\n" + content)
    decode_all(STREAMS["fuzz_personal"], content)


def shaped(content: bytes) -> None:
    """A table without a header below another line, columns side by side; a document that is one record."""
    decode_all(SHAPED["fuzz_side"], content)
    decode_all(SHAPED["fuzz_single"], content)


def _shaped() -> list[bytes]:
    side = b'sep=,\nreport\nC1,2026-01-05T10:00:00Z,AVAILABLE,,t\nC2,"a\nb",CHARGING,BLOCKED,t\n'
    return [side, b"report\nC1,x,y,z\n", *_documents(), b'{"id":"L","evses":[{"status":1},null,[]]}']


def _valid(name: str) -> list[bytes]:
    return [content for content, _ in files(1, name, 30, 3)]


def _documents() -> list[bytes]:
    import json

    rng = random.Random(1)
    documents = [
        {"timestamp": "2026-01-05T10:00:00Z", "data": [{"id": "L", "evses": [state(rng), state(rng)]}, cdr(rng)]},
        {"data": [], "timestamp": 5}, [cdr(rng)], {"data": {"data": [1]}},
    ]  # fmt: skip
    return [json.dumps(each).encode() for each in documents]


TARGETS: dict[str, tuple[Callable[[bytes], object], Callable[[], list[bytes]]]] = {
    "csv": (both_csv, lambda: _valid("fuzz_csv")),
    "cdr": (lambda content: decode_all(STREAMS["fuzz_cdr"], content), lambda: _valid("fuzz_cdr")),
    "status": (lambda content: decode_all(STREAMS["fuzz_status"], content), lambda: _valid("fuzz_status")),
    "json": (lambda content: decode_all(STREAMS["fuzz_json"], content), _documents),
    "xlsx": (lambda content: decode_all(STREAMS["fuzz_xlsx"], content), lambda: [WORKBOOK]),
    "sheet": (any_sheet, lambda: [bytes([n]) + _part(name) for n, name in enumerate(_PARTS)
                                  if name in zipfile.ZipFile(io.BytesIO(WORKBOOK)).namelist()]),
    "gzip": (any_gzip, lambda: [gzip.compress(each) for each in _valid("fuzz_csv")[:3]]),
    "shaped": (shaped, _shaped),
    "stream": (any_stream_file, lambda: [each.read_bytes() for each in sorted(EXAMPLE_STREAMS.glob("*.yml"))]),
}  # fmt: skip


def main() -> None:
    """One target for some seconds, within 2 GiB, a minute for each input: busy machines take 10 s for the first."""
    try:
        import atheris
    except ImportError:
        print("skipped: atheris has wheels for Linux on x86_64 only")
        return
    name, seconds = sys.argv[1], sys.argv[2]
    target, seeds = TARGETS[name]
    folder = Path(tempfile.gettempdir(), "cic_fuzz", name)
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / "corpus" / f"seed{number}").write_bytes(seed)
    for module in [each for each in sys.modules if each.startswith(("cic_assets.lake", "cic_assets.streams.load"))]:
        for value in vars(sys.modules[module]).values():
            if callable(value) and getattr(value, "__module__", "") == module and hasattr(value, "__code__"):
                atheris.instrument_func(value)
    options = [
        f"-max_total_time={seconds}", "-max_len=16384", "-rss_limit_mb=2048", "-timeout=60", "-seed=1",
        f"-artifact_prefix={folder}/", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], lambda content: target(content) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
