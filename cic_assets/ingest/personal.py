"""What of a delivery may be shown: personal values become keyed hashes, what nobody declared is left out of `raw`.

Declared is what the stream file names. A feed renames its fields as it likes, so a list of names that look personal
(`kinds/personal.py`) is for streams without personal fields only; where there are some, nothing else is shown.
"""

from __future__ import annotations

import csv
import datetime as dt
import hmac
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

from cic_assets.formats.feed import FeedFormat
from cic_assets.formats.json_text import compact, parse, plain_text
from cic_assets.formats.read import Reading, Record, read_records
from cic_assets.kinds.personal import is_uid, looks_personal, mentions_person
from cic_assets.kinds.stream import Stream
from cic_assets.kinds.vocabulary import folded
from cic_assets.parts import Parts

# Stands in `raw` for what the stream file does not name.
MASKED = "(not shown)"
WITHHELD = "(withheld: the stream has personal fields and the record could not be parsed)"
# Whoever reads a name is shown no value: a file without a header has its first row there.
_NO_NAME = re.compile(r"\d{5}|@|[\r\n]|.{80}", re.DOTALL)
_TABLES = ("csv", "xlsx")
# A feed whose keys are ids has as many names as records.
_NAMES_REMEMBERED = 10_000


@dataclass(frozen=True)
class Keys:
    """Keys of one delivery.

    Attributes:
        person: of hashes of personal values: one authority's, of deliveries of one year.
        content: of the hash that says which records are equal, whenever they come and whoever sends them.
    """

    person: bytes
    content: bytes


def keys_of(parts: Parts, stream: Stream, arrival_date: dt.date) -> Keys:
    """The keys of a stream's delivery: `infra/decisions/0009-personal-values-by-authority-and-year.md`."""
    person = parts.derived_key("person", stream.authority.id, str(arrival_date.year))
    return Keys(person, parts.derived_key("content"))


@dataclass(frozen=True)
class Declared:
    """What a stream file declared when a delivery was decoded; it stands in the decoded file.

    Attributes:
        personal: fields that are hashes there.
        shown: fields that `raw` shows there.
    """

    personal: tuple[str, ...]
    shown: tuple[str, ...]

    KEY: ClassVar[bytes] = b"cic.declared"

    def metadata(self) -> dict[bytes, bytes]:
        """As the decoded file keeps it."""
        return {self.KEY: json.dumps([self.personal, self.shown]).encode()}

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None) -> Declared | None:
        """What a decoded file was made with; None for one of an earlier release."""
        text = (metadata or {}).get(cls.KEY)
        return cls(*(tuple(names) for names in json.loads(text))) if text else None


class Place(Enum):
    """What the stream file says of a field's name."""

    PERSONAL = auto()
    NAMED = auto()
    # Fields that are named stand in it.
    AROUND = auto()
    UNKNOWN = auto()


class Guard:
    """Replaces and leaves out what must not be shown of one delivery.

    Attributes:
        stream: whose delivery.
        reading: its names.
        keys: of its hashes.
        absent: personal fields that it lacks: the delivery is held, nothing of it is shown.
    """

    def __init__(self, stream: Stream, reading: Reading, keys: Keys, absent: tuple[str, ...] = ()) -> None:
        self.stream, self.reading, self.keys, self.absent = stream, reading, keys, absent
        self._is_table = stream.format.type in _TABLES
        beside = (f"document.{name}" for name in stream.format.document)
        self._named = {
            *stream.read_fields, *stream.alias_fields, *stream.row_number_fields, *stream.not_personal, *beside,
        }  # fmt: skip
        self._places: dict[str, Place] = {}
        self._harmless: set[str] = set()
        self._columns: list[Place] = []

    @property
    def declared(self) -> Declared:
        """What the stream file declares now."""
        return Declared(tuple(sorted(self.stream.personal_fields)), tuple(sorted(self._named)))

    def place(self, name: str) -> Place:
        """What the stream file says of a name; a copy in a table's header is its original too."""
        found = self._places.get(name)
        if found is None:
            found = self._place(name)
            if len(self._places) < _NAMES_REMEMBERED:
                self._places[name] = found
        return found

    def _place(self, name: str) -> Place:
        original = self.reading.copies.get(name, name)
        if _is_within(original, self.stream.personal_fields):
            return Place.PERSONAL
        if self._is_named(name) or original in self._named:
            return Place.NAMED
        fields = (*self.stream.personal_fields, *self._named)
        if not self._is_table and any(field.startswith(f"{name}.") for field in fields):
            return Place.AROUND
        return Place.UNKNOWN

    def _is_named(self, name: str) -> bool:
        """Named, or within an object that is named and nothing that looks personal there."""
        if name in self._named or _is_within(name, self.stream.not_personal):
            return True
        return any(name.startswith(f"{field}.") and not looks_personal(name[len(field) + 1 :]) for field in self._named)

    def _is_shown(self, name: str, beside: Iterable[str]) -> bool:
        """Whether an unknown field may stand in `raw`, among the fields beside it."""
        if self.stream.personal_fields or looks_personal(name):
            return False
        return not (is_uid(name) and any(map(looks_personal, beside)))

    def _is_uid_of_person(self, name: str, beside: Iterable[str]) -> bool:
        """A `uid` within an object that the stream file names, beside other fields of a person."""
        if name in self._named or _is_within(name, self.stream.not_personal):
            return False
        return is_uid(name) and any(map(looks_personal, beside))

    def values(self, values: dict[str, str | None]) -> dict[str, str | None]:
        """The record's fields that are decoded as text; personal ones hashed, so are lists around personal ones."""
        return {
            name: text if (text := values.get(name)) is None or self._shows(name, values) else self.value(name, text)
            for name in self.stream.fields
        }

    def _shows(self, name: str, values: dict[str, str | None]) -> bool:
        """Whether a record says, by the words that the stream file names, that a personal field of it is none."""
        said = self._open_words.get(name)
        return said is not None and all(folded(values.get(field) or "") in words for field, words in said.items())

    @cached_property
    def _open_words(self) -> dict[str, dict[str, set[str]]]:
        return {
            name: {field: {*map(folded, words)} for field, words in said.items()}
            for name, said in self.stream.personal_unless.items()
        }

    def value(self, name: str, text: str) -> str:
        """A field's text as it is decoded."""
        if name in self._hashed:
            return self.pseudonym(text)
        if text[:1] == "[" and "{" in text and mentions_person(text):
            return self._list_as_text(name, text)
        return text

    @cached_property
    def _hashed(self) -> frozenset[str]:
        """Decoded fields that are personal or lists around personal ones; asked for when the header is known."""
        personal = self.stream.personal_fields
        names = (*self.stream.fields, *personal)
        around = {name for name in names if any(field.startswith(f"{name}.") for field in personal)}
        return frozenset({name for name in names if self.place(name) is Place.PERSONAL} | around)

    def _list_as_text(self, name: str, text: str) -> str:
        try:
            return compact(self._shown(parse(text, strict=False), name))
        except (ValueError, RecursionError):
            return text

    def raw(self, record: Record) -> str:
        """The record's text; written anew where something in it must not be shown."""
        if self.stream.format.type == "csv":
            return self._line(record.raw)
        if self.stream.personal_fields or self._mentions_person(record.values or {}):
            return compact(self._shown(parse(record.raw), ""))
        return record.raw

    def _mentions_person(self, values: dict[str, str | None]) -> bool:
        """Whether a field without place in the stream file looks personal, or a list may hold one."""
        for name in values.keys() - self._harmless:
            if looks_personal(name) and self.place(name) is not Place.NAMED:
                return True
            if len(self._harmless) < _NAMES_REMEMBERED:
                self._harmless.add(name)
        return any(text and text.startswith("[") and "{" in text and mentions_person(text) for text in values.values())

    def hides_columns(self) -> bool:
        """Whether a table has columns that must not be shown as they are."""
        return self._is_table and not self._is_open(self._places_of_columns())

    def _is_open(self, places: list[Place]) -> bool:
        # Counted by the list's own code: this is asked for each row.
        return places.count(Place.NAMED) == len(places)

    def _places_of_columns(self) -> list[Place]:
        """By column, once the header is known: named ones, personal ones, and those that are not shown."""
        names = self.reading.columns
        if len(self._columns) != len(names):
            shown = (self.place(name) is Place.UNKNOWN and self._is_shown(name, names) for name in names)
            self._columns = [
                Place.NAMED if is_shown else self.place(name) for name, is_shown in zip(names, shown, strict=True)
            ]
        return self._columns

    def _line(self, raw: str) -> str:
        if not self.hides_columns():
            return raw
        delimiter, places = self.stream.format.delimiter, self._places_of_columns()
        cells = next(csv.reader(io.StringIO(raw), delimiter=delimiter))
        beyond = Place.UNKNOWN if self.stream.personal_fields else Place.NAMED
        placed = zip([*places, *[beyond] * len(cells)], cells, strict=False)
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator="").writerow(
            [cell and self._cell(place, cell) for place, cell in placed]
        )
        return out.getvalue()

    def _cell(self, place: Place, text: str) -> str:
        return self.pseudonym(text) if place is Place.PERSONAL else text if place is Place.NAMED else MASKED

    def _shown(self, content: Any, path: str) -> Any:
        """Parsed JSON at a path as it may be shown."""
        if isinstance(content, list):
            return [self._shown(item, path) for item in content]
        if not isinstance(content, dict):
            return content
        beside = tuple(content)
        return {
            self.shown_name(key): self._field(f"{path}.{key}" if path else key, value, beside)
            for key, value in content.items()
        }

    def _field(self, name: str, value: Any, beside: tuple[str, ...]) -> Any:
        if value is None:
            return None
        place = self.place(name)
        if place is Place.NAMED and self._is_uid_of_person(name, beside):
            place = Place.UNKNOWN
        if place is Place.PERSONAL:
            return self.pseudonym(str(value) if isinstance(value, str) else compact(value))
        if place is Place.NAMED and not isinstance(value, (dict, list)):
            return value
        if place is Place.NAMED or (place is Place.AROUND and _holds_objects(value)):
            return self._shown(value, name)
        if place is Place.AROUND or not self._is_shown(name, beside):
            return MASKED
        return self._shown(value, name)

    def fault_shows_text(self, record: Record) -> bool:
        """Whether the text of a record that could not be parsed may be shown, and with it the reason."""
        if self.stream.personal_fields or self.hides_columns():
            return False
        return self._is_table or not mentions_person(record.raw)

    def names(self, columns: Iterable[str]) -> list[str]:
        """Names of fields as they may be noted; of a held delivery only those that the stream file names."""
        names = list(columns)
        if self.absent:
            return [name for name in names if self.place(name) in (Place.NAMED, Place.PERSONAL)]
        if self.stream.personal_fields and not self._is_table:
            names = [self._outermost(name) for name in names]
        return list(dict.fromkeys(map(self.shown_name, names)))

    def _outermost(self, name: str) -> str:
        """Of a name within an object that is not shown, the object's: what is in it may be a person's."""
        parts = name.split(".")
        starts = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
        return next((start for start in starts if self.place(start) is Place.UNKNOWN), name)

    def shown_name(self, name: str) -> str:
        """A field's name; what looks like a value is none, in streams with personal fields."""
        if not self.stream.personal_fields or not _NO_NAME.search(name) or self.place(name) is not Place.UNKNOWN:
            return name
        return MASKED

    def pseudonym(self, text: str) -> str:
        """Keyed hash: equal tokens stay equal, and nobody without the key can try tokens out. 80 bits of 256."""
        return hmac.digest(self.keys.person, plain_text(text).encode(), "sha256").hex()[:20]

    def content(self, text: str) -> str:
        """Keyed hash of what a record says (`ingest/decoded.py:said_of`)."""
        return hmac.digest(self.keys.content, text.encode(), "sha256").hex()


def _holds_objects(value: Any) -> bool:
    """An object, or a list of objects; a list of anything else may be the personal values themselves."""
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def _is_within(name: str, fields: Iterable[str]) -> bool:
    return any(name == field or name.startswith(f"{field}.") for field in fields)


def absent_fields(source: BinaryIO, stream: Stream) -> tuple[str, ...]:
    """Personal fields that a delivery must have and lacks; then they may stand in it under another name.

    Reads the header of a table, and of JSON as many records as it takes to see all of them: one, in a feed as agreed.
    Leaves the source at its start.
    """
    missing = list(stream.required_personal)
    if not missing:
        return ()
    reading = read_records(source, _alone(stream), stream.record_level)
    is_table, is_readable = stream.format.type in _TABLES, False
    for record in reading.records:
        if is_table:
            is_readable = bool(reading.columns)
            missing = _absent(stream, reading)
            break
        if record.values is not None:
            is_readable = True
            missing = [name for name in missing if not _is_there(name, record.values)]
        if not missing:
            break
    source.seek(0)
    return tuple(missing) if is_readable else ()


def _alone(stream: Stream) -> FeedFormat:
    """The format without what stands beside the records, which takes a pass of its own."""
    needed = any(name.startswith("document.") for name in stream.required_personal)
    return stream.format if needed else stream.format.model_copy(update={"document": ()})


def _absent(stream: Stream, reading: Reading) -> list[str]:
    names = {*reading.columns, *reading.copies.values()}
    return [name for name in stream.required_personal if name not in names]


def _is_there(field: str, values: dict[str, str | None]) -> bool:
    """Whether a record has a field: itself, an object in its place, or null or a list with it around it."""
    if field in values or any(name.startswith(f"{field}.") for name in values):
        return True
    parts = field.split(".")
    for length in range(1, len(parts)):
        around = ".".join(parts[:length])
        if around in values:
            text = values[around]
            return text is None or (text.startswith("[") and _list_has(text, parts[length:]))
    return False


def _list_has(text: str, path: Sequence[str]) -> bool:
    """Whether an element of a list has a field at a path; an empty list has nothing to hide."""
    try:
        found = parse(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return found == [] or _has(found, path)


def _has(content: Any, path: Sequence[str]) -> bool:
    if isinstance(content, list):
        return any(_has(item, path) for item in content)
    if not path:
        return True
    return isinstance(content, dict) and path[0] in content and _has(content[path[0]], path[1:])


def held_reason(absent: Sequence[str]) -> str:
    """What is wrong with a held delivery, and what to do."""
    names = ", ".join(absent)
    return (
        f"held: the delivery has no field {names}, which personal_fields of the stream file names; it may stand under "
        "another name, so nothing is decoded: mend the name there, or add it to optional_fields if it may be absent"
    )


def without_text(record: Record, absent: Sequence[str]) -> Record:
    """A record of a held delivery: that it is there, and why nothing of it is shown."""
    return replace(record, raw="(held: a personal field is absent)", values=None, fault=held_reason(absent))
