"""`cic streams new --sample`: a stream file drafted from a file of the feed, each guess with its evidence beside it.

What nothing shows stands there as `CHANGE`: the file can be loaded, and `cic streams check` says what is missing.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from cic_assets.fetch.client import Client, Credentials
from cic_assets.kinds.every import KINDS
from cic_assets.kinds.personal import looks_personal
from cic_assets.kinds.source import Limits
from cic_assets.onboard.fields import Field
from cic_assets.onboard.guess import (
    EVSE_ID,
    Guess,
    Moment,
    energy_of,
    is_states,
    last,
    moment_of,
    moments_of,
    plain,
    quoted,
    ranked,
    shown,
    words_of,
    zone_of,
)
from cic_assets.onboard.shape import SampleError, Shape, shape_of

CHANGE = "CHANGE"
# OCPI 2.2.1, 9.4.7.
_SESSION_STATES = {"ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"}
_WIDTH = 118
# OCPI: …/locations/{country}/{party}/{location}/{evse}
_PATH = re.compile(r"/locations/[^/]+/[^/]+/[^/]+/[^/]+")


@dataclass
class _Draft:
    """Keys of a stream file in their order, each with what was seen.

    Attributes:
        top: key → (value, evidence).
        columns: the same of columns.
        taken: fields that a column reads.
    """

    top: dict[str, tuple[Any, str]] = field(default_factory=dict)
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def column(self, name: str, each: Field | None, because: str, expression: str | None = None) -> None:
        """A column that a field is; one that was looked for in vain is left to be changed."""
        if each is not None:
            self.taken.add(each.name)
        self.columns[name] = (expression or (quoted(each.name) if each else f"`{CHANGE}`"), because)


@dataclass(frozen=True)
class Draft:
    """A drafted stream file.

    Attributes:
        text: of the file.
        records: that were looked at.
        columns: that were found, or are to be changed.
    """

    kind: str
    text: str
    records: int
    columns: int


def draft_of(stream_id: str, kind: str | None, sample: str) -> Draft:
    """A stream file drafted from a file, or from what a URL has.

    Raises:
        SampleError: it can't be read, or says not what it is about.
        FetchError: nothing came from the URL.
    """
    if not sample.lower().startswith(("http://", "https://")):
        path = Path(sample)
        if not path.is_file():
            raise SampleError(f"--sample {sample}: no such file")
        return _of(path, stream_id, kind, claims_of(path.name), None)
    with tempfile.TemporaryDirectory(prefix="cic-sample-") as folder:
        with Client(Limits(seconds=120), Credentials(), Path(folder)) as client:
            response = client.get(sample, {"Accept": "application/json, text/csv, */*"})
        assert response.file is not None
        return _of(response.file, stream_id, kind, None, sample)


def _of(path: Path, stream_id: str, kind: str | None, claims: str | None, url: str | None) -> Draft:
    shape = shape_of(path)
    source = None if url is None else _source(url, path, shape)
    found, text = drafted(shape, stream_id, kind, claims, source)
    records = max(each.records for each in shape.fields.values())
    return Draft(found, text, records, len(yaml.safe_load(text)["columns"]))


def _source(url: str, path: Path, shape: Shape) -> dict[str, Any]:
    """Where the sample came from: a module of OCPI, if it has OCPI's envelope, else a document."""
    if shape.format.get("records") == "data" and b'"status_code"' in path.read_bytes():
        names = {last(name) for name in shape.fields}
        module = (
            "cdrs" if {"total energy", "total cost"} & names else "sessions" if "kwh" in names
            else "tariffs" if "price" in names else "locations"
        )  # fmt: skip
        return {"type": "ocpi", "module": module, "url": url, "every": "PT1H"}
    return {"type": "http", "url": url, "every": "P1D"}


def drafted(
    shape: Shape, stream_id: str, kind: str | None, claims: str | None = None, source: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """(kind, the text of a stream file) of a sample.

    Args:
        shape: of the sample.
        stream_id: of the new stream.
        kind: what it is about; None: as its fields say.
        claims: the name of the sample's file.
        source: where it was fetched from.

    Raises:
        SampleError: the kind can't be told.
    """
    found, why = (kind, "as asked for") if kind else kind_of(shape)
    draft = _Draft()
    form = {**shape.format}
    fields = dict(shape.fields)
    if shape.levels:
        form, fields = _at_level(shape, found)
    draft.top["id"] = stream_id, ""
    draft.top["kind"] = found, why
    draft.top["description"] = f"{CHANGE}: what this feed is and how it comes.", ""
    provider = _provider(fields)
    draft.top["provider"] = json.loads(provider.value), provider.because
    draft.top["authority"] = {"id": CHANGE, "name": CHANGE}, "nothing in a feed says who answers for it"
    zone = zone_of(fields)
    draft.top["zone"] = zone.value, zone.because
    if source:
        draft.top["source"] = dict(source), "where the sample came from; how often is yours to say"
    draft.top["format"] = form, "; ".join(f"{key}: {said}" for key, said in shape.because.items() if key in form)
    if claims:
        draft.top["claims"] = [claims], "the sample's name, with what differs from file to file as *"
    draft.top["columns"] = {}, ""
    public = {name: each for name, each in fields.items() if not _is_personal(name)}
    _COLUMNS[found](draft, public, shape)
    if commas := [name for name in sorted(draft.taken) if name in public and public[name].has_comma]:
        draft.top["numbers"] = {"decimal": ","}, f"{commas[0]} has decimals behind a comma"
    _persons(draft, fields)
    if numbers := [name for name, each in fields.items() if each.is_row_number and name not in draft.taken]:
        draft.top["row_number_fields"] = numbers, "1, 2, 3 …"
    draft.top["licence"] = f"{CHANGE}: of the data", ""
    draft.top["contact"] = f"{CHANGE}@example.org", ""
    return found, "".join(_lines(draft))


def _persons(draft: _Draft, fields: Mapping[str, Field]) -> None:
    """Fields whose names look as if persons stood under them; rather too many than too few."""
    named = [name for name in fields if _is_personal(name)]
    mine = [name for name in named if last(name) != "type" and name not in draft.taken]
    if not mine:
        return
    said = "their names look as if persons stood under them: they become keyed hashes"
    draft.top["personal_fields"] = mine, said
    draft.top["raw_retention_days"] = 400, "of files with such fields; yours to say"
    if types := [name for name in named if last(name) == "type"]:
        draft.top["not_personal"] = types, f"a kind, not a person: {shown(fields[types[0]].words)}"
    if sparse := [name for name in mine if fields[name].filled < 1]:
        draft.top["optional_fields"] = sparse, "not in every record"


def _is_personal(name: str) -> bool:
    """A name of what a person is or carries, or of what stands within a token, such as its uid."""
    return looks_personal(name) or any("token" in plain(part).split() for part in name.split(".")[:-1])


def kind_of(shape: Shape) -> tuple[str, str]:
    """(kind, why): sessions have energy and an end, states have words for them, places have neither.

    Raises:
        SampleError: none fits.
    """
    fields = shape.fields
    if any(last(name) == "price" and "components" in name for name in fields):
        return "tariffs", "it has prices of elements"
    energy, end = energy_of(fields, set()), moments_of(fields, "end")
    if energy and (end or ranked("duration", fields.values(), lambda each: True)):
        return "sessions", f"{energy[0].name} is energy, and there is {'an end' if end else 'a duration'}"
    states = ranked("status", fields.values(), is_states) or _codes(fields)
    places = [
        each for name in ("latitude", "longitude") for each in ranked(name, fields.values(), lambda one: one.is_number)
    ]
    is_register = ranked("valid_from", fields.values(), lambda each: True) or len(fields) > 60
    if states and not (places and is_register):
        return "status", f"{states[0].name} says states: {shown(states[0].words)}"
    points = ranked("charge_point", fields.values(), lambda each: True)
    if points and (places or ranked("location_name", fields.values(), lambda each: True)):
        return "locations", f"it lists {points[0].name} with places, and no use of them"
    raise SampleError(
        f"it can't be told whether these are {', '.join(KINDS)}: {', '.join(list(fields)[:20])}; say --kind"
    )


def _codes(fields: Mapping[str, Field]) -> list[Field]:
    """What is called a state, in words that no vocabulary knows, of charge points that are listed again and again."""
    found = ranked("status", fields.values(), lambda each: each.is_words)
    points = ranked("charge_point", fields.values(), lambda each: not each.is_unique)
    moments = ranked("changed", fields.values(), lambda each: each.is_moment)
    return found if points and moments else []


def _at_level(shape: Shape, kind: str) -> tuple[dict[str, Any], dict[str, Field]]:
    """The format and the fields of records as deep as the kind needs: a session has no parts."""
    if kind == "sessions":
        depth = 0
    elif kind == "status":
        states = ranked("status", shape.fields.values(), is_states)
        deepest = states[0].name if states else ""
        paths = [".".join(shape.levels[: n + 1]) for n in range(len(shape.levels))]
        depth = sum(deepest.startswith(f"{path}.") for path in paths)
    else:
        depth = len(shape.levels)
    form = {**shape.format}
    below = ".".join(shape.levels[: depth + 1]) if depth < len(shape.levels) else None
    if depth:
        form["each"] = list(shape.levels[:depth])
    else:
        form.pop("each", None)
    return form, {
        name: each for name, each in shape.fields.items() if below is None or not name.startswith(f"{below}.")
    }


def _provider(fields: Mapping[str, Field]) -> Guess:
    by_name = {last(name): each for name, each in fields.items() if each.is_words}
    if {"country code", "party id"} <= by_name.keys():
        party = "*".join(by_name[name].words.most_common(1)[0][0] for name in ("country code", "party id"))
        operator = next((each for name, each in fields.items() if plain(name) == "operator name" and each.values), None)
        name = operator.words.most_common(1)[0][0] if operator else CHANGE
        return Guess(json.dumps({"id": party, "name": name}, ensure_ascii=False), "its country_code and party_id")
    return Guess(json.dumps({"id": CHANGE.lower(), "name": CHANGE}), "nothing in the feed says it")


def _charge_point(draft: _Draft, fields: Mapping[str, Field], *, fits: Any = lambda each: True) -> None:
    found = [each for each in ranked("charge_point", fields.values(), fits) if each.name not in draft.taken]
    # EVSE ids say what they are; else an id that most records have: OCPI's evse_id may be left out.
    spelt = [
        each for each in found if sum(map(bool, map(EVSE_ID.fullmatch, each.values[:100]))) > len(each.values[:100]) / 2
    ]
    often = [each for each in found if each.filled > 0.5]
    best = next(iter([*(each for each in spelt if each in often), *often, *found]), None)
    said = f"{len(best.words)} different, such as {shown(best.values)}" if best else "no name says charge point"
    path = next((each for each in fields.values() if _PATH.search("".join(each.values[:1]))), None)
    if best is None and path is not None:
        expression = f"regexp_extract({quoted(path.name)}, '/locations/[^/]+/[^/]+/[^/]+/([^/]+)$', 1)"
        draft.column("charge_point", path, f"OCPI's path of an EVSE, such as {shown(path.values, 1)}", expression)
    else:
        draft.column("charge_point", best, said)
    connectors = [
        each
        for each in ranked("connector_id", fields.values(), lambda each: each.is_words)
        if each.name not in draft.taken
    ]
    deep = [each for each in fields.values() if last(each.name) == "id" and "connectors" in each.name]
    if connectors or deep:
        each = (deep or connectors)[0]
        draft.column("connector_id", each, f"such as {shown(each.words)}")


def _moment(draft: _Draft, name: str, found: Moment | None) -> None:
    way = "at" if found and found.is_instant else "local"
    draft.columns[f"{name}_{way}"] = (
        found.expression if found else f"`{CHANGE}`",
        found.because if found else "no field says it",
    )


def _sessions(draft: _Draft, fields: Mapping[str, Field], shape: Shape) -> None:
    is_cdr = any(plain(name).startswith(("cdr location", "total energy")) for name in fields) and "id" in fields
    ids = ranked("session_id", fields.values(), lambda each: each.is_unique and not each.is_row_number)
    ids = [fields["id"]] if is_cdr else ids
    if ids:
        draft.column(
            "session_id", ids[0], f"each of {len(ids[0].values)} another one, such as {shown(ids[0].values, 2)}"
        )
    if is_cdr:
        draft.columns["record_kind"] = "'cdr'", "it has the fields of an OCPI CDR"
        if "session_id" in fields:
            draft.column("cdr_session_id", fields["session_id"], "the session that it bills")
    _charge_point(draft, fields, fits=lambda each: not each.is_unique or len(each.values) < 3)
    start = moments_of(fields, "start")
    _moment(draft, "started", start)
    _moment(draft, "ended", moments_of(fields, "end"))
    draft.taken |= {name for name in fields if any(quoted(name) in text for text, _ in draft.columns.values())}
    energy = energy_of(fields, draft.taken)
    draft.top["units"] = {"energy": energy[1] if energy else "kWh"}, ""
    draft.column("energy", energy[0] if energy else None, energy[2] if energy else "no name says energy")
    costs = [
        each for each in ranked("cost", fields.values(), lambda each: each.is_number) if each.name not in draft.taken
    ]
    if costs:
        draft.column("cost", costs[0], f"the median of those that are not 0 is {costs[0].median:g}")
        money = ranked("currency", fields.values(), lambda each: each.is_words)
        of_name = next((word.upper() for word in last(costs[0].name).split() if word in ("gbp", "eur", "chf")), None)
        said = "its name" if of_name else "nothing shows it; the zone's"
        said = f"{money[0].name}: {shown(money[0].words)}" if money else said
        of_zone = {"Europe/London": "GBP", "Europe/Zurich": "CHF"}.get(draft.top["zone"][0], "EUR")
        of_zone = f"'{of_name or of_zone}'"
        draft.column("currency", money[0] if money else None, said, None if money else of_zone)
    elif money := ranked("currency", fields.values(), lambda each: each.is_words):
        draft.column("currency", money[0], f"such as {shown(money[0].words)}")
    for each in ranked("status", fields.values(), lambda one: one.is_words):
        if {word.upper() for word in each.words} <= _SESSION_STATES and each.name not in draft.taken:
            draft.column("status", each, f"{shown(each.words, 4)}: what is open is no session yet")
            break
    if is_cdr:
        draft.columns["credit"] = "credit", "true in OCPI's credit CDRs, which a sample may lack"
        draft.columns["credit_reference_id"] = "credit_reference_id", "which CDR such a one credits"
    _rating(draft, fields)
    for each in fields.values():
        if each.name == "last_updated" and each.values:
            draft.column("last_updated", each, f"such as {shown(each.values, 1)}")
    vat = "excluded" if "excl" in draft.columns.get("cost", ("", ""))[0] else "unknown"
    draft.top["vat_basis"] = vat, "its name" if vat != "unknown" else "nothing shows it"


def _rating(draft: _Draft, fields: Mapping[str, Field]) -> None:
    """A field of numbers, or a model's name that says so many kW."""

    def names_it(each: Field) -> bool:
        return any(re.search(r"\d+ *kW", value) for value in each.words)

    found = [
        each
        for each in ranked("rated_power", fields.values(), lambda each: each.is_number or names_it(each))
        if each.name not in draft.taken
    ]
    if not found:
        return
    each = found[0]
    if each.is_number:
        draft.column("rated_power", each, f"the median is {each.median:g}")
        if each.median > 1000:
            units = dict(draft.top.get("units", ({}, ""))[0])
            draft.top["units"] = {**units, "power": "W"}, ""
        return
    share = sum(bool(re.search(r"\d+ *kW", value)) for value in each.values) / len(each.values)
    expression = f"nullif(regexp_extract({quoted(each.name)}, '([0-9]+) *kW', 1), '')"
    draft.column(
        "rated_power",
        each,
        f"{100 * share:.0f} % name it, such as {shown(w for w in each.words if names_it(Field('', 1, [w])))}",
        expression,
    )


def _status(draft: _Draft, fields: Mapping[str, Field], shape: Shape) -> None:
    states = ranked("status", fields.values(), is_states) or ranked(
        "status", fields.values(), lambda each: each.is_words
    )
    if states:
        draft.taken.add(states[0].name)
    _charge_point(draft, fields)
    draft.column(
        "status", states[0] if states else None, f"{shown(states[0].words, 6)}" if states else "no words for states"
    )
    prefix = states[0].name.rpartition(".")[0] if states else ""
    timed = [
        each
        for each in ranked("changed", fields.values(), lambda each: each.is_moment)
        if not each.name.startswith("document.")
    ]
    timed.sort(key=lambda each: -len(_shared(each.name.split("."), prefix.split("."))))
    if timed:
        found = moment_of(timed[0])
        _moment(draft, "changed", found)
    else:
        draft.columns["changed_at"] = "`cic.seen_at`", "no field says when: each time that the bytes are seen is a poll"
    points = draft.columns["charge_point"][0].strip("`")
    per_moment = _polls(fields.get(points), timed[0]) if timed else None
    if shape.document and timed:
        name = f"document.{next(iter(shape.document))}"
        draft.columns["confirmed_at"] = f"`{name}`", "when the response was made: it confirms all that it lists"
    draft.top["vocabulary"], unknown = _vocabulary(states[0] if states else None)
    if unknown:
        draft.top["vocabulary"] = (
            draft.top["vocabulary"][0],
            f"{draft.top['vocabulary'][1]}; nobody knows {', '.join(map(repr, unknown))}",
        )
    if states and set(map(str.upper, states[0].words)) <= {
        "WORKING",
        "FAULTED",
        "IN SERVICE",
        "OUT OF SERVICE",
        "OPERATIONAL",
    }:
        draft.top["reports_use"] = False, "its words say whether a point works, not whether it is in use"
    if per_moment:
        draft.top["period"] = per_moment, "the median time between moments at which many are listed"


def _shared(one: list[str], other: list[str]) -> list[str]:
    return [a for a, b in zip(one, other, strict=False) if a == b]


def _polls(points: Field | None, moments: Field) -> str | None:
    """The period of a file of polls: moments at which all charge points are listed, one after the other."""
    if points is None or not moments.is_instant or len(points.values) != len(moments.values):
        return None
    times = sorted({dt.datetime.fromisoformat(value) for value in moments.values})
    per_time = len(moments.values) / len(times)
    if len(times) < 3 or per_time < 0.8 * len(points.words):
        return None
    minutes = max(1, round(median((b - a).total_seconds() for a, b in pairwise(times)) / 60))
    return f"PT{minutes}M"


def _vocabulary(states: Field | None) -> tuple[tuple[dict[str, Any], str], list[str]]:
    if states is None:
        return ({"words": {CHANGE: "UNKNOWN"}}, "no words were found"), []
    found = words_of(states)
    said: dict[str, Any] = {"standard": found.standard} if found.standard else {}
    if found.known or not said:
        said["words"] = dict(found.known) or dict.fromkeys(found.unknown[:20], "UNKNOWN")
    total = len(states.values)
    known = total - sum(states.words[word] for word in found.unknown)
    return (said, f"{100 * known / total:.0f} % of its words are known so"), list(found.unknown)


def _locations(draft: _Draft, fields: Mapping[str, Field], shape: Shape) -> None:
    _charge_point(draft, fields)
    if shape.levels:
        top = [each for each in fields.values() if "." not in each.name and last(each.name) == "id"]
    else:
        top = [each for each in ranked("location_id", fields.values(), lambda each: True) if last(each.name) != "id"]
    for name, candidates in (
        ("location_id", top),
        ("location_name", ranked("location_name", fields.values(), lambda each: not each.is_number)),
        ("device_id", ranked("device_id", fields.values(), lambda each: True)),
    ):
        free = [each for each in candidates if each.name not in draft.taken]
        if free:
            draft.column(name, free[0], f"such as {shown(free[0].values, 2)}")
    _rating(draft, fields)
    for name, most in (("latitude", 90), ("longitude", 180)):
        found = [each for each in ranked(name, fields.values(), lambda each: each.is_number) if 0 < each.median <= most]
        if found:
            draft.column(name, found[0], f"such as {shown(found[0].values, 1)}")
    since = ranked("valid_from", fields.values(), lambda each: each.is_date or each.is_moment)
    if since and (moment := moment_of(since[0])):
        draft.column("valid_from", since[0], moment.because, moment.expression)
    if states := [each for each in ranked("status", fields.values(), is_states) if each.name not in draft.taken]:
        found_words = words_of(states[0])
        if "REMOVED" in {*found_words.known.values()} or "REMOVED" in states[0].words:
            draft.column("status", states[0], f"some are removed: {shown(states[0].words, 6)}")


def _tariffs(draft: _Draft, fields: Mapping[str, Field], shape: Shape) -> None:
    """OCPI's names, as far as the sample has them: nobody else publishes tariffs that a program reads."""
    template = yaml.safe_load(f"columns:{KINDS['tariffs'].template.partition('{expressions}')[2]}")["columns"]
    needed = {way for group in KINDS["tariffs"].stream.NEEDED for way in group}
    for name, expression in template.items():
        each = fields.get(expression.strip("`"))
        if each is not None and each.values:
            draft.column(name, each, f"OCPI's name, such as {shown(each.values, 2)}")
        elif "cic." in expression:
            draft.columns[name] = expression, "the place in the lists"
        elif name in needed:
            draft.column(name, None, f"OCPI calls it {expression}")


_COLUMNS = {"tariffs": _tariffs, "sessions": _sessions, "status": _status, "locations": _locations}


def claims_of(name: str) -> str:
    """A pattern for files like this one: what differs from one to the next as `*`."""
    stem = re.sub(r"\d+(?:[-_.]\d+)*", "*", name.removesuffix(".gz"))
    return re.sub(r"\*+", "*", stem) + ("*" if name.endswith(".gz") else "")


def _lines(draft: _Draft) -> Iterator[str]:
    for key, (value, because) in draft.top.items():
        if because:
            yield from _comment(because, "")
        if key == "columns":
            yield "columns:\n"
            for name, (expression, said) in draft.columns.items():
                yield from _comment(said, "  ")
                yield f"  {name}: {_inline(expression)}\n"
        else:
            yield f"{key}: {_inline(value)}\n"


def _comment(text: str, indent: str) -> Iterator[str]:
    line = f"{indent}#"
    for word in text.replace("\n", " ").split(" "):
        if len(line) + len(word) >= _WIDTH:
            yield f"{line}\n"
            line = f"{indent}#"
        line += f" {word}"
    yield f"{line}\n"


def _inline(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
