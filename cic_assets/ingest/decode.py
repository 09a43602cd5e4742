"""Decoding: any format becomes Parquet of text, one row per record, with line and raw text, streaming.

Personal fields leave here as a keyed hash, in their field and in `raw`. The formats themselves: `formats/read.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.errors import PlatformError
from cic_assets.formats.bounds import MAX_NAME_CHARS, NAMES_KEPT, RAW_KEPT
from cic_assets.formats.json_text import plain_text
from cic_assets.formats.plain import ChangedError, PlainTable, plain_table
from cic_assets.formats.read import Reading, Record, read_records
from cic_assets.ingest.personal import (
    WITHHELD,
    Declared,
    Guard,
    Keys,
    absent_fields,
    keys_of,
    without_text,
)
from cic_assets.kinds.columns import POSITION
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.personal import looks_personal
from cic_assets.kinds.stream import Stream
from cic_assets.lake.digests import HashedWriter, LakeDamagedError, checked, digest_of
from cic_assets.lake.zones import Lake, decoded_path
from cic_assets.ledger import catalogue
from cic_assets.ledger.catalogue import LandedObject
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Warehouse

LOG = logging.getLogger(__name__)
# A group of rows is held in memory; a record may be as long as a line (16 MiB), so its text is bounded too.
ROWS_PER_GROUP, TEXT_PER_GROUP = 50_000, 64 << 20
# Names of ours beside the feed's own; the dot keeps them apart from most feeds.
PROVENANCE = ("cic.sha256", "cic.line", "cic.raw", "cic.fault", "cic.fault_text", "cic.content")


class DecodeError(PlatformError):
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


def decode(parts: Parts, stream: Stream, objects: Sequence[LandedObject]) -> dict[str, tuple[str, int]]:
    """The decoded Parquet of some objects, made where it isn't there yet, or is not what was written.

    Where the original is gone (retention) and the stream file has changed, what was decoded of it stays in use.

    Returns:
        SHA-256 → (path in the lake, number of records).

    Raises:
        DecodeError: an original is gone and no decoded records are there as they were written.
        LakeDamagedError: an original holds other bytes than were landed.
    """
    lake, fingerprint = parts.lake, stream.decode_fingerprint()
    paths = {decoded_path(stream.id, each.arrival_date, each.sha256, fingerprint): each for each in objects}
    counts = _intact(parts.warehouse, lake, paths)
    for path, landed in paths.items():
        if path not in counts:
            is_there = lake.exists(landed.path)
            counts[path] = (_decode if is_there else _carry_over)(parts, stream, landed, lake, path)
    return {landed.sha256: (path, counts[path]) for path, landed in paths.items()}


def _decode(parts: Parts, stream: Stream, landed: LandedObject, lake: Lake, path: str) -> int:
    """Decodes an original, whose bytes are hashed as they are read, and so are those that are written."""
    tally = Tally()
    keys = keys_of(parts, stream, landed.arrival_date)
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
        absent = absent_fields(source, stream)
        hashed = HashedWriter(target)
        if plain := None if absent else plain_guard(source, stream, keys):
            table, guard = plain
            try:
                read, count = table.count, _write(guard, _plain_batches(guard, table, landed.sha256), hashed)
            except ChangedError as error:
                raise LakeDamagedError(damaged) from error
        else:
            reading = read_records(source, stream.format, stream.record_level)
            guard = Guard(stream, replace(reading, records=tally.of(reading.records)), keys, absent)
            count = write_decoded(guard, landed.sha256, hashed)
            read = tally.count
        if count != read:
            raise DecodeError(f"{landed.path}: {read} records were read and {count} decoded; nothing was kept")
    with parts.warehouse.transaction() as connection:
        names = [plain_text(name)[:MAX_NAME_CHARS] for name in guard.names(guard.reading.columns[:NAMES_KEPT])]
        catalogue.note_decoded(connection, landed, names, count, absent)
        catalogue.note_file(connection, path, count, hashed.hexdigest())
    return count


def write_decoded(guard: Guard, sha256: str, target: Any) -> int:
    """Writes a delivery's records as Parquet to a binary file; how many there were."""
    return _write(guard, _batches(guard, sha256), target)


def _write(guard: Guard, batches: Iterable[pa.RecordBatch], target: Any) -> int:
    count = 0
    schema = decoded_schema(guard.stream).with_metadata(guard.declared.metadata())
    # Statistics would repeat values of a field that the stream file declares personal only later.
    with pq.ParquetWriter(target, schema, compression="zstd", write_statistics=False) as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def plain_guard(source: BinaryIO, stream: Stream, keys: Keys) -> tuple[PlainTable, Guard] | None:
    """A table of which no cell has to be looked at by itself, and its guard; None where the exact reader is needed.

    Nothing in it may be personal, none of its records is told by its content, and the header has what the stream reads.
    Leaves the source at its start.
    """
    if stream.personal_fields or KINDS[stream.kind].has_content or POSITION in stream.fields:
        return None
    table = plain_table(source, stream.format)
    if table is None:
        return None
    guard = Guard(stream, Reading(iter(()), list(table.columns)), keys)
    is_shown = not guard.hides_columns() and not _header_faults(stream, guard.reading)
    return (table, guard) if is_shown else None


def _plain_batches(guard: Guard, table: PlainTable, sha256: str) -> Iterator[pa.RecordBatch]:
    """The same as `_batches`, of a plain table."""
    schema = decoded_schema(guard.stream)
    wanted = [name for name in guard.stream.fields if name in table.columns]
    line = 1
    for texts, cells in table.pieces(wanted):
        count = len(texts)
        own = {
            "cic.sha256": pa.repeat(sha256, count),
            "cic.line": pa.array(range(line + 1, line + 1 + count), pa.int64()),
            "cic.raw": texts,
        }
        nothing = pa.nulls(count, pa.string())
        columns = [(own | cells).get(field.name, nothing) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        line += count


def _intact(warehouse: Warehouse, lake: Lake, paths: Mapping[str, LandedObject]) -> dict[str, int]:
    """Records of the decoded files that hold the bytes that were written; others are to be made."""
    infos = lake.look_up(list(paths))
    with warehouse.transaction() as connection:
        known = catalogue.decoded_as(connection, {path: paths[path] for path in infos})
        # Of a release that kept no digests: it is what it is from now on, if it has its records.
        for path in [path for path, (_, sha256) in known.items() if sha256 is None]:
            (records, _), made = known.pop(path), digest_of(lake, infos[path])
            if _row_count(lake, path) == records:
                known[path] = (records, made)
                catalogue.note_file(connection, path, records, made)
    found = {}
    for path, (records, sha256) in known.items():
        if digest_of(lake, infos[path]) == sha256:
            found[path] = records
        else:
            LOG.warning("%s holds other bytes than were written; it is made anew from the original", lake.uri(path))
    return found


def _row_count(lake: Lake, path: str) -> int:
    with lake.read(path) as handle:
        try:
            return int(pq.ParquetFile(handle).metadata.num_rows)
        except (OSError, pa.ArrowInvalid):
            return -1


def _no_original(warehouse: Warehouse, stream: Stream, landed: LandedObject, lake: Lake, path: str) -> str:
    """Why an object without its original can't be decoded, and what to do."""
    with warehouse.transaction() as connection:
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


def other_decodings(lake: Lake, stream: Stream, objects: Sequence[LandedObject]) -> list[str]:
    """Decoded files of a stream's objects that other stream files, or other releases, asked for."""
    fingerprint = stream.decode_fingerprint()
    now = {decoded_path(stream.id, each.arrival_date, each.sha256, fingerprint): each for each in objects}
    mine = {each.sha256 for each in objects}
    folders = dict.fromkeys(path.rpartition("/")[0] for path in now)
    found = (path for folder in folders for path in lake.files(folder))
    return [path for path in found if path.rpartition("/")[2][:64] in mine and path not in now]


GONE = "(not shown: the original is gone, and the stream file's personal fields have changed since)"


def _carry_over(parts: Parts, stream: Stream, landed: LandedObject, lake: Lake, path: str) -> int:
    """The records as they were decoded before, now that the original is gone; fields that were not read are null."""
    found = _intact(parts.warehouse, lake, dict.fromkeys(other_decodings(lake, stream, [landed]), landed))
    if not found:
        raise DecodeError(_no_original(parts.warehouse, stream, landed, lake, path))
    names = {other: _names_of(lake, other) for other in found}
    former = max(found, key=lambda other: (len(names[other] & {*stream.fields}), other))
    guard = Guard(stream, Reading(iter(()), []), keys_of(parts, stream, landed.arrival_date))
    is_of_0_3 = former.endswith(f"-{stream.former_decode_fingerprint()}.parquet")
    count = 0
    with lake.read(former) as source, lake.write(path) as target:
        file, hashed = pq.ParquetFile(source), HashedWriter(target)
        schema = _carried_schema(file.schema_arrow, guard)
        with pq.ParquetWriter(hashed, schema, compression="zstd", write_statistics=False) as writer:
            for batch in file.iter_batches():
                writer.write_batch(_carried(batch, schema, guard, is_of_0_3=is_of_0_3))
                count += len(batch)
    # To the file of release 0.3, nothing is missing that the stream file reads.
    missing = [] if is_of_0_3 else [name for name in stream.fields if name not in names[former]]
    with parts.warehouse.transaction() as connection:
        catalogue.note_carried(connection, landed, None if is_of_0_3 else missing)
        catalogue.note_file(connection, path, count, hashed.hexdigest())
    return count


def _names_of(lake: Lake, path: str) -> set[str]:
    with lake.read(path) as handle:
        return {*pq.ParquetFile(handle).schema_arrow.names}


def _carried_schema(former: pa.Schema, guard: Guard) -> pa.Schema:
    """The schema that is asked for now, and beside it what was read before: it stands nowhere else any more."""
    schema = decoded_schema(guard.stream)
    others = [field for field in former if field.name not in schema.names and not field.name.startswith("cic.")]
    return pa.schema([*schema, *others]).with_metadata(guard.declared.metadata())


def _carried(batch: pa.RecordBatch, schema: pa.Schema, guard: Guard, *, is_of_0_3: bool) -> pa.RecordBatch:
    """Rows of an earlier decoding; what has become personal since is hashed, and a text that may show it goes."""
    before = Declared.of(batch.schema.metadata)
    now = guard.declared
    columns = []
    for field in schema:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(len(batch), field.type))
            continue
        column = batch.column(field.name)
        if field.name == "cic.raw":
            is_safe = before is not None and before.personal == now.personal and {*before.shown} <= {*now.shown}
            column = column if is_safe else pa.array([GONE] * len(batch), field.type)
        elif not field.name.startswith("cic.") and not _is_hashed(field.name, guard, before, is_of_0_3=is_of_0_3):
            column = pa.array([_now(guard, field.name, text) for text in column.to_pylist()], field.type)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_hashed(name: str, guard: Guard, before: Declared | None, *, is_of_0_3: bool) -> bool:
    personal = guard.stream.personal_fields if is_of_0_3 else before.personal if before else ()
    return any(name == field or name.startswith(f"{field}.") for field in personal)


# What a pseudonym looks like: of decoded files that don't say what is hashed in them, it is one.
_PSEUDONYM = re.compile("[0-9a-f]{20}")


def _now(guard: Guard, name: str, text: str | None) -> str | None:
    if text is None or _PSEUDONYM.fullmatch(text):
        return text
    if name not in guard.stream.fields and looks_personal(name) and name not in guard.stream.not_personal:
        return guard.pseudonym(text)
    return guard.value(name, text)


def _batches(guard: Guard, sha256: str) -> Iterator[pa.RecordBatch]:
    schema = decoded_schema(guard.stream)
    rows = (_bounded(decoded_row(guard, sha256, record)) for record in guard.reading.records)
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
        faults = reading.header_faults = _header_faults(stream, reading)
    if faults:
        row |= {"cic.fault": "D02", "cic.fault_text": "; ".join(faults)}
    content = content_of(stream, record.values, guard.keys.content)
    place = {POSITION: record.position} if POSITION in stream.fields else {}
    return {**row, "cic.content": content, **guard.values(record.values), **place}


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


def content_of(stream: Stream, values: dict[str, str | None], key: bytes) -> str | None:
    """What a session's record says, mapped or not, as keyed hash: equal for records that are equal in every field.

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
    return hmac.new(key, "\0".join(chain.from_iterable(sorted(said))).encode(), hashlib.sha256).hexdigest()


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
