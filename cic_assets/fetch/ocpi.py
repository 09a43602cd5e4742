"""OCPI over HTTP: versions → details → endpoint, then a module page by page (OCPI 2.2.1, 4.1 and 6).

A list that changes while it is read may show an object on no page: one that is updated moves to the end, and those
behind it move up. So a pass over the pages is *settled* if `X-Total-Count` was the same on all of them and no object
stood on two; a pass that is not is read again, and if none settles, the next poll asks for the same time once more.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from cic_assets.fetch.client import Client, Response
from cic_assets.fetch.errors import FetchError
from cic_assets.kinds.source import OcpiSource

# Newest last.
VERSIONS = ("2.1.1", "2.2", "2.2.1", "2.3.0")
# From 2.2 on the token is sent as Base64 (2.2.1, 4.1.1).
_PLAIN_TOKENS = ("2.1.1",)
_PASSES = 3
_MOST_EMPTY = 3
# More than is told in the end, once secrets are hidden: what is cut before might show a part of one.
_SHOWN = 2_000


@dataclass(frozen=True)
class KnownPage:
    """What an earlier answer of the same URL was.

    Attributes:
        conditions: headers with which the answer may be that it is as it was.
        object_count: of its objects.
        next_url: where it went on; an answer that says no more than that repeats no links (RFC 9110, 15.4.5).
    """

    conditions: Mapping[str, str]
    object_count: int
    next_url: str | None


@dataclass(frozen=True)
class Page:
    """One answer of a module.

    Attributes:
        url: asked for.
        response: as received.
        count: of its objects.
        ids: of its objects, as far as they have some; none of an answer that says that nothing has changed.
        total: `X-Total-Count`; None where it is not said.
        timestamp: of the envelope, when the party made the answer; None where it says none that can be read.
        next_url: what its `Link` header names as the next page.
    """

    url: str
    response: Response
    count: int
    ids: tuple[str, ...]
    total: int | None
    timestamp: dt.datetime | None
    next_url: str | None


def token_header(secret: str, *, is_base64: bool) -> str:
    """The value of `Authorization`."""
    return f"Token {base64_of(secret) if is_base64 else secret}"


def base64_of(text: str) -> str:
    """A text as Base64."""
    return base64.b64encode(text.encode()).decode()


def sends_base64(source: OcpiSource) -> bool:
    """How the token is sent: as the file says, else as the version does; 2.2.1 where it says neither."""
    if source.sends_base64 is not None:
        return source.sends_base64
    return source.version not in _PLAIN_TOKENS


def endpoint(client: Client, source: OcpiSource) -> str:
    """The module's URL: the source's own, or what the party's versions say.

    Raises:
        FetchError: it has no version that is known here, or not this module.
    """
    if source.url is not None:
        return source.url
    assert source.versions is not None
    offered = [each for each in _data(client, source.versions, list) if isinstance(each, Mapping)]
    urls = {str(each["version"]): str(each["url"]) for each in offered if {"version", "url"} <= each.keys()}
    wanted: str = source.version or next((version for version in reversed(VERSIONS) if version in urls), "")
    if wanted not in urls:
        said = ", ".join(urls) or "none"
        raise FetchError(f"{source.versions} has version {said}, not {source.version or ' or '.join(VERSIONS)}")
    details = client.demand_way(source.versions, _joined(source.versions, urls[wanted]), "has its version details at")
    listed = _data(client, details, Mapping).get("endpoints")
    endpoints = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    mine = [each for each in endpoints if each.get("identifier") == source.module and "url" in each]
    # From 2.2 on a party may have both sides of a module; ours is to ask the one that sends.
    sending = [each for each in mine if each.get("role") in (None, "SENDER")]
    if not sending:
        names = ", ".join(sorted({str(each.get("identifier")) for each in endpoints})) or "none"
        raise FetchError(f"{details} has no endpoint that sends {source.module}; there are {names}")
    return client.demand_way(details, _joined(details, str(sending[0]["url"])), "has its endpoint at")


def _joined(base: str, target: str) -> str:
    """An address, as it stands where it is none."""
    try:
        return urljoin(base, target)
    except ValueError:
        return target


def _data(client: Client, url: str, kind: Any) -> Any:
    """`data` of an answer that nobody keeps."""
    response = client.get(url, _asking(), lambda found: _demand_envelope(found, url))
    if response.is_unchanged:
        raise FetchError(f"{url}: 304 Not Modified, to a request without a condition")
    try:
        data = _envelope(response, url).get("data")
    finally:
        client.drop(response)
    if not isinstance(data, kind):
        raise FetchError(f"{url}: `data` is no {'list' if kind is list else 'object'}; is it the right address?")
    return data


@dataclass(frozen=True)
class Module:
    """A module of a party, to be read.

    Attributes:
        client: whose requests they are.
        source: what is asked for.
        url: of the module.
        since: `date_from`, inclusive; None for all.
        known: URL of a page → what its last answer was; None where that is gone.
        take: gets each page as it comes, and where it goes on.
    """

    client: Client
    source: OcpiSource
    url: str
    since: dt.datetime | None
    known: Callable[[str], KnownPage | None]
    take: Callable[[Client, Page, str | None], None]

    def passes(self) -> Iterator[tuple[Sequence[Page], bool]]:
        """Each pass over the module's pages, and whether it is settled; the last one is, or is the third.

        Raises:
            FetchError: a page didn't come.
        """
        before: Sequence[Page] = ()
        for _ in range(_PASSES):
            pages = list(self._pages())
            settled = is_settled(pages, before)
            yield pages, settled
            if settled:
                return
            before = pages

    def _pages(self) -> Iterator[Page]:
        given: dict[str, str] = {}
        if self.since is not None:
            given["date_from"] = self.since.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.source.page_size is not None:
            given["limit"] = str(self.source.page_size)
        target: str | None = with_parameters(self.url, given)
        seen: set[str] = set()
        last: Page | None = None
        offset, has_links, empty = 0, False, 0
        while target is not None:
            if target in seen:
                raise FetchError(f"{target}: its pages lead in a circle")
            seen.add(target)
            if len(seen) > self.source.limits.pages:
                raise FetchError(f"{self.url}: more than {self.source.limits.pages} pages (limits.pages)")
            page = _page(self.client, target, self.known(target))
            if last is not None and not has_links and page.ids and page.ids == last.ids:
                raise FetchError(
                    f"{target}: the page before, once more; the party sends no links, and no other `offset`"
                )
            offset, empty = offset + page.count, 0 if page.count else empty + 1
            has_links |= page.next_url is not None
            # Some parties link on and on, to pages with nothing on them.
            is_over = empty >= _MOST_EMPTY or (empty > 0 and page.total is not None and offset >= page.total)
            following = None if is_over else page.next_url or (None if has_links else _next(page, target, offset))
            if following is not None:
                following = self.client.demand_way(target, following, "goes on at")
            self.take(self.client, page, following)
            yield page
            target, last = following, page


def is_settled(pages: Sequence[Page], before: Sequence[Page] = ()) -> bool:
    """Whether the list stood still while it was read, as far as its pages tell, and came as a whole.

    It did not come as a whole if there are fewer objects than `X-Total-Count` says. It stood still if that was the same
    on all pages and no object is on two of them; or if the pass before had the same objects: some parties count a page
    where they should count all, or list an object twice.
    """
    totals = {page.total for page in pages if page.total is not None}
    if sum(page.count for page in pages) < max(totals, default=0):
        return False
    names = [set(page.ids) for page in pages]
    stands_still = len(totals) <= 1 and sum(map(len, names)) == len(set().union(*names))
    is_same = bool(before) and [page.ids for page in pages] == [page.ids for page in before]
    return len(pages) < 2 or stands_still or is_same


def _page(client: Client, url: str, before: KnownPage | None) -> Page:
    conditions = {} if before is None else before.conditions
    response = client.get(url, {**_asking(), **conditions}, lambda found: _demand_envelope(found, url))
    total = response.headers.get("x-total-count", "").strip()
    count = int(total) if total.isascii() and total.isdigit() else None
    link = response.links.get("next")
    if response.is_unchanged:
        if before is None:
            raise FetchError(f"{url}: 304 Not Modified, to a request without a condition")
        return Page(url, response, before.object_count, (), count, None, link or before.next_url)
    content = _envelope(response, url)
    data = content.get("data") or []
    if not isinstance(data, list):
        raise FetchError(f"{url}: `data` is no list; is it the module's address?")
    names = tuple(name for each in data if (name := _name(each)))
    return Page(url, response, len(data), names, count, _moment(content.get("timestamp")), link)


def _asking() -> dict[str, str]:
    """Headers of each request (2.2.1, 4.1.4)."""
    return {
        "Accept": "application/json", "X-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": str(uuid.uuid4()),
    }  # fmt: skip


def _name(thing: object) -> str:
    """What an object is called within a module; empty for one without an id."""
    if isinstance(thing, Mapping) and isinstance(thing.get("id"), str):
        return "/".join(str(thing.get(part, "")) for part in ("country_code", "party_id", "id")).lower()
    return ""


def _next(page: Page, target: str, offset: int) -> str | None:
    """The next page of a party that sends no `Link` header: by what is left of its total."""
    if page.total is None or offset >= page.total or not page.count:
        return None
    return with_parameters(target, {"offset": str(offset)})


def with_parameters(url: str, given: Mapping[str, str]) -> str:
    """A URL with some parameters in place of its own of these names."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in given]
    return urlunsplit(parts._replace(query=urlencode([*kept, *given.items()])))


def _demand_envelope(response: Response, url: str) -> None:
    """Refuses an answer that is none, or that says of itself that it is none, within a 200 (2.2.1, 5)."""
    if not response.is_unchanged:
        _envelope(response, url)


def _envelope(response: Response, url: str) -> Mapping[str, Any]:
    assert response.file is not None
    text = response.file.read_bytes()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = " ".join(text[:_SHOWN].decode("utf-8", "replace").split())
        raise Client.again(f"{url}: no JSON ({error}): {shown!r}") from error
    if not isinstance(content, Mapping) or not {"data", "status_code"} & content.keys():
        raise FetchError(f"{url}: JSON without OCPI's envelope (data, status_code): use `type: http` for it")
    code = content.get("status_code", 1000)
    code = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else code
    if isinstance(code, int) and 1000 <= code < 2000:
        return content
    said = f"{url}: OCPI {code} {str(content.get('status_message') or '')[:_SHOWN]}".rstrip()
    # 3xxx: the party's own trouble; 2xxx: ours.
    if isinstance(code, int) and 3000 <= code < 4000:
        raise Client.again(said)
    raise FetchError(said)


def _moment(value: object) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(value))
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
