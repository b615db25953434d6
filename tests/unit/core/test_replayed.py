"""What a person signed counts once: a confirmation that is written again after a dispute brings nothing back."""

from __future__ import annotations

from dataclasses import replace

from common.cases import Case
from common.events.approver import GapConfirmed, GapDisputed
from support.casework import Casework
from support.drafting import authorised


def confirmation(work: Casework) -> int:
    return next(n for n, event in enumerate(work.events) if event.type == GapConfirmed.TYPE)


def test_a_confirmation_written_again_after_a_dispute_does_not_count() -> None:
    work = authorised()
    first = work.events[confirmation(work)]
    decision, signature = work.decide("dispute", "j.moreau", "head-of-compliance", first.data["decision"]["subject"])
    disputed = GapDisputed(case=work.id, gap_event=first.data["gap_event"], decision=decision)
    work.add(disputed, "approver", "person:j.moreau", signature=signature)
    assert work.case.confirmation is None
    replayed = replace(first, id="again")
    case = Case.fold(work.id, enumerate([*work.events, replayed]))
    assert case.confirmation is None
    assert case.dispute is not None

    anew, signature = work.decide("confirm", "j.moreau", "head-of-compliance", first.data["decision"]["subject"])
    data = GapConfirmed(case=work.id, gap_event=first.data["gap_event"], decision=anew)
    work.add(data, "approver", "person:j.moreau", signature=signature)
    assert work.case.confirmation is not None, "who signs anew has changed their mind"
