"""What the planner drafts. A draft has no effect until people have approved it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from common.canonical import digest
from common.events.model import EventData, Fact, Part

Risk = Literal["low", "medium", "high"]
Level = Literal["L1", "L2", "L3"]


class Step(Part):
    """One action of a plan: what, on which target, with which parameters.

    `number` counts from 1. `target` is the case's entity (`finding/2022-090`). `level` is the effective autonomy:
    the lowest of what the declaration, the action and the system allow; at L2 a person releases the step.
    """

    number: int
    action: str
    does: str
    system: str
    provider: str
    target: str
    parameters: dict[str, Any]
    risk: Risk
    level: Level
    undo: str
    why: str


class Alternative(Part):
    """What else could be done, and why it is not what the plan recommends."""

    name: str
    actions: list[str]
    reason: str
    cites: list[str]


class Prediction(Part):
    """What will be seen if the plan works: rule `expect` holds, by `by`. The plan is judged on it."""

    expect: str
    says: str
    by: str | None = None


class Sentence(Part):
    """One sentence of a plan's reasoning with the ids of the events it rests on."""

    text: str
    cites: list[str]


class PlanDrafted(EventData):
    """A draft: what was found, what is recommended and why, what else was considered, what it will be judged on.

    `facts` are the facts the plan relies on. `content_digest` covers everything a person approves of the plan.
    """

    TYPE: ClassVar[str] = "trueup.plan.drafted.v1"
    CATEGORY: ClassVar[str] = "plan"

    case: str
    plan: str
    number: int
    gap_event: str
    desired_state: str
    version: str
    planner: str
    found: str
    recommends: str
    reasoning: list[Sentence]
    steps: list[Step]
    alternatives: list[Alternative]
    predictions: list[Prediction]
    facts: list[Fact]
    risk: Risk
    content_digest: str

    def recompute_content_digest(self) -> str:
        """The digest over what is approved: everything but names that only identify the draft."""
        body = self.model_dump(mode="json", exclude_none=True, exclude={"content_digest", "facts"})
        return digest(body)


class PlanSuperseded(EventData):
    """The draft no longer stands (`reason_code`: facts_changed, declaration_changed, returned, gap_closed)."""

    TYPE: ClassVar[str] = "trueup.plan.superseded.v1"
    CATEGORY: ClassVar[str] = "plan"

    case: str
    plan: str
    reason_code: str
    reason: str


class PlanWithheld(EventData):
    """No plan is drafted for this gap (`reason_code`: people_only, report_only, no_playbook, unknown_facts …)."""

    TYPE: ClassVar[str] = "trueup.plan.withheld.v1"
    CATEGORY: ClassVar[str] = "plan"

    case: str
    gap_event: str
    reason_code: str
    reason: str
