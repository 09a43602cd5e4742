"""The registry: charge points and connectors, as operators list them."""

from cic_assets.kinds.kind import Kind, Work
from cic_assets.kinds.locations.stream import LocationsStream

_TEMPLATE = """\
# OCPI: the sites under `data`, in each its EVSEs and in each its connectors; a record per connector.
format: {type: json, records: data, each: [evses, connectors]}
claims: ["{id}_*.json"]
{expressions}
  charge_point: "`evses.evse_id`"
  connector_id: "`evses.connectors.id`"
  location_id: id
  location_name: name
  rated_power: "`evses.connectors.max_electric_power`"
  tariff_ids: "`evses.connectors.tariff_ids`"
  latitude: "`coordinates.latitude`"
  longitude: "`coordinates.longitude`"
units: {power: W}
"""


def _work() -> Work:
    from cic_assets.kinds.locations import harmonise, profile, schema

    return Work(
        schema=schema.ACCEPTED,
        harmonise=harmonise.harmonise,
        sizes=profile.sizes,
    )


LOCATIONS = Kind(
    name="locations",
    description="Charge points and connectors as operators list them, all versions; the registry is built from them.",
    newest="arrived_at",
    identity=(
        "source_file", "source_line", "charge_point_id", "charge_point_alias", "connector_id", "location_id",
        "location_name", "device_id", "rated_power_kw", "latitude", "longitude", "valid_from", "valid_to",
        "authority_id", "status", "tariff_ids", "flags",
    ),
    is_first=True,
    stream=LocationsStream,
    template=_TEMPLATE,
    load=_work,
    shown=(
        "charge_point_id", "connector_id", "location_id", "location_name", "device_id", "rated_power_kw", "latitude",
        "longitude", "valid_from", "flags",
    ),
    made_of={
        "charge_point_id": ("charge_point", "charge_point_alias",),
        "rated_power_kw": ("rated_power",),
    },
    is_list=True,
)  # fmt: skip
