"""Stream files drafted from samples: of the simulated county's feeds, and of files as people write them."""

from __future__ import annotations

import datetime as dt
import io
import json

import openpyxl
import pytest
import yaml

from cic_assets.kinds.every import parse_stream
from cic_assets.onboard.draft import CHANGE, claims_of, draft_of
from cic_assets.onboard.shape import SampleError
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.simulate import simulate
from cic_assets.simulate.serve import Clock, County, Feeds, serving
from cic_assets.streams.load import load_streams


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    return simulate(
        tmp_path_factory.mktemp("county"), last_day=dt.date(2026, 11, 1), days=14, charge_points=12, dirt=0.0
    )


def drafted(tmp_path, name, content, kind=None):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return draft_of("drafted", kind, str(path))


def stream_of(draft):
    return parse_stream(yaml.safe_load(draft.text))


# What nobody finds in a sample, or what an example says of purpose: an operator's own words, another way to the same.
OTHERWISE = {
    "brackendale_sessions": {"charge_point", "charging_seconds"},
    "dunholt_sessions": {"charge_point", "charging_seconds"},
    "elmsworth_locations": {"valid_from"},
    "brackendale_locations": {"valid_from"},
    "ashbourne_locations": {"valid_from"},
}


@pytest.mark.parametrize(
    "name",
    [
        "ashbourne_sessions", "brackendale_sessions", "brackendale_ocpi_sessions", "dunholt_sessions",
        "elmsworth_sessions", "ashbourne_status", "brackendale_status", "elmsworth_status", "ashbourne_locations",
        "brackendale_locations",
    ],
)  # fmt: skip
def test_the_countys_feeds_are_drafted_as_their_stream_files_have_them(sent, name):
    example = load_streams([EXAMPLE_STREAMS])[name]
    file = next(
        file for file in sorted(sent.files, key=lambda each: -each.path.stat().st_size) if file.stream_id == name
    )
    draft = draft_of("drafted", example.kind, str(file.path))
    stream = stream_of(draft)
    assert (stream.kind, stream.format.type, stream.format.records) == (
        example.kind,
        example.format.type,
        example.format.records,
    )
    assert stream.format.each == example.format.each
    plain = {column: text.replace("`", "").replace(" ", "") for column, text in stream.columns.items()}
    wanted = {column: text.replace("`", "").replace(" ", "") for column, text in example.columns.items()}
    different = {column for column in wanted if plain.get(column) != wanted[column]}
    times = {column for column in different if "try_to_timestamp" in wanted[column] and column in plain}
    assert different - times <= OTHERWISE.get(name, set()), {
        each: (plain.get(each), wanted[each]) for each in different
    }
    assert set(example.personal_fields) <= set(stream.personal_fields)
    if hasattr(example, "units"):
        assert stream.units.energy == example.units.energy
    if example.kind == "status":
        words = {word: state for word, state in stream.vocabulary.states.items() if word in example.vocabulary.states}
        assert words.items() <= example.vocabulary.states.items()


def test_the_kind_is_told_by_what_there_is(sent):
    found = {}
    for file in sent.files:
        found.setdefault(file.stream_id, draft_of("drafted", None, str(file.path)).kind)
    examples = load_streams([EXAMPLE_STREAMS])
    # OCPI's locations are states and a registry in one.
    either = {"elmsworth_locations", "brackendale_locations"}
    assert {name for name, kind in found.items() if kind != examples[name].kind} <= either


CSV = """Charger;Start;Ende;Energie (kWh);Betrag;Kunde
DE*ABC*E1;{0} 10:05;{0} 11:00;12,5;4,10;Frau Mustermann
DE*ABC*E2;{1} 22:50;{1} 23:10;7,25;2,05;Herr Muster
DE*ABC*E1;{2} 08:00;{2} 09:30;20,0;6,60;Frau Beispiel
"""


@pytest.mark.parametrize(
    ("dates", "pattern", "said"),
    [
        (("01.05.2026", "13.05.2026", "02.06.2026"), "dd.MM.yyyy HH:mm", "1 values show that the day stands first"),
        (("05/01/2026", "05/13/2026", "06/02/2026"), "MM/dd/yyyy HH:mm", "1 values show that the month stands first"),
        (("01.05.2026", "02.05.2026", "03.05.2026"), "dd.MM.yyyy HH:mm", "day and month may be the other way round"),
    ],
)
def test_a_councils_table_is_read_by_its_evidence(tmp_path, dates, pattern, said):
    draft = drafted(tmp_path, "export_2026-05.csv", CSV.format(*dates).encode("cp1252"))
    content = yaml.safe_load(draft.text)
    assert content["format"] == {"type": "csv", "delimiter": ";"}
    assert content["claims"] == ["export_*.csv"]
    assert content["numbers"] == {"decimal": ","}
    assert content["zone"] == "Europe/Berlin"
    assert content["columns"]["charge_point"] == "Charger"
    assert content["columns"]["started_local"] == f"try_to_timestamp(Start, '{pattern}')"
    assert content["columns"]["ended_local"] == f"try_to_timestamp(Ende, '{pattern}')"
    assert content["columns"]["energy"] == "`Energie (kWh)`"
    assert content["columns"]["cost"] == "Betrag"
    assert content["personal_fields"] == ["Kunde"]
    assert said in " ".join(draft.text.replace("\n#", "").replace("  #", "").split())
    # No value of a person is written down.
    assert "Must" not in draft.text and "Beispiel" not in draft.text


def test_units_sizes_clocks_and_lines_above_the_header_are_seen(tmp_path):
    lines = ["Report of Acme,,,", "", "Station ID,Plugged In,Plugged Out,Consumed Energy"]
    lines += [f"S{n % 3},2026-05-{n:02} 1:05 PM,2026-05-{n:02} 2:05 PM,{n * 1000}" for n in range(1, 25)]
    draft = drafted(tmp_path, "acme.csv", "\n".join(lines), "sessions")
    content = yaml.safe_load(draft.text)
    assert content["format"] == {"type": "csv", "skip_lines": 2}
    assert content["units"]["energy"] == "Wh"
    # ISO dates with a 12-hour clock are no form that is known: it says so.
    assert content["columns"]["started_local"] == f"`{CHANGE}`"
    dated = [
        line.replace("2026-05-", "05/").replace(" 1:05", "/2026 1:05").replace(" 2:05", "/2026 2:05") for line in lines
    ]
    content = yaml.safe_load(drafted(tmp_path, "acme.csv", "\n".join(dated), "sessions").text)
    assert content["columns"]["started_local"] == "try_to_timestamp(`Plugged In`, 'MM/dd/yyyy h:mm a')"


def test_workbooks_and_documents_are_read(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["CP ID", "Latitude", "Longitude", "Site", "kW"])
    for n in range(5):
        book.active.append([f"CP{n}", 51.5 + n / 100, -0.1, f"Car park {n}", 22])
    packed = io.BytesIO()
    book.save(packed)
    content = yaml.safe_load(drafted(tmp_path, "list.xlsx", packed.getvalue()).text)
    assert (content["kind"], content["format"]) == ("locations", {"type": "xlsx"})
    assert content["columns"] == {
        "charge_point": "`CP ID`", "location_id": "Site", "rated_power": "kW", "latitude": "Latitude",
        "longitude": "Longitude",
    }  # fmt: skip
    points = [
        {"id": f"P{n}", "ports": [{"port": str(m), "state": word} for m, word in enumerate(("Free", "Busy"))]}
        for n in range(9)
    ]
    document = {"result": {"stations": points}, "generated": "2026-05-01T00:00:00Z"}
    content = yaml.safe_load(drafted(tmp_path, "live.json", json.dumps(document)).text)
    assert content["kind"] == "status"
    assert content["format"] == {
        "type": "json",
        "records": "result.stations",
        "document": ["generated"],
        "each": ["ports"],
    }
    assert content["columns"] == {
        "charge_point": "id", "connector_id": "`ports.port`", "status": "`ports.state`", "changed_at": "`cic.seen_at`",
    }  # fmt: skip
    assert content["vocabulary"] == {"words": {"Free": "AVAILABLE", "Busy": "CHARGING"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"), (b"{", "can't be read"), (b"[1, 2]", "without an object"), (b"a,b\n", "no records"),
        (b"colour,size\nred,1\nblue,2\n", "can't be told"), (b"\x1f\x8bx", "ended before"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_said(tmp_path, content, said):
    with pytest.raises(SampleError, match=said):
        drafted(tmp_path, "x", content)
    with pytest.raises(SampleError, match="no such file"):
        draft_of("drafted", None, str(tmp_path / "nowhere.csv"))


def test_what_is_not_there_stands_as_something_to_change_and_the_file_loads(tmp_path):
    draft = drafted(tmp_path, "x.csv", "when,what\n2026-01-01T00:00:00Z,odd\n", "sessions")
    stream = stream_of(draft)
    assert stream.columns["charge_point"] == stream.columns["energy"] == f"`{CHANGE}`"


def test_open_data_of_an_operator_is_drafted_from_its_address(sent):
    feeds = Feeds(sent.files, sent.beside)
    with serving(County(feeds, Clock(feeds.span[1], speed=0))) as url:
        draft = draft_of("elm", None, f"{url}/open/elmsworth/locations")
        stream = stream_of(draft)
        assert (stream.source.type, stream.source.module, stream.source.url) == (
            "ocpi",
            "locations",
            f"{url}/open/elmsworth/locations",
        )
        assert stream.provider.id == "GB*ELM"
        assert stream.columns["confirmed_at"] == "`document.timestamp`"
        table = stream_of(draft_of("ash", None, f"{url}/files/ashbourne_sessions"))
    assert (table.source.type, table.kind) == ("http", "sessions")


def test_claims_leave_out_what_differs_from_file_to_file():
    assert claims_of("acme_2026-05-01.csv") == "acme_*.csv"
    assert claims_of("Export 12.xlsx") == "Export *.xlsx"
    assert claims_of("live.json.gz") == "live.json*"
