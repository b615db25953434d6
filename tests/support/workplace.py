"""Where the workers of one service work: its queue on a realm of its own, and what the workers are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from common.jobs import Job, JobQueue

from support.ground import Ground

P = TypeVar("P")


@dataclass
class Workplace(Generic[P]):
    """`parts` is what a worker of `service` is made of, `queue` where it finds its cases."""

    ground: Ground
    service: str
    queue: JobQueue
    parts: P

    async def put(self, *cases: str) -> None:
        async with self.ground.pools[self.service].acquire() as conn, conn.transaction():
            await self.queue.put(conn, [(case, "test") for case in cases])

    async def lease(self, lease_s: float = 60) -> Job | None:
        """The case that has waited longest, as a worker takes it."""
        async with self.ground.pools[self.service].acquire() as conn:
            return await self.queue.lease(conn, lease_s)

    async def waits(self) -> bool:
        """Whether a worker would find something to look at now."""
        return (await self.queue.counts(self.ground.pools[self.service]))["waiting"] > 0

    async def clear(self) -> None:
        """Forget the cases that an earlier test left, or killed on purpose."""
        async with self.ground.pools[self.service].acquire() as conn:
            await conn.execute(f"DELETE FROM {self.service}.jobs")
