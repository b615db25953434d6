"""The findings scenario in small, told to a stack that may lose services on the way; and what came of it."""

from __future__ import annotations

import asyncio
import csv
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
from cli.client import Client
from cli.demo import findings, scene
from cli.demo.actors import Actors
from cli.demo.feeds import Feeds
from cli.demo.findings import Story
from cli.demo.scene import EXAMPLES
from cli.demo.screen import Screen
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.cases import Case
from common.errors import Refused
from common.events import Event
from common.topics import SERVICES

FEW = ("2022-014", "2022-021", "2022-025", "2022-026", "2022-027", "2022-040", "2022-043", "2022-090")
PATIENCE_S = 90.0
AWAY = ("unreachable", "not_the_approver", "not_quiescent")
ALREADY = ("already_decided", "wrong_stage", "role_not_needed", "not_forward")
T = TypeVar("T")


def few_findings(folder: Path) -> Path:
    """A copy of the example with eight of its findings."""
    folder.mkdir(parents=True)
    source = EXAMPLES / "findings"
    shutil.copy(source / "findings.yaml", folder)
    with (source / "single-audit-147110-2022.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if row["reference"] in FEW]
        names = list(reader.fieldnames or ())
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

    def revive(self) -> None:
        for name in SERVICES:
            if not self.stack.service_alive(name):
                self.stack.wait_service_gone(name)
                self.deaths.append(name)
                self.stack.start_service(name)

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
    """Clients that repeat a request that an outage interrupted."""

    class Patient(Client):
        def _call(self, method: str, path: str, **given: Any) -> dict[str, Any]:
            def gone_through(refused: Refused) -> dict[str, Any]:
                if refused.reason_code not in ALREADY:
                    raise refused
                return {}

            return medic.persist(partial(super()._call, method, path, **given), gone_through)

    return Patient


@dataclass(frozen=True)
class PatientFeeds(Feeds):
    """Feeds that repeat a snapshot that an outage interrupted; its messages keep their ids."""

    medic: Medic

    def snapshot(self, *arguments: Any) -> int:
        return self.medic.persist(partial(super().snapshot, *arguments))


def tell(
    folder: Path,
    postgres: Postgres,
    broker: AnyBroker,
    realm: str,
    failpoints: dict[str, str] | None = None,
    restart_broker_after: str | None = None,
) -> dict[str, Any]:
    """Tell the small story on a stack of its own and answer what came of it; `deaths` are the services that died."""
    examples = few_findings(folder / "examples")
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
    stack = stage.stack
    medic = Medic(stack)
    with stack:
        actors = Actors(stack.urls["approver"], stage.keys, connect(medic))
        for name, points in (failpoints or {}).items():
            stack.stop_service(name)
            stack.start_service(name, points, wait=False)
        feeds = PatientFeeds(stack.urls["observer"], stage.tokens, stage.requests, medic)
        story = Story(actors, feeds, examples, Screen(quiet=True))
        chapters = (
            story.declare, story.first_look, story.confirm, story.approve, story.carry_out, story.wait_for_proof,
        )  # fmt: skip
        try:
            for chapter in chapters:
                chapter()
                if chapter.__name__ == restart_broker_after:
                    stack.restart_broker()
            actors.settle(findings.CLOCK)
            return {
                "deaths": medic.deaths,
                "cases": asyncio.run(outcome(stack.database_url("reader"))),
                "requests": asyncio.run(requests(stage.target_url)),
            }
        finally:
            actors.close()


async def outcome(url: str) -> dict[str, Any]:
    """Each case's final decisions, without the ids and instants that may differ from run to run."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT case_id, position, event FROM ledger.events WHERE case_id IS NOT NULL ORDER BY position"
        )
        positions = await connection.fetchrow("SELECT count(*), max(position) FROM ledger.events")
    finally:
        await connection.close()
    assert positions[0] == positions[1] + 1, "positions are dense"
    cases: dict[str, Case] = {}
    for case_id, position, text in rows:
        cases.setdefault(case_id, Case(case_id)).apply(position, Event.decode(text))
    return {name: summary(case) for name, case in sorted(cases.items())}


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
        "attested": case.attestation is not None,
    }


async def requests(url: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch("SELECT case_id, ask, due FROM requests ORDER BY 1, 2")]
    finally:
        await connection.close()
