"""Looks at every delivery as onboarding looks at a sample: what it is like as a whole, and what is wrong with that.

Row rules (`ingest/judge.py`) can't see that a whole file has day and month exchanged, or is in watt-hours. Here one
delivery's rows give a `Profile` in one or two looks, and a profile gives `Finding`s by the limits of the
stream file (`delivery:`). Judged first by what is plausible at all and by the rating; against earlier arrivals of the
stream only where there are enough of them (`Reference`). What a finding does: `ingest/deliveries.py`. Pure: no lake, no
warehouse.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.ingest.judged import JudgedRows, count_true, count_values, count_words, rejected_of
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.profile import Figures, Key, Repeated
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


@dataclass
class _Told:
    """What is told of a delivery, piece by piece."""

    sums: Counter[str] = field(default_factory=Counter)
    points: set[str] = field(default_factory=set)
    flags: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Counter[Any]] = field(default_factory=lambda: defaultdict(Counter))
    numbers: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))


def profiles(judged: JudgedRows, stream: Stream) -> dict[Key, Profile]:
    """The profile of each delivery.

    Args:
        judged: as `judge` gives them.
        stream: whose rows.
    """
    kind = KINDS[stream.kind]
    figures, repeated = kind.work.figures(stream), kind.work.repeated
    present = [name for name in judged.rows.schema.names if name.startswith("present_")]
    columns = ["decode_fault", "flags", *present, *figures.columns, *(["charge_point_id"] if kind.has_points else [])]
    told: dict[Key, _Told] = {}
    for (day, delivery), rows in judged.by(["arrival_date", "delivery"], columns):
        mine = rows.filter(_is_looked_at(rows))
        if len(mine):
            _tell(told.setdefault((day, delivery), _Told()), mine, figures, present)
    ids = {}
    if repeated:
        looked = (
            rows.filter(pc.and_(_is_looked_at(rows), pc.invert(rejected_of(rows))))
            for rows in judged.pieces(["arrival_date", "delivery", "decode_fault", *kind.work.repeated_columns])
        )
        ids = repeated(rows for rows in looked if len(rows))
    return {key: _profile(figures, found, ids.get(key, Repeated())) for key, found in told.items()}


def _is_looked_at(rows: pa.RecordBatch) -> pa.Array:
    is_held = pc.equal(pc.fill_null(rows["decode_fault"], ""), "D03")
    return pc.and_(pc.invert(rows["skipped"]), pc.invert(is_held))


def _tell(into: _Told, rows: pa.RecordBatch, figures: Figures, present: Sequence[str]) -> None:
    into.sums["rows"] += len(rows)
    into.sums["rejected"] += count_true(rejected_of(rows))
    for name in present:
        into.sums[name] += count_true(rows[name])
    for name, condition in figures.sums.items():
        into.sums[name] += count_true(condition(rows))
    if "charge_point_id" in rows.schema.names:
        into.points.update(pc.unique(pc.drop_null(rows["charge_point_id"])).to_pylist())
    into.flags.update(count_words(rows["flags"]))
    for name, values in figures.counted.items():
        into.counts[name].update(count_values(values(rows)))
    for name, numbers in figures.medians.items():
        into.numbers[name].append(np.asarray(pc.drop_null(numbers(rows))))


def _profile(figures: Figures, told: _Told, ids: Repeated) -> Profile:
    sums, counts = told.sums, told.counts
    unread = {name.partition(":")[2]: rows for name, rows in told.flags.items() if name.startswith("unreadable:")}
    present = {name.removeprefix("present_"): rows for name, rows in sums.items() if name.startswith("present_")}
    # Words may be free text, as many as there are rows.
    words = sorted(counts["word"].items(), key=lambda each: (-each[1], each[0]))[:_WORDS_KEPT]
    medians = {name: np.concatenate(numbers) for name, numbers in told.numbers.items()}
    usual = {name: float(np.median(numbers)) if len(numbers) else None for name, numbers in medians.items()}
    return Profile(
        rows=sums["rows"],
        rejected=sums["rejected"],
        flags={name: rows for name, rows in told.flags.items() if not name.startswith("unreadable:")},
        unreadable={name: (rows, unread.get(name, 0)) for name, rows in present.items() if rows},
        charge_points=len(told.points),
        energy_rows=sums["energy_rows"],
        median_kwh=_rounded(usual.get("median_kwh")),
        median_kw=_rounded(usual.get("median_kw")),
        median_rated_kw=_rounded(usual.get("median_rated_kw")),
        hours=tuple(counts["hour"].get(hour, 0) for hour in range(HOURS)) if "hour" in figures.counted else (),
        reused_ids=ids.reused_ids,
        reused_names=(ids.first_reused,) if ids.first_reused is not None else (),
        repeats=ids.repeats,
        words=dict(words),
        unmapped=sums["unmapped"],
        unknown=sums["unknown"],
        swap=_evidence(sums, counts["date"]) if "over_midnight" in figures.sums else None,
        repaired=told.flags.get("S15", 0),
    )


def _rounded(value: float | None) -> float | None:
    """Medians are for comparing orders of magnitude: the last digits, in which engines differ, say nothing."""
    return None if value is None else float(f"{value:.6g}")


def _evidence(sums: Mapping[str, int], dates: Mapping[str, int]) -> SwapEvidence:
    starts = {date: rows for text, rows in dates.items() if (date := _date(text)) is not None}
    return replace(
        evidence_of_dates(starts),
        over_midnight=sums["over_midnight"],
        sessions_as_given=sums["sessions_as_given"],
        sessions_swapped=sums["sessions_swapped"],
    )


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        # A year that Python has not.
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
