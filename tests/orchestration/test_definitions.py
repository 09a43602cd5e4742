from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetKey, Definitions

from cic_assets.orchestrate.assets.raw import OWNERS, raw_assets
from cic_assets.orchestrate.partitions import Calendar, contiguous, month_range
from cic_assets.orchestrate.schedules import months_due
from cic_assets.settings import EXAMPLE_STREAMS, PROJECT, load_settings
from cic_assets.streams.load import load_streams

D = dt.date


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    from cic_assets.orchestrate.build import build_definitions

    # Not the module's own: another test of this process may have loaded it with streams of its own.
    return build_definitions(load_settings({"CIC_CALENDAR_START": "2024-03-15"}), load_streams((EXAMPLE_STREAMS,)))


def test_the_location_loads_in_a_fresh_interpreter_without_a_server(tmp_path):
    code = (
        "from dagster import Definitions; from cic_assets.orchestrate.definitions import defs; "
        "Definitions.validate_loadable(defs); "
        "print([str(key) for key in defs.resolve_asset_graph().get_all_asset_keys() if key.path[0] == 'raw'])"
    )
    environment = {"PATH": "/usr/bin:/bin", "CIC_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    # A fresh installation has nobody's streams.
    assert done.stdout.splitlines()[-1] == "[]"
    # Loading reads; it makes no lake, no key and no database.
    assert not list(tmp_path.glob("*.key")) and not (tmp_path / "lake").exists()


def test_every_asset_has_an_owner_a_description_and_a_group(definitions):
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description and spec.owners and spec.group_name, spec.key


def test_raw_streams_are_external_and_upstream_of_accepted(definitions):
    graph = definitions.resolve_asset_graph()
    mine, raw = AssetKey(["accepted", "sessions", "dundee_sessions"]), AssetKey(["raw", "dundee_sessions"])
    assert graph.get(mine).parent_keys == {raw} and not graph.get(raw).is_materializable
    assert mine in graph.get(AssetKey(["accepted", "sessions"])).parent_keys


def test_a_contact_that_is_no_address_ends_no_command():
    (example, *_) = load_streams([EXAMPLE_STREAMS]).values()
    contacts = ["data@example.org", "a@b.c", "Jo <jo@example.org>", "@data_team", "call 0300 123"]
    streams = [example.model_copy(update={"id": f"s{n}", "contact": text}) for n, text in enumerate(contacts)]
    assert [list(spec.owners) for spec in raw_assets(streams, Calendar(D(2024, 1, 1)))] == [
        ["data@example.org"],
        *[OWNERS] * 4,
    ]


def test_daily_assets_share_one_calendar_and_monthly_ones_another(definitions):
    calendars = {
        spec.partitions_def for spec in definitions.resolve_all_asset_specs() if spec.partitions_def is not None
    }
    calendar = Calendar(D(2024, 3, 1))
    assert calendars == {calendar.days, calendar.months}
    today = dt.datetime.now(dt.UTC).date()
    for partitions in calendars:
        assert (partitions.get_first_partition_key(), partitions.has_partition_key("2024-02-01")) == (
            "2024-03-01",
            False,
        )
    assert calendar.days.has_partition_key(today.isoformat())
    assert calendar.months.has_partition_key(f"{today:%Y-%m}-01")


def test_what_begins_before_the_calendar_stands_on_its_first_partition_and_says_so():
    tags = Calendar(D(2024, 3, 1)).range_tags
    start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    assert tags(D(2024, 3, 1), D(2024, 5, 1)) == {start: "2024-03-01", end: "2024-05-01"}
    assert tags(D(2019, 1, 1), D(2024, 5, 1)) == {
        start: "2024-03-01", end: "2024-05-01", "cic/window": "2019-01-01 2024-05-01",
    }  # fmt: skip
    assert tags(D(2019, 1, 1), D(2019, 2, 1)) == {
        start: "2024-03-01", end: "2024-03-01", "cic/window": "2019-01-01 2019-02-01",
    }  # fmt: skip


def test_dimensions_are_upstream_of_no_mart(definitions):
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        if key.path[-1].startswith("dim_"):
            assert not graph.get(key).child_keys


def test_each_rule_has_a_check_of_its_own_on_each_stream(definitions):
    from cic_assets.kinds.rules import RULES

    keys = definitions.resolve_asset_graph().asset_check_keys
    for stream in load_streams((EXAMPLE_STREAMS,)).values():
        names = {key.name for key in keys if key.asset_key == AssetKey(["accepted", stream.kind, stream.id])}
        assert {rule.check_name for rule in RULES if stream.kind in rule.kinds} <= names
    assert {kind for rule in RULES for kind in rule.kinds} == {"sessions", "status", "locations", "tariffs"}


def test_only_settings_reads_the_environment():
    for path in Path(PROJECT / "cic_assets").rglob("*.py"):
        if path.name != "settings.py":
            assert "os.environ.get" not in path.read_text() and "os.getenv" not in path.read_text(), path


def test_keys_are_labels():
    assert month_range("2025-12-01", "2026-02-01") == (D(2025, 12, 1), D(2026, 3, 1))
    assert contiguous([D(2026, 3, 1), D(2025, 12, 1), D(2026, 1, 1)], monthly=True) == [
        (D(2025, 12, 1), D(2026, 1, 1)),
        (D(2026, 3, 1), D(2026, 3, 1)),
    ]


def test_the_monthly_schedule_runs_the_closed_month_and_touched_ones_as_ranges():
    assert months_due(D(2026, 3, 3), [D(2026, 1, 1), D(2025, 6, 1)]) == [
        (D(2025, 6, 1), D(2025, 6, 1)),
        (D(2026, 1, 1), D(2026, 2, 1)),
    ]
