"""Malformed payloads through the whole ingest, in a warehouse and a lake of their own: nothing raises, nothing is lost.

python -m tests.fuzz.bulk PAYLOADS [ENGINE] [SEED]
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from psycopg.rows import dict_row

from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import parts_of, set_up
from cic_assets.settings import Settings, load_settings
from cic_assets.warehouse import embedded
from tests.doors import connect
from tests.end_to_end.steps import run_ingest
from tests.fuzz.payloads import HEADER, SECRET, STREAMS, files

ARRIVED = dt.datetime(2026, 2, 1, 6, tzinfo=dt.UTC)
# Each payload of these is a line, so that what was sent can be counted without the decoder.
BY_LINE = ("fuzz_csv", "fuzz_personal", "fuzz_cdr", "fuzz_status")


def send(settings: Settings, folder: Path, seed: int, payloads: int, per_file: int = 2_500) -> dict[str, int]:
    """Lands so many payloads, an equal share of each stream; gives the lines of each file."""
    sent: dict[str, int] = {}
    for name in BY_LINE:
        for number, (content, lines) in enumerate(files(seed, name, payloads // len(BY_LINE), per_file)):
            path = folder / f"{name}_{number}"
            path.write_bytes(content)
            land(parts_of(settings), STREAMS[name], path, ARRIVED)
            sent[path.name] = lines
    return sent


def found(settings: Settings) -> tuple[Counter[str], Counter[str]]:
    """Accepted and quarantined records, by file."""
    counts: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for kind in ("sessions", "status"):
        accepted = DeltaTable(f"{settings.lake}/accepted/{kind}").to_pyarrow_table()
        counts[0].update(accepted.column("source_file").to_pylist())
    with connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        rejected = cursor.execute("select stream_id, source_file, reasons, raw from quality.quarantine").fetchall()
    counts[1].update(row["source_file"] for row in rejected)
    leaks = [row for row in rejected if leaks_personal(row)]
    assert not leaks, leaks[:3]
    return counts


def leaks_personal(row: dict[str, Any]) -> bool:
    """Whether a personal value shows where its field stands; one that was sent under another name nobody can know."""
    if SECRET not in row["raw"] or row["stream_id"] not in ("fuzz_personal", "fuzz_cdr"):
        return False
    if "D01" in row["reasons"]:
        return True
    if row["stream_id"] == "fuzz_personal":
        return SECRET in next(csv.reader([row["raw"]]))[HEADER.split(",").index("rfid")]
    token = json.loads(row["raw"]).get("cdr_token")
    return isinstance(token, dict) and SECRET in str(token.get("uid"))


def check(settings: Settings, sent: dict[str, int]) -> tuple[int, int]:
    """Accepted + quarantined = sent, file by file, in the lake and in the warehouse's counts."""
    accepted, quarantined = found(settings)
    wrong = {name: (count, accepted[name], quarantined[name]) for name, count in sent.items()
             if accepted[name] + quarantined[name] != count}  # fmt: skip
    assert not wrong, f"(sent, accepted, quarantined): {wrong}"
    with connect(settings) as connection:
        rows = connection.execute("select sum(rows_in), sum(accepted), sum(quarantined) from quality.ingest_count")
        total = (sum(sent.values()), accepted.total(), quarantined.total())
        assert rows.fetchone() == total, total
        assert connection.execute("select count(*) from quality.quarantine").fetchone() == (total[2],)
    return accepted.total(), quarantined.total()


def main() -> None:
    """Starts an embedded Postgres, sends, ingests, counts, and says what it took."""
    payloads, engine = int(sys.argv[1]), (sys.argv[2:3] or ["embedded"])[0]
    seed = int((sys.argv[3:4] or ["1"])[0])
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "server")
        home.mkdir()
        embedded.start(home)
        try:
            base = load_settings({"CIC_HOME": name, "CIC_SPARK": engine})
            settings = replace(base, warehouse_url=embedded.locate(home).url("postgres"))
            set_up(settings)
            start = time.monotonic()
            sent = send(settings, Path(name), seed, payloads)
            landed = time.monotonic()
            run_ingest(settings, STREAMS)
            accepted, quarantined = check(settings, sent)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(
                f"{engine}, seed {seed}: {sum(sent.values())} sent = {accepted} accepted + {quarantined} quarantined; "
                f"made and landed in {landed - start:.0f} s, ingested in {time.monotonic() - landed:.0f} s, {peak} MiB"
            )
        finally:
            embedded.delete(home)


if __name__ == "__main__":
    main()
