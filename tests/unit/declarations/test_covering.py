"""A policy in which somebody could not have an action approved is refused, and the first such action is told."""

from __future__ import annotations

from itertools import product
from zoneinfo import ZoneInfo

import pytest
from common.declarations.catalogue import policy_facts
from common.declarations.checks import check
from common.declarations.compiling import POLICY_SCOPE
from common.declarations.expressions import Language
from common.declarations.loader import load
from common.declarations.models import RISKS, SEVERITIES, System
from common.declarations.values import Status

from .conftest import PAGE

ONLY = '{when: "true", roles: {treasurer: 1}}'


def first_without(whens: tuple[str, ...]) -> str | None:
    """Every kind of action there is, tried one by one."""
    language = Language(POLICY_SCOPE, ZoneInfo("UTC"), with_clock=False)
    conditions = [language.compile(when) for when in whens]
    for risk, severity, money, runs, critical in product(RISKS, SEVERITIES, (False, True), (False, True), RISKS):
        system = System(about="-", owner="x", production=runs, financial=money, criticality=critical)  # type: ignore[arg-type]
        bound = language.bind(policy_facts(risk, severity, system))
        if all(language.decide(when, bound).status is Status.MISSED for when in conditions):
            return f"{risk} risk on a {'' if money else 'non-'}financial system (severity {severity})."
    return None


@pytest.mark.parametrize(
    "whens",
    [
        ("risk == 'low'",),
        ("severity == 'urgent'",),
        ("!system.financial",),
        ("!system.production",),
        ("system.criticality != 'high'",),
        ("risk != 'high' || severity in ['low', 'medium']", "!system.financial"),
        ("risk == 'low'", "severity != 'low'", "system.production", "system.criticality == 'low'"),
        ("system.financial && system.criticality == 'high'", "!system.financial || risk != 'medium'"),
        ("risk == 'low'", "risk != 'low'"),
        ("system.production", "!system.production"),
        ("true",),
    ],
)
def test_the_first_kind_that_no_line_takes_is_told(whens: tuple[str, ...]) -> None:
    assert ONLY in PAGE
    text = PAGE.replace(ONLY, ", ".join(ONLY.replace("true", when) for when in whens))
    told = [problem.message for problem in check(load(text, "page.yaml").documents)]
    first = first_without(whens)
    assert told == ([] if first is None else [f"No line says who approves an action of {first}"])
