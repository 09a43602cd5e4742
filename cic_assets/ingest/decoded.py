"""A record as it is decoded: a row of text with line and raw text, personal fields as keyed hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.formats.bounds import RAW_KEPT
from cic_assets.formats.json_text import plain_text
from cic_assets.formats.read import Reading, Record
from cic_assets.ingest.personal import WITHHELD, Guard, without_text
from cic_assets.kinds.columns import POSITION
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream

# A group of rows is held in memory; a record may be as long as a line (16 MiB), so its text is bounded too.
ROWS_PER_GROUP, TEXT_PER_GROUP = 50_000, 64 << 20
# Names of ours beside the feed's own; the dot keeps them apart from most feeds.
PROVENANCE = ("cic.sha256", "cic.line", "cic.raw", "cic.fault", "cic.fault_text", "cic.content")


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


def write_decoded(guard: Guard, sha256: str, target: Any) -> int:
    """Writes a delivery's records as Parquet to a binary file; how many there were."""
    return write(guard, batches(guard, sha256), target)


def write(guard: Guard, rows: Iterable[pa.RecordBatch], target: Any) -> int:
    """Writes decoded rows as Parquet to a binary file; how many there were."""
    count = 0
    schema = decoded_schema(guard.stream).with_metadata(guard.declared.metadata())
    # Statistics would repeat values of a field that the stream file declares personal only later.
    with pq.ParquetWriter(target, schema, compression="zstd", write_statistics=False) as writer:
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def batches(guard: Guard, sha256: str) -> Iterator[pa.RecordBatch]:
    """The rows of a delivery, record by record."""
    schema = decoded_schema(guard.stream)
    rows = (bounded_row(decoded_row(guard, sha256, record)) for record in guard.reading.records)
    chunk: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum([len(text) for text in row.values() if isinstance(text, str)])
        if len(chunk) == ROWS_PER_GROUP or size > TEXT_PER_GROUP:
            yield pa.RecordBatch.from_pylist(chunk, schema=schema)
            chunk, size = [], 0
    if chunk:
        yield pa.RecordBatch.from_pylist(chunk, schema=schema)


def bounded_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the beginning of its text: all of an arrival's quarantined texts are held at once."""
    row["cic.raw"] = bounded(row["cic.raw"])
    return row


def bounded(raw: str) -> str:
    """The beginning of a text that is too long."""
    return raw if len(raw) <= RAW_KEPT else f"{raw[:RAW_KEPT]}… ({len(raw):,} characters; the original has all)"


def decoded_row(guard: Guard, sha256: str, record: Record) -> dict[str, Any]:
    """A record as it is decoded: the columns of `decoded_schema`, those that are null left out."""
    stream, reading = guard.stream, guard.reading
    if guard.absent:
        record = without_text(record, guard.absent)
        return {
            "cic.sha256": sha256, "cic.line": record.line, "cic.raw": record.raw, "cic.fault": "D03",
            "cic.fault_text": record.fault,
        }  # fmt: skip
    record = storable(record)
    if stream.personal_fields and stream.format.type == "csv" and not {"\n", "\r"}.isdisjoint(record.raw):
        # Stray quotes may have drawn the next person's row into a cell.
        record = Record(record.line, record.raw, None, "a cell holds a line break")
    row: dict[str, Any] = {"cic.sha256": sha256, "cic.line": record.line, "cic.raw": record.raw}
    if record.values is None:
        is_shown = guard.fault_shows_text(record)
        # A fault of the file itself has no text, and its reason quotes none.
        raw = f"({record.fault})" if not record.raw else record.raw if is_shown else WITHHELD
        # The reason may quote the text, so it is withheld too.
        text = "unreadable record" if record.raw and not is_shown else record.fault
        return {**row, "cic.raw": raw, "cic.fault": "D01", "cic.fault_text": text}
    row["cic.raw"] = plain_text(guard.raw(record))
    if (faults := reading.header_faults) is None:
        # Once a file: of a header with a million names, looking costs more than a row.
        faults = reading.header_faults = header_faults(stream, reading)
    if faults:
        row |= {"cic.fault": "D02", "cic.fault_text": "; ".join(faults)}
    said = said_of(stream, record.values)
    content = None if said is None else guard.content(said)
    place = {POSITION: record.position} if POSITION in stream.fields else {}
    return {**row, "cic.content": content, **guard.values(record.values), **place}


def header_faults(stream: Stream, reading: Reading) -> list[str]:
    """Why no row of a table can be taken; nothing for JSON, whose records may leave out what is null."""
    if stream.format.type not in ("csv", "xlsx"):
        return []
    twice = reading.copies.values()
    missing = [name for name in stream.required_fields if name not in reading.columns and name not in twice]
    return [*([f"no field {', '.join(missing)}"] if missing else []), *names_twice(stream, reading)]


def names_twice(stream: Stream, reading: Reading) -> list[str]:
    """What to do about each name that the stream reads and a table's header has more than once."""
    said = []
    for name in stream.read_fields if reading.copies else ():
        copies = [f"`{copy}`" for copy, original in reading.copies.items() if original == name]
        if copies:
            said.append(f"the header has {name} more than once: read {' or '.join(copies)} in the stream file")
    return said


def said_of(stream: Stream, values: dict[str, str | None]) -> str | None:
    """What a session's record says, mapped or not: equal for records that are equal in every field.

    Null and absent are the same, and so are keys in any order. What stands beside the records of a document is not
    theirs, and row numbers are the file's. Only sessions are told apart by it.
    """
    if not KINDS[stream.kind].has_content:
        return None
    others = {*stream.row_number_fields, *(f"document.{name}" for name in stream.format.document)}
    said = [(name, text) for name, text in values.items() if text is not None and name not in others]
    if stream.format.type in ("json", "jsonl"):
        said = [(name, _in_order(text)) for name, text in said]
    # No text holds NUL (`storable`), so nothing else gives the same bytes.
    return "\0".join(chain.from_iterable(sorted(said)))


_WITHOUT_NULLS = json.JSONDecoder(
    object_pairs_hook=lambda pairs: {key: value for key, value in pairs if value is not None},
    parse_float=str, parse_int=str, parse_constant=str,
)  # fmt: skip


def _in_order(text: str) -> str:
    """The text; a list in JSON with the keys of its objects in order and without nulls among them."""
    if not text.startswith("["):
        return text
    # A text that only looks like a list stays as it is.
    with suppress(ValueError, RecursionError):
        return json.dumps(_WITHOUT_NULLS.decode(text), sort_keys=True)
    return text


def storable(record: Record) -> Record:
    """The record with U+FFFD for what neither Parquet nor Postgres take as text: NUL and halves of surrogate pairs."""
    values = record.values and {plain_text(name): text and plain_text(text) for name, text in record.values.items()}
    return replace(record, raw=plain_text(record.raw), values=values, fault=record.fault and plain_text(record.fault))
