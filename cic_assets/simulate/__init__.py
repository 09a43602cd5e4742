"""A simulator: an invented county of five providers with sessions, states, registries and bays, and what is true.

Same arguments, same bytes, in one process or in many. It streams, week by week: a year of 5,000 charge points needs no
more memory than a week of one provider's. What stands beside the files is told in `simulate/county.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from cic_assets.simulate import push
from cic_assets.simulate.bays import Bays
from cic_assets.simulate.clock import DAY, MINUTE, at, date_of, midnight, utc
from cic_assets.simulate.county import (
    PROVIDERS,
    County,
    Provider,
    SimulatedFile,
    StatusTruth,
    Truth,
    Week,
    weeks,
)
from cic_assets.simulate.exchange import Exchange
from cic_assets.simulate.life import PREPARING, Change, Charge, Era, Happened, life
from cic_assets.simulate.locations import OcpiLocations, OpenFeed
from cic_assets.simulate.network import PRICES, ChargePoint, build
from cic_assets.simulate.poll import ChargerList, CouncilPoll
from cic_assets.simulate.sessions import OcpiSessions, SessionFeed, numbered
from cic_assets.simulate.told import Tellers

__all__ = ["ASHBOURNE", "BRACKENDALE", "PROVIDERS", "Plan", "SimulatedFile", "Simulation", "simulate"]
ASHBOURNE = "ashbourne_sessions"
BRACKENDALE = "brackendale_sessions"
# Its sessions and locations also lie in the exchange's lake.
EXCHANGED = ("dunholt", "elmsworth")


@dataclass(frozen=True)
class Simulation:
    """Files in order of arrival, and the truth by stream, of sessions and of status.

    Attributes:
        beside: files that no kind of stream reads yet: bays, tariffs, planned works.
        exchange: messages in the exchange's lake, by topic and place.
    """

    files: list[SimulatedFile] = field(default_factory=list)
    truth: dict[str, Truth] = field(default_factory=dict)
    status: dict[str, StatusTruth] = field(default_factory=dict)
    beside: list[Path] = field(default_factory=list)
    exchange: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is simulated.

    Attributes:
        last_day: last day on which sessions start.
        seed: another seed, another county.
        days: how many days.
        charge_points: how many each provider has.
        demand: multiple of the usual number of sessions.
        dirt: multiple of the usual share of dirt; 0 for clean push.
        exchange: whether some also lies in the layout of the customer's exchange (a file per entity and message).
    """

    last_day: dt.date
    seed: int = 1
    days: int = 90
    charge_points: int = 60
    demand: float = 1.0
    dirt: float = 1.0
    exchange: bool = False

    def era(self, provider: Provider) -> Era:
        """The simulated time of a provider; a CSV on the wall clock has whole minutes."""
        start = at(self.last_day - dt.timedelta(days=self.days - 1))
        wall = provider.sessions == "csv"
        grain = MINUTE if wall else 1
        return Era(start, start + self.days * DAY, self.demand, grain, wall, f"{self.seed}:{provider.name}")


def simulate(
    out: Path, *, workers: int = 1, progress: Callable[[float], None] = lambda share: None, **plan: Any
) -> Simulation:
    """Writes the raw files of five providers, and the truth beside them.

    Args:
        out: folder; made if missing, files of the same names are replaced.
        workers: processes.
        progress: called now and then with the share that is done.
        plan: as `Plan` takes them.

    Raises:
        OSError: the folder takes nothing (full, no folder, not ours); the error names it.
    """
    out.mkdir(parents=True, exist_ok=True)
    wish = Plan(**plan)
    found = Simulation()
    try:
        for part in _parts(out, wish, workers, progress):
            _add(found, part)
        found.files.sort(key=lambda file: (file.arrived_at, file.stream_id))
        _write_truth(out, found)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # A full disk says nothing of the place.
        raise OSError(error.errno, error.strerror, str(out)) from error
    return found


def _add(found: Simulation, part: Simulation) -> None:
    found.files.extend(part.files)
    found.beside.extend(part.beside)
    for ours, theirs in ((found.truth, part.truth), (found.status, part.status), (found.exchange, part.exchange)):
        ours.update(theirs)  # type: ignore[arg-type]


def _parts(out: Path, plan: Plan, workers: int, progress: Callable[[float], None]) -> Iterator[Simulation]:
    """Each provider's part, in their order."""
    total = len(PROVIDERS) * len(list(weeks(plan.era(PROVIDERS[0]))))
    if workers == 1:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            progress(done / total)

        for provider in PROVIDERS:
            yield _provider(out, plan, provider, tick)
        return
    context = multiprocessing.get_context("spawn")
    counter = context.Value("i", 0)
    with ProcessPoolExecutor(min(workers, len(PROVIDERS)), context, _share, (counter,)) as pool:
        futures = [pool.submit(_counted, out, plan, provider) for provider in PROVIDERS]
        while wait(futures, timeout=0.5).not_done:
            progress(counter.value / total)
        for future in futures:
            yield future.result()


_counter: Any = None


def _share(counter: Any) -> None:
    """Of a worker: where it counts finished weeks."""
    global _counter
    _counter = counter


def _counted(out: Path, plan: Plan, provider: Provider) -> Simulation:
    def tick() -> None:
        with _counter.get_lock():
            _counter.value += 1

    return _provider(out, plan, provider, tick)


class Feed(Protocol):
    """Something that takes a week of what happened."""

    def week(self, week: Week, happened: Happened) -> None:
        """Writes the week."""


def _provider(out: Path, plan: Plan, provider: Provider, tick: Callable[[], None]) -> Simulation:
    """All of one provider, week by week."""
    era, county = plan.era(provider), County(out, provider)
    points = build(
        Random(f"{era.seed}:network"), provider.letter, plan.charge_points, provider.status == "ocpp201",
        era.start, era.end,
    )  # fmt: skip
    if provider.status == "ocpi":
        points += _newcomers(points[0], provider, era)
    lives = {point.name: _Life(point, era, place == 0) for place, point in enumerate(points)}
    unlisted = points[-1].name if provider.status == "poll" else None
    sessions, ocpi = SessionFeed(county, era, plan.dirt, unlisted), None
    if provider.status == "ocpi":
        ocpi = OcpiSessions(county, era)
    reporting, finish = _STATUS[provider.status](county, era, plan, points)
    others: list[Feed] = [*reporting, Bays(county, era)]
    exchange = Exchange(county, "sessions", era.seed, plan.dirt) if _exchanged(plan, provider) else None
    running: dict[int, Charge] = {}
    number = 1
    for week in weeks(era):
        happened = [(point, lives[point.name].until(week.until)) for point in points]
        begun, ended = _edges(happened)
        number = numbered(begun, provider.letter, number)
        running |= {id(charge): charge for charge in begun}
        for charge in ended:
            del running[id(charge)]
        sent = sessions.week(week, ended)
        if ocpi:
            ocpi.week(week, sent, list(running.values()))
        if exchange:
            exchange.sessions(sent)
        for feed in others:
            feed.week(week, happened)
        tick()
    finish()
    _beside(county, era, points)
    county.close()
    return Simulation(county.files, county.truth, county.status, county.beside, county.exchange)


def _exchanged(plan: Plan, provider: Provider) -> bool:
    return plan.exchange and provider.name in EXCHANGED


class _Life:
    """A charge point's changes, taken week by week."""

    def __init__(self, point: ChargePoint, era: Era, first: bool) -> None:
        self._changes = life(point, era, first)
        self._next = next(self._changes, None)

    def until(self, moment: int) -> list[Change]:
        found: list[Change] = []
        while self._next is not None and self._next.at < moment:
            found.append(self._next)
            self._next = next(self._changes, None)
        return found


def _edges(happened: Happened) -> tuple[list[Charge], list[Charge]]:
    """Sessions that began, in order of their start, and that ended, in order of their end."""
    charges = [(change.charge, change.phase) for _, changes in happened for change in changes if change.charge]
    begun = sorted((charge for charge, phase in charges if phase == PREPARING), key=lambda charge: charge.start)
    return begun, sorted((charge for charge, phase in charges if not phase), key=lambda charge: charge.end)


def _newcomers(pattern: ChargePoint, provider: Provider, era: Era) -> list[ChargePoint]:
    """However small the county, OCPI tells of one charge point that is removed and one that is planned."""
    third = (era.end - era.start) // 3
    gone, new = (f"{provider.letter}{number}" for number in (9001, 9002))
    return [
        ChargePoint(gone, gone, pattern.site, 22_000, 1.0, era.start, removed=era.opens + third),
        ChargePoint(new, new, pattern.site, 22_000, 1.0, era.opens + 2 * third),
    ]


# What takes the weeks, and what is to be done after the last one.
Setup = tuple[Sequence[Feed], Callable[[], None]]


def _tellers(county: County, era: Era, points: Sequence[ChargePoint], opens: int | None = None) -> Tellers:
    """The timelines of days since the feed's first word: `opens`, or the era's start."""
    last = date_of(era.start) + dt.timedelta(days=(era.end - era.start) // DAY)
    return Tellers(county, points, midnight(date_of(opens or era.start)), midnight(last))


def _poll(county: County, era: Era, plan: Plan, points: Sequence[ChargePoint]) -> Setup:
    """A council polls its own chargers, was silent for three days, and forgot one charger in its list."""
    poll = CouncilPoll(county, era, _tellers(county, era, points), plan.dirt)
    return [poll, ChargerList(county, era, points)], poll.finish


def _ocpi(county: County, era: Era, plan: Plan, points: Sequence[ChargePoint]) -> Setup:
    """Pushes of every change, and a full Locations response each week."""
    tellers, party = _tellers(county, era, points), county.provider.party
    log = push.PushFeed(
        county, era, tellers, f"{county.provider.name}_status_{{}}.jsonl", push.ocpi_word, push.ocpi_patch(party),
        dirt=plan.dirt,
    )  # fmt: skip
    full = OcpiLocations(county, tellers)

    def finish() -> None:
        log.cover = max(log.cover, full.cover)
        log.finish()

    return [log, full], finish


def _ocpp(county: County, era: Era, plan: Plan, points: Sequence[ChargePoint]) -> Setup:
    """A central system's log; one station said nothing for twelve days."""
    second = county.provider.status == "ocpp201"
    since = era.start + (era.end - era.start) // (3 * DAY) * DAY
    log = push.PushFeed(
        county, era, _tellers(county, era, points), f"{county.provider.name}_ocpp_{{}}.jsonl",
        push.ocpp201_word if second else push.ocpp16_word, push.ocpp201 if second else push.ocpp16,
        dirt=plan.dirt, marks_invalid=second,
        silenced=(points[1].name, since, since + 12 * DAY) if len(points) > 1 else ("", 0, 0),
    )  # fmt: skip
    return [log], log.finish


def _works(county: County, era: Era, plan: Plan, points: Sequence[ChargePoint]) -> Setup:
    """A statutory open feed, pulled each morning, that only says whether a point works."""
    exchange = Exchange(county, "locations", era.seed, plan.dirt) if _exchanged(plan, county.provider) else None
    opens = era.start + DAY + OpenFeed.PULL
    feed = OpenFeed(county, era, _tellers(county, era, points, opens), exchange, opens)
    return [feed], feed.finish


_STATUS: dict[str, Callable[[County, Era, Plan, Sequence[ChargePoint]], Setup]] = {
    "poll": _poll,
    "ocpi": _ocpi,
    "ocpp16": _ocpp,
    "ocpp201": _ocpp,
    "works": _works,
}


def _beside(county: County, era: Era, points: Sequence[ChargePoint]) -> None:
    """Tariffs as OCPI 2.2.1 Tariff objects, and planned works."""
    changes = (era.start + era.end) // 2
    tariffs = [
        {
            "country_code": "GB", "party_id": county.provider.party, "id": f"T{watts // 1000}", "currency": "GBP",
            "elements": [{"price_components": [{"type": "ENERGY", "price": pence / 100, "vat": 20, "step_size": 1}]}],
            edge: utc(changes), "last_updated": utc(era.start),
        }
        for watts, prices in PRICES.items()
        for pence, edge in zip(prices, ("end_date_time", "start_date_time"), strict=True)
    ]  # fmt: skip
    county.write(f"{county.provider.name}_tariffs.json", json.dumps(tariffs, indent=1), era.start)
    sites = {site.id: site for point in points for site in (point.site, point.site_at(era.end))}
    lines = [f"{name},{utc(since)},{utc(until)}" for name, site in sorted(sites.items()) for since, until in site.works]
    content = "\n".join(["location_id,from,until", *lines, ""])
    county.write(f"{county.provider.name}_planned_works.csv", content, era.start)


def _write_truth(out: Path, found: Simulation) -> None:
    parts: dict[str, Truth | StatusTruth] = {**found.truth, **found.status}
    content = {stream_id: truth.as_json() for stream_id, truth in parts.items()}
    (out / "truth.json").write_text(json.dumps(content, indent=2) + "\n")
