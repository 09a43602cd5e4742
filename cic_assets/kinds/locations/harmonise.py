"""Feed → common model of locations: which charge points there are. Pure Spark: no files, no Dagster."""

from __future__ import annotations

from itertools import chain

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cic_assets.kinds.columns import KW_PER, PLATFORM_FIELDS
from cic_assets.kinds.common import (
    NO_IDS,
    OWNERS_READ,
    PROVENANCE,
    TOTAL,
    audited,
    given,
    id_of,
    instant_of,
    names_of_point,
    number_of,
    owned,
    owners_given,
    presence,
    said_owners,
    text_of,
)
from cic_assets.kinds.locations.countries import ANYWHERE, box_of
from cic_assets.kinds.locations.stream import LocationsStream
from cic_assets.kinds.rule import THRESHOLDS
from cic_assets.kinds.stream import referenced_fields
from cic_assets.kinds.vocabulary import STATES

# `Subtotal North`, `North total`: a sum of something, where the row says no more than numbers.
_SUM_OF = r"^(?:grand |sub-?|overall |gesamt|zwischen)?(?:totals?|totale|totaal|summe)[ :-]|[ :-](?:sub-?)?totals?:?$"
# What stands below a header in place of values: `kW`, `[kW]`, `(WGS 84)`, `dd/mm/yyyy`.
_UNIT = (
    r"^[\[(]?(?:[km]?wp?|(?:kilo)?watts?|°|deg(?:rees)?|decimal degrees|wgs ?84|date|datum|text|number|string"
    r"|(?:[ymdtja]{1,4}[-./ ]?){2}[ymdtja]{1,4})[\])]?$"
)
_NOT_KNOWN = ("unknown", "pending", "various", "varies", "unbekannt", "inconnu", "onbekend")
# What stands below a table and speaks of it.
_FOOTNOTE = (
    r"^(?:(?:sources?|notes?|quelle|anmerkung|hinweis|fonte|fuente|bron|legend|key|disclaimer) *:"
    r"|(?:data (?:as of|as at|correct|from)|last updated|updated on|generated (?:on|by|at)"
    r"|exported (?:on|by|at)|report generated|copyright|stand *:) *"
    r"|©|\(c\) |\*+ +[^ ]|\*+[a-z]+(?: |$)|end of (?:report|file|data))"
)
_DEGREES = "decimal(9,6)"
_FIRST_MICROS = 1_262_304_000_000_000
# Column of a stream file → column that is null where the row has none.
_READ = {
    "connector_id": "connector_given",
    "location_id": "location_id",
    "location_name": "location_name",
    "device_id": "device_given",
    "rated_power": "rated_power_kw",
    "latitude": "latitude",
    "longitude": "longitude",
    "status": "status",
    "valid_from": "valid_from_given",
    "valid_to": "valid_to",
}
# Column of a stream file → column that is null where it was not read.
_VALUES = {
    **OWNERS_READ,
    "rated_power": "rated_power_kw",
    "latitude": "latitude",
    "longitude": "longitude",
    "status": "status",
    "valid_from": "valid_from_given",
    "valid_to": "valid_to",
    "connector_id": "connector_given",
    "location_id": "location_id",
    "device_id": "device_given",
    "tariff_ids": "tariff_ids",
}


# What is no text of any kind.
_FIGURES = ("rated_power", "latitude", "longitude", "valid_from", "valid_to")
# What a sum has not, whatever its numbers are.
_SAID_OF_A_POINT = {
    name: _READ[name] for name in ("location_name", "device_id", "latitude", "longitude", "valid_from")
}  # fmt: skip


def harmonise(records: DataFrame, stream: LocationsStream) -> DataFrame:
    """Charge points, or their connectors, one row per decoded record, with what the judge needs to see.

    Args:
        records: as `kinds/common.py:given` takes them.
        stream: whose expressions, units and zone apply.

    Returns:
        Provenance and the common model; what makes a row no charge point (`is_header`, `is_remark`, `is_alone`,
        `is_unplaced`); `is_misplaced`, its coordinates can't be meant; a value that can't be read is null.
    """
    since, until = (F.to_utc_timestamp(F.col(f"{name}_wall"), stream.zone) for name in ("valid_from", "valid_to"))
    frame = given(records, stream, _is_header(stream).alias("is_header")).select(
        *PROVENANCE,
        (F.col("is_header") | _is_words(stream)).alias("is_header"),
        *presence(stream),
        *names_of_point(),
        *owners_given(stream),
        id_of("connector_id").alias("connector_given"),
        id_of("location_id").alias("location_id"),
        text_of("location_name").alias("location_name"),
        id_of("device_id").alias("device_given"),
        number_of("rated_power", KW_PER[stream.units.power]).alias("rated_power_kw"),
        number_of("latitude", kind=_DEGREES).alias("latitude"),
        number_of("longitude", kind=_DEGREES).alias("longitude"),
        F.coalesce(instant_of("valid_from"), since).alias("valid_from_given"),
        F.coalesce(instant_of("valid_to"), until).alias("valid_to"),
        _status(stream).alias("status"),
        _list_of("tariff_ids").alias("tariff_ids"),
    )
    box = box_of(stream.zone) or ANYWHERE
    frame = frame.withColumns(
        {
            "connector_id": F.coalesce("connector_given", F.lit("")),
            "device_id": F.col("device_given"),
            "valid_from": F.when(_is_plausible(stream), F.col("valid_from_given")).otherwise(F.col("arrived_at")),
            "is_remark": _is_remark() | _is_sum(stream),
            "is_alone": _is_alone(stream),
            "is_unplaced": _is_unplaced(stream),
            **{f"box_{side}": F.lit(f"{degrees:.1f}").cast(_DEGREES) for side, degrees in box._asdict().items()},
        }
    ).withColumns({"event_date": F.col("valid_from").cast("date"), "two_places": _is_at_two_places(stream)})
    return owned(audited(frame, stream, _VALUES), stream)


def _list_of(name: str) -> Column:
    """A list as JSON, or with commas between: each once, in order, with commas between; null for none."""
    plain = F.regexp_replace(text_of(name), r"""["'\[\]]""", "")
    each = F.transform(F.split(plain, ","), lambda word: F.trim(word))
    words = F.array_sort(F.array_distinct(F.filter(each, lambda word: word != "")))
    return F.nullif(F.array_join(words, ","), F.lit(""))


def _is_header(stream: LocationsStream) -> Column:
    """A field of the charge point's id holds its own name: the header, repeated."""
    fields = [name for name in referenced_fields(stream.columns["charge_point"]) if name not in PLATFORM_FIELDS]
    same = F.lit(False)
    for name in fields:
        # Twice: in CSV the name is the header's, in JSON the last part is.
        for header in {name, name.rpartition(".")[2]}:
            same = same | (F.lower(F.trim(F.col(f"`{name}`").cast("string"))) == header.strip().lower())
    return F.coalesce(same, F.lit(False))


def _is_words(stream: LocationsStream) -> Column:
    """Words where the stream reads numbers and dates: units below the header, or the header in another language.

    What has digits in its id is a charge point, and so is one of which something is said not to be known.
    """
    given_texts = {name: F.lower(text_of(name)) for name in _FIGURES if name in stream.columns}
    if not given_texts:
        return F.lit(False)
    present = sum((F.col(f"present_{name}").cast("int") for name in given_texts), F.lit(0))
    units, words = F.lit(0), F.lit(0)
    for name, whole in given_texts.items():
        # What `concat(Installed, 'T00:00:00Z')` adds is the stream file's.
        text = F.regexp_replace(whole, "[t ]?[0-9]{2}:[0-9]{2}(?::[0-9]{2})?z?$", "")
        is_unit = F.coalesce(F.col(f"present_{name}") & text.rlike(_UNIT), F.lit(False))
        is_word = F.coalesce(text.rlike("^[^0-9]+$") & ~text.isin(*NO_IDS, *_NOT_KNOWN), F.lit(False))
        units, words = units + is_unit.cast("int"), words + (is_unit | is_word).cast("int")
    is_named = F.coalesce(text_of("charge_point").rlike("[0-9]"), F.lit(False))
    return ~is_named & (words == present) & ((present >= 2) | (units == 1))


def _is_sum(stream: LocationsStream) -> Column:
    """A sum of some rows (`Subtotal North`): no place, post or date is beside its numbers."""
    others = [column for name, column in _SAID_OF_A_POINT.items() if name in stream.columns]
    found = F.coalesce(*(F.col(column).cast("string") for column in others)) if others else F.col("location_id")
    text = F.lower(F.regexp_replace("charge_point", " +", " "))
    return F.coalesce(text.rlike(_SUM_OF), F.lit(False)) & found.isNull()


def _is_remark() -> Column:
    """The word for a total or the beginning of a footnote, never a part of an id (`TOTAL-0042`)."""
    text = F.lower(F.regexp_replace("charge_point", " +", " "))
    return F.coalesce(text.rlike(TOTAL) | text.rlike(_FOOTNOTE), F.lit(False))


def _is_alone(stream: LocationsStream) -> Column:
    """Nothing else of the record itself was read; only where the stream reads something else of it."""
    mine = set(referenced_fields(stream.columns["charge_point"]))
    others = [
        column
        for name, column in _READ.items()
        if {field for field in referenced_fields(stream.columns.get(name, "''")) if _is_own(field)} - mine
    ]
    return F.coalesce(*(F.col(column).cast("string") for column in others)).isNull() if others else F.lit(False)


def _is_own(field: str) -> bool:
    return not field.startswith("document.") and field not in PLATFORM_FIELDS


def _is_unplaced(stream: LocationsStream) -> Column:
    """The rating or the date is there and can't be read, and the row says no place though the stream reads one."""
    places = [name for name in ("location_id", "location_name") if name in stream.columns]
    unread = F.lit(False)
    for name in ("rated_power", "valid_from"):
        if name in stream.columns:
            unread = unread | (F.col(f"present_{name}") & F.col(_VALUES[name]).isNull())
    if not places:
        return F.lit(False)
    said = [F.col(name).cast("string") for name in (*places, "latitude", "longitude")]
    return unread & F.coalesce(*said).isNull()


def _is_plausible(stream: LocationsStream) -> Column:
    """L04: neither before 2010 nor after the arrival."""
    minutes = {**THRESHOLDS, **stream.overrides}["future_minutes"]
    latest = F.unix_micros("arrived_at") + F.lit(round(minutes * 60_000_000))
    return F.unix_micros("valid_from_given").between(F.lit(_FIRST_MICROS), latest)


def _status(stream: LocationsStream) -> Column:
    """OCPI's state, of a feed with words of its own by its vocabulary; null for a word that nobody knows (U01)."""
    word = F.upper(text_of("status"))
    if stream.vocabulary is None:
        return F.when(word.isin(*STATES), word)
    pairs = chain.from_iterable(stream.vocabulary.states.items())
    return F.try_element_at(F.create_map(*(F.lit(text) for text in pairs)), word)


def _is_at_two_places(stream: LocationsStream) -> Column:
    """E08: rows of one delivery, of one or more files, about one charge point and time name two sites.

    A later time is a move.
    """
    same = Window.partitionBy("arrival_date", "arrived_at", *said_owners(stream), "charge_point", "valid_from")
    differ = F.min("location_id").over(same) != F.max("location_id").over(same)
    return F.coalesce(differ & F.col("charge_point").isNotNull(), F.lit(False))
