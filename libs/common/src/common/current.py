"""What counts now: the realm clock and the active declarations, folded from the ledger and kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from common.activations import Used, against, used_by
from common.clock import RealmClock, wall_now
from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events.approver import DeclarationActivated, DeclarationProposed
from common.events.envelope import Event
from common.ids import REALM_STREAM
from common.ledger import Connection, Ledger
from common.realm import fold_clock

_PAGE = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Declared:
    """The declarations up to a position. `refused`: by event id, why an activation counts for nothing."""

    catalogue: Catalogue
    until: int = -1
    directory: Directory | None = None
    proposed: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    used: frozenset[Used] = frozenset()

    def after(self, position: int, event: Event) -> _Declared:
        catalogue, proposed, refused, used = self.catalogue, self.proposed, self.refused, self.used
        if event.type == DeclarationProposed.TYPE:
            if self.directory is not None:
                name = str(event.data.get("proposal"))
                proposed = {**proposed, name: (*proposed.get(name, ()), event)}
        elif event.type == DeclarationActivated.TYPE:
            before = proposed.get(str(event.data.get("proposal")), ())
            why = None if self.directory is None else against(event, before, self.directory, used)
            if why is None:
                catalogue, used = catalogue.apply(DeclarationActivated.of(event)), used | {used_by(event)}
            else:
                refused = {**refused, event.id: why}
        return _Declared(catalogue, position, self.directory, proposed, refused, used)


class Current:
    """Each question reads what the ledger has since the last one: the answer is never older than the question.

    With `directory`, what nobody in it put in force counts for nothing, and what counted before stays (`refused`).
    Raises `Transient` (`realm_missing`) until the approver has created the realm, `Permanent`
    (`declaration_unreadable`) for a declaration that this version can't read.
    """

    def __init__(self, ledger: Ledger, directory: Callable[[], Directory] | None = None) -> None:
        self._ledger = ledger
        self._directory = directory
        self._realm: list[Event] = []
        self._declared: _Declared | None = None

    async def clock(self, conn: Connection) -> RealmClock:
        """The realm clock."""
        new = await self._ledger.read_stream(conn, REALM_STREAM, len(self._realm) + 1)
        known = {event.id for event in self._realm}  # two questions at once read the same events twice
        self._realm += [recorded.event for recorded in new if recorded.event.id not in known]
        return fold_clock(self._realm)

    async def asof(self, conn: Connection) -> datetime:
        """The realm's now."""
        return (await self.clock(conn)).now(wall_now())

    async def catalogue(self, conn: Connection) -> Catalogue:
        """The active declarations, with their authors."""
        timezone = (await self.clock(conn)).timezone
        directory = None if self._directory is None else self._directory()
        # Taken together, with no await between: a catalogue and how far it goes.
        declared = self._declared
        if declared is None or declared.directory is not directory:  # who decided is asked of the directory as it is
            declared = _Declared(Catalogue(timezone=timezone), directory=directory)
        while page := await self._ledger.read_category(conn, "declaration/", declared.until, _PAGE):
            for recorded in page:
                declared = declared.after(recorded.position, recorded.event)
        # Only now: two questions at once read the same events twice, and come to the same answer.
        kept = self._declared
        if kept is None or kept.directory is not directory or declared.until >= kept.until:
            for event_id in declared.refused.keys() - (kept.refused.keys() if kept is not None else ()):
                _log.error("an activation counts for nothing: %s", declared.refused[event_id])
            self._declared = declared
        return declared.catalogue

    @property
    def refused(self) -> list[str]:
        """Why activations that the ledger holds count for nothing, as of the last question."""
        return [] if self._declared is None else list(self._declared.refused.values())
