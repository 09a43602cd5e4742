"""A lake and a warehouse for one measurement, gone after it; nothing of the user's own is touched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cic_assets.orchestrate.doors import set_up
from cic_assets.settings import Settings, load_settings
from cic_assets.warehouse import embedded


@contextmanager
def scratch() -> Iterator[tuple[Settings, Path]]:
    """Settings of a fresh lake and a fresh embedded warehouse with all its tables, and a folder beside them."""
    with tempfile.TemporaryDirectory(prefix="cic-calibration-") as name:
        home = Path(name, "home")
        embedded.start(home)
        try:
            settings = load_settings({"CIC_HOME": str(home), "CIC_STREAMS": "examples", "CIC_PERSONAL_KEY": "scratch"})
            set_up(settings)
            yield settings, Path(name)
        finally:
            embedded.delete(home)
