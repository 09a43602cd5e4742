"""Records of one shape: what is made of them together is what the exact reader makes of each."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cic_assets.formats import blocks
from cic_assets.formats.bounds import RAW_KEPT
from cic_assets.formats.shapes import MARKED, json_lines, mark
from cic_assets.ingest import by_columns
from cic_assets.settings import load_settings
from cic_assets.simulate import simulate
from cic_assets.streams.load import load_streams, parse_stream
from tests.unit.test_plain import columns, exact

EXAMPLES = load_streams(load_settings({"CIC_STREAMS": "examples"}).streams)
FEEDS = {
    "no person": {"kind": "status"},
    "a person": {"personal_fields": ["cdr_token.uid", "card"]},
    "a person in a list": {"personal_fields": ["list.uid", "note"], "optional_fields": ["list.uid", "note"]},
    "a declared object": {"personal_fields": ["cdr_token.uid"], "not_personal": ["cdr_token.type", "place", "list"]},
}


def feed(form, **change):
    """A stream that reads some of a record's fields."""
    sessions = {"session_id": "id", "started_at": "start", "ended_at": "stop", "energy": "kwh"}
    status = {"status": "id", "changed_at": "start", "connector_id": "kwh"}
    is_status = change.pop("kind", "sessions") == "status"
    said = {
        "id": "shaped", "kind": "status" if is_status else "sessions", "description": "Shapes.",
        "provider": {"id": "GB*SHP", "name": "S"}, "authority": {"id": "X-S", "name": "S"}, "zone": "Europe/London",
        "format": form, "columns": {"charge_point": "`place.evse`", **(status if is_status else sessions)},
        "licence": "CC0-1.0", "contact": "s@s.example", "claims": ["shaped_*"],
    }  # fmt: skip
    said |= {"vocabulary": {"standard": "OCPI 2.2.1"}} if is_status else {"vat_basis": "included", "vat_rate": 0.2}
    if change.get("personal_fields"):
        said["optional_fields"] = change["personal_fields"]
    return parse_stream(said | change)


STREAMS = {name: feed({"type": "jsonl"}, **change) for name, change in FEEDS.items()}


@pytest.fixture
def _all_by_shape(monkeypatch):
    monkeypatch.setattr(by_columns, "MIN_ROWS", 1)
    monkeypatch.setattr(by_columns._Shapes, "_look", _looked(by_columns._Shapes._look))


def _looked(look):
    def looked(self, group):
        plan = look(self, group)
        assert plan is not None, f"nothing is known of {group.text}"
        return plan

    return looked


RECORD = {
    "id": "S-1", "start": "2026-05-01T10:00:00Z", "stop": "2026-05-01T11:00:00Z", "kwh": 7.250,
    "place": {"evse": "GB*1", "note": "", "at": [{"lat": 51.5, "lon": -0.1}]},
    "cdr_token": {"uid": "0123", "type": "RFID", "contract": None}, "card": "4711",
    "list": [{"uid": "04AB", "at": "2026-05-01T10:00:00Z", "kwh": 1}, {"uid": "04AC", "at": "10:00", "kwh": 2.0}],
    "token": "abc", "paid": True, "note": "Zoë",
}  # fmt: skip


def changed(number):
    """The same record with other values, and longer ones."""
    text = json.dumps(RECORD, ensure_ascii=False)
    return text.replace("S-1", f"Süd {number * 37}").replace("7.25", str(number / 8)).replace("4711", str(number % 3))


@pytest.mark.usefixtures("_all_by_shape")
@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("block", [8 << 20, 2_000], ids=["one block", "blocks of some lines"])
def test_records_of_one_shape_give_the_same_rows(monkeypatch, name, block):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block)
    content = "\n".join(map(changed, range(40))).encode()
    for each in (content, content.replace(b"\n", b"\r\n"), content + b"\n", gzip.compress(content)):
        assert columns(each, STREAMS[name]) == exact(each, STREAMS[name])


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    return simulate(
        tmp_path_factory.mktemp("county"), workers=1, days=28, charge_points=12, last_day=dt.date(2026, 3, 1)
    )


@pytest.mark.parametrize("name", [name for name, stream in EXAMPLES.items() if stream.format.type == "jsonl"])
def test_feeds_of_the_simulated_county_are_of_few_shapes(county, monkeypatch, name):
    """Of the files of a week, no row is left to the exact reader but those that prepare a shape, and what is odd."""
    monkeypatch.setattr(by_columns, "MIN_ROWS", 1)
    read = by_columns._Lines.read
    exactly = []
    monkeypatch.setattr(by_columns._Lines, "read", lambda *args: exactly.append(1) or read(*args))
    stream, rows = EXAMPLES[name], 0
    for file in county.files:
        if file.stream_id == name and (content := file.path.read_bytes()):
            found = columns(content, stream)
            assert found == exact(content, stream)
            rows += found[0].num_rows if found else 0
    assert rows > 20 > len(exactly) > 0


def test_a_mark_is_itself_as_text_and_as_number():
    assert json.loads(json.dumps(int(mark(7)))) == int(mark(7)) and MARKED.findall(f"{mark(7)}{mark(12)}") == [
        "0007", "0012",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        '{"id":"a\\"b","kwh":1}', '{"id":"a\\u0041","kwh":1}', '{"id":"\t","kwh":1}', '{"id":"a","kwh":01}',
        '{"id":"a","kwh":1.}', '{"id":"a","kwh":-}', '{"id":"a","kwh":.5}', '{"id":"a","kwh":1e}', '{"id":"a"}x',
        '["id","a"]', '"id"', '{"id":"a" ,"kwh":1}', '{"id" :"a","kwh":1}', '{"id":"a","kwh":1', '{"id":"a","kwh":+1}',
        '{"id":"a}', '{"id":"a\0","kwh":1}', ' {"id":"a","kwh":1}', "\u200b", "", f'{{"id":"{"x" * RAW_KEPT}"}}',
        f'{{"id":"{mark(0)}","kwh":1}}', '{"id":"a","kwh":1}\x0b', "{]}", '{"id":["]}', '{"a":"b":"c"}', "{1}", "}{",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("_all_by_shape")
def test_an_odd_line_is_read_exactly_among_others(line):
    good = '{"id":"a","kwh":1}'
    for text in (f"{good}\n{line}\n{good}", line, f"{line}\n{good}\n{line}\n"):
        for stream in STREAMS.values():
            with pytest.MonkeyPatch.context() as patch:
                # A shape of an odd line may be one that the exact reader refuses.
                patch.setattr(by_columns._Shapes, "_look", by_columns._Shapes._look.__closure__[0].cell_contents)
                found = columns(text.encode(), stream)
            assert found is None or found == exact(text.encode(), stream)


@pytest.mark.parametrize(
    "text",
    [
        '{"id":NaN,"kwh":Infinity,"list":[NaN]}', '{"id":true,"kwh":false,"start":null}', '{"id":"","kwh":""}',
        '{"id":1E400,"kwh":-0,"start":-0.0e-7}', '{"id":[],"kwh":{}}', "{}", '{"id":"[]","kwh":"[{\'name\':1}]"}',
        '{"id":"[{\\"token\\":1}]"}', '{"list":[{"token":"x"},"10:00"]}', '{"list":["token"],"note":"token"}',
        '{"list":[["10:00","b"],3],"kwh":5}', '{"place.evse":"a","place":{"evse":"b"}}', '{"id":"a","id":"b"}',
        '{"cdr_token":{"uid":7}}', '{"cdr_token":"x"}', '{"cdr_token":[1,"2"]}', '{"card":{"no":"7","x":[1]}}',
        '{"card":["10:00",2]}', '{"uid":"x","user":"y"}', '{"12345":"x","a@b":1}', '{"note":"é","list":["é","T"]}',
        '{"tel":"x","list":["T","el"]}', '{"list":["","10:00"],"kwh":1}', '{"id":"]","list":["[","]",1]}',
    ],
)  # fmt: skip
def test_what_a_value_may_change_belongs_to_the_shape(monkeypatch, text):
    monkeypatch.setattr(by_columns, "MIN_ROWS", 1)
    content = "\n".join([text, text.replace("a", "b").replace("x", "y").replace("1", "23"), text]).encode()
    for stream in STREAMS.values():
        assert columns(content, stream) == exact(content, stream)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # A list as text: sorted in what a record says; written anew where it may name somebody.
        ('{"id": "a", "kwh": 1}', '{"id": "[1, 2]", "kwh": 1}'),
        ('{"id": "a", "kwh": 1}', '{"id": "[{token", "kwh": 1}'),
        # What looks like a mark.
        (f'{{"id":"a","{mark(0)}":"b"}}', f'{{"id":"c","{mark(0)}":"d"}}'),
        # A list that names somebody only with this value.
        ('{"list": ["a", 1]}', '{"list": ["token", 1]}'),
        ('{"list": [{"at": "a"}]}', '{"list": [{"at": "token"}]}'),
        # Its text grows beyond what is kept, as most of it is not shown.
        *[(text, text) for text in ["{" + ",".join(f'"k{n}":1' for n in range(1_500)) + "}"]],
    ],
)
def test_records_that_only_look_alike_are_told_apart(monkeypatch, first, second):
    monkeypatch.setattr(by_columns, "MIN_ROWS", 1)
    for stream in STREAMS.values():
        found = columns(f"{first}\n{second}\n".encode(), stream)
        assert found is not None and found == exact(f"{first}\n{second}\n".encode(), stream)


def test_where_a_word_says_what_is_personal_each_record_is_looked_at():
    said = {"card": {"id": ["public"]}}
    stream = feed({"type": "jsonl"}, personal_fields=["card"], personal_unless=said)
    assert columns(b'{"id":"a","card":"b"}\n', stream) is None


KEYS = st.sampled_from(
    ["id", "start", "kwh", "place", "evse", "cdr_token", "uid", "type", "card", "list", "note", "tel"]
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "10:00Z", "token", "[", "[{", "Zoë", "vin", "T", "a,b", "{}", "\u2028", "\x7f", "e", "-1", " "]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters='"\\', min_codepoint=32), max_size=4),
)
NUMBERS = st.sampled_from(["0", "-0", "1.50", "1e5", "12E+3", "01", "1.", "-", "NaN", "123456789012345678901234567890"])
SCALARS = st.one_of(TEXTS.map('"{}"'.format), NUMBERS, st.sampled_from(["null", "true", "false", '"\\n"', "x"]))


def _structures(inner):
    pairs = st.lists(st.tuples(KEYS, inner), max_size=4)
    return st.one_of(
        pairs.map(lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"),
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
    )


# `%s` where a value comes.
SHAPES = st.recursive(
    st.one_of(st.just("%s"), SCALARS.map(lambda text: text.replace("%", ""))), _structures, max_leaves=8
)


@st.composite
def files(draw):
    """Lines of a few shapes, mixed, with values of any kind."""
    shapes = draw(st.lists(st.lists(st.tuples(KEYS, SHAPES), max_size=4), min_size=1, max_size=3))
    texts = ["{" + ",".join(f'"{key}":{value}' for key, value in shape) + "}" for shape in shapes]
    lines = []
    for text in draw(st.lists(st.sampled_from(texts), max_size=8)):
        first, *others = text.split("%s")
        lines.append(first + "".join(draw(SCALARS) + piece for piece in others))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines).encode()


@given(files(), st.sampled_from(sorted(STREAMS)), st.integers(8, 300))
def test_any_lines_are_the_exact_readers_records(content, name, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        patch.setattr(by_columns, "MIN_ROWS", 1)
        found = columns(content, STREAMS[name])
    assert found is None or found == exact(content, STREAMS[name])


TABLE = feed(
    {"type": "csv"}, columns={"charge_point": "point", "session_id": "id", "started_at": "start", "ended_at": "stop",
    "energy": "kwh"}, personal_fields=["card"],
)  # fmt: skip
HEADER = "id,point,start,stop,kwh,card,tag,note"
CELLS = st.one_of(
    st.sampled_from(["", "", "a", "1.50", "[", "[{token", "é", " ", "\u2028"]), st.text("ab1", max_size=3)
)


@pytest.mark.parametrize("card", [["card"], []], ids=["personal", "looks personal"])
@given(st.lists(st.lists(CELLS, min_size=8, max_size=8).map(",".join), max_size=9), st.integers(60, 300))
def test_rows_of_a_table_are_of_a_shape_if_the_same_cells_are_empty(card, rows, block):
    stream = TABLE if card else TABLE.model_copy(update={"personal_fields": ()})
    content = "\n".join([HEADER, *(f"x{row}" for row in rows)]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        patch.setattr(by_columns, "MIN_ROWS", 1)
        assert (found := columns(content, stream)) is not None
    assert found == exact(content, stream)
    assert b"4711" not in content or "4711" not in str(found[0])


def test_a_card_stands_nowhere_in_what_is_decoded():
    rows = "\n".join(f"S{n},P,2026-05-01,2026-05-02,{n},4711-{n % 3},x{n},Anna" for n in range(50))
    table, _ = columns(f"{HEADER}\n{rows}\n".encode(), TABLE) or pytest.fail("not by columns")
    said = str(table.to_pylist())
    assert isinstance(table, pa.Table) and "4711" not in said and "Anna" not in said and "S49" in said


@pytest.mark.parametrize(
    "change", [{"type": "json"}, {"each": ("list",)}, {"encoding": "latin-1"}], ids=lambda change: next(iter(change))
)
def test_what_the_stream_file_says_of_the_form_may_need_the_exact_reader(change):
    form = STREAMS["no person"].format
    assert json_lines(io.BytesIO(b"{}\n"), form) is not None
    assert json_lines(io.BytesIO(b"{}\n"), form.model_copy(update=change)) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\r{}\n", b'{"a":"\xe9"}\n', gzip.compress(b"{}\n" * 99, mtime=0)[:-9], b"PK\x03\x04{}", b"\x1f\x8bx"],
)
def test_a_file_that_needs_a_second_look_is_left_to_the_exact_reader(content):
    source = io.BytesIO(content)
    assert columns(content, STREAMS["no person"]) is None
    assert json_lines(source, STREAMS["no person"].format) is None and source.tell() == 0
