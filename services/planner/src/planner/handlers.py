"""Messages are hints: each puts its case into the queue, and the workers look at the whole case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.events.approver import ApprovalVoided, DeclarationActivated, GapConfirmed, GapDisputed, PlanReturned
from common.events.auditor import VerificationFailed
from common.events.differ import GapChanged, GapClosed, GapOpened, GapUndecided
from common.jobs import JobQueue
from common.ledger import Connection, Recorded

from planner.ports import Cases

GAPS = (GapOpened.TYPE, GapUndecided.TYPE, GapChanged.TYPE, GapClosed.TYPE)
TAKEN_UP = (
    *GAPS,
    GapConfirmed.TYPE,
    GapDisputed.TYPE,
    PlanReturned.TYPE,
    ApprovalVoided.TYPE,
    VerificationFailed.TYPE,
)


class Handlers:
    """`nudge` is called when there may be work. Nothing is decided here and nothing appended."""

    def __init__(self, queue: JobQueue, cases: Cases, nudge: Callable[[], None]) -> None:
        self._queue = queue
        self._cases = cases
        self._nudge = nudge

    async def cases(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """What happened in cases."""
        events = [recorded.event for recorded in batch]
        await self._cases.note(conn, events)
        hints = [
            (event.caseid, event.type) for event in events if event.type in TAKEN_UP and event.caseid is not None
        ]
        # Where nobody has confirmed anything there is nothing to plan, nor to take back. Who confirms it now says so
        # in a message of its own.
        confirmed = await self._cases.confirmed(conn, {case for case, kind in hints if kind in GAPS})
        asked = [(case, kind) for case, kind in hints if kind not in GAPS or case in confirmed]
        if asked:
            await self._queue.put(conn, asked)
            self._nudge()

    async def world(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """A declaration was activated: every open case may be concerned, because what a desired state depends on
        (entity types, actions, systems) is activated apart from it. What was parked is taken up too."""
        if any(recorded.event.type == DeclarationActivated.TYPE for recorded in batch):
            await self._queue.put(conn, [(case, DeclarationActivated.TYPE) for case in await self._cases.all(conn)])
            await self._queue.wake(conn)
        self._nudge()
