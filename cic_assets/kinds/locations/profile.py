"""What a delivery of charge points is like as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def sizes(numbers: Callable[[str], Any]) -> dict[str, Any]:
    """Their rating."""
    return {"rating, kW": numbers("rated_power_kw")}
