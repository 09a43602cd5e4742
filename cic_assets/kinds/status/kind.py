"""States of charge points: events and polls."""

from cic_assets.kinds.kind import Kind, Work
from cic_assets.kinds.status.stream import StatusStream

_TEMPLATE = """\
# A log of changes, one JSON object per line. A feed that lists all charge points at each poll says `period: PT10M`.
format: {type: jsonl}
claims: ["{id}_*.jsonl"]
{expressions}
  charge_point: evse_id
  status: status
  changed_at: last_updated
# Its words: a standard's (OCPI 2.2.1, OCPP 1.6, OCPP 2.0.1), and those of its own.
vocabulary: {standard: OCPI 2.2.1, words: {In use: CHARGING, Broken: OUTOFORDER}}
"""


def _work() -> Work:
    from cic_assets.kinds.status import harmonise, profile, schema

    return Work(
        schema=schema.ACCEPTED,
        harmonise=harmonise.harmonise,
        entries=harmonise.entries,
        figures=profile.figures,
        covers_from="heard_at",
        covers_until=("heard_at", "covers_until"),
    )


STATUS = Kind(
    name="status",
    description="Entries of charge points' timelines that no row rule rejects: events (a state begins) and polls "
    "(a feed lists the state at a moment).",
    newest="heard_at",
    dated="status_date",
    identity=(
        "source_file", "source_line", "arrived_at", "entry", "at", "since_at", "charge_point_id", "connector_id",
        "state", "source_status", "status_date", "authority_id", "covers_until", "flags",
    ),
    has_words=True,
    stream=StatusStream,
    template=_TEMPLATE,
    load=_work,
    shown=(
        "charge_point_id", "connector_id", "source_status", "state", "event_at", "confirmed_at", "flags",
    ),
    made_of={
        "charge_point_id": ("charge_point", "charge_point_alias",),
        "source_status": ("status",),
        "state": ("status",),
    },
)  # fmt: skip
