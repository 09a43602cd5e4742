"""`docs/streams.md` is what the model says, and what it shows is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cic_assets.kinds.columns import COLUMNS, EXPRESSIONS, ONE_OF
from cic_assets.kinds.stream import parse_stream
from cic_assets.streams.docs import KINDS, document, example_of, tables

PAGE = Path(__file__).parents[2] / "docs/streams.md"
BASE = {
    "id": "s", "description": "d", "provider": {"id": "p", "name": "P"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/Berlin", "format": {"type": "jsonl"}, "claims": ["*"], "licence": "l", "contact": "c",
}  # fmt: skip
OWN = {
    "sessions": {"vat_basis": "unknown", "vat_rate": 0.19},
    "status": {"vocabulary": {"words": {"x": "AVAILABLE"}}},
    "locations": {},
}
ROWS = [(path, info) for _, _, rows in tables() for path, info in rows]


def content_of(kind, **columns):
    ways = {group[0]: "x" for group in ONE_OF[kind] if not set(group) & set(columns)}
    return {**BASE, **OWN[kind], "kind": kind, "columns": {**ways, **columns}}


def test_the_committed_page_is_the_models():
    assert PAGE.read_text(encoding="utf-8") == document(), "python -m cic_assets.streams.docs > docs/streams.md"


def test_every_key_says_what_it_is_and_has_an_example():
    lacking = [path for path, info in ROWS if not info.description or not (info.examples or path == "columns")]
    assert lacking == [] and len(ROWS) > 60
    assert {name for columns in COLUMNS.values() for name in columns} == set(EXPRESSIONS)


@pytest.mark.parametrize(("path", "info"), ROWS, ids=[path for path, _ in ROWS])
def test_each_example_is_taken_by_a_kind_that_has_the_key(path, info):
    example = yaml.safe_load(yaml.safe_dump(example_of(path, info)))
    kinds = [kind for kind, stream in KINDS.items() if path.partition(".")[0] in stream.model_fields]
    kinds = [example["kind"]] if path == "kind" else kinds
    taken, said = [], []
    for kind in kinds:
        try:
            taken.append(parse_stream({**content_of(kind), **example}))
        except ValueError as error:
            # Words of a session's status are no states: the two kinds have other vocabularies.
            said.append(str(error))
    assert taken and (len(taken) == len(kinds) or path.startswith("vocabulary")), said
    if example and path != "kind":
        assert any(stream.fingerprint() != parse_stream(content_of(stream.kind)).fingerprint() for stream in taken)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, columns in COLUMNS.items() for name in columns])
def test_each_columns_example_is_taken(kind, name):
    stream = parse_stream(content_of(kind, **{name: EXPRESSIONS[name]}))
    assert stream.columns[name] == EXPRESSIONS[name] and (stream.read_fields or name in ("currency", "record_kind"))
