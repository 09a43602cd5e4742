"""One more file replaces what it changes, and the result is that of an ingest of everything."""

from __future__ import annotations

import datetime as dt
import json
import random

import pytest

from cic_assets.ingest import ingest as ingesting
from cic_assets.ingest import portions, replace
from cic_assets.ingest.ingest import ingest
from cic_assets.ingest.landing import land
from cic_assets.ingest.replace import IngestError
from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.lake import tables
from cic_assets.orchestrate.doors import opened
from cic_assets.orchestrate.work import pending_arrivals
from tests.doors import connect

FIRST = dt.datetime(2026, 5, 1, 6, tzinfo=dt.UTC)
COMMON = {
    "description": "d", "provider": {"id": "p", "name": "P"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/London", "format": {"type": "jsonl"}, "licence": "l", "contact": "c", "delivery": {"min_rows": 4},
}  # fmt: skip
STATES = {"charge_point": "cp", "status": "word", "changed_at": "since", "invalid": "wrong"}
STREAMS = {
    stream.id: stream
    for stream in (
        parse_stream(COMMON | {"id": name, "claims": [f"{name}*"], **more})
        for name, more in {
            "log": {"kind": "status", "columns": STATES, "vocabulary": {"standard": "OCPI 2.2.1"}},
            "polls": {
                "kind": "status", "columns": STATES | {"confirmed_at": "seen"}, "period": "PT1H",
                "vocabulary": {"standard": "OCPI 2.2.1"},
            },
            "sessions": {
                "kind": "sessions", "vat_basis": "excluded",
                "columns": {
                    "session_id": "id", "charge_point": "cp", "started_at": "since", "ended_at": "until",
                    "energy": "kwh", "cost": "paid", "currency": "'GBP'",
                },
            },
            "registry": {
                "kind": "locations",
                "columns": {"charge_point": "cp", "location_id": "site", "rated_power": "kw", "valid_from": "since"},
            },
        }.items()
    )
}  # fmt: skip
LINE = {"cp": "E1", "word": "AVAILABLE", "since": "2026-04-30T12:00:00Z"}
TABLES = (
    "quality.quarantine", "quality.ingest_count", "quality.rule_count", "quality.unmapped_status",
    "quality.unreadable_value", "quality.delivery", "catalogue.portion", "catalogue.stream_entry",
    "catalogue.charge_point_name",
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(portions, "PORTION_RECORDS", 6)


def records(chance, moment):
    """A few records of any kind, some of them wrong, some said twice."""
    for _ in range(chance.choice([1, 1, 2, 5])):
        since = moment - dt.timedelta(minutes=chance.randrange(1, 3_000))
        yield {
            "id": str(chance.randrange(40)), "cp": chance.choice(["E1", "E2", "E3", "", None]),
            "word": chance.choice(["AVAILABLE", "CHARGING", "Kaputt", "Weg", None]),
            "since": chance.choice([since.isoformat(), since.isoformat(), "yesterday"]),
            "until": (since + dt.timedelta(minutes=chance.randrange(-5, 90))).isoformat(), "seen": moment.isoformat(),
            "kwh": chance.choice(["3.5", "12", "much"]), "paid": chance.choice(["1.20", "free"]),
            "site": chance.choice(["here", "there"]), "kw": chance.choice([7, 22, "fast"]),
            "wrong": chance.choice(["true", "false", "perhaps", None]),
        }  # fmt: skip


def deliver(parts, stream, folder, number, chance, moment=None, content=None):
    moment = moment or FIRST + dt.timedelta(minutes=10 * number)
    file = folder / f"{stream.id}_{number}.jsonl"
    lines = content if content is not None else records(chance, moment)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return land(parts, stream, file, moment)


def run(settings, stream, audit=lambda count: True):
    with opened(settings, [stream]) as parts:
        return ingest(parts, stream, pending_arrivals(parts, {stream.id: stream}), "run", audit)


def ingest_files(settings, stream, folder, files, chance=None):
    """So many files, random ones or of one accepted row each, in one ingest."""
    with opened(settings) as parts:
        for number in range(files):
            deliver(parts, stream, folder, number, chance, content=None if chance else [LINE | {"id": number}])
    run(settings, stream)


def state(settings, stream):
    """All that an ingest leaves, in any order."""
    kind = stream.kind
    with opened(settings) as parts:
        rows = tables.arrival_rows(parts.lake, kind, KINDS[kind].schema, stream.id, [FIRST.date()]).to_table()
    found = {"accepted": sorted(map(repr, rows.to_pylist()))}
    with connect(settings) as connection:
        for table in TABLES:
            rows = connection.execute(
                f"select to_jsonb(t)::text from {table} as t where stream_id = %s order by 1", [stream.id]
            )
            found[table] = [text for (text,) in rows]
        found["arrival"] = connection.execute(
            "select first_at, cover_at, accepted_digest, fingerprint from catalogue.arrival where stream_id = %s",
            [stream.id],
        ).fetchall()
    return found


def forget(settings, stream):
    """The next ingest makes everything anew."""
    with connect(settings) as connection:
        connection.execute("delete from catalogue.portion where stream_id = %s", [stream.id])
        connection.execute("update catalogue.arrival set fingerprint = null where stream_id = %s", [stream.id])


@pytest.fixture
def decoded(monkeypatch):
    """How many objects each ingest asked the decoded records of."""
    asked = []
    real = ingesting.decode
    monkeypatch.setattr(ingesting, "decode", lambda p, s, some: asked.extend(some) or real(p, s, some))
    return asked


@pytest.mark.parametrize("name", STREAMS)
def test_file_by_file_is_as_all_at_once(settings, tmp_path, name, decoded):
    """Files in any order, of moments that some of them share: pages of one response."""
    stream, chance = STREAMS[name], random.Random(f"5 {name}")
    moments = [FIRST + dt.timedelta(minutes=chance.choice([number, number - 1])) for number in range(24)]
    numbers = chance.sample(range(24), 24)
    kept = 0
    for step, number in enumerate(numbers):
        with opened(settings) as parts:
            deliver(parts, stream, tmp_path, number, chance, moments[number])
        if step % 5 == 4 or step == 23:
            decoded.clear()
            (count,) = run(settings, stream)
            assert count.unaccounted == 0
            kept += len(decoded) <= step
    assert kept, "some portions stayed"
    found = state(settings, stream)
    assert len(found["catalogue.portion"]) > 3 and found["accepted"] and found["quality.quarantine"]
    forget(settings, stream)
    decoded.clear()
    run(settings, stream)
    assert len(decoded) == 24
    assert state(settings, stream) == found


def test_one_more_file_is_judged_with_its_portion_alone(settings, tmp_path, monkeypatch, decoded):
    stream = STREAMS["log"]
    ingest_files(settings, stream, tmp_path, 18)
    before = state(settings, stream)
    decoded.clear()
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 18, None, content=[LINE | {"id": 18}])
    judged, changes = [], []
    split, reach = ingesting.split, replace._reach
    monkeypatch.setattr(ingesting, "split", lambda *args: judged.append(split(*args)) or judged[-1])

    def seen(parts, stream, change, kept):
        changes.append((change.removed.count_rows(), change.added.count_rows()))
        return reach(parts, stream, change, kept)

    monkeypatch.setattr(replace, "_reach", seen)
    (count,) = run(settings, stream)
    assert (count.rows_in, count.accepted) == (19, 19)
    # Six to a portion, and a rest of fewer than four goes with the one before.
    assert len(decoded) == judged[0][0].count_rows() == 7
    assert len({*before["catalogue.portion"]} & {*state(settings, stream)["catalogue.portion"]}) == 2
    # Rows that stay, or are written again, make nothing stale.
    assert changes == [(0, 1)]


PAGE = [
    {"cp": f"E{n}", "word": "AVAILABLE", "since": "2026-04-30T12:00:00Z", "seen": FIRST.isoformat(), "site": "here"}
    for n in range(6)
]  # fmt: skip


@pytest.mark.parametrize(("name", "other"), [("polls", {"word": "CHARGING"}), ("registry", {"site": "there"})])
def test_a_page_that_contradicts_one_that_was_there_flags_both(settings, tmp_path, decoded, name, other):
    """Pages of one response that came in two ingests; each would fill a portion (E08)."""
    stream = STREAMS[name]
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 1, None, FIRST, PAGE)
        deliver(parts, stream, tmp_path, 2, None, FIRST + dt.timedelta(hours=1), PAGE[:5] + PAGE[:1])
    run(settings, stream)
    assert not any("two_places" in row for row in state(settings, stream)["accepted"])
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 3, None, FIRST, [line | other for line in PAGE])
    decoded.clear()
    run(settings, stream)
    found = state(settings, stream)
    assert {landed.original_name for landed in decoded} == {f"{name}_1.jsonl", f"{name}_3.jsonl"}
    assert sum("two_places" in row for row in found["accepted"]) == 12
    forget(settings, stream)
    run(settings, stream)
    assert state(settings, stream) == found


def test_an_ingest_that_broke_off_makes_everything_anew(settings, tmp_path, monkeypatch, decoded):
    stream, chance = STREAMS["polls"], random.Random(2)
    ingest_files(settings, stream, tmp_path, 12, chance)
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 12, chance)

    def fail(*_):
        raise OSError("cut off after the swap")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="cut off"):
        patch.setattr(replace.accepted_files, "note", fail)
        run(settings, stream)
    decoded.clear()
    run(settings, stream)
    assert len(decoded) == 13
    found = state(settings, stream)
    forget(settings, stream)
    run(settings, stream)
    assert state(settings, stream) == found


def test_rows_that_are_not_those_that_were_ingested_stay_no_longer(settings, tmp_path, decoded):
    stream, chance = STREAMS["log"], random.Random(3)
    ingest_files(settings, stream, tmp_path, 12, chance)
    before = state(settings, stream)
    with connect(settings) as connection:
        version = before["arrival"][0][2].partition("-")[0]
        other = f"{version}-1-0"
        connection.execute("update catalogue.arrival set accepted_digest = %s, intended_digest = %s", [other, other])
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 12, chance)
    with pytest.raises(IngestError, match="are not those that were ingested; nothing was replaced"):
        run(settings, stream)
    assert state(settings, stream)["accepted"] == before["accepted"]
    decoded.clear()
    run(settings, stream)
    assert len(decoded) == 13


def test_another_recipe_makes_everything_anew_under_the_same_names(settings, tmp_path, decoded):
    """Of a rule or a line of the stream file that changes no row, no row is another one."""
    stream = STREAMS["log"]
    ingest_files(settings, stream, tmp_path, 12)
    before = state(settings, stream)
    decoded.clear()
    run(settings, stream.model_copy(update={"description": "e"}))
    assert len(decoded) == 12
    after = state(settings, stream)
    assert (after["accepted"], after["quality.delivery"]) == (before["accepted"], before["quality.delivery"])
    assert not {*before["catalogue.portion"]} & {*after["catalogue.portion"]}


def test_damaged_rows_are_made_anew_with_what_came(settings, tmp_path, decoded):
    stream = STREAMS["log"]
    ingest_files(settings, stream, tmp_path, 12)
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 12, None, content=[LINE | {"id": 12}])
        (file, *_) = tables.files_of(parts.lake, "status")
        parts.lake.delete(f"accepted/status/{file.path}")
    decoded.clear()
    run(settings, stream)
    assert len(decoded) == 13
    with opened(settings) as parts:
        parts.accepted("status").count()
    found = state(settings, stream)
    forget(settings, stream)
    run(settings, stream)
    assert state(settings, stream) == found


def test_files_of_an_arrival_stay_few(settings, tmp_path, monkeypatch):
    """Each portion may leave a file; beyond the limit they are written as one."""
    monkeypatch.setattr(replace, "FILES_PER_DATE", 3)
    stream, counts = STREAMS["log"], []
    for number in range(0, 60, 6):
        with opened(settings) as parts:
            for each in range(number, number + 6):
                line = {"cp": f"E{each}", "word": "AVAILABLE", "since": "2026-04-30T12:00:00Z"}
                deliver(parts, stream, tmp_path, each, None, content=[line])
        run(settings, stream)
        with opened(settings) as parts:
            counts.append(len(tables.files_of(parts.lake, "status")))
    # The limit, what is written beside it, and what of the portion before it replaced.
    assert max(counts) == 4 and counts.count(1) > 1
    assert len(state(settings, stream)["accepted"]) == 60


def test_what_is_no_object_any_more_takes_its_rows_along(settings, tmp_path):
    stream, chance = STREAMS["log"], random.Random(6)
    with opened(settings) as parts:
        for number in range(12):
            deliver(parts, stream, tmp_path, number, chance, content=[LINE | {"id": number}])
    run(settings, stream)
    with connect(settings) as connection:
        connection.execute("update catalogue.object set landed = false where original_name = 'log_3.jsonl'")
    (count,) = run(settings, stream)
    assert (count.accepted, len(state(settings, stream)["accepted"])) == (11, 11)
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 12, chance, content=[LINE])
    with connect(settings) as connection:
        connection.execute("update catalogue.object set landed = false where original_name = 'log_11.jsonl'")
    (count,) = run(settings, stream)
    found = state(settings, stream)
    assert (count.accepted, len(found["accepted"])) == (11, 11)
    assert not any("log_11" in row or "log_3." in row for row in found["accepted"])


def test_an_arrival_of_a_release_before_is_made_anew_as_a_whole(settings, tmp_path, decoded):
    """Its rows have no portion, and the ledger knows none."""
    stream, chance = STREAMS["sessions"], random.Random(7)
    ingest_files(settings, stream, tmp_path, 12, chance)
    with connect(settings) as connection:
        connection.execute("delete from catalogue.portion")
        connection.execute("update quality.quarantine set portion = null")
        connection.execute("update quality.delivery set portion = null")
    with opened(settings) as parts:
        deliver(parts, stream, tmp_path, 12, chance)
    decoded.clear()
    run(settings, stream)
    assert len(decoded) == 13
    found = state(settings, stream)
    forget(settings, stream)
    run(settings, stream)
    assert state(settings, stream) == found
