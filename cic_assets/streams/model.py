"""What a stream file may say, and the checks that need no data. Reading the files: `streams/load.py`.

A wrong file fails here, with path, key and reason, before anything runs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cic_assets.quality.rules import THRESHOLDS
from cic_assets.settings import RULE_SETS

Text = Annotated[str, Field(min_length=1)]

# The common model of a session, as a stream's expressions fill it (DEFINITIONS 3; OCPI 2.2.1 CDR and Session).
SESSION_COLUMNS: dict[str, str] = {
    "session_id": "the feed's id of the session or CDR; without it, equal rows are one session",
    "charge_point": "the feed's id of the charge point (EVSE), unique within the provider",
    "connector_id": "the connector of the charge point",
    "started_local": "start on the wall clock of the stream's zone, timestamp or ISO text",
    "started_at": "start as an instant, timestamp or ISO text with offset (in place of started_local)",
    "ended_local": "end on the wall clock",
    "ended_at": "end as an instant",
    "energy": "energy delivered, in units.energy",
    "cost": "what the driver paid, in the currency's main unit, on the stream's vat_basis",
    "currency": "ISO 4217 code",
    "rated_power": "rated power of the connector, in units.power",
    "charging_seconds": "time with energy flowing, seconds",
    "status": "OCPI SessionStatus; COMPLETED where the feed has none",
    "record_kind": "session or cdr",
    "cdr_session_id": "of a CDR: the session that it bills",
    "credit": "true for a credit CDR",
    "credit_reference_id": "of a credit CDR: the CDR that it credits",
    "last_updated": "when the provider last changed the record (an instant)",
}
REQUIRED_COLUMNS = ("charge_point", "energy")
KWH_PER = {"Wh": "0.001", "kWh": "1", "MWh": "1000"}
KW_PER = {"W": "0.001", "kW": "1", "MW": "1000"}


class Part(BaseModel):
    """A part of a stream file: unknown keys are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Party(Part):
    """A provider or an authority: id as DEFINITIONS 1 says, and the name that people read."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9*_.-]+$")]
    name: Text


class FeedFormat(Part):
    """How the bytes are read. gzip is recognised by its first bytes, whatever the name says."""

    type: Literal["csv", "json", "jsonl", "xlsx"]
    encoding: Text = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    # JSON documents: the dotted path of the array of records; empty if the document is the array.
    records: str = ""
    # XLSX: name of the sheet; the first one if not said.
    sheet: str | None = None

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            readable = "\n".encode(value) == b"\n"
        except LookupError as error:
            raise ValueError(f"no encoding {value!r}") from error
        if not readable:
            raise ValueError(f"{value!r} is not read line by line; have the file sent as utf-8")
        return value


class Units(Part):
    """Units of the feed's figures; the common model is in kWh and kW."""

    energy: Literal["Wh", "kWh", "MWh"] = "kWh"
    power: Literal["W", "kW", "MW"] = "kW"


class DateRepair(Part):
    """DEFINITIONS 4, S15: which files have day and month exchanged wherever both readings exist."""

    kind: Literal["day_month_swap"]
    files: Annotated[tuple[Text, ...], Field(min_length=1)]


class Expected(Part):
    """The feed must have arrived for each event date from..to, at most `by` days later."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    start: dt.date = Field(alias="from")
    end: dt.date | None = Field(default=None, alias="to")
    by: Annotated[int, Field(ge=0)]


class Batch(Part):
    """Expectations of an arrival as a whole; what breaks one is a warning, not a rejection."""

    min_rows: Annotated[int, Field(ge=0)] = 1
    max_rejected_pct: Annotated[float, Field(ge=0, le=100)] = 20.0
    # Days between the newest start and the arrival; none for archives.
    max_age_days: int | None = None


class Stream(Part):
    """One feed of one kind from one provider for one authority."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    kind: Literal["sessions"]
    description: Text
    provider: Party
    authority: Party
    zone: Text
    format: FeedFormat
    # Shell patterns of the file names (without folder) that belong to this stream.
    claims: Annotated[tuple[Text, ...], Field(min_length=1)]
    columns: dict[str, Text]
    optional_fields: tuple[Text, ...] = ()
    units: Units = Units()
    date_repair: DateRepair | None = None
    vat_basis: Literal["excluded", "included", "unknown"]
    vat_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    personal_fields: tuple[Text, ...] = ()
    raw_retention_days: Annotated[int, Field(ge=1)] | None = None
    rule_set: Text = "default"
    overrides: dict[str, float] = {}
    batch: Batch = Batch()
    expected: Expected | None = None
    licence: Text
    contact: Text

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no IANA time zone, such as Europe/London") from error
        return value

    @field_validator("rule_set")
    @classmethod
    def _rule_set_exists(cls, value: str) -> str:
        if value not in RULE_SETS:
            raise ValueError(f"no rule set {value!r}; choose one of {', '.join(RULE_SETS)}")
        return value

    @field_validator("overrides")
    @classmethod
    def _thresholds_exist(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(THRESHOLDS))
        if unknown:
            raise ValueError(f"no threshold {', '.join(unknown)}; there are {', '.join(sorted(THRESHOLDS))}")
        return value

    @field_validator("columns")
    @classmethod
    def _columns_are_expressions(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value) - set(SESSION_COLUMNS))
        if unknown:
            raise ValueError(f"no column {', '.join(unknown)} in the common model; it has {', '.join(SESSION_COLUMNS)}")
        for name, text in value.items():
            try:
                referenced_fields(text)
            except SqlglotError as error:
                reason = str(error).splitlines()[0]
                raise ValueError(f"{name}: {text!r} is no Spark SQL expression: {reason}") from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Stream:
        missing = [name for name in REQUIRED_COLUMNS if name not in self.columns]
        for moment in ("started", "ended"):
            ways = [f"{moment}_{way}" for way in ("local", "at") if f"{moment}_{way}" in self.columns]
            if len(ways) != 1:
                missing.append(f"exactly one of {moment}_local and {moment}_at")
        if missing:
            raise ValueError(f"columns: needs {', '.join(missing)}")
        if self.vat_basis == "included" and self.vat_rate is None:
            raise ValueError("vat_rate: vat_basis 'included' needs the rate, such as 0.2")
        if self.raw_retention_days is not None and not self.personal_fields:
            raise ValueError(
                "raw_retention_days: only for streams with personal_fields; all others keep what they sent"
            )
        return self

    # Cached: decoding asks for each record, and parsing expressions took 98 % of its time (34 s for 53,000 records).
    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The feed's fields that decoding keeps as text, in order: what expressions read, and personal ones."""
        names = [name for text in self.columns.values() for name in referenced_fields(text)]
        return tuple(dict.fromkeys([*names, *self.personal_fields]))

    @cached_property
    def required_fields(self) -> tuple[str, ...]:
        """Fields without which a file is quarantined whole."""
        return tuple(name for name in self.fields if name not in {*self.optional_fields, *self.personal_fields})

    def decode_fingerprint(self) -> str:
        """Changes when decoding would give other records."""
        parts = self.model_dump_json(include={"format", "optional_fields", "personal_fields"})
        return _digest("1", parts, repr(self.fields))

    def fingerprint(self) -> str:
        """Changes when anything in the file changed."""
        return _digest("1", self.model_dump_json())


def referenced_fields(expression: str) -> list[str]:
    """The feed's fields that a Spark SQL expression reads, in order of appearance.

    Raises:
        SqlglotError: it doesn't parse.
    """
    tree = sqlglot.parse_one(f"select {expression} as value", read="spark")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("from_"):
        raise SqlglotError("give one expression, not a query")
    if len(list(tree.find_all(exp.Select))) > 1:
        raise SqlglotError("a query inside an expression is not supported")
    columns = [column for column in tree.find_all(exp.Column, bfs=False) if not _is_bound(column)]
    return list(dict.fromkeys(".".join(part.name for part in column.parts) for column in columns))


def _is_bound(column: exp.Column) -> bool:
    """Whether a name is the variable of a lambda around it."""
    scope = column.find_ancestor(exp.Lambda)
    while scope is not None:
        if column.parts[0].name in {argument.name for argument in scope.expressions}:
            return True
        scope = scope.find_ancestor(exp.Lambda)
    return False


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
