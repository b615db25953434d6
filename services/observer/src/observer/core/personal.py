"""Personal data in what was reported: sealed before anything is compared, remembered or appended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.events.envelope import Event
from common.events.observer import ErasureDone
from common.ids import erased_stream, event_id
from common.pseudonyms import pseudonym
from common.sealing import ERASED, Keys, Subject, is_sealed, seal

from observer.core.counts import Count
from observer.core.messages import Message
from observer.core.moments import Moment
from observer.core.rejections import Identity, Rejected, Rejection
from observer.core.sources import EntityRules

REASON = "\x00reason"
"""The column for which a withdrawal's reason is sealed. No row can have it: U+0000 is refused."""


UPSTREAM_ID = "\x00upstream id"
"""What the id of a message is pseudonymised as: it mostly holds the key. No entity type can have this name."""

QUOTES_NOTHING = frozenset(
    (
        "activity_missing", "id_clash", "key_malformed", "key_mismatch", "key_missing", "not_a_cloudevent",
        "time_in_future", "time_missing", "unknown_message_type",
    )
)  # fmt: skip
"""Refusals whose reason has no word of the message in it. Of any other, a key might be what it quotes."""

_WITHHELD = "the reason is not kept, for it may quote a key that nobody may read"


def any_pseudonym(rules: EntityRules) -> bool:
    """Whether there is an entity type whose key nobody may read."""
    return any(rule.sensitive_key for rule in rules.values())


def pseudonymous(item: Message | Count | Rejected, rules: EntityRules) -> bool:
    """Whether the message is about an entity whose key is sensitive; or may be, as long as it is not certain what
    it is about."""
    if isinstance(item, Message):
        return rules[item.entity_type].sensitive_key
    if isinstance(item, Count):  # it names nobody
        return False
    rule = None if item.identity.entity_type is None else rules[item.identity.entity_type]
    if rule is None or rule.source != item.identity.feed:  # another feed's type is a slip, and the id is of its own
        return any_pseudonym(rules)
    return rule.sensitive_key


def pseudonymised(
    item: Message | Count | Rejected, secret: bytes, rules: EntityRules, sender: str | None
) -> Message | Count | Rejected:
    """What was read, with pseudonyms for the entity's key and the message's id. The row has the key itself still:
    it is sealed with what else is sensitive. Of a refusal nothing is left that the message alone says."""
    if isinstance(item, Message):
        return replace(
            item,
            key=pseudonym(secret, item.entity_type, item.key),
            upstream_id=pseudonym(secret, UPSTREAM_ID, item.upstream_id),
        )
    if isinstance(item, Count):
        return item
    said = item.identity
    feed = said.feed if said.feed == sender or any(rule.source == said.feed for rule in rules.values()) else None
    key = None
    if said.entity_type is not None and said.key is not None:
        key = pseudonym(secret, said.entity_type, said.key)
    upstream_id = None if said.upstream_id is None else pseudonym(secret, UPSTREAM_ID, said.upstream_id)
    return withheld(item, Identity(feed, upstream_id, said.entity_type, key))


def withheld(item: Rejected, identity: Identity) -> Rejected:
    """The refusal, about `identity`, without a reason that may quote the message."""
    reason = item.message if item.reason_code in QUOTES_NOTHING else _WITHHELD
    return Rejected(item.reason_code, reason, identity)


def subjects(read: Iterable[Message | Count | Rejected], rules: EntityRules) -> list[Subject]:
    """Of whom a key is needed, each once: those of whom something sensitive is reported."""
    needed = (item for item in read if isinstance(item, Message) and _hidden(item, rules))
    return list(dict.fromkeys((item.entity_type, item.key) for item in needed))


def sealed(
    read: Sequence[Message | Count | Rejected], rules: EntityRules, keys: Keys
) -> list[Message | Count | Rejected]:
    """What was read, with every sensitive value sealed under its subject's key. `keys` has one for each of
    `subjects`; for a key that is destroyed there is only `ERASED` to say."""
    return [_sealed(item, rules, keys) if isinstance(item, Message) else item for item in read]


def _hidden(message: Message, rules: EntityRules) -> list[str]:
    """The columns of the message that hold something to be sealed."""
    sensitive = rules[message.entity_type].sensitive
    if not sensitive:
        return []
    if message.row is None:
        return [REASON] if message.reason else []
    return sorted(column for column in sensitive if message.row.get(column) is not None)


def _sealed(message: Message, rules: EntityRules, keys: Keys) -> Message:
    hidden = _hidden(message, rules)
    if not hidden:
        return message
    subject = (message.entity_type, message.key)
    secret = keys[subject].secret

    def closed(value: Any, column: str) -> str:
        return ERASED if secret is None else seal(value, secret, subject, column)

    if message.row is None:
        return replace(message, reason=closed(message.reason, REASON))
    return replace(message, row={**message.row, **{column: closed(message.row[column], column) for column in hidden}})


def subject_of(rejection: Rejection) -> Subject | None:
    """Whom a refused message was about, as far as it could be read."""
    entity_type, key = rejection.event.data.get("entity_type"), rejection.event.data.get("key")
    return (entity_type, key) if entity_type and key else None


def without_payload(rejection: Rejection) -> Rejection:
    """The rejection without anything of the message but its digest."""
    event = rejection.event
    data = {name: value for name, value in event.data.items() if name != "quarantine"}
    return Rejection(replace(event, data=data), None)


def erased(approval: Event, subject: Subject, payloads: int, moment: Moment) -> Event:
    """The event that says that the subject's key is destroyed, as `approval` has it."""
    entity_type, key = subject
    data = ErasureDone(entity_type=entity_type, key=key, approval=approval.id, payloads=payloads)
    stream = erased_stream(entity_type, key)
    return Event(
        id=event_id(ErasureDone.TYPE, stream, approval.id),
        source="observer",
        type=ErasureDone.TYPE,
        subject=stream,
        time=moment.time,
        asof=moment.asof,
        actor="service:observer",
        data=data.model_dump(mode="json"),
        causationid=approval.id,
        correlationid=approval.correlationid or approval.id,
    )


def as_erased(data: Mapping[str, Any], erased: Mapping[str, Any]) -> dict[str, Any]:
    """`data` of a stored observation as it would read today: sealed where `erased`, the same message's data after
    its subject was erased, says so. What a message said before must not become another content by that."""
    row, other = data.get("row"), erased.get("row")
    if isinstance(row, dict) and isinstance(other, dict):
        cells = {column: ERASED for column, value in row.items() if is_sealed(value) and other.get(column) == ERASED}
        return {**data, "row": {**row, **cells}}
    if is_sealed(data.get("reason")) and erased.get("reason") == ERASED:
        return {**data, "reason": ERASED}
    return dict(data)
