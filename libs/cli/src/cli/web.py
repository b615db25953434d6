"""HTTP clients of the command line."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx


def client(*, trust_env: bool, base_url: str = "", **given: Any) -> httpx.Client:
    """An `httpx.Client`. All of a process share what they trust: reading the certificates takes as long as a dozen
    requests, and a demo makes a hundred clients. Who only speaks without TLS reads none, and trusts nobody."""
    trusted = _NOBODY if base_url.startswith("http://") else _trusted(trust_env)
    return httpx.Client(verify=trusted, trust_env=trust_env, base_url=base_url, **given)


_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _trusted(trust_env: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)
