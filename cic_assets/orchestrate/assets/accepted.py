"""Accepted and quarantined rows of every kind: ingest as assets, partitioned by arrival date."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Config,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    TableColumn,
    TableSchema,
    multi_asset,
)
from pydantic import Field

from cic_assets.calendar import is_in_calendar
from cic_assets.facts.unfinished import missing_check, no_stream_is_missing
from cic_assets.ingest import deliveries
from cic_assets.ingest.attempt import Attempt, attempt_all, fail
from cic_assets.ingest.count import IngestCount
from cic_assets.ingest.feeds import feed_states
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.stream import Stream
from cic_assets.lake import tables
from cic_assets.ledger import arrivals as ledger
from cic_assets.ledger import catalogue
from cic_assets.ledger.catalogue import Arrival
from cic_assets.ledger.failures import IngestFailure, failures, tried_as
from cic_assets.orchestrate.assets.checks import check_result, check_spec
from cic_assets.orchestrate.assets.delivery_checks import delivery_results
from cic_assets.orchestrate.assets.feed_checks import feed_results
from cic_assets.orchestrate.assets.keys import ACCEPTED, accepted_key, raw_key
from cic_assets.orchestrate.assets.raw import OWNERS
from cic_assets.orchestrate.assets.stream_checks import NAMED, check_specs, count_checks, ingested
from cic_assets.orchestrate.doors import opened
from cic_assets.orchestrate.liveness import of_run
from cic_assets.orchestrate.partitions import Calendar, day_range, keys_of
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.orchestrate.resources.spark import SparkResource
from cic_assets.parts import Parts

INGEST_OP = "accepted"
QUARANTINE = AssetKey(["quality", "quarantine"])
INGEST_COUNT = AssetKey(["quality", "ingest_count"])
RULE_COUNT = AssetKey(["quality", "rule_count"])
# On a run that failed for these streams' sake alone: everything else of it is in place.
FAILED_STREAMS_TAG = "cic/failed_streams"
# In the failure's metadata: a line for each of them.
FAILED_STREAMS = "failed streams"


def ingest_keys(streams: Iterable[Stream]) -> list[AssetKey]:
    """What an ingest of some streams writes."""
    mine = sorted(streams, key=lambda stream: stream.id)
    kinds = sorted({stream.kind for stream in mine})
    return [*map(accepted_key, mine), *(ACCEPTED[kind] for kind in kinds), QUARANTINE, INGEST_COUNT, RULE_COUNT]


class IngestConfig(Config):
    """What an ingest run covers.

    Attributes:
        streams: ids; none for all.
        pending_only: leave out arrivals whose objects, stream file and rules are as at their last ingest.
        given_up_too: try also what failed so often that it waits for a person.
    """

    streams: list[str] = Field(default_factory=list)
    pending_only: bool = False
    given_up_too: bool = True


def _table_schema(names_and_types: Sequence[Any]) -> TableSchema:
    return TableSchema([TableColumn(field.name, str(field.type)) for field in names_and_types])


def _specs(streams: Sequence[Stream], calendar: Calendar) -> list[AssetSpec]:
    """What an ingest writes: each stream's rows, and the tables that all streams share."""
    common: dict[str, Any] = {"owners": OWNERS}
    of_all = [accepted_key(stream) for stream in streams]
    return [
        *(
            # Without partitions: an event for each day of a range and stream cost more than the ingest.
            AssetSpec(
                accepted_key(stream),
                deps=[raw_key(stream.id)],
                description=f"Rows of {stream.id} that no row rule rejects. Red: the last ingest could not take all of "
                "its arrivals; it keeps the rows that it had. Its checks are of the arrivals of its last ingest.",
                group_name="lake",
                kinds={"spark", "deltalake"},
                **common,
            )
            for stream in streams
        ),
        *(
            AssetSpec(
                key,
                deps=[accepted_key(stream) for stream in streams if stream.kind == kind],
                description=KINDS[kind].description + " Partition: arrival date (UTC).",
                group_name="lake",
                kinds={"spark", "deltalake"},
                metadata={"dagster/column_schema": _table_schema(KINDS[kind].schema)},
                partitions_def=calendar.days,
                **common,
            )
            for kind, key in ACCEPTED.items()
        ),
        AssetSpec(
            QUARANTINE,
            deps=of_all,
            description="Rows that a rule rejects, with all reasons and their text. Nothing is ever deleted.",
            group_name="quality",
            kinds={"postgres"},
            metadata={"dagster/column_schema": _table_schema(tables.QUARANTINE)},
            partitions_def=calendar.days,
            **common,
        ),
        *(
            AssetSpec(
                key,
                deps=of_all,
                description=description,
                group_name="quality",
                kinds={"postgres"},
                partitions_def=calendar.days,
                **common,
            )
            for key, description in (
                (INGEST_COUNT, "Rows in, accepted and quarantined, per stream and arrival."),
                (RULE_COUNT, "How often each rule fired, per stream and arrival."),
            )
        ),
    ]


def accepted_assets(streams: Sequence[Stream], calendar: Calendar) -> AssetsDefinition:
    """The multi-asset of ingest: an asset per stream, with its checks, and the tables of all."""
    missing = [check_spec(missing_check(f"accepted.{kind}", kind)) for kind in KINDS]

    @multi_asset(
        name=INGEST_OP,
        specs=_specs(streams, calendar),
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=[*(spec for stream in streams for spec in check_specs(stream)), *missing],
        # So that a run is of some streams, and the others' checks stay as they are.
        can_subset=True,
    )
    def accepted(
        context: AssetExecutionContext, config: IngestConfig, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        chosen = set(context.selected_asset_keys)
        wanted = _wanted(context, config, platform)
        with opened(platform.settings, platform.streams.values(), lambda: spark.session) as parts:
            attempts = _attempts(context, config, platform, parts, wanted)
            results = [result for each in attempts for result in _count_checks(context, parts, each)]
            with parts.warehouse.transaction() as connection:
                failed = list(failures(connection).values())
                states = feed_states(connection, wanted, dt.datetime.now(dt.UTC))
        results += feed_results(platform.streams, states)
        results += _failure_checks(platform, wanted, failed)
        selected = {(check.asset_key, check.name) for check in context.selected_asset_check_keys}
        yield from (each for each in results if (each.asset_key, each.check_name) in selected)
        counts = [count for each in attempts for count in each.replaced]
        _add_days(context, platform, counts, chosen)
        red = {each.stream.id for each in attempts if each.failures}
        yield from _materialized([stream for stream in wanted if stream.id not in red], counts, chosen)
        for key, rows in _row_counts(platform, counts).items():
            if key in chosen:
                yield MaterializeResult(asset_key=key, metadata={"rows in run": rows, "arrivals in run": len(counts)})
        if red:
            context.instance.add_run_tags(context.run_id, {FAILED_STREAMS_TAG: of_run(context.run_id, ",".join(red))})
            raise _failure([failure for failure in failed if failure.run_id == context.run_id])

    return accepted


def _failure(failed: Sequence[IngestFailure]) -> Failure:
    """What the run ends with, when everything that could be taken is in place."""
    lines = [str(failure) for failure in failed]
    text = "; ".join(lines[:NAMED]) + (f" and {len(lines) - NAMED} more" if len(lines) > NAMED else "")
    return Failure(text, metadata={FAILED_STREAMS: MetadataValue.json(lines)}, allow_retries=False)


def _attempts(
    context: AssetExecutionContext,
    config: IngestConfig,
    platform: Platform,
    parts: Parts,
    streams: Sequence[Stream],
) -> list[Attempt]:
    """Ingests the streams' arrivals, each stream by itself."""
    found = _arrivals_of(context, config, platform, parts, streams)
    due = [(stream, found[stream.id]) for stream in streams if stream.id in found]
    attempts = attempt_all(parts, due, context.run_id)
    for each in attempts:
        done = each.replaced
        context.log.info(
            f"{each.stream.id}, {len(done)} arrivals: {sum(c.rows_in for c in done)} in, "
            f"{sum(c.accepted for c in done)} accepted, {sum(c.quarantined for c in done)} quarantined, "
            f"{sum(c.skipped for c in done)} skipped"
        )
        for trace in each.traces:
            context.log.error(f"{each.stream.id} failed by itself:\n{trace}")
    return attempts


def _count_checks(context: AssetExecutionContext, parts: Parts, each: Attempt) -> list[AssetCheckResult]:
    """The checks of a stream of which something came."""
    if not each.counts:
        return []
    rule_set, docs = parts.rule_set_of(each.stream), parts.home / "data_docs" / each.stream.id
    try:
        with parts.warehouse.transaction() as connection:
            incomplete = deliveries.held(connection, each.stream.id)
        results = delivery_results(accepted_key(each.stream), each.counts, incomplete)
        return [*count_checks(each.stream, rule_set, each.counts, docs), *results]
    except Exception as error:
        fail(parts, each, each.counts[-1].arrival_date, error, context.run_id)
        context.log.error(f"{each.stream.id}: its checks failed:\n{each.traces[-1]}")
        return []


def _failure_checks(
    platform: Platform, streams: Sequence[Stream], failed: Sequence[IngestFailure]
) -> list[AssetCheckResult]:
    """Of each stream what ingest could not take, and of each table who is missing."""
    kinds = {stream_id: stream.kind for stream_id, stream in platform.streams.items()}
    return [
        *(ingested(stream, [each for each in failed if each.stream_id == stream.id]) for stream in streams),
        *(
            check_result(
                no_stream_is_missing(f"accepted.{kind}", [each for each in failed if kinds.get(each.stream_id) == kind])
            )
            for kind in KINDS
        ),
    ]


def _materialized(
    streams: Iterable[Stream], counts: Sequence[IngestCount], chosen: set[AssetKey]
) -> Iterator[MaterializeResult[Any]]:
    for stream in streams:
        if accepted_key(stream) in chosen:
            mine = [count for count in counts if count.stream_id == stream.id]
            days = ", ".join(str(count.arrival_date) for count in mine[:NAMED])
            yield MaterializeResult(
                asset_key=accepted_key(stream),
                metadata={"rows in run": sum(count.accepted for count in mine), "arrivals": days or "none was due"},
            )


def _add_days(
    context: AssetExecutionContext, platform: Platform, counts: Sequence[IngestCount], chosen: set[AssetKey]
) -> None:
    for day in {count.arrival_date for count in counts} & _partitions(context):
        of_day = [count for count in counts if count.arrival_date == day]
        for key, rows in _row_counts(platform, of_day).items():
            if key in chosen:
                context.add_asset_metadata({"dagster/partition_row_count": rows}, key, day.isoformat())


def _partitions(context: AssetExecutionContext) -> set[dt.date]:
    """The days of a run that have a partition."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return set()
    return {dt.date.fromisoformat(key) for key in context.partition_keys}


def _row_counts(platform: Platform, counts: Sequence[IngestCount]) -> dict[AssetKey, int]:
    """Rows of each asset that some arrivals gave."""
    accepted = {key: sum(c.accepted for c in _of_kind(platform, counts, kind)) for kind, key in ACCEPTED.items()}
    return accepted | {
        QUARANTINE: sum(count.quarantined for count in counts),
        INGEST_COUNT: len(counts),
        RULE_COUNT: sum(1 for count in counts for fired in count.fired.values() if fired),
    }


def _of_kind(platform: Platform, counts: Sequence[IngestCount], kind: str) -> list[IngestCount]:
    return [count for count in counts if platform.streams[count.stream_id].kind == kind]


def _wanted(context: AssetExecutionContext, config: IngestConfig, platform: Platform) -> list[Stream]:
    """The streams that a run is about; the registry first: it is there when states and sessions are flagged."""
    unknown = sorted(set(config.streams) - set(platform.streams))
    if unknown:
        raise Failure(f"no stream {', '.join(unknown)}; `cic streams list` shows all")
    streams = platform.streams.values()
    chosen = set(context.selected_asset_keys)
    named = chosen | {check.asset_key for check in context.selected_asset_check_keys}
    mine = [
        each for each in streams if each.id in config.streams or (not config.streams and accepted_key(each) in named)
    ]
    if not mine and chosen:
        kinds = {kind for kind, key in ACCEPTED.items() if key in chosen} or set(KINDS)
        mine = [each for each in streams if each.kind in kinds]
    return sorted(mine, key=lambda each: (not KINDS[each.kind].is_first, each.id))


def _arrivals_of(
    context: AssetExecutionContext, config: IngestConfig, platform: Platform, parts: Parts, streams: Sequence[Stream]
) -> dict[str, list[Arrival]]:
    """The arrivals that the run covers, by stream: those of its window; without a window all.

    Where somebody executes a check alone, the newest of its stream.
    """
    with parts.warehouse.transaction() as connection:
        found = catalogue.arrivals(connection, [stream.id for stream in streams])
        done, failed = ledger.ingested(connection), failures(connection)
    is_covered = _window_of(context, config)
    by_stream: dict[str, list[Arrival]] = {stream.id: [] for stream in streams}
    for arrival in found:
        stream, key = platform.streams[arrival.stream_id], (arrival.stream_id, arrival.arrival_date)
        recipe = parts.recipe_of(stream)
        if not is_covered(arrival.arrival_date):
            continue
        if config.pending_only and done.get(key) == arrival.fingerprint(recipe):
            continue
        if not config.given_up_too and key in failed and failed[key].is_given_up(tried_as(recipe, arrival)):
            continue
        by_stream[stream.id].append(arrival)
    if not context.selected_asset_keys:
        by_stream = {stream_id: arrivals[-1:] for stream_id, arrivals in by_stream.items()}
    return {stream_id: arrivals for stream_id, arrivals in by_stream.items() if arrivals}


def _window_of(context: AssetExecutionContext, config: IngestConfig) -> Callable[[dt.date], bool]:
    """Says of an arrival date whether the run covers it; of named streams also one on which nothing can arrive."""
    keys = keys_of(context)
    if keys is None:
        return lambda day: True
    start, end = day_range(*keys)
    return lambda day: start <= day < end or (bool(config.streams) and not is_in_calendar(day))
