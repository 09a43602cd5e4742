"""What a stream file of states may say beside what every one may."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import model_validator

from cic_assets.formats.feed import told
from cic_assets.kinds.columns import SPLIT, Column
from cic_assets.kinds.rule import Rule
from cic_assets.kinds.status.columns import COLUMNS
from cic_assets.kinds.status.rules import RULES
from cic_assets.kinds.stream import MAX_DAYS, Stream, referenced_fields
from cic_assets.kinds.vocabulary import Vocabulary

# numbers.md 2, Silence.
ON_CHANGE_SILENCE = dt.timedelta(days=7)
PERIODS_OF_SILENCE = 3


class StatusStream(Stream):
    """States of charge points (numbers.md 2)."""

    COLUMNS: ClassVar[Mapping[str, Column]] = COLUMNS
    NEEDED: ClassVar[tuple[tuple[str, ...], ...]] = (("charge_point",), ("status",), ("changed_local", "changed_at"))
    NO_OWNERS: ClassVar[Mapping[str, str]] = {
        "authority": f"the days of a status feed are one authority's: {SPLIT}",
        "zone": f"the days of a status feed are days of one zone: {SPLIT}",
    }
    # No vocabulary knows the word: E03.
    RULED: ClassVar[tuple[str, ...]] = ("charge_point", "status")
    RULES: ClassVar[tuple[Rule, ...]] = RULES
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
            "so long after the last word a state is believed (ISO 8601); if not said, three periods of a polled feed, "
            "or of its `source.every`, else 7 days; `none`: until the next event",
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
    def looks_at_moment(self) -> bool:
        """Of a polled feed, where a connector may stand in two places (E08)."""
        return self.is_polled

    @property
    def silence(self) -> dt.timedelta | None:
        """How long a state is believed after the last event or confirmation; None for ever."""
        if isinstance(self.max_silence, str):
            return None
        default = PERIODS_OF_SILENCE * self.period if self.period else ON_CHANGE_SILENCE
        return self.max_silence or self.fetch_silence or default

    @property
    def fetch_silence(self) -> dt.timedelta | None:
        """Three times `source.every`, of a polled feed whose file says neither `period` nor `max_silence`."""
        if self.source is None or self.period or self.max_silence or not self.is_polled:
            return None
        return PERIODS_OF_SILENCE * self.source.every

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
