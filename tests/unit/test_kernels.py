"""Kernels: they travel to a cluster whose Python has none of our code."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys

import pyarrow as pa
from pyspark import cloudpickle

import cic_assets
from cic_assets.facts import restatement, status
from cic_assets.facts.status_edges import ENTRIES
from tests.builders import entry

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


def kernels(monkeypatch) -> dict[str, object]:
    """The kernels that the engine is given, by the step that gives them."""
    found: dict[str, object] = {}

    class Frame:
        def select(self, *_: object) -> Frame:
            return self

        unionByName = select  # noqa: N815 - Spark's name

    def keep(name):
        def given(frame, kernel, schema, groups):
            found[name] = kernel
            return type("Nothing", (), {"toArrow": schema.empty_table})()

        return given

    for module in (status, restatement):
        monkeypatch.setattr(module, "by_charge_points", keep(module.__name__))
    monkeypatch.setattr(restatement, "F", type("Functions", (), {"lit": lambda side: type("C", (), {"alias": id})()}))
    status.status_facts(Frame(), [FEED], DAY, DAY + dt.timedelta(days=1), (), NOON + dt.timedelta(days=9))
    days = found[status.__name__]
    status.edges(Frame())
    edges = found[status.__name__]
    points = pa.table({"charge_point_id": ["p/1"], "first_event_at": [NOON], "ever_stays": [False]})
    restatement.affected_spans(
        Frame(), Frame(), Frame(), points, pa.table({"stream_id": ["s"], "first_at": [NOON]}), zone="Europe/London",
        silence=None, feed_first=NOON, horizon=NOON + dt.timedelta(days=9),
    )  # fmt: skip
    return {"days": days, "edges": edges, "spans": found[restatement.__name__]}


def test_a_cluster_needs_nothing_of_ours_to_run_a_kernel(monkeypatch):
    rows = [entry(NOON, "CHARGING"), entry(NOON, entry="point") | {"at": None}]
    known = pa.Table.from_pylist(rows, schema=ENTRIES)
    dated = known.append_column("event_date", pa.array([row["event_date"] for row in rows], pa.date32()))
    sided = known.append_column("side", pa.array([restatement.ADDED, restatement.KNOWN]))
    tables = {"days": known, "edges": dated, "spans": sided}
    for name, kernel in kernels(monkeypatch).items():
        here = kernel(tables[name])
        assert here.num_rows and elsewhere(kernel, tables[name]).equals(here), name
