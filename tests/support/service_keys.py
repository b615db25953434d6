"""The services' own keys in tests: made once, the same for every realm, trusted from long ago."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from common import signing
from common.events import SIGNED, Event
from common.service_keys import SIGNERS, ServiceKey, ServiceKeys, Signing, TrustedKey

SINCE = "2020-01-01T00:00:00Z"


@cache
def private_keys() -> Mapping[str, str]:
    return {service: signing.new_key() for service in SIGNERS}


@cache
def key(service: str) -> ServiceKey:
    return ServiceKey.of(service, private_keys()[service])


@cache
def trusted(realm: str = "demo") -> ServiceKeys:
    return ServiceKeys.of(realm, [TrustedKey(service=name, key=key(name).public, since=SINCE) for name in SIGNERS])


def signing_of(service: str, realm: str = "demo") -> Signing:
    """What the service is composed with."""
    return Signing(lambda: key(service), lambda: trusted(realm))


def numbered(event: Event, version: int) -> Event:
    """The event with this stream version, signed (again) where its service signs it; a signature that is not the
    service's own is left as it is."""
    final = replace(event, streamversion=version)
    if event.type not in SIGNED or not (event.signature is None or _own(event)):
        return final
    return key(event.source).signed(replace(final, signature=None), version)


def _own(event: Event) -> bool:
    return (event.signature or "").startswith(f"service:{event.source}/{key(event.source).id}:")


def write(folder: Path, service: str, realm: str) -> dict[str, Any]:
    """The service's two files, and the settings that name them."""
    trust, own = folder / "service-keys.json", folder / f"signing-{service}.key"
    keys = [one.model_dump(mode="json") for one in trusted().keys.values()]
    trust.write_text(json.dumps({"realm": realm, "keys": keys}))
    own.touch(mode=0o600)
    own.write_text(private_keys()[service])
    return {"signing_key": own, "service_keys": trust}
