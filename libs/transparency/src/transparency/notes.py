"""C2SP signed-note: a text, a blank line, and signature lines by named keys.

A key is known by its name and a 32-bit id, a hash of name, signature type and public key. Signatures by unknown keys
are ignored; a signature by a known key that does not verify spoils the note. Keys are written `name+id+base64`,
private ones `PRIVATE+KEY+name+id+base64`, as Go's checksum database does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from transparency.errors import Malformed, Unverified
from transparency.text import decode_base64, decode_utf8, encode_base64

ED25519 = 0x01
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
MAX_KEY_CHARACTERS = 4_096
KEY_BYTES = 32

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")
_PRIVATE = "PRIVATE+KEY+"


def check_name(name: str) -> str:
    """`name`, or `Malformed` when it can't be the name of a key: it is empty, or holds a space or a plus."""
    if not name or "+" in name or any(c.isspace() for c in name) or _CONTROL.search(name):
        raise Malformed("key_name_invalid", "a key's name is not empty and holds no space, plus or control character")
    return name


def key_id(name: str, kind: int, public: bytes) -> int:
    """The id of a key: the first 32 bits of a hash over its name, signature type and public key."""
    return int.from_bytes(sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4], "big")


@dataclass(frozen=True)
class Signature:
    """One signature line: `raw` is what follows the key's id."""

    name: str
    key_id: int
    raw: bytes

    @property
    def line(self) -> str:
        return f"— {self.name} {encode_base64(self.key_id.to_bytes(4, 'big') + self.raw)}\n"


class Verifier(Protocol):
    """A key that is trusted to sign."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature` (without the id) is this key's over the note's text."""
        ...


class Signer(Protocol):
    """A key that signs notes."""

    def sign(self, text: str) -> Signature: ...


@dataclass(frozen=True)
class VerifierKey:
    """A public Ed25519 key that signs note texts as they are (signature type 0x01)."""

    name: str
    public: bytes
    id: int = field(init=False)

    def __post_init__(self) -> None:
        check_public(self.name, self.public)
        object.__setattr__(self, "id", key_id(self.name, ED25519, self.public))

    @classmethod
    def parse(cls, written: str) -> VerifierKey:
        return cls(*parse_key(written, ED25519))

    def encode(self) -> str:
        return encode_key(self.name, self.id, ED25519, self.public)

    def verifies(self, text: str, signature: bytes) -> bool:
        return verify_ed25519(self.public, signature, text.encode())


@dataclass(frozen=True)
class SigningKey:
    """A private Ed25519 key that signs note texts as they are. Its `repr` does not tell the secret."""

    name: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_public(self.name, self.secret)

    @classmethod
    def generate(cls, name: str) -> SigningKey:
        """A new key, from the operating system's randomness."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, written: str) -> SigningKey:
        """The key that `encode` wrote."""
        name, secret = parse_secret(written, ED25519)
        return cls(name, secret)

    def encode(self) -> str:
        """For a file that only its owner reads."""
        return encode_secret(self.name, self.verifier.id, ED25519, self.secret)

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, public_of(self.secret))

    def sign(self, text: str) -> Signature:
        key = Ed25519PrivateKey.from_private_bytes(self.secret)
        return Signature(self.name, self.verifier.id, key.sign(text.encode()))


@dataclass(frozen=True)
class Note:
    """A text with signatures that nobody has verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Note:
        """The note in `raw`. Raises `Malformed`."""
        whole = decode_utf8(raw, MAX_NOTE_BYTES, "note")
        text, blank, lines = whole.rpartition("\n\n")
        if not blank:
            raise Malformed("note_invalid", "the note has no blank line before its signatures")
        return cls(check_text(text + "\n"), parse_signatures(lines))

    def encode(self) -> bytes:
        return (check_text(self.text) + "\n" + "".join(signature.line for signature in self.signatures)).encode()

    def signed_also(self, signatures: Iterable[Signature]) -> Note:
        """The note with these signatures added, each in place of one by the same key."""
        added = {(signature.name, signature.key_id): signature for signature in signatures}
        kept = [mine for mine in self.signatures if (mine.name, mine.key_id) not in added]
        return Note(self.text, (*kept, *added.values()))


def sign(text: str, *signers: Signer) -> bytes:
    """The bytes of a note with this text, which ends in a newline, signed by each."""
    return Note(check_text(text), tuple(signer.sign(text) for signer in signers)).encode()


def verified(note: Note, known: Iterable[Verifier]) -> tuple[Signature, ...]:
    """The signatures by known keys, one a key; all of them verify.

    Raises `Unverified` when none is by a known key, or when one by a known key does not verify.
    """
    keys: dict[tuple[str, int], Verifier] = {}
    for key in known:
        if keys.setdefault((key.name, key.id), key) != key:
            raise Malformed("keys_ambiguous", f"two keys are called {key.name} and have the id {key.id:08x}")
    found: dict[tuple[str, int], Signature] = {}
    for signature in note.signatures:
        named = (signature.name, signature.key_id)
        if (key_of := keys.get(named)) is None or named in found:
            continue
        if not key_of.verifies(note.text, signature.raw):
            raise Unverified("signature_invalid", f"the signature by {signature.name} is not over this text")
        found[named] = signature
    if not found:
        raise Unverified("no_known_signature", "no key that is known here has signed this note")
    return tuple(found.values())


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """At least one signature line, each ending in a newline; a witness answers with nothing else."""
    *each, rest = lines.split("\n")
    if rest or not each:
        raise Malformed("note_invalid", "the note does not end with signature lines")
    if len(each) > MAX_SIGNATURES:
        raise Malformed("too_many_signatures", f"{len(each)} signatures; at most {MAX_SIGNATURES} are accepted")
    return tuple(_parse_signature(line) for line in each)


def check_text(text: str) -> str:
    """`text`, or `Malformed` when a note can't hold it."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise Malformed("note_invalid", "a note's text ends in a newline and holds no other control character")
    return text


def parse_key(written: str, kind: int) -> tuple[str, bytes]:
    """Name and public key of a verifier key of this signature type. Raises `Malformed`."""
    name, written_id, found, material = _split_key(written)
    if found != kind:
        raise Malformed("key_type_unsupported", f"{name} has signature type {found:#04x}; {kind:#04x} is needed here")
    check_public(name, material)
    if key_id(name, kind, material) != written_id:
        raise Malformed("key_id_wrong", f"the id of {name} does not belong to this name and key")
    return name, material


def encode_key(name: str, id: int, kind: int, public: bytes) -> str:
    return f"{name}+{id:08x}+{encode_base64(bytes([kind]) + public)}"


def parse_secret(written: str, kind: int) -> tuple[str, bytes]:
    """Name and private key. Raises `Malformed`, never telling what was read."""
    if not written.startswith(_PRIVATE):
        raise Malformed("key_invalid", "this is no private key; one begins with PRIVATE+KEY+")
    name, written_id, found, secret = _split_key(written.removeprefix(_PRIVATE))
    if found != kind:
        raise Malformed("key_type_unsupported", f"{name} has signature type {found:#04x}; {kind:#04x} is needed here")
    check_public(name, secret)
    if key_id(name, kind, public_of(secret)) != written_id:
        raise Malformed("key_id_wrong", f"the id of {name} does not belong to this name and key")
    return name, secret


def encode_secret(name: str, id: int, kind: int, secret: bytes) -> str:
    return f"{_PRIVATE}{encode_key(name, id, kind, secret)}"


def public_of(secret: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_public(name: str, material: bytes) -> None:
    """Raise `Malformed` unless these can be a key's name and its 32 bytes."""
    check_name(name)
    if len(material) != KEY_BYTES:
        raise Malformed("key_invalid", f"the key of {name} has {len(material)} bytes, not {KEY_BYTES}")


def _split_key(written: str) -> tuple[str, int, int, bytes]:
    if len(written) > MAX_KEY_CHARACTERS or not (found := _KEY.fullmatch(written)):
        raise Malformed("key_invalid", "a key is written name+id+base64, with an id of eight hexadecimal digits")
    name, written_id, encoded = found.groups()
    material = decode_base64(encoded, "key")
    if not material:
        raise Malformed("key_invalid", "the key is empty")
    return check_name(name), int(written_id, 16), material[0], material[1:]


def _parse_signature(line: str) -> Signature:
    dash, name, encoded = (*line.split(" "), "", "", "")[:3]
    if dash != "—" or line.count(" ") != 2:
        raise Malformed("note_invalid", "a signature line is a dash, a name and base64, with single spaces")
    raw = decode_base64(encoded, "signature")
    if len(raw) < 5:
        raise Malformed("note_invalid", "a signature begins with the key's id, and something follows")
    return Signature(check_name(name), int.from_bytes(raw[:4], "big"), raw[4:])
