"""Charging sessions."""

from cic_assets.kinds.kind import Kind
from cic_assets.kinds.sessions import harmonise, profile

SESSIONS = Kind(
    name="sessions",
    description="Sessions that no row rule rejects, in the common model. Duplicates are still in: they are decided on "
    "read, over all arrivals.",
    harmonise=harmonise.harmonise,
    newest="started_at",
    dated="start_date",
    identity=(
        "source_file", "source_line", "content_hash", "session_id", "start_date", "authority_id", "provider_id",
        "revenue", "flags",
    ),
    figures=profile.figures,
    counted=profile.counted,
    repeated=profile.repeated,
    has_content=True,
)  # fmt: skip
