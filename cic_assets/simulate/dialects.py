"""How the two councils' operators write their sessions: a CSV on the wall clock, and OCPI 2.2.1 CDRs as JSON lines."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from cic_assets.simulate.dirt import Row

LONDON = ZoneInfo("Europe/London")
VAT = 0.2
CSV_HEADER = ("Session", "Charger", "Socket", "Started", "Ended", "kWh", "Paid GBP", "Rated kW", "RFID")


def write_csv(rows: Sequence[Row]) -> bytes:
    """dd/mm/yyyy HH:MM in local time, money including VAT; a broken row lacks its last cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_HEADER)
    for row in rows:
        cells = [
            row.session_id, row.charge_point or "", "1", _local(row.start), _local(row.end) if row.end else "",
            "" if row.energy_kwh is None else f"{row.energy_kwh:.3f}", f"{row.cost * (1 + VAT):.2f}",
            f"{row.rated_kw:g}", row.token,
        ]  # fmt: skip
        writer.writerow(cells[:4] if row.broken else cells)
    return out.getvalue().encode()


def _local(moment: dt.datetime) -> str:
    return moment.astimezone(LONDON).strftime("%d/%m/%Y %H:%M")


def write_cdrs(rows: Sequence[tuple[Row, str | None]], party: str = "BRK") -> bytes:
    """One CDR per line, with the id of what it credits where it is a credit CDR. A broken line stops short."""
    lines = []
    for row, credited in rows:
        line = json.dumps(_cdr(row, credited, party), separators=(",", ":"))
        lines.append(line[: len(line) // 2] if row.broken else line)
    return ("\n".join(lines) + "\n").encode()


def _cdr(row: Row, credited: str | None, party: str) -> dict[str, Any]:
    sign = -1 if credited else 1
    cdr: dict[str, Any] = {
        "country_code": "GB", "party_id": party, "id": row.session_id,
        "start_date_time": _instant(row.start),
        "end_date_time": _instant(row.end) if row.end else None,
        "session_id": f"S{(credited or row.session_id)[1:]}",
        "cdr_token": {"uid": row.token, "type": "RFID", "contract_id": f"GB-{party}-{row.token[:9]}"},
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": f"L{(row.charge_point or '----')[1:4]}", "city": "Brackendale", "evse_uid": row.charge_point,
            "connector_id": "1", "connector_power_type": "DC" if row.rated_kw >= 50 else "AC_3_PHASE",
            # Not in OCPI's CdrLocation; this operator adds the connector's max_electric_power, in W.
            "max_electric_power": round(row.rated_kw * 1000),
        },
        "currency": "GBP",
        "total_cost": {"excl_vat": sign * row.cost, "incl_vat": sign * round(row.cost * (1 + VAT), 2)},
        "total_energy": row.energy_kwh,
        "total_time": round(row.hours, 4),
        "last_updated": _instant(row.last_updated),
    }  # fmt: skip
    return cdr | ({"credit": True, "credit_reference_id": credited} if credited else {})


def _instant(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
