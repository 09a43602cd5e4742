"""What dbt publishes, as its manifest says: sets of marts that are built together, and a fingerprint of their SQL.

A set is a tag of the dbt project. Which periods of it are due: `publication.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cic_assets.errors import PlatformError
from cic_assets.settings import PROJECT

DBT_PROJECT = PROJECT / "dbt_project"
ARRIVAL, DAILY, MONTHLY, DIMENSION = "arrival", "daily", "monthly", "dimension"
NAMES = (ARRIVAL, DAILY, MONTHLY, DIMENSION)
# Of a model's configuration, what makes other rows or other tables.
_CONFIG = ("materialized", "pre-hook", "post-hook", "indexes", "incremental_strategy", "on_schema_change", "contract")

Node = Mapping[str, Any]


class NotSetUpError(PlatformError):
    """Something that `make setup` makes is not there."""


@dataclass(frozen=True)
class MartSet:
    """Marts that one dbt run builds together.

    Attributes:
        name: their tag.
        relations: schema and name of each.
        is_only_views: whether none holds rows of its own, so that building one period is building all.
        sources: what they read at the far end: schema and name.
        fingerprint: another one when the SQL of a mart, or of what it is made of, is another.
    """

    name: str
    relations: frozenset[tuple[str, str]]
    is_only_views: bool
    sources: frozenset[tuple[str, str]]
    fingerprint: str


def mart_sets(project: Path = DBT_PROJECT) -> dict[str, MartSet]:
    """All sets by name.

    The manifest says what there is; the SQL itself is read anew, as dbt does it.

    Raises:
        NotSetUpError: dbt's manifest was never made.
    """
    manifest = manifest_of(project)
    content = _manifest(manifest, manifest.stat().st_mtime_ns)
    return {name: _set(content, name, project) for name in NAMES}


def manifest_of(project: Path = DBT_PROJECT) -> Path:
    """Dbt's manifest.

    Raises:
        NotSetUpError: it was never made, or has other models than the project, such as those of an earlier release.
    """
    manifest = project / "target" / "manifest.json"
    if not manifest.exists():
        raise NotSetUpError(f"dbt's manifest {manifest} is missing: run `make setup` in {PROJECT}")
    nodes = _manifest(manifest, manifest.stat().st_mtime_ns)["nodes"].values()
    known = {node["original_file_path"] for node in nodes if node["resource_type"] == "model"}
    others = sorted(known ^ {str(path.relative_to(project)) for path in (project / "models").rglob("*.sql")})
    if others:
        raise NotSetUpError(f"dbt's manifest {manifest} is of other models ({', '.join(others[:3])}): run `make setup`")
    return manifest


@lru_cache(maxsize=1)
def _manifest(path: Path, changed_at: int) -> dict[str, Any]:
    """Read once per change: sensors ask every 15 s, and parsing its megabyte takes 30 ms."""
    found = json.loads(path.read_bytes())
    return {"nodes": found["nodes"], "sources": found["sources"]}


def _set(manifest: dict[str, Any], name: str, project: Path) -> MartSet:
    nodes = manifest["nodes"]
    marts = [
        node
        for node in nodes.values()
        if node["resource_type"] == "model" and name in node["tags"] and node["config"]["materialized"] != "ephemeral"
    ]
    parts = _upstream(nodes, [node["unique_id"] for node in marts])
    models = [nodes[part] for part in parts if part in nodes]
    sources = [manifest["sources"][part] for part in parts if part in manifest["sources"]]
    return MartSet(
        name,
        frozenset((node["schema"], node["alias"]) for node in marts),
        all(node["config"]["materialized"] == "view" for node in marts),
        frozenset((source["schema"], source["name"]) for source in sources),
        _fingerprint(models, project),
    )


def _upstream(nodes: Mapping[str, Node], ids: Iterable[str]) -> list[str]:
    """Ids with all that they are made of, sorted."""
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += nodes[each]["depends_on"]["nodes"] if each in nodes else []
    return sorted(found)


def _fingerprint(models: Iterable[Node], project: Path) -> str:
    """Of models, their configuration and types, and of all macros: any model may call any of them."""
    found = hashlib.sha256()
    for model in models:
        types = {name: column.get("data_type") for name, column in model["columns"].items()}
        config = {name: model["config"].get(name) for name in _CONFIG}
        found.update(json.dumps([model["unique_id"], config, types], sort_keys=True).encode())
        found.update(project.joinpath(model["original_file_path"]).read_bytes())
    for path in sorted(project.joinpath("macros").rglob("*.sql")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
