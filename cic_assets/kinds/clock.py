"""Local time of instants, by Python's own zones: Arrow asks the system's, which a bare machine lacks."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MINUTE = 60_000_000
_HOUR = 3_600_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO = dt.timedelta(microseconds=1)


def local_hours(instants: pa.Array, zone: str) -> pa.Array:
    """The hour of the local day, 0 to 23, of each instant; null for null, and where Python has no such year."""
    micros = np.asarray(pc.fill_null(instants.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), 0))
    # A zone's offset changes with a minute.
    minutes, of_row = np.unique(micros // _MINUTE, return_inverse=True)
    offsets = [_offset(int(minute) * _MINUTE, ZoneInfo(zone)) for minute in minutes]
    unknown = np.array([offset is None for offset in offsets], bool)
    east = np.array([offset or 0 for offset in offsets], np.int64)
    hours = (micros + east[of_row]) // _HOUR % 24
    return pa.array(hours, pa.int64(), mask=np.asarray(instants.is_null()) | unknown[of_row])


def _offset(micros: int, zone: ZoneInfo) -> int | None:
    try:
        offset = (_EPOCH + dt.timedelta(microseconds=micros)).astimezone(zone).utcoffset()
    except OverflowError:
        return None
    return None if offset is None else offset // _MICRO
