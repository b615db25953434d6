"""Asking witnesses: each checkpoint goes to every witness of the policy that has an address, the newest first.

A witness that can't be reached, or refuses for a reason of its own, is asked again after a while, and sealing goes
on; what is published stays behind until enough have cosigned. A witness that says that the log is not what it
cosigned before is an alarm: it is kept, makes the auditor not ready and stops sealing, until that witness cosigns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.clock import instant
from common.errors import TrueupError
from common.failpoints import failpoint
from common.waiting import until_set
from transparency.errors import TransparencyError, Unanswerable
from transparency.merkle import prove_consistency
from transparency.notes import Note, Signature
from transparency.policies import Policy, Witness
from transparency.tiles import TiledTree, tiles_for_consistency
from transparency.witnessing import AddCheckpoint, Reply, read_answer

from auditor.ports import Alarm, AlarmKind, AskWitness, Kept, LogBook, WitnessLine, WitnessState

ATTEMPTS = 3
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LONGEST_LOOK_S = 1.0
_MOST_WORDS = 300
_log = logging.getLogger(__name__)


@dataclass
class Standing:
    """What is known of one witness. `known`: the size that it will continue from, as far as is known."""

    witness: Witness
    known: int | None = None
    size: int | None = None
    cosigned_at: datetime | None = None
    problem: str | None = None
    unreachable: bool = False
    alarm: str | None = None
    pause_s: float = 0.0
    not_before: float = 0.0

    @property
    def key(self) -> str:
        return self.witness.key.encode()

    def line(self, newest: int) -> WitnessLine:
        """For people, when the newest checkpoint is of that size."""
        return WitnessLine(
            name=self.witness.name,
            key=self.key,
            url=self.witness.url,
            state=self._state(newest),
            size=self.size,
            cosigned_at=None if self.cosigned_at is None else instant(self.cosigned_at),
            problem=self.alarm or self.problem,
        )

    def _state(self, newest: int) -> WitnessState:
        if self.alarm is not None:
            return "alarm"
        if self.witness.url is None:
            return "unasked"
        if self.problem is not None:
            return "unreachable" if self.unreachable else "refusing"
        if self.size is None:
            return "new"
        return "cosigning" if self.size >= newest else "behind"


@dataclass(kw_only=True)
class Witnesses:
    """All witnesses of the policy. `tell` makes a problem of the service known by name, or (None) ended."""

    pool: Any
    book: LogBook
    ask: AskWitness
    policy: Policy
    wall: Callable[[], datetime]
    tell: Callable[[str, str | None], None]
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    standings: list[Standing] = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self.standings = [Standing(witness) for witness in self.policy.witnesses]

    def nudge(self) -> None:
        """There is a new checkpoint."""
        self._news.set()

    def disputed(self) -> str | None:
        """What a witness has against the log."""
        return next((standing.alarm for standing in self.standings if standing.alarm is not None), None)

    def lines(self, newest: int) -> list[WitnessLine]:
        """All of them, for people, when the newest checkpoint is of that size."""
        return [standing.line(newest) for standing in self.standings]

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop. What is published is looked at under today's policy first."""
        async with self.pool.acquire() as conn, conn.transaction():
            await self.book.review(conn, self.policy)
            alarms = {alarm.witness: alarm.message for alarm in await self.book.open_alarms(conn)}
        for standing in self.standings:
            self._alarmed(standing, alarms.get(standing.key))
        while not stop.is_set():
            await self.round()
            self.looked.set()
            self._news.clear()
            await until_set(self._news, stop, most_s=LONGEST_LOOK_S)

    async def round(self) -> None:
        """Ask all at once whose turn it is about the newest checkpoint."""
        now = asyncio.get_running_loop().time()
        async with self.pool.acquire() as conn:
            newest = await self.book.newest(conn)
        if newest is None:
            return
        due = [one for one in self.standings if self._wants(one, newest) and now >= one.not_before]
        await asyncio.gather(*(self._turn(standing, newest) for standing in due))

    @staticmethod
    def _wants(standing: Standing, newest: Kept) -> bool:
        return standing.witness.url is not None and (standing.size is None or standing.size != newest.size)

    async def _turn(self, standing: Standing, newest: Kept) -> None:
        try:
            await self._submit(standing, newest)
        except (TrueupError, TransparencyError) as error:
            standing.unreachable = error.reason_code == "witness_unreachable"
            self._later(standing, f"{error.reason_code}: {error.message}")

    def _later(self, standing: Standing, why: str) -> None:
        standing.problem = _words(why)
        standing.pause_s = min(2 * standing.pause_s or SHORTEST_PAUSE_S, LONGEST_PAUSE_S)
        standing.not_before = asyncio.get_running_loop().time() + standing.pause_s
        _log.warning(
            "witness %s, asked again in %.0f s: %s", standing.witness.name, standing.pause_s, standing.problem
        )

    async def _submit(self, standing: Standing, newest: Kept) -> None:
        """One witness and one checkpoint. At the first question it is asked about what should be its own head."""
        old = newest.size if standing.known is None else min(standing.known, newest.size)
        for _ in range(ATTEMPTS):
            request = await self._request(newest, old)
            assert standing.witness.url is not None
            answer = await self.ask.post(standing.witness.url, request.encode())
            reply = read_answer(request, standing.witness.key, *answer)
            if reply.kind != "elsewhere":
                break
            assert reply.size is not None
            standing.known = reply.size
            if reply.size > newest.size:
                await self._ahead(standing, newest, reply.size)
                return
            old = reply.size
        await self._take(standing, newest, reply, answer[2])

    async def _request(self, newest: Kept, old: int) -> AddCheckpoint:
        """The log's own signature goes out, and nobody else's."""
        note = Note.parse(newest.note)
        origins = {log.key.name for log in self.policy.logs}
        own = Note(note.text, tuple(one for one in note.signatures if one.name in origins))
        async with self.pool.acquire() as conn:
            tiles = await self.book.tiles(conn, tiles_for_consistency(old, newest.size, newest.size))
        try:
            proof = prove_consistency(TiledTree(tiles, newest.size), old, newest.size)
        except Unanswerable as error:
            raise Unanswerable("tile_missing", f"a proof from size {old} can't be made: {error.message}") from error
        return AddCheckpoint.of(old, proof, own.encode())

    async def _ahead(self, standing: Standing, asked: Kept, size: int) -> None:
        """The witness has seen more than it was asked about: more than there is, or only more than there was."""
        async with self.pool.acquire() as conn:
            newest = await self.book.newest(conn)
        if newest is not None and newest.size >= size:
            return
        what = f"it has cosigned a tree of size {size}, and this log ends at {asked.size}: the log was rolled back"
        await self._alarm(standing, asked, "rolled_back", what)

    async def _take(self, standing: Standing, newest: Kept, reply: Reply, body: bytes) -> None:
        if reply.kind == "cosigned":
            await self._cosigned(standing, newest, reply.signatures)
        elif reply.kind == "inconsistent":
            what = (
                f"the checkpoint of size {newest.size} does not continue what it has cosigned: the log was rewritten"
            )
            await self._alarm(standing, newest, "rewritten", f"{what} (it answered {reply.status})")
        else:
            standing.unreachable = False
            self._later(standing, f"it answered {reply.status}: {body.decode('utf-8', 'replace')}")

    async def _cosigned(self, standing: Standing, newest: Kept, signatures: Sequence[Signature]) -> None:
        now = self.wall()
        async with self.pool.acquire() as conn, conn.transaction():
            await self.book.cosign(conn, newest.size, signatures, self.policy)
            if standing.alarm is not None:
                await self.book.end_alarm(conn, standing.key, now)
            failpoint("auditor.cosignature_written")
        standing.known = standing.size = newest.size
        standing.cosigned_at, standing.problem, standing.pause_s = now, None, 0.0
        self._alarmed(standing, None)

    async def _alarm(self, standing: Standing, asked: Kept, kind: AlarmKind, what: str) -> None:
        message = f"witness {standing.witness.name}: {what}"
        async with self.pool.acquire() as conn, conn.transaction():
            alarm = Alarm(standing.key, kind, message, asked.note, self.wall())
            await self.book.raise_alarm(conn, alarm)
        _log.critical("%s", message)
        standing.unreachable = False
        self._alarmed(standing, message)
        self._later(standing, what)

    def _alarmed(self, standing: Standing, message: str | None) -> None:
        standing.alarm = message
        self.tell(f"witness {standing.witness.name}", message and f"log_disputed: {message}")


def _words(text: str) -> str:
    """Bounded, and on one line: it is partly a stranger's."""
    return "".join(char if char.isprintable() else " " for char in text)[:_MOST_WORDS]
