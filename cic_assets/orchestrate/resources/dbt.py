"""dbt of this environment as a resource, without what dagster-dbt does around a build that nothing here needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dagster_dbt import DbtCliResource
from packaging.version import Version

from cic_assets.ledger.mart_sets import DBT_PROJECT


class Dbt(DbtCliResource):
    """The command line of dbt.

    dagster-dbt asks `dbt --version` first, a process of 2.9 CPU seconds, and makes an adapter of its own, which parses
    dbt's macros in this process in 0.4 to 1.9 more, for row counts and columns that it would fetch.
    """

    @property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


_DBT = Path(sys.executable).with_name("cic-dbt")


def local_dbt(program: Path = _DBT) -> Dbt:
    """Ours, beside this Python (`orchestrate/dbt_program.py`), also where its folder is not on the PATH."""
    return Dbt(project_dir=str(DBT_PROJECT), profiles_dir=str(DBT_PROJECT), dbt_executable=str(program))
