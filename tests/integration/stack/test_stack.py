"""A whole stack, with stand-ins for the services: started, asked, broken, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from cli.stack import clocks, operations, state
from cli.stack.errors import StackError
from cli.stack.stack import Stack
from common.topics import SERVICES

StackFactory = Callable[..., Stack]

PROGRAM = """
import signal, sys, time
from pathlib import Path
from cli.stack.stack import Stack
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with Stack(Path(sys.argv[1]), environment={"PYTHONPATH": sys.argv[2]}) as stack:
    print("started", flush=True)
    time.sleep(600)
"""


def told(stack: Stack, service: str) -> dict[str, str]:
    """The environment of the running service."""
    answer: dict[str, dict[str, str]] = httpx.get(f"{stack.urls[service]}/status", trust_env=False).json()
    return answer["environment"]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def eventually_gone(pid: int) -> bool:
    """Whether it ends soon. A killed child of this very process stays as a zombie, which counts as gone."""
    for _ in range(500):
        if gone(pid):
            return True
        time.sleep(0.02)
    return False


async def test_each_service_gets_its_own_role_and_what_concerns_it(
    make_stack: StackFactory, stand_ins: dict[str, str]
) -> None:
    stack = make_stack(environment=stand_ins, start=False)
    for name in ("directory.json", "feeds.json", "issuer.key", "log.key", "log.policy", "polls.json", "targets.json"):
        (stack.config / name).write_text("{}")
    stack.start()
    given = {service: told(stack, service) for service in SERVICES}
    assert {service for service in SERVICES if "TRUEUP_ISSUER_KEY" in given[service]} == {"approver", "auditor"}
    assert {service for service in SERVICES if "TRUEUP_TARGETS" in given[service]} == {"executor"}
    assert {service for service in SERVICES if "TRUEUP_LOG_KEY" in given[service]} == {"auditor"}
    for variable in ("TRUEUP_FEEDS", "TRUEUP_POLLS"):
        assert {service for service in SERVICES if variable in given[service]} == {"observer"}
    for service in SERVICES:
        connection = await asyncpg.connect(given[service]["TRUEUP_DATABASE_URL"])
        try:
            assert await connection.fetchval("SELECT session_user") == f"{stack.realm}_{service}"
        finally:
            await connection.close()
    assert len({given[service]["TRUEUP_HTTP_PORT"] for service in SERVICES}) == len(SERVICES)
    assert stack.config.stat().st_mode & 0o777 == 0o700


def test_a_killed_service_comes_back_on_its_port_with_its_failpoints(
    make_stack: StackFactory, stand_ins: dict[str, str]
) -> None:
    stack = make_stack(environment=stand_ins, run=["planner"])
    address = stack.urls["planner"]
    stack.kill_service("planner")
    assert not stack.service_alive("planner")
    stack.start_service("planner", failpoints="after.fetch=2")
    assert stack.urls["planner"] == address
    assert told(stack, "planner")["TRUEUP_FAILPOINTS"] == "after.fetch=2"


def test_a_service_that_dies_is_noticed(make_stack: StackFactory, stand_ins: dict[str, str]) -> None:
    stack = make_stack(environment=stand_ins, run=["differ"])
    stack.check()
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{stack.urls['differ']}/die", trust_env=False)
    assert stack.wait_service_gone("differ")
    stack.start_service("differ", failpoints="at.start=1", wait=False)
    with pytest.raises(StackError) as refusal:
        stack.wait_service_gone("differ")
        stack.start_service("differ", failpoints="at.start=1")
    assert refusal.value.reason_code == "service_ended"
    assert "failpoint at.start" in refusal.value.message


def test_the_broker_restarts_under_a_running_stack(make_stack: StackFactory, stand_ins: dict[str, str]) -> None:
    stack = make_stack(own_servers=True, environment=stand_ins, run=["observer"])
    brokers = stack.brokers
    stack.restart_broker()
    assert stack.brokers == brokers
    stack.check()


def test_a_failed_start_leaves_nothing_running(session_folder: Path) -> None:
    folder = session_folder / "failed"
    broken = {"PYTHONPATH": str(session_folder / "nowhere"), "TRUEUP_HTTP_HOST": "no host"}
    stack = Stack(folder, environment=broken, run=["auditor"])
    with pytest.raises(StackError):
        stack.start()
    assert stack.postgres.child is None
    assert stack.broker.child is None
    assert state.read(folder) is None


def test_a_second_stack_in_the_same_folder_is_refused(make_stack: StackFactory, stand_ins: dict[str, str]) -> None:
    stack = make_stack(environment=stand_ins, run=["observer"])
    with pytest.raises(StackError) as refusal:
        Stack(stack.folder, realm=stack.realm, postgres=stack.postgres, broker=stack.broker).start()
    assert refusal.value.reason_code == "stack_running"
    assert stack.service_alive("observer")


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name
)
def test_nothing_is_left_behind(session_folder: Path, stand_ins: dict[str, str], number: signal.Signals) -> None:
    """Ctrl-C, termination, a closed terminal, and a supervisor that is killed outright."""
    folder = session_folder / f"ended-{number.name}"
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), stand_ins["PYTHONPATH"]], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "started\n"
    known = state.read(folder)
    assert known is not None
    pids = [process.pid for process in known.processes()]
    assert len(pids) == len(SERVICES) + 2
    program.send_signal(number)
    program.wait(timeout=60)
    for process in known.processes():
        child = process.living()
        assert child is None or child.wait_gone(30.0), process.name
    assert all(gone(pid) for pid in pids)
    if number is not signal.SIGKILL:
        assert state.read(folder) is None


async def test_async_with_starts_and_stops(session_folder: Path, stand_ins: dict[str, str]) -> None:
    async with Stack(session_folder / "async", environment=stand_ins, run=["observer"]) as stack:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{stack.urls['observer']}/readyz")).status_code == httpx.codes.OK
        children = [stack.postgres.child, stack.broker.child]
    assert all(child is not None and not child.alive() for child in children)


def test_up_status_down(session_folder: Path, stand_ins: dict[str, str]) -> None:
    folder = session_folder / "up"
    assert not operations.status(folder).running
    try:
        found = operations.up(folder, environment=stand_ins)
        assert found.ready
        assert set(found.services) == set(SERVICES)
        assert found.services["differ"].lag == {"state": 3}
        assert found.database is not None
        assert found.database.name == "trueup_demo"
        again = operations.up(folder, environment=stand_ins)
        assert [part.pid for part in again.services.values()] == [part.pid for part in found.services.values()]
        with pytest.raises(StackError) as refusal:
            operations.up(folder, realm="other")
        assert refusal.value.reason_code == "stack_differs"
        os.kill(found.services["planner"].pid, signal.SIGKILL)
        assert eventually_gone(found.services["planner"].pid)
        assert not operations.status(folder).services["planner"].ready
        healed = operations.up(folder, environment=stand_ins)
        assert healed.ready
        assert healed.services["planner"].pid != found.services["planner"].pid
        assert healed.services["observer"].pid == found.services["observer"].pid
        assert healed.services["planner"].url == found.services["planner"].url
    finally:
        left = operations.down(folder)
    assert not left.running
    assert operations.down(folder) == left
    pids = [part.pid for part in found.services.values()]
    assert all(gone(pid) for pid in [*pids, found.database.pid or 0])


def test_a_realm_that_is_there_keeps_its_clock_and_tells_the_services(
    session_folder: Path, stand_ins: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = session_folder / "kept-clock"
    monkeypatch.setattr(clocks, "of_realm", lambda _url: ("replay:2023-07-03T00:00:00Z", "Europe/Oslo"))
    with pytest.raises(StackError, match="stack_differs"):
        operations.up(folder, clock="wall", environment=stand_ins)
    assert not operations.status(folder).running
    try:
        found = operations.up(folder, environment=stand_ins)
        assert found.clock == "replay:2023-07-03T00:00:00Z"
        told = httpx.get(f"{found.services['approver'].url}/status", trust_env=False).json()["environment"]
        assert (told["TRUEUP_CLOCK"], told["TRUEUP_TIMEZONE"]) == (found.clock, "Europe/Oslo")
        with pytest.raises(StackError, match="stack_differs"):
            operations.up(folder, timezone="UTC", environment=stand_ins)
    finally:
        operations.down(folder)


def test_passwords_are_the_owners_alone_and_differ_by_role(
    make_stack: StackFactory, stand_ins: dict[str, str]
) -> None:
    stack = make_stack(environment=stand_ins, run=[])
    stored = stack.passwords.all()
    assert set(stored) >= {*SERVICES, "reader"}
    assert len(set(stored.values())) == len(stored)
    assert (stack.folder / "passwords.json").stat().st_mode & 0o777 == 0o600
