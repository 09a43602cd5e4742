"""The lake's zones, paths and atomic writes, on a folder or on S3. Knows nothing of formats.

raw/stream_id=<id>/date=<arrival>/<sha256>.<ext>                  bytes as received
decoded/stream_id=<id>/date=<arrival>/<sha256>-<fingerprint>.parquet
accepted/<kind>, quarantine/<kind>                                Delta tables
_staging/<date>/<uuid>                                            scratch of a step
"""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow.fs as pafs

from cic_assets.lake.regular import NotAFileError, oddity, open_regular
from cic_assets.settings import Settings

# A writer adds to its draft every few seconds; one that nobody has touched for so long was left by a killed step.
DRAFT_SECONDS = 3600
_DRAFT = re.compile(r"\..+\.[0-9a-f]{8}")


class LakeError(Exception):
    """The lake can't be written; the message names the path. What was there before is still there."""


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
    def _filesystem(self) -> pafs.FileSystem:
        if not self.root.startswith("s3://"):
            Path(self.root).mkdir(parents=True, exist_ok=True)
            return pafs.SubTreeFileSystem(self.root, pafs.LocalFileSystem())
        # Credentials and region come from the SDK's own AWS_* variables; Arrow's does not read the endpoint's.
        endpoint = {"endpoint_override": self.endpoint} if self.endpoint else {}
        return pafs.SubTreeFileSystem(self.root.removeprefix("s3://"), pafs.S3FileSystem(**endpoint))

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        return bool(self._filesystem.get_file_info(path).type == pafs.FileType.File)

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return int(self._filesystem.get_file_info(path).size)

    def files(self, folder: str) -> list[str]:
        """Paths of all files below a folder, sorted; hidden ones and drafts are not files."""
        selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        return sorted(
            str(info.path)
            for info in found
            if info.type == pafs.FileType.File and not info.base_name.startswith((".", "_"))
        )

    def folders(self) -> list[str]:
        """Names of the folders that stand in the lake itself, sorted."""
        found = self._filesystem.get_file_info(pafs.FileSelector("", allow_not_found=True))
        return sorted(str(info.base_name) for info in found if info.type == pafs.FileType.Directory)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """All that stands below a local folder, but nothing behind links; none on S3."""
        if self.root.startswith("s3://"):
            return
        with suppress(FileNotFoundError), os.scandir(Path(self.root, folder)) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from self._entries(entry.path)

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
            LakeError: a link, pipe or device stands in its place.
        """
        if not self.root.startswith("s3://"):
            try:
                handle = open_regular(Path(self.root, path))
            except NotAFileError as error:
                raise LakeError(f"{error}; remove it from the lake") from error
            with handle:
                yield handle
            return
        with self._filesystem.open_input_file(path) as handle:
            # Arrow's own file has no readline.
            yield io.BufferedReader(handle, 1 << 20)

    @contextmanager
    def write(self, path: str) -> Iterator[BinaryIO]:
        """A new file that appears whole or not at all: draft, fsync and rename on a folder, one upload on S3.

        Raises:
            LakeError: the folder takes nothing (full, read-only, broken).
        """
        if self.root.startswith("s3://"):
            # Closing a stream to S3 completes the object, after an error too: so it is opened when all is there.
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

    def _upload(self, source: BinaryIO, path: str) -> None:
        try:
            # As received: by default Arrow would compress what ends in .gz once more.
            with self._filesystem.open_output_stream(path, compression=None) as handle:
                shutil.copyfileobj(source, handle, 1 << 20)
        except BaseException:
            if self.exists(path):
                self.delete(path)
            raise

    def clear(self) -> None:
        """Removes everything in the lake: for scratch folders, which are lakes of their own."""
        if self.root.startswith("s3://"):
            base = self._filesystem
            base.base_fs.delete_dir_contents(base.base_path, missing_dir_ok=True)
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    def delete(self, path: str) -> None:
        """Removes a file."""
        self._filesystem.delete_file(path)


def lake_of(settings: Settings) -> Lake:
    """The lake of a process's settings."""
    return Lake(settings.lake, settings.s3_endpoint)


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
