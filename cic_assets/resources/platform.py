"""The resource that hands settings and stream files to assets, sensors and schedules. Opens nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass

from cic_assets.settings import Settings
from cic_assets.streams.model import Stream


@dataclass(frozen=True)
class Platform:
    """What a process was told: its settings, and all streams by id."""

    settings: Settings
    streams: dict[str, Stream]
