"""One case as a page: its events as they are."""

from __future__ import annotations

from typing import Any

from common.cases import Case, Said

from auditor.api.models import CasePage


def case_page(case: Case) -> CasePage:
    """The case as it stands, as the API shows it."""
    return CasePage(
        case=case.id,
        stage=case.stage,
        gap=_said(case.gap),
        met=_said(case.met),
        gap_closed=_said(case.gap_closed),
        confirmation=_said(case.confirmation),
        plan=_said(case.plan),
        ticket=_said(case.ticket),
        approvals=[told for said in case.approvals if (told := _said(said)) is not None],
        authorisation=_said(case.authorisation),
        started=_said(case.started),
        finished=_said(case.finished),
        halted=_said(case.halted),
        proof=_said(case.proof),
        verification=_said(case.verification),
        failed_verification=_said(case.failed_verification),
        inconclusive=_said(case.inconclusive),
        closed=_said(case.closed),
        attestation=case.attestation.data.digest if case.attestation else None,
    )


def _said(said: Said[Any] | None) -> dict[str, Any] | None:
    if said is None:
        return None
    event = said.event
    told: dict[str, Any] = {"id": event.id, "position": said.position, "asof": event.asof, "actor": event.actor}
    return told | {"data": event.data}
