"""From bytes to decoded rows: what makes two records equal, names that stand twice, and which records there are."""

from __future__ import annotations

import io
import json
import time

import openpyxl
import pytest

from cic_assets.formats.read import Reading, read_records
from cic_assets.ingest.decoded import decoded_row, names_twice, said_of
from cic_assets.ingest.personal import Guard, Keys
from cic_assets.kinds.every import parse_stream
from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import load_streams

BASE = {
    "id": "s", "kind": "sessions", "description": "d", "provider": {"id": "p", "name": "P"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "csv"}, "claims": ["*"],
    "columns": {"charge_point": "cp", "started_local": "start", "ended_local": "stop", "energy": "kWh", "cost": "paid"},
    "optional_fields": ["paid"], "vat_basis": "excluded", "licence": "l", "contact": "c",
}  # fmt: skip


def locations(**more):
    kept = {name: value for name, value in BASE.items() if name not in ("vat_basis", "optional_fields")}
    return {**kept, "kind": "locations", "columns": {"charge_point": "cp"}, **more}


def rows_of(content, key=b"k", base=BASE, **stream):
    said = parse_stream({**base, **stream})
    reading = read_records(io.BytesIO(content), said.format, said.record_level)
    guard = Guard(said, reading, Keys(key, key))
    return [decoded_row(guard, "x", record) for record in reading.records]


def contents(content, **stream):
    return [row["cic.content"] for row in rows_of(content, **stream)]


def workbook(*rows):
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def test_records_are_equal_where_every_field_is_mapped_or_not():
    header = b"cp,start,stop,kWh,paid,site,,\n"
    one, same, site, unnamed, moved = contents(
        header + b"A,1,2,3,,North,x,\nA,1,2,3,,North,x,\nA,1,2,3,,South,x,\nA,1,2,3,,North,x,y\nA,1,2,,3,North,x,\n"
    )
    assert one == same and len(one) == 64
    assert len({one, site, unnamed, moved}) == 4
    # The same in another order of columns, without an empty one, and in a workbook.
    assert contents(b"site,kWh,cp,start,stop,\nNorth,3,A,1,2,x\n") == [one]
    assert contents(workbook(["stop", "cp", "kWh", "start", "site", None], [2, "A", 3, 1, "North", "x"]),
                    format={"type": "xlsx"}) == [one]  # fmt: skip


def test_a_number_of_the_row_makes_no_difference_where_the_stream_says_so():
    content = b"_id,cp,start,stop,kWh,paid\n1,A,1,2,3,\n2,A,1,2,3,\n"
    assert len(set(contents(content))) == 2
    assert len(set(contents(content, row_number_fields=["_id"]))) == 1


EQUAL_JSON = [
    {"cp": "A", "x": {"b": 1, "c": "2"}, "l": [{"p": 1, "q": None, "r": {"s": 1, "t": 2}}]},
    {"l": [{"r": {"t": 2, "s": 1}, "p": 1}], "x": {"c": "2", "b": 1, "d": None}, "cp": "A", "e": None, "f": ""},
]
OTHER_JSON = [
    {**EQUAL_JSON[0], "y": 1}, {**EQUAL_JSON[0], "x": {"b": 1, "c": 2, "d": 0}}, {**EQUAL_JSON[0], "cp": "B"},
    {**EQUAL_JSON[0], "l": [{"p": 2, "r": {"s": 1, "t": 2}}]}, {**EQUAL_JSON[0], "l": "[not a list"},
    {**EQUAL_JSON[0], "l": "[" * 100_000},
]  # fmt: skip


def test_keys_in_any_order_and_nulls_make_no_difference_in_json():
    lines = "\n".join(map(json.dumps, [*EQUAL_JSON, *OTHER_JSON])).encode()
    found = contents(lines, format={"type": "jsonl"})
    assert found[0] == found[1] and len(set(found)) == len(found) - 1


def test_what_stands_beside_the_records_is_not_theirs():
    form = {"type": "json", "records": "data", "document": ["timestamp"]}
    columns = {**BASE["columns"], "last_updated": "`document.timestamp`"}
    first, again = (
        contents(json.dumps({"timestamp": day, "data": [{"cp": "A"}]}).encode(), format=form, columns=columns)
        for day in ("2026-01-01", "2026-01-02")
    )
    assert first == again


def test_personal_fields_are_in_the_content_as_their_hash():
    content = b"cp,start,stop,kWh,paid,RFID\nA,1,2,3,,one\nA,1,2,3,,two\nA,1,2,3,,one\n"
    one, two, again = contents(content, personal_fields=["RFID"])
    assert one == again != two
    assert contents(content, personal_fields=["RFID"], key=b"other")[0] != one
    # Which fields are personal, and of whom, makes no record another one.
    assert contents(content)[0] == one


def test_only_sessions_and_readable_records_have_a_content():
    assert said_of(parse_stream(locations()), {"cp": "A"}) is None
    assert rows_of(b"cp,start,stop,kWh,paid\nA\n")[0].get("cic.content") is None


TWICE = {
    "required": ("cp,start,stop,kWh,kWh,paid", {}, "the header has kWh more than once: read `kWh (1)` or `kWh (2)`"),
    "optional": ("cp,start,stop,kWh,paid,paid,paid", {}, "paid more than once: read `paid (1)` or `paid (2)` or `paid"),
    "with space": ("cp,start,stop,kWh,\u00a0kWh ,paid", {}, "kWh more than once"),
    "and another missing": ("start,stop,kWh,kWh,paid", {}, "no field cp; the header has kWh"),
    "not read": ("cp,start,stop,kWh,paid,site,site", {}, None),
    "chosen": ("cp,start,stop,kWh,kWh,paid", {"columns": {**BASE["columns"], "energy": "`kWh (2)`"}}, None),
}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("case", TWICE)
def test_a_name_that_stands_twice_is_never_read_by_chance(case, kind):
    header, change, reason = TWICE[case]
    names = header.split(",")
    cells = [str(number) for number in range(len(names))]
    content = f"{header}\n{','.join(cells)}\n".encode() if kind == "csv" else workbook(names, cells)
    (row,) = rows_of(content, **change, format={"type": kind})
    if reason is None:
        assert row.get("cic.fault") is None and (case != "chosen" or row["kWh (2)"] == "4")
    else:
        assert row["cic.fault"] == "D02" and reason in row["cic.fault_text"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_every_copy_of_a_personal_field_is_replaced(kind):
    names = ["RFID", "cp", "start", "stop", "kWh", "paid", " RFID", "note"]
    cells = ["SECRET1", "A", "1", "2", "3", "4", "SECRET2", "n"]
    lines = "\n".join(map(",".join, (names, cells)))
    content = lines.encode() if kind == "csv" else workbook(names, cells)
    for change in ({}, {"columns": {**BASE["columns"], "connector_id": "`RFID (2)`"}}):
        (row,) = rows_of(content, personal_fields=["RFID"], format={"type": kind}, **change)
        assert row.get("cic.fault") is None and "SECRET" not in str(row) and row["cp"] == "A"
    assert len(row["RFID (2)"]) == 20 and row["RFID (2)"] in row["cic.raw"]


def test_a_sample_is_told_which_names_stand_twice():
    stream = parse_stream(BASE)
    reading = read_records(io.BytesIO(b"cp,start,stop,kWh,paid,kWh\n"), stream.format)
    assert list(reading.records) == []
    assert names_twice(stream, reading) == [
        "the header has kWh more than once: read `kWh (1)` or `kWh (2)` in the stream file"
    ]


NESTED = {"type": "jsonl", "each": ["site.posts", "plugs"]}
LEVELS = {
    "the outermost": ({"charge_point": "id"}, 0),
    "a middle list": ({"charge_point": "`site.posts.id`", "connector_id": "`site.posts.plugs.id`"}, 1),
    "the innermost": ({"charge_point": "concat(id, `site.posts.plugs.id`)", "rated_power": "kw"}, 2),
    "the elements themselves": ({"charge_point": "`site.posts.plugs`"}, 2),
    "a name that only begins so": ({"charge_point": "`site.posts_id`"}, 0),
    "the platform's": ({"charge_point": "`cic.file_name`", "location_id": "`site.posts.plugs.id`"}, 0),
}


@pytest.mark.parametrize("case", LEVELS)
def test_a_record_needs_the_lists_that_its_kind_requires(case):
    columns, level = LEVELS[case]
    assert parse_stream(locations(format=NESTED, columns=columns)).record_level == level


def test_columns_that_a_kind_requires_decide_and_no_others():
    posts = {"charge_point": "id", "started_local": "start", "ended_local": "stop", "energy": "`site.posts.kwh`"}
    assert parse_stream({**BASE, "format": NESTED, "columns": posts}).record_level == 1
    assert (
        parse_stream({**BASE, "format": NESTED, "columns": {**posts, "cost": "`site.posts.plugs.p`"}}).record_level == 1
    )
    polls = {"charge_point": "`site.posts.id`", "status": "`site.posts.plugs.s`", "changed_at": "`cic.seen_at`"}
    status = {"kind": "status", "columns": polls, "format": NESTED, "vocabulary": {"words": {"a": "AVAILABLE"}}}
    assert parse_stream({**locations(), **status}).record_level == 2


def test_another_level_or_row_number_asks_for_another_decoding():
    columns = {"charge_point": "`site.posts.id`", "connector_id": "`site.posts.plugs.id`"}
    swapped = {"connector_id": "`site.posts.id`", "charge_point": "`site.posts.plugs.id`"}
    kept = [parse_stream(locations(format=NESTED, columns=each)) for each in (columns, swapped)]
    assert kept[0].fields == kept[1].fields
    prints = {stream.decode_fingerprint() for stream in kept}
    prints.add(parse_stream(locations(format=NESTED, columns=columns, row_number_fields=["n"])).decode_fingerprint())
    assert len(prints) == 3


def test_points_without_connectors_are_registered_and_sites_without_points_are_none():
    columns = {"charge_point": "`site.posts.id`", "connector_id": "`site.posts.plugs.id`"}
    plugs = {"id": "P3", "plugs": [{"id": "1"}, {"id": "2"}]}
    sites = [
        {"site": {"posts": [{"id": "P1"}, {"id": "P2", "plugs": []}, plugs]}},
        {"site": {"posts": []}}, {"site": None}, {"id": 1}, {"site": {"posts": "none"}},
    ]  # fmt: skip
    lines = "\n".join(map(json.dumps, sites)).encode()
    rows = rows_of(lines, base=locations(format=NESTED, columns=columns))
    assert [(row["cic.line"], row["site.posts.id"], row["site.posts.plugs.id"]) for row in rows] == [
        (1, "P1", None), (1, "P2", None), (1, "P3", "1"), (1, "P3", "2"), (5, None, None),
    ]  # fmt: skip


def test_what_0_3_called_a_decoding_is_known():
    """Of purged originals the decoded copy of 0.3 is all there is; the names are those that 0.3 gave."""
    streams = load_streams([EXAMPLE_STREAMS])
    names = {"brackendale_ocpi_sessions": "4129544cabab2cf5", "dunholt_sessions": "439e66963eb037c8"}
    assert {name: streams[name].former_decode_fingerprint() for name in names} == names


def test_a_header_of_very_many_equal_names_costs_no_more_than_its_length():
    reading = Reading(iter(()), [])
    started = time.process_time()
    reading.open_table(["a", "b"] * 100_000)
    assert reading.columns[-2:] == ["a (100000)", "b (100000)"] and time.process_time() - started < 60
