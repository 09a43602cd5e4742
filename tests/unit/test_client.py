"""The HTTP client of polls against a real server: limits, retries, and where secrets go."""

from __future__ import annotations

import datetime as dt
import gzip
import threading
from email.utils import format_datetime

import pytest

from cic_assets.fetch.client import ATTEMPTS, Client, Credentials, origin_of
from cic_assets.fetch.errors import FetchError
from cic_assets.kinds.source import Limits
from tests.web import Answer, answering

SECRET = "s3cr3t/+token"


def client(tmp_path, web, limits=None, pauses=None, hosts=(), **given):
    secrets = tuple(value for value in (*given.get("headers", {}).values(), *given.get("query", {}).values()))
    origins = frozenset({origin_of(web.url), *map(origin_of, hosts)})
    credentials = Credentials(given.get("headers", {}), given.get("query", {}), origins, secrets)
    pauses = [] if pauses is None else pauses
    return Client(limits or Limits(), credentials, tmp_path, pauses.append)


def test_bytes_come_as_sent_with_their_hash_and_headers_without_what_opens_something(tmp_path):
    body = gzip.compress(b"a,b\n1,2\n")
    headers = {
        "Content-Encoding": "gzip",
        "ETag": '"x"',
        "Set-Cookie": f"session={SECRET}",
        "X-Echo": f"you sent {SECRET}",
    }
    with answering(lambda *_: Answer(body, headers=headers)) as web, client(
        tmp_path, web, headers={"X-Api-Key": SECRET}, query={"key": SECRET}
    ) as asking:  # fmt: skip
        found = asking.get(f"{web.url}/feed?x=1", {"If-None-Match": '"w"'})
    assert found.file is not None
    assert found.file.read_bytes() == b"a,b\n1,2\n"
    assert found.byte_count == 8
    (asked,) = web.asked
    assert asked.headers["x-api-key"] == SECRET
    assert asked.path == "/feed?x=1&key=s3cr3t%2F%2Btoken"
    told = repr((found.url, found.headers, found.request_headers))
    assert SECRET not in told
    assert "s3cr3t" not in told
    assert "set-cookie" not in found.headers
    assert "x-api-key" not in found.request_headers
    assert (found.headers["etag"], found.request_headers["if-none-match"]) == ('"x"', '"w"')


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_be_better_in_a_moment_is_asked_again(tmp_path, status):
    pauses: list[float] = []
    with answering(lambda _, number: Answer(b"busy", status) if number < 2 else Answer(b"x")) as web, client(
        tmp_path, web, pauses=pauses
    ) as asking:  # fmt: skip
        assert asking.get(web.url).byte_count == 1
    assert len(web.asked) == 3
    # Longer each time, with up to a second of jitter.
    assert 1 <= pauses[0] <= 2 <= pauses[1] <= 3


@pytest.mark.parametrize(
    ("status", "said"), [(401, "secret right"), (403, "token read it"), (404, "address"), (204, "204"), (501, "501")]
)
def test_what_stays_as_it_is_is_asked_once(tmp_path, status, said):
    with (
        answering(lambda *_: Answer(b"", status)) as web,
        client(tmp_path, web) as asking,
        pytest.raises(FetchError, match=said),
    ):
        asking.get(web.url)
    assert len(web.asked) == 1


def test_retry_after_is_obeyed_as_seconds_and_as_a_date(tmp_path):
    later = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100), usegmt=True)
    answers = [Answer(b"", 429, {"Retry-After": "7"}), Answer(b"", 503, {"Retry-After": later}), Answer(b"x")]
    pauses: list[float] = []
    with answering(lambda _, n: answers[n]) as web, client(tmp_path, web, pauses=pauses) as asking:
        asking.get(web.url)
    assert pauses[0] == 7
    assert 60 < pauses[1] <= 100


def test_who_asks_for_more_time_than_there_is_is_left_and_says_until_when(tmp_path):
    before = dt.datetime.now(dt.UTC)
    with (
        answering(lambda *_: Answer(b"", 503, {"Retry-After": "7200"})) as web,
        client(tmp_path, web) as asking,
        pytest.raises(FetchError, match="503") as caught,
    ):
        asking.get(web.url)
    assert len(web.asked) == 1
    assert caught.value.not_before is not None
    assert dt.timedelta(seconds=7100) < caught.value.not_before - before < dt.timedelta(seconds=7300)


def test_it_gives_up_and_says_how_often_it_tried_and_what_came(tmp_path):
    with (
        answering(lambda *_: Answer(b"the disk is full", 503)) as web,
        client(tmp_path, web) as asking,
        pytest.raises(FetchError, match=rf"503 .*the disk is full \(tried {ATTEMPTS} times\)"),
    ):
        asking.get(web.url)
    assert len(web.asked) == ATTEMPTS
    assert list(tmp_path.iterdir()) == []


def test_a_cut_answer_is_none(tmp_path):
    with answering(lambda _, n: Answer(b"abc", length=10) if n == 0 else Answer(b"abcdefghij")) as web, client(
        tmp_path, web
    ) as asking:  # fmt: skip
        found = asking.get(web.url)
    assert found.byte_count == 10
    assert [each.name for each in tmp_path.iterdir()] == [found.file.name]


def test_nobody_there_is_said(tmp_path):
    with answering(lambda *_: Answer()) as web:
        pass
    with client(tmp_path, web) as asking, pytest.raises(FetchError, match=r"refused.*tried 5 times"):
        asking.get(web.url)


def test_too_long_an_answer_ends_there_also_a_packed_one(tmp_path):
    packed = gzip.compress(b"\0" * 3_000_000)
    for answer in (Answer(b"x" * 1_100_000), Answer(packed, headers={"Content-Encoding": "gzip"})):
        with (
            answering(lambda *_, answer=answer: answer) as web,
            client(tmp_path, web, Limits(megabytes=1)) as asking,
            pytest.raises(FetchError, match=r"more than 1 MB \(limits.megabytes\)"),
        ):
            asking.get(web.url)
        assert list(tmp_path.iterdir()) == []


def test_a_redirect_on_the_same_host_is_followed_with_the_token_and_a_circle_is_seen(tmp_path):
    def answer(asked, _):
        return Answer(b"x") if asked.path == "/new" else Answer(status=302, headers={"Location": "/new"})

    with answering(answer) as web, client(tmp_path, web, headers={"Authorization": f"Token {SECRET}"}) as asking:
        asking.get(f"{web.url}/old")
        assert [each.headers.get("authorization") for each in web.asked] == [f"Token {SECRET}"] * 2
    with (
        answering(lambda *_: Answer(status=301, headers={"Location": "/round"})) as web,
        client(tmp_path, web) as asking,
        pytest.raises(FetchError, match="redirects"),
    ):
        asking.get(web.url)


def test_no_token_goes_to_another_host(tmp_path):
    with answering(lambda *_: Answer(b"gotcha")) as thief:
        target = thief.url.replace("127.0.0.1", "localhost")
        with answering(lambda *_: Answer(status=302, headers={"Location": target})) as web:
            with (
                client(tmp_path, web, headers={"Authorization": SECRET}) as asking,
                pytest.raises(FetchError, match=r"another host, localhost:\d+, which gets no token.*hosts:"),
            ):
                asking.get(web.url)
            assert thief.asked == []
            # Nothing to lose: it goes there, as open feeds lie on other machines than their pages.
            with client(tmp_path, web) as asking:
                assert asking.get(web.url).byte_count == 6
            # The file names it.
            with client(tmp_path, web, hosts=[target], headers={"Authorization": SECRET}) as asking:
                asking.get(web.url)
        assert [each.headers.get("authorization") for each in thief.asked] == [None, SECRET]


def test_headers_of_a_feed_are_for_its_own_hosts_also_where_they_open_nothing(tmp_path):
    with answering(lambda *_: Answer(b"x")) as other:
        target = other.url.replace("127.0.0.1", "localhost")
        with answering(lambda *_: Answer(status=302, headers={"Location": target})) as web:
            credentials = Credentials({"X-Council": "wealdshire"}, {}, frozenset({origin_of(web.url)}))
            with Client(Limits(), credentials, tmp_path) as asking:
                asking.get(web.url)
            assert web.asked[0].headers["x-council"] == "wealdshire"
        assert "x-council" not in other.asked[0].headers


def test_the_way_back_from_https_is_not_taken(tmp_path):
    with answering(lambda *_: Answer()) as web, client(tmp_path, web) as asking:
        with pytest.raises(FetchError, match="not encrypted"):
            asking.demand_way("https://a.example/x", "http://b.example/x", "redirects to")
        with pytest.raises(FetchError, match="no web address"):
            asking.demand_way("https://a.example/x", "file:///etc/passwd", "redirects to")
        # Behind a proxy that has the certificate, a server knows of http alone.
        found = asking.demand_way("https://a.example:8443/x", "http://a.example:8443/y?z=1", "goes on at")
        assert found == "https://a.example:8443/y?z=1"


def test_a_server_that_trickles_ends_with_the_time_of_the_poll(tmp_path):
    ended = threading.Event()

    def trickle(handler):
        while not ended.wait(0.05):
            handler.wfile.write(b"x")

    with answering(lambda *_: Answer(b"", length=10**9, after=trickle)) as web:
        with client(tmp_path, web, Limits(seconds=1)) as asking, pytest.raises(FetchError, match="more than 1 s"):
            asking.get(web.url)
        ended.set()
    assert list(tmp_path.iterdir()) == []


def test_packed_bytes_are_whole_or_none(tmp_path):
    two = gzip.compress(b"one,") + gzip.compress(b"two")
    with (
        answering(lambda *_: Answer(two, headers={"Content-Encoding": "gzip"})) as web,
        client(tmp_path, web) as asking,
    ):
        found = asking.get(web.url)
    assert found.file is not None
    assert found.file.read_bytes() == b"one,two"
    for body in (two[:30], two[:10] + b"x" * 9, b""):
        with (
            answering(lambda *_, body=body: Answer(body, headers={"Content-Encoding": "gzip"})) as web,
            client(tmp_path, web) as asking,
            pytest.raises(FetchError, match=r"packed.*tried 5 times"),
        ):
            asking.get(web.url)
    with (
        answering(lambda *_: Answer(b"x", headers={"Content-Encoding": "br"})) as web,
        client(tmp_path, web) as asking,
        pytest.raises(FetchError, match="encoded as br, which was not asked for"),
    ):
        asking.get(web.url)


@pytest.mark.parametrize(
    "body", ['{"message":"Unknown token s3cr3t\\/+token"}', "token s3cr3t\\u002f+token", "s3cr3t%2F%2Btoken"]
)
def test_a_secret_in_an_error_is_not_shown_however_it_is_spelt(tmp_path, body):
    with (
        answering(lambda *_: Answer(body.encode(), 401)) as web,
        client(tmp_path, web, headers={"Authorization": SECRET}) as asking,
        pytest.raises(FetchError, match=r"\*\*\*") as caught,
    ):
        asking.get(web.url)
    assert "s3cr3t" not in str(caught.value)


def test_nothing_new_has_no_bytes(tmp_path):
    with answering(lambda *_: Answer(status=304, headers={"ETag": '"x"'})) as web, client(tmp_path, web) as asking:
        found = asking.get(web.url, {"If-None-Match": '"x"'})
    assert found.is_unchanged
    assert (found.file, found.byte_count) == (None, 0)


def test_a_poll_ends_when_its_time_is_over(tmp_path):
    with (
        answering(lambda *_: Answer(b"", 503)) as web,
        client(tmp_path, web, Limits(seconds=0.5)) as asking,
        pytest.raises(FetchError, match="503"),
    ):
        asking.get(web.url)
    # The first wait alone would be longer.
    assert len(web.asked) == 1
