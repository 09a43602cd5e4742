"""Decoding: any format becomes Parquet of text, one row per record, with line and raw text, streaming.

Personal fields leave here as a keyed hash, in their field and in `raw`. The formats themselves: `lake/records.py`.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.lake import catalogue
from cic_assets.lake.bounds import NAMES_KEPT
from cic_assets.lake.catalogue import LandedObject
from cic_assets.lake.json_text import compact, parse
from cic_assets.lake.records import Reading, Record, read_records
from cic_assets.lake.zones import decoded_path, lake_of
from cic_assets.settings import Settings
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect

# A group of rows is held in memory; a record may be as long as a line (16 MiB), so its text is bounded too.
ROWS_PER_GROUP, TEXT_PER_GROUP = 50_000, 64 << 20
# Names of ours beside the feed's own; the dot keeps them apart from most feeds.
PROVENANCE = ("cic.sha256", "cic.line", "cic.raw", "cic.fault", "cic.fault_text")
WITHHELD = "(withheld: the stream has personal fields and the record could not be parsed)"


class DecodeError(Exception):
    """An object can't be decoded any more; the message names it."""


class Tally:
    """Counts what passes."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records, each counted as it is taken."""
        for record in records:
            self.count += 1
            yield record


def decoded_schema(stream: Stream) -> pa.Schema:
    """`cic.*` provenance, then the stream's fields as text."""
    provenance = [pa.field(name, pa.int64() if name == "cic.line" else pa.string()) for name in PROVENANCE]
    return pa.schema([*provenance, *(pa.field(name, pa.string()) for name in stream.fields)])


def decode(settings: Settings, stream: Stream, landed: LandedObject) -> tuple[str, int]:
    """The decoded Parquet of an object, made if it isn't there yet.

    Returns:
        (path in the lake, number of records).

    Raises:
        DecodeError: the original is gone (retention) and the stream file now asks for another decoding.
    """
    lake = lake_of(settings)
    path = decoded_path(stream.id, landed.arrival_date, landed.sha256, stream.decode_fingerprint())
    if lake.exists(path) and _is_noted(settings, landed):
        with lake.read(path) as handle:
            return path, int(pq.ParquetFile(handle).metadata.num_rows)
    if not lake.exists(landed.path):
        raise DecodeError(
            f"{landed.path}: the original of {landed.original_name} was purged after raw_retention_days, and the "
            f"stream file {stream.id} now reads other fields than its decoded copy has; land the file again"
        )
    count, tally = 0, Tally()
    with lake.read(landed.path) as source, lake.write(path) as target:
        reading = read_records(source, stream.format)
        reading = replace(reading, records=tally.of(reading.records))
        with pq.ParquetWriter(target, decoded_schema(stream), compression="zstd") as writer:
            for batch in _batches(settings, stream, landed, reading):
                writer.write_batch(batch)
                count += batch.num_rows
        if count != tally.count:
            raise DecodeError(f"{landed.path}: {tally.count} records were read and {count} decoded; nothing was kept")
    with connect(settings) as connection:
        names = [plain_text(name) for name in reading.columns[:NAMES_KEPT]]
        catalogue.note_decoded(connection, landed, names, count)
    return path, count


def _is_noted(settings: Settings, landed: LandedObject) -> bool:
    with connect(settings) as connection:
        return catalogue.is_noted(connection, landed)


def _batches(settings: Settings, stream: Stream, landed: LandedObject, reading: Reading) -> Iterator[pa.RecordBatch]:
    schema = decoded_schema(stream)
    key = settings.personal_key() if stream.personal_fields else b""
    rows = (_row(stream, landed, reading, record, key) for record in reading.records)
    chunk: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row["cic.raw"])
        if len(chunk) == ROWS_PER_GROUP or size > TEXT_PER_GROUP:
            yield pa.RecordBatch.from_pylist(chunk, schema=schema)
            chunk, size = [], 0
    if chunk:
        yield pa.RecordBatch.from_pylist(chunk, schema=schema)


def _row(stream: Stream, landed: LandedObject, reading: Reading, record: Record, key: bytes) -> dict[str, Any]:
    record = storable(record)
    if stream.personal_fields and stream.format.type == "csv" and not {"\n", "\r"}.isdisjoint(record.raw):
        # Stray quotes may have drawn the next person's row into a cell.
        record = Record(record.line, record.raw, None, "a cell holds a line break")
    row: dict[str, Any] = {"cic.sha256": landed.sha256, "cic.line": record.line, "cic.raw": record.raw}
    if record.values is None:
        # A fault of the file itself has no text, and its reason quotes none.
        raw = f"({record.fault})" if not record.raw else WITHHELD if stream.personal_fields else record.raw
        # The reason may quote the text, so it is withheld too.
        text = "unreadable record" if stream.personal_fields and record.raw else record.fault
        return {**row, "cic.raw": raw, "cic.fault": "D01", "cic.fault_text": text}
    values = record.values
    if stream.personal_fields:
        values = {name: _pseudonym(key, text) if _is_personal(stream, name) else text for name, text in values.items()}
        row["cic.raw"] = plain_text(_raw_without(stream, reading.columns, record, key))
    # A JSON record may leave out what is null; a table's header says for the whole file what is there.
    if stream.format.type in ("csv", "xlsx"):
        missing = [name for name in stream.required_fields if name not in reading.columns]
        if missing:
            row |= {"cic.fault": "D02", "cic.fault_text": f"no field {', '.join(missing)}"}
    return {**row, **{name: values.get(name) for name in stream.fields}}


def _raw_without(stream: Stream, columns: list[str], record: Record, key: bytes) -> str:
    """The record's text with its personal values replaced; written anew, as a value may stand anywhere in a line."""
    if stream.format.type == "csv":
        cells = next(csv.reader(io.StringIO(record.raw), delimiter=stream.format.delimiter))
        named = zip([*columns, *[""] * len(cells)], cells, strict=False)
        kept = [_pseudonym(key, cell) if name in stream.personal_fields and cell else cell for name, cell in named]
        out = io.StringIO()
        csv.writer(out, delimiter=stream.format.delimiter, lineterminator="").writerow(kept)
        return out.getvalue()
    content = parse(record.raw)
    for field in stream.personal_fields:
        _replace(content, field, key)
    return compact(content)


def storable(record: Record) -> Record:
    """The record with U+FFFD for what neither Parquet nor Postgres take as text: NUL and halves of surrogate pairs."""
    values = record.values and {plain_text(name): text and plain_text(text) for name, text in record.values.items()}
    return replace(record, raw=plain_text(record.raw), values=values, fault=record.fault and plain_text(record.fault))


def plain_text(text: str) -> str:
    r"""The text with U+FFFD in place of NUL and of halves of surrogate pairs (`\ud800` in JSON)."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")


def _is_personal(stream: Stream, name: str) -> bool:
    """Whether a field is personal, part of a personal object, or a list that may hold a personal field."""
    fields = stream.personal_fields
    return any(name == field or name.startswith(f"{field}.") or field.startswith(f"{name}.") for field in fields)


def _replace(content: Any, field: str, key: bytes) -> None:
    """Replaces a dotted field wherever it stands: under its own dotted name, in nested objects, in lists of them."""
    if isinstance(content, list):
        for item in content:
            _replace(item, field, key)
    if not isinstance(content, dict):
        return
    value = content.get(field)
    if value is not None:
        content[field] = _pseudonym(key, str(value) if isinstance(value, str) else compact(value))
    head, _, rest = field.partition(".")
    if rest and head in content:
        _replace(content[head], rest, key)


def _pseudonym(key: bytes, text: str | None) -> str | None:
    """Keyed hash: equal tokens stay equal, and nobody without the key can try tokens out. 80 bits of 256."""
    return None if text is None else hmac.new(key, plain_text(text).encode(), hashlib.sha256).hexdigest()[:20]
