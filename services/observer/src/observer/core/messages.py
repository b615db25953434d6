"""An upstream message, read: a CloudEvent that reports one entity's row or its withdrawal.

Everything in it is hostile until checked. The checks run from the outside in, so that a refusal can say as much
as is known about the message by then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from common.canonical import MAX_INTEGER
from common.clock import instant, parse_instant
from common.errors import Permanent
from common.ids import is_key
from common.sealing import MARK, is_sealed

from observer.core import counts
from observer.core.cells import stored_row
from observer.core.counts import Count
from observer.core.envelopes import COUNTED, OBSERVED, WITHDRAWN, Envelope, opened
from observer.core.limits import MAX_FEED, MAX_NAME
from observer.core.rejections import UNIDENTIFIED, Headers, Identity, Rejected
from observer.core.sources import EntityRule, EntityRules

MAX_WITHDRAWAL_REASON = 2_000
_MARK = MARK.encode()

_FEED = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_FEED - 1}}}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)  # RFC 3339; fromisoformat accepts more
_FIELDS = {
    OBSERVED: frozenset(("entity_type", "key", "row", "sequence", "simulated")),
    WITHDRAWN: frozenset(("entity_type", "key", "reason", "sequence", "simulated")),
    COUNTED: counts.FIELDS,
}


@dataclass(slots=True)
class Message:
    """One upstream message that passed every check. `row` is None for a withdrawal, which has a `reason`.

    `source_time` is RFC 3339 in UTC; `row` is as it will be stored.
    """

    feed: str
    upstream_id: str
    entity_type: str
    key: str
    source_time: str
    row: dict[str, Any] | None
    sequence: int | None
    simulated: bool
    reason: str


def read(
    raw: bytes, rules: EntityRules, latest: datetime, sender: str | None = None, headers: Headers = ()
) -> Message | Count:
    """The message that `raw`, with its `headers`, holds. Raises `Rejected`, and nothing else, for any bytes.

    `latest` is the last source time that is believed. `sender` is the authenticated feed, None where the way in
    doesn't tell (the bus).
    """
    identity = Identity(feed=sender)
    try:
        return _read(opened(raw, headers), rules, latest, identity, sender)
    except Rejected as rejected:
        rejected.identity = identity
        raise
    except Permanent as error:
        raise Rejected(error.reason_code, error.message, identity) from error


def _read(
    envelope: Envelope, rules: EntityRules, latest: datetime, identity: Identity, sender: str | None
) -> Message | Count:
    attributes = envelope.attributes
    _check_attributes(attributes, identity, sender)
    data = _data(envelope)
    rule = _rule(data, rules, identity)
    if attributes["type"] == COUNTED:
        return counts.counted(attributes, data, rule, _time(attributes.get("time"), latest))
    row = None if attributes["type"] == WITHDRAWN else _row(data, envelope.raw)
    key = identity.key = _key(data, row, rule)
    _check_event(row, rule)
    sequence = data.get("sequence")
    if sequence is not None and (type(sequence) is not int or not -MAX_INTEGER <= sequence <= MAX_INTEGER):
        raise Rejected("data_malformed", "data.sequence must be a whole number within ±2^53")
    simulated = data.get("simulated", False)
    reason = data.get("reason", "")
    if type(simulated) is not bool:
        raise Rejected("data_malformed", "data.simulated must be true or false")
    if type(reason) is not str or len(reason) > MAX_WITHDRAWAL_REASON or is_sealed(reason):
        raise Rejected("data_malformed", f"data.reason must be a text of at most {MAX_WITHDRAWAL_REASON} characters")
    time = _time(attributes.get("time"), latest)
    return Message(
        attributes["source"], attributes["id"], data["entity_type"], key, time, row, sequence, simulated, reason
    )


def _check_attributes(attributes: Any, identity: Identity, sender: str | None) -> None:
    """Check the CloudEvent's own attributes, the time aside."""
    if type(attributes) is not dict or attributes.get("specversion") != "1.0":
        raise Rejected(
            "not_a_cloudevent",
            'the message is not a CloudEvent: neither an object with "specversion": "1.0" nor data with the header '
            "ce_specversion: 1.0",
        )
    upstream_id = attributes.get("id")
    if type(upstream_id) is not str or not 0 < len(upstream_id) <= MAX_NAME or not upstream_id.isprintable():
        raise Rejected("not_a_cloudevent", f"id must be a printable text of 1 to {MAX_NAME} characters")
    identity.upstream_id = upstream_id
    feed = attributes.get("source")
    if type(feed) is not str or not _FEED.fullmatch(feed) or feed == UNIDENTIFIED:
        raise Rejected(
            "not_a_cloudevent",
            f"source must be the feed's name: 1 to {MAX_FEED} letters, digits, dots, hyphens or underscores",
        )
    if sender is not None and feed != sender:
        raise Rejected("feed_mismatch", f"the feed {sender} may not report as {feed}; it may only report itself")
    identity.feed = feed
    if type(attributes.get("type")) is not str or attributes["type"] not in _FIELDS:
        raise Rejected("unknown_message_type", f"type must be {OBSERVED}, {WITHDRAWN} or {COUNTED}")


def _data(envelope: Envelope) -> dict[str, Any]:
    data = envelope.data()
    fields = _FIELDS[envelope.attributes["type"]]
    if type(data) is not dict:
        raise Rejected("data_malformed", "data must be an object")
    if not data.keys() <= fields:
        unknown = min(data.keys() - fields)
        raise Rejected("data_malformed", f"data.{unknown[:60]} is not known here; known: {', '.join(sorted(fields))}")
    return data


def _rule(data: dict[str, Any], rules: EntityRules, identity: Identity) -> EntityRule:
    entity_type = data.get("entity_type")
    if type(entity_type) is not str or len(entity_type) > MAX_NAME:
        raise Rejected("unknown_entity_type", "data.entity_type must name an active EntityType")
    rule = rules.get(entity_type)
    if rule is None:
        known = ", ".join(sorted(rules)[:20]) or "none yet"
        raise Rejected("unknown_entity_type", f"no EntityType {entity_type[:60]!r} is active; active: {known}")
    identity.entity_type = entity_type
    if rule.source != identity.feed:
        raise Rejected(
            "feed_mismatch",
            f"{entity_type} is reported by {rule.source}, as its EntityType says, not {identity.feed}",
        )
    return rule


def _row(data: dict[str, Any], raw: bytes) -> dict[str, Any]:
    row = data.get("row")
    if type(row) is not dict or not row:
        raise Rejected("row_malformed", "data.row must be an object with at least the key's column")
    # Most messages don't hold the mark, also not with an escaped character: spare looking at each cell.
    suspect = row if _MARK in raw or b"\\u" in raw else {}
    if pretending := next((column for column, value in suspect.items() if is_sealed(value)), None):
        raise Rejected(
            "sealed_lookalike", f"the column {pretending[:60]!r} begins with {MARK}, which only Trueup itself writes"
        )
    return stored_row(row, raw)


def _key(data: dict[str, Any], row: dict[str, Any] | None, rule: EntityRule) -> str:
    """The entity's key, from the row's key column; `data.key`, where it is given too, must agree."""
    said = _as_key(data.get("key"), "data.key")
    found = None if row is None else _as_key(row.get(rule.key_column), f"the column {rule.key_column!r}")
    if row is not None and found is None:
        raise Rejected("key_missing", f"the row has nothing in {rule.key_column!r}, the column of the key")
    if row is None and said is None:
        raise Rejected("key_missing", "a withdrawal names its entity in data.key")
    if said is not None and found is not None and said != found:
        raise Rejected("key_mismatch", f"data.key and the column {rule.key_column!r} name two entities")
    key = found or said
    assert key is not None
    return key


def _check_event(row: dict[str, Any] | None, rule: EntityRule) -> None:
    """Raise `Rejected` (`activity_missing`) for a row that is to be an event and does not say what happened."""
    if row is not None and rule.events is not None:
        what = row.get(rule.events[0])
        if type(what) is not str or not what:
            column = rule.events[0]
            raise Rejected("activity_missing", f"the column {column!r} must say in a text what happened")


def _as_key(value: Any, where: str) -> str | None:
    """The key that `value` is, or None when there is nothing. Raises `Rejected` (`key_malformed`)."""
    if value is None:
        return None
    if type(value) is not str and type(value) is not int:
        raise Rejected("key_malformed", f"{where} must be a text or a whole number")
    key = str(value).strip()
    if not key:
        return None
    if not is_key(key):
        raise Rejected(
            "key_malformed",
            f"{where} holds {len(key)} characters that are no key; a key has 1 to 200 characters, "
            "no white space, no slash, no control character, and is not *, which names the whole population",
        )
    return key


def _time(text: Any, latest: datetime) -> str:
    if text is None:
        raise Rejected("time_missing", "time must say when the source system held this to be so")
    if type(text) is not str:
        raise Rejected("time_malformed", f"time is {str(text)[:60]!r}; write it like 2023-07-03T00:00:00Z")
    moment, written = _instant(text)
    if moment > latest:
        raise Rejected("time_in_future", f"time is {text}, beyond {instant(latest)}, the latest that is believed now")
    return written


@lru_cache(maxsize=1024)  # messages of one batch mostly share a few
def _instant(text: str) -> tuple[datetime, str]:
    """The moment, and how it is stored. Raises `Rejected` (`time_malformed`)."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError("not RFC 3339")  # noqa: TRY301 - told below with the two other ways to fail
        moment = parse_instant(text.upper())
    except (ValueError, OverflowError) as error:
        raise Rejected("time_malformed", f"time is {text[:60]!r}; write it like 2023-07-03T00:00:00Z") from error
    return moment, instant(moment)
