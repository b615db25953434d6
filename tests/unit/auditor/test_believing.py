"""The auditor believes that something was executed when the executor signed that it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from auditor.core.deciding import Finding, Story, believed
from common.events import EventData
from common.events.auditor import CaseClosed, VerificationInconclusive
from common.events.executor import ActionSucceeded, ExecutionFinished, ExecutionStarted
from common.service_keys import ServiceKey
from support import service_keys, walk
from support.walk import Walk

KEYS = service_keys.trusted()


def findings(made: Walk) -> list[Finding]:
    """Something that the auditor would record."""
    return [Finding(CaseClosed(case=made.id, how="remedied", verification="v"), made.events[-1])]


def story(made: Walk) -> Story:
    return Story.fold(made.id, [(at, event) for at, event in enumerate(made.ledger) if event.caseid == made.id])


@pytest.mark.parametrize("kind", [ExecutionStarted, ActionSucceeded, ExecutionFinished])
@pytest.mark.parametrize("of", [None, "auditor"])
def test_what_the_executor_did_not_sign_is_inconclusive_once(kind: type[EventData], of: str | None) -> None:
    made = walk.executed()
    index = next(n for n, event in enumerate(made.ledger) if event.type == kind.TYPE)
    forged = replace(made.ledger[index], signature=None)
    if of is not None:
        forged = ServiceKey.of("executor", service_keys.private_keys()[of]).signed(forged, forged.streamversion or 1)
    made.ledger[index] = forged
    (told,) = believed(story(made), findings(made), KEYS)
    assert isinstance(told.data, VerificationInconclusive)
    code = "service_signature_missing" if of is None else "service_signature_foreign"
    assert (told.data.reason_code, told.cause.id) == (code, forged.id)

    made.add(told.data, "auditor", "service:auditor")
    assert believed(story(made), findings(made), KEYS) == []


def test_what_it_signed_is_believed_and_where_nothing_was_executed_nothing_is_asked() -> None:
    for made in (walk.executed(), walk.approved()):
        assert believed(story(made), findings(made), KEYS) == findings(made)
        assert believed(story(made), [], KEYS) == []
