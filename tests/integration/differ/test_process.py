"""The differ as a process on the bus: killed between append and commit, down over a deadline, standing by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.clock import instant, parse_instant, wall_now
from common.events import Event, Origin, new_event
from common.events.approver import ClockAdvanced
from common.events.observer import EntityObserved
from common.ids import REALM_STREAM, entity_stream
from common.ledger import Appended, Ledger, NewEvent
from common.ledger.progress import quiescent
from common.objectives.population import POPULATION
from support.buses import Site
from support.differ_realm import finding
from support.ground import START, Ground, ground_of
from support.processes import ServiceProcess, until

pytestmark = [pytest.mark.integration, pytest.mark.kill]


@dataclass
class Scene:
    """A realm whose observer and approver publish what tests append in their name."""

    ground: Ground
    observer: Ledger
    approver: Ledger
    now: str = START

    async def observe(self, key: str, **row: Any) -> Event:
        data = EntityObserved(
            entity_type="finding", key=key, feed="audit-tracker", row=finding(key, **row),
            source_time=self.now, upstream_id=key,
        )  # fmt: skip
        return await self._append(self.observer, "observer", entity_stream("finding", key), data, self.now)

    async def advance(self, to: str) -> Event:
        was, self.now = self.now, to
        return await self._append(self.approver, "approver", REALM_STREAM, ClockAdvanced(was=was, now=to), to)

    async def _append(self, ledger: Ledger, service: str, stream: str, data: Any, asof: str) -> Event:
        origin = Origin(source=service, actor=f"service:{service}", time=wall_now(), asof=parse_instant(asof))
        event = new_event(data, stream, origin, asof)
        (answer,) = await ledger.append([[NewEvent(event)]])
        assert isinstance(answer, Appended), answer
        return event

    async def gaps(self) -> list[Event]:
        """Those of single findings: when the population's own case opens depends on when it is measured."""
        found = await self.observer.read_after(self.ground.pools["auditor"], -1, 1_000, source="differ")
        cases = (item.event for item in found if item.event.caseid is not None)
        return [event for event in cases if event.data["key"] != POPULATION]

    async def opened(self, count: int) -> list[Event] | None:
        found = await self.gaps()
        return found if len(found) >= count else None

    async def reviewed(self) -> bool:
        """Whether the differ has taken the declarations in."""
        pool = self.ground.pools["differ"]
        if not await pool.fetchval("SELECT to_regclass('differ.reviewed') IS NOT NULL"):
            return False
        return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM differ.reviewed)"))

    async def handled(self) -> bool:
        """Whether the differ has nothing left to do."""
        _, behind = await quiescent(self.ground.pools["auditor"])
        return not any(words.startswith("differ: ") for words in behind)


@pytest.fixture
async def scene(realm: Realm) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as parts:
        ground = await parts.enter_async_context(ground_of(realm))
        site = Site(realm)
        observer = await parts.enter_async_context(site.relaying("observer"))
        approver = await parts.enter_async_context(site.relaying("approver"))
        yield Scene(ground, observer, approver)


async def test_killed_down_over_a_deadline_and_replaced(scene: Scene, tmp_path: Path) -> None:
    differ = ServiceProcess("differ", scene.ground, tmp_path).start()
    standby = ServiceProcess("differ", scene.ground, tmp_path / "standby")
    standby.folder.mkdir()
    try:
        # Killed after the append, before the commit: nothing of it happened, and it happens once.
        await until(scene.reviewed, differ.log)
        await until(scene.handled, differ.log)
        differ.stop()
        seen = await scene.observe("F-1", completion_date="June 30, 2023")
        differ.start("differ.after_append=1")
        assert await differ.death() == -9
        assert await scene.gaps() == []
        differ.start()
        (event,) = await until(lambda: scene.opened(1), differ.log)
        assert (event.caseid, event.causationid) == ("money-findings-closed/F-1/1", seen.id)

        # Down over a deadline: it fires when the differ is back, as of its own instant.
        await scene.observe("F-2", completion_date="July 20, 2023")
        await until(scene.handled, differ.log)
        assert len(await scene.gaps()) == 1
        differ.stop()
        moved = await scene.advance("2023-07-25T00:00:00Z")
        differ.start()
        late = (await until(lambda: scene.opened(2), differ.log))[1]
        assert (late.caseid, late.asof) == (
            "money-findings-closed/F-2/1",
            instant(parse_instant("2023-07-21T00:00:00-04:00")),
        )
        assert late.causationid == moved.id

        # A second one stands by until the first is gone.
        standby.start()
        await until(lambda: _waits(standby), standby.log)
        assert differ.process is not None
        differ.process.kill()
        await scene.observe("F-3", completion_date="July 1, 2023")
        third = (await until(lambda: scene.opened(3), standby.log))[2]
        assert third.caseid == "money-findings-closed/F-3/1"
        await until(scene.handled, standby.log)
        assert len(await scene.gaps()) == 3
    finally:
        differ.stop()
        standby.stop()


async def _waits(service: ServiceProcess) -> bool:
    return "another differ is active" in service.log()
