"""Records in a piece of JSON: a list in it is split, and what stands around the list is read once for all elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cic_assets.formats.bounds import MAX_AROUND_CHARS
from cic_assets.formats.json_text import compact

# Values longer than this are left out of the text of what stands around very much.
_SHORT_CHARS = 200
Pairs = list[tuple[str, str | None]]
# What a field costs beside its characters.
_PAIR_COST = 64


class Part(NamedTuple):
    """A record in a piece of JSON: its text, its fields, and what they cost.

    `is_value`: it is an element that is no object. `places`: where it stands in the lists around it, from 1.
    """

    text: str
    pairs: Pairs
    cost: int
    is_value: bool = False
    places: tuple[int, ...] = ()


def whole(content: dict[str, Any], raw: str | None = None) -> Part:
    """All of it as one record; `raw` is its text as received, if known."""
    text, pairs = compact(content) if raw is None else raw, list(flat(content))
    return Part(text, pairs, len(text) + _PAIR_COST * len(pairs))


def parts(content: dict[str, Any], each: tuple[str, ...], level: int) -> Iterator[Part]:
    """The record once per element of a list in it, the element in the list's place.

    Where the list is empty, null or absent, which are the same: once without it if no more than `level` = 0 lists are
    needed, else nothing.
    """
    if not each:
        yield whole(content)
        return
    path = each[0].split(".")
    found = _at(content, path)
    if isinstance(found, dict) and found:
        # One element that nobody put into a list, as programs do that read XML.
        found = [found]
    if found is not None and not isinstance(found, list):
        # No list where the stream file says there is one: kept, so that the judge sees a record without its fields.
        yield whole(content)
        return
    elements = [(place, element) for place, element in enumerate(found or (), 1) if element is not None]
    if not elements and level <= 0:
        yield whole(content if found is None else _with(content, path, None))
    frame = _frame(content, path) if elements else None
    for place, element in elements:
        if isinstance(element, dict):
            for part in parts(element, each[1:], level - 1):
                yield _framed(frame, part, place)
        else:
            text = compact(element)
            pairs = list(flat({"": element}))
            yield _framed(frame, Part(text, pairs, len(text) + _PAIR_COST, is_value=True), place)


class _Frame(NamedTuple):
    """What stands around a list: as text before and behind it, as fields, and the list's name."""

    before: str
    behind: str
    fields_before: Pairs
    fields_behind: Pairs
    name: str
    cost: int


def _frame(content: dict[str, Any], path: list[str]) -> _Frame:
    """Made once for all elements: 4,000 records around lists of connectors once took 3.6 GB."""
    key, place = path[0], list(content).index(path[0])
    items = list(content.items())
    before, behind = dict(items[:place]), dict(items[place + 1 :])
    texts = [_members(side) for side in (before, behind)]
    pairs = [list(flat(side)) for side in (before, behind)]
    cost = sum(map(len, texts)) + _PAIR_COST * sum(map(len, pairs))
    if sum(map(len, texts)) > MAX_AROUND_CHARS:
        texts = [
            _members({name: _short(value) for name, value in side.items()}, room=True) for side in (before, behind)
        ]
    opened = "{" + texts[0] + ("," if texts[0] else "") + compact(key) + ":"
    closed = ("," if texts[1] else "") + texts[1] + "}"
    if len(path) == 1:
        return _Frame(opened, closed, pairs[0], pairs[1], key, cost)
    inner = _frame(content[key], path[1:])
    inner_pairs = [
        [(f"{key}.{name}", text) for name, text in side] for side in (inner.fields_before, inner.fields_behind)
    ]
    return _Frame(
        opened + inner.before, inner.behind + closed, pairs[0] + inner_pairs[0], inner_pairs[1] + pairs[1],
        f"{key}.{inner.name}", cost + inner.cost,
    )  # fmt: skip


def _members(content: dict[str, Any], *, room: bool = False) -> str:
    """The members of an object as text; with `room`, as many as half of `MAX_AROUND_CHARS` holds."""
    texts, held = [], 0
    for name, value in content.items():
        text = f"{compact(name)}:{compact(value)}"
        held += len(text)
        if room and held > MAX_AROUND_CHARS // 2:
            break
        texts.append(text)
    return ",".join(texts)


def _short(value: Any) -> Any:
    return value if len(compact(value)) <= _SHORT_CHARS else "…"


def _framed(frame: _Frame | None, part: Part, place: int) -> Part:
    if frame is None:
        return part
    own = [(frame.name if part.is_value else f"{frame.name}.{name}", text) for name, text in part.pairs]
    pairs = [*frame.fields_before, *own, *frame.fields_behind]
    text = f"{frame.before}{part.text}{frame.behind}"
    return Part(text, pairs, frame.cost + part.cost, places=(place, *part.places))


def _at(content: Any, path: list[str]) -> Any:
    """The value at a path; None where there is none, and what stands in the way if that is no object."""
    for key in path:
        if not isinstance(content, dict):
            return content
        content = content.get(key)
    return content


def _with(content: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A copy with another value at the path."""
    inner = value if len(path) == 1 else _with(content[path[0]], path[1:], value)
    return {**content, path[0]: inner}


def flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """(dotted name, text) of each value; lists as JSON, empty texts as None."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{name}.")
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, list):
            yield name, compact(value)
        else:
            yield name, None if value in (None, "") else str(value)
