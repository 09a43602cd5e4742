"""How operators send sessions: weekly CSV files on the wall clock, OCPI 2.2.1 CDRs and Sessions as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from cic_assets.simulate.clock import HOUR, MINUTE, WEEK, at, is_repeated, utc, wall_minute
from cic_assets.simulate.county import County, Provider, Truth, Week
from cic_assets.simulate.dirt import CDR_KINDS, KINDS, Row, clean, soil
from cic_assets.simulate.expected import REJECTING, Manner, expected
from cic_assets.simulate.life import Charge, Era
from cic_assets.simulate.network import RAPID_W

CSV_HEADER = ("Session", "Charger", "Socket", "Started", "Ended", "kWh", "Paid GBP", "Rated kW", "RFID")
CSV = Manner(on_wall_clock=True, with_vat=True)
CDR = Manner(says_charging=True)
SESSION = Manner(says_rating=False)
# Cranmere's first weeks passed through software that reads mm/dd wherever it can (S15); its files say `export`.
SWAPPED_PROVIDER, SWAPPED_SHARE = "cranmere", 3
TRUTH_HEADER = (
    "stream_id", "session_id", "charge_point_id", "started_at", "ended_at", "energy_kwh", "cost", "planted",
)  # fmt: skip


class SessionFeed:
    """One provider's sessions, week by week, each on the Monday after its end at six."""

    def __init__(self, county: County, era: Era, dirt: float, unlisted: str | None) -> None:
        """Opens the feed.

        Args:
            county: where files and truth go.
            era: the simulated time.
            dirt: multiplies the shares of dirty, late and repeated rows.
            unlisted: name of a charge point that the provider's registry lacks.
        """
        self.stream_id = f"{county.provider.name}_sessions"
        self._county, self._era, self._dirt, self._unlisted = county, era, dirt, unlisted
        self._random = Random(f"{era.seed}:sessions")
        self._manner, self._kinds = (CSV, KINDS) if county.provider.sessions == "csv" else (CDR, CDR_KINDS)
        self._late: list[Row] = []
        self._table = county.table("sessions", TRUTH_HEADER)
        self.truth = county.truth.setdefault(self.stream_id, Truth())

    def week(self, week: Week, charges: Sequence[Charge]) -> list[tuple[Charge, Row]]:
        """Sends the sessions that ended in a week, in order of their end, and what was late; returns what became."""
        rows, self._late = self._late, []
        sent = [(charge, self._row(charge)) for charge in charges]
        for charge, row in sent:
            now, later = self._variants(row, charge.energy_wh)
            rows += now
            self._late += later
            self._note(charge, now[0] if now else later[0])
        if week.is_last:
            rows, self._late = rows + self._late, []
        self._send(week, rows)
        return sent

    def _row(self, charge: Charge) -> Row:
        row = clean(charge)
        # An hour that the clock shows twice is trouble enough.
        if is_repeated(charge.start) or is_repeated(charge.end):
            return row
        return soil(self._random, row, self._kinds, self._dirt)

    def _variants(self, row: Row, energy_wh: int) -> tuple[list[Row], list[Row]]:
        """(this week's rows, next week's): now and then late, sent twice, corrected, credited, or two at once."""
        if row.planted:
            self.truth.quarantined += row.rejected
            if not row.rejected:
                self._keep(row)
            return [row], []
        lot = self._random.random() / self._dirt if self._dirt else 1.0
        truth, week_later = self.truth, row.last_updated + WEEK
        if lot < 0.005:
            row.planted = "late"
            self._keep(row)
            return [], [row]
        if lot < 0.010:
            row.planted = "duplicate"
            self._keep(row)
            truth.duplicates += 1
            return [row], [row]
        if lot < 0.011:
            twin = replace(row, session_id=f"{row.session_id}X", last_updated=row.last_updated + MINUTE, planted="twin")
            self._keep(row)
            self._keep(twin)
            truth.overlapping += 2
            return [row, twin], []
        if self._manner is CDR and lot < 0.017 and energy_wh > 1000:
            # The first word was a quarter of a kWh too little.
            first = replace(row, energy_wh=energy_wh - 250, planted="corrected")
            row = replace(row, last_updated=week_later, planted="corrected")
            self._keep(row)
            truth.superseded += 1
            return [first], [row]
        if self._manner is CDR and lot < 0.021:
            row.planted = "credited"
            credit = replace(row, session_id=f"{row.session_id}C", last_updated=week_later, credits=row.session_id)
            # Both stay in facts and neither counts.
            truth.in_facts += 2
            truth.credits += 1
            truth.unlisted += 2 * (row.point == self._unlisted)
            return [row], [credit]
        self._keep(row)
        return [row], []

    def _keep(self, row: Row) -> None:
        self.truth.in_facts += 1
        self.truth.unlisted += row.point == self._unlisted
        self.truth.energy_kwh += Decimal(row.energy_wh or 0) / 1000

    def _note(self, charge: Charge, row: Row) -> None:
        """The session as it was, whatever was sent of it."""
        pence = self._manner.pence(clean(charge)) or 0
        self._table.write(
            f"{self.stream_id},{charge.session_id},{self._county.provider.charge_point_id(charge.point.name)},"
            f"{utc(charge.start)},{utc(charge.end)},{charge.energy_wh / 1000:.3f},{pence / 100:.2f},{row.planted}\n"
        )
        self.truth.planted[row.planted or "nothing"] += 1

    def _send(self, week: Week, rows: Sequence[Row]) -> None:
        county, arrived = self._county, at(week.monday, 6)
        swapped = county.provider.name == SWAPPED_PROVIDER and (
            (week.since - self._era.start) * SWAPPED_SHARE < self._era.end - self._era.start
        )
        if self._manner is CSV:
            kind = "export" if swapped else "sessions"
            name, content = f"{county.provider.name}_{kind}_{week.monday}.csv", write_csv(rows, swapped=swapped)
        else:
            name, content = f"{county.provider.name}_cdrs_{week.monday}.jsonl", write_cdrs(rows, county.provider)
        county.write(name, content, arrived, self.stream_id)
        self.truth.rows += len(rows)
        for row in rows:
            fired = expected(row, arrived, self._manner, is_swapped=swapped)
            if row.rejected == REJECTING.isdisjoint(fired):
                raise AssertionError(f"{row} was planted for quarantine or not, and {fired} say otherwise")
            self.truth.fired.update(fired)


class OcpiSessions:
    """OCPI Session objects beside CDRs: some that ended, some that run at the week's end, and reservations."""

    def __init__(self, county: County, era: Era) -> None:
        self.stream_id = f"{county.provider.name}_ocpi_sessions"
        self._county, self._random = county, Random(f"{era.seed}:ocpi")
        self.truth = county.truth.setdefault(self.stream_id, Truth())
        self._active: set[str] = set()

    def week(self, week: Week, ended: Sequence[tuple[Charge, Row]], running: Sequence[Charge]) -> None:
        """Sends a week's objects."""
        rows: list[Row] = []
        for charge, row in ended:
            rows += self._ended(charge, row)
        for charge in running:
            if self._random.random() < 0.5:
                self._active.add(_session_id(charge.session_id))
                rows.append(replace(_session(charge), end=None, energy_wh=charge.energy_wh // 2, status="ACTIVE",
                                    last_updated=week.until))  # fmt: skip
        if week.is_last:
            self.truth.open += len(self._active)
        arrived = at(week.monday, 5)
        name = f"{self._county.provider.name}_ocpi_sessions_{week.monday}.jsonl"
        self._county.write(name, write_sessions(rows, self._county.provider.party), arrived, self.stream_id)
        self.truth.rows += len(rows)
        for row in rows:
            self.truth.fired.update(expected(row, arrived, SESSION, is_swapped=False))

    def _ended(self, charge: Charge, cdr: Row) -> list[Row]:
        """A CDR that reaches the facts bills its Session; one in quarantine leaves an ACTIVE one open for ever."""
        was_active = _session_id(charge.session_id) in self._active
        self._active.discard(_session_id(charge.session_id))
        if cdr.rejected:
            self.truth.open += was_active
            return []
        self.truth.superseded += was_active
        lot = self._random.random()
        if lot < 0.10:
            self.truth.superseded += 1
            return [_session(charge)]
        if lot < 0.12:
            self.truth.in_facts += 1
            before = _session(charge)
            status = "RESERVATION" if lot < 0.115 else "INVALID"
            return [replace(before, session_id=f"{before.session_id}R", start=before.start - 15 * MINUTE,
                            end=before.start, energy_wh=0, status=status, last_updated=before.start)]  # fmt: skip
        return []


def _session_id(cdr_id: str) -> str:
    return f"S{cdr_id[1:]}"


def _session(charge: Charge) -> Row:
    return replace(clean(charge), session_id=_session_id(charge.session_id), pence=None)


def write_csv(rows: Sequence[Row], *, swapped: bool = False) -> str:
    """dd/mm/yyyy HH:MM in local time, money including VAT; a broken row lacks its last cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_HEADER)
    moment = _exchanged if swapped else wall_minute
    for row in rows:
        cells = [
            row.session_id, row.point or "", "1", moment(row.start), "" if row.end is None else moment(row.end),
            "" if row.energy_wh is None else f"{row.energy_wh / 1000:.3f}", f"{(CSV.pence(row) or 0) / 100:.2f}",
            f"{row.rated_w / 1000:g}", row.token,
        ]  # fmt: skip
        writer.writerow(cells[:4] if row.broken else cells)
    return out.getvalue()


def _exchanged(moment: int) -> str:
    """mm/dd/yyyy where both readings exist."""
    text = wall_minute(moment)
    return f"{text[3:5]}/{text[:2]}{text[5:]}" if int(text[:2]) <= 12 else text


def write_cdrs(rows: Sequence[Row], provider: Provider) -> str:
    """One CDR per line, with the id of what it credits where it is a credit CDR. A broken line stops short."""
    lines = []
    for row in rows:
        line = json.dumps(_cdr(row, provider), separators=(",", ":"))
        lines.append(line[: len(line) // 2] if row.broken else line)
    return "".join(f"{line}\n" for line in lines)


def _token(row: Row, party: str) -> dict[str, str]:
    return {"uid": row.token, "type": "RFID", "contract_id": f"GB-{party}-{row.token[:9]}"}


def _cdr(row: Row, provider: Provider) -> dict[str, Any]:
    party = provider.party
    sign = -1 if row.credits else 1
    cost = sign * (row.pence or 0) / 100
    total = max(row.seconds, row.charging)
    cdr: dict[str, Any] = {
        "country_code": "GB", "party_id": party, "id": row.session_id,
        "start_date_time": utc(row.start), "end_date_time": None if row.end is None else utc(row.end),
        "session_id": _session_id(row.credits or row.session_id),
        "cdr_token": _token(row, party), "auth_method": "WHITELIST",
        "cdr_location": {
            "id": f"L-{row.point or ''}", "city": "Wealdham", "evse_uid": row.point, "connector_id": "1",
            "connector_power_type": "DC" if row.rated_w >= RAPID_W else "AC_3_PHASE",
            # Not in OCPI's CdrLocation; this operator adds the connector's max_electric_power, in W.
            "max_electric_power": row.rated_w,
        },
        "currency": "GBP", "total_cost": {"excl_vat": cost, "incl_vat": round(cost * 1.2, 2)},
        "total_energy": None if row.energy_wh is None else row.energy_wh / 1000,
        # Rounded so that no time of charging becomes longer than its session.
        "total_time": _hours(total), "total_parking_time": -_hours(row.charging - total),
        "last_updated": utc(row.last_updated),
    }  # fmt: skip
    if row.point and provider.evse_id(row.point) != row.point:
        cdr["cdr_location"]["evse_id"] = provider.evse_id(row.point)
    return cdr | ({"credit": True, "credit_reference_id": row.credits} if row.credits else {})


def _hours(seconds: int) -> float:
    """Rounded down to 4 ms."""
    return seconds * 1_000_000 // HOUR / 1_000_000


def write_sessions(rows: Sequence[Row], party: str) -> str:
    """One OCPI 2.2.1 Session per line."""
    return "".join(f"{json.dumps(_ocpi_session(row, party), separators=(',', ':'))}\n" for row in rows)


def _ocpi_session(row: Row, party: str) -> dict[str, Any]:
    return {
        "country_code": "GB", "party_id": party, "id": row.session_id, "start_date_time": utc(row.start),
        "end_date_time": None if row.end is None else utc(row.end), "kwh": (row.energy_wh or 0) / 1000,
        "cdr_token": _token(row, party), "auth_method": "WHITELIST", "location_id": f"L-{row.point or ''}",
        "evse_uid": row.point, "connector_id": "1", "currency": "GBP", "status": row.status,
        "last_updated": utc(row.last_updated),
    }  # fmt: skip


def numbered(charges: Sequence[Charge], letter: str, since: int) -> int:
    """Gives the sessions their ids, from a number on; returns the next number."""
    for number, charge in enumerate(charges, start=since):
        charge.session_id = f"{letter}{number:07d}"
    return since + len(charges)
