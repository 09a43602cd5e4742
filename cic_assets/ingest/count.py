"""What an ingest counts: of each portion, kept beside its rows, and of the arrival, as all of its portions together."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import Window
from pyspark.sql import functions as F

from cic_assets.facts.status_edges import Entries
from cic_assets.ingest import deliveries
from cic_assets.ingest.change import Loss
from cic_assets.ingest.deliveries import Looked
from cic_assets.ingest.judge import EVERY, SKIPPED, count_by_rule, count_unreadable, is_accepted
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.kind import Kind
from cic_assets.kinds.rule import Rule
from cic_assets.kinds.stream import Stream
from cic_assets.lake.rows import Rows
from cic_assets.ledger.catalogue import Incomplete

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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
        return self.fired.get("D03", 0) + self.fired.get(deliveries.HELD, 0)

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
    judged: DataFrame, accepted: Rows, quarantined: Rows, stream: Stream, rules: Sequence[Rule],
    rows_in: Mapping[str, int],
) -> dict[str, Counts]:  # fmt: skip
    """What is counted of each portion, also of one without rows.

    Args:
        judged: the judged rows, materialised, as they are read several times.
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
        fired = dict(by_rule.get(portion, {}))
        skipped, _ = fired.pop(SKIPPED, (0, 0))
        fired.pop(EVERY, None)
        newest, cover_at, first_at = moments.get(portion, (None, None, None))
        found[portion] = Counts(
            rows_in=records,
            accepted=taken.get(portion, 0),
            quarantined=rejected.get(portion, 0),
            fired={rule: rows for rule, (rows, _) in fired.items()},
            disagreements={rule: wrong for rule, (_, wrong) in fired.items()},
            newest=newest,
            unmapped=unmapped.get(portion, {}),
            cover_at=cover_at,
            first_at=first_at,
            skipped=skipped,
            dates=dates.get(portion),
            unreadable=unreadable.get(portion, {}),
            entries=entries.get(portion, ()),
        )
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


def _moments(judged: DataFrame, kind: Kind) -> dict[str, tuple[dt.datetime | None, ...]]:
    """Per portion: the latest moment, and the moments up to which and from which time is covered, if it is."""
    none = F.lit(None).cast("timestamp")
    cover, first = kind.work.cover() if kind.work.cover else (none, none)
    rows = judged.where(is_accepted()).groupBy("portion")
    found = (
        rows.agg(F.max(kind.newest).alias("n"), F.max(cover).alias("c"), F.min(first).alias("f")).toArrow().to_pylist()
    )
    return {row["portion"]: (row["n"], row["c"], row["f"]) for row in found}


def _unmapped(judged: DataFrame) -> dict[str, dict[str, int]]:
    """Per portion: the most frequent words that no vocabulary knows; all others, which may be free text, as one."""
    # The beginning of a long one: no index takes all of it.
    beginning = F.substring("source_status", 1, MAX_WORD_CHARS).alias("source_status")
    words = judged.where(is_accepted() & F.col("mapped_state").isNull()).groupBy("portion", beginning)
    order = Window.partitionBy("portion").orderBy(F.desc("count"), "source_status")
    word = F.when(F.row_number().over(order) <= WORDS_KEPT, F.col("source_status")).otherwise(OTHER_WORDS)
    named = words.count().withColumn("word", word).groupBy("portion", "word").agg(F.sum("count").alias("rows"))
    found: dict[str, dict[str, int]] = {}
    for row in named.toArrow().to_pylist():
        found.setdefault(row["portion"], {})[row["word"]] = int(row["rows"])
    return found


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
