"""Who is asking: the short-lived bearer tokens of the development issuer, and the check that every API shares.

The approver issues them after a person has signed a login with their own key; approver and auditor check them with
the same secret of the realm. A token only says who is asking: what somebody decides is signed by themselves.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey

from common.canonical import canonical
from common.clock import parse_instant, wall_now
from common.directory import Directory, Person
from common.errors import Permanent, Refused
from common.signing import verify_bytes

TOKEN_LIFETIME = timedelta(hours=12)
LOGIN_WINDOW = timedelta(minutes=5)
LEAST_SECRET_BYTES = 32
_LOGIN = "Sign in again: trueup login."


def read_secret(path: Path) -> bytes:
    """The issuer's secret in the file `path`. Raises `Permanent` (`issuer_key_missing`, `issuer_key_weak`)."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise Permanent("issuer_key_missing", f"the issuer's secret can't be read: {error}") from error
    if len(secret) < LEAST_SECRET_BYTES:
        raise Permanent("issuer_key_weak", f"{path} holds {len(secret)} bytes, fewer than {LEAST_SECRET_BYTES}")
    return secret


def login_statement(realm: str, person: str, made_at: str, nonce: str) -> bytes:
    """The bytes a person signs to sign in to `realm`. `made_at` is their own wall clock."""
    return canonical({"trueup": "login/v1", "realm": realm, "person": person, "made_at": made_at, "nonce": nonce})


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and checks the tokens of one realm: HS256, `sub` is the person, `aud` the realm."""

    secret: bytes
    realm: str

    def issue(self, person: str, now: datetime) -> tuple[str, datetime]:
        """A token for `person` that counts from `now` (wall clock) until the instant returned beside it."""
        until = now + TOKEN_LIFETIME
        claims: dict[str, Any] = {
            "iss": "trueup",
            "aud": self.realm,
            "sub": person,
            "iat": int(now.timestamp()),
            "exp": int(until.timestamp()),
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.secret)), until

    def person(self, token: str, now: datetime) -> str:
        """The id of the person that `token` names. Raises `Refused` (`token_invalid`, `token_expired`)."""
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            iss={"essential": True, "value": "trueup"},
            aud={"essential": True, "value": self.realm},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, OctKey.import_key(self.secret), algorithms=["HS256"]).claims
            rules.validate(claims)
        except ExpiredTokenError as error:
            raise Refused("token_expired", "your sign-in has expired", _LOGIN) from error
        except (JoseError, ValueError, TypeError) as error:
            raise Refused("token_invalid", f"the token is not one of realm {self.realm}", _LOGIN) from error
        return str(claims["sub"])


class Logins:
    """Checks signed logins. Each may be used once: nonces are remembered while their login could still count."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}

    def check(self, person: Person, realm: str, made_at: str, nonce: str, signature: str, now: datetime) -> None:
        """Raise `Refused` unless `person` signed this login to `realm` just now, and for the first time.

        `now` is the wall clock. Codes: `malformed_request`, `login_too_old`,
        `signature_invalid`, `login_replayed`.
        """
        try:
            age = abs(now - parse_instant(made_at))
        except ValueError as error:
            raise Refused("malformed_request", f"made_at is {made_at!r}, not an instant with a zone") from error
        if age > LOGIN_WINDOW:
            raise Refused("login_too_old", f"the login was made at {made_at}", "Check your computer's clock.")
        if not verify_bytes(login_statement(realm, person.id, made_at, nonce), signature, person.key):
            raise Refused(
                "signature_invalid",
                f"the signature is not {person.id}'s",
                "Sign in with the key that the directory holds for you: trueup login --key FILE.",
            )
        # Checked after the signature, so that strangers can't fill the memory.
        self._seen = {known: until for known, until in self._seen.items() if until > now}
        if nonce in self._seen:
            raise Refused("login_replayed", "this login was used before", _LOGIN)
        self._seen[nonce] = now + 2 * LOGIN_WINDOW


class Bearer:
    """A FastAPI dependency: the person who is asking.

    Raises `Refused`: `token_missing`, `token_invalid`, `token_expired`, or the directory's `person_left` for somebody
    who has left since (`person_unknown` for who never was there). A coroutine, since FastAPI would hand anything
    else to a thread, at every request.
    """

    def __init__(
        self, tokens: Tokens, directory: Callable[[], Directory], now: Callable[[], datetime] = wall_now
    ) -> None:
        self._tokens = tokens
        self._directory = directory
        self._now = now

    async def __call__(
        self, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
    ) -> Person:
        if credentials is None:
            raise Refused("token_missing", "nobody is signed in", "Sign in first: trueup login.")
        return self._directory().person(self._tokens.person(credentials.credentials, self._now()))
