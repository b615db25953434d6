"""One upstream message in each of the ways in which it may come."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from support import wire

Sent = tuple[bytes, tuple[tuple[str, bytes], ...]]
"""A record's value and headers."""
MESSAGES = {
    "trueup.upstream.observed.v1": "UpstreamObserved",
    "trueup.upstream.withdrawn.v1": "UpstreamWithdrawn",
}


@cache
def _types() -> Any:
    return wire.pool()


def headers(envelope: Mapping[str, Any], content_type: str | None) -> tuple[tuple[str, bytes], ...]:
    """The attributes of `envelope` as headers."""
    found = [(f"ce_{name}", value.encode()) for name, value in envelope.items() if name != "data"]
    return (*found, *([("content-type", content_type.encode())] if content_type is not None else []))


def structured(envelope: Mapping[str, Any]) -> Sent:
    return orjson.dumps(envelope), (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


def binary_json(envelope: Mapping[str, Any]) -> Sent:
    return orjson.dumps(envelope["data"]), headers(envelope, "application/json")


def binary_protobuf(envelope: Mapping[str, Any]) -> Sent:
    return protobuf(envelope["data"], envelope["type"]), headers(envelope, "application/protobuf")


def protobuf(data: dict[str, Any], event_type: str = "trueup.upstream.observed.v1") -> bytes:
    """`data` as the classes write it that another language makes from proto/."""
    message = wire.message_class(_types(), MESSAGES[event_type])()
    return wire.fill(message, data).SerializeToString(deterministic=True)
