"""What every kind's harmonising shares: provenance, the stream's expressions, text, numbers, instants and wall clocks.

Wall-clock times travel as timestamps of a Spark session in UTC, until the stream's zone turns them into instants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from zoneinfo import available_timezones

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cic_assets.kinds.columns import OWNERS
from cic_assets.kinds.columns import Column as ModelColumn
from cic_assets.kinds.expressions import failing_reads, reads_wall_clock
from cic_assets.kinds.safe import safe, safe_condition
from cic_assets.kinds.stream import PARTY_ID, Numbers, Stream, referenced_fields

# What a decoded record brings with it, and the file it came from.
PROVENANCE = (
    "arrival_date", "source_file", "source_line", "raw", "arrived_at", "decode_fault", "detail", "content", "skipped",
    "portion", "delivery", "shows_swap",
)  # fmt: skip
HOUR_MICROS = 3_600_000_000
# A text of the common model, in bytes of UTF-8. OCPI's ids have 36 or 48 signs; an entry of a Postgres index takes
# 2,704 bytes, and one charge point of 2,800 stopped the month of all providers.
MAX_TEXT_BYTES = 255
# What is longer is not searched at all: patterns that step back take minutes for a million spaces.
_MAX_SEARCHED = 4_096
# Signs that are kept of a text that is cut: at most 4 bytes each.
_CUT_TO = 60
# 0001-01-01 and the end of 9999, UTC.
_FIRST_MICROS, _LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
_NUMBER = r"^[ \t\r\n]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\r\n]*$"
_DURATION = r"^([0-9]{1,5}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,6})?)$"
# Unicode's white space, and signs that nobody sees: zero-width ones, the byte order mark and the soft hyphen.
_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = "\u200b-\u200d\u2060\ufeff\xad"
# A date, a time of day with minutes, a fraction (cut to microseconds); then UTC's name, an offset, or nothing. What has
# this form, engines read alike; what has not, they complete.
_MOMENT = (
    r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})(?:[Tt]| +)([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]{1,6})[0-9]*)?"
    r" *([Zz]|[Uu][Tt][Cc]|[Gg][Mm][Tt]|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
_DATE = r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})$"
_MAX_OFFSET_MINUTES = 18 * 60
# What stands in cells of charge points' ids where there is none; spreadsheets' errors too.
NO_IDS = (
    "-", "--", "---", "\u2013", "\u2014", "?", "n/a", "null", "none", "nan", "tbc", "tbd", "#n/a", "#ref!", "#value!",
    "#name?", "#div/0!", "#null!", "#num!",
)  # fmt: skip
# The word for a sum of the rows above, in the languages of the feeds.
_SUM = (
    r"(?:(?:grand|sub|overall)[ -]?|zwischen|gesamt|sous[ -])?"
    r"(?:total|totals|sum|summe|gesamt|insgesamt|somme|totale|totali|totaal|totalt|suma|summa|razem|celkem|celkom"
    r"|ukupno|skupaj|kokku|yhteensä|összesen|toplam|i alt|average|mean|durchschnitt|mittelwert|moyenne|media"
    r"|gemiddelde)"
)
# A whole cell that says one; `Total: 64`, `Summe (3)` too.
TOTAL = (
    rf"^{_SUM}"
    r"(?: (?:chargers?|charge ?points?|charging (?:points?|stations?)|stations?|sites?|devices?|connectors?|rows?))?"
    r" *(?:[:=] *[0-9.,]*(?: *kw)?|\([0-9., ]*\))?$"
)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def given(records: DataFrame, stream: Stream, *beside: Column) -> DataFrame:
    """Provenance, and the stream's expression of each column of the common model as `given_<column>`.

    Beside it stand, for mapped columns, `present_<column>` (there is something to read), and for instants
    `<column>_instant` (what is one by itself) and `<column>_wall` (a date and a time of day without an offset).

    Args:
        records: the decoded columns `cic.*`, `source_file`, `arrival_date`, `arrived_at` and the stream's fields
            as text. `cic.portion` says with what a row is replaced (`ingest/portions.py`), `cic.delivery` which
            delivery it is of, and `cic.shows_swap` whether that shows day and month exchanged (`ingest/delivery.py`);
            without them, all is one delivery that does not.
        stream: whose expressions.
        beside: more columns, over the feed's fields.
    """
    frame = _with_own_fields(records).select(
        "arrival_date",
        "source_file",
        F.col("`cic.line`").alias("source_line"),
        F.col("`cic.raw`").alias("raw"),
        "arrived_at",
        F.col("`cic.fault`").alias("decode_fault"),
        F.col("`cic.fault_text`").alias("detail"),
        F.col("`cic.content`").alias("content"),
        _skipped(stream).alias("skipped"),
        F.col("`cic.portion`").alias("portion"),
        F.col("`cic.delivery`").alias("delivery"),
        F.col("`cic.shows_swap`").alias("shows_swap"),
        *beside,
        *(_expression(stream, name) for name in stream.COLUMNS),
        *(_present(stream.columns[name]).alias(f"present_{name}") for name in audited_columns(stream, texts=False)),
    )
    types = {field.name: field.dataType for field in frame.schema}
    named = {*stream.columns, *(["charge_point_alias"] if stream.alias_fields else [])}
    texts = [f"given_{name}" for name in stream.COLUMNS if name in named]
    timed = {name: types[f"given_{name}"] for name, column in stream.COLUMNS.items() if column.is_time}
    written = [name for name in timed if name in stream.columns and isinstance(timed[name], T.StringType)]
    strings = [name for name in texts if isinstance(types[name], T.StringType)]
    counted = [name for name in audited_columns(stream) if stream.COLUMNS[name].is_text]
    # Step by step: engines plan an expression as often as others name it.
    for step in (
        {f"long_{name}": _is_longer(f"given_{name}", _MAX_SEARCHED) for name in counted},
        {name: _bounded_text(name, stream, F.length(name) <= _MAX_SEARCHED, _MAX_SEARCHED) for name in strings},
        {name: cleaned(name) for name in strings},
        _plain_numbers(stream, strings),
        {f"present_{name}": F.col(f"given_{name}").isNotNull() | F.col(f"long_{name}") for name in counted},
        {name: _bounded_text(name, stream, F.octet_length(name) <= MAX_TEXT_BYTES, _CUT_TO) for name in strings},
        {f"{name}_part{n}": F.regexp_extract(f"given_{name}", _MOMENT, n) for name in written for n in range(1, 5)},
        {f"{name}_clock": _clock(name) for name in written},
        {f"{name}_east": _minutes_east(F.upper(f"{name}_part4")) for name in written},
    ):
        frame = frame.withColumns(step) if step else frame
    moments = {name: _moment(name, kind, stream) for name, kind in timed.items()}
    return frame.withColumns(
        {f"{name}_{sort}": _bounded(moments[name][n]) for n, sort in enumerate(("instant", "wall")) for name in moments}
    )


def _with_own_fields(records: DataFrame) -> DataFrame:
    """The records with all of the platform's own fields; those that nobody gave say that all is one delivery."""
    whole = {"cic.portion": F.lit(""), "cic.delivery": F.lit(""), "cic.shows_swap": F.lit(False)}
    absent = {name: value for name, value in whole.items() if name not in records.columns}
    seen = {"cic.seen_at": F.col("arrived_at"), "cic.file_name": F.col("source_file")}
    return records.withColumns({**seen, **absent})


# What of thousands' signs looks alike.
_ALIKE = {" ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}


def _plain_numbers(stream: Stream, strings: list[str]) -> dict[str, Column]:
    """The given numbers as `1234.5`, by what the stream file says of how they are written; null where they are not."""
    numbers = getattr(stream, "numbers", None)
    if not isinstance(numbers, Numbers):
        return {}
    return {name: _plain_number(name, numbers) for name in strings if _column_of(name, stream).type == "number"}


def _plain_number(name: str, numbers: Numbers) -> Column:
    text = F.col(name)
    digits = "[0-9]+"
    if numbers.thousands:
        between = _ALIKE.get(numbers.thousands, rf"\{numbers.thousands}")
        digits = f"[0-9]{{1,3}}(?:{between}[0-9]{{3}})+|[0-9]+"
    around = "|".join(_literal(sign) for sign in sorted(numbers.signs, key=lambda sign: (-len(sign), sign)))
    sign = f"(?i:{around})?" if around else ""
    form = (
        rf"^([+-]?)[{_SPACE}]*{sign}[{_SPACE}]*([+-]?)({digits})?(?:\{numbers.decimal}([0-9]+))?([eE][+-]?[0-9]+)?"
        rf"[{_SPACE}]*{sign}$"
    )
    minus, second, whole, decimals, power = (F.regexp_extract(text, form, n) for n in range(1, 6))
    is_number = text.rlike(form) & ((minus == "") | (second == "")) & ((whole != "") | (decimals != ""))
    whole = F.regexp_replace(whole, "[^0-9]", "")
    plain = F.concat(minus, second, whole, F.when(decimals != "", ".").otherwise(""), decimals, power)
    return F.when(is_number, plain).when(text.rlike(_DURATION), text)


def _literal(text: str) -> str:
    """A text within a regular expression of either engine."""
    return "".join(sign if sign.isalnum() or not sign.isascii() else f"\\{sign}" for sign in text)


def _expression(stream: Stream, name: str) -> Column:
    text = stream.columns.get(name)
    if name == "charge_point_alias" and stream.alias_fields:
        beside = [_field(field) for field in stream.alias_fields]
        return F.coalesce(*(F.when(F.trim(field) != "", field) for field in beside)).alias(f"given_{name}")
    value = F.expr(safe(text)) if text else F.lit(None).cast("string")
    if name == "charge_point":
        for field in stream.evse_fields:
            # OCPP's 0 is the station, no EVSE of it.
            value = F.when(~F.coalesce(F.trim(_field(field)) == "0", F.lit(False)), value)
    return value.alias(f"given_{name}")


def _field(name: str) -> Column:
    return F.col(f"`{name}`").cast("string")


def _skipped(stream: Stream) -> Column:
    """A record that was read, and that the stream leaves out."""
    left_out = ~F.coalesce(F.expr(safe_condition(stream.where)), F.lit(False)) if stream.where else F.lit(False)
    if stream.skips_stateless:
        said_wrong = F.lower(F.trim(F.expr(safe(stream.columns.get("invalid", "false"))).cast("string"))).isin(*_TRUE)
        left_out = left_out | (_is_stateless(stream.columns["status"]) & ~F.coalesce(said_wrong, F.lit(False)))
    return left_out & F.col("`cic.fault`").isNull()


def _is_stateless(expression: str) -> Column:
    """No word for a state: none at all, or an empty one of fields that are empty. A word that got lost is UNKNOWN."""
    fields = referenced_fields(expression)
    said = F.lit(not fields)
    for name in fields:
        said = said | _shows_something(F.col(f"`{name}`"))
    word = F.expr(safe(expression))
    return word.isNull() | ~(_shows_something(word) | said)


def _present(expression: str) -> Column:
    """Whether the feed gave something to read: also a text of which the expression's own `try_…` made nothing."""
    there = _shows_something(F.expr(safe(expression)))
    for read, text in failing_reads(safe(expression)):
        there = there | (F.expr(read).isNull() & _shows_something(F.expr(text)))
    fields = referenced_fields(expression)
    if not fields:
        return there
    # `concat(Installed, 'T00:00:00Z')` of an empty cell is not there.
    said = F.lit(False)
    for name in fields:
        said = said | _shows_something(F.col(f"`{name}`"))
    return there & said


def _shows_something(value: Column) -> Column:
    return F.coalesce(value.cast("string").rlike(f"[^{_SPACE}{_UNSEEN}]"), F.lit(False))


def cleaned(name: str) -> Column:
    """A text without unseen signs and surrounding space of any kind; null where nothing is left."""
    text = F.col(name)
    seen = F.regexp_replace(F.regexp_replace(text, f"[{_UNSEEN}]", ""), f"^[{_SPACE}]+|[{_SPACE}]+$", "")
    return F.nullif(F.when(text.rlike("[^ -~]"), seen).otherwise(F.trim(text)), F.lit(""))


def _is_longer(name: str, signs: int) -> Column:
    return F.coalesce(F.length(F.col(name).cast("string")) > signs, F.lit(False))


def _bounded_text(name: str, stream: Stream, fits: Column, cut_to: int) -> Column:
    """The text where it fits; else nothing, so that it is unreadable, or of words and names the beginning."""
    cut = F.concat(F.substring(name, 1, cut_to), F.lit("\u2026"))
    return F.when(fits, F.col(name)).otherwise(cut if _column_of(name, stream).is_cut else F.lit(None))


def _column_of(given_name: str, stream: Stream) -> ModelColumn:
    return stream.COLUMNS[given_name.removeprefix("given_")]


def text_of(name: str) -> Column:
    """The given column as text, which `given` has cleaned; null where there is none."""
    return F.col(f"given_{name}").cast("string")


def id_of(name: str) -> Column:
    """A text by which rows are joined: other kinds of space inside are plain ones."""
    text = text_of(name)
    return F.when(text.rlike("[^ -~]"), F.regexp_replace(text, f"[{_SPACE}]", " ")).otherwise(text)


def names_of_point() -> tuple[Column, Column]:
    """`charge_point`, and `charge_point_alias`, another id of it; it stands in where the first one is missing.

    A placeholder in an id's place is no id.
    """
    found, alias = (
        F.when(~F.lower(name).isin(*NO_IDS), name) for name in map(id_of, ("charge_point", "charge_point_alias"))
    )
    return F.coalesce(found, alias).alias("charge_point"), alias.alias("charge_point_alias")


def flag_of(name: str) -> Column:
    """The given column as a truth value, by a list of words; null for any other word."""
    word = F.lower(text_of(name))
    return F.when(word.isin(*_TRUE), F.lit(True)).when(word.isin(*_FALSE), F.lit(False))


def number_of(name: str, factor: str = "1", kind: str = "decimal(12,4)") -> Column:
    """The given column as a number; null where it is none.

    Exact from plain text; through a double where it has an exponent, which engines' decimals read differently. What a
    number is is said here: of 5,000 odd texts engines read 115 differently (`٣`, `1e5d`, an escape sign around a 7).
    """
    text = F.regexp_extract(text_of(name), _NUMBER, 1)
    plain = text.try_cast(T.DecimalType(24, 9))
    rough = text.try_cast(T.DoubleType()).try_cast(T.DecimalType(24, 9))
    value = F.when(text.rlike("[eE]"), rough).otherwise(plain)
    return (value * F.lit(factor).cast("decimal(8,3)")).try_cast(kind)


def seconds_of(name: str, factor: str = "1") -> Column:
    """The given column as seconds: a number of units of `factor` seconds, or `h:mm:ss`."""
    text = text_of(name)
    hours, minutes, seconds = (F.regexp_extract(text, _DURATION, n).try_cast("decimal(12,6)") for n in (1, 2, 3))
    clock = (hours * 3600 + minutes * 60 + seconds).try_cast("decimal(12,4)")
    return F.when(text.rlike(_DURATION), clock).otherwise(number_of(name, factor))


def instant_of(name: str) -> Column:
    """The given column as an instant; null where it can't be read, or lies outside of the years 1 to 9999.

    A text without an offset is no instant, and nothing completes one that lacks its day or its time.
    """
    return F.col(f"{name}_instant")


def _moment(name: str, kind: T.DataType, stream: Stream) -> tuple[Column, Column]:
    """(instant, wall clock) of a given column by its type; at most one of them is not null."""
    nothing, value = F.lit(None).cast("timestamp"), F.col(f"given_{name}")
    expression, is_date = stream.columns.get(name), stream.COLUMNS[name].type == "date"
    if expression is None or isinstance(kind, T.NullType):
        return nothing, nothing
    if isinstance(kind, T.StringType):
        return _moment_of_text(name, is_date=is_date)
    if isinstance(kind, T.DateType):
        return nothing, value.cast("timestamp") if is_date else nothing
    if isinstance(kind, T.TimestampNTZType):
        return nothing, value.cast("timestamp")
    if not isinstance(kind, T.TimestampType):
        return nothing, nothing
    is_wall = name.endswith("_local") or (is_date and reads_wall_clock(expression))
    return (nothing, value) if is_wall else (value, nothing)


def _moment_of_text(name: str, *, is_date: bool) -> tuple[Column, Column]:
    clock, has_offset = F.col(f"{name}_clock"), F.col(f"{name}_part4") != ""
    east = F.col(f"{name}_east").cast("bigint") * F.lit(60_000_000)
    instant = F.when(has_offset, F.timestamp_micros(F.unix_micros(clock) - east))
    wall = F.when(~has_offset, clock)
    if is_date:
        # A registry's date alone says the day's beginning.
        wall = F.coalesce(wall, F.when(text_of(name).rlike(_DATE), text_of(name).try_cast(T.TimestampType())))
    return instant, wall


def _clock(name: str) -> Column:
    """Date and time of day of a text that has both."""
    date, time, fraction = (F.col(f"{name}_part{n}") for n in (1, 2, 3))
    dot = F.when(fraction != "", ".").otherwise("")
    # Of a time without seconds, a fraction says nothing.
    whole = (date != "") & ((fraction == "") | (F.length(time) > 5))
    return F.when(whole, F.concat(date, F.lit(" "), time, dot, fraction).try_cast(T.TimestampType()))


def _minutes_east(offset: Column) -> Column:
    """Minutes east of UTC; null beyond 18 hours."""
    hours, minutes = F.substring(offset, 2, 2).try_cast("int"), F.substring(offset, -2, 2).try_cast("int")
    total = hours * 60 + F.when(F.length(offset) > 3, F.when(minutes < 60, minutes)).otherwise(0)
    signed = F.when(offset.startswith("-"), -total).otherwise(total)
    return F.when(offset.isin("Z", "UTC", "GMT"), 0).when(total <= _MAX_OFFSET_MINUTES, signed)


def _bounded(value: Column) -> Column:
    """Null outside of the years 1 to 9999.

    Engines read `-290308-12-21` too, and then one such row ended the ingest of all: a duration of 292,000 years is
    longer than 18 digits of microseconds.
    """
    return F.when(F.unix_micros(value).between(_FIRST_MICROS, _LAST_MICROS), value)


def audited_columns(stream: Stream, *, texts: bool = True) -> list[str]:
    """The mapped columns whose value may be there and not be read (U01); `texts`: also those that only can be too long.

    Charge points have rules of their own (S01, E01, L01), and so has the word for a state (E03).
    """
    mine = ((name, stream.COLUMNS[name]) for name in stream.columns if name not in stream.RULED)
    return [name for name, column in mine if column.type != "name" and (texts or not column.is_text)]


def audited(frame: DataFrame, stream: Stream, values: Mapping[str, str]) -> DataFrame:
    """Adds `unreadable`, the columns whose value is there and was not read, and two counts that tell the same.

    Args:
        frame: with `present_<column>` of the audited columns.
        stream: whose columns.
        values: column of the stream file → column of the frame that is null where nothing was read.
    """
    mapped = {name: values[name] for name in audited_columns(stream) if name in values}
    words = [F.when(F.col(f"present_{name}") & F.col(value).isNull(), name) for name, value in mapped.items()]
    return frame.withColumns(
        {
            "unreadable": F.filter(_texts(words), lambda word: word.isNotNull()),
            "values_present": _sum(F.col(f"present_{name}") for name in mapped),
            "values_read": _sum(F.col(f"present_{name}") & F.col(value).isNotNull() for name, value in mapped.items()),
        }
    )


def _texts(words: list[Column]) -> Column:
    return F.array(*words) if words else F.array().cast(T.ArrayType(T.StringType()))


def _sum(conditions: Iterable[Column]) -> Column:
    total = F.lit(0)
    for condition in conditions:
        total = total + condition.cast("int")
    return total


def presence(stream: Stream) -> list[str]:
    """The columns that say which of the audited columns have something to read."""
    return [f"present_{name}" for name in audited_columns(stream)]


def from_wall(frame: DataFrame, edge: str, zone: str | Column) -> DataFrame:
    """Adds `<edge>_at`, `<edge>_twice` and `<edge>_shifted` from `<edge>_wall` (numbers.md 4, Daylight saving).

    An hour that occurs twice is read as the first, one that does not exist moves on by an hour.
    """
    frame = frame.withColumn(f"{edge}_at", F.to_utc_timestamp(F.col(f"{edge}_wall"), zone))
    back = F.from_utc_timestamp(F.col(f"{edge}_at"), zone)
    an_hour_on = F.from_utc_timestamp(F.timestamp_micros(F.unix_micros(f"{edge}_at") + HOUR_MICROS), zone)
    return frame.withColumns(
        {
            f"{edge}_twice": F.coalesce(an_hour_on == F.col(f"{edge}_wall"), F.lit(False)),
            f"{edge}_shifted": F.coalesce(back != F.col(f"{edge}_wall"), F.lit(False)),
        }
    )


def timed(frame: DataFrame, edge: str, zone: str | Column) -> DataFrame:
    """Like `from_wall`, with `<edge>_instant` where the text had an offset: it is not read by the zone's clock."""
    is_instant = F.col(f"{edge}_instant").isNotNull()
    return from_wall(frame, edge, zone).withColumns(
        {
            f"{edge}_at": F.coalesce(f"{edge}_instant", f"{edge}_at"),
            f"{edge}_twice": F.col(f"{edge}_twice") & ~is_instant,
            f"{edge}_shifted": F.col(f"{edge}_shifted") & ~is_instant,
        }
    )


def owners_given(stream: Stream) -> list[Column]:
    """`provider_given`, `authority_given` and `zone_given` of a stream whose rows say them; null for what is none."""
    found = []
    for name in (name for name in OWNERS if name in stream.columns):
        value = id_of(name)
        is_one = value.isin(*_zones()) if name == "zone" else value.rlike(PARTY_ID)
        found.append(F.when(is_one, value).alias(f"{name}_given"))
    return found


def said_owners(stream: Stream) -> list[str]:
    """The columns of `owners_given`."""
    return [f"{name}_given" for name in OWNERS if name in stream.columns]


# Of 2025: the tables that come with Java may lack it.
_YOUNG_ZONES = {"America/Coyhaique"}
OWNERS_READ = {name: f"{name}_given" for name in OWNERS}


@cache
def _zones() -> list[str]:
    """IANA's names of zones; any other one ends a query on either engine."""
    return sorted(name for name in available_timezones() - _YOUNG_ZONES if name == "UTC" or "/" in name)


def zone_of(stream: Stream) -> str | Column:
    """The zone of a row."""
    return F.col("zone_given") if "zone" in stream.columns else stream.zone


def owned(frame: DataFrame, stream: Stream) -> DataFrame:
    """Adds whose row it is, and the charge point's platform-wide id.

    Where rows say whose they are, one that does not has no charge point, which a rule rejects.
    """
    for name in said_owners(stream):
        frame = frame.withColumn("charge_point", F.when(F.col(name).isNotNull(), F.col("charge_point")))
    provider, authority = (
        F.col(f"{name}_given") if name in stream.columns else F.lit(party.id)
        for name, party in (("provider", stream.provider), ("authority", stream.authority))
    )
    return frame.withColumns(
        {
            "stream_id": F.lit(stream.id),
            "provider_id": provider,
            "authority_id": authority,
            "charge_point_id": F.concat(provider, F.lit("/"), F.col("charge_point")),
        }
    )
