"""Writes to S3 whose answers get lost, on a small server of S3's own protocol: what counts is what the bucket has."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from cic_assets.lake.zones import Lake, LakeError

TIME = "2026-01-05T06:00:00.000Z"
HTTP_TIME = "Mon, 05 Jan 2026 06:00:00 GMT"


class Bucket(BaseHTTPRequestHandler):
    """GET, HEAD, PUT (also only where there is none), DELETE and a listing; by path. Signatures are not looked at."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    log: list[str]
    # What the next PUTs do: `lose` (store, no answer), `refuse` (store nothing, no answer), else as S3.
    puts: list[str]

    def log_message(self, *words: object) -> None:
        return

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/")

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(body)), **named}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        content = self.body()
        self.log.append(f"PUT {self.key}")
        does = self.puts.pop(0) if self.puts else ""
        if self.headers.get("If-None-Match") == "*" and self.key in self.objects:
            return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        if does != "refuse":
            self.objects[self.key] = content
        if does:
            self.close_connection = True
            return None
        return self.answer(200, ETag=f'"{hashlib.md5(content).hexdigest()}"')

    def body(self) -> bytes:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return content
        # SIZE;signature CRLF bytes CRLF … 0
        found, rest = b"", content
        while rest:
            head, _, rest = rest.partition(b"\r\n")
            size = int(head.partition(b";")[0], 16)
            if not size:
                break
            found, rest = found + rest[:size], rest[size + 2 :]
        return found

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            return self.listing(query.get("prefix", [""])[0])
        content = self.objects.get(self.key)
        if content is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        first, last = 0, len(content) - 1
        asked = self.headers.get("Range")
        if asked:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end or last), last)
        part = content[first : last + 1]
        headers = {"Content_Range": f"bytes {first}-{last}/{len(content)}"} if asked else {}
        if self.command == "HEAD":
            headers["Content_Length"] = str(len(content))
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        return self.answer(206 if asked else 200, part, Last_Modified=HTTP_TIME, ETag=etag, **headers)

    def listing(self, prefix: str) -> None:
        bucket = self.key.partition("/")[0]
        names = [key.removeprefix(f"{bucket}/") for key in self.objects]
        found = "".join(
            f"<Contents><Key>{name}</Key><LastModified>{TIME}</LastModified><ETag>x</ETag>"
            f"<Size>{len(self.objects[f'{bucket}/{name}'])}</Size></Contents>"
            for name in sorted(names)
            if name.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        self.answer(200, body.encode(), Content_Type="application/xml")

    def do_DELETE(self) -> None:
        self.log.append(f"DELETE {self.key}")
        self.objects.pop(self.key, None)
        self.answer(204)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    """A server's handler, with its objects, its log of writes, and what the next PUTs do."""
    handler = type("Mine", (Bucket,), {"objects": {}, "log": [], "puts": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    # One try: what is tested is what comes after the client has given up.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    handler.lake = Lake("s3://bucket/lake", f"http://127.0.0.1:{server.server_address[1]}")
    yield handler
    server.shutdown()
    server.server_close()


def write(lake: Lake, content: bytes) -> None:
    with lake.write("raw/x") as file:
        file.write(content)


def test_a_file_is_written_read_and_listed(bucket):
    write(bucket.lake, b"x" * 100_000)
    with bucket.lake.read("raw/x") as file:
        assert file.read() == b"x" * 100_000
    (info,) = bucket.lake.infos("raw")
    assert (info.path, info.size) == ("raw/x", 100_000)
    assert bucket.lake.look_up(["raw/x", "raw/y"]) == {"raw/x": info}


def test_a_lost_answer_is_no_failure_and_nothing_is_deleted(bucket):
    bucket.puts = ["lose"]
    write(bucket.lake, b"good")
    assert bucket.log == ["PUT bucket/lake/raw/x"]
    assert bucket.objects == {"bucket/lake/raw/x": b"good"}


def test_what_did_not_arrive_is_sent_again(bucket):
    bucket.puts = ["refuse", "refuse"]
    write(bucket.lake, b"good")
    assert bucket.log == ["PUT bucket/lake/raw/x"] * 3
    assert bucket.objects == {"bucket/lake/raw/x": b"good"}


def test_where_nothing_arrives_what_was_there_stays(bucket):
    write(bucket.lake, b"before")
    bucket.puts = ["refuse"] * 9
    with pytest.raises(LakeError, match=r"s3://bucket/lake/raw/x can't be written: .*; mend it and run again"):
        write(bucket.lake, b"after")
    assert bucket.objects == {"bucket/lake/raw/x": b"before"}


def test_an_error_of_the_writer_writes_nothing(bucket):
    with pytest.raises(RuntimeError), bucket.lake.write("raw/x") as file:
        file.write(b"half")
        raise RuntimeError
    assert bucket.objects == {}


@pytest.mark.parametrize("does", ["", "lose"])
def test_of_two_that_write_once_the_first_one_stays(bucket, does):
    bucket.puts = [does]
    assert bucket.lake.write_once("lake.json", b"mine")
    assert not bucket.lake.write_once("lake.json", b"yours")
    assert bucket.objects == {"bucket/lake/lake.json": b"mine"}


def test_on_a_folder_too(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    assert lake.write_once("lake.json", b"mine")
    assert not lake.write_once("lake.json", b"yours")
    assert [file.name for file in (tmp_path / "lake").iterdir()] == ["lake.json"]
    assert (tmp_path / "lake" / "lake.json").read_bytes() == b"mine"
