"""A population in memory, with all that the differ keeps of it: what `differ.rounds` asks of tables, and the differ's
looks at them. Pure; declarations, rows and the clock are the test's to change."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

import orjson
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.entities import EntityStore
from common.entities.rows import Ref, StoredEntity
from common.entities.views import view_of
from common.objectives.contributing import Contribution
from common.timers import Timer, Timers
from differ.core.deciding import CaseKey, CaseState, Decision
from differ.core.diffing import diff
from differ.core.planning import Declared, Look
from differ.ports import Cases, Records, Review
from differ.rounds import Round, Rounds

ENTITY = "vendor"
STATE = "vendors-assessed"
Row = dict[str, Any]
Told = tuple[datetime, Decision]


@cache
def catalogue_of(text: str) -> Catalogue:
    loaded = load(text, "vendors.yaml")
    assert not loaded.problems, (loaded.problems, text)
    return Catalogue().with_documents(loaded.documents)


class Population:
    """The vendors, and what the differ knows and has noted of them."""

    def __init__(self, text: str, now: datetime) -> None:
        self.now = now
        self.history = [catalogue_of(text)]
        self.since = 0
        self.stored: dict[str, StoredEntity] = {}
        self.cases: dict[CaseKey, CaseState] = {}
        self.timers: dict[str, datetime] = {}
        self.parts: dict[tuple[str, str], Contribution | None] = {}
        self.told: list[Told] = []
        self.happened: list[str] = [text]

    def __repr__(self) -> str:
        return "\n".join(self.happened)

    def copied(self) -> Population:
        """As it is now, to go on otherwise."""
        other = copy.copy(self)
        other.stored, other.cases, other.timers = dict(self.stored), dict(self.cases), dict(self.timers)
        other.parts, other.told, other.history = dict(self.parts), list(self.told), list(self.history)
        other.happened = list(self.happened)
        return other

    @property
    def noted(self) -> tuple[object, ...]:
        """All that the differ has said and written down."""
        return self.told, self.cases, self.timers, {key: part for key, part in self.parts.items() if part is not None}

    # What happens.

    def declare(self, text: str) -> None:
        """Another version is active; nobody has looked at anything by it."""
        self.history.append(catalogue_of(text))
        before = set("\n".join(self.happened).splitlines())
        self.happened.append("declared: " + "; ".join(line for line in text.splitlines() if line not in before))

    def observe(self, key: str, row: Row | None) -> None:
        """A row is taken in (None: it is withdrawn), and looked at."""
        self.happened.append(f"{self.now}: {key} {row}")
        number = len(self.told) + len(self.stored)
        self.stored[key] = StoredEntity(
            (ENTITY, key), row or {}, "bench", self.now, f"{number:032x}", number, self.now, None, row is None
        )
        self._look([key], self.now)

    def wait(self, until: datetime, *, fires: bool) -> None:
        """Time passes; what comes due is looked at as of its instant, unless it has not fired yet."""
        while fires and self.timers and min(self.timers.values()) <= until:
            instant, key = min((instant, key) for key, instant in self.timers.items())
            del self.timers[key]
            self._look([key], instant)
        self.now = until

    def review(self, *, whole: bool = False) -> list[Round]:
        """All parts of the review of what is active; `whole`: as if nothing were known of what was before."""
        rounds = Rounds(
            cast(EntityStore, self), cast(Cases, self), cast(Timers, self), cast(Records, self)
        )  # the parts of them that it uses
        after, found = "", []
        while True:
            since = None if whole else self.since
            review = Review(STATE, ENTITY, after, 0, since)
            one = asyncio.run(rounds.next(cast(Any, None), self._declared, review, self.now))
            found.append(one)
            self._set(one.again)
            self._look([key for _, key in one.refs], self.now)
            if one.until is None:
                self.since = len(self.history) - 1
                return found
            after = one.until

    @property
    def _declared(self) -> Declared:
        return Declared(self.history[-1], len(self.history) - 1)

    def _look(self, keys: Iterable[str], asof: datetime) -> None:
        declared = self._declared
        refs: list[Ref] = [(ENTITY, key) for key in keys]
        spec, reader = declared.catalogue.entity_types[ENTITY], declared.catalogue.readers[ENTITY]
        there = [self.stored[key] for _, key in refs if not self.stored[key].withdrawn]
        views = {entity.ref: view_of(spec, reader, entity) for entity in there}
        result = diff(declared, [Look(STATE, ref) for ref in refs], views, self.cases, asof)
        self.told += [(asof, decision) for decision in result.decisions]
        self.cases.update((decision.after.key, decision.after) for decision in result.decisions)
        self.parts.update(((name, look.ref[1]), part) for look, name, part in result.parts)
        self._set(Timer("/".join(look.ref), STATE, instant) for look, instant in result.alarms)

    def _set(self, timers: Iterable[Timer]) -> None:
        for timer in timers:
            key = timer.subject.partition("/")[2]
            self.timers[key] = min(timer.instant, self.timers.get(key, timer.instant))

    # What is asked of the tables, as the adapters answer it.

    async def page(self, _: object, __: str, after: str, limit: int) -> Mapping[Ref, StoredEntity]:
        keys = sorted(key for key in self.stored if key > after)[:limit]
        return {(ENTITY, key): self.stored[key] for key in keys}

    async def rows(self, _: object, __: str, after: str, limit: int) -> list[tuple[str, str]]:
        keys = sorted(key for key, entity in self.stored.items() if key > after and not entity.withdrawn)[:limit]
        return [(key, orjson.dumps(self.stored[key].row).decode()) for key in keys]

    async def said(self, _: object, __: str, ___: str, after: str, until: str | None, limit: int) -> list[str]:
        found = [
            key
            for (_, key), case in self.cases.items()
            if after < key and (until is None or key <= until)
            if case.open or case.selector_unknown is not None or case.exempt is not None
        ]
        return sorted(found)[:limit]

    async def next(self, _: object) -> datetime | None:
        return min(self.timers.values(), default=None)

    async def due_among(
        self, _: object, __: str, ___: str, among: tuple[str, str | None], until: datetime, limit: int
    ) -> list[str]:
        after, last = among
        found = [key for key, instant in self.timers.items() if instant <= until]
        return sorted(key for key in found if key > after and (last is None or key <= last))[:limit]

    async def catalogues(self, _: object, since: int) -> list[Catalogue]:
        return self.history[since:-1]
