"""The simulated people of a scenario: a directory, and a key of their own for each, as real people would have."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.signing import new_key, public_of

from cli.stack.development import provide_addresses, provide_log


@dataclass(frozen=True, slots=True)
class Member:
    """One simulated person and the roles they hold."""

    id: str
    name: str
    roles: tuple[str, ...]


def enrol(cast: Sequence[Member], realm: str, config: Path, keys: Path) -> dict[str, Path]:
    """Write the realm's directory and one private key a person (0600). Answers the key files by person.

    Keys that exist are kept, so that a second run of the same folder knows the same people.
    """
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths = {member.id: keys / f"{member.id}.key" for member in cast}
    people = []
    for member in cast:
        path = paths[member.id]
        if not path.exists():
            _write_secret(path, new_key())
        people.append(
            {
                "id": member.id,
                "name": member.name,
                "roles": list(member.roles),
                "key": public_of(path.read_text().strip()),
                "simulated": True,
            }
        )
    content = {"realm": realm, "people": people, "agents": ["playbook", *_SERVICES]}
    (config / "directory.json").write_text(json.dumps(content, indent=1) + "\n")
    return paths


_SERVICES = ("observer", "differ", "planner", "approver", "executor", "auditor")


def feed_tokens(config: Path, feeds: Sequence[str]) -> dict[str, str]:
    """A bearer token for each feed; the observer is told their SHA-256 only."""
    tokens = {feed: secrets.token_urlsafe(24) for feed in feeds}
    digests = {feed: hashlib.sha256(token.encode()).hexdigest() for feed, token in tokens.items()}
    (config / "feeds.json").write_text(json.dumps(digests, indent=1) + "\n")
    return tokens


def secrets_of(config: Path, realm: str) -> None:
    """The development issuer's secret, the transparency log's key and policy, empty files of addresses; made once."""
    provide_log(config, realm)
    provide_addresses(config)
    path = config / "issuer.key"
    if not path.exists():
        _write_secret(path, secrets.token_urlsafe(48))


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n")
