"""The services' own signatures: Ed25519 (RFC 8032) over an event's canonical bytes without its `signature`.

A database role lets a process write as a service; the key, which is not in the database, shows that the service did.
The private key is in a file that its service alone can read. Who verifies holds the public keys in a file deployed
beside it, each with the time for which it counts: whoever can write the ledger can't make a key count.

    signature: service:<name>/<first 16 hex digits of the public key's SHA-256>:<base64>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from common.canonical import parse_strict
from common.clock import instant, parse_instant
from common.errors import Permanent, Refused
from common.events.envelope import Event
from common.settings import SigningSettings
from common.watching import Watched

SIGNERS = ("planner", "approver", "executor", "auditor")
"""The services that have a key. What observer and differ write is checked by deciding it again (decisions/0011)."""
MAX_BYTES = 1024 * 1024
_SIGNATURE = re.compile(r"service:([a-z]+)/([0-9a-f]{16}):([A-Za-z0-9+/]{86}==)")


def key_id(public: str) -> str:
    """How a signature names its key. Raises ValueError for what is not base64."""
    return hashlib.sha256(base64.b64decode(public, validate=True)).hexdigest()[:16]


def _instant(text: str) -> str:
    parse_instant(text)
    return text


@lru_cache(maxsize=256)
def _public_key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))


def _public(text: str) -> str:
    _public_key(text)
    return text


class TrustedKey(BaseModel):
    """A public key (base64 of the 32 raw bytes) that counts for `service` from `since` until before `until`,
    RFC 3339; None: until further notice. What counts is the `time` of the signed event."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str = Field(pattern="^(" + "|".join(SIGNERS) + ")$")
    key: Annotated[str, AfterValidator(_public)]
    since: Annotated[str, AfterValidator(_instant)]
    until: Annotated[str, AfterValidator(_instant)] | None = None

    @property
    def id(self) -> str:
        return key_id(self.key)

    def counts(self, time: datetime) -> bool:
        """Whether it counts for an event of that time."""
        return parse_instant(self.since) <= time and (self.until is None or time < parse_instant(self.until))


class ServiceKeysFile(BaseModel):
    """The trust file's shape."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    realm: str
    keys: tuple[TrustedKey, ...]


@dataclass(frozen=True)
class ServiceKeys:
    """The keys that are trusted, by id."""

    realm: str
    keys: Mapping[str, TrustedKey]

    @classmethod
    def of(cls, realm: str, keys: Iterable[TrustedKey]) -> ServiceKeys:
        """Raises `Permanent` (`service_keys_shared`) when a key stands there twice: it may speak for one service."""
        listed = list(keys)
        by_id = {key.id: key for key in listed}
        if len(by_id) != len(listed):
            raise Permanent("service_keys_shared", "one key is listed twice; each service has keys of its own")
        return cls(realm, by_id)

    @classmethod
    def read(cls, path: Path) -> ServiceKeys:
        """The keys in the JSON file `path`. Raises `Permanent`, OSError or pydantic's ValidationError."""
        content = ServiceKeysFile.model_validate(parse_strict(path.read_bytes(), MAX_BYTES))
        return cls.of(content.realm, content.keys)

    def used_by(self, events: Iterable[Event]) -> list[TrustedKey]:
        """The keys that these events are signed with, as far as they are trusted, by service and time."""
        ids = {match[2] for event in events if (match := _parsed(event))}
        return sorted((self.keys[one] for one in ids & set(self.keys)), key=lambda key: (key.service, key.since))


class WatchedServiceKeys(Watched[ServiceKeys]):
    """The trusted keys of `realm`, as the file has them now. Raises `Permanent` (`service_keys_missing`,
    `wrong_realm`)."""

    def __init__(self, path: Path, realm: str) -> None:
        def read(path: Path) -> ServiceKeys:
            keys = ServiceKeys.read(path)
            if keys.realm != realm:
                raise Permanent("wrong_realm", f"{path} is of realm {keys.realm}, not {realm}")
            return keys

        super().__init__(path, read, "the file of the services' keys", "service_keys_missing")


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """The private key of one service."""

    service: str
    id: str
    public: str
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, service: str, private: str) -> ServiceKey:
        """From the base64 of the 32 raw bytes (`signing.new_key`). Raises ValueError for anything else."""
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        return cls(service, key_id(public), public, key)

    @classmethod
    def read(cls, service: str, path: Path) -> ServiceKey:
        """From a file that no others can read. Raises `Permanent` (`signing_key_missing`, `signing_key_exposed`,
        `signing_key_malformed`)."""
        try:
            mode, text = path.stat().st_mode, path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Permanent("signing_key_missing", f"the key of the {service} can't be read: {error}") from error
        if mode & stat.S_IRWXO:
            raise Permanent("signing_key_exposed", f"others may read {path}: chmod 600 it, and rotate the key")
        try:
            return cls.of(service, text)
        except ValueError as error:
            raise Permanent("signing_key_malformed", f"{path} is not the base64 of 32 bytes") from error

    @property
    def secret(self) -> bytes:
        """The 32 raw bytes, for what signs in another format than events do."""
        return self._private.private_bytes_raw()

    def signed(self, event: Event, version: int) -> Event:
        """The event as it is to be appended: with its stream version, and this key's signature over all of it.

        Raises ValueError for another service's event or one that somebody has signed already.
        """
        if event.source != self.service or event.signature is not None:
            raise ValueError(f"{event.id} is not for the {self.service} to sign")
        final = replace(event, streamversion=version)
        encoded = base64.b64encode(self._private.sign(final.encode())).decode()
        return replace(final, signature=f"service:{self.service}/{self.id}:{encoded}")


def check_service_signature(event: Event, keys: ServiceKeys) -> None:
    """Raise `Refused` unless the service that writes such events signed exactly this one, with a key that counts.

    Codes: `service_signature_missing`, `service_signature_foreign` (another service's name or key),
    `service_key_unknown`, `service_signature_invalid`, `service_key_expired` (not trusted for the event's `time`).
    """
    told = f"{event.type} {event.id}"
    match = _parsed(event)
    if match is None:
        raise _refused("service_signature_missing", f"{told} is not signed by the {event.source}")
    name, known = match[1], keys.keys.get(match[2])
    if name != event.source or (known is not None and known.service != event.source):
        signer = name if known is None else known.service
        raise _refused("service_signature_foreign", f"{told} is the {event.source}'s to sign, the {signer} did")
    if known is None:
        raise _refused("service_key_unknown", f"{told} is signed with the key {match[2]}, which is not trusted here")
    if not _verifies(event, match[3], known.key):
        raise _refused("service_signature_invalid", f"the signature of {told} is not the {event.source}'s over it")
    if not _in_time(event, known):
        raise _refused(
            "service_key_expired",
            f"{told} is of {event.time}; its key {known.id} counts from {known.since} until {known.until}",
        )


def _parsed(event: Event) -> re.Match[str] | None:
    signature: object = event.signature  # what a hostile writer stored may be of any type
    return _SIGNATURE.fullmatch(signature) if isinstance(signature, str) else None


def _verifies(event: Event, encoded: str, public: str) -> bool:
    try:
        signature = base64.b64decode(encoded, validate=True)
        if base64.b64encode(signature).decode() != encoded:  # spare bits: two texts for one signature
            return False
        _public_key(public).verify(signature, replace(event, signature=None).encode())
    except (InvalidSignature, Permanent, ValueError, binascii.Error):
        return False
    return True


def _in_time(event: Event, key: TrustedKey) -> bool:
    try:
        return key.counts(parse_instant(event.time))
    except (TypeError, ValueError):
        return False


def _refused(code: str, message: str) -> Refused:
    return Refused(code, message, "compare the service's key with the trust file: trueup keys list")


@dataclass(frozen=True, slots=True)
class Signing:
    """What a service signs with and whom it believes, both as the files are now."""

    key: Callable[[], ServiceKey]
    keys: Callable[[], ServiceKeys]


def signing_of(service: str, settings: SigningSettings, now: datetime) -> Signing:
    """The service's signing, from the files in its environment; a rotated key is picked up with the next event.

    Raises `Permanent`: `setting_missing`, what reading raises, and `signing_key_untrusted` when nobody would believe
    the service at `now`.
    """
    if settings.signing_key is None or settings.service_keys is None:
        lacking = "TRUEUP_SIGNING_KEY" if settings.signing_key is None else "TRUEUP_SERVICE_KEYS"
        raise Permanent("setting_missing", f"{lacking} is not set: the {service} signs what it appends")
    key = Watched(
        settings.signing_key,
        lambda path: ServiceKey.read(service, path),
        f"the key of the {service}",
        "signing_key_missing",
    )
    keys = WatchedServiceKeys(settings.service_keys, settings.realm)
    trusted = keys().keys.get(key().id)
    if trusted is None or trusted.service != service or not trusted.counts(now):
        raise Permanent(
            "signing_key_untrusted",
            f"{settings.service_keys} has no key {key().id} of the {service} that counts at {instant(now)}: "
            f"nobody would believe it. Enter it there, or make a new one: trueup keys rotate {service}",
        )
    return Signing(key, keys)
