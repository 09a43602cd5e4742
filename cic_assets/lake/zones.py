"""The lake's zones, paths and atomic writes, on a folder or on S3. Knows nothing of formats.

lake.json                                                         which lake it is (`ledger/lake_id.py`)
raw/stream_id=<id>/date=<arrival>/<sha256>.<ext>                  bytes as received
decoded/stream_id=<id>/date=<arrival>/<sha256>-<fingerprint>.parquet
accepted/<kind>                                                   Delta tables
_staging/<date>/<uuid>                                            scratch of a step
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs

from cic_assets.errors import PlatformError
from cic_assets.lake.regular import NotAFileError, oddity, open_regular

# A writer adds to its draft every few seconds; one that nobody has touched for so long was left by a killed step.
DRAFT_SECONDS = 3600
_DRAFT = re.compile(r"\..+\.[0-9a-f]{8}")


class LakeError(PlatformError):
    """The lake can't be read or written; the message names the path. What was there before is still there."""


@dataclass(frozen=True)
class FileInfo:
    """A file of the lake as its storage lists it: path, bytes, when it was written (UTC)."""

    path: str
    size: int
    modified_at: dt.datetime


# An answer of S3 that got lost says nothing about the object: so often is it read again and sent again.
_UPLOADS = 3


@dataclass(frozen=True)
class Lake:
    """One lake.

    Attributes:
        root: folder or `s3://bucket/prefix`.
        endpoint: of an S3 that is not Amazon's.
    """

    root: str
    endpoint: str | None = None

    def uri(self, path: str) -> str:
        """What Spark and delta-rs call a path of the lake."""
        return f"{self.root}/{path}"

    @property
    def is_on_s3(self) -> bool:
        """Whether it is a bucket, not a folder."""
        return self.root.startswith("s3://")

    @property
    def _filesystem(self) -> pafs.FileSystem:
        # A folder that is not there is not made here: it may be one that is not mounted.
        if not self.is_on_s3:
            return pafs.SubTreeFileSystem(self.root, pafs.LocalFileSystem())
        # Credentials and region come from the SDK's own AWS_* variables; Arrow's does not read the endpoint's.
        endpoint = {"endpoint_override": self.endpoint} if self.endpoint else {}
        return pafs.SubTreeFileSystem(self.root.removeprefix("s3://"), pafs.S3FileSystem(**endpoint))

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        with self._reading(path):
            return _is_file(self._filesystem.get_file_info(path))

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return int(self._filesystem.get_file_info(path).size)

    def files(self, folder: str) -> list[str]:
        """Paths of all files below a folder, sorted; hidden ones and drafts are not files."""
        return [info.path for info in self.infos(folder)]

    def infos(self, folder: str) -> list[FileInfo]:
        """All files below a folder, by path; hidden ones and drafts are not files.

        Raises:
            LakeError: a folder can't be read.
        """
        selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
        with self._reading(folder):
            found = self._filesystem.get_file_info(selector)
        kept = [_info(each) for each in found if _is_file(each) and not each.base_name.startswith((".", "_"))]
        return sorted(kept, key=lambda info: info.path)

    def look_up(self, paths: Sequence[str]) -> dict[str, FileInfo]:
        """Those of some files that are there."""
        with self._reading("its files"):
            found = self._filesystem.get_file_info(list(paths))
        return {str(each.path): _info(each) for each in found if _is_file(each)}

    def log_files(self, folder: str) -> list[str]:
        """Paths of all files directly in a folder, sorted, whatever their names."""
        found = self._filesystem.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
        return sorted(str(info.path) for info in found if info.type == pafs.FileType.File)

    def folders(self) -> list[str]:
        """Names of the folders that stand in the lake itself, sorted."""
        found = self._filesystem.get_file_info(pafs.FileSelector("", allow_not_found=True))
        return sorted(str(info.base_name) for info in found if info.type == pafs.FileType.Directory)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """All that stands below a local folder, but nothing behind links; none on S3."""
        if self.is_on_s3:
            return
        with suppress(FileNotFoundError), os.scandir(Path(self.root, folder)) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from self._entries(entry.path)

    def parquet(self, path: str, schema: pa.Schema) -> pads.Dataset:
        """The rows of a Parquet file, or of all in a folder, which may be none, under a schema."""
        info = self._filesystem.get_file_info(path)
        paths = [path] if _is_file(info) else self.files(path)
        if not paths:
            return pads.dataset(schema.empty_table())
        return pads.dataset(paths, schema=schema, filesystem=self._filesystem, format="parquet")

    def oddities(self, folder: str) -> list[tuple[str, str]]:
        """(path, what it is) of what is neither a regular file nor a folder: links, pipes, sockets, devices."""
        found = []
        for entry in self._entries(folder):
            if not entry.is_file(follow_symlinks=False) and not entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    found.append((str(Path(entry.path).relative_to(self.root)), oddity(Path(entry.path)) or ""))
        return sorted(found)

    def sweep_drafts(self, folder: str) -> int:
        """Removes what killed writers left below a folder; those of writers that live are younger.

        Returns:
            How many were removed.
        """
        removed = 0
        for entry in self._entries(folder):
            if _DRAFT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - DRAFT_SECONDS:
                        Path(entry.path).unlink()
                        removed += 1
        return removed

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        """A file's bytes as a stream.

        Raises:
            LakeError: it is not there or can't be opened, or a link, pipe or device stands in its place.
        """
        if not self.is_on_s3:
            try:
                with self._reading(path):
                    file = open_regular(Path(self.root, path))
            except NotAFileError as error:
                raise LakeError(f"{error}; remove it from the lake") from error
            with file:
                yield file
            return
        with self._reading(path):
            handle = self._filesystem.open_input_file(path)
        with handle:
            # Arrow's own file has no readline.
            yield io.BufferedReader(handle, 1 << 20)

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = os.strerror(error.errno) if error.errno else str(error)
            raise LakeError(
                f"{self.uri(path)} can't be read: {said}; mend or restore it and run again, nothing was replaced"
            ) from error

    def write_once(self, path: str, content: bytes) -> bool:
        """A small file that appears whole, unless there is one: of two writers at once the first one's stays.

        Returns:
            Whether it is this one.

        Raises:
            LakeError: the folder or bucket takes nothing.
        """
        if self.is_on_s3:
            return self._put_once(path, content)
        target = Path(self.root, path)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            target.hardlink_to(draft)
        except FileExistsError:
            return False
        except OSError as error:
            raise LakeError(f"{target} can't be written: {error.strerror}; mend it and run again") from error
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _put_once(self, path: str, content: bytes) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, prefix = self.root.removeprefix("s3://").partition("/")
        key = f"{prefix}/{path}" if prefix else path
        try:
            self._s3().put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
        except (BotoCoreError, ClientError) as error:
            # After a lost answer the client tries again, and finds its own object.
            if self.exists(path):
                with self.read(path) as handle:
                    return handle.read() == content
            raise LakeError(f"{self.uri(path)} can't be written: {error}; mend it and run again") from error
        return True

    def _s3(self) -> Any:
        """Amazon's own client, which Arrow's can't replace where an object must appear whole or only once."""
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint)

    @contextmanager
    def write(self, path: str) -> Iterator[BinaryIO]:
        """A new file that appears whole or not at all: draft, fsync and rename on a folder, one upload on S3.

        Raises:
            LakeError: the folder takes nothing (full, read-only, broken).
        """
        if self.is_on_s3:
            # An upload completes when all is there, so that an error leaves nothing.
            with tempfile.TemporaryFile() as draft_file:
                yield cast(BinaryIO, draft_file)
                draft_file.seek(0)
                self._upload(cast(BinaryIO, draft_file), path)
            return
        target = Path(self.root, path)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.rename(target)
        except OSError as error:
            # Without a number it is the source's, such as a gzip that is none.
            if error.errno is None:
                raise
            raise LakeError(f"{target} can't be written: {error.strerror}; mend it and run again") from error
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def write_scratch(self, path: str) -> Iterator[BinaryIO]:
        """A new file of a scratch folder, which nobody else reads: needs neither draft nor fsync.

        Raises:
            LakeError: the folder takes nothing (full, read-only, broken).
        """
        if self.is_on_s3:
            with self.write(path) as file:
                yield file
            return
        target = Path(self.root, path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                yield file
        except OSError as error:
            # Without a number it is the source's.
            if error.errno is None:
                raise
            raise LakeError(f"{target} can't be written: {error.strerror}; mend it and run again") from error

    def _upload(self, source: BinaryIO, path: str) -> None:
        """Sends a file. An error says nothing of the object, whose answer may have got lost: it is read to know.

        Nothing is deleted: what was there before may be good.
        """
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, prefix = self.root.removeprefix("s3://").partition("/")
        failed: Exception | None = None
        for _ in range(_UPLOADS):
            try:
                # In one piece or in parts that are joined at the end: never half an object.
                source.seek(0)
                with _left_open(source) as body:
                    self._s3().upload_fileobj(body, bucket, f"{prefix}/{path}" if prefix else path)
                return
            except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
                failed = error
                if self._has(path, source):
                    return
        raise LakeError(f"{self.uri(path)} can't be written: {failed}; mend it and run again") from failed

    def _has(self, path: str, source: BinaryIO) -> bool:
        """Whether an object has these bytes, as far as S3 answers."""
        with suppress(LakeError, OSError), self.read(path) as handle:
            there = hashlib.file_digest(cast(io.BufferedReader, handle), "sha256").digest()
            source.seek(0)
            return there == hashlib.file_digest(cast(io.BufferedReader, source), "sha256").digest()
        return False

    def clear(self) -> None:
        """Removes everything in the lake: for scratch folders, which are lakes of their own."""
        if self.is_on_s3:
            base = self._filesystem
            base.base_fs.delete_dir_contents(base.base_path, missing_dir_ok=True)
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    def delete(self, path: str) -> None:
        """Removes a file."""
        self._filesystem.delete_file(path)


def _is_file(found: pafs.FileInfo) -> bool:
    return bool(found.type == pafs.FileType.File)


def _info(found: pafs.FileInfo) -> FileInfo:
    return FileInfo(str(found.path), int(found.size), found.mtime.astimezone(dt.UTC))


@contextmanager
def _left_open(source: BinaryIO) -> Iterator[BinaryIO]:
    """The file under a second descriptor: the client closes what it sends."""
    with os.fdopen(os.dup(source.fileno()), "rb") as body:
        yield body


def raw_path(stream_id: str, arrival: dt.date, sha256: str, extension: str) -> str:
    """Where a landed object lies."""
    return f"raw/stream_id={stream_id}/date={arrival.isoformat()}/{sha256}{extension}"


def decoded_path(stream_id: str, arrival: dt.date, sha256: str, fingerprint: str) -> str:
    """Where the decoded records of an object lie; another way of decoding is another file."""
    return f"decoded/stream_id={stream_id}/date={arrival.isoformat()}/{sha256}-{fingerprint}.parquet"


def parse_raw_path(path: str) -> tuple[str, dt.date, str] | None:
    """(stream id, arrival date, file name) of a path in `raw`; None where it has another shape."""
    parts = path.split("/")
    if len(parts) != 4 or not parts[1].startswith("stream_id=") or not parts[2].startswith("date="):
        return None
    try:
        return parts[1].removeprefix("stream_id="), dt.date.fromisoformat(parts[2].removeprefix("date=")), parts[3]
    except ValueError:
        return None
