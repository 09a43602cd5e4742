"""The columns of the common model, by kind of stream, as stream files fill them. Which kind needs which: here too."""

from __future__ import annotations

# numbers.md 3; OCPI 2.2.1 CDR and Session.
SESSION_COLUMNS: dict[str, str] = {
    "session_id": "the feed's id of the session or CDR; without it, rows equal in every field are one session; `none` "
    "where ids are none: charge point, connector and start identify",
    "charge_point": "the feed's id of the charge point (EVSE), unique within the provider",
    "charge_point_alias": "another id of the same charge point in the feed; not needed where `charge_point` is a "
    "field evse_id or uid with the other one beside it",
    "connector_id": "the connector of the charge point",
    "started_local": "start on the wall clock of the stream's zone, timestamp or ISO text",
    "started_at": "start as an instant, ISO text with offset (in place of started_local)",
    "ended_local": "end on the wall clock",
    "ended_at": "end as an instant",
    "duration": "time between start and end, in units.duration or h:mm:ss; ended_* may be left out where it is there",
    "energy": "energy delivered, in units.energy",
    "cost": "what the driver paid, in the currency's main unit, on the stream's vat_basis",
    "currency": "ISO 4217 code",
    "rated_power": "rated power of the connector, in units.power",
    "charging_seconds": "time with energy flowing, seconds or h:mm:ss",
    "status": "OCPI SessionStatus or a word of vocabulary.words; COMPLETED where the feed has none",
    "record_kind": "session or cdr",
    "cdr_session_id": "of a CDR: the session that it bills",
    "credit": "true for a credit CDR",
    "credit_reference_id": "of a credit CDR: the CDR that it credits",
    "last_updated": "when the provider last changed the record (an instant)",
    "provider": "whose the charge point is, where the rows of a registry or hub say it: the provider's id, in place of "
    "provider.id; a row without one is rejected",
    "authority": "which authority answers for it, in place of authority.id; a row without one is rejected",
    "zone": "the IANA zone of a row's wall clock and local day, in place of zone; a row without one is rejected",
}
# numbers.md 2; OCPI 2.2.1 EVSE, OCPP StatusNotification.
STATUS_COLUMNS: dict[str, str] = {
    "charge_point": "the feed's id of the charge point (EVSE), unique within the provider",
    "charge_point_alias": "another id of the same charge point in the feed; not needed where `charge_point` is a "
    "field evse_id or uid with the other one beside it",
    "connector_id": "the connector, where the feed reports each; 0 is the whole charge point (OCPP 1.6)",
    "status": "the feed's own word for the state",
    "changed_local": "since when the state holds, on the wall clock of the stream's zone",
    "changed_at": "since when the state holds, as an instant (in place of changed_local)",
    "confirmed_local": "when the feed saw the state, on the wall clock: the poll's time",
    "confirmed_at": "when the feed saw the state, as an instant: the poll's time",
    "covers_until": "up to when the delivery says that it is complete (an instant)",
    "invalid": "true where the feed itself marks the record as invalid",
    "provider": "whose the charge point is, where the rows of a registry or hub say it: the provider's id, in place of "
    "provider.id; a row without one is rejected",
}
# OCPI 2.2.1 Location, EVSE and Connector.
LOCATION_COLUMNS: dict[str, str] = {
    "charge_point": "the feed's id of the charge point (EVSE), unique within the provider",
    "charge_point_alias": "another id of the same charge point in the feed; not needed where `charge_point` is a "
    "field evse_id or uid with the other one beside it",
    "connector_id": "the connector that a row is about, where it is about one",
    "location_id": "the site",
    "location_name": "what people call the site",
    "device_id": "the post or cabinet that the charge point is part of; the charge point itself if not said",
    "rated_power": "rated power of the connector, in units.power",
    "latitude": "degrees north, WGS 84",
    "longitude": "degrees east, WGS 84",
    "status": "the state, in OCPI's words or those of vocabulary: what is REMOVED has left the registry, and of one id "
    "at two sites loses",
    "valid_from": "since when this is so (an instant, or a date of the stream's zone); the arrival if not said",
    "valid_to": "from when on the charge point is no more, where the list says it (an instant, or a date's beginning)",
    "provider": "whose the charge point is, where the rows of a registry or hub say it: the provider's id, in place of "
    "provider.id; a row without one is rejected",
    "authority": "which authority answers for it, in place of authority.id; a row without one is rejected",
}
# An expression for each, as `docs/streams.md` shows it.
EXPRESSIONS: dict[str, str] = {
    "session_id": "id",
    "charge_point": "`evses.uid`",
    "charge_point_alias": "`evses.evse_id`",
    "connector_id": "`evses.connectors.id`",
    "started_local": "try_to_timestamp(Start, 'dd/MM/yyyy HH:mm')",
    "started_at": "start_date_time",
    "ended_local": "try_to_timestamp(`End`, 'dd/MM/yyyy h:mm a')",
    "ended_at": "concat(stop, 'Z')",
    "duration": "Duration",
    "energy": "`Total kWh`",
    "cost": "`total_cost.excl_vat`",
    "currency": "'GBP'",
    "rated_power": "nullif(regexp_extract(Model, '([0-9]+) *kW', 1), '')",
    "charging_seconds": "3600 * try_cast(total_time as decimal(12, 6))",
    "status": "status",
    "record_kind": "'cdr'",
    "cdr_session_id": "session_id",
    "credit": "credit",
    "credit_reference_id": "credit_reference_id",
    "last_updated": "last_updated",
    "changed_local": "concat(day, ' ', time)",
    "changed_at": "`evses.last_updated`",
    "confirmed_local": "try_to_timestamp(seen, 'dd.MM.yyyy HH:mm')",
    "confirmed_at": "`cic.seen_at`",
    "covers_until": "`document.until`",
    "invalid": "flags like '%invalid%'",
    "location_id": "id",
    "location_name": "name",
    "device_id": "`evses.physical_reference`",
    "latitude": "`coordinates.latitude`",
    "longitude": "`coordinates.longitude`",
    "valid_from": "try_to_timestamp(Installed, 'dd/MM/yyyy')",
    "valid_to": "decommissioned",
    "provider": "concat(country_code, '*', party_id)",
    "authority": "council_code",
    "zone": "time_zone",
}
COLUMNS = {"sessions": SESSION_COLUMNS, "status": STATUS_COLUMNS, "locations": LOCATION_COLUMNS}
# Whose a row is, and by which clock, where rows say it themselves.
OWNERS = ("provider", "authority", "zone")
_SPLIT = "write one stream file for each, which all claim the same files, with `where` for its rows"
# Of these, what a kind has not, and why.
NO_OWNERS = {
    ("status", "authority"): f"the days of a status feed are one authority's: {_SPLIT}",
    ("status", "zone"): f"the days of a status feed are days of one zone: {_SPLIT}",
    ("locations", "zone"): f"a registry's months end by the clock of one zone: {_SPLIT}",
}
# Columns that are texts: whatever stands there is read, unless it is too long (`kinds/common.py`).
TEXTS = frozenset(
    {
        "session_id", "charge_point", "connector_id", "cdr_session_id", "credit_reference_id", "location_id",
        "location_name", "device_id", "provider", "authority", "zone",
    }
)  # fmt: skip
# Of these, a text that is too long is cut, as its beginning tells enough; all others are then unreadable.
CUT_TEXTS = frozenset({"location_name", "status"})
# Columns that are numbers, which `numbers` says how to read.
NUMBERS = frozenset(
    {"energy", "cost", "rated_power", "charging_seconds", "duration", "latitude", "longitude"}
)  # fmt: skip
# Of each group, exactly one.
ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "sessions": (("charge_point",), ("energy",), ("started_local", "started_at"), ("ended_local", "ended_at")),
    "status": (("charge_point",), ("status",), ("changed_local", "changed_at")),
    "locations": (("charge_point",),),
}
# What the platform knows of a record's file, beside the feed's own fields.
SEEN_AT = "cic.seen_at"
POSITION = "cic.position"
PLATFORM_FIELDS = {
    SEEN_AT: "when these bytes were seen (UTC); a stream that reads it takes every sighting as a poll of its own",
    "cic.file_name": "the name under which they were seen",
    POSITION: "where the record stands in the lists of `format.each`, from 1: `2`; in two lists `2.1`, outer to inner",
}
SECONDS_PER = {"s": "1", "min": "60", "h": "3600"}
KWH_PER = {"Wh": "0.001", "kWh": "1", "MWh": "1000"}
KW_PER = {"W": "0.001", "kW": "1", "MW": "1000"}
