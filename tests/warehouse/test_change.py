"""A stream file's change that makes accepted rows leave asks first: they stay until somebody says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cic_assets.cli import app as cli
from cic_assets.cli import streams as cli_streams
from cic_assets.ingest.attempt import attempt_all
from cic_assets.ingest.change import Loss, loss
from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import adopt_foreign, land
from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.lake.tables import arrival_rows
from cic_assets.ledger.consent import accept_change
from cic_assets.ledger.failures import MAX_ATTEMPTS, IngestFailure, failures
from cic_assets.orchestrate.assets.stream_checks import ingested
from cic_assets.orchestrate.doors import lake_of, parts_of
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.orchestrate.work import ingest_work, pending_arrivals
from cic_assets.settings import Settings
from cic_assets.streams.load import StreamFiles
from tests.doors import connect

CAME = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
COLUMNS = {
    "session_id": "id", "charge_point": "cp", "started_local": "try_to_timestamp(start, 'dd/MM/yyyy HH:mm')",
    "ended_local": "try_to_timestamp(end, 'dd/MM/yyyy HH:mm')", "energy": "kWh",
}  # fmt: skip


def stream(columns: dict[str, str] | None = None, **keys: Any) -> Stream:
    """The feed's stream file, as somebody edited it."""
    return parse_stream(
        {
            "id": "porto", "kind": "sessions", "description": "d", "provider": {"id": "PT*POR", "name": "P"},
            "authority": {"id": "a", "name": "A"}, "zone": "Europe/Lisbon", "format": {"type": "csv"},
            "claims": ["porto_*"], "licence": "l", "contact": "c", "vat_basis": "excluded",
            "columns": COLUMNS | (columns or {}), **keys,
        }
    )  # fmt: skip


RIGHT = stream()
# One letter.
WRONG = stream({"started_local": "try_to_timestamp(start, 'dd/MM/yyyy HH.mm')"})


def write(path: Path, rows: range, day: int = 1) -> Path:
    lines = [f"S{day}-{n},C{n % 5},{day:02d}/02/2026 10:{n % 60:02d},{day:02d}/02/2026 12:00,5" for n in rows]
    path.write_text("\n".join(["id,cp,start,end,kWh", *lines, ""]))
    return path


@pytest.fixture
def landed(settings: Settings, tmp_path: Path) -> Settings:
    """An arrival of 200 sessions, all accepted."""
    land(parts_of(settings), RIGHT, write(tmp_path / "porto_1.csv", range(200)), CAME)
    assert accepted(settings, run(settings, RIGHT)) == 200
    return settings


def run(settings: Settings, edited: Stream) -> Sequence[IngestCount]:
    """The counts of an ingest of what is pending; of an arrival that was refused too."""
    counts: list[IngestCount] = []

    def audit(count: IngestCount) -> bool:
        counts.append(count)
        return True

    spark = SparkResource(engine=settings.spark).session
    ingest(
        parts_of(settings, session=lambda: spark),
        edited,
        pending_arrivals(parts_of(settings), {edited.id: edited}),
        "test",
        audit,
    )
    return counts


def accepted(settings: Settings, counts: Sequence[IngestCount] = ()) -> int:
    """How many rows there are."""
    days = {count.arrival_date for count in counts} | {CAME.date()}
    return arrival_rows(lake_of(settings), "sessions", KINDS["sessions"].schema, RIGHT.id, days).count_rows()


TAKES_AWAY = {
    "a letter": (WRONG, "it gives 0 accepted, 200 rejected, 0 skipped"),
    "a field": (stream({"ended_local": "try_to_timestamp(ende, 'dd/MM/yyyy HH:mm')"}), "it gives 0 accepted"),
    "delimiter": (stream(format={"type": "csv", "delimiter": ";"}), "it gives 0 accepted"),
    "format": (stream(format={"type": "json"}), "it gives 0 accepted"),
    "where": (stream(where="cp <> 'C3'"), "it gives 160 accepted, 0 rejected, 40 skipped"),
}
TAKES_LITTLE = {
    "other values": stream({"energy": "kWh * 2"}),
    "one of 200 rows": stream(where="id <> 'S1-7'"),
    "no other rows": stream(description="another"),
}


def test_rows_that_would_leave_stay_until_somebody_says_so(landed):
    for name, (edited, gives) in TAKES_AWAY.items():
        (count,) = run(landed, edited)
        assert count.loss is not None and gives in count.doubt, name
        assert "of 200 accepted rows would leave (most of porto_1.csv)" in count.doubt
        assert "cic streams accept porto" in count.doubt
        assert accepted(landed) == 200
        # It is due until somebody decides; edited back, it is not.
        assert pending_arrivals(parts_of(landed), {RIGHT.id: edited}) and not pending_arrivals(
            parts_of(landed), {RIGHT.id: RIGHT}
        )
    with connect(landed) as connection:
        accept_change(connection, edited.id, edited.fingerprint())
    (count,) = run(landed, edited)
    assert count.doubt == "" and accepted(landed) == count.accepted == 160
    assert not pending_arrivals(parts_of(landed), {RIGHT.id: edited})
    # Who said yes once is asked about the next edit.
    (count,) = run(landed, WRONG)
    assert count.loss == Loss("porto", 160, 160, "porto_1.csv") and accepted(landed) == 160


def test_a_change_that_takes_little_or_nothing_asks_nobody(landed):
    for name, edited in TAKES_LITTLE.items():
        (count,) = run(landed, edited)
        assert count.loss is None and accepted(landed) == count.accepted >= 199, name


def test_new_files_hide_no_loss_and_other_arrivals_go_on(landed, tmp_path):
    edited = stream(where="cp <> 'C3' or start like '09%'")
    later = CAME + dt.timedelta(days=1)
    land(parts_of(landed), edited, write(tmp_path / "porto_2.csv", range(500), day=2), CAME)
    land(parts_of(landed), edited, write(tmp_path / "porto_3.csv", range(10), day=9), later)
    first, second = sorted(run(landed, edited), key=lambda count: count.arrival_date)
    assert first.accepted > 200 and first.loss == Loss("porto", 200, 40, "porto_1.csv")
    assert second.loss is None and accepted(landed, [second]) == 210


def test_what_is_nobodys_edit_asks_nobody(landed):
    """Another rule set for all, and a file that another program has written over."""
    short = write(Path(landed.lake) / f"raw/stream_id=porto/date={CAME.date()}/own.csv", range(50), day=3)
    adopt_foreign(parts_of(landed), {"porto": RIGHT}, CAME + dt.timedelta(days=2))
    run(landed, RIGHT)
    assert accepted(landed) == 250
    write(short, range(5), day=4)
    adopt_foreign(parts_of(landed), {"porto": RIGHT}, CAME + dt.timedelta(days=2))
    (count,) = run(landed, stream(description="edited too"))
    assert count.loss is None and accepted(landed) == 205
    with connect(landed) as connection:
        connection.execute("update quality.ingest_count set stream_fingerprint = null")
    (count,) = run(landed, WRONG)
    assert count.loss is None, "of rows of an earlier release nobody knows which file made them"


def test_the_share_that_may_leave_is_of_the_files_that_are_the_same():
    assert loss("s", {}, {"new": 5}) is None and loss("s", {"a": 100}, {"a": 99, "b": 7}) is None
    assert loss("s", {"a": 100}, {"a": 98, "b": 900}) == Loss("s", 100, 2, "a")
    assert loss("s", {"a": 1}, {}) == Loss("s", 1, 1, "a")
    assert loss("s", {"a": 500, "b": 500}, {"a": 480, "b": 700}) == Loss("s", 1000, 20, "a")


def test_the_streams_check_is_red_and_the_daemon_asks_again_once_somebody_said_yes(landed):
    asked: list[str] = []

    def attempt() -> list[str]:
        """What an ingest that the daemon asks for says is wrong."""
        work = ingest_work(
            parts_of(landed), {"porto": WRONG}, pending := pending_arrivals(parts_of(landed), {"porto": WRONG})
        )
        asked.extend(item.identity for item in work)
        if work:
            session = SparkResource(engine=landed.spark).session
            attempt_all(parts_of(landed, session=lambda: session), [(WRONG, pending)], f"run {len(asked)}")
        with connect(landed) as connection:
            return [failure.message for failure in failures(connection).values()]

    (message,) = attempt()
    assert (
        message.startswith("arrival 2026-03-02: the stream file was changed, and 200 of 200")
        and accepted(landed) == 200
    )
    assert ingested(WRONG, [IngestFailure("porto", CAME.date(), "", 1, message, "")]).passed is False
    for _ in range(MAX_ATTEMPTS):
        attempt()
    assert len(asked) == len(set(asked)) == MAX_ATTEMPTS, "then it waits for somebody"
    with connect(landed) as connection:
        accept_change(connection, WRONG.id, WRONG.fingerprint())
    assert attempt() == [] and accepted(landed) == 0
    assert len(asked) == len(set(asked)) == MAX_ATTEMPTS + 1, "what was asked for before is not asked for again"


def test_the_command_says_yes_for_the_file_as_it_is(landed, monkeypatch, capsys):
    monkeypatch.setattr(cli_streams, "load_settings", lambda: landed)
    monkeypatch.setattr(cli_streams, "read_streams", lambda folders: StreamFiles({"porto": WRONG}))
    for name, code in (("lisbon", 2), ("porto", 0)):
        monkeypatch.setattr("sys.argv", ["cic", "streams", "accept", name])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert (ended.value.code or 0) == code
    said = capsys.readouterr()
    assert "no stream 'lisbon'; there are porto" in said.err and "porto: rows may leave" in said.out
    (count,) = run(landed, WRONG)
    assert count.loss is None and accepted(landed) == 0
