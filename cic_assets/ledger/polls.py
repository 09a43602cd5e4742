"""The ledger of polls: when each feed was fetched, what came, what is due, and when nothing was heard for our sake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

from psycopg.types.json import Jsonb

from cic_assets.errors import PlatformError
from cic_assets.warehouse.connect import Connection, Warehouse

Outcome = Literal["running", "new", "unchanged", "failed"]
GOOD = ("new", "unchanged")
# After the first failure, doubled with each further one in a row, up to an hour or the feed's own `every`.
_FIRST_RETRY = dt.timedelta(minutes=1)
_LONGEST_RETRY = dt.timedelta(hours=1)
# Characters of what went wrong.
MOST_SAID = 1_000
# Between good polls of one feed: more than so many periods, and one that was due was not made.
PERIODS = 2
Gap = tuple[dt.datetime, dt.datetime]


class BeingPolledError(PlatformError):
    """Another process polls the stream right now."""


@dataclass(frozen=True)
class Answer:
    """One answer of a poll, as `catalogue.response` keeps it: no secret is in it.

    Attributes:
        url: what was asked for; of a folder the file's path.
        status: 200; 304 where it is as `sha256` was.
        object_count: of a page of OCPI; None of others.
        next_url: where a page of OCPI goes on.
    """

    url: str
    requested_at: dt.datetime
    status: int
    request_headers: Mapping[str, str]
    response_headers: Mapping[str, str]
    sha256: str
    byte_count: int
    object_count: int | None = None
    next_url: str | None = None


@dataclass(frozen=True)
class Poll:
    """One fetch of one feed.

    Attributes:
        started_at: when its requests began, and when the bytes of all its answers count as seen.
        every: the feed's period then.
        reach_from: `date_from` of a module that is asked for by time; None for all.
        reach_to: what was updated before it, the party has sent. None where it isn't known.
        new_count: answers whose bytes were new to the stream.
        error: what went wrong; None unless it failed.
        not_before: when the other side wants to be asked again, if it said so.
        answers: in the order of its requests.
    """

    stream_id: str
    started_at: dt.datetime
    every: dt.timedelta
    outcome: Outcome = "running"
    ended_at: dt.datetime | None = None
    reach_from: dt.datetime | None = None
    reach_to: dt.datetime | None = None
    new_count: int = 0
    error: str | None = None
    not_before: dt.datetime | None = None
    answers: Sequence[Answer] = field(default=(), repr=False)

    @property
    def is_good(self) -> bool:
        """Whether all came that was asked for."""
        return self.outcome in GOOD

    @property
    def byte_count(self) -> int:
        """Of all answers."""
        return sum(answer.byte_count for answer in self.answers)


def clean(poll: Poll) -> Poll:
    """The poll with texts that Postgres, JSON and UTF-8 take: of a NUL or half a surrogate pair, its number is left."""
    answers = [
        replace(
            each, url=_text(each.url), request_headers=_texts(each.request_headers),
            response_headers=_texts(each.response_headers), next_url=each.next_url and _text(each.next_url),
        )
        for each in poll.answers
    ]  # fmt: skip
    error = None if poll.error is None else _text(poll.error)[:MOST_SAID]
    return replace(poll, error=error, answers=tuple(answers))


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


@contextmanager
def polling(warehouse: Warehouse, stream_id: str) -> Iterator[None]:
    """Makes the caller the only one that polls a stream, on any machine, until the end of the block or of its process.

    Raises:
        BeingPolledError: another one does.
    """
    # A connection's own lock: it ends with the process, however that ends, and no transaction is open meanwhile.
    key = f"cic poll {stream_id}"
    with warehouse.statements() as connection:
        row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [key]).fetchone()
        if not (row and row[0]):
            raise BeingPolledError(f"{stream_id} is being polled by another process; see catalogue.poll")
        yield


def begin(connection: Connection, poll: Poll) -> None:
    """Says that a poll has begun; one that was left running did not survive its process."""
    connection.execute(
        "update catalogue.poll set outcome = 'failed', ended_at = greatest(started_at, now()),"
        " error = 'its process ended before it did' where stream_id = %s and outcome = 'running'",
        [poll.stream_id],
    )
    connection.execute(
        "insert into catalogue.poll (stream_id, started_at, outcome, every_seconds, reach_from)"
        " values (%s, %s, 'running', %s, %s) on conflict (stream_id, started_at) do update set outcome = 'running',"
        " ended_at = null, error = null, every_seconds = excluded.every_seconds, reach_from = excluded.reach_from",
        [poll.stream_id, poll.started_at, poll.every.total_seconds(), poll.reach_from],
    )


def put(connection: Connection, polls: Iterable[Poll]) -> None:
    """Keeps polls that have ended, with their answers, in place of what was kept of them."""
    for poll in polls:
        connection.execute(
            "delete from catalogue.poll where (stream_id, started_at) = (%s, %s)", [poll.stream_id, poll.started_at]
        )
        connection.execute(
            "insert into catalogue.poll (stream_id, started_at, ended_at, outcome, every_seconds, reach_from, reach_to,"
            " response_count, new_count, byte_count, error, not_before)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                poll.stream_id, poll.started_at, poll.ended_at, poll.outcome, poll.every.total_seconds(),
                poll.reach_from, poll.reach_to, len(poll.answers), poll.new_count, poll.byte_count, poll.error,
                poll.not_before,
            ],
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into catalogue.response values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    [
                        poll.stream_id, poll.started_at, number, each.url, each.requested_at, each.status,
                        Jsonb(dict(each.request_headers)), Jsonb(dict(each.response_headers)), each.sha256,
                        each.byte_count, each.object_count, each.next_url,
                    ]
                    for number, each in enumerate(poll.answers, 1)
                ],
            )  # fmt: skip


def keys(connection: Connection) -> list[tuple[str, dt.datetime]]:
    """(stream, beginning) of each poll that has ended."""
    rows = connection.execute("select stream_id, started_at from catalogue.poll where outcome <> 'running'").fetchall()
    return [(stream_id, started_at.astimezone(dt.UTC)) for stream_id, started_at in rows]


def polls_of(connection: Connection, wanted: Collection[tuple[str, dt.datetime]]) -> list[Poll]:
    """Some polls, whole."""
    columns = [[stream_id for stream_id, _ in wanted], [started_at for _, started_at in wanted]]
    answers: dict[tuple[str, dt.datetime], list[Answer]] = {}
    for stream_id, started_at, *rest in connection.execute(
        "select stream_id, started_at, url, requested_at, status, request_headers, response_headers, sha256,"
        " byte_count, object_count, next_url from catalogue.response where (stream_id, started_at) in"
        " (select * from unnest(%s::text[], %s::timestamptz[])) order by stream_id, started_at, number",
        columns,
    ).fetchall():
        answers.setdefault((stream_id, started_at), []).append(Answer(rest[0], _utc(rest[1]), *rest[2:]))
    rows = connection.execute(
        "select stream_id, started_at, every_seconds, outcome, ended_at, reach_from, reach_to, new_count, error,"
        " not_before from catalogue.poll where (stream_id, started_at) in"
        " (select * from unnest(%s::text[], %s::timestamptz[])) order by 1, 2",
        columns,
    ).fetchall()
    return [_poll(row, answers.get((row[0], row[1]), ())) for row in rows]


def _poll(row: Sequence[Any], answers: Sequence[Answer] = ()) -> Poll:
    stream_id, started_at, every, outcome, ended_at, reach_from, reach_to, new_count, error, not_before = row
    return Poll(
        stream_id, started_at.astimezone(dt.UTC), dt.timedelta(seconds=every), outcome, _utc(ended_at),
        _utc(reach_from), _utc(reach_to), new_count, error, _utc(not_before), tuple(answers),
    )  # fmt: skip


@overload
def _utc(moment: dt.datetime) -> dt.datetime: ...


@overload
def _utc(moment: None) -> None: ...


def _utc(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.astimezone(dt.UTC)


def last_reach(connection: Connection, stream_id: str) -> dt.datetime | None:
    """Up to when a module has sent all its updates, by the last good poll that knows; None before any does."""
    row = connection.execute(
        "select reach_to from catalogue.poll where stream_id = %s and outcome = any(%s) and reach_to is not null"
        " order by started_at desc limit 1",
        [stream_id, list(GOOD)],
    ).fetchone()
    return None if row is None else _utc(row[0])


def last_answer(connection: Connection, stream_id: str, url: str) -> tuple[Answer, str, bool] | None:
    """(last answer of a URL, its object's path in raw, whether that was purged); a 304 stands for the one before it."""
    row = connection.execute(
        "select r.url, r.requested_at, r.status, r.request_headers, r.response_headers, r.sha256, r.byte_count,"
        " r.object_count, r.next_url, o.path, o.purged_at is not null from catalogue.response as r"
        " join catalogue.object as o using (stream_id, sha256)"
        " where r.stream_id = %s and md5(r.url) = md5(%s) and r.url = %s and r.status = 200 and o.landed"
        " order by r.requested_at desc limit 1",
        [stream_id, url, url],
    ).fetchone()
    return None if row is None else (Answer(row[0], _utc(row[1]), *row[2:9]), row[9], row[10])


def answers_by_url(connection: Connection, stream_id: str) -> dict[str, Answer]:
    """The last answer of each URL of a stream."""
    rows = connection.execute(
        "select distinct on (url) url, requested_at, status, request_headers, response_headers, sha256, byte_count,"
        " object_count, next_url from catalogue.response where stream_id = %s order by url, requested_at desc",
        [stream_id],
    ).fetchall()
    return {row[0]: Answer(row[0], _utc(row[1]), *row[2:]) for row in rows}


@dataclass(frozen=True)
class Recent:
    """How a feed was fetched last.

    Attributes:
        last: the last poll, without its answers.
        last_good_at: when the last good one began; None before the first.
        failed: polls in a row that failed since.
    """

    last: Poll
    last_good_at: dt.datetime | None
    failed: int

    def due_at(self, every: dt.timedelta, limit_seconds: float) -> dt.datetime:
        """When the feed is to be fetched again.

        Args:
            every: the feed's period now.
            limit_seconds: after so long, one that still runs died with its process.
        """
        if self.last.outcome == "running":
            return self.last.started_at + dt.timedelta(seconds=limit_seconds) + _FIRST_RETRY
        if not self.failed:
            return self.last.started_at + every
        wait: dt.timedelta = min(_FIRST_RETRY * 2 ** min(self.failed - 1, 10), _LONGEST_RETRY, every)
        return max(self.last.started_at + wait, self.last.not_before or self.last.started_at)


def recent(connection: Connection, stream_ids: Iterable[str]) -> dict[str, Recent]:
    """How each of some feeds was fetched last; those that never were are left out."""
    rows = connection.execute(
        "with goods as ("
        "  select stream_id, max(started_at) as good_at from catalogue.poll"
        "  where stream_id = any(%(ids)s) and outcome = any(%(good)s) group by 1"
        ") select distinct on (p.stream_id) p.stream_id, p.started_at, p.every_seconds, p.outcome, p.ended_at,"
        " p.reach_from, p.reach_to, p.new_count, p.error, p.not_before, g.good_at,"
        " (select count(*) from catalogue.poll as f where f.stream_id = p.stream_id and f.outcome = 'failed'"
        "  and f.started_at > coalesce(g.good_at, '-infinity'))"
        " from catalogue.poll as p left join goods as g using (stream_id)"
        " where p.stream_id = any(%(ids)s) order by p.stream_id, p.started_at desc",
        {"ids": list(stream_ids), "good": list(GOOD)},
    ).fetchall()
    return {row[0]: Recent(_poll(row[:10]), _utc(row[10]), int(row[11])) for row in rows}


def gaps(
    connection: Connection, fetched: Collection[str], start: dt.datetime, end: dt.datetime, now: dt.datetime
) -> dict[str, list[Gap]]:
    """When feeds were not heard for our sake, whoever it was that failed: by stream, in order.

    A gap lies between two good polls, if one between them failed or one that was due was not made; and after the last
    good one, as long as that is so. Before the first one there is none.

    Args:
        connection: of the warehouse.
        fetched: streams that are still fetched; of others there is no gap after the last poll.
        start: gaps that end before it are left out.
        end: and those that begin after it.
        now: where a gap that is still open ends.
    """
    rows = connection.execute(
        "with bounds as ("
        "  select stream_id,"
        "    coalesce(max(started_at) filter (where started_at <= %(start)s), min(started_at)) as first_at,"
        "    coalesce(min(started_at) filter (where started_at >= %(end)s), max(started_at)) as last_at"
        "  from catalogue.poll where outcome = any(%(good)s) group by 1"
        "), numbered as ("
        "  select p.stream_id, p.started_at, p.every_seconds, p.outcome = any(%(good)s) as is_good, b.last_at,"
        "    count(*) filter (where p.outcome = any(%(good)s)) over (partition by p.stream_id order by p.started_at)"
        "      as number"
        "  from catalogue.poll as p join bounds as b using (stream_id)"
        "  where p.started_at >= b.first_at and p.outcome <> 'running'"
        "), good as ("
        "  select stream_id, number, min(started_at) as started_at,"
        "    (array_agg(every_seconds order by started_at))[1] as every_seconds,"
        "    count(*) filter (where not is_good) as failed, min(last_at) as last_at"
        "  from numbered group by 1, 2"
        ") select stream_id, started_at, every_seconds, failed,"
        "    lead(started_at) over (partition by stream_id order by number), last_at"
        "  from good order by 1, 2",
        {"start": start, "end": end, "good": list(GOOD)},
    ).fetchall()
    found: dict[str, list[Gap]] = {}
    for stream_id, began, every, failed, ended, last_at in rows:
        if began > last_at or (ended is None and stream_id not in fetched):
            continue
        to = ended or now
        if (failed or (to - began).total_seconds() > PERIODS * every) and to > began:
            found.setdefault(stream_id, []).append((began.astimezone(dt.UTC), to.astimezone(dt.UTC)))
    return found
