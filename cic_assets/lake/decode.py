"""Decoding: any format becomes Parquet of text, one row per record, with line and raw text, streaming.

Personal fields leave here as a keyed hash, in their field and in `raw`. The formats themselves: `lake/records.py`.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.lake import catalogue
from cic_assets.lake.bounds import MAX_NAME_CHARS, NAMES_KEPT, RAW_KEPT
from cic_assets.lake.catalogue import LandedObject
from cic_assets.lake.digests import HashedWriter, checked, digest_of
from cic_assets.lake.json_text import compact, parse
from cic_assets.lake.lake_id import open_lake
from cic_assets.lake.records import Reading, Record, read_records
from cic_assets.lake.zones import Lake, decoded_path
from cic_assets.settings import Settings
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect

LOG = logging.getLogger(__name__)
# A group of rows is held in memory; a record may be as long as a line (16 MiB), so its text is bounded too.
ROWS_PER_GROUP, TEXT_PER_GROUP = 50_000, 64 << 20
# Names of ours beside the feed's own; the dot keeps them apart from most feeds.
PROVENANCE = ("cic.sha256", "cic.line", "cic.raw", "cic.fault", "cic.fault_text", "cic.content")
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
    """The decoded Parquet of an object, made if it isn't there yet, or is not what was written.

    Returns:
        (path in the lake, number of records).

    Raises:
        DecodeError: the original is gone and the decoded records are not there as they were written, or the stream
            file now asks for another decoding.
        LakeDamagedError: the original holds other bytes than were landed.
    """
    lake = open_lake(settings)
    path = decoded_path(stream.id, landed.arrival_date, landed.sha256, stream.decode_fingerprint())
    count = _intact(settings, lake, landed, path)
    if count is not None:
        return path, count
    if not lake.exists(landed.path):
        former = decoded_path(stream.id, landed.arrival_date, landed.sha256, stream.former_decode_fingerprint())
        if _intact(settings, lake, landed, former) is not None:
            return path, _carried_over(settings, lake, former, path, decoded_schema(stream))
        raise DecodeError(_no_original(settings, stream, landed, lake, path))
    return path, _decode(settings, stream, landed, lake, path)


def _decode(settings: Settings, stream: Stream, landed: LandedObject, lake: Lake, path: str) -> int:
    """Decodes an original, whose bytes are hashed as they are read, and so are those that are written."""
    count, tally = 0, Tally()
    way_out = (
        f"land the file again (`cic land {stream.id} …`) or restore it"
        if landed.sha256 in landed.path
        else "another program has written it since: it is taken as what it is now when `raw` is next looked through "
        "(by the daemon, or `cic run daily`)"
    )
    damaged = (
        f"{lake.uri(landed.path)} holds other bytes than {landed.original_name} had when it arrived (SHA-256 "
        f"{landed.sha256}); nothing was replaced: {way_out}"
    )
    with (
        lake.read(landed.path) as stored,
        lake.write(path) as target,
        checked(stored, landed.sha256, damaged) as source,
    ):
        hashed = HashedWriter(target)
        reading = read_records(source, stream.format, stream.record_level)
        reading = replace(reading, records=tally.of(reading.records))
        with pq.ParquetWriter(hashed, decoded_schema(stream), compression="zstd") as writer:
            for batch in _batches(settings, stream, landed, reading):
                writer.write_batch(batch)
                count += batch.num_rows
        if count != tally.count:
            raise DecodeError(f"{landed.path}: {tally.count} records were read and {count} decoded; nothing was kept")
    with connect(settings) as connection:
        names = [plain_text(name)[:MAX_NAME_CHARS] for name in reading.columns[:NAMES_KEPT]]
        catalogue.note_decoded(connection, landed, names, count)
        catalogue.note_file(connection, path, count, hashed.hexdigest())
    return count


def _intact(settings: Settings, lake: Lake, landed: LandedObject, path: str) -> int | None:
    """Records of a decoded file that holds the bytes that were written; None where it is to be made."""
    info = lake.look_up([path]).get(path)
    if info is None:
        return None
    with connect(settings) as connection:
        records, known = catalogue.decoded_as(connection, landed, path)
        if records is None:
            # A crash came before the catalogue knew it.
            return None
        if known is None:
            # Of a release that kept no digests: it is what it is from now on, if it has its records.
            known = (_row_count(lake, path), digest_of(lake, info))
            if known[0] != records:
                return None
            catalogue.note_file(connection, path, *known)
    count, sha256 = known
    if digest_of(lake, info) == sha256:
        return count
    LOG.warning("%s holds other bytes than were written; it is made anew from the original", lake.uri(path))
    return None


def _row_count(lake: Lake, path: str) -> int:
    with lake.read(path) as handle:
        try:
            return int(pq.ParquetFile(handle).metadata.num_rows)
        except (OSError, pa.ArrowInvalid):
            return -1


def _no_original(settings: Settings, stream: Stream, landed: LandedObject, lake: Lake, path: str) -> str:
    """Why an object without its original can't be decoded, and what to do."""
    with connect(settings) as connection:
        is_purged = catalogue.is_purged(connection, landed)
    lost = f"its decoded copy {path} is damaged" if lake.exists(path) else "there is no decoded copy as it reads now"
    if is_purged:
        return (
            f"{landed.path}: the original of {landed.original_name} was purged after raw_retention_days, and {lost} "
            f"(the stream file {stream.id} may read other fields than before); land the file again"
        )
    return (
        f"{lake.uri(landed.path)} is gone from the lake, and {lost}: restore it, or land {landed.original_name} again "
        f"(`cic land {stream.id} …`); nothing was replaced"
    )


def _carried_over(settings: Settings, lake: Lake, former: str, path: str, schema: pa.Schema) -> int:
    """The records as an earlier release decoded them, now that the original is gone; what it did not keep is null."""
    count = 0
    with lake.read(former) as source, lake.write(path) as target:
        hashed = HashedWriter(target)
        writer = pq.ParquetWriter(hashed, schema, compression="zstd")
        for batch in pq.ParquetFile(source).iter_batches():
            kept = [
                batch.column(field.name) if field.name in batch.schema.names else pa.nulls(len(batch), field.type)
                for field in schema
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(kept, schema=schema))
            count += len(batch)
        writer.close()
    with connect(settings) as connection:
        catalogue.note_file(connection, path, count, hashed.hexdigest())
    return count


def _batches(settings: Settings, stream: Stream, landed: LandedObject, reading: Reading) -> Iterator[pa.RecordBatch]:
    schema = decoded_schema(stream)
    key = settings.personal_key() if stream.personal_fields else b""
    rows = (_bounded(_row(stream, landed, reading, record, key)) for record in reading.records)
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


def _bounded(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the beginning of its text: all of an arrival's quarantined texts are held at once."""
    if len(row["cic.raw"]) > RAW_KEPT:
        row["cic.raw"] = f"{row['cic.raw'][:RAW_KEPT]}… ({len(row['cic.raw']):,} characters; the original has all)"
    return row


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
        values = {
            name: _pseudonym(key, text) if _is_personal(stream, reading.copies.get(name, name)) else text
            for name, text in values.items()
        }
        row["cic.raw"] = plain_text(_raw_without(stream, reading, record, key))
    if (faults := reading.header_faults) is None:
        # Once a file: of a header with a million names, looking costs more than a row.
        faults = reading.header_faults = _header_faults(stream, reading)
    if faults:
        row |= {"cic.fault": "D02", "cic.fault_text": "; ".join(faults)}
    content = content_of(stream, values)
    return {**row, "cic.content": content, **{name: values.get(name) for name in stream.fields}}


def _header_faults(stream: Stream, reading: Reading) -> list[str]:
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


def content_of(stream: Stream, values: dict[str, str | None]) -> str | None:
    """What a session's record says, mapped or not, as SHA-256: equal for records that are equal in every field.

    Null and absent are the same, and so are keys in any order. What stands beside the records of a document is not
    theirs, and row numbers are the file's. Only sessions are told apart by it.
    """
    if stream.kind != "sessions":
        return None
    others = {*stream.row_number_fields, *(f"document.{name}" for name in stream.format.document)}
    said = [(name, text) for name, text in values.items() if text is not None and name not in others]
    if stream.format.type in ("json", "jsonl"):
        said = [(name, _in_order(text)) for name, text in said]
    # No text holds NUL (`storable`), so nothing else gives the same bytes.
    return hashlib.sha256("\0".join(chain.from_iterable(sorted(said))).encode()).hexdigest()


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


def _raw_without(stream: Stream, reading: Reading, record: Record, key: bytes) -> str:
    """The record's text with its personal values replaced; written anew, as a value may stand anywhere in a line."""
    if stream.format.type == "csv":
        cells = next(csv.reader(io.StringIO(record.raw), delimiter=stream.format.delimiter))
        names = [reading.copies.get(name, name) for name in reading.columns]
        named = zip([*names, *[""] * len(cells)], cells, strict=False)
        kept = [_pseudonym(key, cell) if name in stream.personal_fields and cell else cell for name, cell in named]
        out = io.StringIO()
        csv.writer(out, delimiter=stream.format.delimiter, lineterminator="").writerow(kept)
        return out.getvalue()
    content = parse(record.raw)
    copies = [copy for copy, name in reading.copies.items() if name in stream.personal_fields]
    for field in [*stream.personal_fields, *copies]:
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
