"""One case, one finding: every cell of the decision's table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common.clock import parse_instant
from common.declarations.evaluation import EntityView
from common.declarations.relations import with_relations
from common.entities.rows import StoredEntity
from common.entities.views import view_of
from common.events import Event, Origin, new_event
from common.events.auditor import CaseClosed
from common.events.differ import GapChanged, GapSnapshot
from differ.core.deciding import CaseState, Decision, decide, ended
from differ.core.findings import Finding, find, fingerprint, recorded_fingerprint
from differ.core.folding import fold
from support.casework import FINDINGS as FILE
from support.casework import ROW, catalogue_of, findings_catalogue

NOW = parse_instant("2023-07-03T12:00:00Z")
STATE = "money-findings-closed"
REF = ("finding", "2022-090")
NONE = CaseState(STATE, REF)
LATE: dict[str, Any] = {}
FINE = {"completion_date": "July 20, 2023"}
UNREADABLE = {"corrective_action_status": "see below"}
NOT_MONEY = {"compliance_requirements": "L"}
NO_AREAS = {"compliance_requirements": ""}


def view(row: dict[str, Any], event_id: str = "e-1") -> EntityView:
    catalogue = findings_catalogue()
    spec = catalogue.entity_types["finding"]
    stored = StoredEntity(REF, row, "audit-tracker", NOW, event_id, 0, NOW, None, False)
    return with_relations(view_of(spec, catalogue.readers["finding"], stored), catalogue.relations["finding"], {})


def found(changes: dict[str, Any] | None = None, event_id: str = "e-1") -> Finding:
    """What is found with these changes to a row past due; None: it is withdrawn."""
    state = findings_catalogue().compiled(STATE)
    return find(state, REF, None if changes is None else view({**ROW, **changes}, event_id), NOW)


def decided(case: CaseState, finding: Finding) -> Decision:
    decision = decide(case, finding)
    assert decision is not None
    return decision


def word(decision: Decision | None) -> str:
    if decision is None:
        return "-"
    return "noted" if decision.data is None else decision.data.TYPE.split(".")[2]


OPEN = decided(NONE, found(LATE)).after
UNDECIDED = decided(NONE, found(UNREADABLE)).after
CLOSED = decided(OPEN, found(FINE)).after
ENDED = ended(CLOSED, 1)


@pytest.mark.parametrize(
    ("case", "finding", "expected"),
    [
        (NONE, LATE, "opened"),
        (NONE, UNREADABLE, "undecided"),
        (NONE, FINE, "-"),
        (NONE, NOT_MONEY, "-"),
        (NONE, NO_AREAS, "noted"),
        (NONE, None, "-"),
        (OPEN, LATE, "-"),
        (OPEN, UNREADABLE, "undecided"),
        (OPEN, FINE, "closed"),
        (OPEN, NOT_MONEY, "closed"),
        (OPEN, NO_AREAS, "noted"),
        (OPEN, None, "closed"),
        (UNDECIDED, LATE, "opened"),
        (UNDECIDED, UNREADABLE, "-"),
        (UNDECIDED, FINE, "closed"),
        (UNDECIDED, NO_AREAS, "noted"),
        (CLOSED, LATE, "opened"),
        (CLOSED, UNREADABLE, "undecided"),
        (CLOSED, FINE, "-"),
        (CLOSED, None, "-"),
        (ENDED, LATE, "opened"),
        (ENDED, FINE, "-"),
    ],
)
def test_the_table(case: CaseState, finding: dict[str, Any] | None, expected: str) -> None:
    assert word(decide(case, found(finding))) == expected


@pytest.mark.parametrize(("case", "occurrence", "version"), [(NONE, 1, 1), (CLOSED, 1, 3), (ENDED, 2, 1)])
def test_which_occurrence_a_failure_belongs_to(case: CaseState, occurrence: int, version: int) -> None:
    after = decided(case, found(LATE)).after
    assert (after.occurrence, after.stream_version, after.ended) == (occurrence, version, False)
    assert after.case == f"{STATE}/2022-090/{occurrence}"


def test_a_case_ended_while_its_gap_was_open_again_goes_on_as_the_next() -> None:
    assert decided(ended(OPEN, 1), found(LATE)).after.occurrence == 2
    assert ended(OPEN, 7) == OPEN  # the end of another occurrence is none of its business


def test_the_same_values_in_a_newer_observation_change_nothing() -> None:
    assert decide(OPEN, found(LATE, event_id="e-2")) is None


def test_another_value_behind_the_same_rule_is_a_change() -> None:
    data = decided(OPEN, found({"completion_date": "June 1, 2023"})).data
    assert isinstance(data, GapChanged)
    assert data.changed == ["due: 2023-06-30 → 2023-06-01"]


def test_another_failing_rule_and_another_severity_are_told() -> None:
    disputed = {
        "corrective_action_status": "Managements opinion is that corrective action is not required",
        "material_weakness": "N",
        "repeat_finding": "N",
    }
    data = decided(OPEN, found(disputed)).data
    assert isinstance(data, GapChanged)
    assert data.changed == ["severity: high → medium", "agreed: missed", "position: in progress → disputed"]


def test_a_new_version_of_the_declaration_is_a_change_or_closes_as_such() -> None:
    text = FILE.read_text().replace("plus: 60 days", "plus: 61 days")
    state = catalogue_of(text).compiled(STATE)
    assert state.version != OPEN.gap["version"]
    changed = decided(OPEN, find(state, REF, view({**ROW}), NOW)).data
    assert isinstance(changed, GapChanged)
    assert changed.changed == ["the declaration changed"]
    closed = decided(OPEN, find(state, REF, view({**ROW, **FINE}), NOW)).data
    assert closed is not None
    assert closed.model_dump()["reason"] == "declaration_changed"


@pytest.mark.parametrize(
    ("changes", "reason", "facts"),
    [
        (FINE, "met", {"position": "in progress", "due": "2023-07-20"}),
        (NOT_MONEY, "not_selected", {"areas": "L"}),
        (None, "withdrawn", {}),
    ],
)
def test_why_it_closed_and_what_shows_it(changes: dict[str, Any] | None, reason: str, facts: dict[str, str]) -> None:
    data = decided(OPEN, found(changes)).data
    assert data is not None
    told = data.model_dump()
    assert told["reason"] == reason
    assert {fact["name"]: fact["value"] for fact in told["facts"]} == facts


def test_an_entity_of_another_type_than_is_selected_now_is_not_selected() -> None:
    finding = find(findings_catalogue().compiled(STATE), ("vendor", "V-1"), None, NOW)
    assert finding.standing == "not_selected"


def test_when_to_look_again_is_the_next_deadline_or_the_end_of_freshness() -> None:
    assert found(FINE).look_again == parse_instant("2023-07-21T04:00:00Z")
    assert found(LATE).look_again == NOW + timedelta(days=35)


def test_what_was_selected_unknown_is_forgotten_once_it_is_known() -> None:
    noted = decided(NONE, found(NO_AREAS)).after
    assert noted.selector_unknown is not None
    assert noted.occurrence == 0
    after = decided(noted, found(NOT_MONEY)).after
    assert after.selector_unknown is None
    assert decided(noted, found(LATE)).after.selector_unknown is None


@pytest.mark.parametrize("changes", [LATE, UNREADABLE, {"completion_date": "soon"}])
def test_a_recorded_gap_has_the_fingerprint_of_what_was_found(changes: dict[str, Any]) -> None:
    finding = found(changes)
    data = decided(NONE, finding).data
    assert isinstance(data, GapSnapshot)
    assert recorded_fingerprint(data.model_dump(mode="json", exclude_none=True)) == fingerprint(finding)


def test_a_case_folded_from_its_events_is_the_case_that_wrote_them() -> None:
    case, events = NONE, []
    origin = Origin(source="differ", actor="service:differ", time=NOW, asof=NOW)
    steps: list[dict[str, Any] | str | None] = [
        LATE,
        UNREADABLE,
        LATE,
        FINE,
        LATE,
        None,
        "ends",
        UNREADABLE,
        LATE,
        FINE,
    ]
    for number, step in enumerate(steps):
        if isinstance(step, str):
            closing = CaseClosed(case=case.case, how="resolved", verification="0")
            events.append(new_event(closing, f"attestation/{case.case}", origin, case=case.case))
            case = ended(case, 1)
        else:
            decision = decided(case, found(step))
            case = decision.after
            assert decision.data is not None
            events.append(_said(decision, origin, number))
        assert fold(STATE, REF, events) == replace(case, ref=REF)
    assert case.occurrence == 2


def _said(decision: Decision, origin: Origin, number: int) -> Event:
    assert decision.data is not None
    return new_event(decision.data, f"gap/{decision.after.case}", origin, str(number), case=decision.after.case)
