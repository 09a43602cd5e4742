"""Outages of a platform that is up: python -m tests.end_to_end.outages --postgres 20 --daemon 20 --worker 20 --power 10

Something lands, and while its runs are under way Postgres, the daemon or a run's process is killed, or everything at
once, as a power cut does. Only after a power cut somebody calls `cic up`. In the end facts and marts must equal those
of a platform on which nothing happened, and no outage may take longer than two minutes to heal: whatever was under way
has ended or is alive, Postgres, UI and daemon answer. Prints a line per outage, and keeps all in `.cic/outages`.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from cic_assets.cli import server
from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import parts_of
from cic_assets.processes import Process, look
from cic_assets.settings import PROJECT, Settings, load_settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded

REPORT = PROJECT / ".cic" / "outages"
CIC = Path(sys.executable).with_name("cic")
LIMIT_SECONDS = 120
KINDS = ("postgres", "daemon", "worker", "power")
FIRST_DAY = dt.date(2025, 1, 1)
PROVIDER = """\
provider: {id: GB*OUT, name: Outages}
authority: {id: X-OUTAGES, name: Authority of the outages}
zone: Europe/London
licence: CC0-1.0
contact: data@outages.example
format: {type: jsonl}
"""
SESSIONS = f"""\
id: outage_sessions
kind: sessions
description: Sessions as JSON lines.
{PROVIDER}claims: ["sessions_*.jsonl"]
columns: {{session_id: id, charge_point: evse, started_at: start, ended_at: end, energy: kwh, cost: cost,
  currency: "'GBP'"}}
vat_basis: excluded
"""
STATUS = f"""\
id: outage_status
kind: status
description: States on change, as JSON lines.
{PROVIDER}claims: ["status_*.jsonl"]
columns: {{charge_point: evse, status: status, changed_at: at}}
vocabulary: {{standard: OCPI 2.2.1}}
max_silence: P1D
ends: {{ends}}
"""
# What must be equal in the end, with what the clock or a run's id decides left out.
TABLES = ("facts", "marts", "quality")
LEFT_OUT = {"computed_at", "arrived_at", "touched_at", "run_id", "invocation_id", "built_at", "published_at"}
_UNDER_WAY = "('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING')"


@dataclass
class Outage:
    """What happened: the jobs under way at the moment, seconds until all was healed, and until all work was done."""

    kind: str
    jobs: str
    seconds: float
    wrong: str = ""


class Home:
    """A platform of its own: folder, commands, databases."""

    def __init__(self, folder: Path, sent: Path, port: int) -> None:
        self.sent, self.port = sent, port
        self.variables = {
            **os.environ, "CIC_HOME": str(folder), "CIC_STREAMS": str(sent / "streams"), "CIC_PERSONAL_KEY": "outages",
            # Whatever the year: what is older waits for somebody who asks.
            "CIC_RESTATEMENT_HORIZON_DAYS": "36500",
        }  # fmt: skip
        self.settings: Settings = load_settings(self.variables)

    def cic(self, *arguments: str) -> str:
        """What a command says."""
        done = subprocess.run([CIC, *arguments], env=self.variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"cic {' '.join(arguments)}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout

    def land(self, number: int) -> None:
        """The files of one day, as if they had come a month later."""
        arrived_at = dt.datetime.combine(FIRST_DAY + dt.timedelta(days=number + 30), dt.time(6), dt.UTC)
        streams = load_streams(self.settings.streams)
        for name in ("sessions", "status"):
            land(parts_of(self.settings), streams[f"outage_{name}"], self.sent / f"{name}_{number}.jsonl", arrived_at)

    def rows(self, database: str, query: str) -> list[tuple[object, ...]]:
        """Of a query, read with a fresh connection."""
        with psycopg.connect(embedded.locate(self.settings.home).url(database), connect_timeout=5) as connection:
            return connection.execute(query.encode()).fetchall()

    def runs_under_way(self) -> dict[str, tuple[str, str, str]]:
        """Run id → (job, its process or its launcher, if it has one yet, its status)."""
        query = (
            "select r.run_id, r.pipeline_name, coalesce(p.value, l.value, ''), r.status from runs as r"
            " left join run_tags as p on p.run_id = r.run_id and p.key = 'cic/process'"
            " left join run_tags as l on l.run_id = r.run_id and l.key = 'cic/launched_by'"
            f" where r.status in {_UNDER_WAY}"
        )
        rows = self.rows("dagster", query)
        # Each process stands behind the run's id.
        return {str(run): (str(job), str(who).partition(" ")[2], str(status)) for run, job, who, status in rows}

    def is_quiet(self) -> bool:
        """Whether nothing is under way and nothing is due: of a run, of a day, of a month, and what sensors look at."""
        if self.runs_under_way():
            return False
        pending = self.rows(
            "cic",
            "select (select count(*) from catalogue.pending_period)"
            " + (select count(*) from catalogue.object where not landed)"
            " + (select count(distinct o.arrival_date) from catalogue.object as o where not exists ("
            "  select from catalogue.arrival as i where i.stream_id = o.stream_id and i.arrival_date = o.arrival_date"
            "  and i.fingerprint is not null))",
        )
        return pending == [(0,)]

    def digest(self) -> dict[str, list[str]]:
        """The rows of all tables and views that must be equal, without what the clock decides."""
        names = self.rows(
            "cic",
            "select table_schema, table_name, string_agg(column_name, ',' order by column_name)"
            f" from information_schema.columns where table_schema in {TABLES} group by 1, 2",
        )
        found = {}
        for schema, table, columns in names:
            kept = ", ".join(f'"{each}"' for each in str(columns).split(",") if each not in LEFT_OUT)
            rows = self.rows("cic", f"select row({kept})::text from {schema}.{table} order by 1")
            found[f"{schema}.{table}"] = [str(row[0]) for row in rows]
        return found


def write(sent: Path, count: int, seed: int) -> None:
    """Two stream files, and of each day a file of sessions and one of states."""
    rng = random.Random(seed)
    streams = sent / "streams"
    streams.mkdir(parents=True)
    (streams / "outage_sessions.yml").write_text(SESSIONS)
    last = FIRST_DAY + dt.timedelta(days=count)
    (streams / "outage_status.yml").write_text(STATUS.replace("{ends}", str(last)))
    for number in range(count):
        day = dt.datetime.combine(FIRST_DAY + dt.timedelta(days=number), dt.time(), dt.UTC)
        sessions, states = [], []
        for point in range(20):
            start = day + dt.timedelta(minutes=rng.randrange(1200))
            end = start + dt.timedelta(minutes=rng.randrange(10, 200))
            kwh = rng.randrange(100, 4000) / 100
            sessions.append(
                {"id": f"{number}-{point}", "evse": f"E{point}", "start": start.isoformat(), "end": end.isoformat(),
                 "kwh": kwh, "cost": round(kwh * 0.4, 2)}
            )  # fmt: skip
            states += [
                {"evse": f"E{point}", "status": status, "at": at.isoformat()}
                for status, at in (("CHARGING", start), ("AVAILABLE", end))
            ]
        for name, rows in (("sessions", sessions), ("status", states)):
            (sent / f"{name}_{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def kill(pids: set[int]) -> None:
    """All of them at once."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def postgres(home: Home) -> set[int]:
    """The embedded server's processes."""
    return embedded._processes(embedded.locate(home.settings.home), 0)


def group(home: Home, word: str = "") -> set[int]:
    """The processes of the supervisor's group, of which the command has the word."""
    running = server.started(home.settings)
    assert running is not None
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (seen := look(int(entry.name))) and seen.group == running.process.pid:
            with suppress(OSError):
                if word.encode() in (entry / "cmdline").read_bytes():
                    found.add(int(entry.name))
    return found


def worker(home: Home) -> set[int]:
    """The process of one run that has started."""
    found = (Process.parse(process) for _, process, _ in home.runs_under_way().values())
    running = server.started(home.settings)
    # Until a run has a process, the supervisor stands for it.
    return {process.pid for process in found if process and running and process != running.process}


VICTIMS: dict[str, Callable[[Home], set[int]]] = {
    "postgres": postgres,
    "daemon": lambda home: group(home, "dagster._daemon"),
    "worker": worker,
    "power": lambda home: group(home) | postgres(home),
}


def wait_until(what: Callable[[], object], seconds: float) -> bool:
    """Whether it came true in time. What can't be asked meanwhile is not true yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psycopg.Error, OSError, RuntimeError):
            if what():
                return True
        time.sleep(0.5)
    return False


def strike(home: Home, kind: str, rng: random.Random) -> Outage:
    """One outage while work is under way, and the time until it is healed."""
    is_ready = (lambda: worker(home)) if kind == "worker" else home.runs_under_way
    if not wait_until(is_ready, 600):
        return Outage(kind, "", 0, "nothing came under way")
    time.sleep(rng.uniform(0, 8))
    if kind == "worker" and not wait_until(is_ready, 600):
        return Outage(kind, "", 0, "no run had a process")
    runs = home.runs_under_way()
    hit = time.time()
    kill(VICTIMS[kind](home))
    started = time.monotonic()
    if kind == "power":
        home.cic("up", "--port", str(home.port))
    healed = wait_until(lambda: is_healed(home, set(runs), hit), 10 * LIMIT_SECONDS)
    seconds = round(time.monotonic() - started, 1)
    wrong = "" if seconds <= LIMIT_SECONDS else f"healed only after {seconds} s" if healed else "never healed"
    return Outage(kind, " ".join(sorted({job for job, _, _ in runs.values()})), seconds, wrong)


def is_healed(home: Home, runs: set[str], hit: float) -> bool:
    """Whether UI and daemon work again, and of the runs that were under way each has ended, is queued or alive."""
    now = home.runs_under_way()
    for run in runs & set(now):
        process = Process.parse(now[run][1])
        if now[run][2] != "QUEUED" and (process is None or process.why_gone()):
            return False
    beats = home.rows("dagster", "select count(*) from daemon_heartbeats where daemon_type = 'SENSOR' and timestamp > "
                      f"to_timestamp({hit}) at time zone 'UTC'")  # fmt: skip
    return beats == [(1,)] and server.answers(home.port)


def differences(clean: dict[str, list[str]], found: dict[str, list[str]]) -> list[str]:
    """Tables whose rows differ, with the first row of each that does."""
    wrong = []
    for table in sorted({*clean, *found}):
        if clean.get(table) != found.get(table):
            mine, theirs = set(found.get(table, [])), set(clean.get(table, []))
            first = sorted(mine ^ theirs)[:1]
            wrong.append(f"{table}: {len(mine - theirs)} rows too many, {len(theirs - mine)} missing, such as {first}")
    return wrong


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="outages"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clean_run(folder: Path, sent: Path, count: int) -> dict[str, list[str]]:
    """What all files come to where nothing happens."""
    home = Home(folder, sent, 0)
    try:
        home.cic("up", "--no-ui")
        for number in range(count):
            home.land(number)
        for cadence in ("daily", "monthly"):
            home.cic("run", cadence)
        return home.digest()
    finally:
        home.cic("down", "--delete")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=3996)
    given = vars(parser.parse_args())
    REPORT.mkdir(parents=True, exist_ok=True)
    rng = random.Random(given["seed"])
    planned = [kind for kind in KINDS for _ in range(given[kind])]
    rng.shuffle(planned)
    count = len(planned) + 1
    with scratch() as folder:
        sent = folder / "sent"
        write(sent, count, given["seed"])
        clean = clean_run(folder / "clean", sent, count)
        print(f"clean run: {sum(map(len, clean.values()))} rows in {len(clean)} tables", flush=True)
        home = Home(folder / "home", sent, given["port"])
        try:
            outages, wrong = ordeal(home, planned, rng, clean)
        finally:
            shutil.copyfile(server.log_file(home.settings), REPORT / "dagster.log")
            home.cic("down", "--delete")
    return report(given, outages, wrong)


def ordeal(
    home: Home, planned: list[str], rng: random.Random, clean: dict[str, list[str]]
) -> tuple[list[Outage], list[str]]:
    """All outages one after the other; what is wrong when all work is done."""
    outages = []
    home.cic("up", "--port", str(home.port))
    home.land(0)
    for number, kind in enumerate(planned, 1):
        home.land(number)
        outages.append(strike(home, kind, rng))
        print(f"{number:3} {asdict(outages[-1])}", flush=True)
    started = time.monotonic()
    done = wait_until(home.is_quiet, 3600)
    print(f"all work done {time.monotonic() - started:.0f} s after the last outage was healed: {done}", flush=True)
    wrong = [] if done else ["work is left an hour after the last outage"]
    # The last mart may be building when the last period is no longer due.
    wait_until(lambda: not differences(clean, home.digest()), 300)
    return outages, wrong + differences(clean, home.digest())


def report(given: dict[str, int], outages: list[Outage], wrong: list[str]) -> int:
    """Prints and keeps the table; the exit code."""
    buffer = io.StringIO()
    table = csv.writer(buffer, delimiter="|", lineterminator="\n")
    table.writerow(("kind", "outages", "median s", "longest s", "too long"))
    for kind in KINDS:
        mine = sorted(each.seconds for each in outages if each.kind == kind)
        if mine:
            late = sum(bool(each.wrong) for each in outages if each.kind == kind)
            table.writerow((kind, len(mine), mine[len(mine) // 2], mine[-1], late))
    print(buffer.getvalue())
    wrong = [*wrong, *(f"{each.kind}: {each.wrong}" for each in outages if each.wrong)]
    print("\n".join(wrong) or "facts and marts are those of the clean run")
    content = {"given": given, "outages": [asdict(each) for each in outages], "wrong": wrong}
    REPORT.joinpath("report.json").write_text(json.dumps(content, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
