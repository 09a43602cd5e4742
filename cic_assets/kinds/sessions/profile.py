"""What a delivery of sessions is like as a whole: energy and power, evidence of swapped dates, ids that repeat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.kinds.clock import local_hours
from cic_assets.kinds.profile import Figures, Key, Repeated, doubles, said
from cic_assets.kinds.sessions.stream import SessionsStream
from cic_assets.kinds.swap import LAST_AMBIGUOUS_DAY

_LONGEST = dt.timedelta(days=2)
_DAY_MICROS = 86_400_000_000
_HOUR_MICROS = 3.6e9


def figures(stream: SessionsStream) -> Figures:
    """Energy and power; starts by local hour and, of clocks on the wall, by date as given, and what lasts how long."""
    has_wall = "started_local" in stream.columns
    walls = ("started_wall_given", "ended_wall_given") if has_wall else ()
    return Figures(
        ("is_open", "energy_kwh", "duration_micros", "rated_power_kw", "started_at", *walls),
        sums={"energy_rows": _has_energy} | (_MIDNIGHT if has_wall else {}),
        medians={
            "median_kwh": lambda rows: _where(_has_energy(rows), doubles(rows["energy_kwh"])),
            "median_kw": lambda rows: _where(_has_energy(rows), pc.divide(doubles(rows["energy_kwh"]), _hours(rows))),
            "median_rated_kw": lambda rows: _where(_is_rated(rows), doubles(rows["rated_power_kw"])),
        },
        counted={"hour": lambda rows: local_hours(rows["started_at"], stream.zone)}
        | ({"date": lambda rows: _date(rows["started_wall_given"])} if has_wall else {}),
    )


def _where(condition: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(condition, values, None)


def _hours(rows: pa.RecordBatch) -> pa.Array:
    lasts = doubles(rows["duration_micros"])
    return pc.divide(pc.if_else(pc.greater(lasts, 0), lasts, None), _HOUR_MICROS)


def _has_energy(rows: pa.RecordBatch) -> pa.Array:
    """Closed sessions with energy and a duration."""
    lasts, energy = pc.greater(rows["duration_micros"], 0), pc.greater(doubles(rows["energy_kwh"]), 0)
    return said(pc.and_kleene(pc.and_kleene(pc.invert(rows["is_open"]), energy), lasts))


def _is_rated(rows: pa.RecordBatch) -> pa.Array:
    return said(pc.and_kleene(_has_energy(rows), pc.greater(doubles(rows["rated_power_kw"]), 0)))


def _date(walls: pa.Array) -> pa.Array:
    """Dates as text: the year 14 is none of Python's."""
    return walls.cast(pa.timestamp("us")).cast(pa.date32()).cast(pa.string())


def _over_midnight(rows: pa.RecordBatch) -> pa.Array:
    """Sessions that end on another date, one of the two doubtful."""
    walls = [rows[name].cast(pa.timestamp("us")) for name in ("started_wall_given", "ended_wall_given")]
    doubtful = [
        pc.and_(pc.less_equal(pc.day(wall), LAST_AMBIGUOUS_DAY), pc.not_equal(pc.day(wall), pc.month(wall)))
        for wall in walls
    ]
    crosses = pc.not_equal(walls[0].cast(pa.date32()), walls[1].cast(pa.date32()))
    return said(pc.and_kleene(crosses, pc.or_kleene(*doubtful)))


def _lasts(rows: pa.RecordBatch, reading: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Of these, those that last up to two days, by a reading of the clock."""
    start, end = (reading(rows[name].cast(pa.timestamp("us"))) for name in ("started_wall_given", "ended_wall_given"))
    lasts = pc.subtract(end.cast(pa.int64()), start.cast(pa.int64()))
    longest = _LONGEST // dt.timedelta(microseconds=1)
    is_session = pc.and_kleene(pc.greater(lasts, 0), pc.less_equal(lasts, longest))
    return said(pc.and_kleene(_over_midnight(rows), is_session))


def _swapped(walls: pa.Array) -> pa.Array:
    """Clocks with day and month exchanged where they can be."""
    moments = np.asarray(pc.fill_null(walls, 0)).astype("datetime64[us]")
    days, months, years = (moments.astype(f"datetime64[{unit}]") for unit in "DMY")
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    month = (months - years.astype("datetime64[M]")).astype(np.int64) + 1
    exchanged = (years.astype("datetime64[M]") + np.minimum(day, LAST_AMBIGUOUS_DAY) - 1).astype("datetime64[D]")
    swapped = (exchanged + month - 1).astype("datetime64[us]") + (moments - days.astype("datetime64[us]"))
    found = np.where(day <= LAST_AMBIGUOUS_DAY, swapped, moments)
    return pa.array(found, pa.timestamp("us"), mask=np.asarray(walls.is_null()))


_MIDNIGHT = {
    "over_midnight": _over_midnight,
    "sessions_as_given": lambda rows: _lasts(rows, lambda walls: walls),
    "sessions_swapped": lambda rows: _lasts(rows, _swapped),
}

REPEATED_COLUMNS = ("record_kind", "session_id", "content_hash", "charge_point_id", "started_at")
_OF_ID = ["arrival_date", "delivery", "record_kind", "session_id"]
_FOLDED = [("n", "sum"), ("low", "min"), ("high", "max"), ("earliest", "min"), ("latest", "max")]


def repeated(pieces: Iterable[pa.RecordBatch]) -> dict[Key, Repeated]:
    """By delivery, of rows that no rule rejects: what tells ids that are none, and repeats.

    Args:
        pieces: rows with arrival_date, delivery and `REPEATED_COLUMNS`.
    """
    # First by content, and not by a distinct count: engines keep a set of 15 kB for each of as many ids as rows.
    by_content = [*_OF_ID, "content_hash"]
    found: pa.Table | None = None
    for piece in pieces:
        start, point = piece["started_at"], piece["charge_point_id"]
        one = pa.table(
            {
                **{name: piece[name] for name in by_content},
                "n": pa.array(np.ones(len(piece), np.int64)),
                "low": point, "high": point, "earliest": start, "latest": start,
            }
        )  # fmt: skip
        found = _folded(one if found is None else pa.concat_tables([found, _folded(one, by_content)]), by_content)
    if found is None:
        return {}
    found = found.append_column("has_content", found["content_hash"].is_valid().cast(pa.int64()))
    by_id = found.group_by(_OF_ID).aggregate([*_FOLDED, ("has_content", "sum")])
    apart = pc.subtract(by_id["latest_max"].cast(pa.int64()), by_id["earliest_min"].cast(pa.int64()))
    is_reused = said(pc.or_kleene(pc.not_equal(by_id["low_min"], by_id["high_max"]), pc.greater(apart, _DAY_MICROS)))
    of_delivery = pa.table(
        {
            "arrival_date": by_id["arrival_date"],
            "delivery": by_id["delivery"],
            "reused": pc.if_else(is_reused, by_id["n_sum"], 0),
            "id": pc.if_else(is_reused, by_id["session_id"], None),
            "repeats": pc.subtract(by_id["n_sum"], by_id["has_content_sum"]),
        }
    )
    rows = of_delivery.group_by(["arrival_date", "delivery"]).aggregate(
        [("reused", "sum"), ("id", "min"), ("repeats", "sum")]
    )
    return {
        (row["arrival_date"], row["delivery"]): Repeated(row["reused_sum"], row["id_min"], row["repeats_sum"])
        for row in rows.to_pylist()
    }


def _folded(table: pa.Table, keys: list[str]) -> pa.Table:
    """Rows of the same keys as one."""
    found = table.group_by(keys).aggregate(_FOLDED)
    return found.rename_columns([*keys, *(name for name, _ in _FOLDED)])


def sizes(numbers: Callable[[str], Any]) -> dict[str, Any]:
    """Energy, mean power and rating."""
    energy, rated, lasted = (numbers(name) for name in ("energy_kwh", "rated_power_kw", "duration_micros"))
    hours = pc.divide(pc.if_else(pc.greater(lasted, 0), lasted, None), _HOUR_MICROS)
    return {"energy, kWh": energy, "mean power, kW": pc.divide(energy, hours), "rating, kW": rated}
