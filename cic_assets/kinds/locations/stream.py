"""What a stream file of charge points may say beside what every one may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from cic_assets.formats.feed import later, told
from cic_assets.kinds.columns import SPLIT, Column
from cic_assets.kinds.locations.columns import COLUMNS
from cic_assets.kinds.locations.rules import RULES
from cic_assets.kinds.rule import Rule
from cic_assets.kinds.stream import Numbers, Stream, Units
from cic_assets.kinds.vocabulary import Vocabulary


class LocationsStream(Stream):
    """Which charge points there are, where, and how strong: what the registry is built from."""

    COLUMNS: ClassVar[Mapping[str, Column]] = COLUMNS
    NEEDED: ClassVar[tuple[tuple[str, ...], ...]] = (("charge_point",),)
    NO_OWNERS: ClassVar[Mapping[str, str]] = {"zone": f"a registry's months end by the clock of one zone: {SPLIT}"}
    RULES: ClassVar[tuple[Rule, ...]] = RULES
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

    @property
    def looks_at_moment(self) -> bool:
        """True: a charge point may stand at two sites (E08)."""
        return True
