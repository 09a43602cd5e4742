"""Which field of an unknown feed is which column of the common model, and why. Every guess has its evidence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cic_assets.kinds.locations.countries import BOXES
from cic_assets.kinds.vocabulary import STANDARDS, STATES, State, folded
from cic_assets.onboard.fields import MOSTLY, DateForm, Field

# eMI3: country, operator, E, and the operator's own.
EVSE_ID = re.compile(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9*]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Which are no humps.
_UNITS = re.compile(r"[kM]?Wh|kW(?![a-z])")


@dataclass(frozen=True)
class Guess:
    """What a key of the stream file is, and what was seen that says so."""

    value: str
    because: str


@cache
def plain(name: str) -> str:
    """A name in small words: `Start Date`, `startDate` and `start_date` are the same."""
    units = _UNITS.sub(lambda found: f" {found[0].lower()} ", name)
    words = unicodedata.normalize("NFKD", _HUMP.sub(" ", units)).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z]+|[0-9]+", words))


def last(name: str) -> str:
    """The plain last part of a dotted name."""
    return plain(name.rpartition(".")[2])


def quoted(name: str) -> str:
    """A field as an expression names it."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f"`{name}`"


# Column → names, the best first: a pattern of the plain last part of a field's name. English, German, French, Italian,
# Dutch, Spanish and Portuguese, as councils' exports have them.
_START = r"start(?:ed|s|ing)?|begin(?:n|ning)?|from|plug(?:ged)? in|connected|inizio|debut|inicio|aanvang|van"
_END = r"end(?:ed|s|e)?|stop(?:ped)?|finish(?:ed)?|until|to|plug(?:ged)? out|disconnected|fine|fin|fim|einde|tot|bis"
NAMES: Mapping[str, Sequence[str]] = {
    "session_id": (
        r"(?:charging |charge )?(?:session|transaction|event|log|cdr)(?: (?:id|no|nr|number|ref|reference))?",
        r"(?:charge )?log id|(?:ladevorgang|vorgang|sitzung)s?(?: (?:id|nr))?",
        r"id",
        r"reference|uuid|guid",
    ),
    "charge_point": (
        r"evse id",
        r"cp id|cpid|charge ?point(?: (?:id|no|nr|number|name|ref))?|charger(?: (?:id|no|name|number))?",
        r"evse(?: uid)?|evse uid|charge ?box(?: id)?|charging ?point(?: id)?|posto|ladepunkt(?: (?:id|nr))?|wallbox",
        r"(?:charging )?station ?id|colonnina|saule(?: id)?|charge device id|device id|asset(?: id)?|uid",
        r"(?:charging )?station(?: name)?",
        r"id|name",
    ),
    "connector_id": (
        r"connector(?: ?(?:id|no|nr|number))?",
        r"(?:plug|socket|outlet|gun|tomada|presa|stecker|port)(?: (?:id|no|nr))?",
    ),
    "energy": (
        r"(?:total |consumption |consumed |delivered |charged )?(?:kwh|wh|energy)(?: .*)?",
        r".*\b(?:kwh|wh|energy|energie|energia)\b.*",
        r"(?:power )?consum(?:ption|o|ed)?(?: .*)?|verbrauch|geladen|amount kwh",
    ),
    "cost": (
        r"(?:total )?cost(?: .*)?|excl vat",
        r"net (?:payout|amount|cost)|revenue|amount(?: .*)?|price(?: total)?",
        r"(?:total )?(?:fee|debit|charge amount|paid)(?: (?:gbp|eur|chf))?|betrag|kosten|importo|valor|prix|bedrag",
    ),
    "currency": (r"currency(?: code)?|wahrung|valuta|devise|moeda|moneda",),
    "duration": (r"(?:charging |plug ?in )?duration(?: .*)?|dauer|durata|duree|duur|total time",),
    "status": (
        r"(?:evse |connector |charge ?point |charge device |operational )?(?:status|state)|connector status",
        r"availability|zustand|stato|etat|estado|condition",
    ),
    "changed": (
        r"last updated|status (?:changed|since|time|timestamp)|changed(?: at)?|since|event time",
        r"(?:request |poll(?:ed)? )?(?:date ?time|timestamp|time)(?: at)?|polled at|seen at|received at",
        r"date|updated(?: at)?",
    ),
    "location_id": (r"(?:location|site)(?: ?id)?", r"site ?ref|location ref", r"id"),
    "location_name": (
        r"(?:location|site|station|charging station)(?: ?name)?",
        r"name|address(?: line 1)?|standort|ubicazione|title",
        r"street",
    ),
    "device_id": (r"physical reference|device(?: ?id)?|post(?: id)?|cabinet(?: id)?", r"serial(?: (?:no|number))?"),
    "rated_power": (
        r"max electric power|rated (?:power|output|kw)(?: .*)?|max(?:imum)? power(?: .*)?|power(?: kw)?|kw",
        r"(?:leistung|potenza|puissance|vermogen)(?: .*)?|model|type",
    ),
    "latitude": (r"lat(?:itude)?", r"y"),
    "longitude": (r"lon(?:g|gitude)?|lng", r"x"),
    "valid_from": (r"install(?:ed|ation)?(?: date)?|commissioned(?: at| date)?|opened|in service since|date created",),
}


def ranked(column: str, fields: Iterable[Field], fits: Callable[[Field], bool]) -> list[Field]:
    """The fields whose names are a column's and whose values fit, the best first."""
    found = []
    for place, each in enumerate(fields):
        for rank, pattern in enumerate(NAMES[column]):
            if each.values and re.fullmatch(pattern, last(each.name)) and fits(each):
                found.append((rank, place, each))
                break
    return [each for *_, each in sorted(found, key=lambda one: one[:2])]


def shown(values: Iterable[str], most: int = 3) -> str:
    """Some values, for a comment."""
    return ", ".join(repr(value[:40]) for value in list(dict.fromkeys(values))[:most])


@dataclass(frozen=True)
class Moment:
    """A column of time: its expression, and whether it is an instant or the wall clock's."""

    expression: str
    is_instant: bool
    because: str


def moments_of(fields: Mapping[str, Field], which: str, *, prefer_day: bool = True) -> Moment | None:
    """The beginning or the end of sessions, of one field or of a date and a time of day beside it.

    Args:
        fields: of the feed.
        which: `start` or `end`.
        prefer_day: what stands first in dates that don't show it.
    """
    words = _START if which == "start" else _END
    name = rf"(?:.* )?(?:{words})(?: (?:date|time|datetime|date time|timestamp|at|hour|on|utc|local|zeit|datum))*"
    mine = [each for each in fields.values() if each.values and re.fullmatch(name, last(each.name))]
    for each in mine:
        if each.is_moment:
            return moment_of(each, prefer_day=prefer_day)
    dates = [each for each in mine if each.is_date]
    times = [each for each in mine if each.is_time]
    if not dates:
        return None
    return _joined(dates[0], times[0], prefer_day=prefer_day) if times else moment_of(dates[0], prefer_day=prefer_day)


def moment_of(each: Field, *, prefer_day: bool = True) -> Moment | None:
    """A field that says date and time, or a date alone."""
    name = quoted(each.name)
    if each.is_instant:
        return Moment(name, True, f"times with an offset, such as {shown(each.values, 1)}")
    if each.is_iso_local:
        said = f"ISO times without an offset, such as {shown(each.values, 1)}: the wall clock?"
        return Moment(name, False, f"{said} `concat({name}, 'Z')` as *_at if they are UTC")
    if not each.is_date:
        return None
    return _written(each, name, None, prefer_day=prefer_day)


def _joined(date: Field, time: Field, *, prefer_day: bool) -> Moment:
    return _written(date, quoted(date.name), time, prefer_day=prefer_day)


def _written(date: Field, name: str, time: Field | None, *, prefer_day: bool) -> Moment:
    """A date in any of its forms, with the time of day of another field where there is one."""
    beside = f", ' ', {quoted(time.name)}" if time else ""
    clock = f" {time.clock}" if time else ""
    ways, said = [], []
    if date.iso_dates:
        text = f"substr({name}, 1, 10)"
        ways.append(f"try_to_timestamp(concat({text}{beside}), 'yyyy-MM-dd{clock}')" if time else text)
        said.append(f"{date.iso_dates} ISO dates")
    day_first, evidence = day_comes_first(date.date_forms, prefer_day=prefer_day)
    for form in date.date_forms:
        pattern = form.pattern(day_first=day_first)
        whole = f"concat({name}{beside})" if time else name
        if form.years == 2:
            # Both engines read four digits alike.
            year = f"concat(substr({name}, 1, 6), '20', substr({name}, 7){beside})"
            whole, pattern = year, pattern.replace("yy", "yyyy", 1)
        ways.append(f"try_to_timestamp({whole}, '{pattern}{clock}')")
        said.append(f"{form.count} of the form {form.pattern(day_first=day_first)}")
    because = f"{' and '.join(said)}{evidence}; such as {shown(date.values, 2)}" + (
        f" with {shown(time.values, 1)}" if time else ""
    )
    return Moment(ways[0] if len(ways) == 1 else f"coalesce({', '.join(ways)})", False, because)


def day_comes_first(forms: Sequence[DateForm], *, prefer_day: bool = True) -> tuple[bool, str]:
    """Whether the day stands before the month, and what shows it."""
    if not forms:
        return prefer_day, ""
    days, months = sum(form.day_first for form in forms), sum(form.month_first for form in forms)
    if days and months:
        return days >= months, f" (the day stands first in {days} and second in {months}: are some exchanged?)"
    if days or months:
        return bool(days), f" ({days or months} values show that the {'day' if days else 'month'} stands first)"
    return prefer_day, " (no number is above 12: day and month may be the other way round)"


def zone_of(fields: Mapping[str, Field]) -> Guess:
    """The zone, by what the feed says of it, where its places lie, or its money."""
    for each in fields.values():
        if last(each.name) in ("time zone", "timezone", "zone") and any("/" in value for value in each.words):
            name = each.words.most_common(1)[0][0]
            return Guess(name, f"{each.name} says {name}")
    if country := country_of(fields):
        code, because = country
        if zone := _ZONES.get(code):
            return Guess(zone, because)
    return Guess("Europe/London", "nothing shows it: the authority's own")


_ZONES = {
    "GB": "Europe/London", "IE": "Europe/Dublin", "DE": "Europe/Berlin", "FR": "Europe/Paris", "CH": "Europe/Zurich",
    "IT": "Europe/Rome", "NL": "Europe/Amsterdam", "BE": "Europe/Brussels", "ES": "Europe/Madrid",
    "PT": "Europe/Lisbon", "AT": "Europe/Vienna", "DK": "Europe/Copenhagen", "SE": "Europe/Stockholm",
    "NO": "Europe/Oslo", "FI": "Europe/Helsinki", "PL": "Europe/Warsaw", "LU": "Europe/Luxembourg",
}  # fmt: skip
_MONEY = {"GBP": "GB", "CHF": "CH", "DKK": "DK", "SEK": "SE", "NOK": "NO", "PLN": "PL"}
_CODES = {
    "GBR": "GB", "IRL": "IE", "DEU": "DE", "FRA": "FR", "CHE": "CH", "ITA": "IT", "NLD": "NL", "BEL": "BE",
    "ESP": "ES", "PRT": "PT", "AUT": "AT", "DNK": "DK", "SWE": "SE", "NOR": "NO", "FIN": "FI", "POL": "PL",
}  # fmt: skip


def country_of(fields: Mapping[str, Field]) -> tuple[str, str] | None:
    """(ISO 3166 code, what shows it): a code that the feed names, the box of its places, its money, its EVSE ids."""
    for each in fields.values():
        if last(each.name) in ("country", "country code") and each.is_words:
            code = each.words.most_common(1)[0][0].upper()
            code = _CODES.get(code, code)
            if code in BOXES:
                return code, f"{each.name} is {code}"
    places = {name: ranked(name, fields.values(), lambda each: each.is_number) for name in ("latitude", "longitude")}
    if all(places.values()):
        found = [each[0].middle for each in places.values()]
        inside = [
            code
            for code, box in BOXES.items()
            if box.south <= found[0] <= box.north and box.west <= found[1] <= box.east
        ]
        inside = [code for code in inside if code in _ZONES]
        if len(inside) == 1:
            return inside[0], f"the median place ({found[0]:.3f}, {found[1]:.3f}) lies in {inside[0]}"
    for each in ranked("currency", fields.values(), lambda one: one.is_words):
        code = _MONEY.get(each.words.most_common(1)[0][0].upper(), "")
        if code:
            return code, f"{each.name} is {each.words.most_common(1)[0][0]}"
    for each in fields.values():
        spelt = [value for value in each.values[:200] if EVSE_ID.fullmatch(value)]
        heads = {value[:2] for value in spelt}
        is_mostly = len(spelt) * 2 > min(200, len(each.values))
        if is_mostly and len(heads) == 1 and (code := next(iter(heads))) in _ZONES:
            return code, f"the ids of {each.name} begin with {code}"
    return None


def energy_of(fields: Mapping[str, Field], taken: set[str]) -> tuple[Field, str, str] | None:
    """(field, unit, why): by its name, or by the size of its values."""
    found = [each for each in ranked("energy", fields.values(), lambda each: each.is_number) if each.name not in taken]
    if not found:
        return None
    each = found[0]
    words = last(each.name).split()
    for word, unit in (("kwh", "kWh"), ("mwh", "MWh"), ("wh", "Wh")):
        if word in words:
            return each, unit, f"its name says {unit}; the median is {each.median:g}"
    unit = "Wh" if each.median > 300 else "kWh"
    return each, unit, f"the median is {each.median:g}, which sessions have in {unit}"


# What feeds call states beside the standards' words; folded.
_OWN_WORDS: dict[State, tuple[str, ...]] = {
    "AVAILABLE": (
        "FREE",
        "IDLE",
        "WORKING",
        "IN SERVICE",
        "OPERATIONAL",
        "ONLINE",
        "FREI",
        "LIBERO",
        "LIBRE",
        "AVALIABLE",
        "ACTIVE",
    ),
    "CHARGING": (
        "IN USE",
        "BUSY",
        "OCCUPIED",
        "BELEGT",
        "OCCUPATO",
        "OCCUPE",
        "PLUGGED IN",
    ),
    "OUTOFORDER": (
        "FAULTY",
        "FAULT",
        "FAULTED",
        "BROKEN",
        "OUT OF ORDER",
        "DEFEKT",
    ),
    "INOPERATIVE": (
        "OUT OF SERVICE",
        "UNAVAILABLE",
        "CLOSED",
        "OFFLINE",
    ),
    "UNKNOWN": (
        "UNKNOWN",
        "UNBEKANNT",
    ),
    "PLANNED": ("PLANNED",),
    "REMOVED": (
        "REMOVED",
        "DECOMMISSIONED",
    ),
}
_OWN: dict[str, State] = {word: state for state, words in _OWN_WORDS.items() for word in words}


@dataclass(frozen=True)
class Words:
    """A feed's words for states: a standard, its own that are known, and those that nobody knows."""

    standard: str | None
    known: Mapping[str, State]
    unknown: Sequence[str]


def words_of(each: Field) -> Words:
    """Which vocabulary a field of states has: the standard that knows most of its words."""
    seen = list(each.words)
    states: dict[str, dict[str, State]] = {
        name: {folded(word): state for word, state in words.items()} for name, words in STANDARDS.items()
    }
    standard = max(states, key=lambda name: sum(folded(word) in states[name] for word in seen))
    if name := next((one for one in ("OCPI 2.2.1", standard) if _knows(states[one], seen)), None):
        rest = [word for word in seen if folded(word) not in states[name]]
    else:
        rest = seen
    known = {word: _OWN[folded(word)] for word in rest if folded(word) in _OWN}
    return Words(name, known, [word for word in rest if word not in known])


def _knows(states: Mapping[str, State], seen: Sequence[str]) -> bool:
    """Whether a standard knows most of the words, and more than UNKNOWN."""
    found = [word for word in seen if folded(word) in states]
    return len(found) * 2 > len(seen) and any(states[folded(word)] != STATES[-1] for word in found)


def is_states(each: Field) -> bool:
    """Whether a field's words are states."""
    if not each.is_words:
        return False
    found = words_of(each)
    known = {*found.known, *(word for word in each.words if found.standard and word not in found.unknown)}
    return sum(each.words[word] for word in known) >= MOSTLY / 2 * len(each.values)
