"""`docs/streams.md`, made from the model of stream files: `python -m cic_assets.streams.docs > docs/streams.md`.

Each key and column with its default, what it says, and an example that the model takes (a test gives it all of them).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from cic_assets.formats.feed import Part
from cic_assets.kinds.columns import PLATFORM_FIELDS
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.kinds.vocabulary import STANDARDS

_JSON, _SWAP = {"type": "json"}, {"kind": "day_month_swap"}
BESIDE: dict[str, dict[str, Any]] = {
    "format.records": _JSON,
    "format.each": _JSON,
    "format.document": _JSON,
    "format.single": _JSON,
    "format.sheet": {"type": "xlsx"},
    "format.unpivot.key": {"fields": {"status": "connector#"}},
    "format.unpivot.fields": {"key": "connector"},
    "provider.id": {"name": "Chargewell"},
    "provider.name": {"id": "GB*CHG"},
    "authority.id": {"name": "Wealdshire County Council"},
    "authority.name": {"id": "E10000000"},
    "date_repair.kind": {"files": ["council_2016-17.*"]},
    "date_repair.files": _SWAP,
    "date_repair.auto": _SWAP,
    "expected.from": {"by": 2},
    "expected.to": {"from": "2026-01-01", "by": 2},
    "expected.by": {"from": "2026-01-01"},
    "numbers.thousands": {"decimal": ","},
    "personal_unless": {"personal_fields": ["rfid"]},
    "raw_retention_days": {"personal_fields": ["rfid"]},
}
# What a part of several ways needs, whichever of its keys is shown.
WAYS: dict[str, dict[str, Any]] = {
    "format": {"type": "csv"},
    "source[folder]": {"type": "folder", "path": "/srv/sftp/ashbourne", "every": "PT10M"},
    "source[http]": {"type": "http", "url": "https://open.ashbourne.example/chargers.csv", "every": "P1D"},
    "source[ocpi]": {
        "type": "ocpi",
        "module": "cdrs",
        "versions": "https://acme.example/ocpi/versions",
        "every": "PT1H",
    },
}
# Where one of several is given, the key beside which another one can't stand.
INSTEAD = {"source[ocpi].url": "versions"}
_HEAD = """# Stream files

One YAML file per feed: what its bytes are, and one Spark SQL expression per column of the common model. A file that is
wrong is refused when it is loaded, with path, key and reason. `cic streams new` writes a first one, `cic streams check
FILE --sample DATA` tries it, `cic streams functions` lists what expressions may call.

Made from the model by `python -m cic_assets.streams.docs > docs/streams.md`; a test fails where the two differ.
"""
_EXPRESSIONS = """## Expressions

All fields of the feed are texts. A field whose name has spaces or dots stands in backquotes: `` `Total kWh` ``,
`` `evses.uid` ``. No value ends an ingest: what an expression can't read is null, flagged `unreadable:<column>` (U01)
and counted; `cast` is `try_cast`, a division by zero is null, and so is an element that a list has not. What would fail
on every row is refused: texts mixed with numbers in one `coalesce`, a 12-hour clock (`h`) without AM or PM (`a`).

Times are ISO texts, or read by a pattern: `try_to_timestamp(Start, 'dd/MM/yyyy HH:mm')`, of a 12-hour clock
`try_to_timestamp(replace(Start, '.', ''), 'dd/MM/yyyy h:mm a')`, which reads `9:05 p.m.` too.

Beside the feed's fields there are:
"""


def keys_of(part: type[Part]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a part of a stream file as they are written, and what the model knows of them."""
    for name, info in part.model_fields.items():
        yield info.alias or name, info


def parts_in(annotation: Any) -> list[type[Part]]:
    """The parts that a key's value may be."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Part) else []
    return [part for inner in get_args(annotation) for part in parts_in(inner)]


def example_of(path: str, info: FieldInfo) -> dict[str, Any]:
    """The example of a key within the keys around it, as a stream file has it; empty where the key has none."""
    if not info.examples:
        return {}
    names, value = path.split("."), info.examples[0]
    for length in range(len(names), 0, -1):
        value = {**_beside(names[:length]), names[length - 1].partition("[")[0]: value}
    assert isinstance(value, dict)
    return value


def _beside(names: list[str]) -> dict[str, Any]:
    """What must stand beside a key, so that an example of it is a whole one."""
    path = ".".join(names)
    usual = WAYS.get(names[0], {}) if len(names) == 2 else {}
    return BESIDE.get(path) or {name: value for name, value in usual.items() if name != INSTEAD.get(path)}


def tables() -> Iterator[tuple[str, str, list[tuple[str, FieldInfo]]]]:
    """(heading, what it is, (path, key) of each row) of the tables of keys."""
    yield "Every stream", "", [(name, info) for name, info in keys_of(Stream)]
    for kind in KINDS.values():
        own = [(name, info) for name, info in keys_of(kind.stream) if name not in Stream.model_fields]
        yield f"Streams of {kind.name}", "", own
    seen: set[tuple[str, type[Part]]] = set()
    streams: list[type[Stream]] = [Stream, *(kind.stream for kind in KINDS.values())]
    todo = [(name, part) for stream in streams for name, part in _within("", stream)]
    for path, part in todo:
        # What several ways of one key have alike is shown with the first.
        place = ("" if "]." in path else path, part)
        if place not in seen:
            seen.add(place)
            what = " ".join((part.__doc__ or "").split("\n\n")[0].split())
            yield f"`{path}`", what, [(f"{path}.{name}", info) for name, info in keys_of(part)]
            todo += _within(f"{path}.", part)


def _within(prefix: str, part: type[Part]) -> list[tuple[str, type[Part]]]:
    found = []
    for name, info in keys_of(part):
        inner = parts_in(info.annotation)
        found += [(f"{prefix}{name}{_way(each) if len(inner) > 1 else ''}", each) for each in inner]
    return found


def _way(part: type[Part]) -> str:
    """Of a key that is one of several parts, which one, as its `type` says."""
    return f"[{get_args(part.model_fields['type'].annotation)[0]}]"


def document() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for heading, what, rows in tables():
        yield f"## {heading}\n"
        if what:
            yield f"{what}\n"
        yield "| key | default | what it says | example |\n|---|---|---|---|"
        for path, info in rows:
            example = example_of(path, info)
            name = f"`{path.rpartition('.')[2]}`"
            shown = ", ".join(_code(_yaml({key: value})) for key, value in example.items())
            said = f"{_kinds()}: {info.description}" if path == "kind" else info.description or ""
            yield _row(name, _default(info), said, shown)
        yield ""
    yield _EXPRESSIONS
    for name, what in PLATFORM_FIELDS.items():
        yield f"- `` `{name}` ``: {what}"
    for kind in KINDS.values():
        needed = "; ".join(" or ".join(f"`{way}`" for way in ways) for ways in kind.stream.NEEDED)
        yield f"\n## Columns of {kind.name}\n\nNeeded: {needed}.\n\n| column | what it is | example |\n|---|---|---|"
        for name, column in kind.stream.COLUMNS.items():
            yield _row(f"`{name}`", column.what, _code(_yaml({name: column.example})))
    yield "\n## Words of standards\n\n| standard | words |\n|---|---|"
    for standard, words in STANDARDS.items():
        yield _row(standard, ", ".join(word if word == state else f"{word} → {state}" for word, state in words.items()))


def _kinds() -> str:
    *names, last = KINDS
    return f"{', '.join(names)} or {last}"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "needed"
    default = info.default
    if default is PydanticUndefined or default in (None, (), {}, "") or isinstance(default, Part):
        return ""
    return _code(_yaml(to_jsonable_python(default)))


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    text = text.removesuffix("\n").removesuffix("\n...")
    # A mapping as it stands in a file, without braces around it.
    return text[1:-1] if isinstance(value, dict) and len(value) == 1 else text


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(document())
