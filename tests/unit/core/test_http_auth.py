"""Bearer tokens: issued after a signed login, checked alike by every API."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from common import signing
from common.clock import instant
from common.directory import Directory, Person
from common.errors import Permanent, Refused
from common.http_auth import TOKEN_LIFETIME, Bearer, Logins, Tokens, login_statement, read_secret
from fastapi.security import HTTPAuthorizationCredentials
from joserfc import jwt
from joserfc.jwk import OctKey

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
SECRET = secrets.token_bytes(32)
TOKENS = Tokens(SECRET, "demo")
KEY = signing.new_key()
ANN = Person(id="ann", name="Ann", roles=("risk",), key=signing.public_of(KEY))


def test_a_token_names_its_person_until_it_expires() -> None:
    token, until = TOKENS.issue("ann", NOW)
    assert until == NOW + TOKEN_LIFETIME
    assert TOKENS.person(token, until - timedelta(seconds=1)) == "ann"
    with pytest.raises(Refused, match="token_expired"):
        TOKENS.person(token, until + timedelta(seconds=1))


def forged(header: dict[str, str], key: bytes = SECRET, **changes: object) -> str:
    claims = {"iss": "trueup", "aud": "demo", "sub": "ann", "exp": int(NOW.timestamp()) + 60, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header, claims, OctKey.import_key(key))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a.b.c",
        forged({"alg": "HS256"}, secrets.token_bytes(32)),
        forged({"alg": "HS256"}, aud="production"),
        forged({"alg": "HS256"}, iss="somebody"),
        forged({"alg": "HS256"}, exp=None),
        forged({"alg": "HS256"}, sub=None),
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ0cnVldXAiLCJhdWQiOiJkZW1vIiwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwfQ.",
    ],
)
def test_a_token_of_anybody_else_is_refused(token: str) -> None:
    with pytest.raises(Refused, match="token_invalid"):
        TOKENS.person(token, NOW)


async def test_who_has_left_the_directory_is_refused_though_the_token_is_good() -> None:
    people = {"demo": Directory.of("demo", [ANN])}
    bearer = Bearer(TOKENS, lambda: people["demo"], lambda: NOW)
    given = HTTPAuthorizationCredentials(scheme="Bearer", credentials=TOKENS.issue("ann", NOW)[0])
    assert (await bearer(given)).id == "ann"
    people["demo"] = Directory.of("demo", [])
    with pytest.raises(Refused, match="person_unknown"):
        await bearer(given)
    with pytest.raises(Refused, match="token_missing"):
        await bearer(None)


def login(
    logins: Logins, made_at: datetime = NOW, nonce: str = "n" * 16, key: str = KEY, realm: str = "demo"
) -> None:
    signature = signing.sign_bytes(login_statement(realm, "ann", instant(made_at), nonce), key)
    logins.check(ANN, "demo", instant(made_at), nonce, signature, NOW)


def test_a_login_counts_once() -> None:
    logins = Logins()
    login(logins)
    with pytest.raises(Refused, match="login_replayed"):
        login(logins)
    login(logins, nonce="m" * 16)


def test_a_login_signed_by_another_key_or_for_another_realm_is_refused() -> None:
    with pytest.raises(Refused, match="signature_invalid"):
        login(Logins(), key=signing.new_key())
    with pytest.raises(Refused, match="signature_invalid"):
        login(Logins(), realm="production")


def test_a_login_at_no_time_at_all_is_refused() -> None:
    with pytest.raises(Refused, match="malformed_request"):
        Logins().check(ANN, "demo", "noon", "n" * 16, "", NOW)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_login_of_another_time_is_refused(minutes: int) -> None:
    with pytest.raises(Refused, match="login_too_old"):
        login(Logins(), made_at=NOW + timedelta(minutes=minutes))


def test_the_issuers_secret_must_be_there_and_long_enough(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="issuer_key_missing"):
        read_secret(tmp_path / "none")
    (tmp_path / "short").write_text("secret")
    with pytest.raises(Permanent, match="issuer_key_weak"):
        read_secret(tmp_path / "short")
    (tmp_path / "good").write_bytes(b"x" * 40 + b"\n")
    assert read_secret(tmp_path / "good") == b"x" * 40
