"""How fast a county's year goes from raw files to marts, beside what the same facts take by hand, in one call.

`make bench SIZE=hundredth` (or tenth, whole; ROUNDS=3). A county of clean feeds is simulated once and kept; then each
round runs ours, DuckDB by hand and numpy by hand, one after the other, each in a process of its own; ours in two, of
which the second brings one more day of arrivals to what is there. Their facts must be equal, or the call fails. CPU
time is that of all processes, the warehouse's server among ours. On what the first round has left, dashboards' queries
are timed, and the memory of the platform that waits. With Java on the PATH one day's status is computed by Apache Spark
too, in a process of its own as a job per day would be, times the days. What was measured stays in
`.cic/bench/figures.json`; from two sizes on, the exponent of growth is said.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from cic_assets.settings import PROJECT
from cic_assets.simulate import simulate
from cic_assets.warehouse import embedded
from cic_assets.warehouse.connect import DAGSTER_DATABASE, DATABASE
from tests.bench import queries
from tests.bench.ours import DAY, FACTS, LAST_DAY, STATUS_DAYS, YEAR
from tests.bench.processes import Cost, idle_memory, run

# Charge points of each of the five providers; a county has 5,000.
SIZES = {"tiny": 2, "hundredth": 10, "tenth": 100, "whole": 1_000}
DAYS = {"tiny": 40}
OURS, DUCKDB, NUMPY, SPARK = "ours", "DuckDB by hand", "numpy by hand", "Apache Spark, a job a day"
ONE_DAY, QUERIES, IDLE, STORED = "one day on top", "queries", "idle", "stored"
# What each makes of the same files.
MAKES = {DUCKDB: tuple(FACTS), NUMPY: (STATUS_DAYS,)}


@dataclass(frozen=True)
class County:
    """Simulated files, and how much they are.

    Attributes:
        folder: files, the truth, and `files.json`: name, stream and arrival of each that is landed.
        records: rows of those files, as the truth counts them.
    """

    folder: Path
    days: int
    files: int
    raw_bytes: int
    records: int


def county(size: str, kept: Path) -> County:
    """The county of a size; simulated if it is not there as a whole."""
    folder, days = kept / size, DAYS.get(size, 365)
    listing = folder / "files.json"
    if not listing.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"simulating {5 * SIZES[size]:,} charge points × {days} days into {folder}", flush=True)
        found = simulate(folder, workers=2, days=days, charge_points=SIZES[size], last_day=LAST_DAY, dirt=0.0)
        files = [(each.path.name, each.stream_id, each.arrived_at.isoformat()) for each in found.files]
        draft = listing.with_suffix(".draft")
        draft.write_text(json.dumps(files))
        draft.rename(listing)
    names = [name for name, *_ in json.loads(listing.read_text())]
    truth = json.loads((folder / "truth.json").read_text())
    rows = sum(each["rows"] for each in truth.values())
    return County(folder, days, len(names), sum((folder / name).stat().st_size for name in names), rows)


@dataclass(frozen=True)
class Round:
    """One run of one way: what it took, and of ours what each stage did."""

    cost: Cost
    stages: Mapping[str, Mapping[str, float]]


def rounds(size: County, count: int, scratch: Path, beside: dict[str, Any]) -> Iterator[tuple[str, Round]]:
    """Each way in turn, `count` times; after the first of all, their facts are compared.

    `beside`: gets what is measured once of what ours has made.
    """
    for number in range(count):
        facts = {name: scratch / name.split()[0] for name in (OURS, *MAKES)}
        home = scratch / f"home{number}"
        try:
            both = [_ours(which, size, home, facts[OURS]) for which in (YEAR, DAY)]
            if not number:
                beside[QUERIES] = queries.latencies(home)
                beside[IDLE] = idle_memory(home, _environment(home))
                beside[STORED] = stored(home)
        finally:
            embedded.delete(home)
        yield OURS, Round(_sum(*(each.cost for each in both)), both[0].stages)
        yield ONE_DAY, both[1]
        for name in MAKES:
            way = name.split()[0].lower()
            facts[name].mkdir(exist_ok=True)
            command = [sys.executable, "-m", "tests.bench.by_hand", way, str(size.folder), str(facts[name])]
            yield name, Round(run(command)[0], {})
        if not number:
            compare(facts)


def _ours(which: str, size: County, home: Path, facts: Path) -> Round:
    command = [sys.executable, "-m", "tests.bench.ours", which, str(size.folder), str(facts)]
    cost, said = run(command, _environment(home))
    stages = json.loads(said.splitlines()[-1])
    server = sum(stage["server_cpu"] for stage in stages.values())
    return Round(Cost(cost.cpu + server, cost.wall, cost.peak), stages)


def stored(home: Path) -> dict[str, int]:
    """Bytes of each zone of the lake, and of the databases."""
    found = {
        zone.name: sum(path.stat().st_size for path in zone.rglob("*") if path.is_file())
        for zone in sorted((home / "lake").iterdir())
        if zone.is_dir()
    }
    embedded.start(home)
    with psycopg.connect(embedded.locate(home).url(DATABASE)) as connection:
        rows = connection.execute("select datname, pg_database_size(datname) from pg_database where not datistemplate")
        return found | {f"database {name}": size for name, size in rows if name in (DATABASE, DAGSTER_DATABASE)}


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(one.cpu + other.cpu, one.wall + other.wall, max(one.peak, other.peak))


def _environment(home: Path) -> dict[str, str]:
    return {"CIC_HOME": str(home), "CIC_STREAMS": "examples", "CIC_PERSONAL_KEY": "bench"}


class DifferentError(Exception):
    """The facts of two ways are not the same, so that no figure of theirs compares."""


def compare(facts: Mapping[str, Path]) -> None:
    """Demands that each way made what ours did.

    Raises:
        DifferentError: which rows differ first.
    """
    for name, tables in MAKES.items():
        for table in tables:
            ours, theirs = (rows_of(facts[way] / f"{table}.parquet") for way in (OURS, name))
            if ours != theirs:
                only = sorted(ours - theirs)[:3], sorted(theirs - ours)[:3]
                raise DifferentError(
                    f"{table}: ours has {len(ours):,} rows and {name} {len(theirs):,}; only ours has {only[0]}, "
                    f"only {name} has {only[1]}"
                )
            print(f"{table}: {len(ours):,} rows, equal in ours and {name}")


def rows_of(path: Path) -> set[tuple[str, ...]]:
    """The rows of a table as text, the same for the same values: moments in UTC, numbers without ends of zeros.

    Raises:
        DifferentError: a row stands twice.
    """
    table = pq.read_table(path)
    columns = [_texts(table[name]) for name in sorted(table.column_names)]
    rows = set(zip(*columns, strict=True))
    if len(rows) != table.num_rows or not rows:
        raise DifferentError(f"{path}: {table.num_rows} rows, of which {len(rows)} are different")
    return rows


def _texts(column: pa.ChunkedArray) -> list[str]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        return ["" if value is None else f"{float(value):.4f}" for value in column.to_pylist()]
    return ["" if value is None else str(value) for value in column.to_pylist()]


def spark_day(size: County, scratch: Path) -> Cost | None:
    """One day's status by Apache Spark in a process of its own; None without Java."""
    if shutil.which("java") is None:
        return None
    home = scratch / "spark"
    settings = _environment(home)
    try:
        steps = [sys.executable, "-m", "tests.bench.spark_day", str(size.folder)]
        run([*steps, "prepare"], settings)
        embedded.start(home)
        return run([*steps, "day"], settings | {"CIC_SPARK": "local[2]"})[0]
    finally:
        embedded.delete(home)


def report(
    size: str, data: County, found: Mapping[str, Sequence[Round]], beside: Mapping[str, Any], spark: Cost | None
) -> dict[str, Any]:
    """Prints what was measured; what is kept of it."""

    def middle(name: str, what: str) -> float:
        return median(getattr(each.cost, what) for each in found[name])

    print(
        f"\n{size}: {data.records:,} records in {data.files:,} files, {data.raw_bytes / 1e6:,.0f} MB; medians of "
        f"{len(found[OURS])}\n{'':28}{'CPU s':>9}{'wall s':>9}{'peak MiB':>10}{'records/CPU s':>15}{'ours is':>10}"
    )
    kept: dict[str, Any] = {"county": {**asdict(data), "folder": size}}
    for name in found:
        cpu, wall, peak = (middle(name, what) for what in ("cpu", "wall", "peak"))
        ratio = f"{middle(OURS, 'cpu') / cpu:9.1f} ×" if name in MAKES else ""
        print(f"{name:28}{cpu:9.1f}{wall:9.1f}{peak / 2**20:10,.0f}{data.records / cpu:15,.0f}{ratio:>10}")
        kept[name] = {"cpu": cpu, "wall": wall, "peak": peak}
    if spark is not None:
        cpu = spark.cpu * data.days
        print(f"{SPARK:28}{cpu:9,.0f}   ({spark.cpu:.1f} for one, × {data.days}){middle(OURS, 'cpu') / cpu:20.3f} ×")
        kept[SPARK] = {"cpu": cpu}
    for name in (OURS, ONE_DAY):
        print(f"\n{f'stages of {name}':28}{'CPU s':>9}{'server':>9}{'wall s':>9}")
        for stage in found[name][0].stages:
            three = [median(each.stages[stage][what] for each in found[name]) for what in ("cpu", "server_cpu", "wall")]
            print(f"{stage:28}{three[0]:9.1f}{three[1]:9.1f}{three[2]:9.1f}")
            kept[name][stage] = dict(zip(("cpu", "server_cpu", "wall"), three, strict=True))
    queries.show(beside[QUERIES])
    idle = beside[IDLE]
    said = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in sorted(idle.items(), key=lambda each: -each[1]))
    print(f"\nthe platform that waits takes {sum(idle.values()) / 2**20:,.0f} MiB: {said}")
    said = ", ".join(f"{name} {size / 1e6:,.0f}" for name, size in beside[STORED].items())
    print(f"what is stored, in MB: {said}")
    return kept | beside


def growth(figures: Mapping[str, Any]) -> None:
    """Prints by which power of the records CPU time grows, from each size to the next that was measured."""
    known = [figures[size] for size in SIZES if size in figures and size != "tiny"]
    for small, large in pairwise(known):
        records = large["county"]["records"] / small["county"]["records"]
        for way in (OURS, DUCKDB, NUMPY):
            power = math.log(large[way]["cpu"] / small[way]["cpu"]) / math.log(records)
            print(f"{small['county']['folder']} → {large['county']['folder']}, {way}: CPU grows as records^{power:.2f}")


def main(size: str, count: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = county(size, folder)
    found: dict[str, list[Round]] = {}
    beside: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="cic-bench-", dir=folder) as name:
        for way, each in rounds(data, count, Path(name), beside):
            found.setdefault(way, []).append(each)
            print(f"{way}: {each.cost.cpu:.1f} CPU s, {each.cost.wall:.1f} s", flush=True)
        spark = spark_day(data, Path(name))
    path = folder / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    figures[size] = report(size, data, found, beside, spark)
    path.write_text(json.dumps(figures, indent=1))
    growth(figures)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else PROJECT / ".cic" / "bench")
    except (DifferentError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
