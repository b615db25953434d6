"""The services' own keys in a configuration folder: a private key each, and the file of those trusted.

    service-keys.json        {"realm": ..., "keys": [{"service", "key", "since", "until"}]}
    signing-<service>.key    the key that the service signs with now, readable by its owner only

A key is rotated in three steps, each of them atomic: the new one is trusted, the service gets it, the old one is
retired. Whoever stops half-way may begin again: at no point does a service sign with a key that is not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from common.canonical import parse_strict
from common.clock import instant, parse_instant
from common.errors import Permanent, Refused
from common.in_words import in_words
from common.service_keys import MAX_BYTES, SIGNERS, ServiceKey, ServiceKeysFile, TrustedKey
from common.signing import new_key, public_of
from pydantic import ValidationError

from cli.stack.secretfiles import write_private

TRUST_FILE = "service-keys.json"
OVERLAP = timedelta(minutes=5)
"""A new key counts from so much before it is made, and an old one until so much after: clocks may differ by as much
as the ledger lets an event's time differ from its own."""


def key_path(config: Path, service: str) -> Path:
    return config / f"signing-{service}.key"


def provide(config: Path, realm: str, now: datetime) -> list[str]:
    """Make what is missing; the services that got a key. Keys that exist are never touched."""
    if not (config / TRUST_FILE).exists():
        write_trust(config, ServiceKeysFile(realm=realm, keys=()))
    missing = [service for service in SIGNERS if not key_path(config, service).exists()]
    for service in missing:
        rotate(config, service, now)
    return missing


def rotate(
    config: Path, service: str, now: datetime, *, at_once: bool = False
) -> tuple[TrustedKey, list[TrustedKey]]:
    """Give the service a new key; the new one, and those that it retires.

    They count until `OVERLAP` from `now`, so that what is on its way still does; with `at_once` until `now`. Events
    signed before stay valid. Raises `Refused` for a folder or a service that has no keys.
    """
    if service not in SIGNERS:
        raise Refused("service_signs_nothing", f"{service} has no key", f"Services with one: {', '.join(SIGNERS)}.")
    trusted = read_trust(config)
    private = new_key()
    new = TrustedKey(service=service, key=public_of(private), since=instant(now - OVERLAP))
    until = instant(now if at_once else now + OVERLAP)
    retired = [_ended(key, until) for key in trusted.keys if key.service == service and key.counts(now)]
    ended = {key.key: key for key in retired}
    write_trust(config, trusted.model_copy(update={"keys": (*trusted.keys, new)}))
    write_private(key_path(config, service), private + "\n")
    kept = tuple(ended.get(key.key, key) for key in trusted.keys)
    write_trust(config, trusted.model_copy(update={"keys": (*kept, new)}))
    return new, retired


def _ended(key: TrustedKey, until: str) -> TrustedKey:
    """The key, retired no later than it was before."""
    return key.model_copy(update={"until": min(filter(None, (key.until, until)), key=parse_instant)})


def signing_now(config: Path) -> set[str]:
    """The ids of the keys that services sign with now, as far as this folder has them."""
    paths: Iterable[tuple[str, Path]] = ((service, key_path(config, service)) for service in SIGNERS)
    return {ServiceKey.read(service, path).id for service, path in paths if path.exists()}


def read_trust(config: Path) -> ServiceKeysFile:
    """Raises `Refused` (`service_keys_missing`, `service_keys_unreadable`)."""
    path = config / TRUST_FILE
    try:
        return ServiceKeysFile.model_validate(parse_strict(path.read_bytes(), MAX_BYTES))
    except OSError as error:
        what = "Start a realm first (trueup up), or make a folder of keys: trueup keys make"
        raise Refused("service_keys_missing", f"{path} can't be read: {error.strerror}", what) from error
    except (ValidationError, Permanent) as error:
        raise Refused("service_keys_unreadable", f"{path}: {in_words(error)}", "Repair it by hand.") from error


def write_trust(config: Path, content: ServiceKeysFile) -> None:
    """Replace the file in one step: a service that reads it meanwhile sees the old one or the new one."""
    path = config / TRUST_FILE
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content.model_dump(mode="json"), indent=1) + "\n", "utf-8")
    temporary.replace(path)
