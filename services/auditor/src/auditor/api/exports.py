"""The bundle of a case, for an examiner to take away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common.http_auth import Bearer
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from auditor.api.models import ErrorAnswer
from auditor.ports import Exports

PART_BYTES = 256 * 1024
_REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "Refused, with a stable reason code."}
}


def exports_router(exports: Exports, bearer: Bearer) -> APIRouter:
    """`/v1/exports/{case}`. `bearer` is the dependency that says who is asking."""
    routes = APIRouter(prefix="/v1", tags=["exports"], responses=_REFUSED, dependencies=[Depends(bearer)])

    @routes.get("/exports/{case:path}", response_class=StreamingResponse)
    async def bundle(case: str) -> StreamingResponse:
        """Everything about an attested case, with proofs, in one zip file: check it with `trueup audit verify`."""
        made = await exports.bundle(case)
        name = "".join(char if char.isascii() and (char.isalnum() or char in "-.") else "-" for char in case)
        headers = {
            "content-length": str(len(made)),
            "content-disposition": f'attachment; filename="case-{name}.zip"',
        }
        return StreamingResponse(_parts(made), media_type="application/zip", headers=headers)

    return routes


def _parts(made: bytes) -> Iterator[bytes]:
    for at in range(0, len(made), PART_BYTES):
        yield made[at : at + PART_BYTES]
