"""How a message carries its CloudEvent, as CloudEvents' Kafka binding has it.

In structured mode the message's bytes are the whole event, in JSON. In binary mode they are its data, in JSON or
Protobuf, and the attributes are headers: `ce_id`, `ce_source` and so on; `content-type` says what the data is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from observer.core import json_data, protobuf_data
from observer.core.limits import MAX_MESSAGE_BYTES
from observer.core.rejections import Headers, Rejected, size_of

OBSERVED = "trueup.upstream.observed.v1"
WITHDRAWN = "trueup.upstream.withdrawn.v1"
COUNTED = "trueup.upstream.counted.v1"
CONTENT_TYPE = "content-type"
PREFIX = "ce_"

_CLOUDEVENTS = "application/cloudevents"
_STRUCTURED = (_CLOUDEVENTS, f"{_CLOUDEVENTS}+json")
_PROTOBUF = ("application/protobuf", "application/x-protobuf")
_MESSAGES = {OBSERVED: "UpstreamObserved", WITHDRAWN: "UpstreamWithdrawn", COUNTED: "UpstreamCounted"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event whose `attributes` (any JSON, in structured mode) are still to be checked; with them checked, `data`
    reads its data. `raw` is the text that holds the numbers, where the data is JSON."""

    attributes: Any
    data: Callable[[], Any]
    raw: bytes


def opened(raw: bytes, headers: Headers) -> Envelope:
    """The event that `raw` and `headers` are. Here, and when its data is read, raises `Permanent`.

    A message without `ce_` headers and without a content type, or with that of JSON, is in structured mode, too.
    """
    if not headers:
        return _structured(raw)
    media = _media_type(_texts(headers, lambda name: name == CONTENT_TYPE).get(CONTENT_TYPE, ""))
    if media.startswith(_CLOUDEVENTS):
        if media not in _STRUCTURED:
            raise _unknown(media)
        return _structured(raw)
    if _is_json(media) and not any(name.startswith(PREFIX) for name, _ in headers):
        return _structured(raw)
    return _binary(raw, headers, media)


def _structured(raw: bytes) -> Envelope:
    event = json_data.parsed(raw)
    return Envelope(event, lambda: event.get("data"), raw)


def _binary(raw: bytes, headers: Headers, media: str) -> Envelope:
    size = len(raw) + size_of(headers)
    if size > MAX_MESSAGE_BYTES:
        raise Rejected("oversized", f"{size} bytes with the headers; at most {MAX_MESSAGE_BYTES} are accepted")
    texts = _texts(headers, lambda name: name.startswith(PREFIX))
    attributes = {name.removeprefix(PREFIX): text for name, text in texts.items()}

    def data() -> Any:
        if media in _PROTOBUF:
            return protobuf_data.read(_MESSAGES[attributes["type"]], raw)
        if _is_json(media):
            return json_data.parsed(raw)
        raise _unknown(media)

    return Envelope(attributes, data, raw)


def _texts(headers: Headers, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The wanted headers. One that is there twice would mean one thing to one reader and another to the next."""
    texts: dict[str, str] = {}
    for name, value in headers:
        if not wanted(name):
            continue
        if name in texts:
            raise Rejected("duplicate_key", f"the header {name[:60]!r} stands twice in one message")
        try:
            texts[name] = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Rejected(
                "not_utf8", f"byte {error.start} of the header {name[:60]!r} is not valid UTF-8"
            ) from error
    return texts


def _media_type(content_type: str) -> str:
    """The content type without its parameters; with them where they name a character set other than UTF-8."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "us-ascii"):
            return content_type.strip().lower()
    return media


def _is_json(media: str) -> bool:
    """Data without a content type is JSON, too."""
    return not media or (";" not in media and media.endswith(("/json", "+json")))


def _unknown(media: str) -> Rejected:
    return Rejected(
        "unknown_content_type",
        f"the content type {media[:100]!r} is not read here; send application/cloudevents+json, or in binary mode "
        "application/json or application/protobuf",
    )
