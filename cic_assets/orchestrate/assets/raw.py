"""Raw streams: one asset per stream file. To materialise one whose file has a `source` is to fetch it now.

Others are external: nothing runs, and the arrivals sensor reports what it sees.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from cic_assets.fetch.poll import poll
from cic_assets.kinds.stream import Stream
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.polls import Poll
from cic_assets.orchestrate.assets.keys import raw_key
from cic_assets.orchestrate.partitions import Calendar, keys_of
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.streams.load import BrokenFile

OWNERS = ["team:data-engineering"]
# What Dagster takes for an address; another one ended the loading of all definitions.
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


# In an event's metadata: a digest of what has arrived.
CONTENTS = "contents"
# So many of its own periods without a good poll, and a feed is not fresh.
PERIODS_OF_FRESHNESS = 3


def raw_assets(
    streams: Iterable[Stream], calendar: Calendar, broken: Iterable[BrokenFile] = ()
) -> list[AssetSpec | AssetsDefinition]:
    """One asset per stream, partitioned by arrival date; of a broken file, one that says so."""
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
        *(_spec(stream, calendar) if stream.source is None else _fetched(stream, calendar) for stream in streams),
    ]


def _spec(stream: Stream, calendar: Calendar) -> AssetSpec:
    source = stream.source
    fetched = {} if source is None else {"source": source.type, "fetched every": str(source.every)}
    return AssetSpec(
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
            **fetched,
        },
        partitions_def=calendar.days,
        freshness_policy=None
        if source is None
        else FreshnessPolicy.time_window(fail_window=PERIODS_OF_FRESHNESS * source.every),
    )


def _fetched(stream: Stream, calendar: Calendar) -> AssetsDefinition:
    """A raw stream that a run fetches."""

    @multi_asset(
        name=f"fetch_{stream.id.replace('-', '__')}",
        specs=[_spec(stream, calendar)],
        partitions_def=calendar.days,
        backfill_policy=BackfillPolicy.single_run(),
        description="Fetches the feed now; what comes arrives today, so that today is the only partition to choose.",
    )
    def fetch(context: AssetExecutionContext, platform: ResourceParam[Platform]) -> MaterializeResult[Any]:
        today = dt.datetime.now(dt.UTC).date()
        if keys_of(context) != (today.isoformat(), today.isoformat()):
            raise Failure(
                f"a feed is fetched now, and arrives today: choose the partition {today}. What came on other days is "
                "there already, or was never fetched; `cic poll --since` asks for older sessions and CDRs",
                allow_retries=False,
            )
        done = poll(platform.parts, platform.streams[stream.id])
        if not done.is_good:
            raise Failure(f"{stream.id}: {done.error}", metadata=_said(done), allow_retries=False)
        return MaterializeResult(metadata=_said(done))

    return fetch


def _said(done: Poll) -> dict[str, Any]:
    return {"answers": len(done.answers), "new": done.new_count, "bytes": done.byte_count, "poll": done.outcome}


def poll_event(done: Poll) -> AssetMaterialization:
    """Says that a feed was fetched; what has arrived of it, the crawler says."""
    return AssetMaterialization(
        raw_key(done.stream_id), partition=done.started_at.date().isoformat(), metadata=_said(done)
    )


def raw_event(arrival: Arrival) -> AssetMaterialization:
    """Says what has arrived."""
    seen = sorted(f"{each.sha256}:{each.sightings}" for each in arrival.objects)
    return AssetMaterialization(
        raw_key(arrival.stream_id),
        partition=str(arrival.arrival_date),
        metadata={
            "objects": len(arrival.objects),
            "files": ", ".join(sorted(o.original_name for o in arrival.objects)),
            CONTENTS: hashlib.sha256("\0".join(seen).encode()).hexdigest()[:16],
        },
    )
