"""Declarations: proposed by one person, activated by another."""

from typing import Annotated, Literal, cast

from common.directory import Directory, Person
from common.errors import Permanent, Refused
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed
from common.ledger import Connection
from fastapi import APIRouter, Depends

from approver.api.cases import check_same_person
from approver.api.context import Context
from approver.api.models import (
    Action,
    ActiveDeclarations,
    ActiveDocument,
    DecisionRequest,
    Preview,
    Proposal,
    ProposalList,
    ProposalRequest,
    ProposedDocument,
)
from approver.api.pages import template
from approver.core import proposals as core
from approver.core.drafting import Signed
from approver.core.proposals import Declarations


def router(context: Context) -> APIRouter:
    routes = APIRouter(prefix="/v1/proposals", tags=["declarations"])
    asker = Annotated[Person, Depends(context.bearer)]

    @routes.post("")
    async def propose(request: ProposalRequest, person: asker) -> Proposal:
        """Propose all declarations of one file, as one unit."""
        check_same_person(context, request.decision, person)
        signed = Signed(request.decision, request.signature)

        async def work(conn: Connection) -> None:
            now = await context.desk.look(conn)
            events = core.propose(request.text, request.file, signed, now.declarations, context.people(), now.when)
            await context.desk.record(conn, events)

        await context.transact(work)
        return await one(request.decision.case, person)

    @routes.get("")
    async def listed(person: asker) -> ProposalList:
        """All proposals, the oldest first."""

        async def work(conn: Connection) -> ProposalList:
            declarations = (await context.desk.look(conn)).declarations
            directory = context.people()
            return ProposalList(
                proposals=[
                    shown(item, declarations, directory, person.id) for item in declarations.proposals.values()
                ]
            )

        return await context.transact(work)

    @routes.get("/{proposal}")
    async def one(proposal: str, person: asker) -> Proposal:
        """One proposal, with what you may decide about it."""

        async def work(conn: Connection) -> Proposal:
            declarations = (await context.desk.look(conn)).declarations
            found = declarations.proposal(proposal)
            return shown(found, declarations, context.people(), person.id, whole=True)

        return await context.transact(work)

    @routes.post("/{proposal}/activation")
    async def activate(proposal: str, request: DecisionRequest, person: asker) -> Proposal:
        """Bring a proposal of somebody else into force."""
        check_same_person(context, request.decision, person)
        if request.decision.case != proposal:
            raise Refused("wrong_case", f"the decision is about {request.decision.case}, not about {proposal}")
        signed = Signed(request.decision, request.signature)

        async def work(conn: Connection) -> None:
            now = await context.desk.look(conn)
            events = core.activate(signed, now.declarations, context.people(), now.when)
            await context.desk.record(conn, events)

        await context.transact(work)
        return await one(proposal, person)

    return routes


def active(context: Context) -> APIRouter:
    """What is in force."""
    routes = APIRouter(prefix="/v1/declarations", tags=["declarations"])
    asker = Annotated[Person, Depends(context.bearer)]

    @routes.get("")
    async def listed(_person: asker) -> ActiveDeclarations:
        """All documents that are in force, by kind and name."""

        async def work(conn: Connection) -> ActiveDeclarations:
            now = await context.desk.look(conn)
            catalogue = now.declarations.catalogue
            return ActiveDeclarations(
                realm=context.realm,
                timezone=now.clock.timezone,
                digest=catalogue.digest,
                documents=[_active(item) for _, item in sorted(now.declarations.active.items())],
            )

        return await context.transact(work)

    return routes


def _active(item: DeclarationActivated) -> ActiveDocument:
    return ActiveDocument(
        kind=item.kind,
        name=item.name,
        spec=item.spec,
        digest=item.digest,
        version=item.declared_version,
        author=item.author,
        activated_by=item.decision.person,
        proposal=item.proposal,
    )


def shown(
    proposal: core.Proposal, declarations: Declarations, directory: Directory, person: str, *, whole: bool = False
) -> Proposal:
    """A proposal as `person` sees it; the `whole` one with its documents and those that they would replace."""
    event, first = proposal.proposed[0]
    activation = next(iter(proposal.activated.values()), None)
    return Proposal(
        id=proposal.id,
        file=first.file,
        author=proposal.author,
        comment=first.decision.comment,
        proposed=event.asof,
        status=cast(Literal["proposed", "superseded", "active", "replaced"], declarations.status(proposal)),
        set_digest=proposal.set_digest,
        documents=[_document(data, declarations, whole=whole) for _, data in proposal.proposed],
        activated_by=activation[1].decision.person if activation else None,
        activated=activation[0].asof if activation else None,
        actions=_actions(proposal, declarations, directory, person),
        preview=_preview(proposal, declarations) if whole else None,
    )


def _preview(proposal: core.Proposal, declarations: Declarations) -> Preview | None:
    found = declarations.previews.get(proposal.id)
    if found is None:
        return None
    event, data = found
    current = declarations.preview(proposal.id) is not None
    said = data.model_dump(mode="json", exclude_none=True)
    return Preview(event=event.id, asof=event.asof, digest=data.digest, current=current, said=said)


def _document(data: DeclarationProposed, declarations: Declarations, *, whole: bool) -> ProposedDocument:
    now = declarations.active.get((data.kind, data.name))
    return ProposedDocument(
        kind=data.kind,
        name=data.name,
        digest=data.digest,
        change=cast(Literal["new", "changed", "unchanged"], declarations.change(data.kind, data.name, data.digest)),
        spec=data.spec if whole else None,
        in_force=now.spec if whole and now is not None else None,
    )


def _actions(proposal: core.Proposal, declarations: Declarations, directory: Directory, person: str) -> list[Action]:
    decision = Decision(
        kind="activate",
        realm=directory.realm,
        case=proposal.id,
        person=person,
        role=core.ACTIVATOR,
        subject=proposal.set_digest,
        made_at="",
        nonce="",
        preview=known.digest if (known := declarations.preview(proposal.id)) is not None else None,
    )
    try:
        core.check_activator(decision, declarations, directory)
    except (Refused, Permanent):
        return []
    return [
        Action(kind="activate", says="Activate: these declarations count from now on.", decision=template(decision))
    ]
