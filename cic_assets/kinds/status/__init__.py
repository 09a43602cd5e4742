"""States of charge points: events and polls."""

from cic_assets.kinds.kind import Kind
from cic_assets.kinds.status import harmonise, profile

STATUS = Kind(
    name="status",
    description="Entries of charge points' timelines that no row rule rejects: events (a state begins) and polls "
    "(a feed lists the state at a moment).",
    harmonise=harmonise.harmonise,
    entries=harmonise.entries,
    newest="heard_at",
    dated="status_date",
    identity=(
        "source_file", "source_line", "arrived_at", "entry", "at", "since_at", "charge_point_id", "connector_id",
        "state", "source_status", "status_date", "authority_id", "covers_until", "flags",
    ),
    figures=profile.figures,
    counted=profile.counted,
    cover=profile.cover,
    has_words=True,
)  # fmt: skip
