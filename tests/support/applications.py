"""Loan applications made of events, and files that name them: declared, and told at random."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.events.observer import EntityObserved, EntityWithdrawn
from common.ids import entity_stream
from common.ledger import Recorded

from support.differ_realm import START, DifferRealm, days

PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: application}
spec:
  about: One application.
  source: loans
  key: case
  events: {activity: what, at: time}
  attributes:
    amount: {from: amount, read: number}
    desk: {from: desk}
  computed:
    opened: first('open')
    closed: last('close')
    waiting: between('ask', 'answer')
    given_up: seen('cancel') && !seen('resume')
  related:
    files: {count: file, through: application}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: file}
spec:
  about: Something that names an application.
  source: files
  key: id
  attributes: {application: {from: application}, desk: {from: desk}}
  related:
    served: {count: application, through: desk, as: desk, where: known_amount > 1}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: quick}
spec:
  statement: Quick.
  basis: Policy
  owner: somebody
  effective: 2023-07-01
  selector: {entity: application, where: "!given_up"}
  done: known(closed)
  severity: {medium: otherwise}
  deadlines:
    - {name: two-days, expect: done, by: opened, plus: 2 days, says: "Open since {opened}."}
  objectives:
    - {name: ours, mean: {from: opened, to: closed, without: waiting}, atMost: 1 day, window: rolling 5 days}
    - {name: most, p90: {from: opened, to: closed}, atMost: 2 days}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: approvals}
spec:
  covers: quick
  confirmGap: {lead: 1}
  approvePlan: [{when: "true", roles: {lead: 1}}]
  releaseStep: {lead: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 days
""".replace("known_amount", "amount")
WHAT = ("open", "close", "ask", "answer", "cancel", "resume")


def catalogue() -> Catalogue:
    loaded = load(PAGE, "page.yaml")
    assert not loaded.problems, loaded.problems
    return Catalogue().with_documents(loaded.documents)


async def happens(
    realm: DifferRealm, key: str, what: str, at: Any, sequence: int | None = None, **cells: Any
) -> Recorded:
    row = {"case": key, "what": what, **cells}
    data = EntityObserved(
        entity_type="application", key=key, feed="loans", row=row, source_time=instant(at),
        upstream_id=str(realm.serial), sequence=sequence,
    )  # fmt: skip
    return await realm.append("observer", entity_stream("application", key), data)


async def filed(realm: DifferRealm, key: str, application: str, at: Any, desk: str) -> Recorded:
    row = {"id": key, "application": application, "desk": desk}
    data = EntityObserved(
        entity_type="file", key=key, feed="files", row=row, source_time=instant(at), upstream_id=str(realm.serial)
    )
    return await realm.append("observer", entity_stream("file", key), data)


async def withdrawn(realm: DifferRealm, key: str, at: Any) -> Recorded:
    data = EntityWithdrawn(
        entity_type="application", key=key, feed="loans", source_time=instant(at), upstream_id=str(realm.serial)
    )
    return await realm.append("observer", entity_stream("application", key), data)


def _cells(chance: random.Random, desk: str) -> list[dict[str, Any]]:
    return [{}, {"amount": chance.randint(0, 3)}, {"desk": desk}]


async def history(realm: DifferRealm, chance: random.Random, count: int, withdrawals: bool = True) -> list[Recorded]:
    """Events of few cases at few times, some equal; files that name them; withdrawals."""
    found = []
    for _ in range(count):
        at = START - days(6) + timedelta(hours=chance.randint(0, 6 * 24 - 1))
        key, desk = f"A-{chance.randint(1, 4)}", chance.choice(["north", "south"])
        match chance.randint(0, 9):
            case 0:
                found.append(await filed(realm, f"F-{chance.randint(1, 2)}", key, at, desk))
            case 1 if withdrawals:
                found.append(await withdrawn(realm, key, at))
            case _:
                cells = chance.choice(_cells(chance, desk))
                sequence = chance.choice([None, 1, 2])
                found.append(await happens(realm, key, chance.choice(WHAT), at, sequence, **cells))
    return found
