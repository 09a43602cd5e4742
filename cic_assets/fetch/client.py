"""One HTTP client for a poll: limits, retries, where a secret may go, and bytes as received, in files.

A request is tried again where the other side or the way to it may be better in a moment: no connection, no answer, 408,
429, 500, 502, 503 and 504. It waits as `Retry-After` says, else longer each time with jitter, and never beyond the
time that the poll has.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import html
import itertools
import json
import logging
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit, urlunsplit

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
)
from tenacity.wait import wait_exponential_jitter

from cic_assets.fetch.errors import FetchError
from cic_assets.kinds.source import Limits, is_sensitive

ATTEMPTS = 5
# Seconds: the first wait, and the longest that nobody asked for.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
# Seconds for a connection, and without a byte.
_CONNECT, _SILENT = 15.0, 60.0
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_WORTH_ANOTHER = (408, 429, 500, 502, 503, 504)
# Some servers write a moment since 1970 where seconds should stand.
_LONGEST_ASKED = 86_400.0
_SHOWN = 300
# gzip or zlib, as the first bytes say.
_ANY_ZLIB = 47
# Of an answer that is no feed, so much is read, to say what it is.
_EXCERPT = 4096


@dataclass(frozen=True)
class Response:
    """What came for one request.

    Attributes:
        url: asked for at last, after redirects; secrets in it are `***`.
        requested_at: when the request that got it was sent (UTC).
        status: 200, or 304 where nothing has changed.
        headers: lower-case names; none that opens something.
        request_headers: the same of the request.
        file: the bytes, content encoding undone; None for 304.
        sha256: of those bytes; empty for 304.
        byte_count: of those bytes.
        links: the targets of its `Link` header by `rel`, absolute.
    """

    url: str
    requested_at: dt.datetime
    status: int
    headers: Mapping[str, str]
    request_headers: Mapping[str, str]
    file: Path | None
    sha256: str
    byte_count: int
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_unchanged(self) -> bool:
        """Whether the other side says that it is as it was."""
        return self.status == 304


@dataclass(frozen=True)
class Credentials:
    """What opens a feed, and where it may go.

    Attributes:
        headers: that go along, those that open something among them.
        query: parameters that go along.
        origins: `scheme://host:port` of those who get them; others get none.
        secrets: values that no text may show.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    origins: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def opens(self) -> bool:
        """Whether there is anything that others must not get."""
        return bool(self.secrets)

    def hidden(self, text: str) -> str:
        """A text without the secrets, as they are or as they stand in an address."""
        spelled = {way(secret) for secret in self.secrets for way in _SPELLINGS}
        for secret in sorted(spelled, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


# As it is; in addresses; in JSON, also PHP's; in HTML.
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    lambda text: json.dumps(text)[1:-1].replace("/", "\\u002f"),
    html.escape,
)
# It tells each address at INFO, with the parameters that open something.
logging.getLogger("httpx").setLevel(logging.WARNING)


def origin_of(url: str) -> str:
    """`scheme://host:port` of a URL, lower-case, with the port that is meant where none is written."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}"


class _TransientError(FetchError):
    """May be better in a moment; `wait` is what the other side asked for, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        asked = None if wait is None else dt.datetime.now(dt.UTC) + dt.timedelta(seconds=wait)
        super().__init__(message, asked)
        self.wait = wait


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The authorities that vouch for servers; read once, as that takes 38 of a short poll's 100 ms."""
    return httpx.create_ssl_context()


class Client:
    """Requests of one poll, one after the other. Use it in a `with` block.

    Args:
        limits: of the poll.
        credentials: what goes along, and where to.
        folder: for the bytes.
        pause: waits so many seconds before a request is tried again.
    """

    def __init__(
        self,
        limits: Limits,
        credentials: Credentials,
        folder: Path,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits, self._credentials, self._folder, self._pause = limits, credentials, folder, pause
        self._ends = time.monotonic() + limits.seconds
        self._numbers = itertools.count(1)
        self._http = httpx.Client(
            verify=_trusted(),
            headers={"User-Agent": f"CitiesInCharge/{version('cic-assets')}", "Accept-Encoding": "gzip"},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        accept: Callable[[Response], None] = lambda response: None,
    ) -> Response:
        """The answer to a GET, once it is a good one.

        Args:
            url: absolute, without the parameters that open something.
            headers: of this request alone.
            accept: looks at the answer, and raises `again` or `FetchError` where it is none.

        Raises:
            FetchError: none came within limits and attempts.
        """
        waits = wait_exponential_jitter(initial=_FIRST_WAIT, max=_LONGEST_WAIT, jitter=_FIRST_WAIT)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.wait if isinstance(error, _TransientError) else None
            return waits(state) if asked is None else asked

        attempts = Retrying(
            stop=stop_any(stop_after_attempt(ATTEMPTS), stop_before_delay(self._ends - time.monotonic())),
            wait=wait,
            retry=retry_if_exception_type(_TransientError),
            sleep=self._pause,
            reraise=True,
        )
        tried = 0

        def once() -> Response:
            nonlocal tried
            tried += 1
            found = self._once(url, headers or {})
            try:
                accept(found)
            except FetchError:
                self.drop(found)
                raise
            return found

        try:
            return attempts(once)
        except FetchError as error:
            said = f"{error} (tried {tried} times)" if tried > 1 else str(error)
            raise FetchError(said, error.not_before) from error

    @staticmethod
    def again(message: str) -> FetchError:
        """What `accept` raises for an answer that may be another one in a moment."""
        return _TransientError(message)

    def drop(self, response: Response) -> None:
        """Removes the bytes of an answer that nobody needs."""
        if response.file is not None:
            response.file.unlink(missing_ok=True)

    def _once(self, url: str, headers: Mapping[str, str]) -> Response:
        for _ in range(_MOST_REDIRECTS + 1):
            found = self._asked(url, headers)
            if isinstance(found, Response):
                return found
            url = found
        raise FetchError(f"{self._shown(url)}: more than {_MOST_REDIRECTS} redirects")

    def _asked(self, url: str, headers: Mapping[str, str]) -> Response | str:
        """The answer, or where it redirects to."""
        requested_at = dt.datetime.now(dt.UTC)
        try:
            is_trusted = origin_of(url) in self._credentials.origins
            sent = {**headers, **(self._credentials.headers if is_trusted else {})}
            target = httpx.URL(url)
            if is_trusted and self._credentials.query:
                target = target.copy_merge_params(dict(self._credentials.query))
            left = max(1.0, self._ends - time.monotonic())
            timeout = httpx.Timeout(min(_SILENT, left), connect=min(_CONNECT, left))
            with self._http.stream("GET", target, headers=sent, timeout=timeout) as answer:
                if answer.status_code in _REDIRECTS and "location" in answer.headers:
                    return self._redirected(url, answer.headers["location"])
                self._demand_good(url, answer)
                file, sha256, size = self._taken(url, answer)
                request_headers = self._told(answer.request.headers, sent)
                links = {rel: urljoin(url, target) for rel, target in links_in(answer.headers.get_list("link")).items()}
                return Response(
                    self._shown(str(answer.request.url)), requested_at, answer.status_code, self._told(answer.headers),
                    request_headers, file, sha256, size, links,
                )  # fmt: skip
        except httpx.TransportError as error:
            raise _TransientError(f"{self._shown(url)}: {self._reason(error)}") from error
        except (httpx.InvalidURL, httpx.HTTPError, ValueError) as error:
            raise FetchError(f"{self._shown(url)}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        if isinstance(error, httpx.TimeoutException):
            return "no answer in time"
        return self._credentials.hidden(str(error)) or type(error).__name__

    def demand_way(self, start: str, target: str, what: str) -> str:
        """Refuses to go where the feed's secrets must not, or back from https.

        Returns:
            The target; with https where it is the same host, whose server behind a proxy knows of http alone.

        Raises:
            FetchError: the target is of another host than the file names, or loses its encryption, or is no address.
        """
        try:
            begun, ahead = urlsplit(start), urlsplit(target)
            is_address = ahead.scheme in ("http", "https") and bool(ahead.hostname) and (ahead.port or 1) > 0
        except ValueError:
            is_address = False
        if not is_address or not target.isprintable():
            raise FetchError(f"{self._shown(start)} {what} {self._shown(target)[:_SHOWN]!r}, which is no web address")
        if begun.scheme == "https" and ahead.scheme == "http":
            if ahead.hostname != begun.hostname or ahead.port not in (None, 80, begun.port):
                raise FetchError(f"{self._shown(start)} {what} {self._shown(target)}, which is not encrypted")
            target = urlunsplit(ahead._replace(scheme="https", netloc=begun.netloc))
        if self._credentials.opens and origin_of(target) not in self._credentials.origins:
            host = ahead.netloc.rpartition("@")[2]
            raise FetchError(
                f"{self._shown(start)} {what} another host, {host}, which gets no token: if it is the operator's, add "
                f"`hosts: [{host}]` to `source`"
            )
        return target

    def _redirected(self, url: str, location: str) -> str:
        return self.demand_way(url, urljoin(url, location), "redirects to")

    def _demand_good(self, url: str, answer: httpx.Response) -> None:
        status = answer.status_code
        if status in (200, 304):
            return
        excerpt = self._excerpt(answer)
        said = f"{self._shown(url)}: {status} {answer.reason_phrase}{excerpt}"
        if status in _WORTH_ANOTHER:
            raise _TransientError(said, _retry_after(answer.headers.get("retry-after")))
        hints = {
            401: "; is the secret right, and its encoding?", 403: "; may this token read it?",
            404: "; is the address right?", 204: "; expected a document",
        }  # fmt: skip
        raise FetchError(said + hints.get(status, ""))

    def _excerpt(self, answer: httpx.Response) -> str:
        """The beginning of a short text, for people."""
        content = b""
        with contextlib.suppress(httpx.HTTPError, FetchError):
            for chunk in self._plain("", answer):
                content += chunk
                if len(content) >= _EXCERPT:
                    break
        text = " ".join(self._credentials.hidden(content[:_EXCERPT].decode("utf-8", "replace")).split())
        return f": {text[:_SHOWN]}" if text and text.isprintable() else ""

    def _taken(self, url: str, answer: httpx.Response) -> tuple[Path | None, str, int]:
        """(file, SHA-256, bytes) of an answer's content."""
        if answer.status_code == 304:
            return None, "", 0
        most = int(self._limits.megabytes * 1_000_000)
        path = self._folder / f"{next(self._numbers):06}"
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("wb") as file:
                for chunk in self._plain(url, answer):
                    size += len(chunk)
                    if size > most:
                        raise FetchError(
                            f"{self._shown(url)}: more than {self._limits.megabytes:g} MB (limits.megabytes)"
                        )
                    digest.update(chunk)
                    file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path, digest.hexdigest(), size

    def _plain(self, url: str, answer: httpx.Response) -> Iterator[bytes]:
        """An answer's content as it comes, its compression undone; each piece in time."""
        coding = answer.headers.get("content-encoding", "identity").strip().lower()
        pieces = self._in_time(url, answer.iter_raw())
        if coding in ("gzip", "x-gzip", "deflate"):
            yield from _inflated(url, pieces)
        elif coding in ("identity", ""):
            yield from pieces
        else:
            raise FetchError(f"{self._shown(url)}: encoded as {coding}, which was not asked for")

    def _in_time(self, url: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        # As they come from the network: a server that sends a byte now and then would fill no larger piece for hours.
        for piece in pieces:
            if time.monotonic() > self._ends:
                raise FetchError(f"{self._shown(url)}: more than {self._limits.seconds:g} s (limits.seconds)")
            yield piece

    def _shown(self, url: str) -> str:
        return self._credentials.hidden(url)

    def _told(self, headers: httpx.Headers, sent: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Headers for the catalogue: none that opens something."""
        found = dict(headers.items())
        hidden = is_sensitive(found) | {name.lower() for name in self._credentials.headers if sent is not None}
        return {name: self._credentials.hidden(value) for name, value in found.items() if name.lower() not in hidden}


def _inflated(url: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Gzip of one or more members, or zlib; one that ends before it should is none.

    Raises:
        FetchError: it is damaged or cut; worth another try.
    """
    member = zlib.decompressobj(_ANY_ZLIB)
    for piece in pieces:
        while piece:
            if member.eof:
                member = zlib.decompressobj(_ANY_ZLIB)
            try:
                yield member.decompress(piece)
            except zlib.error as error:
                raise _TransientError(f"{url}: damaged while it was packed ({error})") from error
            piece = member.unused_data if member.eof else b""
    if not member.eof:
        raise _TransientError(f"{url}: packed, and cut before its end")


_LINK = re.compile(
    r"""<([^>]*)>((?:\s*;\s*[A-Za-z0-9!#$&+.^_`|~*-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s";,]*))?)*)""",
)
_PARAMETER = re.compile(r""";\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))""")


def links_in(headers: Iterable[str]) -> dict[str, str]:
    """The targets of `Link` headers by relation in small letters (RFC 8288); the first of a relation counts."""
    found: dict[str, str] = {}
    for target, parameters in _LINK.findall(", ".join(headers)):
        for name, quoted, plain in _PARAMETER.findall(parameters):
            if name.lower() == "rel":
                for relation in (quoted or plain).lower().split():
                    found.setdefault(relation, target.strip())
    return found


def _retry_after(value: str | None) -> float | None:
    """Seconds that an answer asks to wait: a number, or a date (RFC 9110 §10.2.3); None where it says neither."""
    wait = _asked_wait(value)
    return None if wait is None else min(wait, _LONGEST_ASKED)


def _asked_wait(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds()) if moment.tzinfo else None
