"""The example against the 80 real findings: the figures that the preview and the demo rest on."""

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, Evaluation, Origin, Related, evaluate
from common.declarations.values import Slot, Status

STATE = "money-findings-closed"
ASOF = datetime(2023, 7, 3, 4, tzinfo=UTC)


def decided(
    findings: Catalogue, rows: list[dict[str, str]], at: datetime = ASOF, related: dict[str, Any] | None = None
) -> dict[str, Evaluation]:
    state, reader = findings.compiled(STATE), findings.readers["finding"]
    return {
        row["reference"]: evaluate(
            state,
            EntityView("finding", row["reference"], reader.read(row).values, Origin("s", "e"), related or {}),
            at,
        )
        for row in rows
    }


def test_39_cases_2_undecided_6_on_track(findings: Catalogue, finding_rows: list[dict[str, str]]) -> None:
    found = decided(findings, finding_rows)
    standing = Counter(evaluation.standing for evaluation in found.values())
    assert standing == {"gap": 39, "not selected": 33, "on track": 6, "undecided": 2}
    assert [key for key, item in sorted(found.items()) if item.standing == "undecided"] == ["2022-027", "2022-045"]


def test_which_rules_are_missed(findings: Catalogue, finding_rows: list[dict[str, str]]) -> None:
    cases = [item for item in decided(findings, finding_rows).values() if item.standing == "gap"]
    missed = Counter(rule.name for item in cases for rule in item.rules if rule.status is Status.MISSED)
    assert missed == {"fixed": 14, "dated": 12, "agreed": 11, "shown": 2, "proven": 2}
    assert Counter(item.severity for item in cases) == {"high": 29, "medium": 10}


def test_one_proof_is_overdue_and_cannot_be_told(findings: Catalogue, finding_rows: list[dict[str, str]]) -> None:
    """2022-043 is reported complete and nobody retested it: `shown` is missed, `proven` is unknown."""
    rules = {rule.name: rule for rule in decided(findings, finding_rows)["2022-043"].rules}
    assert rules["shown"].status is Status.MISSED
    assert rules["proven"].status is Status.UNKNOWN and rules["proven"].due is not None


def test_a_promise_is_late_from_the_next_midnight_in_new_york(
    findings: Catalogue, finding_rows: list[dict[str, str]]
) -> None:
    rows = [row for row in finding_rows if row["reference"] == "2022-090"]
    midnight = datetime(2023, 7, 1, 4, tzinfo=UTC)
    [before] = decided(findings, rows, datetime(2023, 7, 1, 3, 59, tzinfo=UTC)).values()
    assert before.standing == "not selected"  # in force from 1 July, New York
    [after] = decided(findings, rows, midnight).values()
    assert [(rule.name, rule.due) for rule in after.failing] == [("fixed", midnight)]
    assert after.failing[0].says == "Management promised 30 June 2023 and has not reported the fix complete."


def test_a_completed_fix_with_an_independent_retest_is_met(
    findings: Catalogue, finding_rows: list[dict[str, str]]
) -> None:
    row = next(row for row in finding_rows if row["reference"] == "2022-090")
    done = {**row, "corrective_action_status": "Corrective action complete"}
    values: dict[str, Slot] = {
        "finding": "2022-090",
        "result": "passed",
        "team": "internal-audit",
        "tested_on": date(2023, 9, 20),
        "samples": 25,
    }
    retest = Related("RT-1", values, Origin("entity/retest/RT-1", "e-2"))
    later = datetime(2023, 9, 21, tzinfo=UTC)
    [met] = decided(findings, [done], later, {"retest": retest}).values()
    assert (met.standing, met.done and met.done.status) == ("met", Status.MET)
    own = Related("RT-1", {**values, "team": "finance"}, retest.origin)
    [not_independent] = decided(findings, [done], later, {"retest": own}).values()
    assert [rule.name for rule in not_independent.failing] == ["proven"]
