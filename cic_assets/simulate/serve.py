"""The simulated county as a server: its operators' OCPI modules, its open feeds and files, on a clock of its own.

What a feed shows at a moment is what its files had brought by then, so that fetching it gives the same facts as landing
them: of a module each object as it was last updated, of an open feed the newest response, of other feeds the newest
file. Locations of a provider that pushes its changes show the state of the moment. It listens on this machine alone.

    /                                          what there is, and `source` blocks to copy
    /ocpi/<provider>/versions                  with a token; then 2.2.1/<module>, in pages, by date_from and date_to
    /open/<provider>/locations, tariffs        open data, as UK operators publish it: without a token, with an ETag
    /files/<stream id>                         the newest file of a stream, with ETag and Last-Modified
    GET, POST /clock                           {"now": …, "speed": …}
    POST /outage                               {"provider": …, "seconds": …, "how": …}; simulated seconds; 0 ends it
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import socket
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cic_assets.kinds.source import OcpiSource
from cic_assets.kinds.vocabulary import STATES
from cic_assets.simulate import SimulatedFile
from cic_assets.simulate.clock import utc
from cic_assets.simulate.county import PROVIDERS

TOKEN = "county-token"
VERSION = "2.2.1"
# Objects of a page, if nobody asks for fewer.
PAGE = 100
HOST = "127.0.0.1"
# Of its files: module → which stream's files are made of its objects.
_OBJECTS = {"sessions": "{}_ocpi_sessions", "cdrs": "{}_sessions"}
_MINUTE = 60.0
# How an outage shows: an answer of HTTP, or one of OCPI within a 200.
Outage = Literal["503", "429", "500", "3000", "html"]
_OUTAGES: tuple[Outage, ...] = ("503", "429", "500", "3000", "html")


class Clock:
    """The county's time: begins at a moment and runs so many times faster than ours; 0 stands still."""

    def __init__(self, now: dt.datetime, speed: float = 1.0) -> None:
        self._lock = threading.Lock()
        self.speed = speed
        self.set(now, speed)

    def set(self, now: dt.datetime, speed: float | None = None) -> None:
        """Goes to a moment."""
        with self._lock:
            self._from, self._since = now.astimezone(dt.UTC), time.monotonic()
            self.speed = self.speed if speed is None else speed

    def now(self) -> dt.datetime:
        """The county's time."""
        with self._lock:
            return self._from + dt.timedelta(seconds=(time.monotonic() - self._since) * self.speed)


@dataclass(frozen=True)
class _Object:
    """An object of a module, and when it was updated: its `last_updated`, of one without it the file's arrival."""

    updated_at: dt.datetime
    key: str
    content: Mapping[str, Any]


class Feeds:
    """What the files of a simulated county show at a moment.

    Args:
        files: with the streams that they belong to.
        beside: others, tariffs among them.
    """

    def __init__(self, files: Sequence[SimulatedFile], beside: Sequence[Path]) -> None:
        self._by_stream: dict[str, list[SimulatedFile]] = {}
        for file in sorted(files, key=lambda each: each.arrived_at):
            self._by_stream.setdefault(file.stream_id, []).append(file)
        self._tariffs = {path.name.removesuffix("_tariffs.json"): path for path in beside if "_tariffs" in path.name}
        self._objects: dict[str, list[_Object]] = {}
        self._pushes: dict[str, dict[str, tuple[list[dt.datetime], list[str]]]] = {}
        self._lock = threading.Lock()

    @property
    def streams(self) -> list[str]:
        """Streams that have files."""
        return sorted(self._by_stream)

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """When the first and the last file came."""
        moments = [file.arrived_at for files in self._by_stream.values() for file in files]
        return min(moments), max(moments)

    def modules(self, provider: str) -> list[str]:
        """OCPI modules that a provider has."""
        found = ["locations"] if self._is_json(f"{provider}_locations") else []
        found += [name for name, stream in _OBJECTS.items() if self._is_lines(stream.format(provider))]
        return [*found, *(["tariffs"] if provider in self._tariffs else [])]

    def _is_json(self, stream_id: str) -> bool:
        return any(file.path.suffix == ".json" for file in self._by_stream.get(stream_id, ()))

    def _is_lines(self, stream_id: str) -> bool:
        return any(file.path.suffix == ".jsonl" for file in self._by_stream.get(stream_id, ()))

    def newest(self, stream_id: str, now: dt.datetime) -> SimulatedFile | None:
        """The last file of a stream that has come by now."""
        found = [file for file in self._by_stream.get(stream_id, ()) if file.arrived_at <= now]
        return found[-1] if found else None

    def locations(self, provider: str, now: dt.datetime) -> tuple[list[Any], str]:
        """(locations, when they were so): of a provider that pushes, as of now; else of the newest response."""
        files = self._by_stream[f"{provider}_locations"]
        file = self.newest(f"{provider}_locations", now) or files[0]
        response = json.loads(file.path.read_bytes())
        if not (pushes := self._pushed(provider)):
            return (response["data"], response["timestamp"]) if file.arrived_at <= now else ([], utc_text(now))
        for location in response["data"]:
            for evse in location["evses"]:
                moments, states = pushes.get(evse["uid"], ((), ()))
                if place := bisect_right(moments, now):
                    evse |= {"status": states[place - 1], "last_updated": utc_text(moments[place - 1])}
                    evse["connectors"] = [{**each, "last_updated": evse["last_updated"]} for each in evse["connectors"]]
            location["last_updated"] = max(evse["last_updated"] for evse in location["evses"])
        return response["data"], utc_text(now)

    def _pushed(self, provider: str) -> dict[str, tuple[list[dt.datetime], list[str]]]:
        """Of a provider that pushes each change: EVSE → when it changed, and to what."""
        with self._lock:
            if provider not in self._pushes:
                found: dict[str, list[tuple[dt.datetime, str]]] = {}
                for file in self._by_stream.get(f"{provider}_status", ()):
                    lines = file.path.read_text(encoding="utf-8").splitlines() if file.path.suffix == ".jsonl" else ()
                    for line in lines:
                        with contextlib.suppress(ValueError, KeyError, TypeError):
                            message = json.loads(line)
                            state = STATES[STATES.index(message["body"]["status"])]
                            moment = _instant(message["body"]["last_updated"])
                            found.setdefault(message["path"].rpartition("/")[2], []).append((moment, state))
                self._pushes[provider] = {
                    uid: ([moment for moment, _ in sorted(changes)], [state for _, state in sorted(changes)])
                    for uid, changes in found.items()
                }
            return self._pushes[provider]

    def objects(self, provider: str, module: str, now: dt.datetime) -> list[_Object]:
        """Objects as they were last updated by now, in the order of that."""
        newest: dict[str, _Object] = {}
        for each in self._read(provider, module):
            if each.updated_at <= now:
                newest[each.key] = each
        return sorted(newest.values(), key=lambda each: (each.updated_at, each.key))

    def _read(self, provider: str, module: str) -> list[_Object]:
        """All that a module ever has, in the order of updates."""
        with self._lock:
            if (key := f"{provider}/{module}") not in self._objects:
                found = list(self._tariffs_of(provider) if module == "tariffs" else self._lines_of(provider, module))
                self._objects[key] = sorted(found, key=lambda each: each.updated_at)
            return self._objects[key]

    def _lines_of(self, provider: str, module: str) -> Iterator[_Object]:
        for file in self._by_stream.get(_OBJECTS[module].format(provider), ()):
            for number, line in enumerate(file.path.read_text(encoding="utf-8").splitlines()):
                # Dirt of a file; a server sends JSON.
                with contextlib.suppress(ValueError):
                    yield _object(json.loads(line), f"{file.path.name}:{number}", file.arrived_at)

    def _tariffs_of(self, provider: str) -> Iterator[_Object]:
        for number, each in enumerate(json.loads(self._tariffs[provider].read_bytes())):
            yield _object(each, f"tariff:{number}", self.span[0])


def _object(content: Any, name: str, arrived_at: dt.datetime) -> _Object:
    if not isinstance(content, dict):
        return _Object(arrived_at, name, {"unreadable": content})
    try:
        updated_at = _instant(str(content["last_updated"]))
    except (KeyError, ValueError):
        updated_at = arrived_at
    return _Object(updated_at, str(content.get("id", name)), content)


def utc_text(moment: dt.datetime) -> str:
    """An instant as OCPI writes it."""
    return utc(int(moment.timestamp()))


def _instant(text: str) -> dt.datetime:
    """A time of OCPI: without an offset it is UTC."""
    found = dt.datetime.fromisoformat(text)
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


@dataclass
class County:
    """A running county: what it shows, when, and to whom.

    Attributes:
        feeds: what it shows.
        clock: its time.
        token: that opens its OCPI.
        requests_a_minute: beyond so many, a caller is asked to wait; None for no limit.
        page_size: objects of a page at most.
        before_page: is called before each page of a module is made, with provider, module and offset.
    """

    feeds: Feeds
    clock: Clock
    token: str = TOKEN
    requests_a_minute: int | None = None
    page_size: int = PAGE
    before_page: Callable[[str, str, int], None] = lambda provider, module, offset: None
    _outages: dict[str, tuple[dt.datetime, Outage]] = field(default_factory=dict)
    _asked: deque[float] = field(default_factory=deque)

    def fail(self, provider: str, seconds: float, how: Outage = "503") -> None:
        """A provider answers nothing else for so many simulated seconds; 0 ends it."""
        self._outages[provider] = (self.clock.now() + dt.timedelta(seconds=seconds), how)

    def app(self) -> Starlette:
        """The server."""
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/clock", self._clock, methods=["GET", "POST"]),
                Route("/outage", self._outage, methods=["POST"]),
                Route("/files/{stream_id}", self._file),
                Route("/open/{provider}/{module}", self._open),
                Route("/ocpi/{provider}/versions", self._versions),
                Route("/ocpi/{provider}/" + VERSION, self._details),
                Route("/ocpi/{provider}/" + VERSION + "/{module}", self._module),
            ]
        )

    def _index(self, request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return PlainTextResponse("\n".join(self.said(base)) + "\n")

    def said(self, base: str) -> Iterator[str]:
        """What there is, with `source` blocks to copy, for people."""
        yield f"The simulated county; its time is {utc_text(self.clock.now())}, ×{self.clock.speed:g} ({base}/clock)"
        for provider in PROVIDERS:
            for module in self.feeds.modules(provider.name):
                yield ""
                if provider.status == "works":
                    yield f"# {module} of {provider.name}, open data"
                    url = f"{base}/open/{provider.name}/{module}"
                    yield f"source: {{type: ocpi, module: {module}, url: {url}, every: PT10M}}"
                else:
                    yield f"# {module} of {provider.name}; CIC_SECRET_COUNTY={self.token}"
                    yield (
                        f"source: {{type: ocpi, module: {module}, versions: {base}/ocpi/{provider.name}/versions, "
                        "token: {secret: county}, every: PT10M}"
                    )
        for stream_id in self.feeds.streams:
            yield ""
            yield f"# the newest file of {stream_id}"
            yield f"source: {{type: http, url: {base}/files/{stream_id}, every: PT1H}}"

    async def _clock(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                asked = json.loads(await request.body() or b"{}")
                now = _instant(asked["now"]) if "now" in asked else self.clock.now()
                speed = float(asked.get("speed", self.clock.speed))
            except (ValueError, TypeError, AttributeError) as error:
                return PlainTextResponse(f'{error}: send {{"now": "2026-10-01T00:00:00Z", "speed": 60}}\n', 400)
            self.clock.set(now, speed)
        return JSONResponse({"now": utc_text(self.clock.now()), "speed": self.clock.speed})

    async def _outage(self, request: Request) -> Response:
        try:
            asked = json.loads(await request.body())
            provider, seconds, how = asked["provider"], float(asked["seconds"]), asked.get("how", _OUTAGES[0])
            if provider not in {each.name for each in PROVIDERS} or how not in _OUTAGES:
                raise ValueError(f"no provider {provider!r}, or no outage {how!r}")
        except (ValueError, TypeError, KeyError) as error:
            return PlainTextResponse(
                f'{error}: send {{"provider": "elmsworth", "seconds": 21600, "how": "{"|".join(_OUTAGES)}"}}\n', 400
            )
        self.fail(provider, seconds, how)
        return JSONResponse({"provider": provider, "until": utc_text(self._outages[provider][0]), "how": how})

    def _refusal(self, provider: str) -> Response | None:
        """What a provider in an outage, or one that is asked too often, answers."""
        until, how = self._outages.get(provider, (self.clock.now(), _OUTAGES[0]))
        if self.clock.now() < until:
            if how == "3000":
                return self._envelope([], code=3000, message="the simulated outage")
            if how == "html":
                return Response("<html><body>We will be back soon</body></html>", media_type="text/html")
            return PlainTextResponse("the simulated outage", int(how), {"Retry-After": "1"} if how == "429" else {})
        if self.requests_a_minute is None:
            return None
        now = time.monotonic()
        while self._asked and now - self._asked[0] >= _MINUTE:
            self._asked.popleft()
        if len(self._asked) >= self.requests_a_minute:
            wait = max(1, int(_MINUTE - (now - self._asked[0])) + 1)
            return PlainTextResponse("too many requests", 429, {"Retry-After": str(wait)})
        self._asked.append(now)
        return None

    def _stopped(self, request: Request) -> Response | None:
        """An answer that is none of what was asked for: an outage, an unknown provider, a wrong token."""
        provider = request.path_params["provider"]
        if refusal := self._refusal(provider):
            return refusal
        if provider not in {each.name for each in PROVIDERS}:
            return self._envelope(None, code=2003, message=f"no provider {provider}", status=404)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        wanted = base64.b64encode(self.token.encode()).decode()
        if scheme != "Token" or not hmac.compare_digest(token, wanted):
            return self._envelope(None, code=2001, message="the token is not known, or not Base64", status=401)
        return None

    def _envelope(self, data: Any, code: int = 1000, message: str = "Success", status: int = 200) -> Response:
        content = {"status_code": code, "status_message": message, "timestamp": utc_text(self.clock.now())}
        return JSONResponse({**({} if data is None else {"data": data}), **content}, status)

    def _versions(self, request: Request) -> Response:
        at = f"{request.base_url}ocpi/{request.path_params['provider']}"
        return self._stopped(request) or self._envelope([{"version": VERSION, "url": f"{at}/{VERSION}"}])

    def _details(self, request: Request) -> Response:
        if stopped := self._stopped(request):
            return stopped
        provider = request.path_params["provider"]
        at = f"{request.base_url}ocpi/{provider}/{VERSION}"
        endpoints = [
            {"identifier": module, "role": "SENDER", "url": f"{at}/{module}"} for module in self.feeds.modules(provider)
        ]
        return self._envelope({"version": VERSION, "endpoints": endpoints})

    def _module(self, request: Request) -> Response:
        provider, module = request.path_params["provider"], request.path_params["module"]
        if stopped := self._stopped(request):
            return stopped
        if module not in self.feeds.modules(provider):
            return self._envelope(None, code=2003, message=f"no module {module}", status=404)
        return self._page(request, provider, module)

    def _open(self, request: Request) -> Response:
        provider, module = request.path_params["provider"], request.path_params["module"]
        if refusal := self._refusal(provider):
            return refusal
        if module not in {"locations", "tariffs"} & {*self.feeds.modules(provider)}:
            return self._envelope(None, code=2003, message=f"no open {module}", status=404)
        return self._page(request, provider, module, is_open=True)

    def _page(self, request: Request, provider: str, module: str, *, is_open: bool = False) -> Response:
        """A page of a module; of open data its time is that of the data, so that it can be unchanged."""
        try:
            offset, limit = (int(request.query_params.get(name, default)) for name, default in (
                ("offset", 0), ("limit", self.page_size),
            ))  # fmt: skip
            since, until = (_instant(request.query_params[name]) if name in request.query_params else None for name in (
                "date_from", "date_to",
            ))  # fmt: skip
            if offset < 0 or limit < 1:
                raise ValueError("offset from 0, limit from 1")
        except ValueError as error:
            return self._envelope(None, code=2001, message=str(error), status=400)
        self.before_page(provider, module, offset)
        now = self.clock.now()
        timestamp = utc_text(now)
        if module == "locations":
            everything, timestamp = self.feeds.locations(provider, now)
        else:
            everything = [
                each.content for each in self.feeds.objects(provider, module, now)
                if (since is None or each.updated_at >= since) and (until is None or each.updated_at < until)
            ]  # fmt: skip
        limit = min(limit, self.page_size)
        data = everything[offset : offset + limit]
        headers = {"X-Total-Count": str(len(everything)), "X-Limit": str(limit)}
        if offset + limit < len(everything):
            query = urlencode({**request.query_params, "offset": offset + limit, "limit": limit})
            headers["Link"] = f'<{request.url.replace(query=query)}>; rel="next"'
        content = {"data": data, "status_code": 1000, "status_message": "Success", "timestamp": timestamp}
        return self._tagged(request, json.dumps(content).encode(), "application/json", headers, is_tagged=is_open)

    def _file(self, request: Request) -> Response:
        stream_id = request.path_params["stream_id"]
        if refusal := self._refusal(stream_id.partition("_")[0]):
            return refusal
        file = self.feeds.newest(stream_id, self.clock.now())
        if file is None:
            return PlainTextResponse(f"no file of {stream_id} yet; there are {', '.join(self.feeds.streams)}\n", 404)
        modified = {"Last-Modified": format_datetime(file.arrived_at, usegmt=True)}
        since = request.headers.get("if-modified-since")
        if since and "if-none-match" not in request.headers:
            with contextlib.suppress(ValueError):
                if file.arrived_at <= parsedate_to_datetime(since):
                    return Response(status_code=304, headers=modified)
        kind = "text/csv" if file.path.suffix == ".csv" else "application/json"
        return self._tagged(request, file.path.read_bytes(), kind, modified)

    @staticmethod
    def _tagged(
        request: Request, content: bytes, kind: str, headers: Mapping[str, str], *, is_tagged: bool = True
    ) -> Response:
        """An answer with an ETag, or that nothing has changed."""
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if is_tagged and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(content, media_type=kind, headers={**headers, **({"ETag": tag} if is_tagged else {})})


def open_source(url: str, provider: str, every: dt.timedelta = dt.timedelta(days=1)) -> OcpiSource:
    """Where a provider's open data is, of a county at a URL."""
    return OcpiSource(type="ocpi", module="locations", url=f"{url}/open/{provider}/locations", every=every)


@contextlib.contextmanager
def serving(county: County, port: int = 0) -> Iterator[str]:
    """The county on this machine, in a thread of this process, until the end of the block; its address.

    Args:
        county: what is served.
        port: 0 for any that is free.

    Raises:
        OSError: the port is taken.
    """
    listening = bound(port)
    server = _server(county)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _server(county: County) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(county.app(), log_level="warning", lifespan="off"))


def bound(port: int) -> socket.socket:
    """A socket that listens, so that whoever asks is answered as soon as the server runs.

    Raises:
        OSError: the port is taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, error.strerror, f"{HOST}:{port}") from error
    return listening


def serve_here(county: County, port: int, say: Callable[[str], None]) -> None:
    """The county on this machine until it is interrupted; says first what there is.

    Raises:
        OSError: the port is taken.
    """
    listening = bound(port)
    for line in county.said(f"http://{HOST}:{port}"):
        say(line)
    server = _server(county)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        say("stopped")
    finally:
        listening.close()
