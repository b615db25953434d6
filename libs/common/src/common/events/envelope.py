"""The envelope: a CloudEvent whose canonical bytes are the row, the message, the Merkle leaf and the bundle line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from common.canonical import canonical, canonical_of_checked
from common.errors import Permanent

_REQUIRED = ("id", "source", "type", "subject", "time", "asof", "actor", "data")
_OPTIONAL = ("caseid", "correlationid", "causationid", "streamversion", "traceparent", "signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    `source` is the writing service; `source` + `id` is unique. `subject` is the stream. `time` is the appender's
    wall clock, `asof` the realm clock of the decision; both RFC 3339 UTC. `actor` is `person:<id>`,
    `service:<name>`, `agent:<name>/<version>` or `feed:<name>`. `causationid` is the id of the event that led to
    this one, `correlationid` the first of the chain. `signature` is `<person>:<base64 Ed25519>` over the decision
    in `data`, or `service:<name>/<key id>:<base64 Ed25519>` over everything else in the envelope (`service_keys`).
    `streamversion` is set where the writer expected a version.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    asof: str
    actor: str
    data: dict[str, Any]
    caseid: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    streamversion: int | None = None
    traceparent: str | None = None
    signature: str | None = None

    def encode(self) -> bytes:
        """The event's one byte string. Raises `Permanent` when the data is outside the JSON profile."""
        return canonical(self.envelope())

    def encode_checked(self) -> bytes:
        """The same bytes, for data that was checked cell by cell to be within the profile. Doesn't look again."""
        return canonical_of_checked(self.envelope())

    def envelope(self) -> dict[str, Any]:
        """The CloudEvent as an object."""
        envelope: dict[str, Any] = {
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
            "asof": self.asof,
            "actor": self.actor,
            "data": self.data,
        }
        for name in _OPTIONAL:
            value = getattr(self, name)
            if value is not None:
                envelope[name] = value
        return envelope

    @classmethod
    def decode(cls, raw: bytes | str) -> Event:
        """Read what `encode` wrote. Raises `Permanent` (`malformed_event`) for anything else."""
        return cls.of(parsed(raw))

    @classmethod
    def of(cls, envelope: dict[str, Any]) -> Event:
        """The event that a CloudEvent's object is. Raises as `decode` does."""
        try:
            fields = {name: envelope[name] for name in _REQUIRED}
        except (KeyError, TypeError) as error:
            raise Permanent("malformed_event", f"not an event of the ledger: {error}") from error
        for name in _OPTIONAL:
            if name in envelope:
                fields[name] = envelope[name]
        return cls(**fields)


def parsed(raw: bytes | str) -> dict[str, Any]:
    """The object that the bytes are. Raises `Permanent` (`malformed_event`) where they are none."""
    try:
        envelope = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Permanent("malformed_event", f"not an event of the ledger: {error}") from error
    if type(envelope) is not dict:
        raise Permanent("malformed_event", "not an event of the ledger: no object")
    return envelope
