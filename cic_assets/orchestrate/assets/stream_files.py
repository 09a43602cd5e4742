"""Stream files as checks of the raw streams: a broken one is red on its own stream's asset, and stops no other."""

from collections.abc import Iterable, Iterator

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    DagsterInstance,
    MetadataValue,
    ResourceParam,
    multi_asset_check,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from cic_assets.orchestrate.assets.keys import raw_key
from cic_assets.orchestrate.resources.platform import Platform
from cic_assets.streams.load import BrokenFile

STREAM_FILE = "stream_file"


def stream_file_checks(stream_ids: Iterable[str]) -> AssetChecksDefinition:
    """One check per stream: its file can be loaded. Executed, it reads the file again."""

    @multi_asset_check(
        name="stream_files",
        specs=[
            AssetCheckSpec(STREAM_FILE, asset=raw_key(each), description="the stream file can be loaded")
            for each in sorted(set(stream_ids))
        ],
        can_subset=True,
    )
    def stream_files(
        context: AssetCheckExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[AssetCheckResult]:
        broken = platform.renewed().broken
        for key in context.selected_asset_check_keys:
            reason = _reason(key.asset_key, broken)
            yield AssetCheckResult(
                asset_key=key.asset_key,
                check_name=STREAM_FILE,
                passed=not reason,
                severity=AssetCheckSeverity.ERROR,
                description=reason or None,
            )

    return stream_files


def file_events(
    instance: DagsterInstance, stream_ids: Iterable[str], broken: Iterable[BrokenFile]
) -> list[AssetCheckEvaluation]:
    """What is news of the streams' files: one is broken, in another way than it was, or is mended.

    Args:
        instance: knows what was said before.
        stream_ids: streams with a check.
        broken: files that can't be loaded now.
    """
    keys = [AssetCheckKey(raw_key(each), STREAM_FILE) for each in stream_ids]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    events = []
    for key in keys:
        before = _said_before(latest.get(key))
        reason = _reason(key.asset_key, broken)
        if reason != before:
            events.append(
                AssetCheckEvaluation(
                    asset_key=key.asset_key,
                    check_name=STREAM_FILE,
                    passed=not reason,
                    severity=AssetCheckSeverity.ERROR,
                    description=reason or None,
                    metadata={"file": MetadataValue.text(reason.partition(":")[0])} if reason else {},
                )
            )
    return events


def _said_before(record: AssetCheckExecutionRecord | None) -> str:
    if record is None or record.event is None or record.event.dagster_event is None:
        return ""
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    return "" if evaluation.passed else str(evaluation.description)


def _reason(key: AssetKey, broken: Iterable[BrokenFile]) -> str:
    return "; ".join(each.reason for each in broken if raw_key(each.stream_id) == key)
