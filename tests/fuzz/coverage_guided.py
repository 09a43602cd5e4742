"""The coverage-guided fuzzer (atheris; Linux on x86_64 only) on one target.

python -m tests.fuzz.coverage_guided TARGET SECONDS

Ends with an error, and a file `crash-…` with the input, if a target raises, takes ten seconds or two gigabytes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

# Only what parses: instrumenting all that is imported takes a minute.
PARSERS = ["cic_assets.lake", "cic_assets.streams", "openpyxl", "yaml", "json", "csv", "gzip", "zipfile"]


def main() -> None:
    """Fuzzes one target for some seconds."""
    with atheris.instrument_imports(include=PARSERS):
        from tests.fuzz.targets import TARGETS, seeds
    target, seconds = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(seeds(target)):
            Path(folder, str(number)).write_bytes(content)
        limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=8192"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", folder], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
