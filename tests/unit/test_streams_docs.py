"""`docs/streams.md` is what the model says, and what it shows is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cic_assets.kinds.every import KINDS, parse_stream
from cic_assets.streams.docs import document, example_of, tables

PAGE = Path(__file__).parents[2] / "docs/streams.md"
BASE = {
    "id": "s", "description": "d", "provider": {"id": "p", "name": "P"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/Berlin", "format": {"type": "jsonl"}, "claims": ["*"], "licence": "l", "contact": "c",
}  # fmt: skip
OWN = {
    "sessions": {"vat_basis": "unknown", "vat_rate": 0.19},
    "status": {"vocabulary": {"words": {"x": "AVAILABLE"}}},
}
COLUMNS = [(kind, name, column) for kind, each in KINDS.items() for name, column in each.stream.COLUMNS.items()]
ROWS = [(path, info) for _, _, rows in tables() for path, info in rows]


def content_of(kind, **columns):
    ways = {group[0]: "x" for group in KINDS[kind].stream.NEEDED if not set(group) & set(columns)}
    return {**BASE, **OWN.get(kind, {}), "kind": kind, "columns": {**ways, **columns}}


def test_the_committed_page_is_the_models():
    assert PAGE.read_text(encoding="utf-8") == document(), "python -m cic_assets.streams.docs > docs/streams.md"


def test_every_key_says_what_it_is_and_has_an_example():
    lacking = [path for path, info in ROWS if not info.description or not (info.examples or path == "columns")]
    assert lacking == [] and len(ROWS) > 60
    lacking = [name for _, name, column in COLUMNS if not (column.what and column.example)]
    assert lacking == [] and len(COLUMNS) > 40


@pytest.mark.parametrize(("path", "info"), ROWS, ids=[path for path, _ in ROWS])
def test_each_example_is_taken_by_a_kind_that_has_the_key(path, info):
    example = yaml.safe_load(yaml.safe_dump(example_of(path, info)))
    key = path.partition(".")[0].partition("[")[0]
    kinds = [kind for kind, each in KINDS.items() if key in each.stream.model_fields]
    kinds = [example["kind"]] if path == "kind" else kinds
    taken, said = [], []
    for kind in kinds:
        try:
            taken.append(parse_stream({**content_of(kind), **example}))
        except ValueError as error:
            # Words of a session's status are no states: the two kinds have other vocabularies.
            said.append(str(error))
    assert taken and (len(taken) == len(kinds) or path.startswith("vocabulary")), said
    if key == "source":
        # Where bytes come from makes no other rows of them.
        plain = [parse_stream(content_of(stream.kind)) for stream in taken]
        assert all(stream.fingerprint() == other.fingerprint() for stream, other in zip(taken, plain, strict=True))
        assert example == {} or all(stream.source for stream in taken)
    elif example and path != "kind":
        assert any(stream.fingerprint() != parse_stream(content_of(stream.kind)).fingerprint() for stream in taken)


@pytest.mark.parametrize(("kind", "name", "column"), COLUMNS, ids=[f"{kind}-{name}" for kind, name, _ in COLUMNS])
def test_each_columns_example_is_taken(kind, name, column):
    stream = parse_stream(content_of(kind, **{name: column.example}))
    assert stream.columns[name] == column.example and (stream.read_fields or name in ("currency", "record_kind"))
