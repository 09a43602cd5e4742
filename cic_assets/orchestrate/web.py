"""Dagster's UI behind a guard: python -m cic_assets.orchestrate.web, with the options of dagster-webserver.

As it comes, Dagster runs a mutation for whoever asks, by GET too: any web page in a browser beside it could start runs.
The guard answers only what the pages of the UI ask, under a name of the UI; of this machine's users only the own one
and those that `CIC_UI_USERS` names, as Dagster asks nobody who they are.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse

from cic_assets import peers
from cic_assets.private import set_umask
from cic_assets.settings import LOOPBACK, Settings, load_settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_MAKES_APP = "create_app_from_workspace_process_context"
_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


@dataclass(frozen=True)
class Guard:
    """An ASGI app that passes on what the UI's own pages and tools without a browser ask for.

    Attributes:
        app: what is guarded.
        names: hosts under which it may be asked; a page that points its own name here (DNS rebinding) has another.
        is_read_only: whether only GraphQL may be posted, which Dagster itself then limits to queries.
        users: user ids of this machine whose programs are answered.
    """

    app: App
    names: frozenset[str]
    is_read_only: bool = False
    users: frozenset[int] = frozenset({os.geteuid()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on or refuses."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refused = self.fault(scope)
        if refused is None:
            await self.app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
        else:
            status, reason = refused
            await PlainTextResponse(f"{reason}\n", status)(scope, receive, _with_headers(send))

    def fault(self, scope: Scope) -> tuple[int, str] | None:
        """(HTTP status, reason) of a refusal; None for what may pass."""
        if not self._is_user_known(scope):
            return 403, "another user of this machine asks: set CIC_UI_USERS to those who may"
        host = _only(scope, b"host")
        if host is None or _name(host) not in self.names:
            return 421, f"this is not {host}: set CIC_UI_NAMES to the names under which the UI is reached"
        is_graphql = scope["path"].rstrip("/").lower().endswith("/graphql")
        origin = _values(scope, b"origin")
        if origin and [_netloc(text) for text in origin] != [host.lower()]:
            return 403, "asked for by a page of another origin"
        method = scope.get("method", "GET")
        site = set(_values(scope, b"sec-fetch-site")) - {"same-origin", "none"}
        if site and (method != "GET" or is_graphql or not _is_navigation(scope)):
            return 403, "asked for by a page of another origin"
        return None if scope["type"] == "websocket" else self._method_fault(scope, method, is_graphql)

    def _is_user_known(self, scope: Scope) -> bool:
        """Whether a program of this machine is of somebody who may ask; other machines are the read-only mode's."""
        client = scope.get("client")
        if client is None or not ipaddress.ip_address(client[0]).is_loopback or not peers.is_known():
            return True
        return peers.user_at((client[0], client[1])) in self.users

    def _method_fault(self, scope: Scope, method: str, is_graphql: bool) -> tuple[int, str] | None:
        if method not in (("POST",) if is_graphql else ("GET", "HEAD", "POST")):
            return 405, "GraphQL is asked by POST" if is_graphql else f"no {method} here"
        kind = (_only(scope, b"content-type") or "").partition(";")[0].strip().lower()
        if method == "POST" and kind != "application/json":
            return 415, "POST takes Content-Type: application/json"
        if method == "POST" and self.is_read_only and not is_graphql:
            return 403, "read-only beyond this machine; CIC_UI_WRITES=true lifts that"
        return None


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _only(scope: Scope, name: bytes) -> str | None:
    """The header's value; None where there is none, or several."""
    values = _values(scope, name)
    return values[0] if len(values) == 1 else None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_navigation(scope: Scope) -> bool:
    """A link to the UI, followed in a tab of its own: no frame, no script that reads what comes."""
    return _only(scope, b"sec-fetch-mode") == "navigate" and _only(scope, b"sec-fetch-dest") == "document"


def _with_headers(send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return send_on


def guard_of(settings: Settings, app: App) -> Guard:
    """The guard of an app, by the settings."""
    names, users = frozenset({*LOOPBACK, *settings.ui_names}), frozenset({os.geteuid(), *settings.ui_users})
    return Guard(app, names, is_read_only(settings), users)


def is_read_only(settings: Settings) -> bool:
    """Whether the UI only shows: beyond this machine, unless told otherwise, as it asks nobody who they are."""
    return settings.ui_host not in LOOPBACK and not settings.ui_writes


def main() -> None:
    """Dagster's own server with the guard around its app."""
    set_umask()
    settings = load_settings()
    from dagster_webserver import cli

    make = getattr(cli, _MAKES_APP)

    def guarded(*arguments: Any, **options: Any) -> Guard:
        return guard_of(settings, make(*arguments, **options))

    # Otherwise uvicorn takes a program of this machine at its word when it says that it asks for another one.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    # Its command makes the app itself, and takes none.
    setattr(cli, _MAKES_APP, guarded)
    shown = ["--read-only"] if is_read_only(settings) else []
    cli.dagster_webserver([*sys.argv[1:], "--host", settings.ui_host, *shown])


if __name__ == "__main__":
    main()
