"""One poll of one feed: asks its source, lands what comes as received, and says in the ledger what became of it.

What has landed stays, also of a poll that fails later: rows are told apart when they are read, and the next good poll
asks again for what is missing.
"""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from cic_assets.errors import PlatformError
from cic_assets.facts.reach import silenced
from cic_assets.fetch import folder, ocpi
from cic_assets.fetch.client import Client, Credentials, Response, origin_of
from cic_assets.fetch.errors import FetchError
from cic_assets.ingest.landing import LandingError, land, see_again
from cic_assets.kinds.source import DATED, FolderSource, HttpSource, OcpiSource, Secret, WebSource
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import journal, polls
from cic_assets.ledger.periods import mark_stale
from cic_assets.ledger.polls import Answer, Poll, Recent
from cic_assets.parts import Parts

_ENDINGS = {"csv": ".csv", "json": ".json", "jsonl": ".jsonl", "xlsx": ".xlsx"}
_WEB_PAGE = "text/html"
# A party's time that is further from ours is none: some send the year 1.
_CLOCKS_DIFFER = dt.timedelta(days=1)
_LONGEST_REST = dt.timedelta(days=1)
LOG = logging.getLogger(__name__)


class NoSourceError(PlatformError):
    """The stream file says nothing of where its bytes come from."""


def utc_now() -> dt.datetime:
    """The clock of a poll that nobody gives another one."""
    return dt.datetime.now(dt.UTC)


def poll(
    parts: Parts,
    stream: Stream,
    clock: Callable[[], dt.datetime] = utc_now,
    pause: Callable[[float], None] = time.sleep,
    since: dt.datetime | None = None,
) -> Poll:
    """Fetches a feed once.

    Args:
        parts: lake, warehouse, secrets.
        stream: with a `source`.
        clock: what time it is, no later than it really is; simulations have another one.
        pause: waits so many seconds before a request is tried again.
        since: `date_from` of a module that is asked for by time, in place of where the last good poll ended.

    Returns:
        The poll as the ledger has it; one that failed says why.

    Raises:
        NoSourceError: its file names none, or `since` is given for one that is not asked for by time.
        BeingPolledError: another process polls it.
    """
    source = stream.source
    if source is None:
        raise NoSourceError(
            f"{stream.id} is landed by hand: its file has no `source` (docs/streams.md); `cic land {stream.id} FILE`"
        )
    is_dated = isinstance(source, OcpiSource) and source.is_dated
    if since is not None and not is_dated:
        raise NoSourceError(
            f"{stream.id}: each poll takes all that there is; only OCPI's {' and '.join(DATED)} have a since"
        )
    with polls.polling(parts.warehouse, stream.id):
        run = _Run(parts, stream, Poll(stream.id, clock(), source.every), pause)
        with parts.warehouse.transaction() as connection:
            before = polls.recent(connection, [stream.id]).get(stream.id)
            polls.begin(connection, run.poll)
        try:
            if isinstance(source, OcpiSource) and is_dated:
                run.reach(source, since)
            with tempfile.TemporaryDirectory(prefix="cic-poll-") as scratch:
                run.fetch(source, Path(scratch))
        except psycopg.Error:
            raise
        except Exception as error:
            # Whatever it is, it is this feed's, and a row says so: some servers send what no standard knows.
            if not isinstance(error, PlatformError | OSError):
                LOG.exception("%s: a poll ended by a defect", stream.id)
            said = run.hidden(str(error).strip() or type(error).__name__)
            done = _failed(run.poll, said, _not_before(error, run.poll))
        else:
            done = replace(run.poll, outcome="new" if run.poll.new_count else "unchanged")
        done = replace(done, ended_at=max(clock(), done.started_at), answers=tuple(run.answers))
        return _kept(parts, stream, before, polls.clean(done))


def _kept(parts: Parts, stream: Stream, before: Recent | None, done: Poll) -> Poll:
    """The poll as journal and warehouse have it, with the days that are others by a gap that it shows."""
    try:
        journal.note(parts.lake, journal.Polled(done))
    except (PlatformError, OSError) as error:
        # The warehouse has it; the journal takes it from there when the lake is well again.
        done = _failed(done, done.error or str(error))
    with parts.warehouse.transaction() as connection:
        polls.put(connection, [done])
        if before is not None and (lost := _lost_days(before, done)):
            mark_stale(connection, stream.id, silenced(stream, *lost))
    return done


def _failed(poll: Poll, said: str, not_before: dt.datetime | None = None) -> Poll:
    return replace(poll, outcome="failed", error=said, not_before=not_before, reach_to=None)


def _not_before(error: Exception, poll: Poll) -> dt.datetime | None:
    """When the other side wants to be asked again; no later than a period or a day from now, whatever it says."""
    asked = error.not_before if isinstance(error, FetchError) else None
    latest = poll.started_at + max(poll.every, _LONGEST_REST)
    return None if asked is None else min(asked, latest)


def _lost_days(before: Recent, done: Poll) -> tuple[dt.datetime, dt.datetime] | None:
    """From when to when a gap of ours lies that nobody knew of: after a first failure, or where polls were not made."""
    if before.last_good_at is None:
        return None
    is_late = done.started_at - before.last_good_at > polls.PERIODS * done.every
    # One that was left running died with its process: nobody has said so yet.
    shows_gap = not done.is_good or is_late or before.last.outcome == "running"
    return (before.last_good_at, done.started_at) if shows_gap and not before.failed else None


class _Run:
    """A poll under way: what it has so far.

    Attributes:
        poll: so far.
        answers: so far.
    """

    def __init__(self, parts: Parts, stream: Stream, begun: Poll, pause: Callable[[float], None]) -> None:
        self.poll = begun
        self.answers: list[Answer] = []
        self._parts, self._stream, self._pause = parts, stream, pause
        self._credentials = Credentials()
        self._landed = 0
        self._reached: dt.datetime | None = None
        self._joins = True

    def reach(self, source: OcpiSource, since: dt.datetime | None) -> None:
        """Sets from when on a module is asked for: from `since`, else from where the last good poll ended."""
        with self._parts.warehouse.transaction() as connection:
            self._reached = polls.last_reach(connection, self._stream.id)
        start = dt.datetime.combine(source.since, dt.time(), dt.UTC) if source.since else None
        usual = (self._reached - source.overlap).replace(microsecond=0) if self._reached else start
        self.poll = replace(self.poll, reach_from=since or usual)
        # What lies between is asked for by nobody, if this poll begins after where the last one ended.
        self._joins = since is None or (usual is not None and since <= usual)

    def hidden(self, text: str) -> str:
        """A text without the source's secrets."""
        return self._credentials.hidden(text)

    def fetch(self, source: FolderSource | HttpSource | OcpiSource, scratch: Path) -> None:
        """Asks the source and lands what comes.

        Raises:
            PlatformError, OSError: it can't go on.
        """
        if isinstance(source, FolderSource):
            self._folder(source)
            return
        self._credentials = _credentials(source, self._secret)
        with Client(source.limits, self._credentials, scratch, self._pause) as client:
            if isinstance(source, HttpSource):
                self._document(client, source)
            else:
                self._module(client, source)

    def _secret(self, wanted: Secret) -> str:
        return self._parts.secret(wanted.secret)

    def _document(self, client: Client, source: HttpSource) -> None:
        def demand_feed(found: Response) -> None:
            is_page = found.headers.get("content-type", "").startswith(_WEB_PAGE)
            if is_page and found.file is not None and _begins_with_tag(found.file):
                raise FetchError(f"{source.url}: a web page, not {self._stream.format.type}: is the address right?")

        # With what opens nothing: another parameter is another document.
        url = ocpi.with_parameters(source.url, {n: each for n, each in source.query.items() if isinstance(each, str)})
        response = client.get(url, self._unless(url), demand_feed)
        self._take(client, response, url)

    def _module(self, client: Client, source: OcpiSource) -> None:
        url = ocpi.endpoint(client, source)
        reached = None
        module = ocpi.Module(client, source, url, self.poll.reach_from, self._known_page, self._page)
        for pages, is_settled in module.passes():
            if is_settled:
                # The party's clock may be behind ours: what it updates next is stamped by its own.
                moments = [page.timestamp for page in pages if page.timestamp is not None]
                near = [each for each in moments if abs(each - self.poll.started_at) < _CLOCKS_DIFFER]
                reached = min([self.poll.started_at, *near])
        if source.is_dated and self._joins:
            self.poll = replace(self.poll, reach_to=reached)

    def _page(self, client: Client, page: ocpi.Page, following: str | None) -> None:
        self._take(client, page.response, page.url, page.count, following)

    def _folder(self, source: FolderSource) -> None:
        with self._parts.warehouse.transaction() as connection:
            known = polls.answers_by_url(connection, self._stream.id)
        wrong = []
        for file in folder.settled_files(source, self._stream.claims, self.poll.started_at):
            before = known.get(file.name)
            if before is not None and before.response_headers == file.headers:
                continue
            if file.megabytes > source.limits.megabytes:
                wrong.append(f"{file.name}: more than {source.limits.megabytes:g} MB (limits.megabytes)")
                continue
            try:
                landing = land(self._parts, self._stream, file.path, self.poll.started_at)
            except LandingError as error:
                wrong.append(str(error))
                continue
            answer = Answer(
                file.name, self.poll.started_at, 200, {}, file.headers, landing.landed.sha256, file.byte_count
            )
            self._note(answer, is_new=landing.new)
        if wrong:
            raise FetchError("; ".join(wrong))

    def _unless(self, url: str) -> dict[str, str]:
        """Headers with which an answer may be that nothing has changed since the last one, if that is still there."""
        before = self._before(url)
        return {} if before is None else _conditions(before)

    def _before(self, url: str) -> Answer | None:
        """The last answer of a URL, if its bytes are there, or went by their retention; else they are sent again."""
        with self._parts.warehouse.transaction() as connection:
            found = polls.last_answer(connection, self._stream.id, self.hidden(url))
        if found is None:
            return None
        answer, path, is_purged = found
        return answer if is_purged or self._parts.lake.exists(path) else None

    def _known_page(self, url: str) -> ocpi.KnownPage | None:
        before = self._before(url)
        conditions = {} if before is None else _conditions(before)
        if before is None or not conditions:
            return None
        return ocpi.KnownPage(conditions, before.object_count or 0, before.next_url)

    def _take(
        self, client: Client, response: Response, url: str, objects: int | None = None, following: str | None = None
    ) -> None:
        """Lands an answer as received; of one that says that nothing has changed, sights what it was."""
        parts, stream, seen_at = self._parts, self._stream, self.poll.started_at
        self._landed += 1
        name = f"{stream.id}-{seen_at:%Y%m%dT%H%M%SZ}-{self._landed:04}{_ENDINGS[stream.format.type]}"
        if response.file is None:
            before = self._before(url)
            if before is None:
                raise FetchError(f"{url}: 304 Not Modified, to a request without a condition")
            see_again(parts, stream.id, before.sha256, name, seen_at)
            sha256, size, is_new = before.sha256, 0, False
        else:
            file = response.file.rename(response.file.with_name(name))
            landing = land(parts, stream, file, seen_at)
            file.unlink()
            sha256, size, is_new = landing.landed.sha256, response.byte_count, landing.new
        # Where it goes on is of no use with a secret left out.
        onward = following if following is not None and self.hidden(following) == following else None
        answer = Answer(
            self.hidden(url), response.requested_at, response.status, response.request_headers, response.headers,
            sha256, size, objects, onward,
        )  # fmt: skip
        self._note(answer, is_new=is_new)

    def _note(self, answer: Answer, *, is_new: bool) -> None:
        self.answers.append(answer)
        self.poll = replace(self.poll, new_count=self.poll.new_count + is_new)


def _begins_with_tag(file: Path) -> bool:
    """Whether a document is marked up: some servers call any text a web page."""
    with file.open("rb") as content:
        return content.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def _conditions(before: Answer) -> dict[str, str]:
    """`If-None-Match`, or `If-Modified-Since` where there is no ETag (RFC 9110 §13.1)."""
    headers = before.response_headers
    if etag := headers.get("etag"):
        return {"If-None-Match": etag}
    if modified := headers.get("last-modified"):
        return {"If-Modified-Since": modified}
    return {}


def _credentials(source: WebSource, secret: Callable[[Secret], str]) -> Credentials:
    """What opens the source, and to whom it goes: the host of its address, and those that the file names."""
    values: list[str] = []

    def value(given: Secret | str) -> str:
        if isinstance(given, str):
            return given
        values.append(secret(given))
        return values[-1]

    headers = {name: value(given) for name, given in source.headers.items()}
    query: Mapping[str, str] = {}
    if isinstance(source, HttpSource):
        url = source.url
        query = {name: value(given) for name, given in source.query.items() if isinstance(given, Secret)}
        if source.token is not None:
            headers["Authorization"] = f"{source.scheme} {_basic(source.scheme, value(source.token))}"
    else:
        assert isinstance(source, OcpiSource)
        url = source.url or source.versions or ""
        if source.token is not None:
            headers["Authorization"] = ocpi.token_header(value(source.token), is_base64=ocpi.sends_base64(source))
    scheme = urlsplit(url).scheme
    hosts = {origin_of(f"{scheme}://{host}") for host in source.hosts}
    # What is sent in another spelling must not be shown in it either.
    spelled = [text.rpartition(" ")[2] for name, text in headers.items() if name == "Authorization"]
    return Credentials(headers, query, frozenset({origin_of(url), *hosts}), tuple({*values, *spelled}))


def _basic(scheme: str, secret: str) -> str:
    return ocpi.base64_of(secret) if scheme == "Basic" else secret
