"""Instances in memory keep a check's plan as the platform's storage does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import EventLogEntry
from dagster._core.storage.event_log import InMemoryEventLogStorage

from cic_assets.orchestrate.resources.instance import for_the_asset


@pytest.fixture(scope="session", autouse=True)
def plans_of_assets() -> Iterator[None]:
    """Once, and not for each partition of a run: 42,000 rows for an ingest of twelve streams."""
    store = InMemoryEventLogStorage.store_event

    def once(self: InMemoryEventLogStorage, event: EventLogEntry) -> None:
        store(self, for_the_asset(event))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InMemoryEventLogStorage, "store_event", once)
        yield
