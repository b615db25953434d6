"""Services are killed at the worst moments; what is decided in the end is what an unkilled run decides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, BrokerKind, make_broker
from common.topics import SERVICES

from .telling import Arms, telling

pytestmark = [pytest.mark.loop, pytest.mark.kill]


def same(told: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    """The same decisions, nothing lost and nothing doubled."""
    assert told["cases"] == undisturbed["cases"]
    assert told["requests"] == undisturbed["requests"], "each action took effect once"
    assert told["counts"] == undisturbed["counts"]
    assert told["objectives"] == undisturbed["objectives"]
    assert told["objectives"], "no objective was measured"


def armed(arms: Arms) -> Counter[str]:
    """Who must have died how often: each failpoint that was armed kills once."""
    return Counter(name for services in arms.values() for name, points in services.items() for _ in points)


def tell(folder: Path, postgres: Postgres, broker: AnyBroker, realm: str, arms: Arms) -> dict[str, Any]:
    with telling(folder, postgres, broker, realm) as here:
        told = here.tell(arms)
    assert told["deaths"] == armed(arms), "each failpoint killed, and nobody died otherwise"
    return told


def test_the_undisturbed_story_closes_some_cases_and_leaves_the_undecided_visible(
    undisturbed: dict[str, Any],
) -> None:
    cases = undisturbed["cases"]
    stages = {name.split("/")[1]: case["stage"] for name, case in cases.items()}
    assert {key for key, stage in stages.items() if stage == "attested"} == {"2022-025", "2022-043", "2022-090"}
    assert stages["2022-027"] == "undecided"
    assert cases["money-findings-closed/2022-014/1"]["withheld"] == "people_only"
    assert stages["2022-026"] == "to-verify", "evidence was asked for, and nothing has changed"
    assert stages["2022-014"] == stages["2022-021"] == "to-confirm", "the gap changed after people had confirmed it"
    assert "2022-040" not in stages, "its promise lies ahead"
    asked = [
        case["done"][number]
        for case in cases.values()
        for number, (action, *_) in enumerate(case["plan"] or (), 1)
        if action == "request-evidence" and number in case["done"]
    ]
    assert len(undisturbed["requests"]) == len(asked) == 5


def test_every_service_killed_while_it_handles_messages(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """Each in a chapter in which it has work: after the fetch, then between append and commit, then after the commit
    and before the relay, mostly of the same batch."""
    arms: Arms = {
        "declare": {"approver": handling("approver")},
        "first_look": {"observer": handling("observer"), "differ": handling("differ")},
        "confirm": {"planner": handling("planner")},
        "approve": {"executor": handling("executor", 2)},
        "wait_for_proof": {"auditor": (*HEARING, *handling("auditor"))},
    }
    assert set(armed(arms)) == set(SERVICES)
    same(tell(session_folder / "kill_batch", postgres, broker, "kill_batch", arms), undisturbed)


HEARING = "auditor.heard_appended=2", "auditor.heard_committed=1"
"""The auditor reads observations in the ledger: once more than at its start, and when it is back."""


def handling(service: str, hit: int = 1) -> tuple[str, ...]:
    return f"{service}.after_fetch={hit}", f"{service}.after_append=1", f"{service}.after_commit=1"


def test_every_service_killed_between_sending_and_noting_it(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """What was sent is sent again: everybody gets it twice."""
    arms: Arms = {
        "declare": {"approver": ["approver.after_send=1"]},
        "first_look": {"observer": ["observer.after_send=1"], "differ": ["differ.after_send=1"]},
        "confirm": {"planner": ["planner.after_send=1"]},
        "approve": {"executor": ["executor.after_send=2"]},
        "wait_for_proof": {"auditor": ["auditor.after_send=1"]},
    }
    assert set(armed(arms)) == set(SERVICES)
    same(tell(session_folder / "kill_send", postgres, broker, "kill_send", arms), undisturbed)


def test_people_feeds_and_workers_interrupted_around_a_commit(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """Before the commit, and after it but before anybody is told. People and feeds send the same again."""
    arms: Arms = {
        "first_look": {"observer": ("observer.report_appended=1", "observer.report_committed=1")},
        "confirm": {
            "approver": ("approver.decision_appended=1", "approver.decision_committed=1"),
            "planner": ("planner.draft_appended=1", "planner.draft_committed=1"),
        },
        "approve": {
            "approver": ("approver.decision_appended=2", "approver.decision_committed=1"),
            "executor": ("executor.written_appended=1", "executor.written_committed=2"),
        },
        "carry_out": {"approver": ("approver.decision_committed=1", "approver.decision_appended=1")},
        "wait_for_proof": {"auditor": ("auditor.attestation_appended=1", "auditor.attestation_committed=1")},
    }
    told = tell(session_folder / "kill_commit", postgres, broker, "kill_commit", arms)
    assert told["repeated"] == Counter(already_decided=3), "what was committed had gone through, and nothing else"
    same(told, undisturbed)


def test_the_executor_killed_around_its_actions(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """At Level 3 after the intent, and when the target has done it and the ledger doesn't know: the receipt tells.
    By hand after the intent, which is the task that people see."""
    arms: Arms = {
        "approve": {"executor": ("executor.after_intent=1", "executor.after_action=2")},
        "carry_out": {"executor": ("executor.after_intent=1",)},
    }
    same(tell(session_folder / "kill_action", postgres, broker, "kill_action", arms), undisturbed)


def test_the_broker_restarted(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker_kind: BrokerKind
) -> None:
    """The embedded broker comes back empty."""
    folder = session_folder / "broker_gone"
    with make_broker(broker_kind, folder) as own, telling(folder / "story", postgres, own, "broker_gone") as here:
        told = here.tell(after={"confirm": here.stack.restart_broker})
    assert told["deaths"] == Counter()
    same(told, undisturbed)
