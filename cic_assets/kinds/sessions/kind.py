"""Charging sessions."""

from cic_assets.kinds.kind import Kind, Work
from cic_assets.kinds.sessions.stream import SessionsStream

_TEMPLATE = """\
format: {type: csv}
claims: ["{id}_*.csv"]
{expressions}
  session_id: "`Session ID`"
  charge_point: "`Charge Point`"
  connector_id: Connector
  started_local: try_to_timestamp(`Start`, 'dd/MM/yyyy HH:mm')
  ended_local: try_to_timestamp(`End`, 'dd/MM/yyyy HH:mm')
  energy: "`Energy kWh`"
  cost: Cost
  currency: "'GBP'"
units: {energy: kWh, power: kW}
vat_basis: unknown
"""


def _work() -> Work:
    from cic_assets.kinds.sessions import harmonise, profile, schema

    return Work(
        schema=schema.ACCEPTED,
        harmonise=harmonise.harmonise,
        figures=profile.figures,
        repeated=profile.repeated,
        repeated_columns=profile.REPEATED_COLUMNS,
        sizes=profile.sizes,
    )


SESSIONS = Kind(
    name="sessions",
    description="Sessions that no row rule rejects, in the common model. Duplicates are still in: they are decided on "
    "read, over all arrivals.",
    newest="started_at",
    dated="start_date",
    identity=(
        "source_file", "source_line", "content_hash", "session_id", "start_date", "authority_id", "provider_id",
        "revenue", "flags",
    ),
    has_content=True,
    stream=SessionsStream,
    template=_TEMPLATE,
    load=_work,
    shown=(
        "session_id", "charge_point_id", "connector_id", "started_at", "ended_at", "start_date", "energy_kwh",
        "revenue", "currency", "rated_power_kw", "flags",
    ),
    made_of={
        "charge_point_id": ("charge_point", "charge_point_alias",),
        "energy_kwh": ("energy",),
        "revenue": ("cost",),
        "rated_power_kw": ("rated_power",),
    },
)  # fmt: skip
