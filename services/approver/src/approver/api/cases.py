"""Cases: the list, one of them, and the decisions people make about them."""

import logging
from typing import Annotated, Any

from common import revealing
from common.directory import Person
from common.errors import Refused
from common.events.approver import Decision, DecisionKind
from common.failpoints import failpoint
from common.ledger import Connection
from fastapi import APIRouter, Depends, Query

from approver.api import naming
from approver.api.context import Context
from approver.api.models import (
    CaseLine,
    CaseList,
    CasePage,
    CasesSought,
    DecisionAnswer,
    DecisionRequest,
    Task,
    TaskList,
    Template,
)
from approver.api.pages import action, page
from approver.core import asking
from approver.core.drafting import Signed
from approver.desk import Decided, Opened
from approver.ports import Wanted

PAGE = 200
_LOG = logging.getLogger(__name__)
MAX_TASKS = 2_000


def router(context: Context) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["cases"])
    asker = Annotated[Person, Depends(context.bearer)]

    @routes.get("/cases")
    async def cases(  # noqa: PLR0913, PLR0917 - one parameter a filter
        person: asker,
        stage: str | None = None,
        mine: bool = False,
        desired_state: str | None = None,
        key: str | None = None,
        planned: bool | None = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> CaseList:
        """Cases by id. `mine`: only those that wait for you. `planned`: only those with, or without, a plan. `key`:
        the entity's, as the ledger has it."""
        keys = None if key is None else (key,)
        wanted = Wanted(stage, person.id if mine else None, desired_state, keys, planned)
        return await _listed(context, person, wanted, after, limit)

    @routes.post("/cases/find")
    async def find(sought: CasesSought, person: asker) -> CaseList:
        """The same by an entity's key as people know it, or as the ledger does. A key that nobody may read is asked
        for in a body: addresses are written to logs on their way."""
        keys = await naming.keys_of(context, person, sought.key)
        mine = person.id if sought.mine else None
        wanted = Wanted(sought.stage, mine, sought.desired_state, keys, sought.planned)
        return await _listed(context, person, wanted, sought.after, sought.limit)

    @routes.get("/cases/{case:path}")
    async def case(case: str, person: asker) -> CasePage:
        """One case, whole, with what you may decide about it now. Facts that are sealed in its events are opened."""

        async def work(conn: Connection) -> CasePage:
            opened = await opened_case(context, conn, case)
            return page(opened, person.id, (await context.desk.look(conn)).clock)

        plain = (await context.transact(work)).model_dump()
        return CasePage.model_validate(await _opened(context, plain))

    @routes.get("/decisions/template")
    async def template(
        person: asker,
        case: str,
        kind: DecisionKind,
        step: int | None = None,
        role: str | None = None,
    ) -> Template:
        """The decision you would sign; or the refusal that it would meet."""

        async def work(conn: Connection) -> Template:
            opened = await opened_case(context, conn, case)
            ask = asking.template(opened.case, person.id, kind, step, role, opened.around)
            ready = action(case, context.realm, person.id, ask)
            return Template(says=ready.says, decision=ready.decision)

        return await context.transact(work)

    @routes.post("/decisions")
    async def decide(request: DecisionRequest, person: asker) -> DecisionAnswer:
        """Record a signed decision, and what follows from it."""
        check_same_person(context, request.decision, person)
        signed = Signed(request.decision, request.signature)

        async def work(conn: Connection) -> Decided:
            decided = await context.desk.decide(conn, signed)
            failpoint("approver.decision_appended")
            return decided

        decided = await context.transact(work)
        failpoint("approver.decision_committed")
        if decided.refusal is not None:
            made = request.decision
            _LOG.info("refused: %s would %s %s (%s)", person.id, made.kind, made.case, decided.refusal.reason_code)
            raise decided.refusal
        return _answer(decided)

    @routes.get("/tasks")
    async def tasks(person: asker, mine: bool = False) -> TaskList:
        """Work by hand that was begun and whose outcome nobody has reported. `mine`: only what you may report."""
        rows = [task(row, person.id) for row in await context.lists.tasks(MAX_TASKS)]
        return TaskList(tasks=[row for row in rows if row.yours or not mine])

    return routes


async def _listed(context: Context, person: Person, wanted: Wanted, after: str, limit: int) -> CaseList:
    rows, total = await context.lists.page(wanted, after, limit)
    refs = [(row["entity_type"], row["key"]) for row in rows]
    named = await naming.names(context, refs)
    lines = [case_line({**row, "named": named.get(ref)}, person.id) for row, ref in zip(rows, refs, strict=True)]
    return CaseList(cases=lines, next=lines[-1].case if len(lines) == limit else None, total=total)


async def _opened(context: Context, page: dict[str, Any]) -> dict[str, Any]:
    """The page with what is sealed in it opened, and with the entity's own key."""
    if page["gap"] is not None:
        ref = (page["gap"]["data"]["entity_type"], page["gap"]["data"]["key"])
        page["named"] = (await naming.names(context, [ref])).get(ref)
    sealed = revealing.subjects(page)
    found: dict[str, Any] = revealing.revealed(page, await context.keys(sealed)) if sealed else page
    return found


async def opened_case(context: Context, conn: Connection, case: str) -> Opened:
    opened = await context.desk.read(conn, case)
    if opened is None:
        raise Refused("case_unknown", f"there is no case {case}", "List them: trueup cases")
    return opened


def check_same_person(context: Context, decision: Decision, asking_person: Person) -> None:
    """Raise `Refused` unless the person who asks is the one who decided. Software is told that it is software."""
    context.people().person(decision.person)
    if decision.person != asking_person.id:
        raise Refused(
            "wrong_person",
            f"you are signed in as {asking_person.id}, the decision is {decision.person}'s",
            "Everybody sends their own decisions.",
        )


def case_line(row: dict[str, Any], person: str) -> CaseLine:
    """A line of the projection as `person` sees it."""
    yours = row["yours"].get(person, [])
    fields = {name: row[name] for name in CaseLine.model_fields if name != "yours" and name in row}
    return CaseLine(**fields, yours=yours)


def task(row: dict[str, Any], person: str) -> Task:
    fields = {name: row[name] for name in Task.model_fields if name != "yours"}
    return Task(**fields, yours=person in row["people"])


def _answer(decided: Decided) -> DecisionAnswer:
    return DecisionAnswer(
        case=decided.case.id,
        stage=decided.case.stage,
        events=[event.id for event in decided.events],
        types=[event.type for event in decided.events],
        position=decided.positions[-1],
    )
