"""The realm's declarations and clock, kept in memory and brought up to the ledger's head before each use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events import Event
from common.ids import REALM_STREAM
from common.ledger import Connection, Ledger
from common.realm import fold_clock

from approver.core.proposals import Declarations
from approver.ports import Realm

LIMIT = 1_000
_log = logging.getLogger(__name__)


class LedgerBook:
    """Reads only what is new since the last time, and all of it when the directory has changed: it says whose
    activations count. Safe for concurrent use within one event loop."""

    def __init__(self, ledger: Ledger, people: Callable[[], Directory]) -> None:
        self._ledger = ledger
        self._people = people
        self._turn = asyncio.Lock()
        self._realm: list[Event] = []
        self._begin(people())

    def _begin(self, directory: Directory) -> None:
        self._directory = directory
        self._declarations = Declarations(Catalogue())
        self._position = -1
        self._previewed = -1

    async def refresh(self, conn: Connection) -> Realm:
        """See `ports.Book`."""
        async with self._turn:
            realm = await self._ledger.read_stream(conn, REALM_STREAM, len(self._realm) + 1)
            self._realm += [recorded.event for recorded in realm]
            clock = fold_clock(self._realm)
            if (directory := self._people()) is not self._directory:
                self._begin(directory)
            if self._declarations.catalogue.timezone != clock.timezone:
                catalogue = replace(self._declarations.catalogue, timezone=clock.timezone)
                self._declarations.catalogue = catalogue
            await self._read_declarations(conn)
            return Realm(self._declarations, clock, len(self._realm))

    async def _read_declarations(self, conn: Connection) -> None:
        while batch := await self._ledger.read_category(conn, "preview/", self._previewed, LIMIT):
            for recorded in batch:
                self._declarations.apply(recorded.event)
                self._previewed = recorded.position
        while batch := await self._ledger.read_category(conn, "declaration/", self._position, LIMIT):
            for recorded in batch:
                refused = len(self._declarations.refused)
                self._declarations.apply(recorded.event, self._directory)
                self._position = recorded.position
                for why in self._declarations.refused[refused:]:
                    _log.error("an activation counts for nothing: %s", why)
