"""Polls of the simulated county, and of servers that do what servers do."""

from __future__ import annotations

import datetime as dt
import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from cic_assets.fetch import poll as fetching
from cic_assets.fetch.poll import NoSourceError
from cic_assets.kinds.every import parse_stream
from cic_assets.lake.zones import Lake
from cic_assets.ledger import journal, polls
from cic_assets.ledger.polls import BeingPolledError, polling
from cic_assets.orchestrate.doors import lake_of, parts_of, warehouse_of
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.simulate import simulate
from cic_assets.simulate.serve import TOKEN, Clock, County, Feeds, serving
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.web import Answer, answering

T0 = dt.datetime(2026, 10, 20, 5, 30, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def poll(parts, feed, clock=fetching.utc_now, **given):
    """Without waiting before what is tried again."""
    return fetching.poll(parts, feed, clock, pause=lambda seconds: None, **given)


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("county")
    return simulate(folder, last_day=dt.date(2026, 11, 1), days=21, charge_points=40, dirt=0.0)


@pytest.fixture
def clock():
    return Clock(T0, speed=0)


@pytest.fixture
def county(sent, clock):
    return County(Feeds(sent.files, sent.beside), clock)


@pytest.fixture
def parts(settings):
    return parts_of(settings)


@pytest.fixture
def secret(settings, monkeypatch):
    folder = settings.home / "secrets"
    folder.mkdir(parents=True)
    (folder / "county").touch(mode=0o600)
    (folder / "county").write_text(f"{TOKEN}\n")


def stream(name="elmsworth_status", **source):
    """An example stream that is fetched; a module's pages have an envelope."""
    content = load_streams([EXAMPLE_STREAMS])[name].model_dump(mode="json", by_alias=True, exclude_unset=True)
    if source.get("type") == "ocpi" and content["format"]["type"] == "jsonl":
        content["format"] = {"type": "json", "records": "data"}
    return parse_stream({**content, "source": {"every": "PT1H", **source}})


def behind_versions(name, url, module):
    """A feed of Brackendale's, which its versions and a token lead to."""
    versions = f"{url}/ocpi/brackendale/versions"
    return stream(name, type="ocpi", module=module, versions=versions, token={"secret": "county"})


def objects(settings, stream_id):
    with connect(settings) as connection:
        return connection.execute(
            "select sha256, path, arrival_date from catalogue.object where stream_id = %s and landed order by path",
            [stream_id],
        ).fetchall()


def contents(settings, stream_id):
    lake = lake_of(settings)
    found = []
    for _, path, _ in objects(settings, stream_id):
        with lake.read(path) as handle:
            found.append(handle.read())
    return found


def sightings(settings, stream_id):
    with connect(settings) as connection:
        rows = connection.execute(
            "select seen_at from catalogue.sighting where stream_id = %s order by 1", [stream_id]
        ).fetchall()
    return [moment.astimezone(dt.UTC) for (moment,) in rows]


def ids(settings, stream_id):
    return sorted(each["id"] for content in contents(settings, stream_id) for each in json.loads(content)["data"])


def test_an_open_module_lands_page_by_page_as_received_and_unchanged_pages_are_sightings(
    settings, parts, county, clock
):
    county.page_size = 1
    with serving(county) as url:
        feed = stream(type="ocpi", module="locations", url=f"{url}/open/elmsworth/locations")
        first = poll(parts, feed, clock.now)
        clock.set(T0 + HOUR / 2)
        second = poll(parts, feed, clock.now)
        # A new response every morning.
        clock.set(T0 + DAY + 2 * HOUR)
        third = poll(parts, feed, clock.now)
    total = len(county.feeds.locations("elmsworth", T0)[0])
    pages = total
    assert pages > 1
    assert (first.outcome, first.new_count, len(first.answers)) == ("new", pages, pages)
    assert (second.outcome, second.new_count, second.byte_count) == ("unchanged", 0, 0)
    assert [each.status for each in second.answers] == [304] * pages
    assert (third.outcome, third.new_count) == ("new", pages)
    assert {arrival for *_, arrival in objects(settings, feed.id)} == {T0.date(), T0.date() + DAY}
    assert sightings(settings, feed.id) == [*[T0] * pages, *[T0 + HOUR / 2] * pages, *[T0 + DAY + 2 * HOUR] * pages]
    assert len(ids(settings, feed.id)) == 2 * total
    answer = first.answers[0]
    assert answer.sha256 in {sha256 for sha256, *_ in objects(settings, feed.id)}
    assert answer.response_headers["x-total-count"] == str(total)
    assert answer.request_headers["accept"] == "application/json"


def test_versions_lead_to_the_module_and_sessions_are_asked_for_by_date(settings, parts, county, clock, secret):
    county.page_size = 3
    with serving(county) as url:
        feed = behind_versions("brackendale_sessions", url, "cdrs")
        first = poll(parts, feed, clock.now)
        clock.set(T0 + DAY)
        second = poll(parts, feed, clock.now)
    assert (first.outcome, second.outcome) == ("new", "new")
    assert (first.reach_from, first.reach_to) == (None, T0)
    assert (second.reach_from, second.reach_to) == (T0 - HOUR, T0 + DAY)
    assert "date_from=2026-10-20T04%3A30%3A00Z" in second.answers[0].url
    wanted = {each.content["id"] for each in county.feeds.objects("brackendale", "cdrs", T0 + DAY)}
    assert len(first.answers) > 1
    assert set(ids(settings, feed.id)) == wanted
    with connect(settings) as connection:
        shown = repr(connection.execute("select * from catalogue.response").fetchall())
    assert TOKEN not in shown


def test_an_operator_that_fails_is_asked_again_from_where_it_stopped(settings, parts, county, clock, secret):
    with serving(county) as url:
        feed = behind_versions("brackendale_ocpi_sessions", url, "sessions")
        poll(parts, feed, clock.now)
        for how in ("503", "3000", "html"):
            clock.set(T0 + HOUR)
            county.fail("brackendale", 6 * 3600, how)
            failed = poll(parts, feed, clock.now)
            assert failed.outcome == "failed"
            assert {"503": "503", "3000": "OCPI 3000", "html": "no JSON"}[how] in (failed.error or "")
            with connect(settings) as connection:
                polls.begin(connection, polls.Poll(feed.id, T0 + 2 * HOUR, HOUR))
                connection.execute("delete from catalogue.poll where started_at = %s", [T0 + 2 * HOUR])
        clock.set(T0 + 7 * HOUR + DAY)
        again = poll(parts, feed, clock.now)
    assert again.reach_from == T0 - HOUR
    wanted = {each.content["id"] for each in county.feeds.objects("brackendale", "sessions", clock.now())}
    assert set(ids(settings, feed.id)) >= wanted
    with connect(settings) as connection:
        found = polls.gaps(connection, [feed.id], T0 - DAY, T0 + 3 * DAY, T0 + 2 * DAY)
    assert found[feed.id][0] == (T0, T0 + 7 * HOUR + DAY)


def test_a_list_that_changes_while_it_is_read_is_read_again(settings, parts, county, clock, secret):
    county.page_size = 4
    passes = []

    def move(provider, module, offset):
        if offset == 0:
            passes.append(clock.now())
        elif len(passes) == 1:
            # Hours go by between two pages: sessions end, and move to the end of the list.
            clock.set(clock.now() + 6 * HOUR)

    county.before_page = move
    with serving(county) as url:
        feed = behind_versions("brackendale_ocpi_sessions", url, "sessions")
        done = poll(parts, feed, clock.now)
    assert len(passes) == 2
    assert done.outcome == "new"
    assert done.reach_to == T0
    wanted = {each.content["id"] for each in county.feeds.objects("brackendale", "sessions", clock.now())}
    assert set(ids(settings, feed.id)) == wanted


def test_a_list_that_never_stands_still_is_asked_for_again_from_the_same_time(parts):
    def answer(asked, number):
        data = [{"id": f"S{number % 2}", "last_updated": "2026-10-20T00:00:00Z"}]
        link = {"Link": f'<{web.url}/cdrs?offset=1>; rel="next"'} if "offset" not in asked.path else {}
        body = {"data": data, "status_code": 1000, "timestamp": "2026-10-20T05:30:00Z"}
        return Answer(json.dumps(body).encode(), headers={"X-Total-Count": str(number), **link})

    with answering(answer) as web:
        feed = stream("brackendale_sessions", type="ocpi", module="cdrs", url=f"{web.url}/cdrs", since="2026-01-01")
        done = poll(parts, feed, lambda: T0)
        start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        assert (done.error, done.outcome, done.reach_from, done.reach_to) == (None, "new", start, None)
        assert len(web.asked) == 6
        again = poll(parts, feed, lambda: T0 + HOUR)
    # The same time, not an overlap earlier each time.
    assert again.reach_from == start


@pytest.mark.parametrize("has_limit", [True, False])
def test_a_party_without_links_is_read_by_its_total(settings, parts, has_limit):
    everything = [{"id": f"C{n}", "last_updated": "2026-10-20T00:00:00Z"} for n in range(7)]

    def answer(asked, _):
        offset = int(asked.path.partition("offset=")[2] or 0)
        body = json.dumps({"data": everything[offset : offset + 3], "status_code": 1000})
        return Answer(body.encode(), headers={"X-Total-Count": "7", **({"X-Limit": "3"} if has_limit else {})})

    with answering(answer) as web:
        feed = stream("brackendale_sessions", type="ocpi", module="cdrs", url=f"{web.url}/cdrs")
        done = poll(parts, feed, lambda: T0)
    assert (done.outcome, len(done.answers), done.reach_to) == ("new", 3, T0)
    assert ids(settings, feed.id) == [each["id"] for each in everything]


def test_a_party_that_sends_the_first_page_for_ever_fails_the_poll(parts):
    body = json.dumps({"data": [{"id": "C1"}], "status_code": 1000}).encode()
    with answering(lambda *_: Answer(body, headers={"X-Total-Count": "9"})) as web:
        failed = poll(parts, stream("brackendale_sessions", type="ocpi", module="cdrs", url=web.url), lambda: T0)
    assert "the page before, once more" in (failed.error or "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'[{"id": "L1"}]', "without OCPI's envelope"),
        (b'{"status_code": 2001, "status_message": "bad token"}', "OCPI 2001 bad token"),
        (b'{"status_code": 1000, "data": {"id": "L1"}}', "no list"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_answer_of_ocpi_does_not_land(settings, parts, body, said):
    with answering(lambda *_: Answer(body)) as web:
        feed = stream("brackendale_sessions", type="ocpi", module="cdrs", url=web.url)
        failed = poll(parts, feed, lambda: T0)
    assert failed.outcome == "failed"
    assert said in (failed.error or "")
    assert objects(settings, feed.id) == []


def test_a_document_lands_once_per_content_and_each_look_is_a_sighting(settings, parts, county, clock):
    with serving(county) as url:
        feed = stream("ashbourne_status", type="http", url=f"{url}/files/ashbourne_status")
        outcomes = [poll(parts, feed, clock.now).outcome]
        clock.set(clock.now() + HOUR)
        outcomes.append(poll(parts, feed, clock.now).outcome)
        clock.set(clock.now() + 7 * DAY)
        outcomes.append(poll(parts, feed, clock.now).outcome)
    assert outcomes == ["new", "unchanged", "new"]
    assert len(objects(settings, feed.id)) == 2
    assert len(sightings(settings, feed.id)) == 3


def test_equal_bytes_without_a_tag_are_a_sighting_too(settings, parts):
    with answering(lambda *_: Answer(b"Polled at,Charger,State\r\n")) as web:
        feed = stream("ashbourne_status", type="http", url=f"{web.url}/x")
        assert [poll(parts, feed, lambda n=n: T0 + n * HOUR).outcome for n in range(2)] == ["new", "unchanged"]
    assert len(objects(settings, feed.id)) == 1
    assert sightings(settings, feed.id) == [T0, T0 + HOUR]


def test_an_original_that_is_gone_is_fetched_whole_again(settings, parts):
    def answer(asked, _):
        return Answer(status=304) if "if-none-match" in asked.headers else Answer(b"a", headers={"ETag": '"1"'})

    with answering(answer) as web:
        feed = stream("ashbourne_status", type="http", url=f"{web.url}/x")
        poll(parts, feed, lambda: T0)
        with connect(settings) as connection:
            connection.execute("update catalogue.object set landed = false")
        assert poll(parts, feed, lambda: T0 + HOUR).answers[0].status == 200


def test_a_web_page_is_no_feed(settings, parts):
    page = Answer(b"<html>Log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with answering(lambda *_: page) as web:
        feed = stream("ashbourne_status", type="http", url=f"{web.url}/x")
        failed = poll(parts, feed, lambda: T0)
    assert failed.outcome == "failed"
    assert "a web page, not csv" in (failed.error or "")
    assert objects(settings, feed.id) == []


def test_files_of_a_folder_land_once_each_when_they_stand_still(settings, parts, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    feed = stream("ashbourne_status", type="folder", path=str(folder), settled="PT1M")
    now = dt.datetime.now(dt.UTC)
    gone = stream("ashbourne_status", type="folder", path=str(tmp_path / "unmounted"))
    assert "is it mounted?" in (poll(parts, gone, lambda: now).error or "")
    (folder / "ashbourne_poll_1.csv").write_text("one")
    (folder / "notes.txt").write_text("not claimed")
    (folder / "ashbourne_poll_2.csv").symlink_to(folder / "notes.txt")
    assert poll(parts, feed, lambda: now).outcome == "unchanged"
    later = now + dt.timedelta(minutes=5)
    assert poll(parts, feed, lambda: later).new_count == 1
    assert poll(parts, feed, lambda: later + HOUR).outcome == "unchanged"
    # A file that lies there is seen once: nobody has sent it again.
    assert len(sightings(settings, feed.id)) == 1
    (folder / "ashbourne_poll_1.csv").write_text("another")
    assert poll(parts, feed, lambda: later + 2 * HOUR).new_count == 1


def test_one_poll_of_a_stream_at_a_time(settings, parts):
    feed = stream("ashbourne_status", type="http", url="http://127.0.0.1:9/x")
    with polling(warehouse_of(settings), feed.id), pytest.raises(BeingPolledError, match="another process"):
        poll(parts, feed, lambda: T0)
    assert poll(parts, feed, lambda: T0).outcome == "failed"


def test_a_poll_whose_process_died_is_said_by_the_next(settings, parts):
    feed = stream("ashbourne_status", type="folder", path="/")
    with connect(settings) as connection:
        polls.begin(connection, polls.Poll(feed.id, T0, HOUR))
        (recent,) = polls.recent(connection, [feed.id]).values()
    assert recent.due_at(HOUR, 600) == T0 + dt.timedelta(minutes=11)
    poll(parts, feed, lambda: T0 + HOUR)
    with connect(settings) as connection:
        rows = connection.execute("select outcome, error from catalogue.poll order by started_at").fetchall()
    assert rows == [("failed", "its process ended before it did"), ("unchanged", None)]


def test_failures_in_a_row_are_asked_again_soon_then_later(settings):
    with connect(settings) as connection:
        for number in range(4):
            start = T0 + number * HOUR
            polls.put(connection, [polls.Poll("s", start, DAY, "failed", start, error="no")])
        (recent,) = polls.recent(connection, ["s"]).values()
        assert (recent.failed, recent.last_good_at) == (4, None)
        assert recent.due_at(DAY, 600) == T0 + 3 * HOUR + dt.timedelta(minutes=8)
        assert recent.due_at(dt.timedelta(minutes=5), 600) == T0 + 3 * HOUR + dt.timedelta(minutes=5)
        asked = polls.Poll("s", T0 + 5 * HOUR, DAY, "failed", T0 + 5 * HOUR, error="no", not_before=T0 + 9 * HOUR)
        polls.put(connection, [asked])
        (recent,) = polls.recent(connection, ["s"]).values()
        assert recent.due_at(DAY, 600) == T0 + 9 * HOUR
        polls.put(connection, [polls.Poll("s", T0 + 10 * HOUR, DAY, "unchanged", T0 + 10 * HOUR)])
        (recent,) = polls.recent(connection, ["s"]).values()
        assert recent.due_at(DAY, 600) == T0 + 10 * HOUR + DAY


def test_a_gap_is_where_a_poll_failed_or_was_not_made(settings):
    """Hourly: (hours at which polls were good, at which they failed) → gaps, by the hours between which they lie."""
    cases = {
        "every hour": ((0, 1, 2, 3), (), []),
        "one failed": ((0, 2, 3), (1,), [(0, 2)]),
        "one was late": ((0, 2, 3), (), []),
        "two were not made": ((0, 3, 4), (), [(0, 3)]),
        "two gaps": ((0, 2, 3, 7), (1,), [(0, 2), (3, 7)]),
        "failed at first": ((2, 3), (0, 1), []),
        "fails since": ((0, 1), (2, 3), [(1, 9)]),
    }
    with connect(settings) as connection:
        for name, (good, failed, _) in cases.items():
            for hour in (*good, *failed):
                at = T0 + hour * HOUR
                error = "no" if hour in failed else None
                polls.put(connection, [polls.Poll(name, at, HOUR, "failed" if error else "new", at, error=error)])
        for start, end in ((T0 - DAY, T0 + DAY), (T0 + HOUR / 2, T0 + 9 * HOUR)):
            found = polls.gaps(connection, ["fails since"], start, end, T0 + 9 * HOUR)
            for name, (_, _, wanted) in cases.items():
                assert found.get(name, []) == [(T0 + a * HOUR, T0 + b * HOUR) for a, b in wanted], name


def test_the_journal_has_polls_and_a_new_warehouse_takes_them(settings, parts, county, clock):
    with serving(county) as url:
        feed = stream(type="ocpi", module="locations", url=f"{url}/open/elmsworth/locations")
        poll(parts, feed, clock.now)
        clock.set(T0 + HOUR)
        county.fail("elmsworth", 60, "500")
        poll(parts, feed, clock.now)
    before = kept(settings)
    assert [each.outcome for each in before] == ["new", "failed"]
    with connect(settings) as connection:
        connection.execute("delete from catalogue.poll")
    agreed = journal.agree(parts.warehouse, parts.lake)
    assert agreed.polls == 2
    assert kept(settings) == before
    assert journal.agree(parts.warehouse, parts.lake) == journal.Agreement()
    lake_of(settings).delete(next(path for path in lake_of(settings).files(journal.ROOT) if "poll" in path))
    assert journal.agree(parts.warehouse, parts.lake).written == 1
    assert kept(settings) == before


def kept(settings):
    with connect(settings) as connection:
        return polls.polls_of(connection, polls.keys(connection))


def test_a_lake_that_takes_nothing_fails_the_poll_and_says_so(settings, parts, monkeypatch):
    with answering(lambda *_: Answer(b"x")) as web:
        feed = stream("ashbourne_status", type="http", url=f"{web.url}/x")

        @contextmanager
        def full(self, path):
            raise OSError(28, "No space left on device", str(Path(self.root, path)))
            yield

        monkeypatch.setattr(Lake, "write", full)
        failed = poll(parts, feed, lambda: T0)
        assert failed.outcome == "failed"
        assert "No space left" in (failed.error or "")
        monkeypatch.undo()
        assert poll(parts, feed, lambda: T0 + HOUR).outcome == "new"
    # What the journal could not take then, it takes now.
    assert journal.agree(parts.warehouse, parts.lake).written == 1


def test_a_secret_that_is_not_there_fails_the_poll_by_its_name(parts):
    feed = stream("ashbourne_status", type="http", url="https://x.example/", token={"secret": "nobody"})
    failed = poll(parts, feed, lambda: T0)
    assert "no secret nobody: set CIC_SECRET_NOBODY" in (failed.error or "")


def test_streams_without_a_source_are_landed_by_hand(parts, settings):
    plain = load_streams(settings.streams)["ashbourne_status"]
    with pytest.raises(NoSourceError, match="landed by hand"):
        poll(parts, plain)
    with pytest.raises(NoSourceError, match="since"):
        poll(parts, stream("ashbourne_status", type="folder", path="/"), since=T0)


def ocpi(data, total=None, **headers):
    body = json.dumps({"data": data, "status_code": 1000, "timestamp": "2026-10-20T05:30:00Z"}).encode()
    return Answer(body, headers={**({} if total is None else {"X-Total-Count": str(total)}), **headers})


def cdrs(url, **more):
    return stream("brackendale_sessions", type="ocpi", module="cdrs", url=f"{url}/cdrs", **more)


LINKS = (
    '<{}>; rel="next"',
    '<{}>; rel="Next"',
    "<{}>; rel=next",
    '<{}>; REL="prefetch next"',
    '<x>; rel="last", <{}>; title="a, b; c"; rel="next"',
)


@pytest.mark.parametrize("link", LINKS)
def test_links_are_read_however_they_are_written(settings, parts, link):
    def answer(asked, _):
        if "cursor" in asked.path:
            return ocpi([{"id": "B"}])
        return ocpi([{"id": "A"}], Link=link.format(f"{web.url}/cdrs?cursor=a;b=2"))

    with answering(answer) as web:
        feed = cdrs(web.url)
        assert poll(parts, feed, lambda: T0).outcome == "new"
        assert web.asked[1].path.endswith("cursor=a;b=2")
    assert ids(settings, feed.id) == ["A", "B"]


def test_fewer_objects_than_the_party_counts_are_asked_for_again(parts):
    with answering(lambda asked, _: ocpi([] if "offset" in asked.path else [{"id": "A"}, {"id": "B"}], 6)) as web:
        done = poll(parts, cdrs(web.url), lambda: T0)
        assert (done.outcome, done.reach_to) == ("new", None)
        assert poll(parts, cdrs(web.url), lambda: T0 + HOUR).reach_from is None


@pytest.mark.parametrize("counts", ["the page", "an object twice"])
def test_a_party_that_counts_otherwise_settles_all_the_same(parts, counts):
    pages = [
        [{"id": "A"}, {"id": "A" if counts != "the page" else "B"}],
        [{"id": "A" if counts != "the page" else "C"}],
    ]

    def answer(asked, _):
        second = "p=2" in asked.path
        link = {} if second else {"Link": f'<{web.url}/cdrs?p=2>; rel="next"'}
        return ocpi(pages[second], len(pages[second]) if counts == "the page" else 3, **link)

    with answering(answer) as web:
        assert poll(parts, cdrs(web.url), lambda: T0).reach_to == T0
        assert len(web.asked) == 4


def test_an_object_that_moves_behind_is_read_again_without_links_too(settings, parts):
    lists = [["C0", "C1", "C2", "C3", "C4", "C5", "C6"], ["C1", "C2", "C3", "C4", "C5", "C6", "C0"]]

    def answer(asked, number):
        offset = int(asked.path.partition("offset=")[2] or 0)
        return ocpi([{"id": name} for name in lists[number > 0][offset : offset + 3]], 7)

    with answering(answer) as web:
        feed = cdrs(web.url)
        assert poll(parts, feed, lambda: T0).reach_to == T0
    assert set(ids(settings, feed.id)) == set(lists[0])


def test_a_party_that_links_on_for_ever_is_left_when_its_pages_are_empty(parts):
    def answer(asked, number):
        return ocpi([{"id": "A"}] if number == 0 else [], Link=f'<{web.url}/cdrs?n={number}>; rel="next"')

    with answering(answer) as web:
        assert poll(parts, cdrs(web.url), lambda: T0).is_good
        assert len(web.asked) < 10


@pytest.mark.parametrize(
    "timestamp", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+01:00", "1970-01-01T00:00:00Z", "soon", 7]
)
def test_a_time_that_is_none_moves_no_reach(parts, timestamp):
    body = json.dumps({"data": [{"id": "A"}], "status_code": "1000", "timestamp": timestamp}).encode()
    with answering(lambda *_: Answer(body)) as web:
        assert poll(parts, cdrs(web.url), lambda: T0).reach_to == T0
        assert poll(parts, cdrs(web.url), lambda: T0 + HOUR).reach_from == T0 - HOUR


STRANGE = {
    "a NUL": lambda url: Answer(b'{"status_code": 2000, "status_message": "a\\u0000b"}'),
    "half a pair": lambda url: Answer(b'{"status_code": 2000, "status_message": "a\\ud800b"}'),
    "no port": lambda url: ocpi([{"id": "A"}], Link='<https://h:abc/x>; rel="next"'),
    "control signs": lambda url: ocpi([{"id": "A"}], Link='<https://h/\x01x>; rel="next"'),
    "unchanged for no reason": lambda url: Answer(status=304),
    "packed and cut": lambda url: Answer(b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"}),
    "an odd code": lambda url: Answer(b'{"status_code": {}, "data": []}'),
    "a late hour": lambda url: Answer(b"", 503, {"Retry-After": "999999999999"}),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_no_standard_knows_is_a_failed_row_and_the_journal_goes_on(settings, parts, name):
    with answering(lambda *_: STRANGE[name](web.url)) as web:
        feed = cdrs(web.url)
        failed = poll(parts, feed, lambda: T0)
        assert failed.outcome == "failed"
        assert failed.error
        assert failed.not_before is None or failed.not_before <= T0 + DAY
    assert [(each.outcome, each.error) for each in kept(settings)] == [("failed", failed.error)]
    assert journal.agree(parts.warehouse, parts.lake) == journal.Agreement()


@pytest.mark.parametrize("versions", [
    {"data": [{"version": "2.2.1", "url": "https://{host}:{port}/x"}]}, {"data": [{"version": "2.2.1", "url": "/d"}]},
    {"data": None}, {"data": ["2.2.1"]}, {"data": [{"version": None, "url": None}]},
])  # fmt: skip
def test_versions_that_lead_nowhere_are_said(parts, versions):
    def answer(asked, _):
        found = {"data": {"endpoints": None}} if asked.path == "/d" else versions
        return Answer(json.dumps({**found, "status_code": 1000}).encode())

    with answering(answer) as web:
        feed = stream("brackendale_sessions", type="ocpi", module="cdrs", versions=f"{web.url}/v")
        failed = poll(parts, feed, lambda: T0)
    assert failed.outcome == "failed"
    assert "defect" not in (failed.error or "") and web.url in (failed.error or "")


def test_a_long_address_is_kept_and_known_again(settings, parts):
    cursor = "".join(f"{n:x}" for n in range(2000))

    def answer(asked, _):
        if "if-none-match" in asked.headers:
            return Answer(status=304)
        link = {} if "cursor" in asked.path else {"Link": f'<{web.url}/l?cursor={cursor}>; rel="next"'}
        return ocpi([{"id": asked.path[:3]}], ETag='"1"', **link)

    with answering(answer) as web:
        feed = stream(type="ocpi", module="locations", url=f"{web.url}/l")
        assert poll(parts, feed, lambda: T0).outcome == "new"
        again = poll(parts, feed, lambda: T0 + HOUR)
    assert [each.status for each in again.answers] == [304, 304]


def test_a_secret_that_comes_back_in_an_address_is_kept_nowhere(settings, parts, secret):
    def answer(asked, _):
        return ocpi([{"id": asked.path}], Link="" if "t=" in asked.path else f'<{web.url}/x?t={TOKEN}>; rel="next"')

    with answering(answer) as web:
        feed = stream(
            "brackendale_sessions", type="ocpi", module="cdrs", url=f"{web.url}/x", token={"secret": "county"}
        )
        done = poll(parts, feed, lambda: T0)
        assert len(web.asked) == 2
        assert web.asked[1].path == f"/x?t={TOKEN}"
    assert TOKEN not in repr(done)
    lake = lake_of(settings)
    for path in lake.files(journal.ROOT):
        with lake.read(path) as handle:
            assert TOKEN.encode() not in handle.read()
    with connect(settings) as connection:
        assert TOKEN not in repr(connection.execute("select * from catalogue.response").fetchall())


def test_since_closes_no_gap_that_it_does_not_cover(parts):
    with answering(lambda *_: ocpi([{"id": "A"}])) as web:
        feed = cdrs(web.url)
        assert poll(parts, feed, lambda: T0 - 30 * DAY).reach_to == T0 - 30 * DAY
        late = poll(parts, feed, lambda: T0, since=T0 - DAY)
        assert (late.outcome, late.reach_from, late.reach_to) == ("new", T0 - DAY, None) or late.outcome == "unchanged"
        assert late.reach_to is None
        assert poll(parts, feed, lambda: T0 + HOUR).reach_from == T0 - 30 * DAY - HOUR
        # The party's own time is behind ours.
        assert poll(parts, feed, lambda: T0 + 2 * HOUR, since=T0 - 90 * DAY).reach_to == T0


def test_bytes_that_left_the_lake_are_sent_again_and_another_query_is_another_document(settings, parts):
    def answer(asked, _):
        return Answer(status=304) if "if-modified-since" in asked.headers else Answer(
            asked.path.encode(), headers={"Last-Modified": "Tue, 20 Oct 2026 05:30:00 GMT"}
        )  # fmt: skip

    with answering(answer) as web:
        one, two = (stream("ashbourne_status", type="http", url=f"{web.url}/x", query={"area": n}) for n in "12")
        assert poll(parts, one, lambda: T0).outcome == "new"
        assert poll(parts, one, lambda: T0 + HOUR).outcome == "unchanged"
        assert poll(parts, two, lambda: T0 + 2 * HOUR).outcome == "new"
        ((_, path, _), _) = objects(settings, one.id)
        for each in lake_of(settings).files("raw"):
            lake_of(settings).delete(each)
        assert poll(parts, one, lambda: T0 + 3 * HOUR).answers[0].status == 200
    assert lake_of(settings).exists(path) or len(lake_of(settings).files("raw")) == 1


def test_one_file_of_a_folder_holds_up_no_other(settings, parts, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ashbourne_poll_1.csv").write_bytes(b"x" * 1_100_000)
    (folder / "ashbourne_poll_2.csv").write_text("good")
    Path(os.fsdecode(os.fsencode(folder) + b"/ashbourne_poll_M\xfcnchen.csv")).write_text("latin")
    now = dt.datetime.now(dt.UTC) + HOUR
    feed = stream("ashbourne_status", type="folder", path=str(folder), limits={"megabytes": 1})
    failed = poll(parts, feed, lambda: now)
    assert "ashbourne_poll_1.csv: more than 1 MB" in (failed.error or "")
    assert failed.new_count == 2
    assert poll(parts, feed, lambda: now + HOUR).new_count == 0
    assert len(sightings(settings, feed.id)) == 2
    assert "ashbourne_poll_M\\xfcnchen.csv" in {Path(each.url).name for each in kept(settings)[0].answers}


def test_days_that_were_computed_before_anybody_knew_of_a_gap_are_computed_again(settings, parts):
    answers = [Answer(b"x"), Answer(b"no", 404), Answer(b"no", 404), Answer(b"y")]
    with answering(lambda _, n: answers[n]) as web:
        feed = stream("ashbourne_status", type="http", url=web.url, every="P1D")

        def stale():
            with connect(settings) as connection:
                rows = connection.execute("delete from catalogue.touched_period returning period_date").fetchall()
            return sorted(day for (day,) in rows)

        poll(parts, feed, lambda: T0)
        assert stale() == []
        poll(parts, feed, lambda: T0 + DAY)
        # The day of the last good poll; the one that has not ended is computed when it has.
        assert stale() == [T0.date()]
        poll(parts, feed, lambda: T0 + 2 * DAY)
        assert stale() == []
        poll(parts, feed, lambda: T0 + 3 * DAY)
        assert stale() == []
    with answering(lambda *_: Answer(b"z")) as web:
        later = stream("ashbourne_status", type="http", url=web.url, every="P1D")
        poll(parts, later, lambda: T0 + 7 * DAY)
    # Nobody polled for four days.
    assert stale() == [T0.date() + n * DAY for n in range(3, 7)]
    with answering(lambda *_: Answer(b"w")) as web:
        last = stream("ashbourne_status", type="http", url=web.url, every="P1D")
        with connect(settings) as connection:
            polls.begin(connection, polls.Poll(last.id, T0 + 8 * DAY, DAY))
        poll(parts, last, lambda: T0 + 8 * DAY + HOUR)
    # The one that died with its process is known by the next.
    assert stale() == [T0.date() + 7 * DAY]
