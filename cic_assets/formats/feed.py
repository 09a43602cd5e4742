"""How a stream file says what its bytes are, and what every part of a stream file has."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Text = Annotated[str, Field(min_length=1)]
# More stand above no table; a file of which all is skipped would pass as empty.
MAX_SKIPPED_LINES = 1_000


def later(default: Any, **said: Any) -> Any:
    """A key that came after release 0.4: at its default it stands in no fingerprint, so that nothing is made anew.

    A default that changes with a release would not be seen, so it must not.
    """
    return Field(default, exclude_if=lambda value: value == default, **said)


def told(description: str, example: Any = None) -> Any:
    """What `docs/streams.md` says of a key, and an example of it in YAML."""
    return Field(description=description, examples=[] if example is None else [example])


class Part(BaseModel):
    """A part of a stream file: unknown keys are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Unpivot(Part):
    """Columns side by side that are records of their own: `connector1` … `connector8` of a station."""

    key: Text = Field(description="the new field that holds what `#` or `*` stands for", examples=["connector"])
    fields: Annotated[dict[Text, Text], Field(min_length=1)] = Field(
        description="new field → the columns that it is read from; each number that `#` stands for, or each text that "
        "`*` stands for, is a record",
        examples=[{"status": "connector#", "power": "connector#_kw"}],
    )

    @model_validator(mode="after")
    def _one_star_each(self) -> Unpivot:
        wrong = [pattern for pattern in self.fields.values() if pattern.count("*") + pattern.count("#") != 1]
        if wrong:
            raise ValueError(f"fields: {', '.join(wrong)}: write one # for a number that differs, or one * for a text")
        if self.key in self.fields:
            raise ValueError(f"fields: {self.key} is the key's name; choose another")
        return self


class FeedFormat(Part):
    """How the bytes are read. gzip is recognised by its first bytes, whatever the name says."""

    type: Annotated[Literal["csv", "json", "jsonl", "xlsx"], told("what the bytes are; gzip is known by itself", "csv")]
    encoding: Annotated[Text, told("of text", "latin-1")] = "utf-8"
    delimiter: Annotated[
        str,
        Field(min_length=1, max_length=1),
        told("CSV: the sign between cells; a first line `sep=;` must say the same and is no row", ";"),
    ] = ","
    records: Annotated[
        str, told("JSON: the dotted path of the array of records; empty if the document is the array", "data.locations")
    ] = ""
    each: Annotated[
        tuple[Text, ...],
        told(
            "JSON: lists inside a record, outer to inner; each element of the innermost is a "
            "record of its own, and its fields stand under the names of the lists "
            "(`evses.uid`)",
            ["evses", "connectors"],
        ),
    ] = ()
    document: Annotated[
        tuple[Text, ...],
        told(
            "JSON: fields beside the records, such as the time of the response; they stand under `document.`",
            ["timestamp"],
        ),
    ] = ()
    sheet: Annotated[
        str | None,
        told(
            "XLSX: the one sheet to read; else the first that is not empty, and all under the same header",
            "Sessions 2026",
        ),
    ] = None
    names: tuple[Text, ...] = later(
        (),
        description="CSV and XLSX without a header: the columns' names, from the left",
        examples=[["station", "state", "since"]],
    )
    skip_lines: Annotated[int, Field(ge=0, le=MAX_SKIPPED_LINES)] = later(
        0, description="CSV and XLSX: so many lines stand above the header, or above the first row", examples=[3]
    )
    single: bool = later(
        False, description="JSON: the document is one record, or with `each` what its records stand in", examples=[True]
    )
    unpivot: Unpivot | None = later(
        None,
        description="columns side by side that become records of their own; a row in which all are empty is one record",
        examples=[{"key": "connector", "fields": {"status": "connector#"}}],
    )

    @model_validator(mode="after")
    def _names_fit(self) -> FeedFormat:
        is_table = self.type in ("csv", "xlsx")
        if (self.names or self.skip_lines) and not is_table:
            raise ValueError("names and skip_lines: only for tables, CSV and XLSX")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"names: {', '.join(twice)} stands twice; number them")
        if self.single and (self.type != "json" or self.records or self.document):
            raise ValueError(
                "single: only for type json, without records and document: all fields are the record's own"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_type(self) -> FeedFormat:
        if self.each and self.type not in ("json", "jsonl"):
            raise ValueError("each: only JSON has lists inside a record")
        if (self.document or self.records) and self.type != "json":
            raise ValueError("records and document: only for type json")
        return self

    @field_validator("delimiter")
    @classmethod
    def _delimiter_delimits(cls, value: str) -> str:
        if value in '\r\n"\0':
            raise ValueError(f"{value!r} already ends a line or quotes a cell")
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            readable = "\n".encode(value) == b"\n" and isinstance(b"a\xff".decode(value, "replace"), str)
            codecs.getincrementaldecoder(value)
        except LookupError as error:
            raise ValueError(f"no encoding {value!r}") from error
        except UnicodeError:
            # `idna` and such: codecs of names, not of files.
            readable = False
        if not readable:
            raise ValueError(f"{value!r} is not read line by line; have the file sent as utf-8")
        return value
