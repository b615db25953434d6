"""The bus, in loop order: observe → diff → plan → approve → execute → verify → attest.

One table fixes who writes a topic, who reads it, how many partitions it has and which event types it carries.
Topic keys are the entity key up to the differ and the case id after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.events import BY_SERVICE
from common.ids import category

SERVICES = ("observer", "differ", "planner", "approver", "executor", "auditor")


@dataclass(frozen=True, slots=True)
class Topic:
    """`producer` is None for a topic that others write (upstream systems; the dead letters of every service).
    `listeners` read its events in the ledger, when they need them (`bus.listening`); the bus brings them none."""

    name: str
    producer: str | None
    consumers: tuple[str, ...]
    partitions: int
    categories: tuple[str, ...]
    listeners: tuple[str, ...] = ()

    @property
    def readers(self) -> tuple[str, ...]:
        """Who must have handled its events before nothing is under way."""
        return self.consumers + self.listeners

    def full_name(self, realm: str) -> str:
        return f"trueup.{realm}.{self.name}.v1"


TOPICS = (
    Topic("observations", None, ("observer",), 8, ()),
    Topic("state", "observer", ("differ",), 8, ("entity", "source", "erased"), listeners=("auditor",)),
    Topic("gaps", "differ", ("planner", "approver", "auditor"), 4, ("gap", "objective", "preview")),
    Topic("plans", "planner", ("approver", "auditor"), 4, ("plan",)),
    Topic(
        "declarations",
        "approver",
        ("observer", "differ", "planner", "approver", "executor", "auditor"),
        1,
        ("declaration",),
    ),
    Topic("erasures", "approver", ("observer",), 1, ("erasure",)),
    Topic("approvals", "approver", ("planner", "executor", "auditor"), 4, ("approval",)),
    Topic(
        "clock",
        "approver",
        ("observer", "differ", "planner", "approver", "executor", "auditor"),
        1,
        ("realm",),
    ),
    Topic("executions", "executor", ("approver", "auditor"), 4, ("execution",)),
    Topic("attestations", "auditor", ("differ", "planner", "approver"), 4, ("attestation",)),
    Topic("dead-letters", None, (), 1, ()),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
BY_CATEGORY = {name: topic for topic in TOPICS for name in topic.categories}


def topic_of(stream: str) -> Topic:
    """The topic that carries the events of this stream."""
    return BY_CATEGORY[category(stream)]


def consumed_by(service: str) -> tuple[Topic, ...]:
    """The topics that `service` reads, in loop order."""
    return tuple(topic for topic in TOPICS if service in topic.consumers)


def message_key(stream: str, case_id: str | None) -> str:
    """What orders messages: the case where there is one, else the entity or the stream."""
    return case_id or stream.partition("/")[2] or stream


def rights() -> list[tuple[str, str, str]]:
    """(service, stream category, event type): all that may be appended. Everything else is refused."""
    return [(service, model.CATEGORY, model.TYPE) for service, models in BY_SERVICE.items() for model in models]
