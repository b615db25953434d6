"""C2SP tlog-cosignature, version 1: a witness says when it saw that a checkpoint continues what it saw before.

The signature (type 0x04) is over two lines and the whole checkpoint, and carries its time in front.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from transparency.checkpoints import Checkpoint
from transparency.errors import Malformed
from transparency.notes import (
    Signature,
    check_public,
    encode_key,
    encode_secret,
    key_id,
    parse_key,
    parse_secret,
    public_of,
    verify_ed25519,
)

COSIGNATURE = 0x04
MAX_TIME_S = 2**63 - 1
TIME_BYTES = 8
SIGNATURE_BYTES = 64


@dataclass(frozen=True)
class WitnessKey:
    """The public key of a witness; a `notes.Verifier` that accepts cosignatures of checkpoints and nothing else."""

    name: str
    public: bytes
    id: int = field(init=False)

    def __post_init__(self) -> None:
        check_public(self.name, self.public)
        object.__setattr__(self, "id", key_id(self.name, COSIGNATURE, self.public))

    @classmethod
    def parse(cls, written: str) -> WitnessKey:
        return cls(*parse_key(written, COSIGNATURE))

    def encode(self) -> str:
        return encode_key(self.name, self.id, COSIGNATURE, self.public)

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether this witness cosigned the checkpoint `text`, at whatever time."""
        try:
            message = _message(text, _time_of(signature))
        except Malformed:
            return False
        return verify_ed25519(self.public, signature[TIME_BYTES:], message)


@dataclass(frozen=True)
class CosigningKey:
    """The private key of a witness. Its `repr` does not tell the secret."""

    name: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_public(self.name, self.secret)

    @classmethod
    def generate(cls, name: str) -> CosigningKey:
        """A new key, from the operating system's randomness. Use it for one witness and nothing else."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, written: str) -> CosigningKey:
        """The key that `encode` wrote."""
        return cls(*parse_secret(written, COSIGNATURE))

    def encode(self) -> str:
        """For a file that only its owner reads."""
        return encode_secret(self.name, self.verifier.id, COSIGNATURE, self.secret)

    @property
    def verifier(self) -> WitnessKey:
        return WitnessKey(self.name, public_of(self.secret))

    def cosign(self, checkpoint: Checkpoint, time_s: int) -> Signature:
        """The cosignature made at `time_s`, in seconds since 1970. Consistency is for the caller to have checked."""
        signed = Ed25519PrivateKey.from_private_bytes(self.secret).sign(_message(checkpoint.text, time_s))
        return Signature(self.name, self.verifier.id, time_s.to_bytes(TIME_BYTES, "big") + signed)


def cosigned_at(cosignature: Signature) -> int:
    """When it was made, in seconds since 1970, as the witness says. Raises `Malformed` for other signatures."""
    return _time_of(cosignature.raw)


def _time_of(signature: bytes) -> int:
    if len(signature) != TIME_BYTES + SIGNATURE_BYTES:
        raise Malformed("cosignature_invalid", "a cosignature is a time of 8 bytes and a signature of 64")
    return int.from_bytes(signature[:TIME_BYTES], "big")


def _message(text: str, time_s: int) -> bytes:
    if not 0 <= time_s <= MAX_TIME_S:
        raise Malformed("cosignature_time", "a time is between 0 and 2^63−1 seconds")
    Checkpoint.parse(text)
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
