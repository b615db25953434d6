"""A small declaration to vary, and the real findings."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.evaluation import CompiledDesiredState, Counted, EntityView, Origin, Related
from common.declarations.loader import load
from common.declarations.values import Slot, Unknown

EXAMPLES = Path(__file__).parents[3] / "examples" / "findings"

PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: invoice}
spec:
  about: One invoice.
  source: ledger
  key: id
  attributes:
    status: {from: status}
    amount: {from: amount, read: decimal}
    copies: {from: copies, read: number}
    paid:   {from: paid, read: {"Y": true, "N": false}}
    due:    {from: due, read: "yyyy-MM-dd"}
    seen:   {from: seen, read: "yyyy-MM-dd'T'HH:mm:ssXXX"}
    tags:   {from: tags, read: list}
  related:
    check:    {latest: check, through: invoice, by: made_on}
    reminded: {count: check, through: invoice}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: check}
spec:
  about: One check of an invoice.
  source: ledger
  key: id
  attributes:
    invoice: {from: invoice}
    result:  {from: result}
    made_on: {from: made_on, read: "yyyy-MM-dd"}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: invoices-paid}
spec:
  statement: Every invoice is paid.
  basis: Payment Standard
  owner: treasurer
  effective: 2023-01-01
  timezone: America/New_York
  selector: {entity: invoice, where: "status != 'draft'"}
  done: paid
  severity:
    high: amount > 1000.0
    low: otherwise
  expectations:
    - {name: ruled, expect: "status == 'open'", says: "It is {status}."}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: invoice-approvals}
spec:
  covers: invoices-paid
  confirmGap: {treasurer: 1}
  approvePlan: [{when: "true", roles: {treasurer: 1}}]
  releaseStep: {operations: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 business days
"""


@pytest.fixture
def page() -> str:
    return PAGE


@pytest.fixture
def codes() -> Callable[..., list[tuple[str, int]]]:
    """(reason code, line) of every problem of a text, after replacements of the small declaration."""

    def found(*replacements: tuple[str, str], text: str = PAGE) -> list[tuple[str, int]]:
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        return list(_codes(text))

    return found


@cache
def _codes(text: str) -> tuple[tuple[str, int], ...]:
    """Read once: many tests begin with the same text, and reading YAML with lines takes longest of all."""
    loaded = load(text, "page.yaml")
    problems = [*loaded.problems] or check(loaded.documents)
    return tuple((problem.reason_code, problem.line) for problem in problems)


@pytest.fixture
def compiled() -> Callable[..., CompiledDesiredState]:
    """The small desired state with some of its lines replaced."""

    def made(*replacements: tuple[str, str]) -> CompiledDesiredState:
        text = PAGE
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        return _compiled(text)

    return made


@cache
def _compiled(text: str) -> CompiledDesiredState:
    loaded = load(text, "page.yaml")
    assert not loaded.problems, list(map(str, loaded.problems))
    problems = check(loaded.documents)
    assert not problems, list(map(str, problems))
    return Catalogue().with_documents(loaded.documents).compiled("invoices-paid")


ABSENT = Unknown("absent", "not there")


@pytest.fixture
def invoice() -> Callable[..., EntityView]:
    """An invoice of which only the given attributes are known."""

    def made(fresh_until: datetime | None = None, check: Any = None, **values: Slot) -> EntityView:
        names = ("status", "amount", "copies", "paid", "due", "seen", "tags")
        slots: dict[str, Slot] = {name: values.get(name, ABSENT) for name in names}
        related: dict[str, Related | Counted | Unknown] = {"reminded": Counted(0)}
        if check is not None:
            related["check"] = check
        return EntityView("invoice", "I-1", slots, Origin("entity/invoice/I-1", "e-1", fresh_until), related)

    return made


@pytest.fixture(scope="session")
def findings() -> Catalogue:
    loaded = load((EXAMPLES / "findings.yaml").read_bytes(), "findings.yaml")
    assert not loaded.problems and not check(loaded.documents)
    return Catalogue().with_documents(loaded.documents)


@pytest.fixture(scope="session")
def finding_rows() -> list[dict[str, str]]:
    with (EXAMPLES / "single-audit-147110-2022.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def noon() -> datetime:
    return datetime(2023, 7, 3, 16, tzinfo=UTC)
