"""A web page of another origin asks Dagster's UI for things, on a real server."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from cic_assets import peers
from cic_assets.orchestrate.web import Guard, guard_of, is_read_only
from cic_assets.settings import SettingsError, load_settings
from tests.conftest import demand

MUTATION = "mutation { setNuxSeen }"
QUERY = json.dumps({"query": "{ version }"})
JSON = {"Content-Type": "application/json"}
FOREIGN = {"Origin": "https://evil.example"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real UI without code locations."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cic_assets.orchestrate.web", "-p", str(port), "--empty-workspace"]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "CIC_HOME": str(home)}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 240
        while not _is_up(port):
            assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _is_up(port: int) -> bool:
    try:
        return ask(port, "GET", "/server_info")[0] == 200
    except OSError:
        return False


def ask(port: int, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.read().decode("utf-8", "replace")


def test_the_ui_and_tools_without_a_browser_work(port):
    own = f"http://127.0.0.1:{port}"
    assert ask(port, "GET", "/")[0] == 200
    assert '"version"' in ask(port, "POST", "/graphql", QUERY, **JSON)[1]
    assert '"version"' in ask(port, "POST", "/graphql", QUERY, Origin=own, Sec_Fetch_Site="same-origin", **JSON)[1]
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(port, "GET", "/runs", **link)[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/GraphQL"])
def test_graphql_is_asked_by_post_alone(port, method, path):
    query = MUTATION.replace(" ", "%20")
    assert ask(port, method, f"{path}?query={query}", Accept="application/json")[0] == 405


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/graphql"]
)
def test_what_a_form_can_send_is_refused(port, kind):
    assert ask(port, "POST", "/graphql", QUERY, Content_Type=kind)[0] == 415
    assert ask(port, "POST", "/report_asset_materialization/a", "{}", Content_Type=kind)[0] == 415


@pytest.mark.parametrize(
    "headers",
    [FOREIGN, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1.evil.example"}],
)  # fmt: skip
def test_pages_of_other_origins_are_refused(port, headers):
    assert ask(port, "POST", "/graphql", QUERY, **JSON, **headers)[0] == 403
    assert ask(port, "GET", "/server_info", **headers)[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost@evil.example", ""]
)
def test_a_name_that_points_here_is_not_ours(port, host):
    assert ask(port, "POST", "/graphql", QUERY, Host=host, Origin=f"http://{host}", **JSON)[0] in (400, 421)


def shake_hands(port: int, **headers: str) -> str:
    lines = [
        "GET /graphql HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: graphql-ws", 
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), timeout=120) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        return client.recv(1000).decode("latin-1").splitlines()[0]


def test_a_websocket_of_another_origin_is_refused(port):
    assert "101" in shake_hands(port, Origin=f"http://127.0.0.1:{port}")
    assert "403" in shake_hands(port, **FOREIGN)
    assert "403" in shake_hands(port, Origin="null")
    assert "403" in shake_hands(port, Sec_Fetch_Site="cross-site")


# Asks the UI as another user: its answer's first line.
AS_ANOTHER = """
import encodings.idna, os, socket, sys
os.setgroups([])
os.setuid(65534)
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120) as client:
    client.sendall(sys.argv[2].encode())
    if sys.argv[3] == "leaves":
        client.shutdown(socket.SHUT_WR)
    print(client.recv(1000).decode("latin-1").splitlines()[0])
"""


@pytest.mark.parametrize("ending", ["stays", "leaves"])
@pytest.mark.parametrize("claims", ["", "X-Forwarded-For: 203.0.113.7\r\n", "X-Forwarded-For: ::1\r\n"])
def test_another_user_of_this_machine_is_refused(port, claims, ending):
    demand(peers.is_known() and os.geteuid() == 0, "Linux and root, to become another user")
    lines = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{claims}"
    request = f"{lines}Content-Length: {len(QUERY)}\r\nConnection: close\r\n\r\n{QUERY}"
    command = [sys.executable, "-c", AS_ANOTHER, str(port), request, ending]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "403" in done.stdout, done.stderr
    assert ask(port, "POST", "/graphql", QUERY, **JSON)[0] == 200


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_whose_program_asks_is_known_until_it_has_gone(family):
    demand(peers.is_known(), "Linux")
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen()
        client = socket.create_connection(server.getsockname()[:2])
        connection, peer = server.accept()
        assert peers.user_at(peer[:2]) == os.geteuid()
        client.close()
        # Whatever state the kernel keeps it in, and though it gives it to root.
        assert peers.user_at(peer[:2]) is None
        connection.close()


def test_users_whose_programs_are_answered_are_named():
    assert guard_of(load_settings({"CIC_UI_USERS": "nobody, root"}), None).users >= {65534, 0, os.geteuid()}
    assert guard_of(load_settings({}), None).users == {os.geteuid()}
    with pytest.raises(SettingsError, match="CIC_UI_USERS"):
        load_settings({"CIC_UI_USERS": "no such user"})


def test_beyond_this_machine_it_only_shows():
    beyond = load_settings({"CIC_UI_HOST": "0.0.0.0", "CIC_UI_NAMES": "ui.example"})
    assert is_read_only(beyond) and not is_read_only(load_settings({}))
    assert not is_read_only(load_settings({"CIC_UI_HOST": "0.0.0.0", "CIC_UI_WRITES": "true"}))
    guard: Guard = guard_of(beyond, None)
    scope = {"type": "http", "method": "POST", "path": "/report_asset_check/a"}
    headers = [(b"host", b"ui.example:80"), (b"content-type", b"application/json")]
    assert guard.fault({**scope, "headers": headers})[0] == 403
    assert guard.fault({**scope, "headers": headers, "path": "/graphql"}) is None
    assert guard.fault({**scope, "headers": [(b"host", b"0.0.0.0"), headers[1]]})[0] == 421
