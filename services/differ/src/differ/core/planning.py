"""What has to be looked at again, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState
from common.entities.rows import Ref


@dataclass(frozen=True, slots=True)
class Look:
    """Decide one desired state for one entity."""

    desired_state: str
    ref: Ref


class Declared:
    """One catalogue, with everything compiled once: what the hot path asks for every entity. `position`: of the last
    event that made it."""

    def __init__(self, catalogue: Catalogue, position: int = -1) -> None:
        self.catalogue, self.position = catalogue, position
        self._by_type = {name: catalogue.desired_states_for(name) for name in catalogue.entity_types}
        names = [name for found in self._by_type.values() for name in found]
        self.states: dict[str, CompiledDesiredState] = {name: catalogue.compiled(name) for name in names}

    @property
    def versions(self) -> dict[str, str]:
        """What every desired state that can be decided is decided by (`Catalogue.decided_by`)."""
        return {name: self.catalogue.decided_by(name) for name in self.states}

    def effective(self, desired_state: str) -> datetime:
        """From when on it is in force."""
        return self.states[desired_state].effective

    def entity_type(self, desired_state: str) -> str:
        return self.states[desired_state].spec.selector.entity

    def looks(self, refs: Iterable[Ref]) -> list[Look]:
        """Every desired state of every entity in `refs`, in a stable order."""
        return [Look(name, ref) for ref in refs for name in self._by_type.get(ref[0], ())]


def to_review(known: Mapping[str, str], declared: Declared) -> list[str]:
    """The desired states whose population must be looked at again: `known` has the versions last reviewed."""
    return sorted(name for name, version in declared.versions.items() if known.get(name) != version)


def was_otherwise(name: str, version: str, before: Iterable[Catalogue]) -> bool:
    """Whether a desired state was decided by something else than `version` in one of these: what was observed then
    was decided by that, though `version` counted before and counts now."""
    return any(
        name not in catalogue.desired_states or catalogue.missing(name) or catalogue.decided_by(name) != version
        for catalogue in before
    )


def turned(before: Mapping[str, tuple[object, ...]], after: Mapping[str, tuple[object, ...]]) -> list[str]:
    """The feeds that can be relied on now and could not be before, or the other way round, or for another reason."""
    return sorted(feed for feed in {*before, *after} if before.get(feed, ()) != after.get(feed, ()))
