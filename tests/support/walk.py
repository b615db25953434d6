"""A whole walk of one case through the loop, on the ledger, event by event: real rules, real plan, real signatures.

`Casework` decides what differ, planner and approver would; this adds what it leaves out: the realm, the declarations
with their proposals, positions and stream versions, the execution, and the auditor's own events. Pure.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, Self

from common import signing
from common.cases import Case
from common.clock import instant, parse_instant
from common.directory import Directory, Person
from common.entities.rows import StoredEntity
from common.events import Event, EventData, Fact, Origin, new_event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed, GapConfirmed, RealmCreated
from common.events.auditor import CaseClosed, ProofSeen, VerificationPassed
from common.events.differ import Accepted, GapClosed, Steady
from common.events.executor import ActionIntended, ActionSucceeded, ExecutionFinished, ExecutionStarted
from common.events.observer import EntityObserved, EntityWithdrawn
from common.events.planner import PlanDrafted, PlanSuperseded
from common.ids import declaration_stream, entity_stream
from common.proposals import proposal_id, set_digest
from planner.core import playbook
from planner.core.situation import Situation

from support import service_keys
from support.casework import AUTHOR, FINDINGS, Casework, documents, findings_catalogue, once, people

ACTIVATOR = "t.brandt"
NAMES = {
    AUTHOR: "C. Adeyemi",
    ACTIVATOR: "T. Brandt",
    "j.moreau": "J. Moreau",
    "l.hansen": "L. Hansen",
    "r.osei": "R. Osei",
    "a.lindqvist": "A. Lindqvist",
    "p.nakamura": "P. Nakamura",
    "m.duarte": "M. Duarte",
    "k.weber": "K. Weber",
}
COMPLETE = "Corrective action complete"


@cache
def keys() -> dict[str, str]:
    """Everybody's private key."""
    return {**people()[1], ACTIVATOR: signing.new_key()}


@cache
def directory(realm: str = "demo") -> Directory:
    """The directory with names, everybody simulated."""
    roles = {person.id: person.roles for person in people()[0].people.values()} | {
        ACTIVATOR: ("declaration-approver",)
    }
    everybody = [
        Person(id=name, name=NAMES[name], roles=roles[name], key=signing.public_of(key), simulated=True)
        for name, key in keys().items()
    ]
    return Directory.of(realm, everybody, ["playbook"])


@cache
def real_row(reference: str) -> dict[str, Any]:
    """One row of the real audit findings, as the import reports it."""
    with FINDINGS.with_name("single-audit-147110-2022.csv").open(newline="") as file:
        return next(dict(row) for row in csv.DictReader(file) if row["reference"] == reference)


def at(text: str) -> datetime:
    """`2023-07-03 15:20` as an instant, UTC."""
    return parse_instant(text.replace(" ", "T") + "Z")


@dataclass
class Walk(Casework):
    """A case on its way, on a ledger whose positions are the list's indexes."""

    row: dict[str, Any] = field(default_factory=lambda: dict(real_row("2022-090")))
    asof: datetime = field(default_factory=lambda: at("2023-07-03 00:00"))
    ledger: list[Event] = field(default_factory=list)
    seen: dict[tuple[str, str], Event] = field(default_factory=dict)

    def copied(self) -> Self:
        return replace(super().copied(), ledger=list(self.ledger), seen=dict(self.seen))

    @property
    def directory(self) -> Directory:
        return directory(self.realm)

    @property
    def records(self) -> list[tuple[int, bytes]]:
        """(position, exact bytes) of everything so far."""
        return [(position, event.encode()) for position, event in enumerate(self.ledger)]

    @property
    def case(self) -> Case:
        return Case.fold(
            self.id, [(position, event) for position, event in enumerate(self.ledger) if event.caseid == self.id]
        )

    def put(self, event: Event) -> Event:
        """Append, with the next version of its stream."""
        self.wall += timedelta(seconds=1)
        version = 1 + sum(event.subject == other.subject for other in self.ledger)
        event = service_keys.numbered(event, version)
        self.ledger.append(event)
        return event

    def add(self, data: EventData, source: str, actor: str, *unique: str, signature: str | None = None) -> Event:
        cause = self.events[-1] if self.events else self.ledger[-1]
        origin = Origin(source=source, actor=actor, time=self.wall, asof=self.asof, cause=cause)
        stream = f"{data.CATEGORY}/{self.id}"
        version = str(1 + sum(stream == event.subject for event in self.ledger))
        event = self.put(new_event(data, stream, origin, *unique, version, case=self.id, signature=signature))
        self.events.append(event)
        return event

    # The realm, its declarations, what is observed.
    def found(self, start: str = "2023-07-03T00:00:00Z") -> None:
        data = RealmCreated(realm=self.realm, mode="replay", timezone="America/New_York", start=start)
        origin = Origin(source="approver", actor="service:approver", time=self.wall, asof=self.asof)
        self.put(new_event(data, "realm", origin))

    def declare(self, text: str | None = None, author: str = AUTHOR, activator: str = ACTIVATOR) -> None:
        """Propose and activate the documents of the findings example, or of `text`."""
        page = documents(text or FINDINGS.read_text())
        whole = set_digest((item.kind, item.name, item.digest) for item in page)
        proposal = proposal_id(whole, author, "n-1")
        proposed, author_signed = self.signed("propose", author, "declaration-author", whole, proposal)
        activated, activator_signed = self.signed("activate", activator, "declaration-approver", whole, proposal)
        for kind, decision, signature in (
            (DeclarationProposed, proposed, author_signed),
            (DeclarationActivated, activated, activator_signed),
        ):
            for item in page:
                body: dict[str, Any] = {
                    "proposal": proposal,
                    "kind": item.kind,
                    "name": item.name,
                    "spec": item.spec,
                    "digest": item.digest,
                    "set_digest": whole,
                    "decision": decision,
                }
                if kind is DeclarationProposed:
                    body |= {"documents": len(page), "file": "findings.yaml"}
                else:
                    body |= {"declared_version": 1, "author": author}
                person = f"person:{decision.person}"
                origin = Origin(source="approver", actor=person, time=self.wall, asof=self.asof)
                stream = declaration_stream(item.kind, item.name)
                self.put(new_event(kind(**body), stream, origin, proposal, signature=signature))

    def signed(self, kind: str, person: str, role: str, subject: str, case: str, **more: Any) -> tuple[Decision, str]:
        decision = Decision.model_validate(
            {
                "kind": kind,
                "realm": self.realm,
                "case": case,
                "person": person,
                "role": role,
                "subject": subject,
                "made_at": instant(self.wall),
                "nonce": f"{kind}-{person}-{len(self.ledger)}",
                **more,
            }
        )
        return decision, signing.sign(decision, keys()[person])

    def observe(self, entity_type: str, key: str, row: dict[str, Any], when: str, simulated: bool = False) -> Event:
        """One row is reported, as of `when` at the source."""
        feed = "audit-tracker" if entity_type == "finding" else "control-testing"
        data = EntityObserved(
            entity_type=entity_type,
            key=key,
            feed=feed,
            row=row,
            source_time=instant(at(when)),
            upstream_id=f"{key}@{when}",
            simulated=simulated,
        )
        origin = Origin(source="observer", actor=f"feed:{feed}", time=self.wall, asof=self.asof)
        event = self.put(new_event(data, entity_stream(entity_type, key), origin, feed, data.upstream_id))
        self.seen[entity_type, key] = event
        return event

    def withdraw(self, when: str) -> Event:
        """The finding is withdrawn by its source."""
        data = EntityWithdrawn(
            entity_type="finding", key=self.key, feed="audit-tracker", source_time=instant(at(when)),
            upstream_id=f"{self.key}@{when}", reason="entered twice",
        )  # fmt: skip
        origin = Origin(source="observer", actor="feed:audit-tracker", time=self.wall, asof=self.asof)
        return self.put(new_event(data, entity_stream("finding", self.key), origin, data.upstream_id))

    def report(self, when: str, simulated: bool = False, **changes: str) -> Event:
        """The finding is reported again, with `changes` to its row."""
        self.row = {**self.row, **changes}
        return self.observe("finding", self.key, self.row, when, simulated)

    def retest(self, when: str, result: str = "passed", number: int = 1) -> Event:
        """Internal Audit reports a (simulated) retest of the finding."""
        row = {"id": f"RT-{number}", "finding": self.key, "result": result, "team": "internal-audit",
               "tested_on": when[:10], "samples": "25"}  # fmt: skip
        self.retests = [*(other for other in self.retests if other["id"] != row["id"]), row]
        return self.observe("retest", row["id"], row, when, simulated=True)

    def observations(self) -> list[Event]:
        first = [self.seen["finding", self.key]]
        return first + [self.seen["retest", str(row["id"])] for row in self.retests]

    def _stored(self, event: Event) -> StoredEntity:
        ref = (event.data["entity_type"], event.data["key"])
        moment = parse_instant(event.data["source_time"])
        position = next(n for n, other in enumerate(self.ledger) if other.id == event.id)
        return StoredEntity(
            ref, event.data["row"], event.data["feed"], moment, event.id, position, moment, None, False
        )

    # Planner, approver, executor.
    def draft(self) -> Event:
        """What the playbook planner drafts, as things are."""
        found = playbook.draft(
            Situation(
                case=self.case,
                catalogue=self.catalogue,
                evaluation=self.evaluation(),
                slots=self.slots(),
                facts=self.facts(),
                asof=self.asof,
            )
        )
        assert isinstance(found, PlanDrafted), found
        return self.drafted(found)

    def supersede(self, reason_code: str, reason: str) -> Event:
        """The draft no longer stands."""
        data = PlanSuperseded(case=self.id, plan=self.plan.plan, reason_code=reason_code, reason=reason)
        return self.add(data, "planner", "agent:playbook/1")

    def confirm(self, person: str = "j.moreau", role: str | None = "head-of-compliance", comment: str = "") -> Event:
        gap = self.case.gap
        assert gap is not None
        decision, signature = self.decide("confirm", person, role or "", gap.data.digest, comment=comment)
        data = GapConfirmed(case=self.id, gap_event=gap.event.id, decision=decision)
        return self.add(data, "approver", f"person:{person}", signature=signature)

    def closes(
        self,
        reason: Literal["met", "withdrawn", "not_selected", "declaration_changed", "accepted"],
        accepted: Accepted | None = None,
        steady: Steady | None = None,
    ) -> Event:
        """The gap closes for this reason."""
        version = self.catalogue.version_digest(self.desired)
        data = GapClosed(
            case=self.id, desired_state=self.desired, version=version, reason=reason, facts=[], accepted=accepted,
            steady=steady,
        )  # fmt: skip
        return self.add(data, "differ", "service:differ")

    def start(self) -> Event:
        case = self.case
        assert case.ticket is not None
        assert case.authorisation is not None
        data = ExecutionStarted(
            case=self.id,
            plan=self.plan.plan,
            digest=case.ticket.data.digest,
            authorisation=case.authorisation.event.id,
            checks=["both gates", "the digest"],
        )
        return self.add(data, "executor", "service:executor")

    def intend(self, number: int) -> Event:
        step = next(step for step in self.plan.steps if step.number == number)
        release = self.case.releases.get(number)
        data = ActionIntended(
            case=self.id,
            plan=self.plan.plan,
            step=number,
            action=step.action,
            system=step.system,
            provider=step.provider,
            target=step.target,
            parameters=step.parameters,
            idempotency_key=f"{self.plan.plan}/{number}",
            release=release.event.id if release else None,
        )
        return self.add(data, "executor", "service:executor", str(number))

    def succeed(self, number: int, **receipt: Any) -> Event:
        outcome = self.case.outcomes.get(number)
        data = ActionSucceeded(
            case=self.id,
            plan=self.plan.plan,
            step=number,
            idempotency_key=f"{self.plan.plan}/{number}",
            receipt=receipt,
            outcome=outcome.event.id if outcome else None,
        )
        return self.add(data, "executor", "service:executor", str(number))

    def finish(self) -> Event:
        assert self.case.ticket is not None
        data = ExecutionFinished(
            case=self.id, plan=self.plan.plan, digest=self.case.ticket.data.digest, steps=len(self.plan.steps)
        )
        return self.add(data, "executor", "service:executor")

    # What the auditor would record; the tests of its decisions build these with its own code instead.
    def proof_facts(self) -> list[Fact]:
        facts = self.facts()
        return [facts[name] for name in self.catalogue.compiled(self.desired).proof.reads]

    def prove(self, soak_until: str) -> Event:
        data = ProofSeen(
            case=self.id,
            version=self.catalogue.version_digest(self.desired),
            facts=self.proof_facts(),
            soak_until=soak_until,
        )
        return self.add(data, "auditor", "service:auditor")

    def end(self) -> None:
        """The verification passes and the case is closed."""
        proof = self.case.proof
        assert proof is not None
        passed = self.add(
            VerificationPassed(
                case=self.id,
                proof=proof.event.id,
                soak_from=proof.event.asof,
                soak_until=proof.data.soak_until,
                facts=self.proof_facts(),
            ),
            "auditor",
            "service:auditor",
        )
        how = "remedied" if any(event.type == ExecutionFinished.TYPE for event in self.events) else "resolved"
        self.add(CaseClosed(case=self.id, how=how, verification=passed.id), "auditor", "service:auditor")


@once
def opened(realm: str = "demo", wall: datetime | None = None, **row: str) -> Walk:
    """The realm, the declarations and the finding as the published audit has it; its gap is found on 3 July 2023.

    `wall` is when it begins by the appenders' clock, for a walk that is to go into a real ledger.
    """
    walk = Walk(catalogue=findings_catalogue(), realm=realm)
    walk.wall = wall or walk.wall
    walk.found()
    walk.declare()
    walk.report("2023-07-01 00:00", simulated=False, **row)
    walk.asof = at("2023-07-03 00:00")
    walk.open_gap()
    return walk


@once
def approved(realm: str = "demo", wall: datetime | None = None) -> Walk:
    """Both gates passed: the plan is authorised."""
    return through_the_gates(opened(realm, wall))


@once
def executed(realm: str = "demo", wall: datetime | None = None) -> Walk:
    """Every step done: the first by the executor, the second by hand after its release."""
    return carried_out(approved(realm, wall))


@once
def proven() -> Walk:
    """Management reports the fix complete, an independent retest passes, the gap closes."""
    return to_the_proof(executed())


@once
def closed() -> Walk:
    """The whole walk, to CaseClosed."""
    return to_the_end(executed())


def through_the_gates(walk: Walk) -> Walk:
    walk.asof = at("2023-07-03 15:20")
    walk.confirm(comment="Confirmed. The procedure is in draft.")
    walk.asof = at("2023-07-03 15:21")
    walk.draft()
    walk.open_ticket()
    walk.asof = at("2023-07-05 09:05")
    walk.approve("l.hansen", "compliance-lead")
    walk.asof = at("2023-07-05 10:12")
    walk.approve("r.osei", "risk")
    walk.authorise()
    return walk


def carried_out(walk: Walk) -> Walk:
    walk.start()
    walk.intend(1)
    walk.succeed(1, recorded_at="2023-07-05T10:12:03Z", rows=1)
    walk.asof = at("2023-07-06 14:00")
    walk.release(2)
    walk.intend(2)
    walk.asof = at("2023-07-10 17:30")
    walk.outcome(2)
    walk.succeed(2)
    walk.finish()
    return walk


def to_the_proof(walk: Walk) -> Walk:
    walk.asof = at("2023-08-31 12:00")
    walk.report("2023-08-31 09:00", simulated=True, corrective_action_status=COMPLETE)
    walk.open_gap()
    walk.asof = at("2023-09-20 12:00")
    walk.retest("2023-09-20 09:00")
    walk.report("2023-09-20 09:30", simulated=True)
    walk.close_gap()
    walk.prove("2023-10-20T12:00:00Z")
    return walk


def to_the_end(walk: Walk) -> Walk:
    """From execution to CaseClosed."""
    to_the_proof(walk)
    walk.asof = at("2023-10-20 12:00")
    walk.end()
    return walk
