"""Shapes in which a personal value once left in the clear, and rows that were once lost in silence."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.read import Reading, Record, read_records
from cic_assets.ingest.decoded import decoded_row
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds import personal
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.personal import looks_personal, mentions_person
from cic_assets.kinds.stream import referenced_fields
from cic_assets.settings import EXAMPLE_STREAMS

CSV = parse_stream(yaml.safe_load(Path(EXAMPLE_STREAMS, "ashbourne_sessions.yml").read_text()))
JSONL = parse_stream(yaml.safe_load(Path(EXAMPLE_STREAMS, "brackendale_sessions.yml").read_text()))


def guard(stream, reading, key=b"k"):
    return Guard(stream, reading, Keys(key, key))


def read(content: bytes, kind: str = "csv"):
    reading = read_records(io.BytesIO(content), FeedFormat(type=kind))
    return list(reading.records), reading


def test_an_unclosed_quote_swallows_no_row_in_silence():
    records, _ = read(b'a,b\n0,z\n1,"x\n2,y\n3,z\n')
    assert [(r.line, r.values is None) for r in records] == [(2, False), (3, True), (4, False), (5, False)]
    assert records[1].raw == '1,"x' and "unexpected end of data" in str(records[1].fault)


def test_rows_drawn_into_a_cell_are_withheld_where_there_are_personal_fields():
    header = "Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID"
    records, reading = read(f'{header}\n1,A,1,,,,"x\n2,A,1,,,,1,7,SECRET2\n3",7,SECRET1\n'.encode())
    rows = [decoded_row(guard(CSV, reading), "x", record) for record in records]
    assert rows and "SECRET" not in str(rows)


@pytest.mark.parametrize(
    "content",
    [
        {"cdr_token": [{"uid": "SECRET"}]},
        {"cdr_token.uid": "SECRET", "cdr_token": {"uid": "SECRET"}},
        {"cdr_token": {"uid": ["SECRET"]}},
    ],
)
def test_personal_values_go_in_every_shape(content):
    records, reading = read(json.dumps(content).encode(), "jsonl")
    assert "SECRET" not in guard(JSONL, reading).raw(records[0])
    assert "SECRET" not in str(decoded_row(guard(JSONL, reading), "x", records[0]))


def test_a_bad_byte_in_the_header_makes_the_file_unreadable():
    records, _ = read(b"a,caf\xe9\n1,2\n3,4\n")
    assert [r.values for r in records] == [None]
    assert "the header is not utf-8" in str(records[0].fault)


def test_a_deep_document_is_a_fault_of_the_content():
    records, _ = read(b'[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]", "json")
    assert [r.values for r in records] == [None]


def test_encodings_that_cannot_be_read_by_line_are_refused():
    for name in ("utf-16", "utf-99"):
        with pytest.raises(ValueError, match=name):
            FeedFormat(type="csv", encoding=name)


def test_a_lambdas_variable_hides_a_field_only_inside_the_lambda():
    assert referenced_fields("concat(x, array_join(transform(xs, x -> x), ','))") == ["x", "xs"]
    with pytest.raises(Exception, match="query"):
        referenced_fields("(select a from t)")


def test_a_line_break_is_fine_where_nothing_is_personal():
    stream = CSV.model_copy(update={"personal_fields": (), "raw_retention_days": None})
    record = Record(2, '1,"a\nb"', {"Session": "1"})
    row = decoded_row(guard(stream, Reading(iter(()), list(stream.fields))), "x", record)
    assert row.get("cic.fault") is None


PERSONS = [
    "RFID", "rf\u200bid", "Card No", "cardNumber", "cdr_token.uid", "contractId", "eMAID", "EVCO-ID", "idTag",
    "idToken", "User_ID", "userName", "E-Mail", "Mobile phone", "Driver", "driverId", "Vehicle.VRM", "licence plate",
    "VIN", "\uff32\uff26\uff29\uff24", "auth_id", "visual_number", "Account number",
]  # fmt: skip
NO_PERSONS = [
    "evse_uid", "uid", "evse_id", "id", "kWh", "Site", "connector_id", "status", "hotel", "Interval", "address", "name",
    "last_updated", "max_electric_power", "Charger", "tariff", "CP ID", "coordinates.latitude", "operator.name",
]  # fmt: skip


def test_names_that_look_personal():
    assert [name for name in PERSONS if not looks_personal(name)] == []
    assert [name for name in NO_PERSONS if looks_personal(name)] == []


OPEN = parse_stream({**yaml.safe_load(Path(EXAMPLE_STREAMS, "dusseldorf_status.yml").read_text()), "format": {
    "type": "jsonl"}, "columns": {"charge_point": "evses", "status": "s", "changed_at": "t"}})  # fmt: skip


@pytest.mark.parametrize(
    ("content", "is_shown"),
    [
        ({"evses": [{"uid": "VALUE"}]}, True),
        ({"evses": [{"uid": "VALUE", "card": "x"}]}, False),
        ({"evses": [{"token": {"uid": "VALUE"}}]}, False),
        ({"uid": "VALUE"}, True),
        ({"uid": "VALUE", "tokenType": "RFID"}, False),
        ({"a": {"b": [[{"email": "VALUE"}]]}}, False),
        ({"a": {"b": [[{"mode": "VALUE"}]]}}, True),
        ({"not_by_name": {"user": "VALUE"}}, False),
    ],
)
def test_without_personal_fields_names_decide(content, is_shown):
    (record,), reading = read(json.dumps(content).encode(), "jsonl")
    row = decoded_row(guard(OPEN, reading), "x", record)
    assert ("VALUE" in str(row)) == is_shown and ("VALUE" in row["cic.raw"]) == is_shown
    shown = OPEN.model_copy(update={"not_personal": (*content, "a.b.email")})
    assert "VALUE" in decoded_row(guard(shown, reading), "x", record)["cic.raw"]


def test_raw_stays_as_received_where_nothing_is_left_out():
    text = b'{ "evses": [ {"uid":1.50} ],  "s" : "\\u00e9" }'
    (record,), reading = read(text, "jsonl")
    assert decoded_row(guard(OPEN, reading), "x", record)["cic.raw"] == text.decode()


def test_names_of_fields_show_no_values():
    (_,), reading = read(json.dumps({"id": 1, "by": {"SECRET": 1}, "a@b.example": 2, "kWh (1)": 3}).encode(), "jsonl")
    assert guard(JSONL, reading).names(reading.columns) == ["id", "by", "(not shown)", "kWh (1)"]
    held = Guard(JSONL, reading, Keys(b"k", b"k"), ("cdr_token.uid",))
    assert held.names(reading.columns) == ["id"]


def test_a_stream_file_says_once_whether_a_field_is_personal():
    content = yaml.safe_load(Path(EXAMPLE_STREAMS, "ashbourne_sessions.yml").read_text())
    with pytest.raises(ValueError, match="not_personal: RFID stands in personal_fields too"):
        parse_stream({**content, "not_personal": ["RFID"]})


@pytest.mark.parametrize(
    ("text", "is_said"),
    [
        ('[{"Customer_Id": 1}]', True), ('[{"TEL": 1}]', True), ('[{"hotel": 1}]', False), ('[{"vin": 1}]', True),
        ('[{"vino": 1}]', False), ('[{"to\\u006ben": 1}]', True), ('[{"u\u017fer": 1, "Größe": 2}]', True),
        ('[{"Größe": 2}]', False), ('[{"to\u212aen": 1}]', True), ('[{"type": "ENERGY", "volume": 0.186}]', False),
    ],
)  # fmt: skip
def test_a_text_that_may_name_a_person_is_known_in_any_letters(text, is_said):
    assert mentions_person(text) is is_said


WORDS = st.sampled_from([*personal._IN_TEXT, "tel", "vin", "TEL", "Vin", "a", "_", " ", '"', "1", "-", ":"])


@given(
    st.lists(st.one_of(WORDS, st.text(st.characters(codec="ascii", exclude_characters="\\"), max_size=4))).map("".join)
)
def test_words_of_a_plain_text_are_found_as_the_pattern_finds_them(text):
    assert mentions_person(text) is bool(personal._IN_ANY_TEXT.search(text))
