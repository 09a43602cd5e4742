# ruff: noqa: E501 - lists of values
"""Malformed payloads: valid ones of each kind of feed, broken in structure, in values, or byte by byte. Seeded."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

from cic_assets.settings import SHIPPED_STREAMS
from cic_assets.simulate.push import ocpp201
from cic_assets.streams.model import Stream, parse_stream

CDR: dict[str, Any] = {
    "country_code": "GB", "party_id": "BRK", "id": "B0000001", "start_date_time": "2026-01-05T10:00:00Z",
    "end_date_time": "2026-01-05T11:00:00Z", "session_id": "S0000001",
    "cdr_token": {"uid": "04A1B2C3D4E5F6", "type": "RFID", "contract_id": "GB-BRK-04A1B2C3D"},
    "cdr_location": {"id": "L1", "evse_uid": "B0001", "connector_id": "1", "max_electric_power": 7400},
    "currency": "GBP", "total_cost": {"excl_vat": 3.15, "incl_vat": 3.78}, "total_energy": 7.0, "total_time": 1.0,
    "total_parking_time": 0.25, "last_updated": "2026-01-05T11:01:00Z",
}  # fmt: skip
STATUS = json.loads(ocpp201("D0001-1", "Available", 1_767_607_200))
CSV_ROW = ["A0000001", "A0001", "1", "05/01/2026 10:00", "05/01/2026 11:00", "7.000", "3.78", "7.4", "04A1B2C3D4E5F6"]
CSV_HEADER = "Session,Charger,Socket,Started,Ended,kWh,Paid GBP,Rated kW,RFID"
# Values that stopped some engine, parser or database somewhere.
NASTY: list[Any] = [
    None, "", " ", [], {}, [[]], {"a": {}}, True, False, 0, -1, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    2**31, 2**63, 2**64, 10**40, "9" * 40, "1" * 5000, "1e400", "-1e400", "0x1F", "1_000", "١٢٣", "1,5", "7.0 kWh", "NaN",
    "Infinity", "null", "None", "true", "0014-01-05T10:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z",
    "+294247-01-10T04:00:54Z", "-290308-12-21T19:59:06Z", "2026-02-30T25:61:61Z", "2026-01-05T10:00:00+99:99",
    "2026-01-05T10:00:00.123456789Z", "2026-01-05T24:00:00Z", "2026-W02-1", "20260105", "1767607200", 1767607200000,
    "05/13/2026 10:00", "31/02/2026 10:00", "29/03/2026 01:30", "25/10/2026 01:30", "T10:00", "now", "epoch", "today",
    "2026-01-05T10:00:00[Europe/London]", "💥", "\u0000", "a\u0000b", "\ud800", "\udfff\ud800", "\u202e", "\ufeff",
    "x" * 70_000, "'; drop table facts.charging_session; --", "${jndi:ldap://x}", "../../etc/passwd", "\\", '"', "'", "`",
    "%s", "{0}", "a\tb", "a,b", 'a"b', "AVAILABLE", "Available", "Rebooting", "P1D", "-5", "1e-400", "00", "+5", ".5", "5.",
]  # fmt: skip


def mutated(random: Random, content: dict[str, Any]) -> dict[str, Any]:
    """A copy with some keys gone, renamed, or with other values, at any depth."""
    copy: dict[str, Any] = json.loads(json.dumps(content))
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        holder, key = random.choice(_places(copy))
        lot = random.randrange(10)
        if lot == 0:
            del holder[key]
        elif lot == 1:
            holder[key + random.choice(("", "x", "\u0000", ".a"))] = holder.pop(key)
        elif lot == 2:
            holder[key] = [holder[key], holder[key]]
        elif lot == 3:
            holder[key] = {key: holder[key]}
        else:
            holder[key] = random.choice(NASTY)
        if not copy:
            break
    return copy


def _places(content: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    found: list[tuple[dict[str, Any], str]] = []
    for key, value in content.items():
        found.append((content, key))
        if isinstance(value, dict):
            found += _places(value)
    return found


def json_line(random: Random, content: dict[str, Any]) -> bytes:
    """One line, never blank: of broken JSON, or of JSON that is broken in what it says."""
    lot = random.randrange(10)
    if lot < 6:
        return json.dumps(mutated(random, content), ensure_ascii=random.random() < 0.8).encode("utf-8", "surrogatepass")
    line = json.dumps(content, separators=(",", ":")).encode()
    if lot == 6:
        return line[: random.randrange(1, len(line))]
    if lot == 7:
        # Keys twice.
        return line[:-1] + b"," + json.dumps(mutated(random, content)).encode()[1:]
    if lot == 8:
        depth = random.choice((10, 900, 3000))
        return b'{"a":' * depth + line + b"}" * (depth - random.randrange(2))
    return _bytewise(random, line)


def csv_line(random: Random) -> bytes:
    """One physical line, never blank; quotes in it may reach into the next lines."""
    cells = list(CSV_ROW)
    for _ in range(random.choice((1, 1, 2, 5))):
        value = random.choice(NASTY)
        cells[random.randrange(len(cells))] = "" if value is None else str(value)
    lot = random.randrange(10)
    if lot == 0:
        cells = cells[: random.randrange(1, len(cells))]
    elif lot == 1:
        cells += cells
    line = random.choice((",", ",", ",", ";", "\t")).join(cells).encode("utf-8", "surrogatepass")
    if lot == 2:
        line = b'"' + line.replace(b",", b'","') + b'"'
    return _one_line(_bytewise(random, line) if lot > 7 else line)


def _bytewise(random: Random, line: bytes) -> bytes:
    data = bytearray(line)
    for _ in range(random.choice((1, 2, 5, 20))):
        place = random.randrange(len(data))
        lot = random.randrange(4)
        if lot == 0:
            data[place] = random.randrange(256)
        elif lot == 1:
            data[place:place] = random.randbytes(random.randrange(1, 9))
        elif lot == 2 and len(data) > 2:
            del data[place : place + random.randrange(1, 9)]
        else:
            data[place] ^= 1 << random.randrange(8)
        if not data:
            data = bytearray(b"x")
    return _one_line(bytes(data))


def _one_line(line: bytes) -> bytes:
    """Without line ends, and not blank for any reader."""
    line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    return line if line.strip(b" \t\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\xc2") else b"x"


def document(random: Random) -> bytes:
    """A whole Locations response, broken somewhere, or nowhere but in what it says."""
    evse = {"uid": "E0001", "evse_id": "E0001", "status": "WORKING", "last_updated": "2026-01-05T10:00:00Z",
            "physical_reference": "E0001", "connectors": [{"id": "1", "max_electric_power": 7400}]}  # fmt: skip
    site = {"id": "L1", "name": "N", "coordinates": {"latitude": "51.1", "longitude": "0.1"}, "evses": [evse, evse]}
    whole: dict[str, Any] = {"data": [site, mutated(random, site)], "timestamp": "2026-01-05T10:00:00Z"}
    content = json.dumps(mutated(random, whole) if random.random() < 0.3 else whole).encode()
    return _bytewise(random, content) if random.random() < 0.5 else content


# Stream → (how many of a hundred payloads, a payload).
LINES: dict[str, tuple[int, Callable[[Random], bytes]]] = {
    "brackendale_sessions": (50, lambda random: json_line(random, CDR)),
    "dunholt_status": (25, lambda random: json_line(random, STATUS)),
    "ashbourne_sessions": (25, csv_line),
}


CSV_STREAM = "ashbourne_sessions"


def stream(name: str) -> Stream:
    """A shipped stream; the CSV one without personal fields, so that what could not be parsed can be looked at."""
    content = yaml.safe_load((SHIPPED_STREAMS / f"{name}.yml").read_text())
    if name == CSV_STREAM:
        del content["personal_fields"], content["raw_retention_days"]
    return parse_stream(content)
