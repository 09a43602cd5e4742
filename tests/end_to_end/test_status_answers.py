"""Known answers of status feeds, on operators' own files: landed, ingested and computed as the platform does it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal

import pytest

from cic_assets.lake.landing import land
from cic_assets.settings import Settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse.connect import connect
from tests.end_to_end.steps import checksum, run_days, run_ingest

MILLISECOND = Decimal("0.001")
# The reference's words → our columns. Its UNREPORTED is ours; its NO_DATA is our unobserved.
WORDS = {"AVAILABLE": "available", "CHARGING": "charging", "UNKNOWN": "unknown", "UNREPORTED": "unreported"}


def rows(settings: Settings, query: str):
    with connect(settings) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize(("silence", "reference"), [("none", ""), (dt.timedelta(minutes=30), "_cap30")])
def test_dusseldorf_per_charge_point_and_day(settings, data, silence, reference):
    """Equal within 1 ms on 18 to 30 July; on 17 and 31 July after clipping to the first and last poll."""
    streams = load_streams(settings.streams)
    stream = streams["dusseldorf_status"].model_copy(update={"max_silence": silence})
    streams = {stream.id: stream}
    land(settings, stream, data / "status" / "dusseldorf_2023-07-17_2023-07-31.csv.gz")
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
