"""dbt's command line, with the project as set-up has parsed it: what Dagster calls in the place of `dbt`.

dbt takes what it keeps of a parse for the warehouse alone for which it was made (host, port, user and database are in
its hash), and looks at every file again. Of all that, only the database's name stands in what is parsed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cic_assets.ledger.mart_sets import DBT_PROJECT
from cic_assets.settings import dbt_database

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


def parsed(project: Path = DBT_PROJECT) -> Manifest | None:
    """The project as it was parsed last; None where that is missing, or older than a file: then dbt parses anew."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.version import __version__

    kept = project / "target" / "partial_parse.msgpack"
    if not kept.is_file() or kept.stat().st_mtime < max(path.stat().st_mtime for path in _sources(project)):
        return None
    found = Manifest.from_msgpack(kept.read_bytes())
    return found if found.metadata.dbt_version == __version__ else None


# What dbt reads, below the project: its other folders are its own.
_READ = ("docs", "macros", "models", "tests")


def _sources(project: Path) -> Iterator[Path]:
    """What dbt parses; a folder's time says whether something left it."""
    yield from (path for path in project.iterdir() if path.suffix == ".yml" and not path.name.startswith("."))
    for folder in (project / name for name in _READ):
        yield folder
        yield from folder.rglob("*")


def for_database(manifest: Manifest, name: str) -> Manifest:
    """The manifest with all relations in a database of this name."""
    for node in (*manifest.nodes.values(), *manifest.sources.values()):
        before = f'"{node.database}".'
        node.database = name
        relation = getattr(node, "relation_name", None)
        if relation and relation.startswith(before):
            node.relation_name = f'"{name}".{relation.removeprefix(before)}'
    return manifest


def run(arguments: Sequence[str], manifest: Manifest | None) -> None:
    """The command line of dbt; ends the process as dbt does."""
    from dbt.cli.main import cli

    known = None if manifest is None else for_database(manifest, dbt_database())
    cli.main([*arguments], prog_name="dbt", obj={"manifest": known, "callbacks": []})


def main() -> None:
    """`cic-dbt`."""
    run(sys.argv[1:], parsed())
