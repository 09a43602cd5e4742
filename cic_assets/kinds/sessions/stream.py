"""What a stream file of sessions may say beside what every one may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from cic_assets.formats.feed import Part, Text, later, told
from cic_assets.kinds.columns import Column
from cic_assets.kinds.rule import Rule
from cic_assets.kinds.sessions.columns import COLUMNS
from cic_assets.kinds.sessions.rules import RULES
from cic_assets.kinds.stream import Numbers, Stream, Units
from cic_assets.kinds.vocabulary import folded

NO_ID = "none"
# OCPI 2.2.1 SessionStatus.
SessionStatus = Literal["ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"]
SESSION_STATUSES: tuple[SessionStatus, ...] = ("ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION")


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


class SessionsStream(Stream):
    """Charging sessions or CDRs (numbers.md 3)."""

    COLUMNS: ClassVar[Mapping[str, Column]] = COLUMNS
    NEEDED: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("charge_point",), ("energy",), ("started_local", "started_at"), ("ended_local", "ended_at"),
    )  # fmt: skip
    RULES: ClassVar[tuple[Rule, ...]] = RULES
    HAS_DRIVERS: ClassVar[bool] = True
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

    @property
    def repairs_swaps(self) -> bool:
        """Whether each delivery that shows day and month exchanged is repaired (S15)."""
        return self.date_repair is not None and self.date_repair.auto

    def _can_do_without(self, ways: tuple[str, ...]) -> bool:
        """The end follows from start and duration."""
        return "duration" in self.columns and set(ways).isdisjoint(self.columns) and "ended_at" in ways
