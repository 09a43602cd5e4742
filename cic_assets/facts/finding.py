"""Checks and what they find, outside Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """One check of a table, `schema.name`; `is_blocking`: rows that fail it replace nothing."""

    name: str
    table: str
    description: str
    is_blocking: bool = False


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name.
        table: of which table.
        passed: whether all is well.
        text: what is wrong, where, and what to do.
        figures: counts and names, by what people read.
        is_warning: people should know, and nothing is broken.
    """

    check: str
    table: str
    passed: bool
    text: str | None = None
    figures: Mapping[str, int | str] = field(default_factory=dict)
    is_warning: bool = False
