"""What counts now: the realm clock and the active declarations, folded from the ledger and kept."""

from __future__ import annotations

from datetime import datetime

from common.clock import RealmClock, wall_now
from common.declarations.catalogue import Catalogue
from common.events.approver import DeclarationActivated
from common.events.envelope import Event
from common.ids import REALM_STREAM
from common.ledger import Connection, Ledger
from common.realm import fold_clock

_PAGE = 10_000


class Current:
    """Each question reads what the ledger has since the last one: the answer is never older than the question.

    Raises `Transient` (`realm_missing`) until the approver has created the realm, `Permanent`
    (`declaration_unreadable`) for a declaration that this version can't read.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._realm: list[Event] = []
        self._declared_until = -1
        self._catalogue: Catalogue | None = None

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
        # Taken together, with no await between: a catalogue and how far it goes.
        catalogue, until = self._catalogue or Catalogue(timezone=timezone), self._declared_until
        while page := await self._ledger.read_category(conn, "declaration/", until, _PAGE):
            for recorded in page:
                if recorded.event.type == DeclarationActivated.TYPE:
                    catalogue = catalogue.apply(DeclarationActivated.of(recorded.event))
            until = page[-1].position
        # Only now: two questions at once read the same events twice, and come to the same answer.
        if until >= self._declared_until:
            self._catalogue, self._declared_until = catalogue, until
        return catalogue
