"""The platform's checks and findings as Dagster's."""

from __future__ import annotations

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, AssetKey

from cic_assets.facts.finding import Check, Finding


def key_of(table: str) -> AssetKey:
    """`facts.charging_session` is the asset facts/charging_session."""
    return AssetKey(table.split("."))


def check_spec(check: Check) -> AssetCheckSpec:
    """The check as Dagster declares it."""
    return AssetCheckSpec(
        check.name, asset=key_of(check.table), description=check.description, blocking=check.is_blocking
    )


def check_result(finding: Finding) -> AssetCheckResult:
    """What it found."""
    return AssetCheckResult(
        check_name=finding.check,
        asset_key=key_of(finding.table),
        passed=finding.passed,
        severity=AssetCheckSeverity.WARN if finding.is_warning else AssetCheckSeverity.ERROR,
        description=finding.text,
        metadata=dict(finding.figures),
    )
