"""Kernels: they travel to a cluster whose Python has none of our code."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys

import pyarrow as pa
from pyspark import cloudpickle

import cic_assets
from cic_assets.facts import restatement, sessions, status
from cic_assets.facts.status_edges import ENTRIES
from tests.builders import accepted, accepted_table, entry

DAY = dt.date(2026, 5, 3)
NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
FEED = status.Feed("s", "p", "a", "Europe/London", None, NOON + dt.timedelta(days=1), NOON)
# As on a cluster: numpy and pyarrow are there, cic_assets is not.
ELSEWHERE = """
import pickle, sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "cic_assets":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
kernel, table = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(kernel(table)))
"""


def elsewhere(kernel, table: pa.Table) -> pa.Table:
    """What a kernel makes in another Python."""
    cloudpickle.register_pickle_by_value(cic_assets)
    try:
        sent = cloudpickle.dumps((kernel, table))
    finally:
        cloudpickle.unregister_pickle_by_value(cic_assets)
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, timeout=300, check=False)
    assert not done.returncode, done.stderr.decode()
    return pickle.loads(done.stdout)


class Anything:
    """A frame, a column, or what makes one: whatever is asked of it gives one again."""

    def __getattr__(self, name: str) -> Anything:
        return self

    def __call__(self, *_: object, **__: object) -> Anything:
        return self

    __ge__ = __gt__ = __le__ = __lt__ = __and__ = __or__ = __eq__ = __call__  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __invert__(self) -> Anything:
        return self


ANY = Anything()


def kernels(monkeypatch) -> dict[str, object]:
    """The kernels that the engine is given, by the step that gives them."""
    given: list[object] = []
    nothing = type("Nothing", (), {"toArrow": lambda: restatement._SPANS.empty_table()})
    for module in (status, restatement, sessions):
        monkeypatch.setattr(module, "in_groups", lambda frame, kernel, *_: given.append(kernel) or nothing)
    for module in (restatement, sessions):
        monkeypatch.setattr(module, "F", ANY)
    status.status_facts(ANY, [FEED], DAY, DAY + dt.timedelta(days=1), (), NOON + dt.timedelta(days=9))
    status.edges(ANY)
    points = pa.table({"charge_point_id": ["p/1"], "first_event_at": [NOON], "ever_stays": [False]})
    restatement.affected_spans(
        ANY, ANY, ANY, points, pa.table({"stream_id": ["s"], "first_at": [NOON]}), zone="Europe/London",
        silence=None, feed_first=NOON, horizon=NOON + dt.timedelta(days=9),
    )  # fmt: skip
    sessions.session_facts(ANY, ANY, DAY, DAY + dt.timedelta(days=1))
    return dict(zip(("days", "edges", "spans", "sessions"), given, strict=True))


def test_a_cluster_needs_nothing_of_ours_to_run_a_kernel(monkeypatch):
    rows = [entry(NOON, "CHARGING"), entry(NOON, entry="point") | {"at": None}]
    known = pa.Table.from_pylist(rows, schema=ENTRIES)
    dated = known.append_column("event_date", pa.array([row["event_date"] for row in rows], pa.date32()))
    sided = known.append_column("side", pa.array([restatement.ADDED, restatement.KNOWN]))
    # The second credits the first.
    session = accepted_table(accepted("1", start=NOON), accepted("2", start=NOON, credit=True, credit_reference_id="1"))
    session = session.append_column("is_unlisted", pa.array([True, False]))
    tables = {"days": known, "edges": dated, "spans": sided, "sessions": session}
    for name, kernel in kernels(monkeypatch).items():
        here = kernel(tables[name])
        assert here.num_rows and elsewhere(kernel, tables[name]).equals(here), name
