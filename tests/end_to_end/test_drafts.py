"""Real operators' files: what `cic streams new --sample` makes of each, and what a person then had to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from cic_assets.onboard.check import check_sample
from cic_assets.onboard.draft import CHANGE, draft_of
from cic_assets.orchestrate.doors import parts_of
from cic_assets.settings import load_settings
from cic_assets.streams.load import load_stream

# File → (kind, share of rows that the draft gets right as it is, in per cent at least, what is left to be said).
FILES = {
    "sessions/dundee_2017-09_2017-12.csv.gz": ("sessions", 96, "day and month are swapped"),
    "sessions/dundee_2017-12_2018-03.csv.gz": ("sessions", 95, "day and month are swapped"),
    "sessions/dundee_2018-03_2018-06.csv.gz": ("sessions", 97, "day and month are swapped"),
    "sessions/dundee_2018-06_2018-09.csv.gz": ("sessions", 98, None),
    "sessions/perth_kinross_2016-17.csv.gz": ("sessions", 96, "day and month are swapped"),
    "sessions/ticino_2017.csv.gz": ("sessions", 90, None),
    "status/cps_live_snapshot.json.gz": ("status", 100, "no vocabulary knows '(none)'"),
    "status/dusseldorf_2023-07-17_2023-07-31.csv.gz": ("status", 100, None),
    "registry/dundee_cp_locations_fast.csv.gz": ("locations", 100, None),
    "registry/dundee_cp_locations_rapid.csv.gz": ("locations", 100, None),
    "registry/dundee_cp_locations_slow.csv.gz": ("locations", 97, None),
    "registry/ncr_2022-05.csv.gz": ("locations", 97, "valid_from"),
    "registry/ticino_stations.csv.gz": ("locations", 100, None),
    "ocpi/chargy-locations-response.json": ("status", 100, None),
}
# Lines that nothing in a feed can say: description, provider, authority, licence, contact.
NOBODY_KNOWS = 5


@pytest.mark.parametrize("name", FILES)
def test_a_draft_of_a_real_file_is_nearly_taken_as_it_is(data: Path, tmp_path: Path, name: str):
    kind, share, left = FILES[name]
    draft = draft_of("drafted", None, str(data / name))
    assert draft.kind == kind
    assert sum(CHANGE in line for line in draft.text.splitlines()) <= NOBODY_KNOWS
    file = tmp_path / "drafted.yml"
    file.write_text(draft.text)
    settings = load_settings({"CIC_HOME": str(tmp_path), "CIC_PERSONAL_KEY": "k"})
    report = check_sample(parts_of(settings), load_stream(file), data / name, None)
    assert 100 * report.count.accepted >= share * report.count.rows_in
    if left is None:
        assert report.problems == []
    else:
        assert len(report.problems) == 1
        assert left in report.problems[0]
