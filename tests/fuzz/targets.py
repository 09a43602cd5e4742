"""What is fuzzed: a function of bytes each, and valid input to go on from."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import BinaryIO

from cic_assets.lake.catalogue import LandedObject
from cic_assets.lake.decode import _batches, decoded_schema
from cic_assets.lake.records import read_records
from cic_assets.settings import Settings, load_settings
from cic_assets.streams.load import StreamFileError, load_stream
from cic_assets.streams.model import Stream, parse_stream

ARRIVED = dt.datetime(2026, 1, 20, tzinfo=dt.UTC)
COMMON = {
    "id": "f", "kind": "sessions", "description": "d", "provider": {"id": "p", "name": "P"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "claims": ["*"], "vat_basis": "unknown",
    "columns": {"charge_point": "cp", "started_at": "begin", "ended_at": "finish", "energy": "`a.b`"},
    "licence": "l", "contact": "c",
}  # fmt: skip
EACH = {"type": "json", "records": "data", "each": ["a", "b"], "document": ["time"]}
FORMS: dict[str, dict[str, object]] = {
    "csv": {"format": {"type": "csv"}},
    "csv_personal": {"format": {"type": "csv", "delimiter": ";"}, "personal_fields": ["cp"]},
    "csv_latin": {"format": {"type": "csv", "encoding": "cp1252"}},
    "jsonl": {"format": {"type": "jsonl"}},
    "jsonl_personal": {"format": {"type": "jsonl"}, "personal_fields": ["a", "cp.uid"]},
    "json": {"format": {"type": "json"}},
    "json_each": {"format": EACH, "personal_fields": ["a.b"]},
    "xlsx": {"format": {"type": "xlsx"}},
}


@cache
def _stream(form: str) -> Stream:
    return parse_stream({**COMMON, **FORMS[form]})


@cache
def _settings() -> Settings:
    return load_settings({"CIC_PERSONAL_KEY": "k", "CIC_HOME": tempfile.gettempdir()})


def decode_bytes(form: str, content: bytes, opener: Callable[[bytes], BinaryIO] = io.BytesIO) -> None:
    """Reads bytes as a feed of some form, up to the batches that go into Parquet: each row has a line, and is whole."""
    stream, landed = _stream(form), LandedObject("f", "0" * 64, ARRIVED.date(), ARRIVED, "f", "raw/f", landed=True)
    reading = read_records(opener(content), stream.format)
    for batch in _batches(_settings(), stream, landed, reading):
        assert batch.schema == decoded_schema(stream)
        lines = batch.column("cic.line").to_pylist()
        assert None not in lines and lines == sorted(lines)
        assert set(batch.column("cic.fault").to_pylist()) <= {None, "D01", "D02"}


def load_text(text: bytes, *, raises: bool = False) -> None:
    """Reads text as a stream file: a stream, or a refusal that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.yml")
        path.write_bytes(text)
        try:
            load_stream(path).fingerprint()
        except StreamFileError as error:
            assert str(path) in str(error)
            if raises:
                raise


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{form: lambda content, form=form: decode_bytes(form, content) for form in FORMS},
    "stream_file": load_text,
}


def seeds(target: str) -> list[bytes]:
    """Valid input, from which a fuzzer goes on."""
    from cic_assets.settings import SHIPPED_STREAMS
    from tests.end_to_end.test_bad_input import CASES
    from tests.fuzz import payloads

    if target == "stream_file":
        return [path.read_bytes() for path in SHIPPED_STREAMS.glob("*.yml")]
    kind = str(FORMS[target]["format"]["type"])  # type: ignore[index]
    small = {name: case for name, case in CASES.items() if not any(word in name for word in ("MB", "bomb"))}
    made = [case.content(name) for name, case in small.items() if case.kind == kind]
    random = Random(target)
    more = {
        "csv": lambda: b"cp,begin,finish,a.b\n" + payloads.csv_line(random),
        "jsonl": lambda: payloads.json_line(random, payloads.CDR),
        "json": lambda: payloads.document(random),
    }
    return [content for content in made if len(content) < 5000] + [more[kind]() for _ in range(50) if kind in more]
