"""Which calls of a step are struck: commits, and a seeded sample of everything else that changes anything."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.end_to_end.faults.strace import RECEIVES, SOCKETS, Call

# Calls that threads make of files of the lake alone, so that their numbers lead there. Most writes of threads wake one
# another, and most files that they open are only read.
_OF_THREADS = ("rename", "renameat", "renameat2", "link", "linkat", "unlink")
_FALLIBLE = ("write", "fsync", "fdatasync", "rename", "linkat", "openat", *RECEIVES)


def can_be_struck(call: Call) -> bool:
    """Whether a fault at the call's number comes to that call or one like it."""
    return call.is_main or call.is_known_by_path or call.name in _OF_THREADS


def kill_points(calls: Sequence[Call], number: int, rng: random.Random) -> list[Call]:
    """Up to `number` calls: half of them commits, files' before Postgres's, the rest from all others."""
    usable = [call for call in calls if can_be_struck(call) and call.name not in RECEIVES]
    files = [call for call in usable if call.is_commit and call.path and not call.path.startswith("_staging")]
    statements = [call for call in usable if call.is_commit and not call.path]
    rest = [call for call in usable if call not in files and call not in statements]
    half = number // 2
    found = rng.sample(files, min(len(files), half - half // 3))
    found += rng.sample(statements, min(len(statements), half - len(found)))
    return found + rng.sample(rest, min(len(rest), number - len(found)))


def error_points(calls: Sequence[Call], number: int, rng: random.Random) -> list[Call]:
    """Up to `number` calls that can fail, of each name in turn."""
    by_name = {
        name: [call for call in calls if call.name == name and can_be_struck(call) and not _is_scratch(call)]
        for name in _FALLIBLE
    }
    left = [rng.sample(found, len(found)) for found in by_name.values() if found]
    found: list[Call] = []
    while left and len(found) < number:
        found += [calls_.pop() for calls_ in left]
        left = [calls_ for calls_ in left if calls_]
    return found[:number]


def _is_scratch(call: Call) -> bool:
    """A library's own scratch files: in Sail's, the error is Sail's to word."""
    return call.path.startswith("_staging") and not call.is_main


def statements(calls: Sequence[Call], *words: str) -> list[Call]:
    """Calls to Postgres with one of the words in them."""
    return [call for call in calls if call.name in SOCKETS and any(word in call.text for word in words)]


def holding_points(calls: Sequence[Call]) -> list[Call]:
    """Where a worker can stand still: before a version of a Delta table, in a COPY, before and after it has a lock."""
    versions = [call for call in calls if call.name.startswith("link") and call.is_known_by_path]
    asking = statements(calls, "select period_date, owner", "order by period_date for", "lock table facts")
    copying = statements(calls, '"d\\0')
    return versions + copying + asking + statements(calls, "create temporary table changed", 'insert into \\"facts')
