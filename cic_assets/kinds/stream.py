"""What every stream file may say, and the checks that need no data. A kind's own keys: `kinds/<kind>/stream.py`.

A wrong file fails here, with path, key and reason, before anything runs (`streams/load.py` reads the files).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlglot
from pydantic import ConfigDict, Field, FiniteFloat, field_validator, model_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cic_assets.formats.feed import FeedFormat, Part, Text, later, told
from cic_assets.kinds.columns import OWNERS, PLATFORM_FIELDS, POSITION, SEEN_AT, Column
from cic_assets.kinds.expressions import instant_faults
from cic_assets.kinds.functions import call_faults
from cic_assets.kinds.rule import THRESHOLDS, WITHOUT_LIMIT, Rule, in_order
from cic_assets.kinds.safe import unsafe_faults
from cic_assets.kinds.source import AnySource, FolderSource
from cic_assets.settings import RULE_SETS

# A hundred years: beyond it a date plus so many days is no date any more.
MAX_DAYS = 36_525
# `/` parts a provider from the id of its charge point.
PARTY_ID = r"^[A-Za-z0-9*_.-]+$"


class Party(Part):
    """A provider or an authority: id as numbers.md 1 says, and the name that people read."""

    id: Annotated[
        str,
        Field(pattern=PARTY_ID),
        told(
            "OCPI `country_code*party_id`, an ONS code, or a slug; `/` parts it from the ids of charge points", "GB*CHG"
        ),
    ]
    name: Annotated[Text, told("what people call it", "Chargewell")]


class Units(Part):
    """Units of the feed's figures; the common model is in kWh and kW."""

    energy: Annotated[Literal["Wh", "kWh", "MWh"], told("of `energy`", "Wh")] = "kWh"
    power: Annotated[Literal["W", "kW", "MW"], told("of `rated_power`", "W")] = "kW"
    duration: Annotated[
        Literal["s", "min", "h"], told("of `duration` where it is a number; `h:mm:ss` says it itself", "min")
    ] = "s"


class Numbers(Part):
    """How the feed writes numbers; what is written otherwise is unreadable (U01), as `1.234` may be either."""

    decimal: Literal[".", ","] = Field(".", description="the sign before decimals", examples=[","])
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        None, description="the sign between thousands, where there is one; a space of any kind", examples=["."]
    )
    signs: tuple[Text, ...] = Field(
        (), description="what may stand before or behind a number, in any case", examples=[["£", "EUR", "kWh"]]
    )

    @model_validator(mode="after")
    def _signs_differ(self) -> Numbers:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        if any(sign.isdigit() or sign in "+-.,' " for text in self.signs for sign in text):
            raise ValueError("signs: neither digits nor what belongs to a number: + - . , ' or space")
        return self


class Expected(Part):
    """The feed must have arrived for each event date from..to, at most `by` days later."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    start: Annotated[dt.date, told("the first event date for which the feed must have come", "2026-01-01")] = Field(
        alias="from"
    )
    end: Annotated[dt.date | None, told("the last one; for ever if not said", "2026-12-31")] = Field(
        default=None, alias="to"
    )
    by: Annotated[int, Field(ge=0, le=MAX_DAYS), told("at most so many days after the event date", 2)]


class Batch(Part):
    """Expectations of an arrival as a whole; what breaks one is a warning, not a rejection."""

    min_rows: Annotated[int, Field(ge=0), told("fewer rows in an arrival are a warning", 100)] = 1
    max_rejected_pct: Annotated[
        float, Field(ge=0, le=100), told("more rejected rows, in per cent, are a warning", 5)
    ] = 20.0
    max_age_days: Annotated[
        int | None, told("more days between the newest event and the arrival are a warning; none for archives", 3)
    ] = None
    max_rule_pct: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=100)]],
        told(
            "rule id → more rows of an arrival that it rejects or flags, in per cent, are a warning of its check; of "
            "other rules that reject `max_rejected_pct`, of those that flag `delivery.max_flagged_pct`. Arrivals of "
            "fewer than `delivery.min_rows` rows are measured against 0 only",
            {"D01": 1},
        ),
    ] = later({})


FindingName = Literal[
    "dates", "energy", "power", "rejected", "unreadable", "hours", "flags", "unmapped", "reused_ids", "repeats",
    "nights", "coverage",
]  # fmt: skip
# What says that figures are wrong rather than unusual.
HOLDING: tuple[FindingName, ...] = ("dates", "energy", "power", "rejected", "unreadable", "hours")
Pct = Annotated[float, Field(ge=0, le=100)]
Range = tuple[FiniteFloat, FiniteFloat]


class Delivery(Part):
    """What a delivery must look like (`ingest/delivery.py`); what does not is held, or warned of.

    Defaults are measured: real operators' medians are 2 to 40 kWh and 1 to 40 kW, and a unit a thousand times off is
    beyond the ranges from wherever it comes.
    """

    hold: Annotated[
        tuple[FindingName, ...],
        told("findings that hold a delivery until it is released; all others warn", ["dates", "energy"]),
    ] = HOLDING
    min_rows: Annotated[
        int,
        Field(ge=1),
        told(
            "smaller deliveries of one portion of an arrival are looked at together, and not at all where "
            "they have fewer rows together",
            50,
        ),
    ] = 20
    median_kwh: Annotated[Range, told("the median energy of its sessions lies within", [1.0, 100.0])] = (0.2, 1000.0)
    median_kw: Annotated[Range, told("their median mean power lies within", [1.0, 350.0])] = (0.1, 500.0)
    power_to_rating: Annotated[Range, told("median mean power over the median rating lies within", [0.01, 1.5])] = (
        0.002,
        10.0,
    )
    max_change_factor: Annotated[
        float, Field(gt=1), told("medians to those of at least five earlier arrivals, either way", 10.0)
    ] = 30.0
    max_rejected_pct: Annotated[Pct, told("rejected rows", 20.0)] = 50.0
    max_unreadable_pct: Annotated[Pct, told("of the values of a column that are there (U01)", 10.0)] = 50.0
    max_unmapped_pct: Annotated[Pct, told("states that no vocabulary knows", 5.0)] = 20.0
    max_reused_ids_pct: Annotated[Pct, told("sessions whose ids are none (S16)", 1.0)] = 5.0
    max_repeated_pct: Annotated[Pct, told("rows that repeat others", 20.0)] = 50.0
    max_nights_pct: Annotated[Pct, told("starts from midnight to five, local time", 40.0)] = 60.0
    min_coverage_pct: Annotated[
        Pct, told("charge points, in per cent of the fewest that an earlier delivery had", 80.0)
    ] = 50.0
    max_unknown_pct: Annotated[
        Pct, told("time of a local day that is UNKNOWN or unreported; more is a warning of the day's check", 20.0)
    ] = 50.0
    max_flagged_pct: Annotated[dict[str, Pct], told("rule or flag → per cent of rows", {"S06": 30.0})] = {}


class Stream(Part):
    """One feed of one kind from one provider for one authority; `parse_stream` makes the class of its kind.

    Attributes:
        COLUMNS: of the common model, that a kind's streams may fill.
        NEEDED: of each group of columns, exactly one.
        NO_OWNERS: of `OWNERS`, what the kind has not, and why.
        RULED: columns with rules of their own where they can't be read.
        RULES: that the kind's rows have, beside those of every kind.
        HAS_DRIVERS: whether a record may be about a driver, so that a `uid` may be a token's.
    """

    COLUMNS: ClassVar[Mapping[str, Column]] = {}
    NEEDED: ClassVar[tuple[tuple[str, ...], ...]] = ()
    NO_OWNERS: ClassVar[Mapping[str, str]] = {}
    RULED: ClassVar[tuple[str, ...]] = ("charge_point",)
    RULES: ClassVar[tuple[Rule, ...]] = ()
    HAS_DRIVERS: ClassVar[bool] = False

    id: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$"), told("of the stream, in paths and tables", "ashbourne_sessions")
    ]
    kind: Annotated[str, told("which columns there are", "sessions")]
    description: Annotated[Text, told("what the feed is", "Weekly export of charging sessions")]
    provider: Annotated[Party, told("whose charge points they are", {"id": "GB*ASH", "name": "Ashbourne Charging"})]
    authority: Annotated[
        Party,
        told("the local authority that answers for them", {"id": "E10000000", "name": "Wealdshire County Council"}),
    ]
    zone: Annotated[Text, told("IANA zone of wall-clock times and of local days", "Europe/London")]
    format: Annotated[FeedFormat, told("how the bytes are read", {"type": "csv", "delimiter": ";"})]
    claims: Annotated[
        tuple[Text, ...],
        told(
            "shell patterns of the names of files that belong to the stream; needed unless `source` is behind a URL",
            ["ashbourne_*.csv", "ashbourne_*.csv.gz"],
        ),
    ] = ()
    source: AnySource | None = later(
        None,
        description="where its bytes come from, and how often they are fetched; without it they are landed by hand",
        examples=[{"type": "http", "url": "https://open.ashbourne.example/chargers.csv", "every": "P1D"}],
    )
    columns: Annotated[
        dict[str, Text], told("column of the common model → Spark SQL over the fields of the feed; below")
    ]
    where: Annotated[
        Text | None,
        told(
            "Spark SQL: records for which it is not true are left out, and counted as skipped",
            "message_type = 'StatusNotification'",
        ),
    ] = None
    optional_fields: Annotated[
        tuple[Text, ...],
        told(
            "fields that a delivery may lack; a personal one that it lacks and that is not "
            "named here holds the delivery",
            ["note"],
        ),
    ] = ()
    personal_fields: Annotated[
        tuple[Text, ...],
        told(
            "fields that become keyed hashes; in a stream that has some, `raw` shows only "
            "fields that the stream file names",
            ["rfid"],
        ),
    ] = ()
    personal_unless: Annotated[
        dict[Text, dict[Text, Annotated[tuple[Text, ...], Field(min_length=1)]]],
        told(
            "personal field → field → words with which a record shows it: in all others it is hashed, also where they "
            "say nothing, and `raw` shows hashes only",
            {"rfid": {"site_type": ["public", "on-street"]}},
        ),
    ] = later({})
    not_personal: Annotated[
        tuple[Text, ...],
        told("fields that look personal, or that no expression reads, and that `raw` may show", ["card_type"]),
    ] = ()
    row_number_fields: Annotated[
        tuple[Text, ...], told("fields that number the rows of a file and say nothing of what they are about", ["_id"])
    ] = ()
    raw_retention_days: Annotated[
        Annotated[int, Field(ge=1, le=MAX_DAYS)] | None,
        told("originals of a stream with personal fields are kept so long; else for ever", 400),
    ] = None
    rule_set: Annotated[Text, told("thresholds of the rules, by name", "academic")] = "default"
    overrides: Annotated[
        dict[str, FiniteFloat], told("thresholds that are others in this stream", {"max_energy_kwh": 400})
    ] = {}
    batch: Annotated[Batch, told("what is expected of an arrival as a whole", {"min_rows": 100})] = Batch()
    delivery: Annotated[Delivery, told("what holds a delivery, or is warned of", {"min_coverage_pct": 80})] = later(
        Delivery()
    )
    expected: Annotated[
        Expected | None, told("days of facts fail while the feed has not come", {"from": "2026-01-01", "by": 2})
    ] = None
    licence: Annotated[Text, told("of the data", "Open Government Licence v3.0")]
    contact: Annotated[Text, told("who answers questions about the feed", "data@ashbourne.example")]

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
        for name, text in value.items():
            _demand_expression(f"{name}: ", text)
            known = cls.COLUMNS.get(name)
            faults = (instant_faults(name, text, known.type) if known and known.is_time else []) or unsafe_faults(text)
            if faults:
                raise ValueError("; ".join(f"{name}: {fault}" for fault in faults))
        return value

    @field_validator("where")
    @classmethod
    def _where_is_a_condition(cls, value: str | None) -> str | None:
        if value is not None:
            _demand_expression("", value)
            if faults := unsafe_faults(value):
                raise ValueError("; ".join(faults))
        return value

    @model_validator(mode="after")
    def _bytes_come_from_somewhere(self) -> Stream:
        if not self.claims and (self.source is None or isinstance(self.source, FolderSource)):
            raise ValueError("claims: write the patterns of its files' names, such as acme_*.csv")
        return self

    @model_validator(mode="after")
    def _limits_are_of_rules(self) -> Stream:
        known = [rule.id for rule in in_order(self.RULES) if rule.id not in WITHOUT_LIMIT]
        unknown = sorted(set(self.batch.max_rule_pct) - set(known))
        if unknown:
            raise ValueError(f"batch.max_rule_pct: no limit of {', '.join(unknown)}; there are {', '.join(known)}")
        return self

    def limit_pct(self, rule: Rule) -> float:
        """Rows of an arrival on which a rule may fire, in per cent, without a warning; 100 for no limit."""
        if rule.id in WITHOUT_LIMIT:
            return 100.0
        usual = self.batch.max_rejected_pct if rule.severity == "reject" else self.flagged_pct(rule.mark)
        return self.batch.max_rule_pct.get(rule.id, usual)

    def flagged_pct(self, mark: str) -> float:
        """Most rows of a delivery with a flag, in per cent; 100 for flags that may stand on all."""
        usual = {rule.mark: rule.max_flagged_pct for rule in self.RULES if rule.severity == "flag"}
        return self.delivery.max_flagged_pct.get(mark, usual.get(mark, 100.0))

    @model_validator(mode="after")
    def _complete(self) -> Stream:
        for name in OWNERS:
            if name in self.columns and (reason := self.NO_OWNERS.get(name)):
                raise ValueError(f"columns: {name}: {reason}")
        if self.personal_fields and "authority" in self.columns:
            raise ValueError(
                "columns: authority: hashes of personal_fields have the key of one authority; write one stream file "
                "for each authority, with `where` for its rows"
            )
        unknown = sorted(set(self.columns) - set(self.COLUMNS))
        if unknown:
            has = ", ".join(self.COLUMNS)
            raise ValueError(
                f"columns: no column {', '.join(unknown)} in the common model of {self.kind}; it has {has}"
            )
        missing = [
            f"exactly one of {' and '.join(ways)}" if len(ways) > 1 else ways[0]
            for ways in self.NEEDED
            if sum(way in self.columns for way in ways) != 1 and not self._can_do_without(ways)
        ]
        if missing:
            raise ValueError(f"columns: needs {', '.join(missing)}")
        if POSITION in self._referenced and not self.format.each:
            raise ValueError(
                f"columns: {POSITION} is a place in the lists of format.each, and the stream file names none"
            )
        both = sorted({*self.personal_fields} & {*self.not_personal})
        if both:
            raise ValueError(f"not_personal: {', '.join(both)} stands in personal_fields too; choose one")
        strange = sorted(set(self.personal_unless) - set(self.personal_fields))
        if strange:
            raise ValueError(f"personal_unless: {', '.join(strange)} is not in personal_fields; name it there too")
        if self.raw_retention_days is not None and not self.personal_fields:
            raise ValueError(
                "raw_retention_days: only for streams with personal_fields; all others keep what they sent"
            )
        return self

    def _can_do_without(self, ways: tuple[str, ...]) -> bool:
        """Whether none of a needed group has to be there, as it follows from other columns."""
        return False

    @cached_property
    def _referenced(self) -> tuple[str, ...]:
        texts = [*self.columns.values(), *([self.where] if self.where else [])]
        return tuple(dict.fromkeys(name for text in texts for name in referenced_fields(text)))

    # Cached: decoding asks for each record, and parsing expressions took 98 % of its time (34 s for 53,000 records).
    @cached_property
    def read_fields(self) -> tuple[str, ...]:
        """The feed's fields that expressions read, in order, and those that say whether others are personal."""
        decisive = [name for said in self.personal_unless.values() for name in said]
        names = [name for name in self._referenced if name not in PLATFORM_FIELDS]
        return tuple(dict.fromkeys([*names, *decisive]))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields that decoding keeps as text, in order: what expressions read, and personal ones."""
        place = [POSITION] if POSITION in self._referenced else []
        return tuple(dict.fromkeys([*self.read_fields, *self.alias_fields, *self.personal_fields, *place]))

    @cached_property
    def record_level(self) -> int:
        """How many of `format.each`, outer to inner, a record needs: as deep as what its kind requires is read."""
        ways = [way for group in self.NEEDED for way in group if way in self.columns]
        names = [name for way in ways for name in referenced_fields(self.columns[way])]
        if POSITION in names:
            return len(self.format.each)
        lists = [".".join(self.format.each[:level]) for level in range(1, len(self.format.each) + 1)]
        needed = (level for level, path in enumerate(lists, 1) if any(_is_within(name, path) for name in names))
        return max(needed, default=0)

    @cached_property
    def alias_fields(self) -> tuple[str, ...]:
        """Fields that name the same charge point as the field that `charge_point` is; none where the file says one."""
        if "charge_point_alias" in self.columns:
            return ()
        found = siblings(self.columns.get("charge_point", ""), is_person_near=self.HAS_DRIVERS)
        return tuple(name for name in found if name not in self.personal_fields)

    @property
    def evse_fields(self) -> tuple[str, ...]:
        """Fields of the charge point's id whose 0 means the station itself, which is no EVSE."""
        return ()

    @property
    def skips_stateless(self) -> bool:
        """Whether a record without a `status` is left out."""
        return False

    @property
    def repairs_swaps(self) -> bool:
        """Whether each delivery that shows day and month exchanged is repaired (S15)."""
        return False

    @property
    def is_hub(self) -> bool:
        """Whether its rows are of several providers."""
        return "provider" in self.columns

    @cached_property
    def reads_sightings(self) -> bool:
        """Whether each sighting of equal bytes is a delivery of its own: the bytes don't say when they were true."""
        return SEEN_AT in self._referenced

    @property
    def looks_at_moment(self) -> bool:
        """Whether rows are judged beside all that arrived at the same moment: the pages of a response."""
        return False

    @cached_property
    def required_fields(self) -> tuple[str, ...]:
        """Fields without which a file is quarantined whole."""
        beside = {*self.alias_fields} - {*self._referenced}
        optional = {*self.optional_fields, *self.personal_fields, *beside, POSITION}
        return tuple(name for name in self.fields if name not in optional)

    @cached_property
    def required_personal(self) -> tuple[str, ...]:
        """Personal fields without which a delivery is held: they may stand there under another name."""
        return tuple(name for name in self.personal_fields if name not in self.optional_fields)

    def decode_fingerprint(self) -> str:
        """Changes when decoding would give other records."""
        kept = {"format", "optional_fields", "personal_fields", "personal_unless", "not_personal", "row_number_fields"}
        parts = self.model_dump_json(include=kept)
        # The key of the hashes is the authority's.
        authority = self.authority.id if self.personal_fields else ""
        return _digest("3", parts, repr(self.fields), str(self.record_level), authority)

    def former_decode_fingerprint(self) -> str:
        """What the decoding of release 0.3 had for the same stream file."""
        parts = self.model_dump_json(include={"format", "optional_fields", "personal_fields"})
        read = (name for text in self.columns.values() for name in referenced_fields(text))
        names = [name for name in read if name not in PLATFORM_FIELDS]
        return _digest("1", parts, repr(tuple(dict.fromkeys([*names, *self.personal_fields]))))

    def fingerprint(self) -> str:
        """Changes when anything in the file changed that rows or facts are made with: where it is fetched is not."""
        believed = [f"{self.fetch_silence}"] if self.fetch_silence else []
        return _digest("1", self.model_dump_json(exclude={"source"}), *believed)

    @property
    def fetch_silence(self) -> dt.timedelta | None:
        """How long its words are believed, where that follows from how often it is fetched; else None."""
        return None


def today_of(streams: Iterable[Stream], now: dt.datetime) -> dt.date:
    """Today by the clock of the westernmost authority: earlier days have ended for everybody."""
    return min((now.astimezone(ZoneInfo(stream.zone)).date() for stream in streams), default=now.date())


def _demand_expression(prefix: str, text: str) -> None:
    """Says why a text is no expression over the feed's and the platform's fields."""
    try:
        fields = referenced_fields(text)
    except SqlglotError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{prefix}{text!r} is no Spark SQL expression: {reason}") from error
    if faults := call_faults(text):
        raise ValueError(f"{prefix}{'; '.join(faults)}")
    unknown = [field for field in fields if field.startswith("cic.") and field not in PLATFORM_FIELDS]
    if unknown:
        raise ValueError(f"{prefix}no field {', '.join(unknown)}; there are {', '.join(PLATFORM_FIELDS)}")


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


def _is_within(name: str, path: str) -> bool:
    return f"{name}.".startswith(f"{path}.")


def siblings(expression: str, *, is_person_near: bool) -> tuple[str, ...]:
    """OCPI's other names of the EVSE whose name an expression is, if it is exactly one field.

    Args:
        expression: of the charge point.
        is_person_near: whether a `uid` beside it may be a driver's.
    """
    try:
        tree = sqlglot.parse_one(expression, read="spark")
    except SqlglotError:
        return ()
    if not isinstance(tree, exp.Column):
        return ()
    path, _, last = ".".join(part.name for part in tree.parts).rpartition(".")
    others = {"evse_id": ("evse_uid",) if is_person_near else ("uid", "evse_uid"), "uid": ("evse_id",)}
    others["evse_uid"] = ("evse_id",)
    return tuple(f"{path}.{name}" if path else name for name in others.get(last, ()))


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
