"""in-toto Statement v1 in a DSSE envelope, signed with Ed25519: which bytes belong together, and who says so.

The envelope and what is in it are canonical JSON, so that no byte of them can differ unnoticed. The signer's public
key stands in the predicate (`signer`); whose key that is has to be known from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from transparency.canonical import encode, parse
from transparency.errors import Malformed, Unverified
from transparency.notes import public_of, verify_ed25519
from transparency.text import decode_base64, encode_base64

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:trueup:case-bundle:v1"


@dataclass(frozen=True)
class Signer:
    """A service's public key (32 bytes), named as signatures of events name it."""

    service: str
    public: bytes

    @property
    def id(self) -> str:
        return f"service:{self.service}/{sha256(self.public).hexdigest()[:16]}"


@dataclass(frozen=True)
class Statement:
    """What was signed: the SHA-256 (hex) of each subject, and the predicate with everything but the signer."""

    subjects: Mapping[str, str]
    predicate: Mapping[str, Any]
    signer: Signer


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """The subjects that these files are."""
    return {name: sha256(content).hexdigest() for name, content in files.items()}


def sign(subjects: Mapping[str, str], predicate: Mapping[str, Any], service: str, secret: bytes) -> bytes:
    """The envelope of a statement, signed with the service's private key (32 bytes)."""
    signer = Signer(service, public_of(secret))
    payload = encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": known}} for name, known in sorted(subjects.items())],
            "predicateType": PREDICATE_TYPE,
            "predicate": {**predicate, "signer": {"service": service, "key": encode_base64(signer.public)}},
        }
    )
    signature = Ed25519PrivateKey.from_private_bytes(secret).sign(preauthenticated(payload))
    signatures = [{"keyid": signer.id, "sig": encode_base64(signature)}]
    return encode({"payload": encode_base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures})


def opened(raw: bytes) -> Statement:
    """The statement in an envelope, whose one signature is by the key it names. Raises `Malformed`, `Unverified`."""
    try:
        return _opened(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed("statement_invalid", f"this is no statement of a bundle: {type(error).__name__}") from error


def _opened(raw: bytes) -> Statement:
    envelope = parse(raw, "the envelope")
    payload = decode_base64(envelope["payload"], "payload")
    if set(envelope) != {"payload", "payloadType", "signatures"} or envelope["payloadType"] != PAYLOAD_TYPE:
        raise Malformed("statement_invalid", f"this is no DSSE envelope of {PAYLOAD_TYPE}")
    content = parse(payload, "the statement")
    if (content["_type"], content["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise Malformed("statement_invalid", f"this is no in-toto Statement v1 about a {PREDICATE_TYPE}")
    predicate = dict(content["predicate"])
    named = predicate.pop("signer")
    signer = Signer(str(named["service"]), decode_base64(named["key"], "signer's key"))
    (signature,) = envelope["signatures"]
    if set(signature) != {"keyid", "sig"} or signature["keyid"] != signer.id:
        raise Unverified("statement_signer", "the signature is not by the key that the statement names")
    if not verify_ed25519(signer.public, decode_base64(signature["sig"], "signature"), preauthenticated(payload)):
        raise Unverified("signature_invalid", f"the signature by {signer.id} is not over this statement")
    subjects = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in content["subject"]}
    if len(subjects) != len(content["subject"]):
        raise Malformed("statement_invalid", "two subjects have the same name")
    return Statement(subjects, predicate, signer)


def preauthenticated(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
