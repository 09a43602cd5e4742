"""Imports go one way: no module imports from a room above its own, so no two rooms import each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cic_assets.kinds.every import KINDS
from cic_assets.settings import PACKAGE, PROJECT

# What stands beside the rooms: any room may import it, and it imports no room.
GROUND = {"calendar", "errors", "peers", "printed", "private", "processes", "settings"}
# Lowest first.
ROOMS = (
    "formats", "lake", "warehouse", "ledger", "kinds", "streams", "parts", "facts", "ingest", "fetch", "onboard",
    "simulate", "orchestrate", "cli",
)  # fmt: skip


# The one that knows Dagster.
DAGSTER = "orchestrate"


def imported(tree: ast.Module, package: str) -> list[tuple[int, str]]:
    """(line, what: a room, a module on the ground, or dagster) of each import, wherever in the file it stands."""
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module == package:
            names = [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{package}.relative" if node.level else node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found += [(node.lineno, name.split(".")[1]) for name in names if name.startswith(f"{package}.")]
        found += [(node.lineno, "dagster") for name in names if name.startswith("dagster")]
    return found


def modules(package: Path, room: str) -> list[Path]:
    """Its files; a room may be one."""
    one = package / f"{room}.py"
    return [one] if one.exists() else sorted((package / room).rglob("*.py"))


def faults(package: Path) -> list[str]:
    """What breaks the rule, and rooms that are not in the list or empty."""
    here = {path.stem if path.is_file() else path.name for path in package.iterdir()} - {"__init__", "__pycache__"}
    wrong = [f"{name} is not in the list" for name in sorted(here - GROUND - set(ROOMS))]
    wrong += [f"{room} is empty" for room in ROOMS if not modules(package, room)]
    for path in sorted(package.rglob("*.py")):
        mine = path.relative_to(package).with_suffix("").parts[0]
        height = ROOMS.index(mine) if mine in ROOMS else -1
        for line, other in imported(ast.parse(path.read_text()), package.name):
            is_below = other == mine or other in GROUND or (other in ROOMS and ROOMS.index(other) < height)
            is_below |= other == "dagster" and mine == DAGSTER
            if not is_below:
                wrong.append(f"{path.relative_to(package)}:{line} imports {other}")
    return wrong


def test_imports_go_one_way():
    assert faults(PACKAGE) == []


@pytest.fixture
def house(tmp_path):
    for room in ROOMS:
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "thing.py").write_text("from house.settings import Settings\n")
    (tmp_path / "house" / "settings.py").write_text("import json\n")
    return tmp_path / "house"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("lake/thing.py", "from house.facts.status import x", "lake/thing.py:1 imports facts"),
        ("lake/thing.py", "from house import facts", "lake/thing.py:1 imports facts"),
        ("lake/thing.py", "import house.cli.app", "lake/thing.py:1 imports cli"),
        ("lake/thing.py", "def f():\n    from house.facts import x", "lake/thing.py:2 imports facts"),
        ("lake/thing.py", "from ..facts import x", "lake/thing.py:1 imports relative"),
        ("cli/thing.py", "def f():\n    from dagster_webserver import cli", "cli/thing.py:2 imports dagster"),
        ("settings.py", "from house.lake.zones import Lake", "settings.py:1 imports lake"),
        ("attic/thing.py", "", "attic is not in the list"),
        ("stray.py", "", "stray is not in the list"),
    ],
)
def test_the_rule_sees(house, path, text, said):
    assert faults(house) == []
    (house / path).parent.mkdir(exist_ok=True)
    (house / path).write_text(text)
    assert said in faults(house)


def test_files_that_comments_name_are_there():
    texts = [*PACKAGE.rglob("*.py"), *PROJECT.glob("*.md"), *(PROJECT / "infra").rglob("*.md")]
    named = {
        (path.relative_to(PROJECT), name)
        for path in texts
        if path.name != "CHANGELOG.md"
        for name in re.findall(r"(?<![\w/.])(?:\w+/)+\w+\.py\b", path.read_text())
    }
    assert len(named) > 40
    roots = (PROJECT, PACKAGE, PROJECT / "tests")
    gone = {each for each in named if not any((root / each[1]).exists() for root in roots)}
    assert gone == set()


def test_a_room_without_modules_is_seen(house):
    (house / "kinds" / "thing.py").unlink()
    assert faults(house) == ["kinds is empty"]


# These know kinds by what `Kind` says of them.
KINDLESS = ("lake", "warehouse", "ledger", "parts", "ingest", "orchestrate", "cli")


def kinds_named(package: Path) -> list[str]:
    """Where they name one."""
    pattern = re.compile("|".join(f"\"{kind}\"|'{kind}'" for kind in KINDS))
    return [
        f"{path.relative_to(package)}:{number}: {line.strip()}"
        for room in KINDLESS
        for path in modules(package, room)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def test_rooms_beside_kinds_and_facts_name_no_kind(house):
    assert len(KINDS) >= 3 and kinds_named(PACKAGE) == []
    (house / "ingest" / "thing.py").write_text("if stream.kind == 'status':\n    pass\n")
    assert kinds_named(house) == ["ingest/thing.py:1: if stream.kind == 'status':"]


# Where settings become parts; below, nothing takes them.
EDGE = ("orchestrate", "cli")


def settings_taken(package: Path) -> list[str]:
    """Functions below the edge that take settings, by name or by type, or read them by themselves."""
    rooms = [*(GROUND - {"settings"}), *(room for room in ROOMS if room not in EDGE)]
    found = []
    for path in (path for room in rooms for path in modules(package, room)):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.arg if isinstance(node, ast.arg) else node.id if isinstance(node, ast.Name) else ""
            if name in ("settings", "Settings", "load_settings"):
                found.append(f"{path.relative_to(package)}:{node.lineno} takes {name}")
    return found


def test_nothing_below_the_edge_takes_settings(house):
    assert settings_taken(PACKAGE) == []
    for text in ("def f(settings):\n    pass", "def f(told: Settings):\n    pass", "x = load_settings()"):
        (house / "ingest" / "thing.py").write_text(text)
        assert len(settings_taken(house)) == 1


# The ledger's tables: who may write a thing, and whether it is stale.
LEDGER = ("arrival", "portion", "touched_period", "pending_period", "fact_window", "feed_span", "mart_period")


def ledger_named(package: Path) -> list[str]:
    """Where SQL on them stands outside the ledger."""
    pattern = re.compile(rf"\bcatalogue\.({'|'.join(LEDGER)})\b(?!\")")
    return [
        f"{path.relative_to(package)}:{number}: {line.strip()}"
        for room in ROOMS
        if room != "ledger"
        for path in modules(package, room)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def test_only_the_ledger_writes_sql_on_its_tables(house):
    assert ledger_named(PACKAGE) == []
    (house / "facts" / "thing.py").write_text('x = "delete from catalogue.fact_window where fact = %s"')
    assert len(ledger_named(house)) == 1
    assert [
        table
        for table in LEDGER
        if f"catalogue.{table}" not in "".join(map(Path.read_text, modules(PACKAGE, "ledger")))
    ] == []
