"""Malformed payloads through the whole ingest: landed, decoded, harmonised, judged, accepted or quarantined.

python -m tests.fuzz.whole_ingest PAYLOADS [SEED]    on the engine of CIC_SPARK, in a scratch lake and warehouse
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from cic_assets.lake.ingest import ingest
from cic_assets.lake.landing import land
from cic_assets.resources.spark import SparkResource
from cic_assets.settings import Settings, load_settings
from cic_assets.warehouse import connect as warehouse
from cic_assets.warehouse import embedded
from cic_assets.work import pending_arrivals
from tests.fuzz import payloads

PER_FILE = 1000
ARRIVED = dt.datetime(2026, 1, 20, 6, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Account:
    """What became of one stream's payloads.

    Attributes:
        sent: lines, or documents.
        records: that were read in them; a stray quote of a CSV makes one of several lines.
    """

    sent: int
    records: int
    accepted: int
    quarantined: int


def run(settings: Settings, folder: Path, count: int, seed: int = 1) -> dict[str, Account]:
    """Sends about `count` payloads and demands that every one is accounted for, file by file.

    Raises:
        AssertionError: a file's records are not its lines, or are not all accepted or quarantined.
    """
    sent = _land(settings, folder, count, seed)
    streams = {name: payloads.stream(name) for name in sent}
    spark = SparkResource(engine=settings.spark).session
    accounts = {}
    for name, stream in streams.items():
        mine = [each for each in pending_arrivals(settings, streams) if each.stream_id == name]
        counts = ingest(settings, spark, stream, mine, "fuzz", lambda count: True)
        assert not any(wrong for each in counts for wrong in each.disagreements.values()), counts
        accounts[name] = Account(
            sum(sent[name].values()), sum(each.rows_in for each in counts), sum(each.accepted for each in counts),
            sum(each.quarantined for each in counts),
        )  # fmt: skip
    _demand_all(settings, sent)
    return accounts


def _land(settings: Settings, folder: Path, count: int, seed: int) -> dict[str, Counter[str]]:
    """Stream → file → payloads in it; a file per day, so that arrivals of a stream go through together."""
    sent: dict[str, Counter[str]] = {}
    for name, (share, make) in payloads.LINES.items():
        random, wanted = Random(f"{seed}:{name}"), count * share // 100
        stream, files = payloads.stream(name), Counter[str]()
        for number, first in enumerate(range(0, wanted, PER_FILE)):
            lines = [make(random) for _ in range(min(PER_FILE, wanted - first))]
            if name == payloads.CSV_STREAM:
                lines.insert(0, payloads.CSV_HEADER.encode())
            files[_put(settings, stream, folder / f"{name}_{number}", b"\n".join(lines) + b"\n", number)] = len(lines)
        sent[name] = files
    random, stream = Random(f"{seed}:documents"), payloads.stream("elmsworth_status")
    documents = [payloads.document(random) for _ in range(max(1, count // 500))]
    sent[stream.id] = Counter(
        _put(settings, stream, folder / f"document_{number}", content, 0) for number, content in enumerate(documents)
    )
    return sent


def _put(settings: Settings, stream: payloads.Stream, path: Path, content: bytes, day: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return land(settings, stream, path, ARRIVED + dt.timedelta(days=day)).landed.sha256


def _demand_all(settings: Settings, sent: dict[str, Counter[str]]) -> None:
    """Every line of every file is in exactly one decoded record, and every record is accepted or in quarantine."""
    records: dict[str, int] = {}
    for path in Path(settings.lake, "decoded").rglob("*.parquet"):
        table = pq.read_table(path, columns=["cic.sha256", "cic.line", "cic.raw"])
        rows = table.to_pylist()
        if rows:
            sha256 = rows[0]["cic.sha256"]
            records[sha256] = len(rows)
            stream = path.parts[-3].removeprefix("stream_id=")
            if stream in payloads.LINES:
                _demand_lines(stream, rows, sent[stream][sha256])
    with warehouse.connect(settings) as connection:
        files = "select sha256, record_count from catalogue.object where record_count > 0"
        assert dict(connection.execute(files).fetchall()) == records
        counted = connection.execute(
            "select stream_id, sum(quarantined)::int from quality.ingest_count group by 1 having sum(quarantined) > 0"
        ).fetchall()
        held = connection.execute("select stream_id, count(*)::int from quality.quarantine group by 1").fetchall()
    assert sorted(counted) == sorted(held)


def _demand_lines(stream: str, rows: list[dict], count: int) -> None:
    if stream != payloads.CSV_STREAM:
        # A log's record is its line.
        assert [row["cic.line"] for row in rows] == list(range(1, count + 1)), stream
        return
    # A record ends where the next one begins; the last one at the file's end. The header is line 1.
    begins = [row["cic.line"] for row in rows]
    assert begins == sorted(set(begins)) and begins[0] == 2 and begins[-1] <= count
    for row, following in zip(rows, [*begins[1:], count + 1], strict=True):
        lines = row["cic.raw"].count("\n") + 1
        assert lines == following - row["cic.line"], row


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch, "home")
        names = {"CIC_HOME": str(home), "CIC_PERSONAL_KEY": "k", "CIC_SPARK": os.environ.get("CIC_SPARK", "embedded")}
        settings = load_settings(names)
        warehouse.set_up(settings)
        started = time.monotonic()
        try:
            accounts = run(settings, Path(scratch, "sent"), count, seed)
        finally:
            embedded.delete(home)
    for name, account in accounts.items():
        print(f"{name}: {account}")
    lines = sum(accounts[name].sent for name in payloads.LINES) - -(-count // 4 // PER_FILE)
    print(f"{lines:,} malformed lines in {time.monotonic() - started:.0f} s on {settings.spark}: all accounted for")


if __name__ == "__main__":
    main()
