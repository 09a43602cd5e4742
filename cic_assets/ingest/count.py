"""What an ingest counts: of each portion, kept beside its rows, and of the arrival, as all of its portions together."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from cic_assets.facts.status_edges import Entries
from cic_assets.ingest.change import Loss
from cic_assets.ingest.deliveries import Looked
from cic_assets.ingest.judged import (
    HELD,
    JudgedRows,
    accepted_of,
    count_true,
    count_values,
    count_words,
    rejected_of,
)
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.kind import Kind
from cic_assets.kinds.rule import Rule
from cic_assets.kinds.stream import Stream
from cic_assets.lake.rows import Rows
from cic_assets.ledger.catalogue import Incomplete

# Of words for a state that no vocabulary knows, by portion and by arrival.
WORDS_KEPT = 100
OTHER_WORDS = "(others)"
MAX_WORD_CHARS = 200

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was counted of some rows.

    Attributes:
        rows_in: decoded records of all objects; of polls without a time of their own, of each sighting.
        accepted: records among the rows that are to be written to `accepted`.
        quarantined: rows that are to be written to `quarantine`.
        fired: rule id → rows on which it fired.
        disagreements: rule id → rows on which the rule contradicts itself (a defect of the rule).
        newest: the latest moment among accepted rows.
        unmapped: word that no vocabulary knows → rows.
        cover_at: up to when the rows cover time; None where they cover none or their kind has no cover.
        first_at: from when they do.
        skipped: decoded records that the stream leaves out.
        dates: the first and last local date of accepted records; None where their kind has no days.
        unreadable: column of the stream file → (values that are there, of these not read).
        entries: of a status stream, its accepted entries by date (UTC).
    """

    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    fired: Mapping[str, int] = field(default_factory=dict)
    disagreements: Mapping[str, int] = field(default_factory=dict)
    newest: dt.datetime | None = None
    unmapped: Mapping[str, int] = field(default_factory=dict)
    cover_at: dt.datetime | None = None
    first_at: dt.datetime | None = None
    skipped: int = 0
    dates: tuple[dt.date, dt.date] | None = None
    unreadable: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    entries: tuple[Entries, ...] = ()

    @property
    def unaccounted(self) -> int:
        """Decoded records that are neither about to be written nor left out; negative if there are too many."""
        return self.rows_in - self.accepted - self.quarantined - self.skipped


@dataclass(frozen=True)
class IngestCount(Counts):
    """What one ingest of an arrival counted; the batch that expectations look at.

    Attributes:
        new_columns: fields of its files that no earlier arrival had.
        incomplete: its deliveries that lack a personal field, or of which the stream file asks for more than is left.
        loss: accepted rows that would leave as the stream file was changed: then nothing is replaced.
        deliveries: what each of its deliveries is like as a whole, and what holds it.
    """

    stream_id: str
    arrival_date: dt.date
    new_columns: tuple[str, ...] = field(default=(), kw_only=True)
    incomplete: tuple[Incomplete, ...] = field(default=(), kw_only=True)
    loss: Loss | None = field(default=None, kw_only=True)
    deliveries: tuple[Looked, ...] = field(default=(), kw_only=True)

    @property
    def held(self) -> int:
        """Of the quarantined rows, those of deliveries that are held; they break no rule by themselves."""
        return self.fired.get("D03", 0) + self.fired.get(HELD, 0)

    @property
    def doubt(self) -> str:
        """Why a changed stream file may not replace the arrival's rows, and what it gives; empty if it may."""
        gives = f"it gives {self.accepted} accepted, {self.quarantined} rejected, {self.skipped} skipped"
        return f"{self.loss} ({gives})" if self.loss else ""


def merged(some: Sequence[Counts]) -> Counts:
    """What was counted of some rows together."""
    dates = [date for each in some if each.dates for date in each.dates]
    entries: dict[dt.date, Entries] = {}
    for entry in (entry for each in some for entry in each.entries):
        before = entries.get(entry.date, Entries(entry.date, 0, entry.first_at))
        entries[entry.date] = Entries(entry.date, before.count + entry.count, min(before.first_at, entry.first_at))
    unreadable: dict[str, tuple[int, int]] = {}
    for name, (present, unread) in (pair for each in some for pair in each.unreadable.items()):
        there, not_read = unreadable.get(name, (0, 0))
        unreadable[name] = there + present, not_read + unread
    return Counts(
        rows_in=sum(each.rows_in for each in some),
        accepted=sum(each.accepted for each in some),
        quarantined=sum(each.quarantined for each in some),
        skipped=sum(each.skipped for each in some),
        fired=_summed(each.fired for each in some),
        disagreements=_summed(each.disagreements for each in some),
        newest=_over(max, (each.newest for each in some)),
        cover_at=_over(max, (each.cover_at for each in some)),
        first_at=_over(min, (each.first_at for each in some)),
        unmapped=_most_frequent(_summed(each.unmapped for each in some)),
        dates=(min(dates), max(dates)) if dates else None,
        unreadable=unreadable,
        entries=tuple(entries[date] for date in sorted(entries)),
    )


def _summed(some: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in some:
        for name, rows in each.items():
            total[name] += rows
    return dict(total)


def _over(choose: Any, some: Iterable[T | None]) -> T | None:
    there = [each for each in some if each is not None]
    found: T | None = choose(there) if there else None
    return found


def _most_frequent(words: Mapping[str, int]) -> dict[str, int]:
    """The most frequent words; all others, which may be free text, as one."""
    named = sorted((word for word in words if word != OTHER_WORDS), key=lambda word: (-words[word], word))
    kept = {word: words[word] for word in named[:WORDS_KEPT]}
    others = words.get(OTHER_WORDS, 0) + sum(words[word] for word in named[WORDS_KEPT:])
    return kept | ({OTHER_WORDS: others} if others else {})


def counted(
    judged: JudgedRows, accepted: Rows, quarantined: Rows, stream: Stream, rules: Sequence[Rule],
    rows_in: Mapping[str, int],
) -> dict[str, Counts]:  # fmt: skip
    """What is counted of each portion, also of one without rows.

    Args:
        judged: the judged rows.
        accepted: the rows as they are about to be written.
        quarantined: the same, of those that a rule rejects.
        stream: whose rows.
        rules: by which they were judged.
        rows_in: portion → decoded records.
    """
    kind = KINDS[stream.kind]
    by_rule, moments = count_by_rule(judged, rules), _moments(judged, kind)
    unmapped = _unmapped(judged) if kind.has_words else {}
    unreadable = count_unreadable(judged)
    taken, rejected = _by_portion(accepted), _by_portion(quarantined)
    dates, entries = _dates(accepted, kind.dated), _entries(accepted)
    found = {}
    for portion, records in rows_in.items():
        ruled = by_rule.get(portion, ByRule())
        newest, cover_at, first_at = moments.get(portion, (None, None, None))
        found[portion] = Counts(
            rows_in=records,
            accepted=taken.get(portion, 0),
            quarantined=rejected.get(portion, 0),
            fired=ruled.fired,
            disagreements=ruled.wrong,
            newest=newest,
            unmapped=unmapped.get(portion, {}),
            cover_at=cover_at,
            first_at=first_at,
            skipped=ruled.skipped,
            dates=dates.get(portion),
            unreadable=unreadable.get(portion, {}),
            entries=entries.get(portion, ()),
        )
    return found


@dataclass
class ByRule:
    """What rules said of some rows.

    Attributes:
        rows: all of them.
        rejected: those that a rule rejects.
        skipped: those that the stream leaves out.
        fired: rule id → rows.
        wrong: rule id → rows on which the rule contradicts itself.
    """

    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)


def count_by_rule(judged: JudgedRows, rules: Sequence[Rule]) -> dict[Any, ByRule]:
    """How often each rule fired and how often it contradicted itself, by `portion`."""
    found: dict[Any, ByRule] = {}
    for (portion,), rows in judged.by(["portion"], ["flags", "disagreements"]):
        zeros = {rule.id: 0 for rule in rules}
        into = found.setdefault(portion, ByRule(fired={**zeros}, wrong={**zeros}))
        into.rows += len(rows)
        into.rejected += count_true(rejected_of(rows))
        into.skipped += count_true(rows["skipped"])
        words = {name: count_words(rows[name]) for name in ("reasons", "flags", "disagreements")}
        for rule in rules:
            mark = f"{rule.mark}:" if rule.words else rule.mark
            if rule.words:
                fired = _rows_with(rows["flags"], mark)
            else:
                fired = words["reasons" if rule.severity == "reject" else "flags"].get(mark, 0)
            into.fired[rule.id] += fired
            into.wrong[rule.id] += words["disagreements"].get(rule.id, 0)
    return found


def _rows_with(lists: pa.Array, beginning: str) -> int:
    """How many lists have a word that begins so."""
    begins = pc.starts_with(pc.list_flatten(lists), beginning)
    return len(pc.unique(pc.list_parent_indices(lists).filter(begins)))


def count_unreadable(judged: JudgedRows) -> dict[Any, dict[str, tuple[int, int]]]:
    """What there was to read and what was not read (U01), over all decoded rows that are not left out.

    Returns:
        portion → column of the stream file → (values present, of these unreadable); only columns that are audited.
    """
    present = [name for name in judged.rows.schema.names if name.startswith("present_")]
    found: dict[Any, dict[str, tuple[int, int]]] = {}
    for (portion,), rows in judged.by(["portion"], ["decode_fault", "unreadable", *present]):
        looked_at = rows.filter(pc.and_(pc.is_null(rows["decode_fault"]), pc.invert(rows["skipped"])))
        if not len(looked_at):
            continue
        unread = count_words(looked_at["unreadable"])
        into = found.setdefault(portion, {})
        for name in (each.removeprefix("present_") for each in present):
            there, not_read = into.get(name, (0, 0))
            into[name] = there + count_true(looked_at[f"present_{name}"]), not_read + unread.get(name, 0)
    return found


def _by_portion(rows: Rows) -> dict[str, int]:
    counts = rows.to_table(["portion"]).group_by("portion").aggregate([([], "count_all")])
    return dict(zip(counts.column("portion").to_pylist(), counts.column("count_all").to_pylist(), strict=True))


def _dates(rows: Rows, column: str | None) -> dict[str, tuple[dt.date, dt.date]]:
    """First and last date in a column, by portion."""
    if column is None:
        return {}
    found = rows.to_table(["portion", column]).group_by("portion")
    return {
        row["portion"]: (row[f"{column}_min"], row[f"{column}_max"])
        for row in found.aggregate([(column, "min"), (column, "max")]).to_pylist()
    }


def _entries(rows: Rows) -> dict[str, tuple[Entries, ...]]:
    """The accepted entries of a status stream by date, by portion."""
    found: dict[str, tuple[Entries, ...]] = {}
    if "entry" not in rows.schema.names:
        return found
    keys = ["portion", "event_date"]
    grouped = rows.to_table([*keys, "at"]).group_by(keys).aggregate([("at", "min"), ([], "count_all")])
    for row in grouped.to_pylist():
        one = Entries(row["event_date"], row["count_all"], row["at_min"])
        found[row["portion"]] = (*found.get(row["portion"], ()), one)
    return found


_Moment: TypeAlias = dt.datetime | None


def _moments(judged: JudgedRows, kind: Kind) -> dict[str, tuple[_Moment, _Moment, _Moment]]:
    """Per portion: the latest moment, and the moments up to which and from which time is covered, if it is."""
    work = kind.work
    found: dict[str, tuple[_Moment, _Moment, _Moment]] = {}
    columns = (kind.newest, *work.covers_until, *([work.covers_from] if work.covers_from else []))
    for (portion,), rows in judged.by(["portion"], columns):
        mine = rows.filter(accepted_of(rows))
        if not len(mine):
            continue
        newest, cover, first = found.get(portion, (None, None, None))
        for name in work.covers_until:
            cover = _over(max, (cover, pc.max(mine[name]).as_py()))
        if work.covers_from:
            first = _over(min, (first, pc.min(mine[work.covers_from]).as_py()))
        found[portion] = _over(max, (newest, pc.max(mine[kind.newest]).as_py())), cover, first
    return found


def newest_of(judged: JudgedRows, kind: Kind) -> _Moment:
    """The latest moment of the accepted rows."""
    return _over(max, (each[0] for each in _moments(judged, kind).values()))


def _unmapped(judged: JudgedRows) -> dict[str, dict[str, int]]:
    """Per portion: the most frequent words that no vocabulary knows; all others, which may be free text, as one."""
    found: dict[str, Counter[str]] = {}
    for (portion,), rows in judged.by(["portion"], ["mapped_state", "source_status"]):
        words = rows.filter(pc.and_(accepted_of(rows), pc.is_null(rows["mapped_state"])))["source_status"]
        # The beginning of a long one: no index takes all of it.
        counts = count_values(pc.utf8_slice_codeunits(words, 0, MAX_WORD_CHARS))
        if counts:
            found.setdefault(portion, Counter()).update(counts)
    return {portion: _most_frequent(words) for portion, words in found.items()}


def to_json(counts: Counts) -> dict[str, Any]:
    """What is kept of a portion: without `disagreements`, with which nothing is replaced."""

    def text(value: dt.date | None) -> str | None:
        return None if value is None else value.isoformat()

    return {
        "rows_in": counts.rows_in,
        "accepted": counts.accepted,
        "quarantined": counts.quarantined,
        "skipped": counts.skipped,
        "fired": {rule: rows for rule, rows in counts.fired.items() if rows},
        "newest": text(counts.newest),
        "unmapped": dict(counts.unmapped),
        "cover_at": text(counts.cover_at),
        "first_at": text(counts.first_at),
        "dates": [text(date) for date in counts.dates] if counts.dates else None,
        "unreadable": {name: list(pair) for name, pair in counts.unreadable.items()},
        "entries": [[text(each.date), each.count, text(each.first_at)] for each in counts.entries],
    }


def from_json(kept: Mapping[str, Any]) -> Counts:
    """What `to_json` keeps."""

    def moment(text: str | None) -> dt.datetime | None:
        return None if text is None else dt.datetime.fromisoformat(text)

    def date(text: str) -> dt.date:
        return dt.date.fromisoformat(text)

    return Counts(
        rows_in=kept["rows_in"],
        accepted=kept["accepted"],
        quarantined=kept["quarantined"],
        skipped=kept["skipped"],
        fired=kept["fired"],
        newest=moment(kept["newest"]),
        unmapped=kept["unmapped"],
        cover_at=moment(kept["cover_at"]),
        first_at=moment(kept["first_at"]),
        dates=(date(kept["dates"][0]), date(kept["dates"][1])) if kept["dates"] else None,
        unreadable={name: (present, unread) for name, (present, unread) in kept["unreadable"].items()},
        entries=tuple(
            Entries(date(day), rows, dt.datetime.fromisoformat(first)) for day, rows, first in kept["entries"]
        ),
    )
