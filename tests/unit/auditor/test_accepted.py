"""That a gap was accepted in between: by which exception, of which version, is told and checked."""

from __future__ import annotations

from typing import Any

import pytest
from auditor.core import selection, timeline
from auditor.core.attestation import Attestation
from common.declarations.loader import document_digest, load
from common.events.approver import DeclarationActivated
from common.events.differ import Acceptance, Accepted, GapClosed, GapOpened
from support import walk as walks
from support.casework import once
from support.walk import Walk, at

from .forging import altered, failures, forged, issued

ACCEPTED = """
apiVersion: trueup/v1alpha1
kind: AcceptedGap
metadata: {name: archive-closes}
spec:
  desiredState: money-findings-closed
  entity: "2022-090"
  rules: [fixed]
  reason: The archive is closed in July.
  until: 2023-07-02
"""
(DOCUMENT,) = load(ACCEPTED, "accepted.yaml").documents


@pytest.fixture
def walk() -> Walk:
    return accepted_first()


@once
def accepted_first() -> Walk:
    """The gap is accepted for a day, and opens again."""
    walk = walks.opened()
    walk.declare(ACCEPTED)
    by = Acceptance(name="archive-closes", version=DOCUMENT.digest, rules=["fixed"], until="2023-07-03T04:00:00Z")
    walk.closes("accepted", Accepted(by=[by]))
    walk.asof = at("2023-07-03 04:00")
    walk.open_gap(GapOpened)
    return walks.to_the_end(walks.carried_out(walks.through_the_gates(walk)))


def closing(walk: Walk) -> int:
    return next(at for at, event in enumerate(walk.ledger) if event.type == GapClosed.TYPE)


def test_the_narrative_says_by_which_exception_until_when_and_why(walk: Walk) -> None:
    made: Attestation = issued(walk)
    text = " ".join(made.narrative.split())
    version = DOCUMENT.digest[:12]
    assert f'"fixed" was accepted until 3 July 2023 at 04:00 by archive-closes, version {version}, because:' in text
    assert "The archive is closed in July." in text
    assert failures(made.encode()) == set()


def test_the_timeline_names_it(walk: Walk) -> None:
    told = timeline.words(walk.ledger[closing(walk)])
    assert told == f"no rule fails any more (accepted by archive-closes, version {DOCUMENT.digest[:12]})"
    last = next(event for event in reversed(walk.ledger) if event.type == GapClosed.TYPE)
    assert timeline.words(last) == "no rule fails any more (met)"


def test_its_activation_is_among_the_evidence(walk: Walk) -> None:
    placed = list(enumerate(walk.ledger))
    declared = [(at, event) for at, event in placed if event.subject.startswith("declaration/")]
    own = selection.own((at, event) for at, event in placed if event.caseid == walk.id)
    chosen = {walk.ledger[at].data["name"] for at in selection.declarations(declared, own)}
    assert "archive-closes" in chosen


@pytest.mark.parametrize("changed", [{"version": document_digest("AcceptedGap", "x", {})}, {"name": "another"}])
def test_one_that_was_not_in_force_is_found(walk: Walk, changed: dict[str, str]) -> None:
    def change(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "accepted": {"by": [{**data["accepted"]["by"][0], **changed}]}}

    assert failures(forged(walk, altered(walk, closing(walk), change))) == {"facts"}


def test_it_was_activated() -> None:
    kinds = [event.data["kind"] for event in accepted_first().ledger if event.type == DeclarationActivated.TYPE]
    assert kinds.count("AcceptedGap") == 1
