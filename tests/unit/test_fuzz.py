"""Anything at all: decoders and stream files end in records, in faults, or in a typed refusal."""

from __future__ import annotations

import io
import json
from random import Random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cic_assets.settings import SHIPPED_STREAMS
from cic_assets.streams.load import StreamFileError
from tests.fuzz import payloads
from tests.fuzz.targets import FORMS, decode_bytes, load_text

# The same examples each time, so that a failure is somebody's change.
QUICK = {"derandomize": True, "deadline": 2000, "suppress_health_check": list(HealthCheck), "database": None}
STEADY = settings(max_examples=150, **QUICK)
TEXT = st.text(max_size=30)
ODD = st.sampled_from([1e308, 10**40, "\ud800", "\0"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | ODD
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
NAMES = sorted(path.stem for path in SHIPPED_STREAMS.glob("*.yml"))


@pytest.mark.parametrize("form", FORMS)
@STEADY
@given(content=st.binary(max_size=400) | st.binary(max_size=60).map(lambda data: b"PK\x03\x04" + data))
def test_any_bytes_are_decoded_or_faulted(form, content):
    decode_bytes(form, content)


@pytest.mark.parametrize("form", ["json", "json_each", "jsonl", "jsonl_personal"])
@STEADY
@given(content=JSON)
def test_any_json_is_decoded_or_faulted(form, content):
    decode_bytes(form, json_of(content))
    decode_bytes(form, b'{"data":[' + json_of(content) + b"]}")


def json_of(content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, **QUICK)
@given(seed=st.integers(0, 2**32))
def test_any_change_of_a_stream_file_is_a_stream_or_a_refusal(name, seed):
    random = Random(seed)
    content = payloads.mutated(random, yaml.safe_load((SHIPPED_STREAMS / f"{name}.yml").read_text()))
    load_text(yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass"))


@STEADY
@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_stream_file_or_a_refusal(text):
    load_text(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))


def test_half_a_surrogate_pair_in_a_stream_file_is_refused():
    """Found by `test_any_change_of_a_stream_file_is_a_stream_or_a_refusal`."""
    text = (SHIPPED_STREAMS / "chargeplace_scotland_status.yml").read_text()
    with pytest.raises(StreamFileError, match=r"no UTF-8"):
        load_text(text.replace("records: chargePoints", 'records: "\\udfff\\ud800"').encode(), raises=True)


def test_a_refusal_names_file_key_and_reason():
    with pytest.raises(StreamFileError, match=r"x\.yml: columns"):
        load_text(b"id: x\nkind: status\ncolumns: 5\n", raises=True)


def test_what_a_reader_gives_is_what_the_targets_look_at():
    """The targets can fail: a decoder that raises something else is seen."""

    class Broken(io.BytesIO):
        def read1(self, *_):
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        decode_bytes("csv", b"a,b\n1,2\n", opener=Broken)
