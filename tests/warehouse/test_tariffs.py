"""Tariffs from a feed's bytes to `facts.tariff`, version by version."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from cic_assets.ingest.landing import land
from cic_assets.kinds.every import parse_stream
from cic_assets.onboard.check import check_sample
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import load_streams
from cic_assets.streams.new import write_new
from tests.doors import connect
from tests.end_to_end.steps import run_ingest

FIRST = dt.datetime(2026, 5, 4, 6, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def stream(**more):
    """OCPI's tariffs with all that they may say, as `cic streams new --kind tariffs` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        content = yaml.safe_load(write_new(Path(folder), "acme_tariffs", "tariffs").read_text())
    return parse_stream({**content, **more})


def tariff(name="T1", updated="2026-05-01T00:00:00Z", elements=None, **more):
    given = elements or [{"price_components": [{"type": "ENERGY", "price": 0.25, "vat": 20.0, "step_size": 1}]}]
    return {
        "country_code": "GB",
        "party_id": "ACM",
        "id": name,
        "currency": "GBP",
        "elements": given,
        "last_updated": updated,
        **more,
    }


def arrive(settings, feed, tmp_path, number, *tariffs):
    file = tmp_path / f"acme_tariffs_{number}.json"
    file.write_text(json.dumps({"data": list(tariffs), "status_code": 1000, "timestamp": "2026-05-04T06:00:00Z"}))
    land(parts_of(settings), feed, file, FIRST + number * DAY)
    run_ingest(settings, {feed.id: feed})


def rows(settings, columns="tariff_id, valid_from::date::text, valid_to::date::text, element, part, component, price"):
    with connect(settings) as connection:
        return connection.execute(f"select {columns} from facts.tariff order by 1, 2, 4, 5").fetchall()


def test_versions_follow_each_other_as_they_arrive_and_a_rerun_changes_nothing(settings, tmp_path):
    feed = stream()
    arrive(settings, feed, tmp_path, 0, tariff(), tariff("T2", start_date_time="2026-06-01T00:00:00Z"))
    assert rows(settings) == [
        ("T1", "2026-05-01", None, 1, 1, "ENERGY", Decimal("0.2500")),
        ("T2", "2026-06-01", None, 1, 1, "ENERGY", Decimal("0.2500")),
    ]
    dearer = [
        {
            "price_components": [
                {"type": "ENERGY", "price": 0.3, "step_size": 1},
                {"type": "FLAT", "price": 0.5, "step_size": 1},
            ]
        }
    ]
    arrive(
        settings,
        feed,
        tmp_path,
        1,
        tariff("T1", "2026-05-05T00:00:00Z", dearer),
        tariff(
            "T2", "2026-05-05T00:00:00Z", start_date_time="2026-06-01T00:00:00Z", end_date_time="2026-07-01T00:00:00Z"
        ),
    )
    wanted = [
        ("T1", "2026-05-01", "2026-05-05", 1, 1, "ENERGY", Decimal("0.2500")),
        ("T1", "2026-05-05", None, 1, 1, "ENERGY", Decimal("0.3000")),
        ("T1", "2026-05-05", None, 1, 2, "FLAT", Decimal("0.5000")),
        ("T2", "2026-06-01", "2026-07-01", 1, 1, "ENERGY", Decimal("0.2500")),
    ]
    assert rows(settings) == wanted
    with connect(settings) as connection:
        connection.execute("update catalogue.arrival set fingerprint = null")
    run_ingest(settings, {feed.id: feed})
    assert rows(settings) == wanted


def test_restrictions_and_what_is_no_price_are_told_apart(settings, tmp_path):
    feed = stream()
    restrictions = {
        "start_time": "09:00", "end_time": "18:00", "day_of_week": ["SATURDAY"], "min_duration": 1800,
        "max_power": 32.5,
    }  # fmt: skip
    elements = [
        {
            "price_components": [{"type": "PARKING_TIME", "price": 5.0, "step_size": 300}],
            "restrictions": restrictions,
        },
        {"price_components": [{"type": "ENERGY", "price": -0.1}, {"type": "KWH", "price": 1}, {"type": "TIME"}]},
    ]
    arrive(settings, feed, tmp_path, 0, tariff(elements=elements), tariff("T0", elements=[{"price_components": []}]))
    columns = "tariff_id, element, part, component, days, start_time, min_duration_seconds, max_power_kw, flags"
    found = rows(settings, columns)
    assert found == [
        ("T1", 1, 1, "PARKING_TIME", ["SATURDAY"], "09:00", Decimal("1800.0000"), Decimal("32.5000"), []),
        ("T1", 2, 1, "ENERGY", None, None, None, None, ["T02"]),
    ]
    with connect(settings) as connection:
        rejected = connection.execute("select reasons, count(*) from quality.quarantine group by 1").fetchall()
    # An element that has no prices has no record.
    assert rejected == [(["T01"], 2)]


def test_a_stream_whose_rows_say_the_provider_has_the_tariffs_of_each(settings, tmp_path):
    columns = {**stream().columns, "provider": "concat(country_code, '*', party_id)"}
    feed = stream(columns=columns)
    arrive(settings, feed, tmp_path, 0, tariff(), {**tariff(), "party_id": "XYZ"})
    assert {name for (name, *_) in rows(settings, "provider_id, tariff_id, valid_from, element, part")} == {
        "GB*ACM",
        "GB*XYZ",
    }


def test_the_statutory_feed_and_every_tariff_of_the_standard_are_accepted(settings, data):
    parts = parts_of(settings)
    chargy = load_streams([EXAMPLE_STREAMS])["chargy_tariffs"]
    report = check_sample(parts, chargy, data / "ocpi/chargy-tariffs-response.json", None)
    assert (report.count.rows_in, report.count.accepted) == (5, 5)
    single = stream(format={"type": "json", "single": True, "each": ["elements", "price_components"]})
    files = sorted((data / "ocpi/spec").glob("tariff_*.json"))
    assert len(files) > 15
    for file in files:
        report = check_sample(parts, single, file, None)
        assert report.count.accepted == report.count.rows_in > 0, (file.name, report.rejected)


@pytest.mark.parametrize("number", [3])
def test_several_streams_keep_their_own(settings, tmp_path, number):
    feeds = [stream(id=f"acme_{n}_tariffs", provider={"id": f"p{n}", "name": "P"}) for n in range(number)]
    for n, feed in enumerate(feeds):
        arrive(settings, feed, tmp_path, n, tariff(f"T{n}"))
    assert [row[:2] for row in rows(settings, "provider_id, tariff_id, valid_from, element, part")] == [
        (f"p{n}", f"T{n}") for n in range(number)
    ]
