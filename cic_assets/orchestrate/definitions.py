"""What Dagster's processes load: the definitions of this process's settings and stream files.

Loading needs no secret and no running server. `build.py` is apart, as whoever runs jobs in its own process builds some.
"""

from __future__ import annotations

from cic_assets.orchestrate.build import build_definitions
from cic_assets.private import set_umask
from cic_assets.settings import load_settings
from cic_assets.streams.load import read_streams

set_umask()
_settings = load_settings()
_files = read_streams(_settings.streams)
defs = build_definitions(_settings, _files.streams, _files.broken)
