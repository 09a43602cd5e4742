"""From a feed's word for a state to OCPI's nine (numbers.md 2).

Sources: OCPI 2.1.1 mod_locations 4.4.15, 2.2.1 and 2.3.0 8.4.22 `Status`, the same nine words in each; OCPP 1.6
`ChargePointStatus` and 2.0.1 `ConnectorStatusEnumType`; OICP 2.3 `EvseStatus`, whose OutOfService says not why; DATEX
II 3.5 EnergyInfrastructure `RefillPointStatusEnum`, whose `_extended` says that another word stands beside it, for the
stream file to map. Who occupies a charge point is plugged in: CHARGING.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from cic_assets.formats.feed import Part, told

State = Literal[
    "AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED", "RESERVED", "UNKNOWN",
]  # fmt: skip
STATES: tuple[State, ...] = (
    "AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED", "RESERVED", "UNKNOWN",
)  # fmt: skip
Standard = Literal["OCPI 2.1.1", "OCPI 2.2.1", "OCPI 2.3.0", "OCPP 1.6", "OCPP 2.0.1", "OICP 2.3", "DATEX II"]
_OCPI: dict[str, State] = {state: state for state in STATES}
STANDARDS: dict[Standard, dict[str, State]] = {
    "OCPI 2.1.1": _OCPI,
    "OCPI 2.2.1": _OCPI,
    "OCPI 2.3.0": _OCPI,
    "OCPP 1.6": {
        "Available": "AVAILABLE",
        "Preparing": "CHARGING",
        "Charging": "CHARGING",
        "SuspendedEV": "CHARGING",
        "SuspendedEVSE": "CHARGING",
        "Finishing": "CHARGING",
        "Reserved": "RESERVED",
        "Unavailable": "INOPERATIVE",
        "Faulted": "OUTOFORDER",
    },
    "OCPP 2.0.1": {
        "Available": "AVAILABLE",
        "Occupied": "CHARGING",
        "Reserved": "RESERVED",
        "Unavailable": "INOPERATIVE",
        "Faulted": "OUTOFORDER",
    },
    "OICP 2.3": {
        "Available": "AVAILABLE",
        "Reserved": "RESERVED",
        "Occupied": "CHARGING",
        "OutOfService": "OUTOFORDER",
        "EvseNotFound": "UNKNOWN",
        "Unknown": "UNKNOWN",
    },
    "DATEX II": {
        "available": "AVAILABLE",
        "blocked": "BLOCKED",
        "charging": "CHARGING",
        "faulted": "OUTOFORDER",
        "inoperative": "INOPERATIVE",
        "occupied": "CHARGING",
        "outOfOrder": "OUTOFORDER",
        "outOfStock": "INOPERATIVE",
        "planned": "PLANNED",
        "removed": "REMOVED",
        "reserved": "RESERVED",
        "unavailable": "INOPERATIVE",
        "unknown": "UNKNOWN",
    },
}
# Several connectors, one charge point: the first of these that any connector has (numbers.md 2). BLOCKED, PLANNED and
# REMOVED are not in its list: a blocked bay serves nobody but works; what is planned or gone says nothing of the rest.
FOLD_ORDER: tuple[State, ...] = (
    "CHARGING", "RESERVED", "AVAILABLE", "BLOCKED", "INOPERATIVE", "OUTOFORDER", "UNKNOWN", "PLANNED", "REMOVED",
)  # fmt: skip
# States that hold without any further word (numbers.md 2, Silence).
NEVER_EXPIRE: tuple[State, ...] = ("PLANNED", "REMOVED")
# Two words at one instant that nothing else tells apart: the worse one, from the worst.
WORST_FIRST: tuple[State, ...] = (
    "OUTOFORDER", "INOPERATIVE", "UNKNOWN", "REMOVED", "PLANNED", "BLOCKED", "RESERVED", "CHARGING", "AVAILABLE",
)  # fmt: skip


def folded(word: str) -> str:
    """How words are compared: without case and surrounding space, as one status is spelt AVAILABLE and Available."""
    return word.strip().upper()


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
