"""How long what dashboards ask takes: each of `queries/*.sql` alone, then all of them with many readers at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import psycopg

from cic_assets.settings import PROJECT
from cic_assets.warehouse import embedded
from cic_assets.warehouse.connect import DATABASE

QUERIES = sorted((PROJECT / "tests" / "bench" / "queries").glob("*.sql"))
READERS, SECONDS_ALONE, SECONDS_TOGETHER = 20, 5, 30
_PERCENTILE = 95


def latencies(home: Path) -> dict[str, dict[str, float]]:
    """Of each query, the 95th percentile in ms: `alone`, and `together` with all others by readers without a pause."""
    server = embedded.locate(home)
    with psycopg.connect(server.url(DATABASE)) as connection:
        (charge_point,) = connection.execute(
            "select quote_literal(min(charge_point_id)) from facts.charge_point"
        ).fetchone() or ("''",)
    alone = {query.stem: _pgbench(server, charge_point, [query], 1, SECONDS_ALONE)[0] for query in QUERIES}
    together = _pgbench(server, charge_point, QUERIES, READERS, SECONDS_TOGETHER)
    return {
        name: {"alone": alone[name], "together": each} for name, each in zip(alone, together, strict=True)
    }  # fmt: skip


def _pgbench(
    server: embedded.EmbeddedPostgres, charge_point: str, queries: Sequence[Path], readers: int, seconds: int
) -> list[float]:
    """The 95th percentile of each query's times, as the analyst asks; ms."""
    with tempfile.TemporaryDirectory(prefix="cic-pgbench-") as folder:
        command: list[str | Path] = [server.binaries / "pgbench", "-n", "-c", str(readers), "-j", "2"]
        command += ["-T", str(seconds), "-l", "--log-prefix", f"{folder}/log", "-D", f"charge_point={charge_point}"]
        command += [part for query in queries for part in ("-f", query)]
        role = {"PGOPTIONS": "-c role=cic_analyst"}
        subprocess.run(
            [*command, server.url(DATABASE)], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **role}
        )  # fmt: skip
        times: dict[int, list[int]] = {number: [] for number in range(len(queries))}
        for log in Path(folder).iterdir():
            for line in log.read_text().splitlines():
                _, _, microseconds, script, *_ = line.split()
                times[int(script)].append(int(microseconds))
        return [float(np.percentile(each, _PERCENTILE)) / 1000 for each in times.values()]


def show(found: Mapping[str, Mapping[str, float]]) -> None:
    """Prints them."""
    print(f"\n{'what dashboards ask, p95 in ms':32}{'alone':>9}{f'of {READERS} readers':>15}")
    for name, each in found.items():
        print(f"{name:32}{each['alone']:9.1f}{each['together']:15.1f}")
