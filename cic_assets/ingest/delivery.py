"""Looks at every delivery as onboarding looks at a sample: what it is like as a whole, and what is wrong with that.

Row rules (`ingest/judge.py`) can't see that a whole file has day and month exchanged, or is in watt-hours. Here one
delivery's rows give a `Profile` in two or three small aggregations, and a profile gives `Finding`s by the limits of the
stream file (`delivery:`). Judged first by what is plausible at all and by the rating; against earlier arrivals of the
stream only where there are enough of them (`Reference`). What a finding does: `ingest/deliveries.py`. Pure: no lake, no
warehouse.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from statistics import median
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cic_assets.ingest.judge import is_quarantined
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.profile import Key, keyed, total
from cic_assets.kinds.stream import Delivery, FindingName, Stream
from cic_assets.kinds.swap import SwapEvidence, evidence_of_dates

HOURS = 24
# Starts outside of the delivery, or it may be a correction of another month.
_MIN_OUTSIDE = 5
# Earlier arrivals that are looked back on, and the fewest that tell what is usual.
LOOK_BACK = 30
_MIN_FOR_MEDIANS, _MIN_FOR_COVERAGE, _MIN_POINTS = 5, 10, 4
# Of 200 starts an hour's share is known within 3 points of 100; a shift by an hour needs about 1,000 to be seen.
_MIN_STARTS, _MIN_PAST_STARTS = 200, 1_000
_MIN_HOURS_APART = 0.15
_NAMED = 3
# Of a delivery's words for a state: what is rarer says nothing of it as a whole.
_WORDS_KEPT = 100


@dataclass(frozen=True)
class Profile:
    """What one delivery is like.

    Attributes:
        rows: records that were decoded and that the stream does not leave out; without those that are held unread.
        rejected: of these, rejected by a row rule.
        flags: mark → rows; what could not be read is in `unreadable`.
        unreadable: column of the stream file → (values that are there, of these not read).
        charge_points: how many different ones.
        energy_rows: closed sessions with energy and a duration, rejected or not; of these are the medians.
        median_kwh: of their energy.
        median_kw: of their mean power.
        median_rated_kw: of their rating, where it is known.
        hours: starts by local hour, midnight first; empty for other kinds than sessions.
        reused_ids: rows whose id stands at two charge points, or at starts more than 24 h apart.
        reused_names: some of these ids.
        repeats: rows that repeat another row exactly.
        words: of a status stream, its most frequent words → rows.
        unmapped: rows whose word no vocabulary knows.
        unknown: rows that say UNKNOWN, or whose word is unmapped.
        swap: evidence for exchanged day and month; None where the stream sends instants.
        repaired: rows of which day and month were exchanged back (S15).
    """

    rows: int = 0
    rejected: int = 0
    flags: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    charge_points: int = 0
    energy_rows: int = 0
    median_kwh: float | None = None
    median_kw: float | None = None
    median_rated_kw: float | None = None
    hours: tuple[int, ...] = ()
    reused_ids: int = 0
    reused_names: tuple[str, ...] = ()
    repeats: int = 0
    words: Mapping[str, int] = field(default_factory=dict)
    unmapped: int = 0
    unknown: int = 0
    swap: SwapEvidence | None = None
    repaired: int = 0

    @property
    def shows_swap(self) -> bool:
        """Whether day and month are exchanged, as the feed gives them."""
        if self.swap is None or not self.swap.is_swapped:
            return False
        outside = self.swap.doubtful - self.swap.inside_as_given
        return outside >= _MIN_OUTSIDE or self.swap.over_midnight >= _MIN_OUTSIDE


@dataclass(frozen=True)
class Finding:
    """What is wrong with a delivery: a name as in `delivery.hold`, and the figures with what to do."""

    name: FindingName
    text: str


@dataclass(frozen=True)
class Reference:
    """What is usual for a stream, by its earlier arrivals.

    Attributes:
        arrivals: how many.
        median_kwh: of their deliveries' medians; None where fewer than five arrivals have one.
        median_kw: the same.
        hours: starts by local hour.
        fewest_points: the fewest charge points that a delivery had; None where fewer than ten arrivals tell.
    """

    arrivals: int = 0
    median_kwh: float | None = None
    median_kw: float | None = None
    hours: tuple[int, ...] = ()
    fewest_points: int | None = None


def reference(past: Iterable[tuple[dt.date, Profile]], before: dt.date) -> Reference:
    """What is usual by accepted deliveries of the newest arrivals before a date, in any order.

    The same lake gives the same reference, whatever was landed first within an arrival.
    """
    known = [each for each in past if each[0] < before]
    days = sorted({day for day, _ in known})[-LOOK_BACK:]
    recent = [(day, profile) for day, profile in known if day in set(days)]

    def usual(values: Sequence[tuple[dt.date, float | None]]) -> float | None:
        there = [(day, value) for day, value in values if value is not None]
        is_enough = len({day for day, _ in there}) >= _MIN_FOR_MEDIANS
        return median(value for _, value in there) if is_enough else None

    hours = [sum(of_hour) for of_hour in zip(*(profile.hours for _, profile in recent if profile.hours), strict=True)]
    points = [profile.charge_points for _, profile in recent if profile.charge_points]
    return Reference(
        len(days),
        usual([(day, profile.median_kwh) for day, profile in recent]),
        usual([(day, profile.median_kw) for day, profile in recent]),
        tuple(hours) if len(days) >= _MIN_FOR_MEDIANS else (),
        min(points) if points and len(days) >= _MIN_FOR_COVERAGE else None,
    )


def profiles(judged: DataFrame, stream: Stream) -> dict[Key, Profile]:
    """The profile of each delivery.

    Args:
        judged: as `judge` gives them; materialised, as it is read two or three times.
        stream: whose rows.
    """
    looked_at = judged.where(~F.col("skipped") & (F.coalesce(F.col("decode_fault"), F.lit("")) != "D03"))
    found = _figures(looked_at, stream)
    counts = _counts(looked_at, stream)
    repeated = KINDS[stream.kind].work.repeated
    ids = dict(keyed(repeated(looked_at.where(~is_quarantined())))) if repeated else {}
    return {key: _profile(stream, row, counts.get(key, {}), ids.get(key)) for key, row in found.items()}


def _figures(rows: DataFrame, stream: Stream) -> dict[Key, dict[str, Any]]:
    """One row of sums and medians per delivery."""
    audited = [name for name in rows.columns if name.startswith("present_")]
    points = F.col("charge_point_id") if KINDS[stream.kind].has_points else F.lit(None).cast("string")
    columns = [
        F.count(F.lit(1)).alias("n_rows"),
        total(is_quarantined(), "rejected"),
        F.countDistinct(points).alias("points"),
        *(total(F.col(name), name) for name in audited),
    ]
    columns += KINDS[stream.kind].work.figures(stream)
    found = rows.groupBy("arrival_date", "delivery").agg(*columns)
    return dict(keyed(found))


def _counts(rows: DataFrame, stream: Stream) -> dict[Key, dict[str, dict[str, int]]]:
    """Of each delivery: what is counted → value → rows; all of it in one query."""
    counted = {"flag": F.explode("flags"), **KINDS[stream.kind].work.counted(stream)}
    each = [rows.select("arrival_date", "delivery", F.lit(what).alias("what"), value.alias("value"))
            for what, value in counted.items()]  # fmt: skip
    named = reduce(DataFrame.unionAll, each).where(F.col("value").isNotNull())
    found = named.groupBy("arrival_date", "delivery", "what", "value").count()
    # Words may be free text, as many as there are rows.
    order = Window.partitionBy("arrival_date", "delivery", "what").orderBy(F.desc("count"), "value")
    found = found.withColumn("rank", F.row_number().over(order))
    found = found.where((F.col("what") != "word") | (F.col("rank") <= _WORDS_KEPT))
    counts: dict[Key, dict[str, dict[str, int]]] = {}
    for key, row in keyed(found):
        counts.setdefault(key, {}).setdefault(row["what"], {})[row["value"]] = int(row["count"])
    return counts


def _profile(
    stream: Stream, row: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]], ids: Mapping[str, Any] | None
) -> Profile:
    marks = counts.get("flag", {})
    unread = {name.partition(":")[2]: rows for name, rows in marks.items() if name.startswith("unreadable:")}
    present = {name.removeprefix("present_"): int(rows) for name, rows in row.items() if name.startswith("present_")}
    starts, has_hours = counts.get("hour", {}), "hour" in KINDS[stream.kind].work.counted(stream)
    first_reused = ids["first_reused"] if ids else None
    return Profile(
        rows=int(row["n_rows"]),
        rejected=int(row["rejected"]),
        flags={name: rows for name, rows in marks.items() if not name.startswith("unreadable:")},
        unreadable={name: (rows, unread.get(name, 0)) for name, rows in present.items() if rows},
        charge_points=int(row["points"]),
        energy_rows=int(row.get("energy_rows", 0)),
        median_kwh=_rounded(row.get("median_kwh")),
        median_kw=_rounded(row.get("median_kw")),
        median_rated_kw=_rounded(row.get("median_rated_kw")),
        hours=tuple(starts.get(str(hour), 0) for hour in range(HOURS)) if has_hours else (),
        reused_ids=int(ids["reused_ids"]) if ids else 0,
        reused_names=(first_reused,) if first_reused is not None else (),
        repeats=int(ids["repeats"]) if ids else 0,
        words=counts.get("word", {}),
        unmapped=int(row.get("unmapped", 0)),
        unknown=int(row.get("unknown", 0)),
        swap=_evidence(row, counts.get("date", {})) if "over_midnight" in row else None,
        repaired=marks.get("S15", 0),
    )


def _rounded(value: float | None) -> float | None:
    """Medians are for comparing orders of magnitude: the last digits, in which engines differ, say nothing."""
    return None if value is None else float(f"{value:.6g}")


def _evidence(row: Mapping[str, Any], dates: Mapping[str, int]) -> SwapEvidence:
    starts = {date: rows for text, rows in dates.items() if (date := _date(text)) is not None}
    return replace(
        evidence_of_dates(starts),
        over_midnight=int(row["over_midnight"]),
        sessions_as_given=int(row["sessions_as_given"]),
        sessions_swapped=int(row["sessions_swapped"]),
    )


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        # The year 14, which engines write in their own way.
        return None


def findings(profile: Profile, stream: Stream, known: Reference | None = None) -> list[Finding]:
    """What is wrong with a delivery, by the stream file's limits; nothing of one that is too small to tell.

    Args:
        profile: of the delivery.
        stream: whose `delivery` limits.
        known: what is usual for the stream; None where nothing is known, as for a sample.
    """
    if profile.rows < stream.delivery.min_rows:
        return []
    usual, limits = known or Reference(), stream.delivery
    found = [
        *_of_dates(profile, stream),
        *_of_energy(profile, limits, usual),
        *_of_power(profile, limits, usual),
        *_of_shares(profile, stream),
        *_of_ids(profile, limits),
        *_of_words(profile, limits),
        *_of_hours(profile, limits, usual),
        *_of_coverage(profile, limits, usual),
    ]
    return [Finding(name, text) for name, text in found]


def held_by(found: Iterable[Finding], stream: Stream, released: Iterable[str] = ()) -> list[Finding]:
    """The findings that hold the delivery: those of `delivery.hold` that nobody has released."""
    passed = set(released)
    return [each for each in found if each.name in stream.delivery.hold and each.name not in passed]


_Found = Iterable[tuple[FindingName, str]]


def figures_of(swap: SwapEvidence) -> str:
    """The evidence in words."""
    text = (
        f"of {swap.doubtful} doubtful starts {swap.inside_as_given} fit the delivery as given and "
        f"{swap.inside_swapped} with day and month exchanged"
    )
    if swap.over_midnight:
        text += (
            f"; of {swap.over_midnight} sessions over midnight {swap.sessions_as_given} last 0 to 2 days as given and "
            f"{swap.sessions_swapped} exchanged"
        )
    return text


def _of_dates(profile: Profile, stream: Stream) -> _Found:
    if profile.swap is None:
        return
    figures = figures_of(profile.swap)
    if profile.shows_swap and not profile.repaired:
        yield "dates", f"day and month are swapped ({figures}): say `date_repair: auto` in the stream file"
    fits = profile.swap.inside_as_given == profile.swap.doubtful > profile.swap.inside_swapped
    if profile.repaired and fits:
        yield (
            "dates",
            f"date_repair names the file, which shows no swap ({figures}): take it out of date_repair.files, or say "
            "`date_repair: auto`",
        )


def _of_energy(profile: Profile, limits: Delivery, usual: Reference) -> _Found:
    if profile.median_kwh is None or profile.energy_rows < limits.min_rows:
        return
    low, high = limits.median_kwh
    said = f"the median session has {profile.median_kwh:g} kWh"
    if not low <= profile.median_kwh <= high:
        yield "energy", f"{said}, expected {low:g} to {high:g}: is units.energy of the stream file right?"
    elif _is_far(profile.median_kwh, usual.median_kwh, limits):
        yield (
            "energy",
            f"{said}, before it was {usual.median_kwh:g}: has the unit of energy changed? See units.energy of the "
            "stream file",
        )


def _of_power(profile: Profile, limits: Delivery, usual: Reference) -> _Found:
    if profile.median_kw is None or profile.energy_rows < limits.min_rows:
        return
    low, high = limits.median_kw
    least, most = limits.power_to_rating
    rated = profile.median_rated_kw
    said = f"the median session has a mean power of {profile.median_kw:g} kW"
    if not low <= profile.median_kw <= high:
        yield "power", f"{said}, expected {low:g} to {high:g}: are units and times of the stream file right?"
    elif rated and not least <= profile.median_kw / rated <= most:
        yield "power", f"{said}, and the median rating is {rated:g} kW: is one of units.energy and units.power wrong?"
    elif _is_far(profile.median_kw, usual.median_kw, limits):
        yield "power", f"{said}, before it was {usual.median_kw:g}: has a unit or the format of times changed?"


def _is_far(value: float, usual: float | None, limits: Delivery) -> bool:
    if not usual:
        return False
    return not usual / limits.max_change_factor <= value <= usual * limits.max_change_factor


def _pct(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _of_shares(profile: Profile, stream: Stream) -> _Found:
    limits = stream.delivery
    if _pct(profile.rejected, profile.rows) > limits.max_rejected_pct:
        yield (
            "rejected",
            f"{profile.rejected} of {profile.rows} rows are rejected, expected at most {limits.max_rejected_pct:g} %: "
            "see the quarantine's reasons",
        )
    for name, (present, unread) in sorted(profile.unreadable.items()):
        if unread >= limits.min_rows and _pct(unread, present) > limits.max_unreadable_pct:
            yield (
                "unreadable",
                f"{name}: {unread} of {present} values can't be read, expected at most {limits.max_unreadable_pct:g} %:"
                " mend the expression of the stream file or the feed",
            )
    for mark, rows in sorted(profile.flags.items()):
        if _pct(rows, profile.rows) > stream.flagged_pct(mark):
            yield (
                "flags",
                f"{rows} of {profile.rows} rows are flagged {mark}, expected at most {stream.flagged_pct(mark):g} %",
            )


def _of_ids(profile: Profile, limits: Delivery) -> _Found:
    if _pct(profile.reused_ids, profile.rows) > limits.max_reused_ids_pct:
        yield (
            "reused_ids",
            f"{profile.reused_ids} of {profile.rows} rows have ids of other sessions, such as "
            f"{', '.join(profile.reused_names)}: say `session_id: none` if charge point, connector and start identify",
        )
    if _pct(profile.repeats, profile.rows) > limits.max_repeated_pct:
        yield "repeats", f"{profile.repeats} of {profile.rows} rows repeat others exactly"


def _of_words(profile: Profile, limits: Delivery) -> _Found:
    if _pct(profile.unmapped, profile.rows) > limits.max_unmapped_pct:
        words = sorted(profile.words.items(), key=lambda each: (-each[1], each[0]))[:_NAMED]
        said = ", ".join(f"{word!r} {rows} times" for word, rows in words)
        yield (
            "unmapped",
            f"{profile.unmapped} of {profile.rows} rows have a word that no vocabulary knows, so they are UNKNOWN (the "
            f"most frequent words: {said}): add to vocabulary.words",
        )


def _of_hours(profile: Profile, limits: Delivery, usual: Reference) -> _Found:
    starts = sum(profile.hours)
    nights = sum(profile.hours[:5])
    if starts >= limits.min_rows and _pct(nights, starts) > limits.max_nights_pct:
        yield (
            "nights",
            f"{nights} of {starts} sessions start between midnight and five, expected at most "
            f"{limits.max_nights_pct:g} %: are zone and format of times of the stream file right?",
        )
    shift = hours_shifted(profile.hours, usual.hours)
    if shift:
        yield (
            "hours",
            f"starts by local hour are as before, but {abs(shift)} h {'later' if shift > 0 else 'earlier'}: has the "
            "feed changed its zone? See zone and the columns of times in the stream file",
        )


def hours_shifted(hours: Sequence[int], usual: Sequence[int]) -> int:
    """By how many hours starts lie later (negative: earlier) than usual; 0 where they don't, or nobody can tell.

    They do where the shapes differ, and turning the clock makes half of the difference disappear.
    """
    if sum(hours) < _MIN_STARTS or sum(usual) < _MIN_PAST_STARTS:
        return 0
    apart = {shift: _apart(hours, usual, shift) for shift in range(-11, 13)}
    best = min(apart, key=lambda shift: (apart[shift], abs(shift)))
    is_clear = apart[0] >= _MIN_HOURS_APART and apart[best] <= apart[0] / 2
    return best if is_clear else 0


def _apart(hours: Sequence[int], usual: Sequence[int], shift: int) -> float:
    """Share of starts that lie in other hours than usual, once they are turned back by `shift`."""
    of, whole = sum(hours), sum(usual)
    return sum(abs(hours[(h + shift) % HOURS] / of - usual[h] / whole) for h in range(HOURS)) / 2


def _of_coverage(profile: Profile, limits: Delivery, usual: Reference) -> _Found:
    fewest = usual.fewest_points
    if fewest is not None and fewest >= _MIN_POINTS and _pct(profile.charge_points, fewest) < limits.min_coverage_pct:
        yield (
            "coverage",
            f"it has {profile.charge_points} charge points, and no earlier delivery fewer than {fewest}: is it whole?",
        )
