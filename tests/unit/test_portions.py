"""An arrival's portions: the same of the same objects, bounded, closed under what looks at each other."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

import pytest

from cic_assets.facts.status_edges import Entries
from cic_assets.ingest import count
from cic_assets.ingest.count import Counts, from_json, merged, to_json
from cic_assets.ingest.portions import PORTION_RECORDS, delivery_of, portion_of, portions_of, renewal_of
from cic_assets.kinds.every import parse_stream
from cic_assets.ledger.catalogue import Arrival, LandedObject

DAY = dt.date(2026, 3, 1)
MORNING = dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC)
CONTENT = {
    "id": "s", "kind": "status", "description": "d", "provider": {"id": "p", "name": "P"},
    "authority": {"id": "a", "name": "A"}, "zone": "Europe/London", "format": {"type": "jsonl"}, "claims": ["s_*"],
    "columns": {"charge_point": "cp", "status": "word", "changed_at": "since"},
    "vocabulary": {"standard": "OCPI 2.2.1"}, "licence": "l", "contact": "c",
}  # fmt: skip
EVENTS = parse_stream(CONTENT)
POLLS = parse_stream(CONTENT | {"period": "PT1H"})
SIGHTED = parse_stream(
    CONTENT | {"columns": {"charge_point": "cp", "status": "word", "changed_at": "`cic.seen_at`"}, "period": "PT1H"}
)
LEAST = EVENTS.delivery.min_rows


def landed(number, at=None, *seen):
    moment = at or MORNING + dt.timedelta(minutes=number)
    return LandedObject(
        "s", f"{number * 7919 % 10_007:064x}", DAY, moment, f"s_{number}", f"raw/{number}", landed=True,
        sightings=tuple((each, f"s_{number}") for each in seen or (moment,)),
    )  # fmt: skip


def arrival(objects, released=None):
    return Arrival("s", DAY, tuple(objects), released or {})


def cut(objects, records=None, stream=EVENTS, released=None):
    day = arrival(objects, released)
    counts = records or {each.sha256: 1 for each in objects}
    return portions_of(stream, day, counts)


def names(portion):
    return {each.original_name for each in portion.objects}


def test_small_files_are_put_together_and_one_more_changes_the_last_portion_alone():
    objects = [landed(number) for number in range(2_000)]
    before, after = cut(objects), cut([*objects, landed(2_000)])
    assert [len(portion.objects) for portion in before] == [PORTION_RECORDS] * 4
    # A rest too small to be judged as a whole goes with the portion before.
    assert [len(portion.objects) for portion in after] == [*[PORTION_RECORDS] * 3, PORTION_RECORDS + 1]
    assert [one.id == other.id for one, other in zip(before, after, strict=True)] == [True, True, True, False]
    more = cut([landed(number) for number in range(2_000 + LEAST)])
    assert [len(portion.objects) for portion in more] == [*[PORTION_RECORDS] * 4, LEAST]
    assert [portion.id for portion in more[:4]] == [portion.id for portion in before]


def test_the_same_objects_give_the_same_portions_in_any_order():
    objects = [landed(number) for number in range(1_200)]
    shuffled = random.Random(3).sample(objects, len(objects))
    assert cut(shuffled) == cut(objects)
    assert {each for portion in cut(objects) for each in portion.objects} == {*objects}


def test_a_large_file_does_not_bring_small_ones_along():
    small, large = [landed(number) for number in range(60)], landed(30_000, MORNING + dt.timedelta(minutes=30))
    records = {each.sha256: 1 for each in small} | {large.sha256: 100_000}
    first, second = cut([*small, large], records)
    assert names(first) == {each.original_name for each in small} and names(second) == {"s_30000"}
    later = landed(999)
    found = cut([*small, large, later], records | {later.sha256: 1})
    assert [portion.id for portion in found][1] == second.id and "s_999" in names(found[0])


@pytest.mark.parametrize("change", ["name", "moment", "release", "content"])
def test_what_rows_are_made_of_makes_another_portion(change):
    one, other = landed(1), landed(2)
    before = portion_of(EVENTS, arrival([one, other]), [one, other])
    changed = {
        "name": replace(one, original_name="x"), "moment": replace(one, arrived_at=MORNING - dt.timedelta(1)),
        "content": replace(one, sha256="0" * 64),
    }.get(change, one)  # fmt: skip
    released = {one.sha256: ("dates",)} if change == "release" else {}
    after = portion_of(EVENTS, arrival([changed, other], released), [changed, other])
    assert before.id != after.id
    assert before == portion_of(EVENTS, arrival([other, one]), [other, one])
    # Where an object lies says nothing of its rows.
    assert before.id == portion_of(EVENTS, arrival([one]), [replace(one, path="elsewhere"), other]).id


def test_what_arrived_at_one_moment_is_not_parted_where_rows_look_at_each_other():
    """Pages of a response, each of which would fill a portion."""
    pages = [landed(10 * hour + page, MORNING + dt.timedelta(hours=hour)) for hour in range(3) for page in range(2)]
    records = {each.sha256: PORTION_RECORDS for each in pages}
    assert [names(portion) for portion in cut(pages, records, POLLS)] == [
        {"s_0", "s_1"}, {"s_10", "s_11"}, {"s_20", "s_21"},
    ]  # fmt: skip
    assert len(cut(pages, records, EVENTS)) == 6


def test_sightings_join_what_was_seen_together():
    """An unchanged first page stands beside each second one, so that they are one portion; what came alone is not."""
    moments = [MORNING + dt.timedelta(hours=hour) for hour in range(4)]
    first, alone = landed(1, moments[0], *moments[:3]), landed(9, moments[3], moments[3])
    pages = [landed(2 + number, moments[number], moments[number]) for number in range(3)]
    records = {each.sha256: PORTION_RECORDS for each in (first, alone, *pages)}
    found = cut([alone, *pages, first], records, SIGHTED)
    assert [names(portion) for portion in found] == [{"s_1", "s_2", "s_3", "s_4"}, {"s_9"}]
    again = replace(first, sightings=(*first.sightings, (moments[3], "s_1")))
    (joined,) = cut([alone, *pages, again], records, SIGHTED)
    assert len(joined.objects) == 5


def test_a_released_small_file_is_a_delivery_by_itself():
    objects = [landed(number) for number in range(LEAST)]
    records = {each.sha256: 1 for each in objects}
    released = {objects[3].sha256: ("dates",)}
    together, alone = cut(objects, records, released=released)
    assert names(alone) == {"s_3"}
    day = arrival(objects, released)
    assert delivery_of(EVENTS, day, alone, records) == {objects[3].sha256: objects[3].sha256}
    assert {*delivery_of(EVENTS, day, together, records).values()} == {together.id}


def test_a_limit_above_a_portions_size_is_still_reached():
    """Small is what the stream file says; as many as that are judged as a whole."""
    stream = parse_stream(CONTENT | {"delivery": {"min_rows": 4 * PORTION_RECORDS}})
    objects = [landed(number) for number in range(6)]
    records = {each.sha256: PORTION_RECORDS for each in objects}
    assert [len(portion.objects) for portion in cut(objects, records, stream)] == [6]


def test_only_what_is_not_there_is_made_anew():
    objects = [landed(number) for number in range(1_100)]
    records = {each.sha256: 1 for each in objects}
    before = cut(objects[:1_099], records)
    found = renewal_of(EVENTS, arrival(objects), records, {portion.id for portion in before})
    assert [len(portion.objects) for portion in found.portions] == [100]
    assert found.staying == {before[0].id, before[1].id} and found.going == {before[2].id}
    # Of what is all there, or not at all, all is made anew.
    for there in (set(), {portion.id for portion in cut(objects, records)}, {"of other objects"}):
        whole = renewal_of(EVENTS, arrival(objects), records, there)
        assert (len(whole.portions), whole.staying, whole.going) == (3, frozenset(), frozenset())


SOME = Counts(
    rows_in=9, accepted=5, quarantined=3, skipped=1, fired={"E01": 3, "E02": 0}, newest=MORNING,
    unmapped={"Kaputt": 2, count.OTHER_WORDS: 1}, cover_at=MORNING, first_at=MORNING - dt.timedelta(hours=1),
    dates=(DAY, DAY), unreadable={"invalid": (4, 1)}, entries=(Entries(DAY, 5, MORNING),),
)  # fmt: skip


def test_counts_are_kept_as_they_were():
    assert from_json(to_json(SOME)) == replace(SOME, fired={"E01": 3})
    assert from_json(to_json(Counts())) == Counts()


def test_counts_of_portions_are_those_of_the_arrival():
    later, before = MORNING + dt.timedelta(hours=2), DAY - dt.timedelta(days=1)
    other = Counts(
        rows_in=2, accepted=2, fired={"E01": 1, "E03": 2}, newest=later, unmapped={"Kaputt": 1}, cover_at=later,
        first_at=later, dates=(before, before), unreadable={"invalid": (1, 1)},
        entries=(Entries(before, 1, later), Entries(DAY, 1, MORNING - dt.timedelta(minutes=1))),
    )  # fmt: skip
    assert merged([SOME, other, Counts()]) == merged([Counts(), other, SOME]) == Counts(
        rows_in=11, accepted=7, quarantined=3, skipped=1, fired={"E01": 4, "E02": 0, "E03": 2}, newest=later,
        unmapped={"Kaputt": 3, count.OTHER_WORDS: 1}, cover_at=later, first_at=MORNING - dt.timedelta(hours=1),
        dates=(before, DAY), unreadable={"invalid": (5, 2)},
        entries=(Entries(before, 1, later), Entries(DAY, 6, MORNING - dt.timedelta(minutes=1))),
    )  # fmt: skip


def test_the_words_of_an_arrival_are_bounded_too():
    some = [Counts(unmapped={f"{half}{number:03}": 2 for number in range(count.WORDS_KEPT)}) for half in "ab"]
    found = merged([*some, Counts(unmapped={"z": 3})]).unmapped
    assert len(found) == count.WORDS_KEPT + 1 and found["z"] == 3
    assert sum(found.values()) == 2 * 2 * count.WORDS_KEPT + 3
