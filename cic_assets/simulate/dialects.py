"""How each council's operator writes a row: a minute CSV in local time, and OCPI 2.2.1 CDRs as JSON lines.

All money is whole pence until it is written, all energy whole Wh.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cic_assets.simulate.dirt import Row
from cic_assets.simulate.network import Connector

CSV_COLUMNS = (
    "Session ID", "Charger", "Socket", "Status", "Start", "End", "kWh", "Cost (GBP inc VAT)", "Rated kW", "RFID",
)  # fmt: skip
# Pence per kWh, with VAT of 20 %.
_PENCE_INC_VAT = {7_400: 45, 22_000: 49, 50_000: 69, 150_000: 79}
_PENCE_EX_VAT = {7_400: 35, 22_000: 40, 50_000: 55, 150_000: 65}
_PLUGS = {False: ("IEC_62196_T2", "SOCKET", "AC_3_PHASE"), True: ("IEC_62196_T2_COMBO", "CABLE", "DC")}


@dataclass(frozen=True)
class Dialect:
    """How a feed is written.

    Attributes:
        suffix: of the file's name.
        header: first line, or empty.
        line: one row without line end.
        line_end: as the operator's software has it.
    """

    suffix: str
    header: str
    line: Callable[[Row], str]
    line_end: str

    def content(self, rows: Sequence[Row]) -> bytes:
        """A whole file; a cut row has the first half of its line only."""
        lines = [self.header] if self.header else []
        for row in rows:
            text = self.line(row)
            lines.append(text[: len(text) // 2] if row.cut else text)
        return "".join(line + self.line_end for line in lines).encode()

    @property
    def first_line(self) -> int:
        """Physical line of the first row, from 1."""
        return 2 if self.header else 1


def minute_csv(zone: ZoneInfo) -> Dialect:
    """Local wall clock as dd/mm/yyyy HH:MM, kWh with three decimals, cost with VAT; columns as `CSV_COLUMNS`."""
    return Dialect(".csv", _csv_line(CSV_COLUMNS), lambda row: _csv_line(_cells(row, zone)), "\r\n")


def ocpi_cdrs() -> Dialect:
    """OCPI 2.2.1 CDR objects with UTC instants, kWh, hours and both costs.

    `cdr_location.max_electric_power` (W) is the operator's addition, named as in OCPI's Connector.
    """
    return Dialect(".jsonl", "", lambda row: json.dumps(_cdr(row), separators=(",", ":")), "\n")


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def _token(operator: str, driver: int) -> str:
    """An RFID uid of 7 bytes; invented, and different from operator to operator."""
    return f"04{zlib.crc32(f'{operator}{driver}'.encode()):08X}{driver:04X}"


def _kwh(row: Row) -> float | None:
    if "energy" in row.blank:
        return None
    return (-row.charge.energy_wh if row.negative else row.charge.energy_wh) / 1000


def _cells(row: Row, zone: ZoneInfo) -> list[str]:
    charge, kwh = row.charge, _kwh(row)
    pence = round(charge.energy_wh * _PENCE_INC_VAT[charge.connector.rated_w] / 1000)
    return [
        f"ASH-{charge.number:07d}",
        "" if "charge_point" in row.blank else charge.connector.charge_point,
        charge.connector.connector_id,
        "In progress" if row.is_open else "Complete",
        _local_minute(charge.start, zone),
        "" if "end" in row.blank else _local_minute(charge.end, zone),
        "" if kwh is None else f"{kwh:.3f}",
        "" if row.is_open else f"{pence / 100:.2f}",
        f"{charge.connector.rated_w / 1000:g}",
        _token("ashbourne", charge.driver),
    ]


def _local_minute(instant: dt.datetime, zone: ZoneInfo) -> str:
    local = instant.astimezone(zone)
    return f"{local.day:02d}/{local.month:02d}/{local.year:04d} {local.hour:02d}:{local.minute:02d}"


def _instant(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _hours(seconds: int) -> float:
    """Cut, not rounded: four decimals are 0.36 s, and a rounded charging time could exceed the session."""
    return seconds * 10_000 // 3600 / 10_000


def _cdr(row: Row) -> dict[str, Any]:
    charge, kwh = row.charge, _kwh(row)
    number = f"{charge.number:07d}"
    content: dict[str, Any] = {
        "country_code": "GB",
        "party_id": "BRK",
        "id": f"BRK-C-{number}" + ("-CREDIT" if row.credit else ""),
        "start_date_time": _instant(charge.start),
        "end_date_time": None if "end" in row.blank else _instant(charge.end),
        "session_id": f"BRK-S-{number}",
        "cdr_token": _cdr_token(charge.driver),
        "auth_method": "WHITELIST",
        "cdr_location": _cdr_location(charge.connector, "charge_point" in row.blank),
        "currency": "GBP",
        "charging_periods": [_period(row, kwh)],
        "total_cost": _total_cost(row),
        "total_energy": kwh,
        "total_time": _hours(charge.seconds),
        "total_parking_time": _hours(charge.idle_seconds),
    }
    if row.credit:
        content |= {"credit": True, "credit_reference_id": f"BRK-C-{number}"}
    return {**content, "last_updated": _instant(_last_updated(row))}


def _period(row: Row, kwh: float | None) -> dict[str, Any]:
    charging = _hours(row.charge.seconds - row.charge.idle_seconds)
    dimensions = [{"type": "TIME", "volume": charging}]
    if kwh is not None:
        dimensions.append({"type": "ENERGY", "volume": kwh})
    return {"start_date_time": _instant(row.charge.start), "dimensions": dimensions}


def _cdr_token(driver: int) -> dict[str, str]:
    contract = f"GB-BRK-C{driver:08d}"
    return {
        "country_code": "GB", "party_id": "BRK", "uid": _token("brackendale", driver), "type": "RFID",
        "contract_id": contract,
    }  # fmt: skip


def _cdr_location(connector: Connector, without_evse: bool) -> dict[str, Any]:
    standard, form, power_type = _PLUGS[connector.is_rapid]
    return {
        "id": f"BRK-LOC-{connector.site:03d}",
        "name": connector.site_name,
        "address": f"1 {connector.site_name}",
        "city": "Brackendale",
        "postal_code": "BK1 1AA",
        "country": "GBR",
        "coordinates": {
            "latitude": f"{54 + connector.site * 0.0031:.6f}",
            "longitude": f"{-2 - connector.site * 0.0047:.6f}",
        },
        "evse_uid": None if without_evse else connector.charge_point.removeprefix("GB*BRK*"),
        "evse_id": None if without_evse else connector.charge_point,
        "connector_id": connector.connector_id,
        "connector_standard": standard,
        "connector_format": form,
        "connector_power_type": power_type,
        "max_electric_power": connector.rated_w,
    }


def _total_cost(row: Row) -> dict[str, float]:
    pence = round(row.charge.energy_wh * _PENCE_EX_VAT[row.charge.connector.rated_w] / 1000)
    sign = -1 if row.credit else 1
    return {"excl_vat": sign * pence / 100, "incl_vat": sign * round(pence * 1.2) / 100}


def _last_updated(row: Row) -> dt.datetime:
    """A CDR is made 10 minutes after the end, revised or credited on the day after its first file."""
    if row.revised or row.credit:
        changed = row.export - dt.timedelta(days=6)
        return dt.datetime(changed.year, changed.month, changed.day, 10, tzinfo=dt.UTC)
    return row.charge.end + dt.timedelta(minutes=10)
