"""One case on the findings example, event by event, as the six services would write it. Pure; people really sign."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, Self, TypeVar

from common import signing
from common.approvals import chain_for, confirm_roles, digest_parts
from common.cases import Case
from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, Evaluation, evaluate, slots_of
from common.declarations.loader import Document, load
from common.declarations.relations import with_relations
from common.declarations.values import Status
from common.directory import Directory, Person
from common.entities.rows import StoredEntity
from common.entities.views import candidate_of, view_of
from common.events import SIGNED, Event, EventData, Fact, Origin, new_event
from common.events.approver import (
    ApprovalGiven,
    Decision,
    GapConfirmed,
    Grant,
    OutcomeRecorded,
    PlanAuthorised,
    ReleaseGiven,
    RiskAssessment,
    TicketOpened,
)
from common.events.differ import FailingRule, GapChanged, GapClosed, GapMet, GapOpened, GapSnapshot, GapUndecided
from common.events.observer import EntityObserved
from common.events.planner import PlanDrafted
from common.facts import attribute_values, entity_facts
from common.ids import case_id, entity_stream, event_id

from support import service_keys

FINDINGS = Path(__file__).parents[2] / "examples" / "findings" / "findings.yaml"
AUTHOR = "c.adeyemi"
ROLES = {
    AUTHOR: ("declaration-author",),
    "j.moreau": ("head-of-compliance",),
    "l.hansen": ("compliance-lead",),
    "r.osei": ("risk",),
    "a.lindqvist": ("system-owner",),
    "p.nakamura": ("technology-operations",),
    "m.duarte": ("technology-operations",),
    "k.weber": ("head-of-controls", "internal-audit", "it-service"),
}
ROW = {
    "reference": "2022-090",
    "title": "Cash is drawn too early",
    "department": "Transportation",
    "material_weakness": "Y",
    "repeat_finding": "Y",
    "prior_references": "2021-059",
    "compliance_requirements": "C",
    "corrective_action_status": "Corrective action in progress",
    "completion_date": "June 30, 2023",
}


STATUSES: dict[Status, Literal["missed", "unknown", "due_soon"]] = {
    Status.MISSED: "missed",
    Status.UNKNOWN: "unknown",
    Status.SOON: "due_soon",
}


@dataclass(frozen=True)
class Activation:
    kind: str
    name: str
    spec: dict[str, Any]
    author: str = AUTHOR
    authors: tuple[str, ...] = ()


@cache
def without_objectives(text: str) -> str:
    """The findings example with rules for one finding alone: objectives are measured by timers of their own."""
    before, _, after = text.partition("  objectives:")
    text = before + after[after.index("  verification:") :]
    text = re.sub(r"(?m)^    processActions: .*\n", "", text)
    return text[: text.index("      on-time:")] + text[text.index("    peopleOnly:") :]


def findings_catalogue() -> Catalogue:
    """The catalogue of `examples/findings/findings.yaml`, written by `AUTHOR`."""
    return catalogue_of(FINDINGS.read_text())


@cache
def documents(text: str) -> tuple[Document, ...]:
    """The declarations of a text without faults, read once: reading YAML with lines takes longest of all."""
    loaded = load(text, "findings.yaml")
    assert not loaded.problems, loaded.problems
    return loaded.documents


@cache
def catalogue_of(text: str) -> Catalogue:
    """The catalogue of these declarations; it is immutable, and one for all tests."""
    catalogue = Catalogue(timezone="America/New_York")
    for document in documents(text):
        catalogue = catalogue.apply(Activation(document.kind, document.name, document.spec))
    return catalogue


@cache
def people() -> tuple[Directory, Mapping[str, str]]:
    """The directory, and everybody's private key."""
    keys = {name: signing.new_key() for name in ROLES}
    everybody = [
        Person(id=name, name=name, roles=roles, key=signing.public_of(keys[name])) for name, roles in ROLES.items()
    ]
    return Directory.of("demo", everybody, ["playbook"]), keys


def having_left(people: Directory, person: str, until: str) -> Directory:
    """The same directory after `person` has left."""
    left = people.people[person].model_copy(update={"until": until})
    everybody = [left if one.id == person else one for one in people.everybody()]
    return Directory.of(people.realm, everybody, sorted(people.agents))


@dataclass
class Casework:
    """A case in the making. Change `row`, `retests`, `catalogue` or `asof`, and what comes next is about that.

    `events` are the case's events in order; `wall` is the appender's wall clock.
    """

    row: dict[str, Any] = field(default_factory=lambda: dict(ROW))
    retests: list[dict[str, Any]] = field(default_factory=list)
    asof: datetime = datetime(2023, 7, 3, 12, tzinfo=UTC)
    wall: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    catalogue: Catalogue = field(default_factory=findings_catalogue)
    desired: str = "money-findings-closed"
    realm: str = "demo"
    events: list[Event] = field(default_factory=list)
    reported: datetime = datetime(2023, 7, 1, tzinfo=UTC)

    def copied(self) -> Self:
        """As it is now, to go on otherwise."""
        return replace(self, row=dict(self.row), retests=list(self.retests), events=list(self.events))

    @property
    def directory(self) -> Directory:
        return replace(people()[0], realm=self.realm)

    @property
    def key(self) -> str:
        return str(self.row["reference"])

    @property
    def id(self) -> str:
        return case_id(self.desired, self.key, 1)

    @property
    def case(self) -> Case:
        return Case.fold(self.id, enumerate(self.events))

    # What is known of the entity.
    def observations(self) -> list[Event]:
        """The observations that the rows came in."""
        return [self._observed("finding", self.key, self.row)] + [
            self._observed("retest", str(row["id"]), row) for row in self.retests
        ]

    def _observed(self, entity_type: str, key: str, row: dict[str, Any]) -> Event:
        data = EntityObserved(
            entity_type=entity_type,
            key=key,
            feed="audit-tracker",
            row=row,
            source_time=instant(self.reported),
            upstream_id=event_id("upstream", key, repr(sorted(row.items()))),
        )
        origin = Origin(source="observer", actor="feed:audit-tracker", time=self.wall, asof=self.asof)
        return new_event(data, entity_stream(entity_type, key), origin, data.upstream_id)

    def _stored(self, event: Event) -> StoredEntity:
        ref = (event.data["entity_type"], event.data["key"])
        moment = self.reported
        return StoredEntity(ref, event.data["row"], "audit-tracker", moment, event.id, 0, moment, None, False)

    def view(self) -> EntityView:
        first, *others = (self._stored(event) for event in self.observations())
        types, readers = self.catalogue.entity_types, self.catalogue.readers
        retests = [
            candidate_of(types["retest"], readers["retest"], other)
            for other in others
            if other.row.get("finding") == self.key
        ]
        own = view_of(types["finding"], readers["finding"], first)
        return with_relations(own, self.catalogue.relations["finding"], {"retest": retests})

    def evaluation(self) -> Evaluation:
        return evaluate(self.catalogue.compiled(self.desired), self.view(), self.asof)

    def facts(self) -> dict[str, Fact]:
        return entity_facts(self.catalogue.compiled(self.desired), self.view(), self.asof)

    def slots(self) -> Mapping[str, Any]:
        return slots_of(self.catalogue.compiled(self.desired), self.view(), self.asof)

    # What happens in the case.
    def add(self, data: EventData, source: str, actor: str, *unique: str, signature: str | None = None) -> Event:
        cause = self.events[-1] if self.events else self.observations()[0]
        origin = Origin(source=source, actor=actor, time=self.wall, asof=self.asof, cause=cause)
        stream = f"{data.CATEGORY}/{self.id}"
        event = new_event(data, stream, origin, *unique, case=self.id, signature=signature)
        if event.type in SIGNED:
            event = service_keys.numbered(event, 1 + sum(other.subject == stream for other in self.events))
        self.events.append(event)
        return event

    def open_gap(self, kind: type[GapSnapshot] | None = None) -> Event:
        """The gap as the rules decide it now: opened or undecided, or changed when there was one already."""
        result = self.evaluation()
        rules = [
            FailingRule(
                name=rule.name,
                kind="freshness"
                if rule.kind == "freshness"
                else "deadline"
                if rule.kind == "deadline"
                else "expectation",
                status=STATUSES[rule.status],
                says=rule.says,
                facts=[self.facts().get(fact.name, Fact(name=fact.name, value=fact.value)) for fact in rule.facts],  # type: ignore[arg-type]
                due=instant(rule.due) if rule.due else None,
                reason=rule.reason or None,
            )
            for rule in result.failing
        ]
        assert rules, "nothing fails"
        known = kind or (GapUndecided if all(rule.status == "unknown" for rule in rules) else GapOpened)
        body: dict[str, Any] = {
            "case": self.id,
            "desired_state": self.desired,
            "version": self.catalogue.version_digest(self.desired),
            "entity_type": "finding",
            "key": self.key,
            "occurrence": 1,
            "severity": result.severity,
            "rules": rules,
        }
        if self.events and kind is None:
            known, body["changed"] = GapChanged, ["it changed"]
        return self.add(known(**body), "differ", "service:differ")

    def meet_gap(self, until: datetime, since: datetime | None = None) -> Event:
        """Nothing fails since then, or now; it closes `until`."""
        data = GapMet(
            case=self.id,
            desired_state=self.desired,
            version=self.catalogue.version_digest(self.desired),
            reason="met",
            since=instant(since or self.asof),
            until=instant(until),
            facts=[],
        )
        return self.add(data, "differ", "service:differ", str(len(self.events)))

    def close_gap(self, reason: Any = "met") -> Event:
        data = GapClosed(
            case=self.id,
            desired_state=self.desired,
            version=self.catalogue.version_digest(self.desired),
            reason=reason,
            facts=[],
        )
        return self.add(data, "differ", "service:differ")

    def decide(
        self, kind: str, person: str, role: str, subject: str, step: int | None = None, **more: Any
    ) -> tuple[Decision, str]:
        """A decision that the person has signed."""
        decision = Decision.model_validate(
            {
                "kind": kind,
                "realm": self.realm,
                "case": self.id,
                "person": person,
                "role": role,
                "subject": subject,
                "made_at": instant(self.wall),
                "nonce": f"{kind}-{person}-{len(self.events)}",
                "step": step,
                **more,
            }
        )
        return decision, signing.sign(decision, people()[1][person])

    def confirm(self, person: str = "j.moreau", role: str | None = None) -> Event:
        gap = self.case.gap
        assert gap is not None
        needed = confirm_roles(self.catalogue, self.directory, self.desired, attribute_values(self.facts()))
        role = role or next(iter(needed))
        decision, signature = self.decide("confirm", person, role, gap.data.digest)
        data = GapConfirmed(case=self.id, gap_event=gap.event.id, decision=decision)
        return self.add(data, "approver", f"person:{person}", signature=signature)

    def drafted(self, plan: PlanDrafted) -> Event:
        return self.add(plan, "planner", "agent:playbook/1", str(plan.number))

    @property
    def plan(self) -> PlanDrafted:
        plan = self.case.plan
        assert plan is not None
        return plan.data

    def open_ticket(self, days: int = 7) -> Event:
        plan, gap, facts = self.plan, self.case.gap, self.facts()
        assert gap is not None
        assert self.case.plan is not None
        chain = chain_for(self.catalogue, self.directory, plan, gap.data.severity, attribute_values(facts))
        parts = digest_parts(self.catalogue, chain, plan, [facts[fact.name] for fact in plan.facts])
        data = TicketOpened(
            case=self.id,
            ticket=f"CHG-{plan.number}",
            plan=plan.plan,
            plan_event=self.case.plan.event.id,
            parts=parts,
            digest=parts.digest,
            chain=chain,
            reasoning=[said.text for said in plan.reasoning],
            risk_assessment=RiskAssessment(
                touches=["ticketing"],
                affects="the control owner",
                if_it_fails="nobody is asked",
                undo=["Cancel the request."],
                risk=plan.risk,
                set_by=chain.line,
                change_class="normal",
            ),
            expires=instant(self.asof + timedelta(days=days)),
        )
        return self.add(data, "approver", "service:approver")

    def approve(self, person: str, role: str) -> Event:
        ticket = self.case.ticket
        assert ticket is not None
        decision, signature = self.decide("approve", person, role, ticket.data.digest)
        data = ApprovalGiven(case=self.id, plan=self.plan.plan, decision=decision)
        return self.add(data, "approver", f"person:{person}", person, signature=signature)

    def approve_all(self) -> list[Event]:
        """Everybody whom the chain asks approves."""
        ticket = self.case.ticket
        assert ticket is not None
        holders = {role: ticket.data.chain.eligible[role][0] for role in ticket.data.chain.approve}
        return [self.approve(person, role) for role, person in holders.items()]

    def authorise(self) -> Event:
        case, steps = self.case, self.plan.steps
        assert case.ticket is not None
        assert case.confirmation is not None
        data = PlanAuthorised(
            case=self.id,
            plan=self.plan.plan,
            digest=case.ticket.data.digest,
            approvals=[said.event.id for said in case.approvals],
            confirmation=case.confirmation.event.id,
            grant=Grant(
                steps=[step.number for step in steps],
                actions=sorted({step.action for step in steps}),
                targets=sorted({step.target for step in steps}),
                count=len(steps),
                not_before=instant(self.asof),
                expires=case.ticket.data.expires,
            ),
        )
        return self.add(data, "approver", "service:approver")

    def release(self, step: int, person: str = "p.nakamura", role: str = "technology-operations") -> Event:
        ticket = self.case.ticket
        assert ticket is not None
        decision, signature = self.decide("release", person, role, ticket.data.digest, step)
        data = ReleaseGiven(case=self.id, plan=self.plan.plan, step=step, decision=decision)
        return self.add(data, "approver", f"person:{person}", str(step), signature=signature)

    def outcome(self, step: int, result: Literal["done", "not_done"] = "done", person: str = "k.weber") -> Event:
        intent = self.case.attempts[step].intended
        role = self.catalogue.systems[intent.data.system].owner
        decision, signature = self.decide("outcome", person, role, intent.event.id, step, result=result)
        data = OutcomeRecorded(
            case=self.id, plan=self.plan.plan, step=step, intent=intent.event.id, decision=decision
        )
        return self.add(data, "approver", f"person:{person}", str(step), signature=signature)


_P = ParamSpec("_P")
_C = TypeVar("_C", bound=Casework)


def once(make: Callable[_P, _C]) -> Callable[_P, _C]:
    """A case that is the same for the same arguments is made once; each who asks has a copy to go on with."""
    kept = cache(make)

    @wraps(make)
    def copied(*args: _P.args, **named: _P.kwargs) -> _C:
        return kept(*args, **named).copied()  # type: ignore[arg-type]

    return copied
