"""The findings scenario in small, told to a stack that may lose services on the way; and what came of it."""

from __future__ import annotations

import asyncio
import csv
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import asyncpg
import httpx
import orjson
from aiokafka import AIOKafkaProducer
from cli.client import Client
from cli.demo import findings, scene
from cli.demo.actors import Actors
from cli.demo.feeds import Feeds, Rows
from cli.demo.findings import Story
from cli.demo.scene import EXAMPLES, Scene
from cli.demo.screen import Screen
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.bus import Address
from common.cases import Case
from common.errors import Refused
from common.events import Event
from common.events.approver import Decision
from common.ids import category
from common.topics import BY_NAME, SERVICES

FEW = ("2022-014", "2022-021", "2022-025", "2022-026", "2022-027", "2022-040", "2022-043", "2022-090")
CHAPTERS = ("declare", "first_look", "confirm", "approve", "carry_out", "wait_for_proof")
PATIENCE_S = 90.0
AWAY = ("unreachable", "not_the_approver", "not_quiescent")
ALREADY = ("already_decided", "not_forward")
T = TypeVar("T")
Arms = Mapping[str, Mapping[str, Sequence[str]]]
"""{chapter: {service: failpoints}}: when the chapter begins the service is started again with the first of them
armed, after it died there with the second, and so on."""
LOG_LINES = 8


def few_findings(folder: Path, references: tuple[str, ...] = FEW) -> Path:
    """A copy of the example with a few of its findings."""
    folder.mkdir(parents=True)
    source = EXAMPLES / "findings"
    shutil.copy(source / "findings.yaml", folder)
    with (source / "single-audit-147110-2022.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if row["reference"] in references]
        names = list(reader.fieldnames or ())
    assert len(rows) == len(references)
    with (folder / "single-audit-147110-2022.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return folder


@dataclass
class Medic:
    """Starts services again that died at a failpoint, and repeats what an outage interrupted."""

    stack: Stack
    deaths: list[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)
    """Requests that had gone through although nobody was told, by the code that said so when they were repeated."""
    ahead: dict[str, list[str]] = field(default_factory=dict)

    def arm(self, points: Mapping[str, Sequence[str]]) -> None:
        """Kill these services and start them with failpoints armed. They are not ready when this returns."""
        self.revive()
        for name, specifications in points.items():
            assert not self.ahead.get(name), f"{name} did not die at {self.ahead[name]}"
            self.ahead[name] = list(specifications)
            self.stack.kill_service(name)
            self._start(name)

    def _start(self, name: str) -> None:
        ahead = self.ahead.get(name)
        self.stack.start_service(name, ahead.pop(0) if ahead else None, wait=False)

    def revive(self) -> None:
        for name in SERVICES:
            if not self.stack.service_alive(name):
                assert self.stack.wait_service_gone(name)
                self.deaths.append(name)
                self._start(name)

    def persist(self, act: Callable[[], T], gone_through: Callable[[Refused], T] | None = None) -> T:
        """Do `act`, again after an outage, as a person would whose page didn't load.

        What was interrupted may have gone through: a refusal of the repetition is then `gone_through`'s to judge.
        """
        deadline = time.monotonic() + PATIENCE_S
        interrupted = False
        while True:
            self.revive()
            try:
                return act()
            except (Refused, httpx.TransportError) as error:
                away = not isinstance(error, Refused) or error.reason_code in AWAY
                if not away and interrupted and gone_through is not None and isinstance(error, Refused):
                    return gone_through(error)
                if not away or time.monotonic() > deadline:
                    raise
                interrupted = True
                time.sleep(0.05)


def connect(medic: Medic) -> Callable[[str, str, Path], Client]:
    """Clients that repeat a request that an outage interrupted: the same bytes, with the same nonce and signature."""

    class Patient(Client):
        def _call(self, method: str, path: str, **given: Any) -> dict[str, Any]:
            def gone_through(refused: Refused) -> dict[str, Any]:
                if refused.reason_code not in ALREADY:
                    raise refused
                medic.repeated[refused.reason_code] += 1
                return {}

            return medic.persist(partial(super()._call, method, path, **given), gone_through)

        def _decided(self, path: str, decision: Decision, **extra: str) -> dict[str, Any]:
            answer = super()._decided(path, decision, **extra)
            return answer or ({} if path == "/v1/decisions" else self.proposal(decision.case))

    return Patient


@dataclass(frozen=True)
class PatientFeeds(Feeds):
    """Feeds that repeat a snapshot that an outage interrupted; its messages keep their ids.

    The first snapshot's rows are also published on the bus, before they are posted.
    """

    medic: Medic
    published: list[str] = field(default_factory=list)

    def snapshot(self, feed: str, entity_type: str, rows: Rows, simulated: set[str], as_of: str) -> int:
        if not self.published:
            self.published.extend(self._publish(feed, entity_type, rows, as_of))
        return self.medic.persist(partial(super().snapshot, feed, entity_type, rows, simulated, as_of))

    def _publish(self, feed: str, entity_type: str, rows: Rows, as_of: str) -> list[str]:
        """Return when the observer has recorded all of them; their ids."""
        stack = self.medic.stack
        messages = {
            f"{entity_type}-{as_of}/{key}": {
                "specversion": "1.0",
                "id": f"{entity_type}-{as_of}/{key}",
                "source": feed,
                "type": "trueup.upstream.observed.v1",
                "time": as_of,
                "data": {"entity_type": entity_type, "key": key, "row": dict(row), "simulated": False},
            }
            for key, row in rows.items()
        }
        asyncio.run(_send(stack, [orjson.dumps(message) for message in messages.values()]))
        deadline = time.monotonic() + PATIENCE_S
        while (count := asyncio.run(observed(stack))) < len(messages):
            assert time.monotonic() < deadline, f"only {count} of {len(messages)} observed"
            self.medic.revive()
            time.sleep(0.02)
        return list(messages)


async def _send(stack: Stack, values: list[bytes]) -> None:
    login = stack.kafka_credentials("upstream")
    address = Address(
        realm=stack.realm,
        service="upstream",
        brokers=stack.brokers,
        user=login.user if login else None,
        password=login.password if login else None,
    )
    async with AIOKafkaProducer(**address.client_options, acks="all") as producer:
        topic = BY_NAME["observations"].full_name(stack.realm)
        await asyncio.gather(*[await producer.send(topic, value) for value in values])


@dataclass
class Telling:
    """The small story on a running stack of its own."""

    stage: Scene
    medic: Medic
    actors: Actors
    feeds: PatientFeeds
    story: Story

    @property
    def stack(self) -> Stack:
        return self.stage.stack

    def tell(self, arms: Arms | None = None, after: Mapping[str, Callable[[], None]] | None = None) -> dict[str, Any]:
        """Tell it from the first chapter to the last, and answer what came of it.

        `deaths` are the services that died at failpoints, in order. `after` a chapter something may be done.
        """
        for chapter in CHAPTERS:
            self.medic.arm((arms or {}).get(chapter, {}))
            getattr(self.story, chapter)()
            (after or {}).get(chapter, lambda: None)()
        self.actors.settle(findings.CLOCK)
        return {
            "deaths": Counter(self.medic.deaths),
            "repeated": self.medic.repeated,
            **asyncio.run(outcome(self.stack.database_url("reader"))),
            "requests": asyncio.run(requests(self.stage.target_url)),
        }


@contextmanager
def telling(
    folder: Path, postgres: Postgres, broker: AnyBroker, realm: str, references: tuple[str, ...] = FEW
) -> Iterator[Telling]:
    """A stack that is ready for the story."""
    examples = few_findings(folder / "examples", references)
    stage = scene.make(
        folder / "data",
        realm=realm,
        people=findings.CAST,
        feeds=(findings.FINDINGS, findings.RETESTS),
        target=("ticketing", EXAMPLES / "findings" / "ticketing.sql"),
        starts=findings.STARTS,
        timezone=findings.TIMEZONE,
        broker=broker,
        postgres=postgres,
    )
    with stage.stack as stack:
        medic = Medic(stack)
        actors = Actors(stack.urls["approver"], stage.keys, connect(medic))
        feeds = PatientFeeds(stack.urls["observer"], stage.tokens, stage.requests, medic)
        try:
            yield Telling(stage, medic, actors, feeds, Story(actors, feeds, examples, Screen(quiet=True)))
        except Exception as error:
            error.add_note(_logs(stack))
            raise
        finally:
            actors.close()


def _logs(stack: Stack) -> str:
    """The last lines of each service, without those of its web server."""
    told = []
    for name in SERVICES:
        lines = [line for line in stack.log(name).read_text().splitlines() if "uvicorn" not in line]
        told += [f"-- {name}", *(line[:400] for line in lines[-LOG_LINES:])]
    return "\n".join(told)


# What came of it


async def observed(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.database_url("reader"))
    try:
        query = "SELECT count(*) FROM ledger.events WHERE type = 'trueup.entity.observed.v1'"
        return cast(int, await connection.fetchval(query))
    finally:
        await connection.close()


async def outcome(url: str) -> dict[str, Any]:
    """Each case's final decisions and how many events of each type there are; ids and instants of the wall clock may
    differ from run to run and are left out."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT position, case_id, event FROM ledger.events ORDER BY position")
    finally:
        await connection.close()
    assert [row["position"] for row in rows] == list(range(len(rows))), "positions are dense"
    events = [(row["position"], Event.decode(row["event"])) for row in rows]
    cases: dict[str, Case] = {}
    for position, event in events:
        if event.caseid is not None:
            cases.setdefault(event.caseid, Case(event.caseid)).apply(position, event)
    return {
        "cases": {name: summary(case) for name, case in sorted(cases.items())},
        "counts": Counter(event.type for _, event in events if category(event.subject) != "objective"),
        # How often one was measured on the way depends on which messages came together.
        "objectives": {
            event.subject: event.data["standing"] for _, event in events if category(event.subject) == "objective"
        },
        "events": events,
    }


def summary(case: Case) -> dict[str, Any]:
    return {
        "stage": case.stage,
        "rules": sorted((rule.name, rule.status) for rule in case.gap.data.rules) if case.gap else None,
        "severity": case.gap.data.severity if case.gap else None,
        "gap closed": case.gap_closed.data.reason if case.gap_closed else None,
        "confirmed by": case.confirmation.data.decision.person if case.confirmation else None,
        "withheld": case.withheld.data.reason_code if case.withheld else None,
        "plan": [(step.action, step.level, step.parameters) for step in case.plan.data.steps] if case.plan else None,
        "plans": case.plans_drafted,
        "approved by": sorted(said.data.decision.person for said in case.approvals),
        "refused by": case.refusal.data.decision.person if case.refusal else None,
        "released": sorted(case.releases),
        "done": {number: attempt.succeeded is not None for number, attempt in sorted(case.attempts.items())},
        "finished": case.finished is not None,
        "halted": case.halted.data.reason_code if case.halted else None,
        "soak until": case.proof.data.soak_until if case.proof else None,
        "closed": (case.closed.event.asof, case.closed.data.how) if case.closed else None,
        "attested": case.attestation is not None,
    }


async def requests(url: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch("SELECT case_id, ask, due FROM requests ORDER BY 1, 2")]
    finally:
        await connection.close()
