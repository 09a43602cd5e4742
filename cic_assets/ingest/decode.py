"""Decoding: any format becomes Parquet of text, one row per record, with line and raw text, streaming.

Personal fields leave here as a keyed hash, in their field and in `raw`. The formats themselves: `formats/read.py`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.errors import PlatformError
from cic_assets.formats.blocks import ChangedError
from cic_assets.formats.bounds import MAX_NAME_CHARS, NAMES_KEPT
from cic_assets.formats.json_text import plain_text
from cic_assets.formats.read import Reading, read_records
from cic_assets.ingest.by_columns import by_columns
from cic_assets.ingest.decoded import Tally, decoded_schema, write, write_decoded
from cic_assets.ingest.personal import Declared, Guard, absent_fields, keys_of
from cic_assets.kinds.personal import looks_personal
from cic_assets.kinds.stream import Stream
from cic_assets.lake.digests import HashedWriter, LakeDamagedError, checked, digest_of
from cic_assets.lake.zones import Lake, decoded_path
from cic_assets.ledger import catalogue
from cic_assets.ledger.catalogue import LandedObject
from cic_assets.parts import Parts
from cic_assets.warehouse.connect import Warehouse

LOG = logging.getLogger(__name__)


class DecodeError(PlatformError):
    """An object can't be decoded any more; the message names it."""


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
        if columns := None if absent else by_columns(source, stream, keys):
            guard = columns.guard
            try:
                read, count = columns.count, write(guard, columns.batches(landed.sha256), hashed)
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
