"""The resource that hands settings and stream files to assets. Opens nothing by itself."""

from __future__ import annotations

from dagster import ConfigurableResource
from pydantic import PrivateAttr

from cic_assets.settings import Settings
from cic_assets.streams.model import Stream


class Platform(ConfigurableResource):  # type: ignore[type-arg]
    """What a process was told: settings and streams."""

    _settings: Settings = PrivateAttr()
    _streams: dict[str, Stream] = PrivateAttr()

    @classmethod
    def of(cls, settings: Settings, streams: dict[str, Stream]) -> Platform:
        """The resource around what was read already."""
        platform = cls()
        platform._settings, platform._streams = settings, streams
        return platform

    @property
    def settings(self) -> Settings:
        """The process's settings."""
        return self._settings

    @property
    def streams(self) -> dict[str, Stream]:
        """All streams by id."""
        return self._streams
