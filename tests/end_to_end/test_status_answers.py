"""Known answers of status feeds, on operators' own files: landed, ingested and computed as the platform does it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal

import pytest

from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams
from tests.doors import connect
from tests.end_to_end.steps import checksum, run_days, run_ingest

MILLISECOND = Decimal("0.001")
# The reference's words → our columns. Its UNREPORTED is ours; its NO_DATA is our unobserved.
WORDS = {"AVAILABLE": "available", "CHARGING": "charging", "UNKNOWN": "unknown", "UNREPORTED": "unreported"}


def rows(settings: Settings, query: str):
    with connect(settings) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize(("silence", "reference"), [("none", ""), (dt.timedelta(minutes=30), "_cap30")])
def test_dusseldorf_per_charge_point_and_day(settings, data, silence, reference):
    """Equal within 1 ms on 17 to 31 July; what lies outside of the polls is unobserved and unreported here."""
    streams = load_streams(settings.streams)
    stream = streams["dusseldorf_status"].model_copy(update={"max_silence": silence})
    streams = {stream.id: stream}
    land(parts_of(settings), stream, data / "status" / "dusseldorf_2023-07-17_2023-07-31.csv.gz")
    run_ingest(settings, streams)
    run_days(settings, streams)
    before = checksum(settings)
    expected = json.loads(gzip.decompress((data / "reference" / "dusseldorf.json.gz").read_bytes()))
    first, last = (dt.datetime.fromisoformat(expected[edge]) for edge in ("first", "last"))
    columns = ", ".join(f"{name}_seconds" for name in WORDS.values())
    found = {
        (point.removeprefix("DE*SWD/"), str(day)): (dict(zip(WORDS, seconds, strict=True)), unobserved)
        for point, day, unobserved, *seconds in rows(
            settings,
            f"select charge_point_id, status_date, unobserved_seconds, {columns} from facts.charge_point_status_day",
        )
    }
    groups = expected[f"per_evse_day_seconds{reference}"]
    assert set(found) == {(group["id"], group["day"]) for group in groups} and len(groups) == 240
    # What lies outside the polls: unobserved before the first, unreported after the last.
    midnight = dt.datetime(2023, 7, 16, 22, tzinfo=dt.UTC)
    before_first = Decimal((first - midnight) // dt.timedelta(microseconds=1)) / 1_000_000
    after_last = Decimal((midnight + dt.timedelta(days=15) - last) // dt.timedelta(microseconds=1)) / 1_000_000
    for group in groups:
        seconds, unobserved = found[group["id"], group["day"]]
        if group["day"] == "2023-07-17":
            unobserved -= before_first
        if group["day"] == "2023-07-31":
            seconds["UNREPORTED"] -= after_last
        for word, value in seconds.items():
            assert abs(value - Decimal(str(group.get(word, 0)))) <= MILLISECOND, (group, word, value)
        assert abs(unobserved - Decimal(str(group["NO_DATA"]))) <= MILLISECOND, (group, unobserved)
    run_ingest(settings, streams)
    run_days(settings, streams)
    assert checksum(settings) == before


def test_chargeplace_scotlands_snapshot_folds_connectors_and_takes_the_polls_time(settings, data):
    """2,725 posts, their 6,040 connectors folded here in plain Python; the feed says no time of its own."""
    streams = load_streams(settings.streams)
    stream = streams["chargeplace_scotland_status"].model_copy(update={"ends": dt.date(2026, 5, 3)})
    streams = {stream.id: stream}
    path = data / "status" / "cps_live_snapshot.json.gz"
    seen_at = dt.datetime(2026, 5, 3, 11, tzinfo=dt.UTC)
    land(parts_of(settings), stream, path, seen_at)
    # The same bytes six hours later are another poll: the state goes on to then.
    land(parts_of(settings), stream, path, seen_at + dt.timedelta(hours=6))
    run_ingest(settings, streams)
    run_days(settings, streams)
    states = {"AVAILABLE": "available", "AVALIABLE": "available", "OCCUPIED": "charging", "UNAVAILABLE": "inoperative"}
    expected = {}
    unmapped = 0
    for post in json.loads(gzip.decompress(path.read_bytes()))["chargePoints"]:
        words = [
            (connector["connectorStatus"] or "").upper()
            for group in post["chargePoint"]["connectorGroups"]
            for connector in group["connectors"]
        ]
        unmapped += words.count("")
        found = {states.get(word, "unknown") for word in words}
        order = ("charging", "available", "inoperative", "unknown")
        # One post's name has a space behind it.
        expected[f"chargeplace-scotland/{post['chargePoint']['name'].strip()}"] = next(
            one for one in order if one in found
        )
    columns = ("available", "charging", "inoperative", "unknown")
    seconds = ", ".join(f"{name}_seconds" for name in columns)
    ours = {
        point: {name: float(value) for name, value in zip(columns, values, strict=True) if value}
        for point, *values in rows(settings, f"select charge_point_id, {seconds} from facts.charge_point_status_day")
    }
    assert len(ours) == 2725
    assert ours == {point: {state: 6 * 3600.0} for point, state in expected.items()}
    assert rows(settings, "select source_status, row_count from quality.unmapped_status") == [("(none)", 2 * unmapped)]


def test_chargy_says_nothing_of_use_and_lists_its_points(settings, data):
    streams = load_streams(settings.streams)
    streams = {name: streams[name] for name in ("chargy_status", "chargy_locations")}
    for stream in streams.values():
        land(parts_of(settings), stream, data / "ocpi" / "chargy-locations-response.json")
    run_ingest(settings, streams)
    run_days(settings, streams)
    found = rows(
        settings,
        "select charge_point_id, unobserved_seconds, unreported_seconds, charging_pct, flags, confirmation_count"
        " from facts.charge_point_status_day where status_date <= '2026-07-27' order by 1",
    )
    # One response, of 27 July, 22:10:22 in London: what held before it, only what survived until then can tell.
    assert found == [
        (f"GB*CGY/GB*CGY*E*000{number}", Decimal(79_822), Decimal(6_578), None, [], 1) for number in (22, 24)
    ]
    registry = rows(settings, "select charge_point_id, rated_power_kw, device_id from facts.charge_point order by 1")
    assert [row[1:] for row in registry] == [(Decimal("5.0600"), "00022"), (Decimal("5.0600"), "00024")]


def test_ocpis_own_example_is_read_with_its_evses_and_connectors(settings, data):
    """OCPI 2.2.1's Location example: two EVSEs with three connectors, as a document of one."""
    from cic_assets.kinds.every import parse_stream

    content = load_streams(settings.streams)["brackendale_snapshot"].model_dump(mode="json")
    content |= {"id": "example", "zone": "Europe/Brussels", "provider": {"id": "BE*BEC", "name": "BeCharged"}}
    content["format"] = {"type": "jsonl", "each": ["evses"]}
    content["columns"].pop("confirmed_at")
    content |= {"max_silence": "none", "period": None, "ends": "2015-06-29"}
    stream = parse_stream(content)
    example = json.loads((data / "ocpi" / "spec" / "location_example.json").read_text())
    path = settings.home / "example.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(example))
    land(parts_of(settings), stream, path)
    run_ingest(settings, {"example": stream})
    run_days(settings, {"example": stream})
    found = rows(
        settings,
        "select charge_point_id, status_date::text, available_seconds, reserved_seconds, unobserved_seconds"
        " from facts.charge_point_status_day where status_date in ('2015-06-28', '2015-06-29') order by 2, 1",
    )
    # 28 June 08:12:01 UTC is 10:12:01 in Brussels; the second EVSE's word is the feed's last, so it covers no time.
    assert found == [
        ("BE*BEC/BE*BEC*E041503001", "2015-06-28", Decimal(49_679), Decimal(0), Decimal(36_721)),
        ("BE*BEC/BE*BEC*E041503002", "2015-06-28", Decimal(0), Decimal(0), Decimal(86_400)),
        ("BE*BEC/BE*BEC*E041503001", "2015-06-29", Decimal(81_549), Decimal(0), Decimal(0)),
        ("BE*BEC/BE*BEC*E041503002", "2015-06-29", Decimal(0), Decimal(0), Decimal(81_549)),
    ]
