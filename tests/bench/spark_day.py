"""One day of status by an engine that starts for it alone, as a job per day would: what `speed.py` scales to a year.

python -m tests.bench.spark_day FOLDER prepare|day: `prepare` ingests the status feeds with the embedded engine.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

from cic_assets.ingest.landing import land
from cic_assets.orchestrate.doors import parts_of, set_up
from cic_assets.settings import load_settings
from cic_assets.streams.load import load_streams
from cic_assets.warehouse import embedded
from tests.bench.ours import LAST_DAY
from tests.end_to_end.steps import compute_status, run_ingest

# A month of the year before it is there too, as states reach over days.
SINCE = LAST_DAY - dt.timedelta(days=31)


def main(folder: Path, step: str) -> None:
    settings = load_settings()
    streams = load_streams(settings.streams)
    if step == "prepare":
        set_up(settings)
        for name, stream, arrived_at in json.loads((folder / "files.json").read_text()):
            moment = dt.datetime.fromisoformat(arrived_at)
            if streams[stream].kind == "status" and moment.date() >= SINCE:
                land(parts_of(settings), streams[stream], folder / name, moment)
        run_ingest(settings, streams)
        embedded.stop(settings.home)
    else:
        day = LAST_DAY - dt.timedelta(days=7)
        compute_status(settings, streams, day, day + dt.timedelta(days=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
