from __future__ import annotations

import datetime as dt
import io

import pytest
import yaml
from sqlglot.errors import SqlglotError

from cic_assets.formats.read import Reading, Record, read_records
from cic_assets.ingest.decoded import decoded_row
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import referenced_fields
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import StreamFileError, claimants, load_stream, load_streams

GOOD = yaml.safe_load((EXAMPLE_STREAMS / "ashbourne_sessions.yml").read_text())


def test_every_example_file_loads_and_claims_no_file_of_another():
    streams = load_streams([EXAMPLE_STREAMS])
    assert {"dundee_sessions", "perth_kinross_sessions", "ticino_sessions"} <= set(streams)
    names = ["dundee_2017-09_2017-12.csv.gz", "ticino_2017.csv.gz", "dundee_cp_locations_slow.csv.gz"]
    claimed = [[stream.id for stream in claimants(streams.values(), name)] for name in names]
    assert claimed == [["dundee_sessions"], ["ticino_sessions"], []]


WRONG = {
    "unknown key": ({"colour": "red"}, "colour: Extra inputs"),
    "zone": ({"zone": "Europe/Londn"}, "zone: 'Europe/Londn' is no IANA time zone"),
    "rule set": ({"rule_set": "strict"}, "rule_set: no rule set 'strict'"),
    "expression": ({"columns": {**GOOD["columns"], "energy": "1 +"}}, "columns: energy: '1 +' is no Spark SQL"),
    "column": ({"columns": {**GOOD["columns"], "watts": "x"}}, "columns: no column watts"),
    "both starts": ({"columns": {**GOOD["columns"], "started_at": "x"}}, "exactly one of started_local and started_at"),
    "no rate": ({"vat_rate": None}, "vat_rate: vat_basis 'included' needs the rate"),
    "threshold": ({"overrides": {"max_fun": 1}}, "overrides: no threshold max_fun"),
    "limit of another kind's rule": ({"batch": {"max_rule_pct": {"E02": 1}}}, "batch.max_rule_pct: no limit of E02;"),
    "limit of no rows": ({"batch": {"max_rule_pct": {"U01": 1}}}, "batch.max_rule_pct: no limit of U01;"),
    "repair": (
        {"date_repair": {"kind": "day_month_swap", "files": ["x_201[78]*"]}},
        "date_repair.files: x_201[78]*: only * and ? are patterns here",
    ),
    "mixed": (
        {"columns": {**GOOD["columns"], "cost": "coalesce(try_cast(fee as int), 'free')"}},
        "columns: cost: COALESCE(TRY_CAST(fee AS INT), 'free') mixes texts and numbers",
    ),
    "condition": ({"where": "year(started) > 2020"}, "where: TO_DATE(started) reads a text as a time"),
    "retention": ({"personal_fields": []}, "raw_retention_days: only for streams with personal_fields"),
}


def test_a_stream_without_ids_says_so_in_either_place_and_not_twice():
    columns = {name: text for name, text in GOOD["columns"].items() if name != "session_id"}
    found = [
        parse_stream({**GOOD, "columns": columns, "session_id": "none"}),
        parse_stream({**GOOD, "columns": {**columns, "session_id": " None "}}),
    ]
    assert found[0] == found[1] and found[0].fingerprint() == found[1].fingerprint()
    assert "session_id" not in found[1].columns and "None" not in found[1].fields
    assert parse_stream({**GOOD, "columns": columns}).fingerprint() != found[0].fingerprint()
    with pytest.raises(ValueError, match="not both"):
        parse_stream({**GOOD, "columns": {**columns, "session_id": "id"}, "session_id": "none"})


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_says_path_key_and_reason(case, tmp_path):
    change, reason = WRONG[case]
    path = tmp_path / "wrong.yml"
    path.write_text(yaml.safe_dump({**GOOD, **change}))
    with pytest.raises(StreamFileError) as caught:
        load_stream(path)
    assert str(caught.value).startswith(f"{path}: ") and reason in str(caught.value)


def test_two_files_with_one_id_and_a_file_that_is_no_yaml(tmp_path):
    for name in ("a.yml", "b.yml"):
        (tmp_path / name).write_text(yaml.safe_dump(GOOD))
    with pytest.raises(StreamFileError, match=r"b\.yml: id: 'ashbourne_sessions' is taken by .*a\.yml"):
        load_streams([tmp_path])
    (tmp_path / "b.yml").write_text("a: [")
    with pytest.raises(StreamFileError, match=r"b\.yml"):
        load_streams([tmp_path])


def test_fields_that_an_expression_reads():
    assert referenced_fields("concat(`Start Date`, ' ', Zeit, `Start Date`)") == ["Start Date", "Zeit"]
    assert referenced_fields("`cdr_location.evse_uid`") == ["cdr_location.evse_uid"]
    assert referenced_fields("filter(split(a, ','), x -> x <> b)") == ["a", "b"]
    with pytest.raises(SqlglotError):
        referenced_fields("a from secrets")


def guard(stream, reading, key):
    return Guard(stream, reading, Keys(key, key))


def test_personal_values_leave_as_a_keyed_hash_and_unreadable_text_is_withheld():
    stream = parse_stream({**GOOD, "format": {"type": "csv"}})
    columns = ["Session", "RFID"]
    record = Record(2, "7,SECRET", {"Session": "7", "RFID": "SECRET"})
    assert "SECRET" not in guard(stream, Reading(iter(()), columns), b"key").raw(record)
    hashed = [
        decoded_row(guard(stream, Reading(iter(()), columns), key), "x", record)["RFID"]
        for key in (b"key", b"key", b"other")
    ]
    assert hashed[0] == hashed[1] != hashed[2] and len(hashed[0]) == 20
    broken = decoded_row(
        guard(stream, Reading(iter(()), columns), b"key"), "x", Record(3, "SECRET;", None, "SECRET is odd")
    )
    assert broken["cic.fault"] == "D01" and "SECRET" not in str(broken)


def test_an_id_is_hashed_unless_the_record_says_that_nobody_lives_there():
    columns = {**GOOD["columns"], "charge_point": "post"}
    said = {"personal_fields": ["post"], "personal_unless": {"post": {"kind": ["public", "On-Street"]}}}
    stream = parse_stream({**GOOD, "format": {"type": "csv"}, "columns": columns, **said})
    header = ",".join(stream.required_fields) + ",post"
    rows = ["Public", " on-street", "private", "", "unknown"]
    place = stream.required_fields.index("kind")
    text = "\n".join(",".join([*["x"] * place, word, *["x"] * (header.count(",") - 1 - place), "P1"]) for word in rows)
    reading = read_records(io.BytesIO(f"{header}\n{text}\n".encode()), stream.format)
    hashes = guard(stream, reading, b"k")
    found = [decoded_row(hashes, "s", record) for record in reading.records]
    assert [row["post"] for row in found] == ["P1", "P1", *[hashes.pseudonym("P1")] * 3]
    # Quarantine shows the hash, whatever the record says.
    assert all("P1" not in row["cic.raw"] for row in found)
    plain = parse_stream({**GOOD, "format": {"type": "csv"}, "columns": columns, "personal_fields": ["post"]})
    assert stream.decode_fingerprint() != plain.decode_fingerprint()
    with pytest.raises(ValueError, match="is not in personal_fields"):
        parse_stream({**GOOD, "personal_unless": {"energy": {"kind": ["public"]}}})


def test_a_whole_personal_object_is_replaced():
    content = yaml.safe_load((EXAMPLE_STREAMS / "brackendale_sessions.yml").read_text())
    stream = parse_stream({**content, "personal_fields": ["cdr_token"]})
    record = Record(1, '{"id":"1","cdr_token":{"uid":"SECRET"}}', {"id": "1", "cdr_token.uid": "SECRET"})
    assert "SECRET" not in guard(stream, Reading(iter(()), []), b"key").raw(record)


def test_a_header_without_a_needed_field_quarantines_the_row():
    stream = parse_stream(GOOD)
    row = decoded_row(guard(stream, Reading(iter(()), ["Session"]), b"key"), "x", Record(2, "7", {"Session": "7"}))
    assert row["cic.fault"] == "D02" and "Charger" in row["cic.fault_text"]


STATUS = yaml.safe_load((EXAMPLE_STREAMS / "dusseldorf_status.yml").read_text())
WRONG_STATUS = {
    "kind": ({"kind": "weather"}, "Input tag 'weather'"),
    "session's key": ({"vat_basis": "included"}, "vat_basis: Extra inputs"),
    "no vocabulary": ({"vocabulary": {}}, "vocabulary: give a standard or words"),
    "no state": ({"vocabulary": {"words": {"1": "FREE"}}}, "vocabulary.words.1: Input should be 'AVAILABLE'"),
    "silence": ({"max_silence": "PT0S"}, "max_silence: 0:00:00 is no span of time; write PT30M or P7D"),
    "column": ({"columns": {**STATUS["columns"], "energy": "x"}}, "no column energy in the common model of status"),
    "platform field": ({"columns": {**STATUS["columns"], "changed_at": "`cic.now`"}}, "no field cic.now; there are"),
    "both polls": (
        {"columns": {**STATUS["columns"], "confirmed_at": "a", "confirmed_local": "b"}},
        "confirmed_local or confirmed_at, not both",
    ),
    "each in CSV": ({"format": {"type": "csv", "each": ["a"]}}, "each: only JSON"),
}


@pytest.mark.parametrize("case", WRONG_STATUS)
def test_a_wrong_status_file_says_path_key_and_reason(case, tmp_path):
    change, reason = WRONG_STATUS[case]
    path = tmp_path / "wrong.yml"
    path.write_text(yaml.safe_dump({**STATUS, **change}))
    with pytest.raises(StreamFileError) as caught:
        load_stream(path)
    assert str(caught.value).startswith(f"{path}: ") and reason in str(caught.value)


def test_silence_is_what_the_file_says_or_three_periods_or_seven_days():
    def silence(**said):
        content = {key: value for key, value in STATUS.items() if key not in ("period", "max_silence")}
        return parse_stream({**content, **said}).silence

    minutes = dt.timedelta(minutes=1)
    assert (silence(), silence(period="PT10M")) == (dt.timedelta(days=7), 30 * minutes)
    assert (silence(max_silence="PT45M", period="PT10M"), silence(max_silence="none")) == (45 * minutes, None)


LOCAL, AT = "started_local", "started_at"
# Column, expression, and what the message says; None: it is taken.
INSTANTS = [
    (AT, "x", None),
    (LOCAL, "x", None),
    (AT, "concat(day, 'T', hour, 'Z')", None),
    (LOCAL, "to_timestamp(x)", "complete a text"),
    (AT, "try_to_timestamp(x)", "complete a text"),
    (LOCAL, "x::timestamp", "complete a text"),
    (LOCAL, "cast(substr(x, 1, 10) as date)", "complete a text"),
    (AT, "coalesce(x, `cic.seen_at`)", "complete a text"),
    (AT, "to_utc_timestamp(x, 'Europe/Paris')", "complete a text"),
    (AT, "x + interval 1 hour", "complete a text"),
    (AT, "timestamp_millis(try_cast(x as bigint))", None),
    (AT, "cast(try_cast(x as bigint) as timestamp)", None),
    (LOCAL, "try_to_timestamp(x, 'dd/MM/yyyy HH:mm')", None),
    (LOCAL, "try_to_timestamp(x, 'dd/MM/yyyy HH:mm') + interval 1 hour", None),
    (LOCAL, "try_to_timestamp(x, 'HH:mm')", "has no year, no month, no day"),
    (LOCAL, "to_timestamp(x, 'dd/MM HH:mm')", "has no year"),
    (LOCAL, "to_date(x, 'dd/MM/yyyy')", "has no hours, no minutes"),
    (LOCAL, "try_to_timestamp(x, 'dd/MM/yyyy HH:mmXXX')", "name the column started_at"),
    (AT, "try_to_timestamp(x, 'dd/MM/yyyy HH:mmXXX')", None),
    (AT, "try_to_timestamp(x, 'dd/MM/yyyy HH:mm')", "name the column started_local"),
    (AT, "to_utc_timestamp(try_to_timestamp(x, 'dd/MM/yyyy HH:mm'), 'Europe/Paris')", None),
    (AT, "try_to_timestamp(x, \"yyyy-MM-dd'T'HH:mm:ss'Z'\")", None),
]


@pytest.mark.parametrize(("column", "expression", "said"), INSTANTS)
def test_no_instant_comes_from_a_cast_that_completes_it(column, expression, said):
    columns = {name: text for name, text in GOOD["columns"].items() if name != LOCAL}
    content = {**GOOD, "columns": {**columns, column: expression}}
    if said is None:
        assert parse_stream(content).columns[column] == expression
        return
    with pytest.raises(ValueError, match=said):
        parse_stream(content)


def test_the_condition_of_a_stream_is_checked_and_its_fields_are_decoded():
    stream = parse_stream({**GOOD, "where": "State <> 'test'"})
    assert "State" in stream.required_fields
    assert stream.decode_fingerprint() != parse_stream(GOOD).decode_fingerprint()
    for wrong, said in (("State =", "is no Spark SQL"), ("`cic.now` = 1", "no field cic.now")):
        with pytest.raises(ValueError, match=said):
            parse_stream({**GOOD, "where": wrong})


def test_a_duration_stands_for_the_end_and_for_nothing_else():
    columns = {name: text for name, text in GOOD["columns"].items() if name != "ended_local"}
    with pytest.raises(ValueError, match="exactly one of ended_local and ended_at"):
        parse_stream({**GOOD, "columns": columns})
    assert parse_stream({**GOOD, "columns": {**columns, "duration": "Minutes"}, "units": {"duration": "min"}})
