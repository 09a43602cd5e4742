"""Mistakes that people make in a stream file, each with a small file of the feed, and what `cic streams check` says.

`python -m tests.end_to_end.mistakes` prints the table as Markdown.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import Result
from openpyxl import Workbook
from typer.testing import CliRunner

from cic_assets.cli.app import app

RFID = "04A2B9C1D2E380"
_FIRST = dt.datetime(2026, 3, 2)
_KW = {"E1": 7, "E2": 22, "E3": 50, "E4": 7}
_HOURS = (7, 8, 9, 9, 10, 11, 12, 12, 13, 14, 15, 16, 17, 17, 18, 18, 19, 20)
RIGHT: dict[str, Any] = {
    "id": "acme_sessions", "kind": "sessions", "description": "d", "provider": {"id": "acme", "name": "Acme"},
    "authority": {"id": "X", "name": "X"}, "zone": "Europe/London", "format": {"type": "csv"},
    "claims": ["export.*"], "vat_basis": "unknown", "units": {"energy": "kWh", "power": "kW"},
    "personal_fields": ["Card"], "licence": "l", "contact": "c",
    "columns": {
        "session_id": "Session", "charge_point": "`Charge point`",
        "started_local": "try_to_timestamp(Start, 'dd/MM/yyyy HH:mm')",
        "ended_local": "try_to_timestamp(End, 'dd/MM/yyyy HH:mm')", "energy": "`Energy`", "cost": "Cost",
        "currency": "'GBP'", "rated_power": "Rating",
    },
}  # fmt: skip
Row = dict[str, str]


def rows(count: int = 120, *, pattern: str = "%d/%m/%Y %H:%M", zone_hours: int = 0) -> list[Row]:
    """Sessions of four charge points over two months, none wrong.

    Args:
        count: how many.
        pattern: of their times.
        zone_hours: added to their times.
    """
    dice, found = random.Random(7), []
    for number in range(count):
        point = f"E{number % 4 + 1}"
        start = _FIRST + dt.timedelta(days=number // 2, hours=dice.choice(_HOURS), minutes=dice.randrange(60))
        minutes = dice.randrange(20, 50)
        energy = 0.8 * _KW[point] * minutes / 60
        start += dt.timedelta(hours=zone_hours)
        found.append(
            {
                "Session": str(9000 + number), "Charge point": point, "Start": start.strftime(pattern),
                "End": (start + dt.timedelta(minutes=minutes)).strftime(pattern), "Energy": f"{energy:.2f}",
                "Cost": f"{0.4 * energy:.2f}", "Rating": str(_KW[point]), "Counter": str(number // 4 + 1),
                "Site": "Café Straße", "Card": RFID,
            }
        )  # fmt: skip
    return found


def as_csv(found: Sequence[Row], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """The rows under their names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, found[0], delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().encode(encoding)


def as_xlsx(found: Sequence[Row]) -> bytes:
    """The rows on a workbook's second sheet."""
    book = Workbook()
    book.worksheets[0].append(["Summary of the quarter", "Sum"])
    book.worksheets[0].append(["all", "4711"])
    sheet = book.create_sheet("Data")
    for row in (list(found[0]), *(list(row.values()) for row in found)):
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def changed(found: Sequence[Row], **columns: Callable[[str], str]) -> list[Row]:
    """The rows with other texts in some columns."""
    return [{name: columns.get(name, str)(text) for name, text in row.items()} for row in found]


def swapped(text: str) -> str:
    """Day and month exchanged wherever both readings exist, as some software exports them."""
    day, month, rest = text.split("/", 2)
    return f"{month}/{day}/{rest}" if int(day) <= 12 else text


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        name: for the table.
        content: the file of the feed.
        says: what the check must say.
        code: its exit code.
        held: whether it says that ingest would hold the file.
        stream: keys of the stream file that differ from `RIGHT`.
        columns: its columns that do; None for one that is left out.
        file: name of the feed's file.
    """

    name: str
    content: bytes
    says: tuple[str, ...]
    code: int = 1
    held: bool = False
    stream: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str | None] = field(default_factory=dict)
    file: str = "export.csv"

    def stream_file(self) -> dict[str, Any]:
        """What the stream file says."""
        columns = {name: text for name, text in {**RIGHT["columns"], **self.columns}.items() if text}
        said = {**RIGHT, "columns": columns, **self.stream}
        return {name: value for name, value in said.items() if value is not None}


def _at(text: str = "{}") -> dict[str, str | None]:
    return {
        "started_local": None, "ended_local": None, "started_at": text.format("Start"), "ended_at": text.format("End"),
    }  # fmt: skip


_PLAIN = rows()
_ISO = rows(pattern="%Y-%m-%d %H:%M")


_OTHER = {"vat_basis": None, "personal_fields": []}
_NO_SESSIONS: dict[str, str | None] = dict.fromkeys(RIGHT["columns"])
_STATES = [
    {"Point": f"E{n % 4}", "State": "Kaputt" if n % 2 else "AVAILABLE", "Since": f"2026-03-01T10:{n:02}:00Z"}
    for n in range(40)
]
_STATUS = {**_OTHER, "kind": "status", "units": None, "vocabulary": {"standard": "OCPI 2.2.1"}}
_STATUS_COLUMNS = {**_NO_SESSIONS, "charge_point": "Point", "status": "State", "changed_at": "Since"}
_SITES = [{"Point": f"E{n}", "Lat": f"51.{500 + n}", "Lon": f"-0.{100 + n}", "Power": "7000"} for n in range(40)]
_LOCATIONS = {**_OTHER, "kind": "locations", "units": {"power": "kW"}}
_LOCATION_COLUMNS = {
    **_NO_SESSIONS, "charge_point": "Point", "latitude": "Lat", "longitude": "Lon", "rated_power": "Power",
}  # fmt: skip
MISTAKES = (
    Mistake("none", as_csv(_PLAIN), ("120 rows: 120 accepted", "✓ ingest would take the file"), 0),
    Mistake(
        "unit: Wh read as kWh", as_csv(changed(_PLAIN, Energy=lambda text: f"{float(text) * 1000:.0f}")),
        ("ingest would hold the file: the median session has", "is units.energy of the stream file right?"),
        columns={"rated_power": None},
        held=True,
    ),
    Mistake(
        "unit: kWh read as Wh", as_csv(_PLAIN), ("is units.energy of the stream file right?",),
        stream={"units": {"energy": "Wh"}},
        held=True,
    ),
    Mistake(
        "unit: minutes read as seconds", as_csv([{**row, "End": "35"} for row in _PLAIN]),
        ("ingest would hold the file", "rejected S05"),
        stream={"units": {"duration": "s"}}, columns={"ended_local": None, "duration": "End"},
        held=True,
    ),
    Mistake(
        "rating: W read as kW", as_csv(changed(_PLAIN, Rating=lambda text: f"{text}000")),
        ("is one of units.energy and units.power wrong?",),
        held=True,
    ),
    Mistake(
        "rating: kW read as W", as_csv(_PLAIN), ("ingest would hold the file: 120 of 120 rows are rejected", "S05"),
        stream={"units": {"power": "W"}},
        held=True,
    ),
    Mistake(
        "zone: eight hours off", as_csv(_ISO), ("fewest sessions start at daytime, from ", "is zone right"), 0,
        stream={"zone": "America/Los_Angeles"}, columns=_at("concat({}, 'Z')"),
    ),
    Mistake(
        "zone: one hour off", as_csv(_PLAIN), ("✓ ingest would take the file", "starts by hour of Europe/Berlin"), 0,
        stream={"zone": "Europe/Berlin"},
    ),
    Mistake(
        "delimiter", as_csv(_PLAIN, delimiter=";"),
        ("the header is one cell with 9 ';' in it: say `format.delimiter: ';'`",), stream={"personal_fields": []},
        held=True,
    ),
    Mistake(
        "sheet", as_xlsx(_PLAIN), ("sheet 2 of the workbook has the fields: say its name in format.sheet",),
        stream={"format": {"type": "xlsx"}, "personal_fields": []}, file="export.xlsx",
    ),
    Mistake(
        "date order in the stream file", as_csv(_PLAIN),
        ("started_local: ", "values can't be read (U01), such as Start='13/03/2026", "mend the expression try_to_"),
        columns={
            "started_local": "try_to_timestamp(Start, 'MM/dd/yyyy HH:mm')",
            "ended_local": "try_to_timestamp(End, 'MM/dd/yyyy HH:mm')",
        },
        held=True,
    ),
    Mistake(
        "day and month exchanged in the feed", as_csv(changed(_PLAIN, Start=swapped, End=swapped)),
        ("ingest would hold the file: day and month are swapped", "say `date_repair: auto` in the stream file"),
        held=True,
    ),
    Mistake(
        "id: a counter per charge point", as_csv(_PLAIN),
        ("30 session ids are no ids, such as '1' 4 times at acme/E1", "say `session_id: none`"),
        columns={"session_id": "Counter"},
    ),
    Mistake(
        "id: the session's as the charge point's", as_csv(_PLAIN),
        ("every row has a charge point of its own: does `charge_point` read the right field?",), 0,
        columns={"charge_point": "Session"},
    ),
    Mistake(
        "offset: a clock read as an instant", as_csv(_ISO),
        ("started_at: 120 of 120 values can't be read (U01), such as Start='2026-03-02", "no row is accepted"),
        columns=_at(),
        held=True,
    ),
    Mistake(
        "offset: the local clock taken for UTC", as_csv(_ISO), ("✓ ingest would take the file",), 0,
        columns=_at("concat({}, 'Z')"),
    ),
    Mistake(
        "decimal comma", as_csv(changed(_PLAIN, Energy=lambda text: text.replace(".", ",")), delimiter=";"),
        ("energy: 120 of 120 values can't be read (U01), such as Energy='", 'or say `numbers: {decimal: ","}`'),
        stream={"format": {"type": "csv", "delimiter": ";"}},
        held=True,
    ),
    Mistake(
        "currency sign", as_csv(changed(_PLAIN, Cost=lambda text: f"£{text}")), ('or say `numbers: {signs: ["£"]}`',),
        held=True,
    ),
    Mistake(
        "encoding: windows-1252 read as UTF-8", as_csv(_PLAIN, encoding="cp1252"),
        ("120 of 120 records can't be decoded (D01): the bytes are no utf-8; say `format.encoding: cp1252`",),
        held=True,
    ),
    Mistake(
        "encoding: UTF-8 read as windows-1252", as_csv(_PLAIN), ("letters beyond ASCII come out wrong",), 0,
        stream={"format": {"type": "csv", "encoding": "cp1252"}},
    ),
    Mistake(
        "a field's name", as_csv(_PLAIN), ("the sample has no field Enrgy; it has ", ": is it Energy for Enrgy?"),
        columns={"energy": "Enrgy"},
        held=True,
    ),
    Mistake(
        "no header", as_csv(_PLAIN).partition(b"\n")[2], ("held: the delivery has no field Card",),
        held=True,
    ),
    Mistake(
        "no header, no personal fields", as_csv(_PLAIN).partition(b"\n")[2],
        ("the first line looks like a row, not like names: say the columns' names in format.names",),
        stream={"personal_fields": []},
        held=True,
    ),
    Mistake(
        "a personal field's name", as_csv(_PLAIN),
        ("held: the delivery has no field RFID card", "of its fields Card may be meant"),
        stream={"personal_fields": ["RFID card"]},
        held=True,
    ),
    Mistake(
        "a personal field that nobody names", as_csv(_PLAIN),
        ("? Card may be about persons: add to personal_fields", "connector_id=(not shown)"), 0,
        stream={"personal_fields": []}, columns={"connector_id": "Card"},
    ),
    Mistake(
        "an escape sequence in a cell", as_csv([{**row, "Charge point": "E1\x1b[2J"} for row in _PLAIN]),
        ("charge_point_id=acme/E1\\x1b[2J, ",), 0,
    ),
    Mistake(
        "claims", as_csv(_PLAIN), ("no pattern of claims matches export.csv",), 0, stream={"claims": ["report_*.csv"]},
    ),
    Mistake(
        "status: a word of the feed's own", as_csv(_STATES),
        ("no vocabulary knows 'Kaputt' (20 times): add to vocabulary.words", "ingest would warn: 20 of 40 rows"),
        stream=_STATUS, columns=_STATUS_COLUMNS,
    ),
    Mistake(
        "locations: latitude and longitude exchanged", as_csv(_SITES),
        ("ingest would warn: 40 of 40 rows are flagged L02",),
        stream=_LOCATIONS, columns={**_LOCATION_COLUMNS, "latitude": "Lon", "longitude": "Lat"},
    ),
    Mistake(
        "locations: rating in W read as kW", as_csv(_SITES), ("ingest would warn: 40 of 40 rows are flagged L03",),
        stream=_LOCATIONS, columns=_LOCATION_COLUMNS,
    ),
)  # fmt: skip


def check(mistake: Mistake, folder: Path) -> Result:
    """Runs the command as somebody types it, in this process."""
    stream, sample = folder / "acme.yml", folder / mistake.file
    stream.write_text(yaml.safe_dump(mistake.stream_file(), allow_unicode=True, sort_keys=False))
    sample.write_bytes(mistake.content)
    return CliRunner().invoke(app, ["streams", "check", str(stream), "--sample", str(sample)])


def said(result: Result) -> list[str]:
    """Problems, else hints, else that nothing is wrong."""
    lines = [*result.stderr.splitlines(), *result.stdout.splitlines()]
    for sign in ("✗ ", "? ", "✓ ingest "):
        if found := [line.partition(" ")[2] for line in lines if line.startswith(sign)]:
            return found
    return lines[-1:]


def table(results: Mapping[str, Result]) -> Iterator[str]:
    """What each mistake gave, as Markdown."""
    yield "| mistake | `cic streams check` says | exit |"
    yield "|---|---|---|"
    for name, result in results.items():
        first, *others = said(result)
        more = f" (and {len(others)} more)" if others else ""
        text = first.replace("|", "\\|")
        yield f"| {name} | {text}{more} | {result.exit_code} |"


def _print() -> None:
    results = {}
    for mistake in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            results[mistake.name] = check(mistake, Path(folder))
    print("\n".join(table(results)))


if __name__ == "__main__":
    _print()
