"""HTTP clients of the command line."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx


def client(*, trust_env: bool, **given: Any) -> httpx.Client:
    """An `httpx.Client`. All of a process share what they trust: reading the certificates takes as long as a dozen
    requests, and a demo makes a hundred clients."""
    return httpx.Client(verify=_trusted(trust_env), trust_env=trust_env, **given)


@cache
def _trusted(trust_env: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)
