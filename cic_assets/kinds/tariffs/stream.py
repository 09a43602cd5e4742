"""What a stream file of tariffs may say beside what every one may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from cic_assets.formats.feed import later
from cic_assets.kinds.columns import SPLIT, Column
from cic_assets.kinds.rule import Rule
from cic_assets.kinds.stream import Numbers, Stream
from cic_assets.kinds.tariffs.columns import COLUMNS
from cic_assets.kinds.tariffs.rules import RULES


class TariffsStream(Stream):
    """What charging costs: tariffs, their elements, prices and restrictions."""

    COLUMNS: ClassVar[Mapping[str, Column]] = COLUMNS
    NEEDED: ClassVar[tuple[tuple[str, ...], ...]] = (("tariff_id",), ("component",), ("price",), ("currency",))
    NO_OWNERS: ClassVar[Mapping[str, str]] = {"zone": f"a tariff's times of day are those of one zone: {SPLIT}"}
    RULED: ClassVar[tuple[str, ...]] = ("tariff_id", "component", "price")
    RULES: ClassVar[tuple[Rule, ...]] = RULES
    kind: Literal["tariffs"]
    numbers: Numbers | None = later(
        None,
        description="how the feed writes numbers, if not as 1234.5",
        examples=[{"decimal": ",", "thousands": ".", "signs": ["€", "kWh"]}],
    )
