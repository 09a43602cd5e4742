"""Another council, as somebody onboards it: other names, a zone of its own, watt-hours, cents, and the command line."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CIC = Path(sys.executable).with_name("cic")
# All that it takes: one file.
OTHER = """\
id: porto_sessions
kind: sessions
description: Another feed.
provider: {id: PT*ABC, name: Provedor}
authority: {id: PT-13, name: Porto}
zone: Atlantic/Azores
format: {type: csv, delimiter: ";", encoding: latin-1}
claims: ["porto_*.csv"]
columns:
  charge_point: Posto
  connector_id: Tomada
  started_local: to_timestamp(`Início`, 'dd.MM.yyyy HH:mm')
  ended_local: to_timestamp(Fim, 'dd.MM.yyyy HH:mm')
  energy: "`Energia (Wh)`"
  cost: "cast(Valor as int) * 0.01"
  currency: "'EUR'"
units: {energy: Wh}
vat_basis: unknown
licence: none
contact: nobody@example.org
"""
ROWS = (
    "Posto;Tomada;Início;Fim;Energia (Wh);Valor\n"
    "7;1;31.08.2026 23:30;01.09.2026 01:00;12500;460\n"
    "8;1;05.09.2026 10:00;05.09.2026 10:00;1;1\n"
)


@contextmanager
def council(home: Path) -> Iterator[Path]:
    """A folder with the stream file and an export; all that was started in it is gone afterwards."""
    streams = home / "streams"
    streams.mkdir()
    (streams / "porto.yml").write_text(OTHER)
    (home / "porto_2026.csv").write_bytes(ROWS.encode("latin-1"))
    try:
        yield home
    finally:
        cic(home, "down", "--delete")


def environment_of(home: Path) -> dict[str, str]:
    """The variables of the council's processes."""
    return {**os.environ, "CIC_HOME": str(home / "home"), "CIC_STREAMS": f"examples:{home / 'streams'}"}


def cic(home: Path, *arguments: str, code: int = 0, program: Path | None = None, **variables: str) -> str:
    """What a command says, after its exit code was looked at."""
    command, environment = [program or CIC, *arguments], environment_of(home) | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == code, f"{arguments}: {done.stdout[-800:]} {done.stderr[-800:]}"
    return done.stdout + done.stderr


def query(home: Path, text: str, role: str = "analyst") -> list[dict[str, str]]:
    """The rows of a query."""
    return list(csv.DictReader(io.StringIO(cic(home, "sql", "--format", "csv", "--role", role, text).split("[20")[0])))
