"""Makes `dump.sql`: a small warehouse of release 0.3.0, by that release's own program.

    git worktree add ../cic-0.3.0 8a0b065 && make -C ../cic-0.3.0 setup
    python -m tests.warehouse.release_0_3_0.make_dump ../cic-0.3.0

Its input is below and invented: a duplicate, rows that are rejected, a correction, a charge point that the registry
lacks, and a state that nobody knows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
DUMP = FOLDER / "dump.sql"
HEADER = "id,cp,start,end,kWh,cost,token"
# (stream, arrival, file, text)
FILES = (
    ("mill_locations", "2026-10-01T06:00:00Z", "mill_locations_1.csv",
     "cp,site,kW,since\nM1,Mill,50,2026-10-01T00:00:00Z\nM2,Mill,7.4,2026-10-01T00:00:00Z\n"),
    ("mill_sessions", "2026-10-05T06:00:00Z", "mill_sessions_1.csv", f"{HEADER}\n"
     "S1,M1,2026-09-30T22:30:00Z,2026-09-30T23:30:00Z,20.5,8.20,ann\n"
     "S2,M1,2026-10-02T10:00:00Z,2026-10-02T10:40:00Z,18,7.20,bob\n"
     "S2,M1,2026-10-02T10:00:00Z,2026-10-02T10:40:00Z,18,7.20,bob\n"
     "S3,M2,2026-10-03T08:00:00Z,2026-10-03T12:00:00Z,25,,cat\n"
     "S4,M2,2026-10-03T18:00:00Z,2026-10-03T17:00:00Z,5,2,dan\n"),
    ("mill_sessions", "2026-10-12T06:00:00Z", "mill_sessions_2.csv", f"{HEADER}\n"
     "S3,M2,2026-10-03T08:00:00Z,2026-10-03T12:00:00Z,25.5,9,cat\n"
     "S2,M1,2026-10-02T10:00:00Z,2026-10-02T10:40:00Z,-18,-7.20,bob\n"
     "S5,M9,2026-10-09T10:00:00Z,2026-10-09T10:30:00Z,11,5,eve\n"),
    ("mill_status", "2026-10-04T06:00:00Z", "mill_status_1.csv", "cp,word,at\n"
     "M1,AVAILABLE,2026-10-01T00:00:00Z\nM2,AVAILABLE,2026-10-01T06:00:00Z\nM1,CHARGING,2026-10-02T10:00:00Z\n"
     "M1,AVAILABLE,2026-10-02T10:45:00Z\nM2,OUTOFORDER,2026-10-02T12:00:00Z\nM2,WEIRD,2026-10-03T09:00:00Z\n"
     "M2,AVAILABLE,2026-10-03T20:00:00Z\n"),
)  # fmt: skip


def main(checkout: Path) -> None:
    """Lands, ingests and computes in a home that is gone afterwards, and dumps what is ours: all but Dagster's runs."""
    with tempfile.TemporaryDirectory() as folder:
        ours = {key: value for key, value in os.environ.items() if not key.startswith("CIC_")}
        environment = {
            **ours,
            "CIC_HOME": f"{folder}/home",
            "CIC_STREAMS": str(FOLDER / "streams"),
            "CIC_PERSONAL_KEY": "of the dump of 0.3.0 alone",
        }

        def run(program: str, *arguments: str) -> str:
            command = [str(checkout.absolute() / ".venv/bin" / program), *arguments]
            done = subprocess.run(command, env=environment, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
            return done.stdout

        run("cic", "up", "--no-ui")
        try:
            for stream, arrived_at, name, text in FILES:
                path = Path(folder, name)
                path.write_text(text)
                run("cic", "land", stream, str(path), "--arrived-at", arrived_at)
            run("cic", "run", "daily")
            run("cic", "run", "daily", "--from", "2026-10-01", "--to", "2026-10-12")
            run("cic", "run", "monthly", "--from", "2026-09", "--to", "2026-10")
            script = (
                "from pathlib import Path; from cic_assets.warehouse import embedded; "
                "server = embedded.locate(Path('home')); print(server.binaries, server.url('cic'))"
            )
            binaries, url = run("python", "-c", script).split()
            schemas = [f"--schema={name}" for name in ("facts", "marts", "quality", "catalogue")]
            command = [f"{binaries}/pg_dump", "--no-owner", "--inserts", *schemas, "-d", url]
            text = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        finally:
            run("cic", "down", "--delete")
    # `\restrict` and its key, which is another one each time, are psql's.
    DUMP.write_text(re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.MULTILINE))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
