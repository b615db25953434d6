"""How the C2SP texts write numbers, bytes and names: strictly one way each."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64

from transparency.errors import Malformed
from transparency.merkle import HASH_BYTES, MAX_SIZE

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def parse_decimal(written: str, what: str) -> int:
    """A number from 0 to 2^63−1 without leading zeroes."""
    if not _DECIMAL.fullmatch(written) or (value := int(written)) > MAX_SIZE:
        raise Malformed("number_invalid", f"the {what} is no decimal number from 0 to 2^63−1 without leading zeroes")
    return value


def encode_base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode("ascii")


def decode_base64(written: str, what: str) -> bytes:
    """Standard base64 with padding, in the one way that encoding writes it."""
    try:
        raw = a2b_base64(written, strict_mode=True)
    except ValueError as error:
        raise Malformed("base64_invalid", f"the {what} is not base64") from error
    if encode_base64(raw) != written:  # stray bits at the end would let two texts mean the same
        raise Malformed("base64_invalid", f"the {what} is not base64 as encoding writes it")
    return raw


def decode_hash(written: str, what: str) -> bytes:
    raw = decode_base64(written, what)
    if len(raw) != HASH_BYTES:
        raise Malformed("hash_length", f"the {what} has {len(raw)} bytes, not {HASH_BYTES}")
    return raw


def decode_utf8(raw: bytes, max_bytes: int, what: str) -> str:
    """The text of `raw`, bounded."""
    if len(raw) > max_bytes:
        raise Malformed("oversized", f"the {what} has {len(raw)} bytes; at most {max_bytes} are accepted")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("not_utf8", f"byte {error.start} of the {what} is not UTF-8") from error
