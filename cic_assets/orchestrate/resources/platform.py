"""The resource that hands settings and stream files to assets, sensors and schedules. Opens nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from cic_assets.calendar import FIRST_DAY
from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.doors import parts_of
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.parts import Parts
from cic_assets.settings import Settings
from cic_assets.streams.load import BrokenFile, read_streams

_WHOLE = Calendar(FIRST_DAY)


@dataclass(frozen=True)
class Platform:
    """What a process was told.

    Attributes:
        streams: all streams by id.
        broken: stream files that are broken.
        calendar: the partitions that its definitions have.
    """

    settings: Settings
    streams: dict[str, Stream]
    broken: tuple[BrokenFile, ...] = ()
    calendar: Calendar = _WHOLE

    @cached_property
    def parts(self) -> Parts:
        """Lake, warehouse and engine; each transaction has a connection of its own."""
        return parts_of(self.settings, self.streams.values())

    def renewed(self) -> Platform:
        """The same with the stream files as they are now, for processes that live on while somebody edits them.

        Streams that came since have no assets in this process: they are left out until it is started again.
        """
        files = read_streams(self.settings.streams)
        known = {
            stream_id: stream
            for stream_id, stream in files.streams.items()
            if stream_id in self.streams and stream.kind == self.streams[stream_id].kind
        }
        return replace(self, streams=known, broken=files.broken)
