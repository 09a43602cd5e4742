"""Malformed payloads: valid CDRs, states and CSV lines, changed by structure and by byte. Same seed, same bytes."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator

from cic_assets.kinds.every import parse_stream
from cic_assets.kinds.stream import Stream

_COMMON = {
    "description": "d", "provider": {"id": "GB*FUZ", "name": "Fuzz"}, "authority": {"id": "a", "name": "A"},
    "zone": "Europe/London", "licence": "l", "contact": "c",
    # Garbage is looked at row by row; as a delivery all of it would be held.
    "delivery": {"hold": []},
}  # fmt: skip
_CDR = {
    "session_id": "id", "charge_point": "`cdr_location.evse_uid`", "connector_id": "`cdr_location.connector_id`",
    "started_at": "start_date_time", "ended_at": "end_date_time", "energy": "total_energy",
    "cost": "`total_cost.excl_vat`", "currency": "currency", "last_updated": "last_updated", "credit": "credit",
    "credit_reference_id": "credit_reference_id", "charging_seconds": "try_cast(total_time as double) * 3600",
    "status": "status",
}  # fmt: skip
_TABLE = {
    "session_id": "id", "charge_point": "cp", "connector_id": "connector", "started_local": "start",
    "ended_local": "stop", "energy": "kwh", "cost": "cost", "currency": "'GBP'", "rated_power": "kw",
}  # fmt: skip
_STATUS = {"charge_point": "evse_uid", "status": "status", "changed_at": "last_updated", "confirmed_at": "seen_at"}
_SESSIONS = {**_COMMON, "kind": "sessions", "vat_basis": "included", "vat_rate": 0.2}
_STATES = {**_COMMON, "kind": "status", "vocabulary": {"standard": "OCPI 2.2.1"}, "period": "PT10M"}


def stream(name: str, content: dict[str, object], kind: str, **more: object) -> Stream:
    """A stream of one format, which claims files of its own name."""
    form = {"type": kind, **(more.pop("form", None) or {})}  # type: ignore[dict-item]
    return parse_stream({**content, "id": name, "format": form, "claims": [f"{name}*"], **more})


STREAMS: dict[str, Stream] = {
    each.id: each
    for each in (
        stream("fuzz_csv", {**_SESSIONS, "columns": _TABLE}, "csv"),
        stream(
            "fuzz_personal", {**_SESSIONS, "columns": _TABLE}, "csv", personal_fields=["rfid"], raw_retention_days=30
        ),
        stream(
            "fuzz_cdr", {**_SESSIONS, "columns": _CDR}, "jsonl", personal_fields=["cdr_token.uid"],
            optional_fields=["credit", "credit_reference_id", "status"],
        ),
        stream(
            "fuzz_json", {**_STATES, "columns": {**_STATUS, "charge_point": "`evses.uid`", "status": "`evses.status`",
            "changed_at": "`evses.last_updated`", "confirmed_at": "`document.timestamp`"}}, "json",
            form={"records": "data", "each": ["evses"], "document": ["timestamp"]},
        ),
        stream("fuzz_status", {**_STATES, "columns": _STATUS}, "jsonl", optional_fields=["seen_at"]),
        stream("fuzz_xlsx", {**_SESSIONS, "columns": _TABLE}, "xlsx"),
    )
}  # fmt: skip
# The same, otherwise shaped: below other lines and without a header, side by side, in one document.
_SIDE = {**_STATUS, "charge_point": "cp", "changed_at": "since"}
SHAPED: dict[str, Stream] = {
    each.id: each
    for each in (
        stream(
            "fuzz_side", {**_STATES, "columns": _SIDE}, "csv", personal_fields=["rfid"], optional_fields=["seen_at"],
            personal_unless={"rfid": {"cp": ["C1"]}},
            form={
                "names": ["cp", "since", "out1", "out2", "rfid"], "skip_lines": 1,
                "unpivot": {"key": "n", "fields": {"status": "out#"}},
            },
        ),
        stream(
            "fuzz_single", {**_STATES, "columns": {**_STATUS, "charge_point": "concat(id, `cic.position`)",
            "status": "`evses.status`", "changed_at": "`evses.last_updated`"}}, "json", optional_fields=["seen_at"],
            form={"single": True, "each": ["evses"]},
        ),
    )
}  # fmt: skip
SECRET = "PERSONAL-SECRET"
HEADER = "id,cp,connector,start,stop,kwh,cost,kw,rfid"
# What programs of operators sent, and what breaks programs that read it.
ODD: tuple[object, ...] = (
    None, "", " ", 0, -1, -0.0, True, [], {}, [[]], "NaN", "Infinity", "-inf", "1e308", "1e-400", "1e400", "0x10",
    "1,5", "1_000", "٣", "12.5 kWh", "9" * 40, "0." + "3" * 40, "-" + "9" * 400, "0014-03-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "+294247-01-10T04:00:54Z", "-290308-12-21T19:59:05Z", "epoch",
    "now", "2026-02-30", "2026-03-29T01:30:00", "2026-10-25T01:30:00", "2026-01-05T24:00:00Z", "2026-01-05T10:00:60Z",
    "2026-01-05T10:00:00+25:00", "2026-01-05T10:00:00[Nowhere/City]", "2026-01-05 10:00:00 BST", "1767607200000",
    "T10:00", "24:00", "../../etc/passwd", "/etc/passwd", "a\0b", "a\nb", "a\rb", "a\tb", "'; drop table facts; --",
    '"', "'", "`", "\\", "%s{0}${x}", "\ud800", "\U0001f50c", "\u202e", "\ufeff", "\ufffd", "\ufdd0", "x" * 5000, 2**63,
    -(2**63), 2**128, 1e308, 5e-324, float("nan"), float("inf"), {"a": {"a": {"a": 1}}}, [1, [2, [3]]], "true", "null",
)  # fmt: skip


def cdr(rng: random.Random) -> dict[str, object]:
    """A valid OCPI 2.2.1 CDR."""
    day, hour = rng.randint(1, 28), rng.randint(0, 20)
    return {
        "country_code": "GB", "party_id": "FUZ", "id": f"C{rng.getrandbits(40):x}",
        "start_date_time": f"2026-01-{day:02d}T{hour:02d}:00:00Z",
        "end_date_time": f"2026-01-{day:02d}T{hour + 2:02d}:30:00Z",
        "cdr_token": {"uid": SECRET, "type": "RFID"},
        "cdr_location": {"id": "L1", "evse_uid": f"E{rng.randint(1, 50)}", "connector_id": "1"}, "currency": "GBP",
        "total_cost": {"excl_vat": 3.5, "incl_vat": 4.2}, "total_energy": round(rng.uniform(1, 20), 3),
        "total_time": 2.5, "last_updated": f"2026-01-{day:02d}T{hour + 3:02d}:00:00Z",
    }  # fmt: skip


def state(rng: random.Random) -> dict[str, object]:
    """A valid state of a charge point."""
    moment = f"2026-01-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00Z"
    words = ("AVAILABLE", "CHARGING", "OUTOFORDER")
    return {
        "evse_uid": f"E{rng.randint(1, 50)}",
        "status": rng.choice(words),
        "last_updated": moment,
        "seen_at": moment,
    }


def table_row(rng: random.Random) -> list[object]:
    """A valid session under `HEADER`."""
    day, hour = rng.randint(1, 28), rng.randint(0, 20)
    start, stop = (f"2026-01-{day:02d} {hour + more:02d}:00:00" for more in (0, 2))
    return [rng.getrandbits(40), f"E{rng.randint(1, 50)}", 1, start, stop, 12.5, 6, 22, SECRET]


def _bend(rng: random.Random, content: object) -> object:
    """The content with something of its structure changed."""
    if isinstance(content, dict) and content and rng.random() < 0.9:
        key = rng.choice(list(content))
        deed = rng.randrange(5)
        if deed == 0:
            return {name: value for name, value in content.items() if name != key}
        if deed == 1:
            return {**content, str(rng.choice(ODD)): content[key]}
        return {**content, key: _bend(rng, content[key])}
    if isinstance(content, list) and content and rng.random() < 0.9:
        place = rng.randrange(len(content))
        return [*content[:place], _bend(rng, content[place]), *content[place + 1 :]]
    return rng.choice(ODD)


def _spoil(rng: random.Random, line: bytes) -> bytes:
    """The line with some of its bytes changed; it stays one line."""
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(line) + 1)
        deed = rng.randrange(5)
        if deed == 0:
            line = line[:place]
        elif deed == 1:
            line = line[:place] + bytes([rng.randrange(256)]) + line[place + 1 :]
        elif deed == 2:
            line = line[:place] + rng.randbytes(rng.randint(1, 8)) + line[place:]
        elif deed == 3:
            line = line[:place] + line[place + rng.randint(1, 30) :]
        else:
            line = line[:place] + line[max(0, place - 20) : place] + line[place:]
    return line


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def payload(rng: random.Random, name: str) -> bytes:
    """One malformed record of a stream, as its line of bytes: exactly one line, never blank."""
    if name in ("fuzz_csv", "fuzz_personal"):
        cells = table_row(rng)
        for _ in range(rng.randint(0, 2)):
            bent = _bend(rng, cells)
            cells = bent if isinstance(bent, list) else [bent]
        text = ",".join(map(_cell, cells))
    else:
        content: object = cdr(rng) if name == "fuzz_cdr" else state(rng)
        for _ in range(rng.randint(0, 2)):
            content = _bend(rng, content)
        text = json.dumps(content, ensure_ascii=rng.random() < 0.5)
    line = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.5:
        line = _spoil(rng, line)
    line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    if name in ("fuzz_csv", "fuzz_personal") and _is_open(line):
        line = line.replace(b'"', b"")
    return line if _SHOWN.search(line.decode("utf-8", "replace")) else b"x"


# A row whose cells show nothing is no record.
_SHOWN = re.compile(r'[^\s,"\u00ad\u200b-\u200d\u2060\ufeff]')


def _is_open(line: bytes) -> bool:
    """Whether a quote would draw the lines below into this one's record; each payload is to be a record of its own."""
    try:
        return not list(csv.reader([line.decode("utf-8", "replace")], strict=True))
    except csv.Error:
        return True


def files(seed: int, name: str, count: int, lines_per_file: int) -> Iterator[tuple[bytes, int]]:
    """(content, payloads in it) of files of a stream, `count` payloads together."""
    rng = random.Random(f"{seed} {name}")
    header = [HEADER.encode()] if name in ("fuzz_csv", "fuzz_personal") else []
    while count > 0:
        lines = [payload(rng, name) for _ in range(min(count, lines_per_file))]
        yield b"\n".join([*header, *lines]) + b"\n", len(lines)
        count -= len(lines)
