"""Who may report what: the active entity types, and the feeds' bearer tokens."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.declarations.handling import Source
from common.declarations.models import sensitive_columns
from common.events.approver import DeclarationActivated
from common.events.envelope import Event

ALL_FEEDS = "*"
"""The entry of feeds.json whose token may read every feed's rejections and report nothing."""


@dataclass(frozen=True, slots=True)
class EntityRule:
    """What the observer needs of an EntityType: the column that holds the key, the feed that reports it, the columns
    that are sealed, and where rows are events those with what happened and when; and the declaration itself, for
    those who report."""

    key_column: str
    source: str
    sensitive: frozenset[str] = frozenset()
    events: tuple[str, str] | None = None
    spec: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def sensitive_key(self) -> bool:
        """Whether a pseudonym stands for the key."""
        return self.key_column in self.sensitive


EntityRules = Mapping[str, EntityRule]


def fold_rules(rules: EntityRules, events: Iterable[Event]) -> dict[str, EntityRule]:
    """`rules` after the declarations that `events` activate; the later activation of a name counts."""
    folded = dict(rules)
    for event in events:
        if event.type == DeclarationActivated.TYPE and event.data["kind"] == "EntityType":
            spec = event.data["spec"]
            name = event.data["name"]
            folded[name] = EntityRule(spec["key"], spec["source"], _sensitive(spec), _events(spec), spec)
    return folded


def fold_sources(sources: Mapping[str, Source], events: Iterable[Event]) -> dict[str, Source]:
    """The declared sources after `events`, by feed."""
    folded = dict(sources)
    for event in events:
        if event.type == DeclarationActivated.TYPE and event.data["kind"] == "Source":
            folded[event.data["name"]] = Source.model_validate(event.data["spec"])
    return folded


def fold_gapless(since: Mapping[str, int], recorded: Iterable[tuple[int, Event]]) -> dict[str, int]:
    """The feeds whose messages are numbered without gaps, and the position of the event that declared it, after these
    events at their positions."""
    folded = dict(since)
    for position, event in recorded:
        if event.type == DeclarationActivated.TYPE and event.data["kind"] == "Source":
            feed = event.data["name"]
            if Source.model_validate(event.data["spec"]).sequence == "gapless":
                folded.setdefault(feed, position)
            else:
                folded.pop(feed, None)
    return folded


def _sensitive(spec: Mapping[str, Any]) -> frozenset[str]:
    columns = {name: attribute["from"] for name, attribute in spec["attributes"].items()}
    return sensitive_columns(spec.get("sensitive", ()), columns)


def _events(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    columns = spec.get("events")
    return (columns["activity"], columns["at"]) if columns else None


def feed_of(token: str, feeds: Mapping[str, str]) -> str | None:
    """The feed whose bearer token this is, or None. `feeds`: feed -> SHA-256 of its token, in hex.

    Takes the same time for every token.
    """
    given = hashlib.sha256(token.encode()).hexdigest()
    found = None
    for feed, expected in feeds.items():
        if hmac.compare_digest(given, expected.lower()):
            found = feed
    return found
