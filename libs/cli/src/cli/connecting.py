"""How commands connect to a service."""

from __future__ import annotations

import ssl

import httpx


def trusted(url: str) -> ssl.SSLContext | bool:
    """Whom to trust to be `url`: True is the usual list. Without TLS nobody: the list takes long to read."""
    return httpx.URL(url).scheme != "http" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
