"""Who waits, in the trace of an objective that is missed: what is done does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest
from common.declarations.evaluation import EntityView, Origin
from common.declarations.values import Slot, Unknown
from common.events.differ import FailingRule, Measured
from common.objectives.contributing import Against
from differ.core.findings import Finding
from differ.core.population import ref_of, with_evidence
from support.populations import catalogue_of

NOW = datetime(2023, 7, 31, tzinfo=UTC)
TEXT = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: vendor}
spec:
  about: One vendor.
  source: registry
  key: id
  attributes:
    asked: {from: asked, read: yyyy-MM-dd}
    answered: {from: answered, read: yyyy-MM-dd}
    status: {from: status, read: [open, assessed]}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: vendors-assessed}
spec:
  statement: Every vendor is assessed within five days.
  basis: Policy
  owner: somebody
  effective: 2023-07-01
  timezone: UTC
  selector: {entity: vendor}
  done: status == 'assessed'
  severity: {medium: otherwise}
  deadlines:
    - {name: in-time, expect: done, by: asked, plus: 5 days, says: "Asked on {asked}."}
  objectives:
    - {name: mostly, share: met('in-time'), atLeast: 90%}
    - {name: fast, mean: {from: asked, to: answered}, atMost: 5 days}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
"""
ORIGIN = Origin("entity/vendor/A-1", "e-1")


def vendor(key: str, **slots: Slot) -> EntityView:
    values: Mapping[str, Slot] = {"asked": date(2023, 7, 3), "answered": date(2023, 7, 20), **slots}
    return EntityView("vendor", key, values, ORIGIN)


@pytest.mark.parametrize("objective", ["mostly", "fast"])
def test_what_is_done_waits_for_nobody_and_what_is_not_known_to_be_does(objective: str) -> None:
    catalogue = catalogue_of(TEXT)
    state = catalogue.compiled("vendors-assessed")
    views = [
        vendor("A-1", status="assessed"),
        vendor("A-2", status="open"),
        vendor("A-3", status=Unknown("absent", "status is empty")),
        vendor("A-4", status="assessed"),
    ]
    measure = Measured(
        standing="missed", value="1/4", says="1 of 4", wanted="at least 90%", sample=4, unknown=0, population=4,
        contributors=[], others=0,
    )  # fmt: skip
    rule = FailingRule(name=objective, kind="objective", status="missed", says="1 of 4.", facts=[], measured=measure)
    found = Finding(state.name, state.version, ref_of(state), "gap", stated=(rule,), stated_severity="medium")
    worst = {objective: ([(view.key, Against(unknown=False, running=True)) for view in views], 0)}
    (told,) = with_evidence(state, found, worst, {("vendor", view.key): view for view in views}, NOW).told
    assert told.measured is not None
    assert told.measured.trace is not None
    assert told.measured.trace.entities == 4
    assert [(wait.after, wait.whose, wait.entities) for wait in told.measured.trace.waits] == [
        ("answered", "ours", 2)
    ]
