"""Erasures: asked for by one person, approved by another, done by the observer."""

from collections.abc import Mapping
from typing import Annotated

from common.directory import Person
from common.erasures import Erasure as Folded
from common.errors import Refused
from common.ledger import Connection
from common.sealing import Subject
from fastapi import APIRouter, Depends

from approver.api import naming
from approver.api.cases import check_same_person
from approver.api.context import Context
from approver.api.models import DecisionRequest, Erasure, ErasureList, Sought
from approver.core import erasing
from approver.core.drafting import Signed


def router(context: Context) -> APIRouter:
    routes = APIRouter(prefix="/v1/erasures", tags=["personal data"])
    asker = Annotated[Person, Depends(context.bearer)]

    @routes.get("")
    async def listed(_: asker) -> ErasureList:
        """All erasures that were ever asked for."""
        found = await context.transact(context.desk.erasures)
        return ErasureList(erasures=[shown(found[subject]) for subject in sorted(found)])

    @routes.post("/subject")
    async def subject(sought: Sought, person: asker) -> Sought:
        """Whom an erasure is about, as the ledger knows them: the pseudonym, where the key is sensitive."""
        found = await naming.pseudonyms(context, person, sought.key, sought.entity_type)
        return Sought(entity_type=sought.entity_type, key=found[0][1] if found else sought.key)

    @routes.post("/{entity_type}/{key}")
    async def request(entity_type: str, key: str, request: DecisionRequest, person: asker) -> Erasure:
        """Ask that what is sealed of a subject be erased for good."""
        check_same_person(context, request.decision, person)
        subject, signed = (entity_type, key), Signed(request.decision, request.signature)

        async def work(conn: Connection) -> None:
            now = await context.desk.look(conn)
            erasure = _of(await context.desk.erasures(conn), subject)
            known = await context.desk.observed(conn, subject)
            catalogue = now.declarations.catalogue
            event = erasing.request(signed, erasure, known, catalogue, context.people(), now.when)
            await context.desk.record(conn, [event])

        await context.transact(work)
        return await _one(context, subject)

    @routes.post("/{entity_type}/{key}/approval")
    async def approve(entity_type: str, key: str, request: DecisionRequest, person: asker) -> Erasure:
        """Approve what somebody else has asked for. The observer then destroys the key: nothing brings it back."""
        check_same_person(context, request.decision, person)
        subject, signed = (entity_type, key), Signed(request.decision, request.signature)

        async def work(conn: Connection) -> None:
            now = await context.desk.look(conn)
            erasure = _of(await context.desk.erasures(conn), subject)
            await context.desk.record(conn, [erasing.approve(signed, erasure, context.people(), now.when)])

        await context.transact(work)
        return await _one(context, subject)

    return routes


async def _one(context: Context, subject: Subject) -> Erasure:
    return shown(_of(await context.transact(context.desk.erasures), subject))


def _of(erasures: Mapping[Subject, Folded], subject: Subject) -> Folded:
    return erasures.get(subject) or Folded(subject)


def shown(erasure: Folded) -> Erasure:
    """An erasure as the API shows it."""
    asked = erasure.request or next((event for event, _ in erasure.refused if "decision" in event.data), None)
    if asked is None:
        raise Refused("erasure_unknown", f"nobody has asked to erase {'/'.join(erasure.subject)}")
    approved, done = erasure.approval, erasure.done
    return Erasure(
        entity_type=erasure.subject[0],
        key=erasure.subject[1],
        status=erasure.status,
        request=asked.id,
        requested=asked.asof,
        requested_by=asked.data["decision"]["person"],
        comment=asked.data["decision"].get("comment", ""),
        approved=approved.asof if approved else None,
        approved_by=approved.data["decision"]["person"] if approved else None,
        erased=done.asof if done else None,
        payloads=done.data["payloads"] if done else None,
        refused=[f"{event.id}: {refusal.message}" for event, refusal in erasure.refused],
    )
