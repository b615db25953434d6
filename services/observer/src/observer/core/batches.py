"""A request's body, cut into its messages, each exactly as it was sent."""

from __future__ import annotations

import json

from common.errors import Permanent

MAX_ITEMS = 1_000
MAX_BODY_BYTES = 4 * 1024 * 1024
_SPACE = " \t\n\r"


def split_array(body: bytes) -> list[bytes]:
    """The elements of the JSON array `body`, in order, as the bytes they were sent as.

    An element is checked no further than it takes to find its end. Raises `Permanent` (`oversized`, `not_utf8`,
    `malformed_json`, `too_deep`) when the body as a whole can't be cut; then nothing of it has been looked at.
    """
    if len(body) > MAX_BODY_BYTES:
        raise Permanent("oversized", f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are accepted")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Permanent("not_utf8", f"byte {error.start} of the body is not valid UTF-8") from error
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise Permanent("malformed_json", "the body is not a JSON array of messages")
    at = _skip(text, at + 1)
    items: list[bytes] = []
    while text[at : at + 1] != "]" or items:
        end = _end_of_value(text, at)
        items.append(text[at:end].encode())
        if len(items) > MAX_ITEMS:
            raise Permanent("oversized", f"at most {MAX_ITEMS} messages are accepted in one request")
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise Permanent("malformed_json", f"a comma or ] is missing at character {at} of the body")
        at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise Permanent("malformed_json", f"something follows the array at character {at + 1} of the body")
    return items


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


_DECODER = json.JSONDecoder(parse_int=lambda _: 0)  # only the end is wanted; int() refuses very long digits


def _end_of_value(text: str, at: int) -> int:
    try:
        _, end = _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise Permanent("too_deep", "a message is nested too deep") from error
    except ValueError as error:
        raise Permanent("malformed_json", f"the body is not JSON: {error}") from error
    return end
