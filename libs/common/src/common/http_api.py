"""What every HTTP API of the product does alike: bounded bodies, and errors that say what to do.

An error is `{reason_code, message, what_to_do}`. The reason code is stable; the status follows from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from common.errors import Permanent, Refused, Transient

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 30
_LOG = logging.getLogger(__name__)

_UNAUTHENTICATED = {"token_missing", "token_invalid", "token_expired", "login_too_old", "login_replayed"}
_FORBIDDEN = {
    "agent_identity",
    "person_unknown",
    "person_left",
    "role_not_held",
    "role_not_needed",
    "not_apart",
    "author_decides",
    "signature_missing",
    "signature_invalid",
    "wrong_realm",
    "wrong_person",
}
_NOT_FOUND = {"case_unknown", "proposal_unknown", "event_unknown", "not_found"}
_CORRECT = "Correct the request; sending it again changes nothing."
_ADVICE = {
    "case_unreadable": "The ledger holds an event that can't be read. Its operator runs: trueup ledger fsck",
    "sealed_event_changed": "The ledger was changed. Its operator runs: trueup ledger fsck",
}
_UNPROCESSABLE = {"invalid_declaration", "malformed_request", "malformed_json", "duplicate_key", "not_utf8"}


def status_of(reason_code: str) -> int:
    """The HTTP status of a refusal. What is not listed is a conflict with how things stand now: 409."""
    if reason_code in _UNAUTHENTICATED:
        return 401
    if reason_code in _FORBIDDEN:
        return 403
    if reason_code in _NOT_FOUND:
        return 404
    if reason_code in _UNPROCESSABLE:
        return 422
    return 413 if reason_code == "oversized" else 409


def answer(status: int, reason_code: str, message: str, what_to_do: str = "") -> Response:
    body = {"reason_code": reason_code, "message": message, "what_to_do": what_to_do}
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(orjson.dumps(body), status, headers, "application/json")


def harden(app: FastAPI, max_body_bytes: int) -> None:
    """Give `app` the error answers and the bound on bodies."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Permanent, _permanent)
    app.add_exception_handler(Transient, _transient)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(asyncpg.DataError, _unfit)
    app.add_exception_handler(asyncpg.InterfaceError, _unfit_or_unforeseen)
    for away in (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
        app.add_exception_handler(away, _away)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_middleware(BoundedBody, max_bytes=max_body_bytes)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    _LOG.info("refused %s %s: %s", request.method, request.url.path, error)
    return answer(status_of(error.reason_code), error.reason_code, error.message, error.what_to_do)


async def _permanent(request: Request, error: Exception) -> Response:
    assert isinstance(error, Permanent)
    _LOG.info("bad request %s %s: %s", request.method, request.url.path, error)
    status = 413 if error.reason_code == "oversized" else 422
    return answer(status, error.reason_code, error.message, _ADVICE.get(error.reason_code, _CORRECT))


async def _transient(request: Request, error: Exception) -> Response:
    assert isinstance(error, Transient)
    _LOG.warning("not now %s %s: %s", request.method, request.url.path, error)
    return answer(503, error.reason_code, error.message, "Try again in a moment.")


async def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return answer(422, "malformed_request", f"{where}: {first['msg']}", "See /docs for what is expected here.")


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {400: "malformed_request", 404: "not_found", 405: "method_not_allowed"}.get(
        error.status_code, "http_error"
    )
    return answer(error.status_code, code, str(error.detail), "See /docs for what there is.")


async def _unfit(request: Request, error: Exception) -> Response:
    """A value that no query can hold: U+0000 in a text, a number beyond 64 bits."""
    _LOG.info("bad request %s %s: %s", request.method, request.url.path, error)
    return answer(422, "malformed_request", "a value is not one that can be looked for", "See /docs.")


async def _unfit_or_unforeseen(request: Request, error: Exception) -> Response:
    """The driver's own errors: of the value (it is a ValueError too), or of the connection."""
    if isinstance(error, ValueError):
        return await _unfit(request, error)
    return await _away(request, error)


async def _away(request: Request, error: Exception) -> Response:
    _LOG.warning("not now %s %s: %s", request.method, request.url.path, error)
    return answer(503, "database_unavailable", "the database does not answer", "Try again in a moment.")


async def _unforeseen(_request: Request, _error: Exception) -> Response:
    """A fault of ours. The server logs it with its traceback; the client gets a reason code all the same."""
    return answer(500, "internal_error", "the service failed in a way that nobody foresaw", "Tell its operator.")


class BoundedBody:
    """Reads the whole body before the application sees it: at most `max_bytes`, within `BODY_SECONDS`."""

    def __init__(self, app: App, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(receive)
        except TimeoutError:
            refusal = answer(408, "too_slow", f"the body did not arrive within {BODY_SECONDS} s", "Send it again.")
            await refusal(scope, receive, send)
            return
        if body is None:
            message = f"the body is larger than {self._max_bytes} bytes"
            await answer(413, "oversized", message, "Send less at a time.")(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The body; None when it is too large. A client that goes away leaves what has arrived."""
        chunks, size = [], 0
        while True:
            message = await receive()
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                return None
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
