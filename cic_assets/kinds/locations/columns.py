"""The columns of charge points in the common model (OCPI 2.2.1 Location, EVSE and Connector)."""

from __future__ import annotations

from cic_assets.kinds.columns import AUTHORITY, CHARGE_POINT, CHARGE_POINT_ALIAS, PROVIDER, Column

COLUMNS: dict[str, Column] = {
    "charge_point": CHARGE_POINT,
    "charge_point_alias": CHARGE_POINT_ALIAS,
    "connector_id": Column(
        "the connector that a row is about, where it is about one",
        "`evses.connectors.id`",
        "text",
    ),
    "location_id": Column(
        "the site",
        "id",
        "text",
    ),
    "location_name": Column(
        "what people call the site",
        "name",
        "name",
    ),
    "device_id": Column(
        "the post or cabinet that the charge point is part of; the charge point itself if not said",
        "`evses.physical_reference`",
        "text",
    ),
    "rated_power": Column(
        "rated power of the connector, in units.power",
        "nullif(regexp_extract(Model, '([0-9]+) *kW', 1), '')",
        "number",
    ),
    "tariff_ids": Column(
        "ids of the connector's tariffs, a list as JSON or with commas between",
        "`evses.connectors.tariff_ids`",
        "text",
    ),
    "latitude": Column(
        "degrees north, WGS 84",
        "`coordinates.latitude`",
        "number",
    ),
    "longitude": Column(
        "degrees east, WGS 84",
        "`coordinates.longitude`",
        "number",
    ),
    "status": Column(
        "the state, in OCPI's words or those of vocabulary: what is REMOVED has left the registry, and of one id "
        "at two sites loses",
        "status",
        "word",
    ),
    "valid_from": Column(
        "since when this is so (an instant, or a date of the stream's zone); the arrival if not said",
        "try_to_timestamp(Installed, 'dd/MM/yyyy')",
        "date",
    ),
    "valid_to": Column(
        "from when on the charge point is no more, where the list says it (an instant, or a date's beginning)",
        "decommissioned",
        "date",
    ),
    "provider": PROVIDER,
    "authority": AUTHORITY,
}
