"""What one file may cost: no content, however broken or hostile, takes more time or memory than these say."""

from __future__ import annotations

# A record of a charge is a few kB; a line beyond this is a broken feed and would fill the memory.
MAX_LINE_BYTES = 16 << 20
# A cell in quotes has at most so many lines and characters; people's longest texts are a few pages.
MAX_CELL_LINES, MAX_CELL_CHARS = 1_000, 1 << 20
# What is kept of a longer line, so that somebody can see what it was.
START_KEPT = 2_000
# OCPI's deepest object has 7 levels; Python's own limit is near 1,000 and depends on who calls.
MAX_DEPTH = 64
# Characters of all records that lists are split into, beside so many times those that a file has: a site of 10 kB
# around a thousand charge points gives 33 times its own.
MAX_PARTS_CHARS, MAX_PARTS_RATIO = 256 << 20, 50
# Of what stands around a list, so much is shown in the text of each element.
MAX_AROUND_CHARS = 4 << 10
# What is kept of a record's text for people; the original has all of it.
RAW_KEPT = 16 << 10
# Field names noted per file: a feed whose keys are ids would have as many as records.
NAMES_KEPT, MAX_NAME_CHARS = 2_000, 255
# Packed feeds of text unpack to 5 to 50 times their size, deflate's end is 1,032; judged beyond the first bytes.
MAX_RATIO = 200
RATIO_FROM_BYTES = 4 << 20
MAX_INFLATED_BYTES = 16 << 30
# A workbook is held in memory, packed, and its shared texts unpacked.
MAX_WORKBOOK_BYTES = 64 << 20
MAX_WORKBOOK_INFLATED_BYTES = 512 << 20
# Elements of a sheet that are held at once: a row of 16,384 cells has five times as many.
MAX_ROW_ELEMENTS = 1_000_000
# Characters in a workbook's cells, beside so many times those of its parts: shared texts stand there once.
MAX_CELLS_CHARS, MAX_CELLS_RATIO = 64 << 20, 5


class UnreadableError(Exception):
    """The content is not what the stream file says it is; the message quotes nothing of it."""
