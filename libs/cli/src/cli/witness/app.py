"""The witness over HTTP: `POST /add-checkpoint`, and a word about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from common.http_api import harden
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from transparency.cosignatures import CosigningKey
from transparency.errors import Malformed
from transparency.notes import VerifierKey
from transparency.witnessing import MAX_BODY_BYTES, AddCheckpoint, Answer, Head, KnownLog, decide, malformed

from cli.witness.heads import Heads


def application(
    key: CosigningKey, logs: Mapping[str, tuple[VerifierKey, ...]], heads: Heads, clock_s: Callable[[], int]
) -> FastAPI:
    """A witness with this key for these logs. `clock_s`: seconds since 1970, for its cosignatures."""
    app = FastAPI(title="Trueup witness", description="Cosigns checkpoints of the logs that it knows (tlog-witness).")
    harden(app, MAX_BODY_BYTES)

    @app.post("/add-checkpoint", response_class=Response)
    async def add_checkpoint(request: Request) -> Response:
        """Cosign this checkpoint, if it continues the one before it. 409: the proof is from another size."""
        answer = await run_in_threadpool(answer_to, await request.body())
        return Response(answer.body, answer.status, media_type=answer.content_type)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process runs and answers."""
        return {"status": "alive"}

    @app.get("/")
    async def about() -> dict[str, Any]:
        """The witness's key, and how large each log was when it last cosigned it."""
        seen = await run_in_threadpool(heads.all)
        return {"key": key.verifier.encode(), "logs": {name: seen.get(name, Head()).size for name in sorted(logs)}}

    def answer_to(body: bytes) -> Answer:
        try:
            request = AddCheckpoint.parse(body)
        except Malformed as error:
            return malformed(error)
        origin = request.checkpoint.origin
        if origin not in logs:
            return decide(request, None, key, clock_s())
        return heads.answer(
            origin, lambda head: decide(request, KnownLog(origin, logs[origin], head), key, clock_s())
        )

    return app
