"""What goes wrong while a feed is fetched."""

from __future__ import annotations

import datetime as dt

from cic_assets.errors import PlatformError


class FetchError(PlatformError):
    """A poll can't go on: the message says what was asked, what came, and what to do.

    Attributes:
        not_before: when the other side wants to be asked again, if it said so.
    """

    def __init__(self, message: str, not_before: dt.datetime | None = None) -> None:
        super().__init__(message)
        self.not_before = not_before
