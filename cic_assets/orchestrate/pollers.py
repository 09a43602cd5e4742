"""The threads that fetch feeds for the sensor `polls`: a few at a time, and one poll of a stream at a time.

A tick of a sensor has a minute. A poll that takes longer goes on, and a later tick says how it ended.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from cic_assets.fetch.poll import poll
from cic_assets.kinds.stream import Stream
from cic_assets.ledger import polls
from cic_assets.ledger.polls import BeingPolledError, Poll
from cic_assets.parts import Parts

LOG = logging.getLogger(__name__)
# Polls wait for others' servers, and hardly work; a few that never answer must not hold up the others.
AT_ONCE = 16
# Seconds that a tick waits for polls to end.
PATIENCE = 30.0


@dataclass
class Pollers:
    """Polls under way in this process."""

    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, thread_name_prefix="poll"))
    _running: dict[str, Future[Poll]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(
        self, parts: Parts, streams: Iterable[Stream], now: dt.datetime, patience: float = PATIENCE
    ) -> tuple[list[Poll], list[str]]:
        """Begins the polls that are due.

        Returns:
            (polls that have ended since the last tick, streams whose polls are under way).
        """
        with self._lock:
            for stream in due(parts, streams, now):
                if stream.id not in self._running:
                    self._running[stream.id] = self._pool.submit(poll, parts, stream)
            wait(self._running.values(), patience)
            ended = {stream_id: each for stream_id, each in self._running.items() if each.done()}
            for stream_id in ended:
                del self._running[stream_id]
            return [done for each in ended.values() if (done := _ended(each)) is not None], sorted(self._running)


def _ended(future: Future[Poll]) -> Poll | None:
    try:
        return future.result()
    except BeingPolledError as error:
        LOG.info("%s", error)
    except Exception:
        # Of one stream; the others' polls are told all the same, and this one is due again.
        LOG.exception("a poll ended by a defect")
    return None


def due(parts: Parts, streams: Iterable[Stream], now: dt.datetime) -> list[Stream]:
    """The streams that are to be fetched now, those that wait longest first."""
    fetched = [stream for stream in streams if stream.source is not None]
    if not fetched:
        return []
    with parts.warehouse.transaction() as connection:
        recent = polls.recent(connection, [stream.id for stream in fetched])
    waiting = []
    for stream in fetched:
        assert stream.source is not None
        last = recent.get(stream.id)
        due_at = last.due_at(stream.source.every, stream.source.limits.seconds) if last else dt.datetime.min
        if last is None or due_at <= now:
            waiting.append((due_at.replace(tzinfo=dt.UTC), stream.id, stream))
    return [stream for *_, stream in sorted(waiting, key=lambda each: each[:2])]


POLLERS = Pollers()
