"""Accepted and quarantined sessions: ingest as assets, partitioned by arrival date."""

from collections.abc import Iterator, Sequence
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
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

from cic_assets.assets.raw import raw_key
from cic_assets.lake import catalogue, tables
from cic_assets.lake.ingest import IngestCount, ingest, rule_set_of
from cic_assets.partitions import DAYS, day_range
from cic_assets.quality.expectations import BATCH_CHECKS, BLOCKING_BATCH_CHECKS, CheckOutcome, validate
from cic_assets.quality.rules import RULES, rules_of
from cic_assets.resources.platform import Platform
from cic_assets.resources.spark import SparkResource
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect

ACCEPTED_SESSIONS = AssetKey(["accepted", "sessions"])
QUARANTINE = AssetKey(["quality", "quarantine"])
INGEST_COUNT = AssetKey(["quality", "ingest_count"])
RULE_COUNT = AssetKey(["quality", "rule_count"])
OWNERS = ["team:data-engineering"]


class RuleDefectError(Exception):
    """A rule contradicts itself on rows of an arrival; the arrival was not replaced."""


class IngestConfig(Config):
    """What an ingest run covers.

    Attributes:
        streams: ids; none for all.
        pending_only: leave out arrivals whose objects, stream file and rules are as at their last ingest.
    """

    streams: list[str] = Field(default_factory=list)
    pending_only: bool = False


def _table_schema(names_and_types: Sequence[Any]) -> TableSchema:
    return TableSchema([TableColumn(field.name, str(field.type)) for field in names_and_types])


def _specs(streams: Sequence[Stream]) -> list[AssetSpec]:
    """What an ingest writes, each downstream of every raw stream."""
    return [
        AssetSpec(
            ACCEPTED_SESSIONS,
            deps=[raw_key(stream.id) for stream in streams],
            description="Sessions that no row rule rejects, in the common model. Duplicates are still in: they are "
            "decided on read, over all arrivals. Partition: arrival date (UTC).",
            group_name="lake",
            owners=OWNERS,
            kinds={"spark", "deltalake"},
            metadata={"dagster/column_schema": _table_schema(tables.ACCEPTED_SESSIONS)},
        ),
        AssetSpec(
            QUARANTINE,
            deps=[raw_key(stream.id) for stream in streams],
            description="Rows that a rule rejects, with all reasons and their text. Nothing is ever deleted.",
            group_name="quality",
            owners=OWNERS,
            kinds={"postgres", "deltalake"},
            metadata={"dagster/column_schema": _table_schema(tables.QUARANTINE)},
        ),
        *(
            AssetSpec(
                key,
                deps=[raw_key(stream.id) for stream in streams],
                description=description,
                group_name="quality",
                owners=OWNERS,
                kinds={"postgres"},
            )
            for key, description in (
                (INGEST_COUNT, "Rows in, accepted and quarantined, per stream and arrival."),
                (RULE_COUNT, "How often each rule fired, per stream and arrival."),
            )
        ),
    ]


def accepted_assets(streams: Sequence[Stream]) -> AssetsDefinition:
    """The multi-asset of session ingest, with one check per rule."""

    @multi_asset(
        name="accepted_sessions",
        specs=_specs(streams),
        partitions_def=DAYS,
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=_check_specs(),
    )
    def accepted_sessions(
        context: AssetExecutionContext, config: IngestConfig, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        counts, defects = _ingest_window(context, config, platform, spark)
        outcomes = _validate(platform, counts)
        yield from _check_results(outcomes)
        if defects:
            raise Failure(
                "rules contradict themselves, nothing was replaced: " + "; ".join(defects),
                metadata={"arrivals": len(defects)},
            )
        for day in {count.arrival_date for count in counts}:
            _add_partition_metadata(context, day.isoformat(), [count for count in counts if count.arrival_date == day])
        for key, rows in (
            (ACCEPTED_SESSIONS, sum(count.accepted for count in counts)),
            (QUARANTINE, sum(count.quarantined for count in counts)),
            (INGEST_COUNT, len(counts)),
            (RULE_COUNT, sum(1 for count in counts for fired in count.fired.values() if fired)),
        ):
            yield MaterializeResult(asset_key=key, metadata={"rows in run": rows, "arrivals in run": len(counts)})

    return accepted_sessions


def _check_specs() -> list[AssetCheckSpec]:
    rules = [
        AssetCheckSpec(rule.id, asset=ACCEPTED_SESSIONS, description=f"{rule.severity}: {rule.message} ({rule.source})")
        for rule in RULES
    ]
    batch = [
        AssetCheckSpec(name, asset=ACCEPTED_SESSIONS, description=text, blocking=name in BLOCKING_BATCH_CHECKS)
        for name, text in BATCH_CHECKS.items()
    ]
    return rules + batch


def _ingest_window(
    context: AssetExecutionContext, config: IngestConfig, platform: ResourceParam[Platform], spark: SparkResource
) -> tuple[list[IngestCount], list[str]]:
    """Ingests the window's arrivals one by one; an arrival with a defect is left as it was, the others go on."""
    settings, streams = platform.settings, platform.streams
    unknown = sorted(set(config.streams) - set(streams))
    if unknown:
        raise Failure(f"no stream {', '.join(unknown)}; `cic streams list` shows all")
    keys = context.partition_key_range
    start, end = day_range(keys.start, keys.end)
    with connect(settings) as connection:
        found = catalogue.arrivals(connection, config.streams or list(streams), start, end)
        done = catalogue.ingested(connection)
    counts: list[IngestCount] = []
    defects: list[str] = []

    def audit(count: IngestCount) -> None:
        counts.append(count)
        wrong = {rule: rows for rule, rows in count.disagreements.items() if rows}
        if wrong:
            said = ", ".join(f"{rule} on {rows} rows" for rule, rows in wrong.items())
            raise RuleDefectError(f"{count.stream_id}, arrival {count.arrival_date}: {said}")

    for arrival in found:
        stream = streams[arrival.stream_id]
        fingerprint = arrival.fingerprint(stream, rule_set_of(settings, stream))
        if config.pending_only and done.get((stream.id, arrival.arrival_date)) == fingerprint:
            continue
        try:
            count = ingest(settings, spark.session, stream, arrival, context.run_id, audit)
        except RuleDefectError as error:
            defects.append(str(error))
        else:
            context.log.info(
                f"{stream.id} {arrival.arrival_date}: {count.rows_in} in, {count.accepted} accepted, "
                f"{count.quarantined} quarantined"
            )
    return counts, defects


def _validate(platform: Platform, counts: Sequence[IngestCount]) -> list[CheckOutcome]:
    outcomes: list[CheckOutcome] = []
    for stream_id in sorted({count.stream_id for count in counts}):
        stream = platform.streams[stream_id]
        rules = rules_of(rule_set_of(platform.settings, stream))
        mine = [count for count in counts if count.stream_id == stream_id]
        outcomes += validate(stream, rules, mine, platform.settings.home / "data_docs" / stream_id)
    return outcomes


def _check_results(outcomes: Sequence[CheckOutcome]) -> Iterator[AssetCheckResult]:
    """One result per check, over all streams of the run; a check that no stream has is passed and says so."""
    messages = {rule.id: rule.message for rule in RULES} | BATCH_CHECKS
    warnings = set(BATCH_CHECKS) - set(BLOCKING_BATCH_CHECKS)
    for name, message in messages.items():
        mine = [outcome for outcome in outcomes if outcome.check == name]
        failed = [outcome for outcome in mine if not outcome.passed]
        count = sum(outcome.count for outcome in failed)
        yield AssetCheckResult(
            check_name=name,
            asset_key=ACCEPTED_SESSIONS,
            passed=not failed,
            severity=AssetCheckSeverity.WARN if name in warnings else AssetCheckSeverity.ERROR,
            description=f"{name}: {count} against: {message}" if failed else None,
            metadata={
                "id": name,
                "count": count,
                "streams checked": len(mine),
                "found": MetadataValue.text("; ".join(f"{outcome.stream_id}: {outcome.detail}" for outcome in failed)),
            },
        )


def _add_partition_metadata(context: AssetExecutionContext, key: str, counts: Sequence[IngestCount]) -> None:
    accepted = sum(count.accepted for count in counts)
    quarantined = sum(count.quarantined for count in counts)
    context.add_asset_metadata({"dagster/partition_row_count": accepted}, ACCEPTED_SESSIONS, key)
    context.add_asset_metadata({"dagster/partition_row_count": quarantined}, QUARANTINE, key)
