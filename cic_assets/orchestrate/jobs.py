"""The jobs: what runs together; when, say schedules and sensors. A job never mixes daily and monthly assets."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetsDefinition, AssetSelection, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from cic_assets.orchestrate.partitions import Calendar

INGEST = "ingest"
DAILY = "daily"
MONTHLY = "monthly"
DIMENSIONS = "dimensions"
# Dagster's name of all definitions together, at the location of `workspace.yaml`.
REPOSITORY = "__repository__@cic"


def build_jobs(
    arrivals: Sequence[AssetsDefinition],
    daily: Sequence[AssetsDefinition],
    monthly: Sequence[AssetsDefinition],
    unpartitioned: Sequence[AssetsDefinition],
    calendar: Calendar,
) -> list[UnresolvedAssetJobDefinition]:
    """One job per cadence."""
    return [
        define_asset_job(
            INGEST,
            selection=AssetSelection.assets(*arrivals),
            partitions_def=calendar.days,
            description="Decode, harmonise, judge and accept the arrivals of a range of days; then the quality marts.",
        ),
        define_asset_job(
            DAILY,
            selection=AssetSelection.assets(*daily),
            partitions_def=calendar.days,
            description="Status facts and daily marts of a range of local days.",
        ),
        define_asset_job(
            MONTHLY,
            selection=AssetSelection.assets(*monthly),
            partitions_def=calendar.months,
            description="Facts of sessions and charge points, and monthly marts, of a range of months.",
        ),
        define_asset_job(
            DIMENSIONS,
            selection=AssetSelection.assets(*unpartitioned),
            description="The dimensions: views, so they need building once and after a change of their SQL.",
        ),
    ]
