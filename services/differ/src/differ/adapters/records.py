"""The ledger, as the differ uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from common import convergence
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.entities.rows import Ref
from common.errors import Permanent, Transient
from common.events import Event
from common.events.approver import DeclarationActivated
from common.events.auditor import CaseClosed
from common.events.differ import ChangePreviewed
from common.ids import REALM_STREAM, preview_stream
from common.ledger import Appended, AppendRefused, Connection, Ledger, NewEvent, append, progress
from common.realm import fold_clock

from differ.core.deciding import CaseKey, CaseState
from differ.core.folding import fold
from differ.ports import StaleCases

APPEND_BATCH = 2_000
PAGE = 1_000
# With OFFSET 0: else the server may go through all positions, from the last one down, until it meets one of these.
_DECLARED = "SELECT position FROM ledger.events WHERE stream >= 'declaration/' AND stream < 'declaration0'"
_CASES = """
    SELECT p, event FROM unnest($1::text[]) AS u (p) CROSS JOIN LATERAL (
        SELECT position, event FROM ledger.events
        WHERE stream >= 'gap/' || p || '/' AND stream < 'gap/' || p || '0' COLLATE "C"
        UNION ALL
        SELECT position, event FROM ledger.events
        WHERE stream >= 'attestation/' || p || '/' AND stream < 'attestation/' || p || '0' COLLATE "C" AND type = $2
    ) e ORDER BY position
"""


class LedgerRecords:
    """Reads through the caller's connection, appends in the caller's transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def append(self, conn: Connection, events: Sequence[NewEvent]) -> None:
        stale: set[CaseKey] = set()
        for start in range(0, len(events), APPEND_BATCH):
            part = events[start : start + APPEND_BATCH]
            for new, answer in zip(part, await append(conn, [[new] for new in part]), strict=True):
                if isinstance(answer, Appended) and not answer.duplicate:
                    continue
                # A duplicate too: this very event was appended before, and the differ's copy does not know it.
                if isinstance(answer, AppendRefused) and answer.reason_code not in ("version_conflict", "id_clash"):
                    raise _refused(answer)
                if new.event.caseid is None:  # an objective's: what was said of it is read anew next time
                    raise Transient("version_conflict", f"the ledger has moved on for {new.event.subject}")
                stale.add((new.event.data["desired_state"], new.event.caseid.split("/")[1]))
        if stale:
            raise StaleCases(stale)

    async def fold(self, conn: Connection, key: CaseKey, ref: Ref) -> CaseState:
        return (await self.folded(conn, {key: ref}))[0]

    async def folded(self, conn: Connection, refs: Mapping[CaseKey, Ref]) -> list[CaseState]:
        """Each case's latest occurrence, from its events alone; `refs` are their entities, where no event says."""
        rows = await conn.fetch(_CASES, ["/".join(key) for key in refs], CaseClosed.TYPE)
        events: dict[str, list[Event]] = {}
        for prefix, raw in rows:
            events.setdefault(prefix, []).append(Event.decode(raw))
        return [fold(key[0], ref, events.get("/".join(key), ())) for key, ref in refs.items()]

    async def history(self, conn: Connection, cases: Sequence[str]) -> dict[str, list[Event]]:
        rows = await conn.fetch(
            "SELECT case_id, event FROM ledger.events WHERE case_id = ANY ($1::text[]) AND type = ANY ($2::text[]) "
            "ORDER BY position",
            list(cases),
            list(convergence.TYPES),
        )
        found: dict[str, list[Event]] = {}
        for case, raw in rows:
            found.setdefault(case, []).append(Event.decode(raw))
        return found

    async def closed(self, conn: Connection, cases: Sequence[str]) -> set[str]:
        rows = await conn.fetch(
            "SELECT case_id FROM ledger.events WHERE stream = ANY ($1::text[]) AND type = $2",
            [f"attestation/{case}" for case in cases],
            CaseClosed.TYPE,
        )
        return {row[0] for row in rows}

    async def behind(self, conn: Connection, instant: datetime) -> bool:
        relayed = await self._relayed(conn)
        handled = await progress.handled(conn, "differ")
        known = {at: last for at, last in (await progress.published(conn)).items() if at[0] == "state"}
        lagging = [handled.get(at, -1) for at, last in known.items() if handled.get(at, -1) < last]
        first = await conn.fetchval(
            "SELECT event FROM ledger.events WHERE source = 'observer' AND position > $1 ORDER BY position LIMIT 1",
            min([relayed, *lagging]),
        )
        return first is not None and parse_instant(Event.decode(first.encode()).time) <= instant

    async def causes(self, conn: Connection, ids: Iterable[str]) -> dict[str, Event]:
        wanted = [(source, event_id) for event_id in ids for source in ("observer", "differ")]
        found = await self._ledger.by_ids(conn, wanted)
        return {recorded.event.id: recorded.event for recorded in found}

    async def at(self, conn: Connection, position: int) -> Event:
        found = await self._ledger.read_positions(conn, [position])
        if not found:
            raise Transient("not_there_yet", f"position {position} can't be read from the ledger")
        return found[0].event

    async def declared_at(self, conn: Connection) -> int:
        position: int | None = await conn.fetchval(
            f"SELECT max(position) FROM ({_DECLARED} AND type = $1 OFFSET 0) found",  # noqa: S608
            DeclarationActivated.TYPE,
        )
        return -1 if position is None else position

    async def catalogue(self, conn: Connection) -> tuple[Catalogue, int]:
        catalogue, last = await self._nothing_declared(conn), -1
        for position, event in await self._activations(conn):
            catalogue, last = _activated(catalogue, event), position
        return catalogue, last

    async def catalogues(self, conn: Connection, since: int) -> list[Catalogue]:
        catalogue, found = await self._nothing_declared(conn), []
        for position, event in await self._activations(conn):
            if position > since:
                found.append(catalogue)
            catalogue = _activated(catalogue, event)
        return found

    async def _nothing_declared(self, conn: Connection) -> Catalogue:
        realm = await self._ledger.read_stream(conn, REALM_STREAM)
        return Catalogue(timezone=fold_clock(recorded.event for recorded in realm).timezone)

    async def _activations(self, conn: Connection) -> list[tuple[int, Event]]:
        every = await self._category(conn, "declaration/")
        return [item for item in every if item[1].type == DeclarationActivated.TYPE]

    async def proposed_until(self, conn: Connection) -> int:
        position: int | None = await conn.fetchval(
            f"SELECT max(position) FROM ({_DECLARED} OFFSET 0) found"  # noqa: S608
        )
        return -1 if position is None else position

    async def proposals(self, conn: Connection) -> list[tuple[int, Event]]:
        return await self._category(conn, "declaration/")

    async def knows(self, conn: Connection, position: int) -> bool:
        if await self._observed_between(conn, await self._relayed(conn), position):
            return False
        handled = await progress.handled(conn, "differ")
        published = await progress.published(conn)
        return all(
            handled.get(partition, -1) >= min(last, position)
            for partition, last in published.items()
            if partition[0] == "state"
        )

    async def _relayed(self, conn: Connection) -> int:
        """Up to where what was observed is on the bus: nothing is, when its relay has never sent anything."""
        relayed = await progress.relayed(conn, "observer")
        return -1 if relayed is None else relayed

    async def _observed_between(self, conn: Connection, after: int, until: int) -> bool:
        return bool(
            await conn.fetchval(
                "SELECT EXISTS (SELECT FROM ledger.events WHERE source = 'observer' AND position > $1 "
                "AND position < $2)",
                after,
                until,
            )
        )

    async def said(self, conn: Connection, proposals: Sequence[str]) -> dict[str, tuple[int, str]]:
        rows = await conn.fetch(
            "SELECT DISTINCT ON (stream) version, event FROM ledger.events WHERE stream = ANY ($1::text[]) "
            "ORDER BY stream, version DESC",
            [preview_stream(proposal) for proposal in proposals],
        )
        said = [(row["version"], ChangePreviewed.of(Event.decode(row["event"].encode()))) for row in rows]
        return {data.proposal: (version, data.active) for version, data in said}

    async def _category(self, conn: Connection, prefix: str) -> list[tuple[int, Event]]:
        events: list[tuple[int, Event]] = []
        after = -1
        while page := await self._ledger.read_category(conn, prefix, after, PAGE):
            events += [(recorded.position, recorded.event) for recorded in page]
            after = page[-1].position
        return events


def _refused(answer: AppendRefused) -> Exception:
    """A clock that is off or a right that is missing is not the message's fault: nothing may be lost by it."""
    kind = Permanent if answer.reason_code in ("oversized", "malformed_event") else Transient
    return kind(answer.reason_code, f"the ledger refused a gap event: {answer.message}")


def _activated(catalogue: Catalogue, event: Event) -> Catalogue:
    """The catalogue after `event`. A declaration that can't be read stops the differ, it fails no observation: it is
    the observation that would go to the dead letters, and be lost to a newer version that can read it."""
    try:
        return catalogue.apply(DeclarationActivated.of(event))
    except Permanent as error:
        raise Transient(error.reason_code, error.message) from error
