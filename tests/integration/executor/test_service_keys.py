"""The executor acts on what planner and approver signed, whatever their database logins say; and keys rotate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli.stack import service_keys as files
from cli.stack.realm import Realm
from common.clock import wall_now
from common.events import Event, EventData
from common.events.approver import PlanAuthorised, TicketOpened
from common.events.executor import ActionSucceeded, ExecutionStarted
from common.events.planner import PlanDrafted
from common.service_keys import ServiceKey, ServiceKeys, check_service_signature
from executor.core import records
from executor.main import QUEUE
from support import service_keys
from support.casework import Casework
from support.drafting import authorised
from support.forging import started
from support.ground import Ground, casework, ground_of
from support.ledgers import unguarded
from support.processes import ServiceProcess, until

pytestmark = pytest.mark.integration


def stolen(work: Casework, kind: type[EventData], of: str | None) -> Casework:
    """`kind` was recorded with the service's login and with the key of `of`, or without any."""

    def forged(event: Event) -> Event:
        bare = replace(event, signature=None)
        if of is None:  # a signature of nobody's: the ground would sign what has none
            return replace(bare, signature=f"service:{event.source}")
        return ServiceKey.of(event.source, service_keys.private_keys()[of]).signed(bare, event.streamversion or 1)

    work.events = [forged(event) if event.type == kind.TYPE else event for event in work.events]
    return work


@pytest.mark.parametrize(
    ("key", "kind", "of", "code"),
    [
        ("K-1", PlanAuthorised, None, "service_signature_missing"),
        ("K-2", PlanAuthorised, "planner", "service_signature_foreign"),
        ("K-3", TicketOpened, None, "service_signature_missing"),
        ("K-4", PlanDrafted, "approver", "service_signature_foreign"),
    ],
)
async def test_a_login_without_its_services_key_runs_nothing(
    site: Any, key: str, kind: type[EventData], of: str | None, code: str
) -> None:
    work = stolen(authorised(casework(key)), kind, of)
    async with unguarded(site.ground.realm):
        await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert (case.started, case.halted.data.reason_code) == (None, code)
    assert await site.ground.requests(work.id) == []
    check_service_signature(case.halted.event, service_keys.trusted())


async def test_a_start_that_the_executor_did_not_record_starts_nothing(site: Any) -> None:
    """With the executor's own login: a start stands for all the checks before it."""
    work = stolen(started(authorised(casework("K-5"))), ExecutionStarted, None)
    async with unguarded(site.ground.realm):
        await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.halted.data.reason_code == "service_signature_missing"
    assert case.attempts == {}
    assert await site.ground.requests(work.id) == []


async def test_everything_the_executor_says_is_signed_by_it(site: Any) -> None:
    work = authorised(casework("K-6"))
    await site.ground.bring(work)
    await site.look(work.id)
    own = [event for event in await site.ground.events(work.id) if event.source == "executor"]
    assert ActionSucceeded.TYPE in {event.type for event in own}
    for event in own:
        check_service_signature(event, service_keys.trusted())
    assert len(await site.ground.requests(work.id)) == 1


@pytest.fixture(scope="module")
async def running(realm: Realm) -> AsyncIterator[Ground]:
    async with ground_of(realm) as made:
        yield made


async def test_keys_are_rotated_in_a_running_realm(running: Ground, tmp_path: Path) -> None:
    """The executor signs with its new key from its next event on, without a restart; what it signed before holds. A
    key that was retired at once counts no more."""
    service = ServiceProcess("executor", running, tmp_path).start()
    pool = running.pools["executor"]
    try:
        await until(lambda: pool.fetchval("SELECT to_regclass('executor.jobs') IS NOT NULL"), service.log)

        async def executed(key: str, last: str) -> list[Event]:
            work = casework(key)
            work.realm = running.realm.name
            await running.bring(authorised(work))
            async with pool.acquire() as conn, conn.transaction():
                await QUEUE.put(conn, [(work.id, "test")])

            async def ended() -> bool:
                return (await running.types(work.id))[-1] == last

            await until(ended, service.log)
            return [event for event in await running.events(work.id) if event.source == "executor"]

        before = await executed("R-1", "action.succeeded")
        new, retired = files.rotate(tmp_path, "executor", wall_now())
        after = await executed("R-2", "action.succeeded")
        keys = ServiceKeys.read(tmp_path / "service-keys.json")
        for event in (*before, *after):
            check_service_signature(event, keys)
        assert {key.id for key in keys.used_by(before)} == {key.id for key in retired}
        assert {key.id for key in keys.used_by(after)} == {new.id}

        files.rotate(tmp_path, "planner", wall_now(), at_once=True)  # the tests' planner goes on with the old one
        (halted,) = await executed("R-3", "execution.halted")
        assert halted.data["reason_code"] == "service_key_expired"
    finally:
        service.stop()


async def test_an_end_that_the_executor_did_not_record_finishes_nothing(site: Any) -> None:
    """The last success is somebody else's word: the executor doesn't put its name under the whole."""
    work = started(authorised(casework("K-7")))
    for number, step in enumerate(work.plan.steps, 1):
        intent = records.intended(work.case, step, work.case.releases.get(number))
        work.add(intent, "executor", "service:executor", str(number))
        work.add(records.succeeded(intent, {}), "executor", "service:executor", f"{number} done")
    last = work.events[-1]
    assert last.type == ActionSucceeded.TYPE
    work.events[-1] = replace(last, signature="service:executor")
    async with unguarded(site.ground.realm):
        await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert (case.finished, case.halted.data.reason_code) == (None, "service_signature_missing")
