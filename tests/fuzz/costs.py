"""What hostile input costs: decodes generated files of sizes n, 2n and 4n, and shows time and peak memory as a table.

python -m tests.fuzz.costs [--against CHECKOUT] [--seconds LIMIT] [NAME…]

Each file is decoded in a process of its own, to Parquet. Fails where doubling a file takes more than `MAX_GROWTH` times
the time, by the least of `REPEATS` runs. With `--against`, another checkout decodes the same files beside this one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve()
MAX_GROWTH, REPEATS = 2.6, 2
# Shorter runs are mostly start and noise: their growth says nothing.
MIN_SECONDS = 0.4
HEADER = b"id,cp,connector,start,stop,kwh,cost,kw,rfid\n"
ROW = b"%d,E1,1,2026-01-05 10:00:00,2026-01-05 11:00:00,12.5,6,22,x\n"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMES = ("id", "cp", "connector", "start", "stop", "kwh", "cost", "kw", "rfid")


def plain_csv(size: int) -> bytes:
    """Nothing hostile: what ordinary feeds pay."""
    return HEADER + b"".join(ROW % number for number in range(size // 60))


def quoted_csv(size: int) -> bytes:
    """Cells with line breaks, rightly quoted."""
    row = b'%d,"E1\nLower Deck",1,2026-01-05 10:00:00,2026-01-05 11:00:00,12.5,6,22,"a ""b"""\n'
    return HEADER + b"".join(row % number for number in range(size // 80))


def open_quotes(size: int) -> bytes:
    """Each line closes one quote and opens another."""
    return HEADER + b'x","\n' * (size // 5)


def pairs_of_quotes(size: int) -> bytes:
    """Every hundredth line has a stray quote."""
    rows = (ROW % number if number % 100 else b'%d,"E1,1,x\n' % number for number in range(size // 60))
    return HEADER + b"".join(rows)


def bad_lines(size: int) -> bytes:
    """Short lines, none of which can be read."""
    return HEADER + b"x\n" * (size // 2)


def wide_header(size: int) -> bytes:
    """Half of the file is a header, the other half rows of some cells."""
    return HEADER[:-1] + b",a" * (size // 4) + b"\n" + b"1,2,3,4\n" * (size // 16)


def wide_rows(size: int) -> bytes:
    """A header and one row of very many cells."""
    return HEADER[:-1] + b",a" * (size // 4) + b"\n1,2,3,4,5,6,7,8,9" + b",1" * (size // 4) + b"\n"


def lone_returns(size: int) -> bytes:
    r"""Lines that end with \r."""
    return (HEADER + ROW % 1 * (size // 60)).replace(b"\n", b"\r")


def long_record(size: int) -> bytes:
    """One line of many keys."""
    return b"{" + b",".join(b'"k%d":1' % number for number in range(size // 12)) + b"}\n"


def long_line(size: int) -> bytes:
    """A line without end between two records."""
    return b'{"id":"1"}\n{"id":"' + b"x" * size + b'"}\n{"id":"2"}\n'


def new_keys(size: int) -> bytes:
    """Keys of their own in each record."""
    return b"".join(b'{"k%d":1,"l%d":2}\n' % (number, number) for number in range(size // 24))


def deep_lines(size: int) -> bytes:
    """Lists in lists, as deep as is read."""
    return (b'{"a":' + b"[" * 60 + b"]" * 60 + b"}\n") * (size // 128)


def long_numbers(size: int) -> bytes:
    """Two numbers, each half of the file."""
    return b'{"data":[{"evses":[{"uid":%s},{"uid":1e%s}]}]}' % (b"9" * (size // 2), b"9" * (size // 2))


def empty_objects(size: int) -> bytes:
    """An array of nothing."""
    return b'{"data":[' + b",".join([b'{"evses":[{}]}'] * (size // 15)) + b"]}"


def long_path(size: int) -> bytes:
    """Many values in an object with a long name."""
    inner = b",".join(b'"%d":1' % number for number in range(size // 20))
    return b'{"%s":{%s},"data":[]}' % (b"k" * (size // 2), inner)


def nested_document(size: int) -> bytes:
    """Values around a document's records, 300 objects deep."""
    inner = b",".join(b'"%d":1' % number for number in range(size // 10))
    return b'{"a":' * 300 + b"{%s}" % inner + b"}" * 300


def spaces(size: int) -> bytes:
    """A document of spaces."""
    return b'{"data":' + b" " * size + b"[]}"


def ambiguous(size: int) -> bytes:
    """Keys that stand twice."""
    return b'{"data":[' + b",".join([b'{"evses":[{"uid":1,"uid":2}]}'] * (size // 30)) + b"]}"


def connectors(size: int) -> bytes:
    """Records of 350 kB, half of them a list that is split, half of it fields around that."""
    around = b",".join(b'"f%d":"%s"' % (number, b"x" * 90) for number in range(1750))
    inner = b",".join(b'{"uid":"%d","status":"AVAILABLE"}' % number for number in range(5000))
    return b'{"data":[' + b",".join([b'{%s,"evses":[%s]}' % (around, inner)] * max(size // 350_000, 1)) + b"]}"


def small_around(size: int) -> bytes:
    """One record, split: as many fields around the list as elements in it."""
    around = b",".join(b'"f%d":1' % number for number in range(size // 20))
    return b'{"data":[{%s,"evses":[%s]}]}' % (around, b",".join([b'{"uid":1}'] * (size // 20)))


def _book(sheets: Iterable[tuple[str, int]], parts: list[str], strings: str = "") -> bytes:
    """A workbook whose sheets, as (name, number of the part), stand in parts; each is the XML in a worksheet."""
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{types}.{kind}+xml"/>'
        for name, kind in [("workbook", "sheet.main"), ("sharedStrings", "sharedStrings"), ("styles", "styles")]
        if name != "sharedStrings" or strings
    )
    named = "".join(
        f'<sheet name="{name}" sheetId="{number + 1}" r:id="r{number}"/>' for number, (name, _) in enumerate(sheets)
    )
    related = "".join(
        f'<Relationship Id="r{number}" Type="{RELATIONS}/worksheet" Target="worksheets/{part}.xml"/>'
        for number, (_, part) in enumerate(sheets)
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        content_types = "http://schemas.openxmlformats.org/package/2006/content-types"
        book.writestr("[Content_Types].xml", f'<Types xmlns="{content_types}">{overrides}</Types>')
        book.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>{named}</sheets>'
                      "</workbook>")  # fmt: skip
        packaged = "http://schemas.openxmlformats.org/package/2006/relationships"
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{packaged}">{related}</Relationships>')
        book.writestr("xl/styles.xml", f'<styleSheet xmlns="{MAIN}"/>')
        if strings:
            book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{strings}</sst>')
        for number, part in enumerate(parts):
            book.writestr(f"xl/worksheets/{number}.xml", f'<worksheet xmlns="{MAIN}">{part}</worksheet>')
    return out.getvalue()


def _row(cells: str) -> str:
    return f"<row>{cells}</row>"


def _texts(names: Iterable[str]) -> str:
    return "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in names)


def plain_sheet(size: int) -> bytes:
    """Nothing hostile: rows of nine cells."""
    row = _row("".join(f"<c><v>{n}</v></c>" for n in range(9)))
    return _book([("s", 0)], ["<sheetData>" + _row(_texts(NAMES)) + row * (size // 160) + "</sheetData>"])


def one_part(size: int) -> bytes:
    """A sheet of some rows under very many names."""
    sheets = [(f"s{number}", 0) for number in range(size // 200)]
    rows = _row("<c><v>1</v></c>" * 9) * (size // 2000)
    return _book(sheets, ["<sheetData>" + _row(_texts(NAMES)) + rows + "</sheetData>"])


def many_sheets(size: int) -> bytes:
    """Very many sheets, each with a header of its own."""
    parts = ["<sheetData>" + _row(_texts([f"n{number}"])) + "</sheetData>" for number in range(size // 400)]
    return _book([(f"s{number}", number) for number in range(len(parts))], parts)


def far_columns(size: int) -> bytes:
    """Each row has one cell, in the last column that there is."""
    rows = "".join(f'<row><c r="XFD{n}"><v>1</v></c></row>' for n in range(2, size // 40))
    return _book([("s", 0)], ["<sheetData>" + _row(_texts(NAMES)) + rows + "</sheetData>"])


def wide_sheet(size: int) -> bytes:
    """A header of 16,384 names and rows of one cell."""
    names = [*NAMES, *(f"n{number}" for number in range(16_384 - len(NAMES)))]
    return _book([("s", 0)], ["<sheetData>" + _row(_texts(names)) + _row("<c><v>1</v></c>") * (size // 40)
                              + "</sheetData>"])  # fmt: skip


def styled_cells(size: int) -> bytes:
    """Cells that have a style and nothing else."""
    rows = _row('<c s="0"/>' * 1000) * (size // 10_000)
    return _book([("s", 0)], ["<sheetData>" + _row(_texts(NAMES)) + rows + "</sheetData>"])


def shared_text(size: int) -> bytes:
    """One long text, referred to by each cell of one column."""
    rows = _row('<c t="s"><v>0</v></c>') * (size // 80)
    strings = "<si><t>" + "x" * (size // 2) + "</t></si>"
    return _book([("s", 0)], ["<sheetData>" + _row(_texts(NAMES)) + rows + "</sheetData>"], strings)


def merged_cells(size: int) -> bytes:
    """Very many merged ranges."""
    merged = "".join(f'<mergeCell ref="A{n}:XFD{n}"/>' for n in range(1, size // 36))
    return _book([("s", 0)], [f"<sheetData>{_row(_texts(NAMES))}</sheetData><mergeCells>{merged}</mergeCells>"])


Case = tuple[str, Callable[[int], bytes], int]
# Stream that reads it, content by size, the smallest size.
CASES: dict[str, Case] = {
    case.__name__: (stream, case, size)
    for stream, size, cases in (
        ("fuzz_csv", 2_000_000, (plain_csv, quoted_csv, pairs_of_quotes, lone_returns)),
        ("fuzz_csv", 500_000, (open_quotes, bad_lines, wide_header, wide_rows)),
        ("fuzz_status", 1_000_000, (long_record, new_keys, deep_lines)),
        ("fuzz_status", 10_000_000, (long_line,)),
        ("fuzz_json", 1_000_000, (empty_objects, long_path, nested_document, ambiguous, connectors, long_numbers)),
        ("fuzz_json", 4_000_000, (spaces,)),
        ("fuzz_json", 50_000, (small_around,)),
        ("fuzz_xlsx", 4_000_000, (plain_sheet, styled_cells, merged_cells)),
        ("fuzz_xlsx", 500_000, (far_columns, wide_sheet, shared_text, many_sheets)),
        ("fuzz_xlsx", 100_000, (one_part,)),
    )
    for case in cases
}


def decode_one(name: str, size: int, limit: int) -> None:
    """Decodes one file and prints what it cost, as JSON. Whichever checkout the import path has."""
    from cic_assets.formats.read import read_records
    from cic_assets.ingest.decoded import write_decoded
    from cic_assets.ingest.personal import Guard, Keys
    from tests.fuzz.payloads import STREAMS

    # Of the processor's time: beside others a machine's clock says little.
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    kind, make, _ = CASES[name]
    stream, content = STREAMS[kind], make(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    reading = read_records(io.BytesIO(content), stream.format)
    with Path(os.devnull).open("wb") as target:
        count = write_decoded(Guard(stream, reading, Keys(b"person", b"content"), []), "x", target)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"bytes": len(content), "records": count, "seconds": seconds, "mib": (peak - before) >> 10}))


def cost_of(name: str, size: int, checkout: Path, limit: int) -> dict[str, float] | None:
    """The least of some runs; None where one takes longer than the limit."""
    command = [sys.executable, str(HERE), "--one", name, str(size), str(limit)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    found: list[dict[str, float]] = []
    for _ in range(REPEATS):
        done = subprocess.run(command, env=environment, cwd=checkout, stdout=subprocess.PIPE, check=False)
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return None
        done.check_returncode()
        found.append(json.loads(done.stdout))
        if found[-1]["seconds"] > limit / 4:
            break
    return min(found, key=lambda run: run["seconds"])


def table(names: Iterable[str], checkouts: list[Path], limit: int) -> list[str]:
    """Prints a row per file; gives what grows too fast in the first checkout."""
    print(f"{'input':<17}{'kB':>8}" + "".join(f"{'records':>10}{'s':>8}{'growth':>8}{'MiB':>7}" for _ in checkouts))
    steep = []
    for name in names:
        last: dict[Path, float] = {}
        for step in range(3):
            size = CASES[name][2] << step
            runs = [cost_of(name, size, checkout, limit) for checkout in checkouts]
            kilobytes = next((f"{run['bytes'] / 1000:,.0f}" for run in runs if run), "")
            cells = ""
            for checkout, run in zip(checkouts, runs, strict=True):
                if run is None:
                    cells += f"{'':>10}{f'>{limit}':>8}{'':>15}"
                    steep += [f"{name}: more than {limit} s"] if checkout == checkouts[0] else []
                    continue
                growth = run["seconds"] / last[checkout] if last.get(checkout, 0) > MIN_SECONDS else None
                last[checkout] = run["seconds"]
                cells += f"{run['records']:>10,.0f}{run['seconds']:>8.2f}{f'{growth:.1f}' if growth else '':>8}"
                cells += f"{run['mib']:>7,.0f}"
                if growth and growth > MAX_GROWTH and checkout == checkouts[0]:
                    steep.append(f"{name}: {growth:.1f} times the time for twice the size")
            print(f"{name:<17}{kilobytes:>8}{cells}", flush=True)
            if all(run is None for run in runs):
                break
    return steep


def main() -> None:
    """The table, and exit code 1 where something grows too fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--one", nargs=3, metavar=("NAME", "SIZE", "SECONDS"))
    parser.add_argument("names", nargs="*", default=[])
    said = parser.parse_args()
    if said.one:
        decode_one(said.one[0], int(said.one[1]), int(said.one[2]))
        return
    checkouts = [HERE.parents[2], *([said.against.resolve()] if said.against else [])]
    steep = table(said.names or CASES, checkouts, said.seconds)
    if steep:
        sys.exit("grows too fast:\n" + "\n".join(steep))


if __name__ == "__main__":
    main()
