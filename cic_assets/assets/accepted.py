"""Accepted and quarantined rows of every kind: ingest as assets, partitioned by arrival date."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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

from cic_assets.assets.raw import OWNERS, raw_key
from cic_assets.lake import catalogue, tables
from cic_assets.lake.catalogue import Arrival
from cic_assets.lake.decode import DecodeError
from cic_assets.lake.digests import LakeDamagedError
from cic_assets.lake.ingest import IngestCount, ingest, rule_set_of
from cic_assets.lake.kinds import KINDS
from cic_assets.partitions import DAYS, day_range
from cic_assets.quality.expectations import BATCH_CHECKS, BLOCKING_BATCH_CHECKS, CheckOutcome, validate
from cic_assets.quality.rules import RULES, rules_of
from cic_assets.resources.platform import Platform
from cic_assets.resources.spark import SparkResource
from cic_assets.streams.model import Stream
from cic_assets.warehouse.connect import connect

ACCEPTED = {kind: AssetKey(["accepted", kind]) for kind in KINDS}
INGEST_OP = "accepted"
QUARANTINE = AssetKey(["quality", "quarantine"])
INGEST_COUNT = AssetKey(["quality", "ingest_count"])
RULE_COUNT = AssetKey(["quality", "rule_count"])


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


_DESCRIPTIONS = {
    "sessions": "Sessions that no row rule rejects, in the common model. Duplicates are still in: they are decided on "
    "read, over all arrivals.",
    "status": "Entries of charge points' timelines that no row rule rejects: events (a state begins) and polls "
    "(a feed lists the state at a moment).",
    "locations": "Charge points and connectors as operators list them, all versions; the registry is built from them.",
}


def _specs(streams: Sequence[Stream]) -> list[AssetSpec]:
    """What an ingest writes, each downstream of every raw stream."""
    return [
        *(
            AssetSpec(
                key,
                deps=[raw_key(stream.id) for stream in streams if stream.kind == kind],
                description=_DESCRIPTIONS[kind] + " Partition: arrival date (UTC).",
                group_name="lake",
                owners=OWNERS,
                kinds={"spark", "deltalake"},
                metadata={"dagster/column_schema": _table_schema(KINDS[kind].schema)},
            )
            for kind, key in ACCEPTED.items()
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
    """The multi-asset of ingest, with one check per rule and kind."""

    @multi_asset(
        name=INGEST_OP,
        specs=_specs(streams),
        partitions_def=DAYS,
        backfill_policy=BackfillPolicy.single_run(),
        check_specs=_check_specs(),
        # So that a run may leave out checks of kinds of which nothing came: their last result stays.
        can_subset=True,
    )
    def accepted(
        context: AssetExecutionContext, config: IngestConfig, platform: ResourceParam[Platform], spark: SparkResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        chosen = set(context.selected_asset_keys)
        kinds = [kind for kind, key in ACCEPTED.items() if key in chosen] or list(KINDS)
        counts, failures = _ingest_window(context, config, platform, spark, kinds)
        checks = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
        for result in _results(platform, counts):
            if (result.asset_key, result.check_name) in checks:
                yield result
        if failures:
            raise Failure("; ".join(failures))
        for day in {count.arrival_date for count in counts}:
            of_day = [count for count in counts if count.arrival_date == day]
            for key, rows in _row_counts(platform, of_day).items():
                if key in chosen:
                    context.add_asset_metadata({"dagster/partition_row_count": rows}, key, day.isoformat())
        for key, rows in _row_counts(platform, counts).items():
            if key in chosen:
                yield MaterializeResult(asset_key=key, metadata={"rows in run": rows, "arrivals in run": len(counts)})

    return accepted


def _row_counts(platform: Platform, counts: Sequence[IngestCount]) -> dict[AssetKey, int]:
    """Rows of each asset that some arrivals gave."""
    accepted = {key: sum(c.accepted for c in _of_kind(platform, counts, kind)) for kind, key in ACCEPTED.items()}
    return accepted | {
        QUARANTINE: sum(count.quarantined for count in counts),
        INGEST_COUNT: len(counts),
        RULE_COUNT: sum(1 for count in counts for fired in count.fired.values() if fired),
    }


def _results(platform: Platform, counts: Sequence[IngestCount]) -> Iterator[AssetCheckResult]:
    """The checks of every kind of which something came."""
    outcomes = _validate(platform, counts)
    for kind in KINDS:
        mine = [each for each in outcomes if platform.streams[each.stream_id].kind == kind]
        if mine:
            yield from _check_results(kind, mine)
            yield _unreadable(kind, mine, _of_kind(platform, counts, kind))
            yield from _incomplete(kind, _of_kind(platform, counts, kind))
    status = _of_kind(platform, counts, "status")
    if status:
        yield _unmapped(status)


def _of_kind(platform: Platform, counts: Sequence[IngestCount], kind: str) -> list[IngestCount]:
    return [count for count in counts if platform.streams[count.stream_id].kind == kind]


UNMAPPED = "unmapped_status"
INCOMPLETE = {
    "held": "every delivery has the stream file's personal fields; one that lacks some is held: nothing of it is "
    "decoded until the stream file is mended",
    "kept_as_decoded": "of deliveries whose originals were purged, the stream file asks for what was decoded of them",
}
# Deliveries that a check names; it counts all.
_NAMED = 20
# The rule whose check also says what could not be read.
UNREADABLE = "U01"


def _check_specs() -> list[AssetCheckSpec]:
    rules = [
        AssetCheckSpec(rule.id, asset=ACCEPTED[kind], description=f"{rule.severity}: {rule.message} ({rule.source})")
        for rule in RULES
        for kind in rule.kinds
    ]
    batch = [
        AssetCheckSpec(name, asset=key, description=text, blocking=name in BLOCKING_BATCH_CHECKS)
        for name, text in BATCH_CHECKS.items()
        for key in ACCEPTED.values()
    ]
    unmapped = AssetCheckSpec(
        UNMAPPED, asset=ACCEPTED["status"], description="every word for a state is in its stream's vocabulary"
    )
    incomplete = [
        AssetCheckSpec(name, asset=key, description=text)
        for name, text in INCOMPLETE.items()
        for key in ACCEPTED.values()
    ]
    return [*rules, *batch, unmapped, *incomplete]


def _incomplete(kind: str, counts: Sequence[IngestCount]) -> Iterator[AssetCheckResult]:
    """Names the deliveries that are held, and those of which the stream file asks for more than is left."""
    for name in INCOMPLETE:
        mine = [each for count in counts for each in count.incomplete if bool(each.held) == (name == "held")]
        yield AssetCheckResult(
            check_name=name,
            asset_key=ACCEPTED[kind],
            passed=not mine,
            severity=AssetCheckSeverity.WARN,
            description="; ".join(map(str, mine[:_NAMED])) if mine else None,
            metadata={"id": name, "count": len(mine)},
        )


def _unmapped(counts: Sequence[IngestCount]) -> AssetCheckResult:
    """Names the words that no vocabulary knows, and whose they are; their rows count as UNKNOWN."""
    found: Counter[tuple[str, str]] = Counter()
    for count in counts:
        found.update({(count.stream_id, word): rows for word, rows in count.unmapped.items()})
    words = ", ".join(f"{word!r} {rows} times in {stream}" for (stream, word), rows in sorted(found.items()))
    return AssetCheckResult(
        check_name=UNMAPPED,
        asset_key=ACCEPTED["status"],
        passed=not found,
        severity=AssetCheckSeverity.WARN,
        description=f"no vocabulary knows {words}: add to vocabulary.words of the stream file" if found else None,
        metadata={"id": "E03", "count": sum(found.values()), "words": words},
    )


def _unreadable(kind: str, outcomes: Sequence[CheckOutcome], counts: Sequence[IngestCount]) -> AssetCheckResult:
    """Names the columns of which values are there and were not read, and how many; the rule's own audit with it."""
    found: Counter[tuple[str, str]] = Counter()
    there: Counter[tuple[str, str]] = Counter()
    for count in counts:
        found.update({(count.stream_id, name): unread for name, (_, unread) in count.unreadable.items() if unread})
        there.update({(count.stream_id, name): present for name, (present, _) in count.unreadable.items()})
    said = ", ".join(
        f"{name} of {stream} {rows} of {there[stream, name]}" for (stream, name), rows in sorted(found.items())
    )
    broken = [outcome for outcome in outcomes if outcome.check == UNREADABLE and not outcome.passed]
    return AssetCheckResult(
        check_name=UNREADABLE,
        asset_key=ACCEPTED[kind],
        passed=not found and not broken,
        severity=AssetCheckSeverity.ERROR if broken else AssetCheckSeverity.WARN,
        description=f"values that are there can't be read: {said}: mend the expressions of the stream file or the feed"
        if found
        else None,
        metadata={
            "id": UNREADABLE,
            "count": sum(found.values()),
            "columns": said,
            "found": MetadataValue.text("; ".join(f"{outcome.stream_id}: {outcome.detail}" for outcome in broken)),
        },
    )


def _ingest_window(
    context: AssetExecutionContext,
    config: IngestConfig,
    platform: ResourceParam[Platform],
    spark: SparkResource,
    kinds: Sequence[str],
) -> tuple[list[IngestCount], list[str]]:
    """Ingests the window's arrivals; those with a defect or a damage are left as they were, the others go on.

    Returns:
        (counts, what went wrong).
    """
    settings, streams = platform.settings, platform.streams
    found = _arrivals_of(context, config, platform)
    counts: list[IngestCount] = []
    defects: list[str] = []

    def audit(count: IngestCount) -> bool:
        counts.append(count)
        wrong = _defects_of(count)
        defects.extend(wrong)
        return not wrong

    def ingest_stream(stream: Stream) -> None:
        mine = found.get(stream.id)
        if not mine:
            return
        counts[:] = [count for count in counts if count.stream_id != stream.id]
        replaced = ingest(settings, spark.session, stream, mine, context.run_id, audit)
        context.log.info(
            f"{stream.id}, {len(replaced)} arrivals: {sum(c.rows_in for c in replaced)} in, "
            f"{sum(c.accepted for c in replaced)} accepted, {sum(c.quarantined for c in replaced)} quarantined, "
            f"{sum(c.skipped for c in replaced)} skipped"
        )

    # Locations first: the registry is there when states and sessions are flagged.
    mine_first = sorted(streams.values(), key=lambda each: (each.kind != "locations", each.id))
    damages = _each([each for each in mine_first if each.kind in kinds], ingest_stream)
    # The registry is made of all locations: what one stream lacked, another one may have mended since.
    damages = _each([streams[stream_id] for stream_id in damages], ingest_stream)
    failures = ["rules contradict themselves or records got lost, nothing was replaced: " + "; ".join(defects)]
    return counts, [*(failures if defects else []), *damages.values()]


def _arrivals_of(
    context: AssetExecutionContext, config: IngestConfig, platform: ResourceParam[Platform]
) -> dict[str, list[Arrival]]:
    """The window's arrivals that the run covers, by stream."""
    settings, streams = platform.settings, platform.streams
    unknown = sorted(set(config.streams) - set(streams))
    if unknown:
        raise Failure(f"no stream {', '.join(unknown)}; `cic streams list` shows all")
    keys = context.partition_key_range
    start, end = day_range(keys.start, keys.end)
    with connect(settings) as connection:
        found = catalogue.arrivals(connection, config.streams or list(streams), start, end)
        done = catalogue.ingested(connection)
    chosen: dict[str, list[Arrival]] = {}
    for arrival in found:
        stream = streams[arrival.stream_id]
        last = done.get((stream.id, arrival.arrival_date))
        if not config.pending_only or last != arrival.fingerprint(stream, rule_set_of(settings, stream)):
            chosen.setdefault(stream.id, []).append(arrival)
    return chosen


def _defects_of(count: IngestCount) -> list[str]:
    """Why an arrival may not be replaced: rules that contradict themselves, records that got lost."""
    wrong = [f"{rule} on {rows} rows" for rule, rows in count.disagreements.items() if rows]
    said = [", ".join(wrong)] if wrong else []
    if count.unaccounted:
        said.append(f"{count.unaccounted} of {count.rows_in} decoded records are nowhere")
    return [f"{count.stream_id}, arrival {count.arrival_date}: {each}" for each in said]


def _each(streams: Sequence[Stream], work: Callable[[Stream], None]) -> dict[str, str]:
    """Does something for each stream; of whom the lake has lost something, and what."""
    damages: dict[str, str] = {}
    for stream in streams:
        try:
            work(stream)
        except (LakeDamagedError, DecodeError) as error:
            damages[stream.id] = str(error)
    return damages


def _validate(platform: Platform, counts: Sequence[IngestCount]) -> list[CheckOutcome]:
    outcomes: list[CheckOutcome] = []
    for stream_id in sorted({count.stream_id for count in counts}):
        stream = platform.streams[stream_id]
        rules = rules_of(rule_set_of(platform.settings, stream), stream.kind)
        mine = [count for count in counts if count.stream_id == stream_id]
        outcomes += validate(stream, rules, mine, platform.settings.home / "data_docs" / stream_id)
    return outcomes


def _check_results(kind: str, outcomes: Sequence[CheckOutcome]) -> Iterator[AssetCheckResult]:
    """One result per check, over all streams of the run; a check that no stream has is passed and says so."""
    messages = {rule.id: rule.message for rule in RULES if kind in rule.kinds} | BATCH_CHECKS
    warnings = set(BATCH_CHECKS) - set(BLOCKING_BATCH_CHECKS)
    messages.pop(UNREADABLE)
    for name, message in messages.items():
        mine = [outcome for outcome in outcomes if outcome.check == name]
        failed = [outcome for outcome in mine if not outcome.passed]
        count = sum(outcome.count for outcome in failed)
        yield AssetCheckResult(
            check_name=name,
            asset_key=ACCEPTED[kind],
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
