"""What one file may cost: no content, however broken or hostile, takes more time or memory than these say."""

from __future__ import annotations

# A record of a charge is a few kB; a line beyond this is a broken feed and would fill the memory.
MAX_LINE_BYTES = 16 << 20
# What is kept of a longer line, so that somebody can see what it was.
START_KEPT = 2_000
# OCPI's deepest object has 7 levels; Python's own limit is near 1,000 and depends on who calls.
MAX_DEPTH = 64
# Characters of all records that one record's lists are split into.
MAX_PARTS_CHARS = 256 << 20
# Field names noted per file: a feed whose keys are ids would have as many as records.
NAMES_KEPT = 2_000
# Packed feeds of text unpack to 5 to 50 times their size, deflate's end is 1,032; judged beyond the first bytes.
MAX_RATIO = 200
RATIO_FROM_BYTES = 4 << 20
MAX_INFLATED_BYTES = 16 << 30
# A workbook is held in memory, packed, and its shared texts unpacked.
MAX_WORKBOOK_BYTES = 64 << 20
MAX_WORKBOOK_INFLATED_BYTES = 512 << 20


class UnreadableError(Exception):
    """The content is not what the stream file says it is; the message quotes nothing of it."""
