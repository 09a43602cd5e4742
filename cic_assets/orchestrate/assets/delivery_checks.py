"""Dagster's checks of deliveries as a whole: what is held, what is unusual, and what can't be decoded anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagster import AssetCheckResult, AssetCheckSeverity, AssetKey

from cic_assets.ingest.count import IngestCount
from cic_assets.ledger.catalogue import Incomplete

DELIVERY_CHECKS = {
    "held": "no delivery is held: each has the stream file's personal fields, and is as a whole as the stream file's "
    "`delivery` says; nothing of another one is accepted until the stream file is mended or a person releases it",
    "unusual": "nothing about a delivery as a whole is unusual, by what the stream file's `delivery` says",
    "kept_as_decoded": "of deliveries whose originals were purged, the stream file asks for what was decoded of them",
}
# Deliveries that a check names; it counts all.
_NAMED = 20


def delivery_results(
    key: AssetKey, counts: Sequence[IngestCount], incomplete: Sequence[Incomplete]
) -> Iterator[AssetCheckResult]:
    """One result per check of `DELIVERY_CHECKS`.

    Args:
        key: of the stream's asset.
        counts: of what was ingested, for what is unusual.
        incomplete: all deliveries of the stream that are held or incomplete, whenever they arrived.
    """
    held = [str(each) for each in incomplete if each.is_held]
    kept = [str(each) for each in incomplete if not each.is_held]
    looked = [each for count in counts for each in count.deliveries]
    unusual = [each.said(each.warnings) for each in looked if each.warnings]
    yield _result(key, "held", held, AssetCheckSeverity.ERROR)
    yield _result(key, "unusual", unusual, AssetCheckSeverity.WARN)
    yield _result(key, "kept_as_decoded", kept, AssetCheckSeverity.WARN)


def _result(key: AssetKey, name: str, texts: Sequence[str], severity: AssetCheckSeverity) -> AssetCheckResult:
    return AssetCheckResult(
        check_name=name,
        asset_key=key,
        passed=not texts,
        severity=severity,
        description="; ".join(texts[:_NAMED]) if texts else None,
        metadata={"id": name, "count": len(texts)},
    )
