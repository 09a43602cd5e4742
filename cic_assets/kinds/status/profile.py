"""What a delivery of states is like as a whole: its words, and how many say nothing."""

from __future__ import annotations

import pyarrow.compute as pc

from cic_assets.kinds.profile import Figures
from cic_assets.kinds.status.stream import StatusStream


def figures(stream: StatusStream) -> Figures:
    """Words for a state, and rows of which the word is not known or says nothing."""
    return Figures(
        ("mapped_state", "state", "source_status"),
        sums={
            "unmapped": lambda rows: pc.is_null(rows["mapped_state"]),
            "unknown": lambda rows: pc.equal(pc.fill_null(rows["state"], "UNKNOWN"), "UNKNOWN"),
        },
        counted={"word": lambda rows: rows["source_status"]},
    )
