"""Which ids of a provider's feeds name one charge point (numbers.md 3: uid and evse_id). Plain Python.

Decided from all that the feeds ever gave, so that neither the order of arrival nor who spoke first matters.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# eMI3: country, operator, E, and what the operator likes; separators are for people.
EMI3 = "^[A-Z]{2}[*-]?[A-Z0-9]{3}[*-]?E[A-Z0-9*-]+$"
SEPARATORS = "*-"
_EMI3 = re.compile(EMI3)
_NO_SEPARATORS = str.maketrans("", "", SEPARATORS)
# OCPI's words for an EVSE that is not known.
_NO_NAMES = {"#NA", "#N/A"}


@dataclass(frozen=True)
class Name:
    """An id as a feed gave it, with another id of the same charge point where the feed says one.

    Attributes:
        provider_id: within which ids are unique.
        given: what the feed calls the charge point.
        alias: the other id.
        is_listed: whether it comes from a registry (a locations stream).
        delivery: what one arrival of one registry or status stream lists together is told apart; empty for sessions,
            which list nothing.
    """

    provider_id: str
    given: str
    alias: str | None = None
    is_listed: bool = False
    delivery: str = ""

    @property
    def other(self) -> str | None:
        """The alias, if it is one."""
        return None if self.alias is None or self.alias.upper() in _NO_NAMES else self.alias


def key(given: str) -> str:
    """An id without what people write differently: case, and separators of an eMI3 id."""
    upper = given.upper()
    return upper.translate(_NO_SEPARATORS) if is_emi3(upper) else upper


def _places(given: str) -> str:
    """An id with its separators where they are, whichever they are."""
    return given.upper().replace("-", "*")


def is_emi3(given: str) -> bool:
    """Whether an id has the shape of eMI3's (`GB*CHG*E0001`)."""
    return _EMI3.match(given.upper()) is not None


def canonical_ids(names: Iterable[Name]) -> dict[tuple[str, str], str]:
    """(provider, given id) → the id under which facts stand, where that is another one.

    It is the registry's spelling; of what no registry knows, the eMI3 id where feeds know one, else the smallest
    spelling. An alias that stands beside two charge points identifies nothing.
    """
    by_provider: dict[str, list[Name]] = defaultdict(list)
    for name in names:
        by_provider[name.provider_id].append(name)
    found: dict[tuple[str, str], str] = {}
    for provider, mine in sorted(by_provider.items()):
        for given, canonical in _Provider(mine).canonical().items():
            if given != canonical:
                found[provider, given] = canonical
    return found


@dataclass
class _Provider:
    """The ids of one provider. Nodes are keys; ids that one registry lists side by side are nodes of their own."""

    names: list[Name]
    _root: dict[str, str] = field(default_factory=dict)

    def canonical(self) -> dict[str, str]:
        """Each given id's canonical one."""
        self._apart = self._listed_side_by_side()
        self._split = self._polled_side_by_side()
        self._link_listed()
        self._link_spoken()
        listed, spellings = defaultdict(set), defaultdict(set)
        for name in self.names:
            spellings[self._find(self._node(name.given))].add(name.given)
            if name.is_listed:
                listed[self._find(self._node(name.given))].add(name.given)
            if name.other:
                spellings[self._find(self._node(name.other))].add(name.other)
        best = {root: _best(listed.get(root) or known) for root, known in spellings.items()}
        return {name.given: best[self._find(self._node(name.given))] for name in self.names}

    def _listed_side_by_side(self) -> set[str]:
        """Ids that differ in spelling only, and that one delivery of a registry lists as different ones."""
        together: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name in self.names:
            if name.is_listed:
                together[name.delivery, key(name.given)].add(name.given)
        return {given for spelt in together.values() if len(spelt) > 1 for given in spelt}

    def _polled_side_by_side(self) -> dict[str, str]:
        """Ids of a status feed, each with its node, that one delivery has with separators at different places."""
        together: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name in self.names:
            if name.delivery and not name.is_listed and is_emi3(name.given):
                together[name.delivery, key(name.given)].add(_places(name.given))
        return {spelt: f"={spelt}" for places in together.values() if len(places) > 1 for spelt in places}

    def _node(self, given: str) -> str:
        return f"={given}" if given in self._apart else self._split.get(_places(given), key(given))

    def _find(self, node: str) -> str:
        while (parent := self._root.get(node, node)) != node:
            node = parent
        return node

    def _union(self, one: str, other: str) -> None:
        roots = sorted((self._find(one), self._find(other)))
        self._root[roots[1]] = roots[0]

    def _link_listed(self) -> None:
        """The registry's own pairs: an alias of exactly one charge point, and no charge point beside it."""
        owners: dict[str, set[str]] = defaultdict(set)
        beside: dict[str, set[str]] = defaultdict(set)
        listed = [name for name in self.names if name.is_listed]
        for name in listed:
            beside[name.delivery].add(self._node(name.given))
        for name in listed:
            alias = self._node(name.other) if name.other else self._node(name.given)
            if alias != self._node(name.given):
                owners[alias].add(self._node(name.given))
                if alias in beside[name.delivery]:
                    owners[alias].add(alias)
        self._ambiguous = {alias for alias, points in owners.items() if len(points) > 1}
        for alias, points in sorted(owners.items()):
            if len(points) == 1:
                self._union(alias, *points)

    def _link_spoken(self) -> None:
        """Other feeds' pairs, where they are unique, and what the registry says leaves them open."""
        known = {self._find(self._node(name.given)) for name in self.names if name.is_listed}
        partners: dict[str, set[str]] = defaultdict(set)
        for name in self.names:
            if name.is_listed or not name.other:
                continue
            given, alias = self._node(name.given), self._node(name.other)
            if given != alias and not {given, alias} & self._ambiguous:
                one, other = self._find(given), self._find(alias)
                partners[one].add(other)
                partners[other].add(one)
        pairs = [
            (one, other)
            for one, others in sorted(partners.items())
            for other in others
            if one not in known and len(others) == 1 and one != other and (other in known or partners[other] == {one})
        ]
        for one, other in pairs:
            self._union(one, other)


def _best(spellings: Iterable[str]) -> str:
    return min(spellings, key=lambda given: (not is_emi3(given), key(given), given))


def identified(frame: DataFrame, aliases: DataFrame | None) -> DataFrame:
    """The frame with charge points under their canonical ids.

    Args:
        frame: any with `charge_point_id`.
        aliases: `charge_point_id` as given and `canonical_id`, where they differ; None where they never do.
    """
    from pyspark.sql import functions as F

    if aliases is None:
        return frame
    joined = frame.join(F.broadcast(aliases), "charge_point_id", "left")
    canonical = F.coalesce("canonical_id", "charge_point_id").alias("charge_point_id")
    return joined.select(*(canonical if name == "charge_point_id" else name for name in frame.columns))
