"""A process made by the runtime: what it says about itself, how it ends, and what a SIGKILL costs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli.stack.ports import free_port
from common.ledger import Recorded
from support.buses import Site, eventually, observe
from support.skews import HOUR_S, Skew

pytestmark = pytest.mark.integration
TESTS = Path(__file__).parents[2]


class Process:
    """The tiny service, as its own process."""

    def __init__(self, site: Site, log: Path, failpoints: str = "", **environment: str) -> None:
        self.port = free_port()
        address = site.address("differ")
        variables = {
            "TRUEUP_REALM": site.realm.name,
            "TRUEUP_DATABASE_URL": site.realm.url("differ"),
            "TRUEUP_BROKERS": address.brokers,
            "TRUEUP_HTTP_PORT": str(self.port),
            "TRUEUP_FAILPOINTS": failpoints,
            "PYTHONPATH": str(TESTS),
            "PATH": os.environ["PATH"],
        }
        if address.user and address.password:
            variables |= {"TRUEUP_KAFKA_USER": address.user, "TRUEUP_KAFKA_PASSWORD": address.password}
        self.log = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "support.tiny_service"],
                env=variables | environment, stdout=output, stderr=output, cwd=TESTS,
            )  # fmt: skip

    async def get(self, path: str) -> httpx.Response | None:
        async with httpx.AsyncClient() as client:
            try:
                return await client.get(f"http://127.0.0.1:{self.port}{path}")
            except httpx.TransportError:
                return None

    async def ready(self) -> bool:
        answer = await self.get("/readyz")
        return answer is not None and answer.status_code == 200

    async def ended(self, after_s: float = 60) -> int:
        return await asyncio.to_thread(self.child.wait, after_s)


@contextmanager
def running(*arguments: Any, **keywords: Any) -> Iterator[Process]:
    process = Process(*arguments, **keywords)
    try:
        yield process
    finally:
        process.child.kill()
        process.child.wait()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


async def test_it_tells_how_it_is_and_stops_when_told(site: Site, log: Path) -> None:
    async with site.relaying("observer") as ledger:
        with running(site, log) as process:
            await eventually(process.ready, "ready")
            await observe(ledger, 3)
            await eventually(lambda: _gaps(ledger.pool, 3), "3 gaps")
            answer = await process.get("/status")
            assert answer is not None
            status = answer.json()
            assert (status["service"], status["realm"], status["ready"]) == ("differ", site.realm.name, True)
            assert status["positions"]["head"] == 5
            assert set(status["lag"]) == {"state", "declarations", "clock", "attestations"}
            hello = await process.get("/hello")
            assert hello is not None and hello.json() == site.realm.name
            process.child.send_signal(signal.SIGTERM)
            assert await process.ended() == 0
    text = log.read_text()
    assert '"message":"differ has stopped"' in text
    assert "the task flaky failed, it is begun again" in text
    assert site.realm.passwords("differ") not in text


async def test_it_lives_on_without_a_broker_and_is_not_ready(site: Site, log: Path) -> None:
    with running(site, log, TRUEUP_BROKERS=f"127.0.0.1:{free_port()}") as process:
        await eventually(lambda: _answers(process, "/healthz", 200), "alive")
        await eventually(lambda: _answers(process, "/readyz", 503), "not ready")
        answer = await process.get("/readyz")
        assert answer is not None
        assert any("bus_unavailable" in problem for problem in answer.json()["problems"])
        process.child.send_signal(signal.SIGINT)
        assert await process.ended() == 0


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TRUEUP_REALM": "No Realm"}, "the environment is not right"),
        ({"TRUEUP_FAILPOINTS": "x=y"}, "TRUEUP_FAILPOINTS"),
    ],
)
async def test_an_environment_that_is_wrong_ends_it_at_once(
    site: Site, log: Path, variables: dict[str, str], said: str
) -> None:
    with running(site, log, **variables) as process:
        assert await process.ended() == 1
    assert said in log.read_text()
    assert site.realm.passwords("differ") not in log.read_text()


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
async def test_an_hour_off_it_says_so_loses_nothing_and_goes_on_when_the_clock_is_right(
    site: Site, log: Path, tmp_path: Path, seconds: float
) -> None:
    skew = Skew(tmp_path / "skew").set(seconds)
    async with site.relaying("observer") as ledger:
        with running(site, log, **skew.environment) as process:
            await observe(ledger, 3)
            await eventually(lambda: _says(process, "clock: time_out_of_bounds", "3600 s"), "it says that it is off")
            assert await _answers(process, "/healthz", 200)
            await eventually(lambda: "time_out_of_bounds" in log.read_text(), "the database refused")
            assert not await _gaps(ledger.pool, 1)
            skew.set(0)
            await eventually(lambda: _gaps(ledger.pool, 3), "all three, without a restart")
            await eventually(process.ready, "ready")
    assert await site.dead_letters() == [], "no message is to blame"


async def _says(process: Process, *words: str) -> bool:
    answer = await process.get("/readyz")
    return answer is not None and answer.status_code == 503 and all(word in answer.text for word in words)


@pytest.mark.parametrize("failpoint", ["differ.after_fetch", "differ.after_append", "differ.after_commit"])
async def test_killed_anywhere_it_loses_nothing_and_does_nothing_twice(site: Site, log: Path, failpoint: str) -> None:
    async with site.relaying("observer") as ledger:
        with running(site, log, failpoints=f"{failpoint}=2") as process:
            # Wait for the group, so that messages come over the bus: only there is something fetched.
            await eventually(process.ready, "ready")
            alive = True
            observed: list[int] = []
            while alive:
                observed += await observe(ledger, 20)
                await asyncio.sleep(0.1)
                alive = process.child.poll() is None
            assert process.child.returncode == -signal.SIGKILL
        with running(site, log) as process:
            observed += await observe(ledger, 20)
            await eventually(lambda: _gaps(ledger.pool, len(observed)), "a gap for each")
            process.child.send_signal(signal.SIGTERM)
            await process.ended()
        gaps = await _all_gaps(ledger.pool)
        causes = sorted(gap.event.causationid or "" for gap in gaps)
        facts = await ledger.read_after(ledger.pool, -1, 10_000, source="observer")
        assert causes == sorted(fact.event.id for fact in facts)


async def _answers(process: Process, path: str, status: int) -> bool:
    answer = await process.get(path)
    return answer is not None and answer.status_code == status


async def _all_gaps(pool: Any) -> list[Recorded]:
    rows = await pool.fetch("SELECT position, event FROM ledger.events WHERE source = 'differ' ORDER BY position")
    return [Recorded(row["position"], None, row["event"].encode()) for row in rows]


async def _gaps(pool: Any, count: int) -> bool:
    return len(await _all_gaps(pool)) >= count
