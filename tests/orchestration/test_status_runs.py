"""Status from landing to marts in Dagster's own machinery: the simulated county, restatement, checks and schedules."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, build_schedule_context

from cic_assets.facts.charge_point_months import online_were_heard
from cic_assets.facts.charge_point_status import early_entries_found
from cic_assets.facts.finding import Finding
from cic_assets.facts.status_edges import EDGES, early_entries
from cic_assets.facts.touch import STATUS
from cic_assets.facts.unfinished import nothing_unresolved
from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.consent import give_up, orphans
from cic_assets.ledger.periods import mark_stale, touches
from cic_assets.orchestrate.doors import parts_of, warehouse_of
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.runner import RunFailedError, Runner, RunReport
from cic_assets.orchestrate.schedules import build_schedules, days_due
from cic_assets.orchestrate.work import stale_days, stale_months, touch_elapsed_days
from cic_assets.settings import Settings
from cic_assets.simulate import Simulation, simulate
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.end_to_end.steps import checksum, compute_charge_points, compute_status, run_days, run_ingest
from tests.orchestration.test_runs import instance, rows, runner

__all__ = ["instance", "runner"]
pytestmark = pytest.mark.usefixtures("forked_dbt")
D = dt.date
DAY = dt.timedelta(days=1)
STATUS_DAY = AssetKey(["facts", "charge_point_status_day"])
OTHER = {"id": "GB*OTH", "name": "Other"}
TIMELINE = "select * from facts.charge_point_status_day order by charge_point_id, status_date"


@pytest.fixture
def county(settings: Settings, tmp_path: Path) -> Simulation:
    found = simulate(tmp_path / "sent", last_day=D(2026, 11, 1), days=14, charge_points=15)
    streams = load_streams(settings.streams)
    for file in found.files:
        land(parts_of(settings), streams[file.stream_id], file.path, file.arrived_at)
    return found


def test_the_county_ends_in_the_marts_as_its_truth_says(settings, instance, runner, county):
    (ingested,), (computed,), (month, *_) = runner.ingest(), runner.days(), runner.months()
    runner.dimensions()
    assert {run.run_id for run in instance.get_runs()} >= {ingested.run_id, computed.run_id, month.run_id}
    sessions_are_as_the_truth_says(settings, county)
    states_are_as_the_truth_says(settings, county)
    odd_charge_points_are_flagged(settings)
    charge_points_are_counted(settings)
    marts_agree(settings)
    checks_say_what_was_found(settings, instance, county)
    reruns_change_nothing(settings, runner, computed)


def sessions_are_as_the_truth_says(settings: Settings, county: Simulation) -> None:
    for stream_id, sessions in county.truth.items():
        (found,) = rows(
            settings,
            "select sum(rows_in)::int, sum(quarantined)::int, sum(in_facts)::int, sum(duplicates)::int,"
            " sum(superseded)::int, sum(open)::int, sum(unresolved)::int from marts.data_reconciliation_day"
            f" where stream_id = '{stream_id}'",
        )
        assert found == (
            sessions.rows, sessions.quarantined, sessions.in_facts, sessions.duplicates, sessions.superseded,
            sessions.open, 0,
        )  # fmt: skip
        (energy,) = rows(
            settings,
            "select coalesce(sum(energy_kwh_total), 0) from marts.session_statistics_day"
            f" where stream_id = '{stream_id}'",
        )
        assert energy == (sessions.energy_kwh.quantize(Decimal("0.0001")),)


def states_are_as_the_truth_says(settings: Settings, county: Simulation) -> None:
    for stream_id, truth in county.status.items():
        (found,) = rows(
            settings,
            "select sum(rows_in)::int, sum(quarantined)::int, sum(duplicates)::int, sum(unresolved)::int,"
            f" sum(rows_in)::int - sum(quarantined + in_facts + duplicates + superseded)::int"
            f" from marts.data_reconciliation_day where stream_id = '{stream_id}'",
        )
        assert found == (truth.rows, truth.quarantined, truth.duplicates, 0, 0), stream_id
        fired = rows(
            settings,
            f"select rule_id, sum(row_count)::int from quality.rule_count where stream_id = '{stream_id}' group by 1",
        )
        assert dict(fired) == dict(truth.fired), stream_id
    told = dict.fromkeys(("ashbourne", "brackendale", "cranmere", "dunholt", "elmsworth"), 0)
    for stream_id, truth in county.status.items():
        told[stream_id.split("_")[0]] += truth.charging_seconds
    charging = rows(
        settings,
        "select split_part(stream_id, '_', 1), sum(charging_seconds) from marts.charge_point_health_day group by 1",
    )
    assert dict(charging) == told


def odd_charge_points_are_flagged(settings: Settings) -> None:
    # One charge point is missing in its council's list, one flaps, Elmsworth says nothing of use.
    flagged = rows(
        settings, "select distinct charge_point_id from marts.charge_point_health_day where 'E05' = any(flags)"
    )
    assert flagged == [("ashbourne-power/A0015",)]
    assert rows(settings, "select count(*) > 0 from marts.charge_point_health_day where 'flapping' = any(flags)") == [
        (True,)
    ]
    assert rows(
        settings,
        "select count(*), count(charging_pct), count(operational_pct) > 0 from marts.charge_point_health_day"
        " where provider_id = 'GB*ELM'",
    )[0][1:] == (0, True)
    assert rows(
        settings, "select distinct s.charge_point_id from facts.charging_session as s where 'S12' = any(flags)"
    ) == [("ashbourne-power/A0015",)]


def charge_points_are_counted(settings: Settings) -> None:
    october = rows(
        settings,
        "select provider_id, sum(registered_count)::int, sum(heard_from_count)::int, sum(online_count)::int"
        " from marts.charge_points_month where month_date = '2026-10-01' group by 1 order by 1",
    )
    # Brackendale has 17, two of which are removed within the month; Ashbourne lists 14 of its 15.
    assert october == [
        ("GB*BRK", 15, 17, 17), ("GB*DUN", 15, 15, 15), ("GB*ELM", 15, 15, 15), ("ashbourne-power", 14, 15, 15),
        ("cranmere-energy", 15, 15, 15),
    ]  # fmt: skip


def marts_agree(settings: Settings) -> None:
    """Days, months and the dimension rate charge points alike, and pooled days are the month."""
    ratings = rows(
        settings,
        "select count(*), count(*) filter (where (d.power_class, d.is_rapid) is distinct from"
        " (nullif(h.power_class, 'unknown'), h.is_rapid)), count(distinct h.power_class)"
        " from marts.charge_point_health_day as h join marts.dim_charge_point as d using (charge_point_id)"
        " join facts.charge_point_rating as r on r.charge_point_id = h.charge_point_id and r.to_month is null"
        " where r.from_month <= h.status_date",
    )
    assert ratings[0][0] > 100 and ratings[0][1:] == (0, 4)
    assert rows(
        settings,
        "with days as (select provider_id, round(100 * sum(case when is_rapid then available_seconds"
        " + charging_seconds + reserved_seconds + unknown_seconds + blocked_seconds + unreported_seconds end)"
        " / nullif(sum(case when is_rapid then day_seconds - unobserved_seconds - planned_seconds - removed_seconds"
        " end), 0), 6) as pct,"
        " count(distinct charge_point_id) as points from marts.charge_point_health_day"
        " where date_trunc('month', status_date) = '2026-10-01' group by 1)"
        " select count(*) > 3, count(pct) > 3 from days join marts.network_overview_month as m using (provider_id)"
        " where m.month_date = '2026-10-01' and m.uk_reliability_in_area_pct is not distinct from pct"
        " and m.status_charge_point_count = points",
    ) == [(True, True)]
    assert rows(
        settings,
        "with listed as (select provider_id, coalesce(power_class, 'unknown') as power_class, count(*) as points"
        " from marts.dim_charge_point where location_id is not null and last_status_date >= '2026-10-31' group by 1, 2)"
        " select count(*) from listed join marts.charge_points_month as m using (provider_id, power_class)"
        " where m.month_date = '2026-10-01' and m.heard_from_count < listed.points",
    ) == [(0,)]
    counted = "select sum(session_count) from marts.session_statistics_day"
    assert rows(settings, counted) == rows(settings, "select count(*) from facts.charging_session where is_counted")


def checks_say_what_was_found(settings: Settings, instance: DagsterInstance, county: Simulation) -> None:
    words = rows(settings, "select distinct unmapped_status_words from marts.data_quality_day where kind = 'status'")
    assert ("Rebooting",) in words
    planted = {stream_id: truth.fired["E03"] for stream_id, truth in county.status.items()}
    assert any(planted.values())
    for stream_id, count in planted.items():
        found = check(instance, f"accepted/status/{stream_id}", "unmapped_status")
        assert (found.passed, found.metadata["count"].value) == (not count, count)
        assert not count or "'Rebooting'" in found.description
    assert check(instance, "facts/charge_point_status_day", "seconds_add_up").passed
    assert check(instance, "facts/charge_point_status_day", "denominator_or_null").passed
    assert "ashbourne-power/A0015" in check(instance, "facts/charge_point_status_day", "E05").description
    # The test's database has a name of its own, which dbt's manifest can't know.
    (counted,) = instance.fetch_materializations(AssetKey(["marts", "network_overview_month"]), limit=1).records
    marts = rows(settings, "select count(*) from marts.network_overview_month")
    assert [(counted.asset_materialization.metadata["dagster/row_count"].value,)] == marts


def reruns_change_nothing(settings: Settings, runner: Runner, computed: RunReport) -> None:
    before = checksum(settings)
    assert (runner.ingest(), runner.days(), runner.months()) == ([], [], [])
    runner.run("daily", computed.first, computed.last)
    runner.run("monthly", D(2026, 10, 1), D(2026, 11, 1))
    assert checksum(settings) == before
    # Any ten days alone are the same days of the one run.
    runner.run("daily", D(2026, 10, 20), D(2026, 10, 29))
    assert checksum(settings) == before


def check(instance: DagsterInstance, asset: str, name: str):
    key = AssetCheckKey(AssetKey(asset.split("/")), name)
    (latest,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return latest.event.dagster_event.asset_check_evaluation_data


def test_a_month_fails_while_a_day_of_it_was_delivered_and_never_computed(settings, instance, feed):
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "AVAILABLE", at(9)))
    feed.ingest()
    settings.home.mkdir(parents=True, exist_ok=True)
    runner = Runner(settings, feed.streams, instance)
    said = r"8 days of status were never computed: 2026-01-02, .*`cic run daily --from 2026-01-02 --to 2026-01-09`"
    with pytest.raises(RunFailedError, match=said):
        runner.run("monthly", D(2026, 1, 1), D(2026, 1, 1))
    assert rows(settings, "select count(*) from facts.charge_point_month") == [(0,)]
    run_days(settings, feed.streams)
    runner.run("monthly", D(2026, 1, 1), D(2026, 1, 1))
    assert rows(settings, "select registered_count, online_count from facts.charge_point_month") == [(1, 1)]


def test_a_month_ends_by_the_authoritys_clock_and_a_state_carried_over_is_no_word(settings, feed):
    feed.stream = parse_stream({**PUSH, "ends": "2026-06-30"})
    feed.deliver(
        "2026-06-20T06:00",
        # Both last words are June's in London, and May's in UTC.
        ("E1", "REMOVED", "2026-05-31T08:00:00Z"), ("E1", "AVAILABLE", "2026-05-31T23:30:00Z"),
        ("E2", "AVAILABLE", "2026-05-30T00:00:00Z"), ("E2", "REMOVED", "2026-05-31T23:30:00Z"),
        ("E3", "AVAILABLE", "2026-05-31T12:00:00Z"), ("E4", "AVAILABLE", "2026-06-01T12:00:00Z"),
    )  # fmt: skip
    feed.ingest()
    run_days(settings, feed.streams)
    published = compute_charge_points(settings, feed.streams, D(2026, 5, 1), D(2026, 7, 1))
    counts = rows(
        settings,
        "select registered_count, heard_from_count, online_count from facts.charge_point_month order by month_date",
    )
    assert counts[0] == (2, 3, 2) and counts[1][:2] == (3, 3)
    (warned,) = published.findings
    assert not warned.passed and warned.figures == {"count": 1} and "GB*ACM/E3 in 2026-06" in str(warned.text)
    assert online_were_heard([]).passed


POLL = {
    "id": "acme_status", "kind": "status", "description": "d", "provider": {"id": "GB*ACM", "name": "Acme"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "jsonl"}, "claims": ["acme*"],
    "columns": {"charge_point": "cp", "status": "word", "changed_at": "since", "confirmed_at": "seen"},
    "optional_fields": ["seen"], "vocabulary": {"standard": "OCPI 2.2.1"}, "max_silence": "P2D", "ends": "2026-01-12",
    "licence": "l", "contact": "c",
}  # fmt: skip
PUSH = {**POLL, "columns": {name: text for name, text in POLL["columns"].items() if name != "confirmed_at"}}


class Feed:
    """A feed that somebody delivers file by file."""

    def __init__(self, settings: Settings, folder: Path, content: dict[str, object] = PUSH) -> None:
        self.settings, self.folder, self.stream = settings, folder, parse_stream(content)

    @property
    def streams(self) -> dict[str, Stream]:
        return {self.stream.id: self.stream}

    def deliver(self, arrived: str, *words: tuple[str, ...], name: str = "") -> None:
        path = self.folder / (name or f"acme_{arrived.replace(':', '')}.jsonl")
        lines = [dict(zip(("cp", "word", "since", "seen"), word, strict=False)) for word in words]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        land(parts_of(self.settings), self.stream, path, moment(arrived))

    def ingest(self) -> list[str]:
        """The days that an ingest makes stale."""
        run_ingest(self.settings, self.streams)
        return [str(day) for day, _ in stale_days(parts_of(self.settings), D(2027, 1, 1), asked_for=True)[0]]

    def timeline(self) -> list[tuple[object, ...]]:
        return rows(self.settings, TIMELINE)

    def seconds(self, column: str, point: str = "E1") -> dict[str, float]:
        return {
            str(day): float(value)
            for day, value in rows(
                self.settings,
                f"select status_date, {column}_seconds from facts.charge_point_status_day"
                f" where charge_point_id = 'GB*ACM/{point}' and {column}_seconds > 0",
            )
        }


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def at(day: int, hour: int = 0) -> str:
    return f"2026-01-{day:02d}T{hour:02d}:00:00Z"


@pytest.fixture
def feed(settings, tmp_path) -> Feed:
    return Feed(settings, tmp_path)


def test_what_a_late_event_touches_is_restated_and_equals_one_run_over_all(settings, feed):
    feed.deliver(
        "2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "AVAILABLE", at(9)), ("E2", "AVAILABLE", at(9, 12))
    )
    assert feed.ingest() == [f"2026-01-{day:02d}" for day in range(2, 10)]
    run_days(settings, feed.streams)
    # Each day has a row, to the end that the feed declares; nothing was reported after its last word.
    assert feed.seconds("unreported") == {f"2026-01-{day:02d}": 86400 for day in (*range(4, 9), 10, 11, 12)} | {
        "2026-01-09": 12 * 3600
    }
    # Late: from its own day to the end of its silence; the days after the old cover, and E2's two days; nothing else.
    feed.deliver("2026-01-11T06:00", ("E1", "OUTOFORDER", at(4, 6)), ("E2", "AVAILABLE", at(10, 6)))
    assert feed.ingest() == [f"2026-01-{day:02d}" for day in (4, 5, 6, 9, 10, 11, 12)]
    run_days(settings, feed.streams)
    assert feed.seconds("outoforder") == {"2026-01-04": 18 * 3600, "2026-01-05": 86400, "2026-01-06": 6 * 3600}
    # A new charge point is unobserved since the feed's first entry.
    feed.deliver("2026-01-12T06:00", ("E3", "AVAILABLE", at(8)))
    assert feed.ingest() == [f"2026-01-{day:02d}" for day in range(2, 13)]
    run_days(settings, feed.streams)
    assert set(feed.seconds("unobserved", "E3")) == {f"2026-01-{day:02d}" for day in range(2, 8)}
    # A word that is known already changes nothing; it is counted as a duplicate on its day.
    before = feed.timeline()
    feed.deliver("2026-01-13T06:00", ("E1", "OUTOFORDER", at(4, 6)))
    assert feed.ingest() == ["2026-01-04"]
    run_days(settings, feed.streams)
    assert rows(settings, "select sum(duplicates), sum(unresolved) from quality.reconciliation") == [(1, 0)]
    assert feed.timeline() == before
    compute_status(settings, feed.streams, D(2026, 1, 2), D(2026, 1, 13))
    assert feed.timeline() == before


def test_equal_instants_in_two_files_the_last_arrival_wins_whichever_was_landed_first(settings, feed, tmp_path):
    words = {"2026-01-06T06:00": "CHARGING", "2026-01-07T06:00": "INOPERATIVE"}
    for arrived, word in reversed(words.items()):
        feed.deliver(arrived, ("E1", word, at(5)), ("E1", "AVAILABLE", at(5, 12)))
        feed.ingest()
        run_days(settings, feed.streams)
    assert (feed.seconds("inoperative"), feed.seconds("charging")) == ({"2026-01-05": 12 * 3600}, {})


def test_polls_confirm_and_the_same_bytes_seen_again_are_another_poll(settings, tmp_path):
    snapshot = {
        **PUSH,
        "columns": {"charge_point": "cp", "status": "word", "changed_at": "`cic.seen_at`"},
        "max_silence": "PT6H",
    }
    feed = Feed(settings, tmp_path, snapshot)
    free, used = ("E1", "AVAILABLE"), ("E1", "CHARGING")
    for hour, word in ((1, free), (3, used), (5, free), (14, free)):
        feed.deliver(f"2026-01-05T{hour:02d}:00", word, name=f"acme_{word[1]}.jsonl")
    assert feed.ingest() == ["2026-01-05"]
    run_days(settings, feed.streams)
    assert feed.seconds("charging") == {"2026-01-05": 2 * 3600}
    assert feed.seconds("available") == {"2026-01-05": (2 + 6) * 3600}
    # Landed once more with the same time, it is the same sighting; later, another poll, and only that is new.
    feed.deliver("2026-01-05T14:00", free, name="acme_AVAILABLE.jsonl")
    assert feed.ingest() == []
    feed.deliver("2026-01-05T16:00", free, name="acme_AVAILABLE.jsonl")
    assert feed.ingest() == ["2026-01-05"]
    run_days(settings, feed.streams)
    assert feed.seconds("available") == {"2026-01-05": (2 + 6 + 2) * 3600}


def test_a_repeated_last_updated_keeps_a_state_alive_without_touching_its_day(settings, tmp_path):
    feed = Feed(settings, tmp_path, POLL)
    feed.deliver("2026-01-03T06:00", ("E1", "AVAILABLE", at(2), at(3, 5)))
    feed.ingest()
    run_days(settings, feed.streams)
    feed.deliver("2026-01-04T06:00", ("E1", "AVAILABLE", at(2), at(4, 5)))
    feed.deliver("2026-01-05T06:00", ("E1", "AVAILABLE", at(2), at(5, 5)))
    # From the first new poll to the end of the last one's silence; not the 2nd, whose instant they repeat.
    assert feed.ingest() == [f"2026-01-{day:02d}" for day in range(3, 8)]
    run_days(settings, feed.streams)
    assert feed.seconds("available") == {at(3)[:10]: 19 * 3600, at(4)[:10]: 86400, at(5)[:10]: 5 * 3600}
    placed = "select sum(rows_in), sum(in_facts), sum(unresolved) from quality.reconciliation"
    assert rows(settings, placed) == [(3, 3, 0)]


def test_another_silence_in_the_stream_file_restates_its_days(settings, feed, tmp_path):
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "AVAILABLE", at(9)))
    feed.ingest()
    run_days(settings, feed.streams)
    feed.stream = parse_stream({**PUSH, "max_silence": "none"})
    # Its own days alone: none before its first entry.
    assert feed.ingest() == [f"2026-01-{day:02d}" for day in range(2, 13)]
    run_days(settings, feed.streams)
    assert feed.seconds("unreported") == {f"2026-01-{day:02d}": 86400 for day in range(9, 13)}


def test_removed_and_silent_has_no_measures(settings, feed):
    feed.deliver(
        "2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "REMOVED", at(3, 6)), ("E2", "AVAILABLE", at(9))
    )
    feed.ingest()
    run_days(settings, feed.streams)
    measures = rows(
        settings,
        "select status_date, operational_pct, operational_of_known_pct, charging_pct, unknown_pct"
        " from facts.charge_point_status_day where charge_point_id = 'GB*ACM/E1' and status_date >= '2026-01-03'"
        " order by status_date",
    )
    assert measures[0] == (D(2026, 1, 3), Decimal(100), Decimal(100), Decimal(0), Decimal(0))
    assert [row[1:] for row in measures[1:]] == [(None,) * 4] * 9


def test_the_daily_schedule_asks_for_yesterday_and_for_touched_days(settings, feed, tmp_path):
    assert days_due(D(2026, 1, 20), [D(2026, 1, 2), D(2026, 1, 3)]) == [
        (D(2026, 1, 2), D(2026, 1, 3)), (D(2026, 1, 19), D(2026, 1, 19)),
    ]  # fmt: skip
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "AVAILABLE", at(9)))
    feed.ingest()
    daily = next(schedule for schedule in build_schedules() if schedule.name == "daily")
    tick = dt.datetime(2026, 1, 20, 2, tzinfo=dt.UTC)
    resources = {"platform": Platform(settings, feed.streams)}
    with (
        DagsterInstance.local_temp(str(tmp_path)) as instance,
        build_schedule_context(instance, scheduled_execution_time=tick, resources=resources) as context,
    ):
        requests = daily.evaluate_tick(context).run_requests
    asked = [
        (request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"])
        for request in requests
    ]
    # The feed has days until it ends, on 12 January.
    assert asked == [("2026-01-02", "2026-01-12"), ("2026-01-19", "2026-01-19")]


def test_edges_that_a_crash_left_old_are_made_anew_before_they_are_used(settings, feed):
    feed.deliver("2026-01-10T06:00", ("E1", "CHARGING", at(2)))
    feed.ingest()
    run_days(settings, feed.streams)
    feed.deliver("2026-01-10T07:00", ("E1", "AVAILABLE", at(3)))
    feed.ingest()
    with connect(settings) as connection:
        assert [*touches(connection, EDGES)] == [D(2026, 1, 3)]
    # Far later, so that the state comes from edges alone.
    feed.stream = parse_stream({**PUSH, "max_silence": "none", "ends": "2026-01-31"})
    feed.deliver("2026-01-30T06:00", ("E2", "AVAILABLE", at(29)))
    feed.ingest()
    compute_status(settings, feed.streams, D(2026, 1, 20), D(2026, 1, 21))
    assert feed.seconds("available") == {"2026-01-20": 86400}


def test_another_authority_or_zone_restates_every_day_of_the_stream(settings, feed):
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "CHARGING", at(4, 2)))
    feed.ingest()
    run_days(settings, feed.streams)
    feed.stream = parse_stream({**PUSH, "authority": {"id": "b", "name": "B"}, "zone": "America/New_York"})
    assert feed.ingest() == [f"2026-01-{day:02d}" for day in range(1, 13)]
    run_days(settings, feed.streams)
    found = rows(settings, "select status_date, authority_id from facts.charge_point_status_day order by 1")
    assert found == [(D(2026, 1, day), "b") for day in range(1, 13)]
    assert feed.seconds("unobserved") == {"2026-01-01": 19 * 3600}


def test_days_exist_by_the_feed_alone_as_time_goes_by_and_when_it_ends(settings, feed):
    """Another feed, landed before or after, years apart, changes no row of this one."""
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "AVAILABLE", at(9)))
    feed.ingest()
    feed.stream = parse_stream({**PUSH, "ends": None})
    for now, last in ((dt.datetime(2026, 1, 15, 5, tzinfo=dt.UTC), 14), (dt.datetime(2026, 1, 19, tzinfo=dt.UTC), 18)):
        touch_elapsed_days(warehouse_of(settings), feed.streams.values(), now)
        stale, _ = stale_days(parts_of(settings), D(2027, 1, 1), asked_for=True)
        assert max(day for day, _ in stale) == D(2026, 1, last)
        compute_status(settings, feed.streams, stale[0][0], stale[-1][0] + DAY)
        # Asked again, nothing is new.
        touch_elapsed_days(warehouse_of(settings), feed.streams.values(), now)
        assert stale_days(parts_of(settings), D(2027, 1, 1), asked_for=True) == ([], [])
    days = "select min(status_date), max(status_date), count(*) from facts.charge_point_status_day"
    assert rows(settings, days) == [(D(2026, 1, 2), D(2026, 1, 18), 17)]
    # The feed is said to have ended: rows after it go.
    feed.stream = parse_stream({**PUSH, "ends": "2026-01-10"})
    run_days(settings, feed.streams)
    assert rows(settings, days) == [(D(2026, 1, 2), D(2026, 1, 10), 9)]


def test_an_early_entry_opens_no_days_in_whatever_order_it_lands(settings, feed):
    """One record of 2010 on a feed of 50 points gave 307,350 rows."""
    many = [(f"E{n % 3}", "AVAILABLE", at(2 + n % 4, n)) for n in range(24)]
    early = ("E1", "OUTOFORDER", "2010-03-01T10:00:00Z")
    other = Feed(settings, feed.folder, {**PUSH, "id": "other_status", "claims": ["other*"], "provider": OTHER})
    feed.deliver("2026-01-10T06:00", *many)
    other.deliver("2026-01-10T06:00", early, name="other_1")
    run_ingest(settings, {**feed.streams, **other.streams})
    assert not early_entries(warehouse_of(settings), [feed.stream, other.stream])
    other.deliver("2026-01-11T06:00", *many, name="other_2")
    streams = {**feed.streams, **other.streams}
    run_ingest(settings, streams)
    run_days(settings, streams)
    feed.deliver("2026-01-11T06:00", early)
    # The day that tells of it, and the one at whose beginning its charge point was not heard of before.
    assert feed.ingest() == ["2010-03-01", "2026-01-02"]
    run_days(settings, streams)
    found = rows(settings, TIMELINE.replace("*", "split_part(charge_point_id, '/', 2), status_date, unreported_seconds,"
                 " available_seconds, outoforder_seconds, unobserved_seconds, provider_id"))  # fmt: skip
    sides = [[row[:-1] for row in found if row[-1] == name] for name in ("GB*ACM", "GB*OTH")]
    assert sides[0] == sides[1] and len(sides[0]) == 3 * 11
    assert min(row[1] for row in found) == D(2026, 1, 2)
    named = early_entries(warehouse_of(settings), streams.values())
    assert {name: [str(each.date) for each in dates] for name, dates in named.items()} == {
        "acme_status": ["2010-03-01"], "other_status": ["2010-03-01"],
    }  # fmt: skip
    assert "acme_status: 1 up to 2010-03-01" in str(early_entries_found(warehouse_of(settings), streams.values()).text)


def test_what_became_nothing_is_named_and_what_is_stale_is_not(settings, feed):
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "CHARGING", at(9)))
    feed.ingest()
    run_days(settings, feed.streams)

    def outcome() -> Finding:
        with connect(settings) as connection:
            return nothing_unresolved(connection, STATUS, "status", "facts.charge_point_status_day", "day")

    assert outcome().passed
    # The facts of a day lose a row, and say nothing; another stream's day, or one elsewhere, is stale.
    with connect(settings) as connection:
        connection.execute("delete from quality.outcome where period_date = '2026-01-09'")
        connection.execute("insert into catalogue.touched_period values (%s, 'x', '2026-01-12', 999999)", [STATUS])
    assert not outcome().passed and outcome().text == (
        "accepted rows became nothing: acme_status (1 rows); ingest their arrivals again"
    )
    with connect(settings) as connection:
        connection.execute("insert into catalogue.touched_period values (%s, 'x', '2026-01-09', 999999)", [STATUS])
    assert outcome().passed


def test_nothing_landed_makes_no_month_due(settings):
    assert stale_months(parts_of(settings), D(2026, 11, 25), asked_for=True) == ([], [])


def test_a_feed_whose_file_is_gone_keeps_its_days_until_somebody_gives_it_up(settings, feed):
    feed.deliver("2026-01-10T06:00", ("E1", "AVAILABLE", at(2)), ("E1", "AVAILABLE", at(9)))
    feed.ingest()
    run_days(settings, feed.streams)
    other = Feed(settings, feed.folder, {**PUSH, "id": "other_status", "claims": ["other*"]})
    days = rows(settings, "select count(*), sum(available_seconds) from facts.charge_point_status_day")
    assert days[0][0] > 0
    with connect(settings) as connection:
        # Whatever else makes a day stale, such as another feed of it.
        mark_stale(connection, "other", {(STATUS, D(2026, 1, 9))})
    run_days(settings, other.streams)
    assert rows(settings, "select count(*), sum(available_seconds) from facts.charge_point_status_day") == days
    with connect(settings) as connection:
        (said,) = orphans(connection, other.streams)
        assert said.startswith("acme_status has no stream file any more") and not give_up(connection, "nobody")
        assert give_up(connection, "acme_status") and orphans(connection, other.streams) == []
    run_days(settings, other.streams)
    assert rows(settings, "select count(*) from facts.charge_point_status_day") == [(0,)]


REGISTRY = {
    **{name: PUSH[name] for name in ("provider", "authority", "zone", "format", "licence", "contact")},
    "id": "acme_locations", "kind": "locations", "description": "d", "claims": ["list*"],
    "columns": {"charge_point": "cp", "rated_power": "word"},
}  # fmt: skip


def test_a_registry_that_comes_later_restates_flags_ratings_and_all_months(settings, instance, feed, tmp_path):
    settings.home.mkdir(parents=True, exist_ok=True)
    feed.stream = parse_stream({**PUSH, "ends": "2026-02-10"})
    feed.deliver(
        "2026-03-05T06:00", *((point, "AVAILABLE", f"2026-0{m}-02T00:00:00Z") for point in ("E1", "E2") for m in (1, 2))
    )
    listed = Feed(settings, tmp_path, REGISTRY)
    streams = {**feed.streams, **listed.streams}
    runner = Runner(settings, streams, instance)
    run_ingest(settings, streams)
    run_days(settings, streams)
    runner.run("monthly", D(2026, 1, 1), D(2026, 2, 1))
    counts = "select month_date::text, power_class, registered_count from facts.charge_point_month order by 1"
    assert rows(settings, counts) == [("2026-01-01", "unknown", 2), ("2026-02-01", "unknown", 2)]
    listed.deliver("2026-03-15T06:00", ("E1", "100"), name="list_1.jsonl")
    run_ingest(settings, streams)
    days = [str(day) for day, _ in stale_days(parts_of(settings), D(2027, 1, 1), asked_for=True)[0]]
    assert (days[0], days[-1], len(days)) == ("2026-01-02", "2026-02-10", 40)
    run_days(settings, streams)
    flagged = "select distinct charge_point_id from facts.charge_point_status_day where 'E05' = any(flags)"
    assert rows(settings, flagged) == [("GB*ACM/E2",)]
    months = [str(month) for month, _ in stale_months(parts_of(settings), D(2026, 4, 1))[0]]
    # March has closed: a registry alone is enough for its row.
    assert months == ["2026-01-01", "2026-02-01", "2026-03-01"]
    runner.run("monthly", D(2026, 1, 1), D(2026, 2, 1))
    # E2 is not in the registry, and heard from in January and, by its silence of two days, on 2 February.
    found = rows(settings, counts.replace("registered_count", "registered_count, heard_from_count"))
    assert sorted(found) == [
        ("2026-01-01", "50-150", 1, 1), ("2026-01-01", "unknown", 0, 1), ("2026-02-01", "50-150", 1, 1),
        ("2026-02-01", "unknown", 0, 1),
    ]  # fmt: skip
    before = checksum(settings)
    listed.deliver("2026-03-16T06:00", ("E1", "100"), name="list_2.jsonl")
    run_ingest(settings, streams)
    assert stale_days(parts_of(settings), D(2027, 1, 1), asked_for=True) == ([], [])
    assert checksum(settings)["facts.charge_point"] == before["facts.charge_point"]
