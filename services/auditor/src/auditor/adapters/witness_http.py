"""HTTP to witnesses, bounded in time and bytes."""

from __future__ import annotations

import asyncio

import httpx
from common.errors import Permanent, Transient
from transparency.witnessing import MAX_ANSWER_BYTES, PATH, TEXT_TYPE

TIMEOUT_S = 5.0


class HttpWitnesses:
    """See `ports.AskWitness`. Redirects are not followed: a policy names the address that is meant. A proxy of the
    environment is used: a witness is outside of the organisation."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False)

    async def post(self, url: str, body: bytes) -> tuple[int, str, bytes]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(f"{url.rstrip('/')}/{PATH}", body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Transient("witness_unreachable", f"{url}: {error or type(error).__name__}") from error

    async def _post(self, url: str, body: bytes) -> tuple[int, str, bytes]:
        headers = {"content-type": TEXT_TYPE, "accept-encoding": "identity"}
        async with self._client.stream("POST", url, content=body, headers=headers) as answer:
            read = b""
            async for part in answer.aiter_raw():
                read += part
                if len(read) > MAX_ANSWER_BYTES:
                    raise Permanent("oversized", f"{url} answered with more than {MAX_ANSWER_BYTES} bytes")
            return answer.status_code, answer.headers.get("content-type", ""), read

    async def close(self) -> None:
        await self._client.aclose()
