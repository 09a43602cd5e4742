from __future__ import annotations

import itertools
import random

import pytest

from cic_assets.kinds.identity import Name, canonical_ids
from cic_assets.kinds.stream import siblings

EVSE, UID = "GB*CHG*E0041", "3256"


def listed(given: str, alias: str | None = None, delivery: str = "l 1") -> Name:
    return Name("p", given, alias, is_listed=True, delivery=delivery)


def polled(given: str, delivery: str = "s 1") -> Name:
    return Name("p", given, delivery=delivery)


def said(given: str, alias: str | None = None) -> Name:
    return Name("p", given, alias)


def found(*names: Name) -> dict[str, str]:
    """What the rule makes of names in three orders; they must agree."""
    rng = random.Random(len(names))
    results = [canonical_ids(rng.sample(names, len(names))) for _ in range(3)]
    assert results[0] == results[1] == results[2]
    return {given: canonical for (_, given), canonical in results[0].items()}


CASES = {
    "the registry knows both": ([listed(EVSE, UID), said(UID)], {UID: EVSE}),
    "the registry goes by uid": ([listed(UID, EVSE), said(EVSE), said(UID)], {EVSE: UID}),
    "a CDR knows both, the registry one": ([listed(EVSE), said(UID, EVSE), said(UID)], {UID: EVSE}),
    "no registry": ([said(UID, EVSE), said(UID)], {UID: EVSE}),
    "no registry, the other way": ([said(EVSE, UID), said(UID)], {UID: EVSE}),
    "spelling": ([listed("CP1"), said("cp1"), said("Cp1")], {"cp1": "CP1", "Cp1": "CP1"}),
    "spelling without a registry": ([said("cp1"), said("CP1")], {"cp1": "CP1"}),
    "separators of eMI3 ids": ([listed("GBCHGE0041"), said("gb*chg*e0041"), said("GB-CHG-E0041")],
                               {"gb*chg*e0041": "GBCHGE0041", "GB-CHG-E0041": "GBCHGE0041"}),
    "separators of others stand": ([listed("A-12"), said("A1-2"), said("A12")], {}),
    "the registry lists two spellings": ([listed("CP1"), listed("cp1"), said("cp1"), said("Cp1")], {}),
    "the registry changes its spelling": ([listed("CP1"), listed("cp1", delivery="l 2")], {"cp1": "CP1"}),
    "separators tell two apart": ([listed("GB*CHG*E1*23"), listed("GB*CHG*E12*3"), said("GBCHGE123")], {}),
    "a poll has two spellings": (
        [polled("DE*ABC*E1*12"), polled("de*abc*e1*12"), polled("DE-ABC-E1-12"), polled("DE*ABC*E11*2"),
         said("DEABCE112"), said("de-abc-e11-2")],
        {"de*abc*e1*12": "DE*ABC*E1*12", "DE-ABC-E1-12": "DE*ABC*E1*12", "de-abc-e11-2": "DE*ABC*E11*2"}),
    "a poll has two spellings, the registry one": (
        [polled("DE*ABC*E1*12"), polled("DE*ABC*E11*2"), listed("DE*ABC*E1*12")], {}),
    "two polls spell otherwise": (
        [polled("DE*ABC*E1*12"), polled("DEABCE112", "s 2")], {"DEABCE112": "DE*ABC*E1*12"}),
    "a poll differs in case": ([polled("CP1"), polled("cp1")], {"cp1": "CP1"}),
    "one uid at two EVSEs": ([listed(EVSE, "1"), listed("GB*CHG*E0042", "1"), said("1")], {}),
    "one uid at two EVSEs, and a CDR": ([listed(EVSE, "1"), listed("GB*CHG*E0042", "1"), said("1", EVSE)], {}),
    "one evse_id at two uids": ([listed("1", EVSE), listed("2", EVSE), said(EVSE)], {}),
    "a uid that is another's id": ([listed(EVSE, "7"), listed("7"), said("7")], {}),
    "evse_id comes later": ([listed(UID), listed(EVSE, UID, "l 2"), said(UID)], {UID: EVSE}),
    "CDRs with one evse_id for a station": ([said("1", EVSE), said("2", EVSE)], {}),
    "a post with two uids in turn": ([listed(EVSE, "1"), listed(EVSE, "2", "l 2"), said("1"), said("2")],
                                     {"1": EVSE, "2": EVSE}),
    "two registries": ([listed(EVSE, UID), listed(UID, delivery="m 1"), said(UID)], {UID: EVSE}),
    "no name": ([listed(EVSE, "#NA"), said("#NA"), said(UID, "#NA")], {}),
    "the same id twice": ([listed(EVSE, EVSE.lower()), said(EVSE)], {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_ids_of_one_charge_point(case):
    names, expected = CASES[case]
    assert found(*names) == expected


def test_providers_do_not_share_ids():
    names = [Name("p", "cp1"), Name("q", "CP1"), Name("q", "cp1")]
    assert canonical_ids(names) == {("q", "cp1"): "CP1"}


def test_every_order_of_all_cases_at_once_gives_the_same():
    names = list(itertools.chain.from_iterable(
        (Name(str(place), n.given, n.alias, n.is_listed, n.delivery) for n in names)
        for place, (names, _) in enumerate(CASES.values())
    ))  # fmt: skip
    rng = random.Random(1)
    results = [canonical_ids(rng.sample(names, len(names))) for _ in range(20)]
    assert all(result == results[0] for result in results) and len(results[0]) > 10


@pytest.mark.parametrize(
    ("expression", "near", "fields"),
    [
        ("`evses.evse_id`", False, ("evses.uid", "evses.evse_uid")),
        ("`evses.uid`", False, ("evses.evse_id",)),
        ("`cdr_location.evse_uid`", True, ("cdr_location.evse_id",)),
        # Beside a session's `evse_id`, `uid` may be a driver's card.
        ("evse_id", True, ("evse_uid",)),
        ("upper(evse_id)", False, ()),
        ("station", False, ()),
    ],
)
def test_the_other_id_stands_beside_the_one_that_is_mapped(expression, near, fields):
    assert siblings(expression, is_person_near=near) == fields
