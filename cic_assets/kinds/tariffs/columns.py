"""The columns of tariffs in the common model (OCPI 2.2.1 Tariff, TariffElement, PriceComponent, TariffRestrictions)."""

from __future__ import annotations

from cic_assets.kinds.columns import AUTHORITY, PROVIDER, Column

_ELEMENTS = "elements"
_RESTRICTIONS = f"{_ELEMENTS}.restrictions"
COLUMNS: dict[str, Column] = {
    "tariff_id": Column("the tariff's id, as connectors name it", "id", "text"),
    "currency": Column("ISO 4217 code", "currency", "other"),
    "tariff_type": Column("for whom or how it is: REGULAR, AD_HOC_PAYMENT, PROFILE_GREEN …", "type", "word"),
    "position": Column(
        "which element of the tariff and which price of it the row is, from 1: `2.1`; the first element whose "
        "restrictions hold decides",
        "concat(element, '.', part)",
        "text",
    ),
    "component": Column("what the price is for: ENERGY, FLAT, TIME or PARKING_TIME", "type", "word"),
    "price": Column(
        "without VAT, in the currency's main unit: per kWh, per hour, or once",
        f"`{_ELEMENTS}.price_components.price`",
        "number",
    ),
    "vat": Column("VAT on it, per cent", f"`{_ELEMENTS}.price_components.vat`", "number"),
    "step_size": Column(
        "what is billed is rounded up to so many Wh or seconds", f"`{_ELEMENTS}.price_components.step_size`", "number"
    ),
    "start_time": Column(
        "from this time of day on, `HH:mm` of the local clock", f"`{_RESTRICTIONS}.start_time`", "text"
    ),
    "end_time": Column("until this time of day", f"`{_RESTRICTIONS}.end_time`", "text"),
    "start_date": Column("from this local day on, `yyyy-MM-dd`", f"`{_RESTRICTIONS}.start_date`", "text"),
    "end_date": Column("before this local day", f"`{_RESTRICTIONS}.end_date`", "text"),
    "days": Column("on these days of the week, as a list: MONDAY …", f"`{_RESTRICTIONS}.day_of_week`", "text"),
    "min_kwh": Column("from so much energy on, kWh", f"`{_RESTRICTIONS}.min_kwh`", "number"),
    "max_kwh": Column("up to so much energy, kWh", f"`{_RESTRICTIONS}.max_kwh`", "number"),
    "min_current": Column("from this current on, A", f"`{_RESTRICTIONS}.min_current`", "number"),
    "max_current": Column("below this current, A", f"`{_RESTRICTIONS}.max_current`", "number"),
    "min_power": Column("from this power on, kW", f"`{_RESTRICTIONS}.min_power`", "number"),
    "max_power": Column("below this power, kW", f"`{_RESTRICTIONS}.max_power`", "number"),
    "min_duration": Column("from so many seconds of the session on", f"`{_RESTRICTIONS}.min_duration`", "number"),
    "max_duration": Column("up to so many seconds of the session", f"`{_RESTRICTIONS}.max_duration`", "number"),
    "reservation": Column(
        "of a reservation: RESERVATION while it lasts, RESERVATION_EXPIRES where nobody came",
        f"`{_RESTRICTIONS}.reservation`",
        "word",
    ),
    "min_price": Column("no session costs less, without VAT", "`min_price.excl_vat`", "number"),
    "max_price": Column("no session costs more, without VAT", "`max_price.excl_vat`", "number"),
    "valid_from": Column(
        "since when it applies (an instant, or a date of the stream's zone); if not said, `last_updated`, else the "
        "arrival",
        "start_date_time",
        "date",
    ),
    "valid_to": Column("until when it applies, where it says so", "end_date_time", "date"),
    "last_updated": Column("when the provider last changed it (an instant)", "last_updated", "day"),
    "provider": PROVIDER,
    "authority": AUTHORITY,
}
