"""Messages are hints: each puts its case into the queue, and the workers look at the whole case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.events.approver import ApprovalVoided, OutcomeRecorded, PlanAuthorised, PlanExpired, ReleaseGiven
from common.jobs import JobQueue
from common.ledger import Connection, Recorded

TAKEN_UP = (PlanAuthorised.TYPE, ReleaseGiven.TYPE, OutcomeRecorded.TYPE, ApprovalVoided.TYPE, PlanExpired.TYPE)


class Handlers:
    """`nudge` is called when there may be work. Nothing is decided here and nothing appended."""

    def __init__(self, queue: JobQueue, nudge: Callable[[], None]) -> None:
        self._queue = queue
        self._nudge = nudge

    async def approvals(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """What people decided, where it concerns an execution."""
        events = [recorded.event for recorded in batch if recorded.event.type in TAKEN_UP]
        await self._queue.put(conn, [(event.caseid, event.type) for event in events if event.caseid is not None])
        self._nudge()

    async def world(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """The clock moved, or a declaration was activated: what waited for a limit may go on."""
        if batch:
            await self._queue.wake(conn)
            self._nudge()
