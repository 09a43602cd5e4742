"""The platform's own errors: what is wrong, where and what to do, for whoever called. Anything else is a defect.

`cli/edge.py` makes messages and exit codes of them.
"""

from __future__ import annotations


class PlatformError(Exception):
    """Something that a person can mend. The message says what is wrong, where, and what to do."""

    exit_code = 1


class WrongCallError(PlatformError):
    """The command was called with arguments that make no sense."""

    exit_code = 2
