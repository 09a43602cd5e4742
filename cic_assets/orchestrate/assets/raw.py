"""Raw streams: one external asset per stream file. Nothing here runs; the arrivals sensor reports what it sees."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dagster import AssetSpec

from cic_assets.kinds.stream import Stream
from cic_assets.orchestrate.assets.keys import raw_key
from cic_assets.orchestrate.partitions import Calendar
from cic_assets.streams.load import BrokenFile

OWNERS = ["team:data-engineering"]
# What Dagster takes for an address; another one ended the loading of all definitions.
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def raw_assets(streams: Iterable[Stream], calendar: Calendar, broken: Iterable[BrokenFile] = ()) -> list[AssetSpec]:
    """One external asset per stream, partitioned by arrival date; of a broken file, one that says so."""
    streams = list(streams)
    known = {stream.id for stream in streams}
    unknown = {each.stream_id: each for each in broken if each.stream_id not in known}
    return [
        *(
            AssetSpec(
                raw_key(stream_id),
                description=f"Its stream file is broken: {each.reason}",
                group_name="raw",
                owners=OWNERS,
                partitions_def=calendar.days,
            )
            for stream_id, each in unknown.items()
        ),
        *(
            AssetSpec(
                raw_key(stream.id),
                description=f"{stream.description}\n\nLicence: {stream.licence}. Contact: {stream.contact}.",
                group_name="raw",
                # Where the operator gives no address, whoever runs the platform asks.
                owners=[stream.contact] if _ADDRESS.fullmatch(stream.contact) else OWNERS,
                kinds={stream.format.type},
                metadata={
                    "provider": stream.provider.name,
                    "authority": stream.authority.name,
                    "zone": stream.zone,
                    "claims": ", ".join(stream.claims),
                    "rule set": stream.rule_set,
                },
                partitions_def=calendar.days,
            )
            for stream in streams
        ),
    ]
