"""What a stream file may say, and the checks that need no data. Reading the files: `streams/load.py`.

A wrong file fails here, with path, key and reason, before anything runs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlglot
from pydantic import ConfigDict, Field, FiniteFloat, TypeAdapter, field_validator, model_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cic_assets.formats.feed import FeedFormat, Part, Text, later, told
from cic_assets.kinds.columns import (
    COLUMNS,
    NO_OWNERS,
    ONE_OF,
    OWNERS,
    PLATFORM_FIELDS,
    POSITION,
    SEEN_AT,
)
from cic_assets.kinds.expressions import INSTANTS, instant_faults
from cic_assets.kinds.functions import call_faults
from cic_assets.kinds.rules import RULES, THRESHOLDS, WITHOUT_LIMIT, Rule
from cic_assets.kinds.safe import unsafe_faults
from cic_assets.kinds.vocabulary import (
    SESSION_STATUSES,
    STANDARDS,
    SessionStatus,
    Standard,
    State,
    folded,
)
from cic_assets.settings import RULE_SETS

# A hundred years: beyond it a date plus so many days is no date any more.
MAX_DAYS = 36_525
NO_ID = "none"
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


class DateRepair(Part):
    """numbers.md 4, S15: which files have day and month exchanged wherever both readings exist."""

    kind: Annotated[
        Literal["day_month_swap"], told("day and month exchanged wherever both readings exist (S15)", "day_month_swap")
    ]
    files: Annotated[
        tuple[Text, ...], told("patterns of the names of files that hold such dates", ["council_2016-17.*"])
    ] = ()
    auto: Annotated[
        bool, told("each file that shows the swap, whatever its name; `date_repair: auto` says so", True)
    ] = later(False)

    @model_validator(mode="before")
    @classmethod
    def _auto_is_a_word(cls, content: Any) -> Any:
        return {"kind": "day_month_swap", "auto": True} if content == "auto" else content

    @model_validator(mode="after")
    def _says_which(self) -> DateRepair:
        if self.auto == bool(self.files):
            raise ValueError("give files, or say `date_repair: auto`")
        return self

    @field_validator("files")
    @classmethod
    def _patterns_are_plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """The engine's LIKE knows no brackets, so that a pattern with some would repair no file."""
        wrong = [pattern for pattern in value if not {"[", "]"}.isdisjoint(pattern)]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: only * and ? are patterns here; name each file, or a pattern for each"
            )
        return value


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
# Flags that many rows carry only where a column is read wrongly.
MAX_FLAGGED_PCT = {"S06": 50.0, "S08": 80.0, "S09": 80.0, "S10": 50.0, "S14": 50.0, "L02": 50.0, "L03": 50.0}
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
            "smaller deliveries of an arrival are looked at together, and not at all where "
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

    def limit_of(self, mark: str) -> float:
        """Most rows with a flag, in per cent; 100 for flags that may stand on all."""
        return self.max_flagged_pct.get(mark, MAX_FLAGGED_PCT.get(mark, 100.0))


class Stream(Part):
    """One feed of one kind from one provider for one authority; `parse_stream` makes the class of its kind."""

    id: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$"), told("of the stream, in paths and tables", "ashbourne_sessions")
    ]
    kind: Annotated[
        Literal["sessions", "status", "locations"],
        told("sessions, status or locations: which columns there are", "sessions"),
    ]
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
        Field(min_length=1),
        told(
            "shell patterns of the names of files that belong to the stream", ["ashbourne_*.csv", "ashbourne_*.csv.gz"]
        ),
    ]
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
            faults = (instant_faults(name, text) if name in INSTANTS else []) or unsafe_faults(text)
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
    def _limits_are_of_rules(self) -> Stream:
        known = [rule.id for rule in RULES if self.kind in rule.kinds and rule.id not in WITHOUT_LIMIT]
        unknown = sorted(set(self.batch.max_rule_pct) - set(known))
        if unknown:
            raise ValueError(f"batch.max_rule_pct: no limit of {', '.join(unknown)}; there are {', '.join(known)}")
        return self

    def limit_pct(self, rule: Rule) -> float:
        """Rows of an arrival on which a rule may fire, in per cent, without a warning; 100 for no limit."""
        if rule.id in WITHOUT_LIMIT:
            return 100.0
        usual = self.batch.max_rejected_pct if rule.severity == "reject" else self.delivery.limit_of(rule.mark)
        return self.batch.max_rule_pct.get(rule.id, usual)

    @model_validator(mode="after")
    def _complete(self) -> Stream:
        for name in OWNERS:
            if name in self.columns and (reason := NO_OWNERS.get((self.kind, name))):
                raise ValueError(f"columns: {name}: {reason}")
        if self.personal_fields and "authority" in self.columns:
            raise ValueError(
                "columns: authority: hashes of personal_fields have the key of one authority; write one stream file "
                "for each authority, with `where` for its rows"
            )
        unknown = sorted(set(self.columns) - set(COLUMNS[self.kind]))
        if unknown:
            has = ", ".join(COLUMNS[self.kind])
            raise ValueError(
                f"columns: no column {', '.join(unknown)} in the common model of {self.kind}; it has {has}"
            )
        missing = [
            f"exactly one of {' and '.join(ways)}" if len(ways) > 1 else ways[0]
            for ways in ONE_OF[self.kind]
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
        """The end follows from start and duration."""
        return "duration" in self.columns and set(ways).isdisjoint(self.columns) and "ended_at" in ways

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
        ways = [way for group in ONE_OF[self.kind] for way in group if way in self.columns]
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
        found = siblings(self.columns.get("charge_point", ""), is_person_near=self.kind == "sessions")
        return tuple(name for name in found if name not in self.personal_fields)

    @property
    def is_hub(self) -> bool:
        """Whether its rows are of several providers."""
        return "provider" in self.columns

    @cached_property
    def reads_sightings(self) -> bool:
        """Whether each sighting of equal bytes is a delivery of its own: the bytes don't say when they were true."""
        return SEEN_AT in self._referenced

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
        """Changes when anything in the file changed."""
        return _digest("1", self.model_dump_json())


class SessionWords(Part):
    """The feed's words for the status of a session, beside OCPI's own. Case does not matter."""

    words: Annotated[
        dict[str, SessionStatus],
        told(
            "the feed's words for the status of a session, beside OCPI's own; case does not matter",
            {"Beendet": "COMPLETED"},
        ),
    ] = {}

    @property
    def statuses(self) -> dict[str, str]:
        """Folded word → OCPI SessionStatus."""
        return {**{word: word for word in SESSION_STATUSES}, **{folded(w): word for w, word in self.words.items()}}


class SessionsStream(Stream):
    """Charging sessions or CDRs (numbers.md 3)."""

    kind: Literal["sessions"]
    vocabulary: Annotated[
        SessionWords, told("the feed's words for the status of a session", {"words": {"Beendet": "COMPLETED"}})
    ] = SessionWords()
    units: Annotated[
        Units, told("of the feed's figures; the common model is in kWh, kW and seconds", {"energy": "Wh"})
    ] = Units()
    numbers: Numbers | None = later(
        None,
        description="how the feed writes numbers, if not as 1234.5",
        examples=[{"decimal": ",", "thousands": ".", "signs": ["€", "kWh"]}],
    )
    date_repair: Annotated[DateRepair | None, told("which files have day and month exchanged", "auto")] = None
    vat_basis: Annotated[
        Literal["excluded", "included", "unknown"],
        told("whether `cost` has VAT in it: excluded, included or unknown", "included"),
    ]
    vat_rate: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, told("of included VAT", 0.2)] = None
    session_id: Annotated[
        Literal["none"] | None,
        told("`none`: ids of the feed are none; charge point, connector and start identify", "none"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _no_id_is_said_once(cls, content: Any) -> Any:
        columns = content.get("columns") if isinstance(content, dict) else None
        said = columns.get("session_id") if isinstance(columns, dict) else None
        if not isinstance(columns, dict) or not isinstance(said, str):
            return content
        if said.strip().lower() == NO_ID:
            rest = {name: text for name, text in columns.items() if name != "session_id"}
            return {**content, "columns": rest, "session_id": NO_ID}
        if content.get("session_id") == NO_ID:
            raise ValueError("session_id: none, or columns.session_id, not both")
        return content

    @model_validator(mode="after")
    def _rate_is_said(self) -> SessionsStream:
        if self.vat_basis == "included" and self.vat_rate is None:
            raise ValueError("vat_rate: vat_basis 'included' needs the rate, such as 0.2")
        return self


class Vocabulary(Part):
    """The feed's words: a standard's, a list of its own, or a standard's with additions. Case does not matter."""

    standard: Annotated[Standard | None, told("a standard whose words the feed uses", "OCPP 1.6")] = None
    words: Annotated[
        dict[str, State],
        told("the feed's own words, or additions to the standard's; case does not matter", {"Kaputt": "OUTOFORDER"}),
    ] = {}

    @property
    def states(self) -> dict[str, State]:
        """Folded word → state."""
        standard = STANDARDS[self.standard] if self.standard else {}
        return {folded(word): state for word, state in {**standard, **self.words}.items()}

    @model_validator(mode="after")
    def _says_something(self) -> Vocabulary:
        if not self.states:
            raise ValueError("give a standard or words; without either, every status is UNKNOWN")
        return self


# numbers.md 2, Silence.
ON_CHANGE_SILENCE = dt.timedelta(days=7)
PERIODS_OF_SILENCE = 3


class StatusStream(Stream):
    """States of charge points (numbers.md 2)."""

    kind: Literal["status"]
    vocabulary: Annotated[Vocabulary, told("the feed's words for states", {"standard": "OCPI 2.2.1"})]
    reports_use: Annotated[
        bool, told("false where the feed only says whether a point works: its charging share is null, not 0", False)
    ] = True
    period: Annotated[
        dt.timedelta | None,
        told(
            "how often a polled feed lists all charge points (ISO 8601); none for feeds that report on change", "PT10M"
        ),
    ] = None
    max_silence: Annotated[
        dt.timedelta | Literal["none"] | None,
        told(
            "so long after the last word a state is believed (ISO 8601); 7 days, or three "
            "periods, if not said; `none`: until the next event",
            "P7D",
        ),
    ] = None
    ends: Annotated[dt.date | None, told("the last local day of a feed that has ended", "2026-06-30")] = None

    @property
    def is_polled(self) -> bool:
        """Whether a delivery lists what there is at one moment, in place of telling what has changed."""
        confirms = any(f"confirmed_{way}" in self.columns for way in ("local", "at"))
        return confirms or self.reads_sightings or self.period is not None

    @property
    def silence(self) -> dt.timedelta | None:
        """How long a state is believed after the last event or confirmation; None for ever."""
        if isinstance(self.max_silence, str):
            return None
        default = PERIODS_OF_SILENCE * self.period if self.period else ON_CHANGE_SILENCE
        return self.max_silence or default

    @property
    def skips_stateless(self) -> bool:
        """Whether a record without a status is no state: a message of a feed that reports on change.

        A PATCH of a floor level or a MeterValues line says nothing of the state; an empty cell of a table does.
        """
        polls = (
            self.period is not None or self.reads_sightings or {"confirmed_local", "confirmed_at"} & set(self.columns)
        )
        return not polls and self.format.type in ("json", "jsonl")

    @property
    def evse_fields(self) -> tuple[str, ...]:
        """Fields of the charge point's id whose 0 means the station itself (OCPP), which is no EVSE."""
        if not (self.vocabulary.standard or "").startswith("OCPP"):
            return ()
        fields = referenced_fields(self.columns["charge_point"])
        return tuple(name for name in fields if name.rpartition(".")[2].lower() in ("evseid", "evse_id", "connectorid"))

    @model_validator(mode="after")
    def _times_are_spans(self) -> StatusStream:
        for name in ("period", "max_silence"):
            value = getattr(self, name)
            if isinstance(value, dt.timedelta) and value <= dt.timedelta():
                raise ValueError(f"{name}: {value} is no span of time; write PT30M or P7D")
            if isinstance(value, dt.timedelta) and value > dt.timedelta(days=MAX_DAYS):
                raise ValueError(f"{name}: longer than a hundred years; write `max_silence: none`")
        if {"confirmed_local", "confirmed_at"} <= set(self.columns):
            raise ValueError("columns: confirmed_local or confirmed_at, not both")
        return self


class LocationsStream(Stream):
    """Which charge points there are, where, and how strong: what the registry is built from."""

    kind: Literal["locations"]
    units: Annotated[Units, told("of the feed's figures; the common model is in kW", {"power": "W"})] = Units()
    vocabulary: Vocabulary | None = later(
        None,
        description="the feed's words for `status`, where they are not OCPI's own",
        examples=[{"words": {"Außer Betrieb": "OUTOFORDER", "abgebaut": "REMOVED"}}],
    )
    numbers: Numbers | None = later(
        None,
        description="how the feed writes numbers, if not as 1234.5",
        examples=[{"decimal": ",", "thousands": ".", "signs": ["€", "kWh"]}],
    )


AnyStream = Annotated[SessionsStream | StatusStream | LocationsStream, Field(discriminator="kind")]
_PARSER: TypeAdapter[SessionsStream | StatusStream | LocationsStream] = TypeAdapter(AnyStream)


def parse_stream(content: object) -> Stream:
    """The stream of a stream file's content.

    Raises:
        pydantic.ValidationError: it is against the model; all reasons at once.
    """
    return _PARSER.validate_python(content)


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
