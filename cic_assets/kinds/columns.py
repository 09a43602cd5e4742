"""What a column of the common model is, those that several kinds have, and the platform's own fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How its values are read (`kinds/common.py`):
# text     whatever stands there, unless it is too long: then it is unreadable
# name     a text of which the beginning tells enough: it is cut where it is too long
# word     cut where it is too long; a vocabulary says whether it is known
# number   written as the stream's `numbers` say
# instant  date, time of day and offset, or the wall clock of the stream's zone (`*_local`)
# day      an instant of which the date may be enough
# date     a registry's: a date alone says the day's beginning, by the zone's wall clock
# other    by the kind itself
Type = Literal["text", "name", "word", "number", "instant", "day", "date", "other"]


@dataclass(frozen=True)
class Column:
    """A column of the common model.

    Attributes:
        what: what it is, as `docs/streams.md` says it.
        example: an expression for it, in Spark SQL.
        type: how its values are read.
    """

    what: str
    example: str
    type: Type = "other"

    @property
    def is_text(self) -> bool:
        """Whatever stands there is read."""
        return self.type in ("text", "name")

    @property
    def is_cut(self) -> bool:
        """A text that is too long is cut, as its beginning tells enough; all others are then unreadable."""
        return self.type in ("name", "word")

    @property
    def is_time(self) -> bool:
        """It is an instant, or a wall clock."""
        return self.type in ("instant", "day", "date")


# Whose a row is, and by which clock, where rows say it themselves.
OWNERS = ("provider", "authority", "zone")
# What to do where a kind has no column for one of these.
SPLIT = "write one stream file for each, which all claim the same files, with `where` for its rows"
CHARGE_POINT = Column(
    "the feed's id of the charge point (EVSE), unique within the provider",
    "`evses.uid`",
    "text",
)
CHARGE_POINT_ALIAS = Column(
    "another id of the same charge point in the feed; not needed where `charge_point` is a field evse_id or uid "
    "with the other one beside it",
    "`evses.evse_id`",
    "other",
)
PROVIDER = Column(
    "whose the charge point is, where the rows of a registry or hub say it: the provider's id, in place of "
    "provider.id; a row without one is rejected",
    "concat(country_code, '*', party_id)",
    "text",
)
AUTHORITY = Column(
    "which authority answers for it, in place of authority.id; a row without one is rejected",
    "council_code",
    "text",
)
ZONE = Column(
    "the IANA zone of a row's wall clock and local day, in place of zone; a row without one is rejected",
    "time_zone",
    "text",
)
# What the platform knows of a record's file, beside the feed's own fields.
SEEN_AT = "cic.seen_at"
POSITION = "cic.position"
PLATFORM_FIELDS = {
    SEEN_AT: "when these bytes were seen (UTC); a stream that reads it takes every sighting as a poll of its own",
    "cic.file_name": "the name under which they were seen",
    POSITION: "where the record stands in the lists of `format.each`, from 1: `2`; in two lists `2.1`, outer to inner",
}
SECONDS_PER = {"s": "1", "min": "60", "h": "3600"}
KWH_PER = {"Wh": "0.001", "kWh": "1", "MWh": "1000"}
KW_PER = {"W": "0.001", "kW": "1", "MW": "1000"}
