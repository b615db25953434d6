"""Whether a recorded decision holds: what the ledger's writer wrote is shown as a person's word only if it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.cases import Case, Said
from common.directory import Directory
from common.errors import Refused
from common.events.approver import Decision, GapConfirmed
from common.signing import check_signature

KINDS: Mapping[str, str] = {
    "trueup.gap.confirmed.v1": "confirm",
    "trueup.gap.disputed.v1": "dispute",
    "trueup.approval.given.v1": "approve",
    "trueup.approval.refused.v1": "refuse",
    "trueup.case.resumed.v1": "resume",
    "trueup.plan.returned.v1": "return",
    "trueup.release.given.v1": "release",
    "trueup.outcome.recorded.v1": "outcome",
}
"""The decision that each event records."""


def holding(said: Said[Any], case: Case, directory: Directory) -> tuple[bool | None, str]:
    """Whether its person signed the decision that the event records, and in words what there is to say against it.

    None where nobody can tell: the person, and with them their key, is not in the directory. A decision that
    holds may still be about something else by now; then there are words, too.
    """
    decision: Decision = said.data.decision
    try:
        _, key = directory.decided(decision.person, said.event.time)
        check_signature(decision, said.event.signature, key)
    except Refused as refusal:
        if refusal.reason_code == "person_unknown":
            return None, f"{decision.person} is not in the directory, so the signature can't be checked"
        return False, refusal.message
    if (decision.realm, decision.case) != (directory.realm, case.id):
        return False, f"{decision.person} signed it for {decision.case} of realm {decision.realm}"
    if decision.kind != KINDS[said.event.type]:
        return False, f"{decision.person} signed to {decision.kind}, not to {KINDS[said.event.type]}"
    return True, "what fails is no longer what was confirmed" if _stale(said, case) else ""


def _stale(said: Said[Any], case: Case) -> bool:
    """A confirmation of what failed before; once the plan is authorised, what was confirmed then counts."""
    confirms = isinstance(said.data, GapConfirmed) and case.gap is not None and case.authorisation is None
    return confirms and case.gap is not None and said.data.decision.subject != case.gap.data.digest
