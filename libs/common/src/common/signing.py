"""People's signatures: Ed25519 (RFC 8032) over the canonical bytes of a decision.

The private key is the person's own and stays with their client; services hold public keys only.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from common.canonical import canonical
from common.errors import Refused
from common.events.approver import Decision


def new_key() -> str:
    """A new private key: the 32 raw bytes in base64."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_of(private: str) -> str:
    """The public key of a private one, both as base64 of the 32 raw bytes."""
    return base64.b64encode(_private(private).public_key().public_bytes_raw()).decode()


def sign_bytes(message: bytes, private: str) -> str:
    """The signature of `message`, as base64."""
    return base64.b64encode(_private(private).sign(message)).decode()


def verify_bytes(message: bytes, signature: str, public: str) -> bool:
    """Whether `signature` (base64) is the key's over `message`. Anything that can't be read is not."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def sign(decision: Decision, private: str) -> str:
    """The event attribute `signature`: `<person>:<base64>`."""
    return f"{decision.person}:{sign_bytes(canonical(decision.statement()), private)}"


def check_signature(decision: Decision, signature: str | None, public: str) -> None:
    """Raise `Refused` (`signature_missing`, `signature_invalid`) unless the person signed exactly this decision."""
    if not isinstance(signature, str) or not signature:  # what a hostile writer stored may be of any type
        raise Refused(
            "signature_missing",
            "the decision is not signed",
            "sign it with your own key: trueup login enrols it, trueup confirm/approve/release use it",
        )
    person, _, encoded = signature.partition(":")
    if person != decision.person or not verify_bytes(canonical(decision.statement()), encoded, public):
        raise Refused(
            "signature_invalid",
            f"the signature is not {decision.person}'s over this decision",
            "sign the decision again with the key that the directory holds for you",
        )


def _private(private: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
