"""The registry: charge points and connectors, as operators list them."""

from cic_assets.kinds.kind import Kind
from cic_assets.kinds.locations import harmonise

LOCATIONS = Kind(
    name="locations",
    description="Charge points and connectors as operators list them, all versions; the registry is built from them.",
    harmonise=harmonise.harmonise,
    newest="arrived_at",
    identity=(
        "source_file", "source_line", "charge_point_id", "charge_point_alias", "connector_id", "location_id",
        "location_name", "device_id", "rated_power_kw", "latitude", "longitude", "valid_from", "valid_to",
        "authority_id", "status", "flags",
    ),
    is_first=True,
)  # fmt: skip
