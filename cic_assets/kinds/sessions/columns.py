"""The columns of sessions in the common model (numbers.md 3; OCPI 2.2.1 CDR and Session)."""

from __future__ import annotations

from cic_assets.kinds.columns import AUTHORITY, CHARGE_POINT, CHARGE_POINT_ALIAS, PROVIDER, ZONE, Column

COLUMNS: dict[str, Column] = {
    "session_id": Column(
        "the feed's id of the session or CDR; without it, rows equal in every field are one session; `none` where"
        " ids are none: charge point, connector and start identify",
        "id",
        "text",
    ),
    "charge_point": CHARGE_POINT,
    "charge_point_alias": CHARGE_POINT_ALIAS,
    "connector_id": Column(
        "the connector of the charge point",
        "`evses.connectors.id`",
        "text",
    ),
    "started_local": Column(
        "start on the wall clock of the stream's zone, timestamp or ISO text",
        "try_to_timestamp(Start, 'dd/MM/yyyy HH:mm')",
        "instant",
    ),
    "started_at": Column(
        "start as an instant, ISO text with offset (in place of started_local)",
        "start_date_time",
        "instant",
    ),
    "ended_local": Column(
        "end on the wall clock",
        "try_to_timestamp(`End`, 'dd/MM/yyyy h:mm a')",
        "instant",
    ),
    "ended_at": Column(
        "end as an instant",
        "concat(stop, 'Z')",
        "instant",
    ),
    "duration": Column(
        "time between start and end, in units.duration or h:mm:ss; ended_* may be left out where it is there",
        "Duration",
        "number",
    ),
    "energy": Column(
        "energy delivered, in units.energy",
        "`Total kWh`",
        "number",
    ),
    "cost": Column(
        "what the driver paid, in the currency's main unit, on the stream's vat_basis",
        "`total_cost.excl_vat`",
        "number",
    ),
    "currency": Column(
        "ISO 4217 code",
        "'GBP'",
        "other",
    ),
    "rated_power": Column(
        "rated power of the connector, in units.power",
        "nullif(regexp_extract(Model, '([0-9]+) *kW', 1), '')",
        "number",
    ),
    "charging_seconds": Column(
        "time with energy flowing, seconds or h:mm:ss",
        "3600 * try_cast(total_time as decimal(12, 6))",
        "number",
    ),
    "status": Column(
        "OCPI SessionStatus or a word of vocabulary.words; COMPLETED where the feed has none",
        "status",
        "word",
    ),
    "record_kind": Column(
        "session or cdr",
        "'cdr'",
        "other",
    ),
    "cdr_session_id": Column(
        "of a CDR: the session that it bills",
        "session_id",
        "text",
    ),
    "credit": Column(
        "true for a credit CDR",
        "credit",
        "other",
    ),
    "credit_reference_id": Column(
        "of a credit CDR: the CDR that it credits",
        "credit_reference_id",
        "text",
    ),
    "last_updated": Column(
        "when the provider last changed the record (an instant)",
        "last_updated",
        "day",
    ),
    "provider": PROVIDER,
    "authority": AUTHORITY,
    "zone": ZONE,
}
