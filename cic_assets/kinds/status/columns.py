"""The columns of states in the common model (numbers.md 2; OCPI 2.2.1 EVSE, OCPP StatusNotification)."""

from __future__ import annotations

from cic_assets.kinds.columns import CHARGE_POINT, CHARGE_POINT_ALIAS, PROVIDER, Column

COLUMNS: dict[str, Column] = {
    "charge_point": CHARGE_POINT,
    "charge_point_alias": CHARGE_POINT_ALIAS,
    "connector_id": Column(
        "the connector, where the feed reports each; 0 is the whole charge point (OCPP 1.6)",
        "`evses.connectors.id`",
        "text",
    ),
    "status": Column(
        "the feed's own word for the state",
        "status",
        "word",
    ),
    "changed_local": Column(
        "since when the state holds, on the wall clock of the stream's zone",
        "concat(day, ' ', time)",
        "instant",
    ),
    "changed_at": Column(
        "since when the state holds, as an instant (in place of changed_local)",
        "`evses.last_updated`",
        "instant",
    ),
    "confirmed_local": Column(
        "when the feed saw the state, on the wall clock: the poll's time",
        "try_to_timestamp(seen, 'dd.MM.yyyy HH:mm')",
        "instant",
    ),
    "confirmed_at": Column(
        "when the feed saw the state, as an instant: the poll's time",
        "`cic.seen_at`",
        "instant",
    ),
    "covers_until": Column(
        "up to when the delivery says that it is complete (an instant)",
        "`document.until`",
        "day",
    ),
    "invalid": Column(
        "true where the feed itself marks the record as invalid",
        "flags like '%invalid%'",
        "other",
    ),
    "provider": PROVIDER,
}
