"""What stands for a sensitive entity key wherever a key is written: an HMAC under a secret of the realm. Pure.

The same key always has the same pseudonym: streams, cases and bus keys work as with any other key. Who hasn't the
secret can neither go back nor try keys out. Who has it can try: it stays beside the subject keys, outside the
database. Erasing a subject destroys what its key was sealed with, and not the pseudonym: who holds the secret can
still test a guess, which is how a later report of an erased subject is known to be about it.
"""

from __future__ import annotations

import hashlib
import hmac

BEGINS = "hmac-"
_HEX = 32  # 128 bits: two keys of one realm that meet are not to be expected before 2**64 keys


def pseudonym(secret: bytes, kind: str, text: str) -> str:
    """Of `text`, which is of `kind` (the entity type's name): `hmac-` and 32 hexadecimal digits."""
    said = b"".join(len(part).to_bytes(4, "big") + part for part in (kind.encode(), text.encode()))
    return BEGINS + hmac.new(secret, said, hashlib.sha256).hexdigest()[:_HEX]
