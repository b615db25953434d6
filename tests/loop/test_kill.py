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


def armed(arms: Arms) -> Counter[str]:
    """Who must have died how often: each failpoint that was armed kills once."""
    return Counter(name for services in arms.values() for name in services)


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


# Each service at a moment when it has its own work to do: its batch of that chapter is the one that is interrupted.
CONSUMING: dict[str, dict[str, int]] = {
    "declare": {"approver": 1, "planner": 1},
    "first_look": {"observer": 1, "differ": 1, "auditor": 1},
    "confirm": {"planner": 1, "approver": 1},
    "approve": {"executor": 2},
    "wait_for_proof": {"differ": 3, "auditor": 4, "observer": 2},
}


@pytest.mark.parametrize("point", ["after_fetch", "after_append", "after_commit"])
def test_every_service_killed_while_it_handles_messages(
    point: str, undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    arms = {
        chapter: {service: f"{service}.{point}={hit}" for service, hit in services.items()}
        for chapter, services in CONSUMING.items()
    }
    assert set(armed(arms)) == set(SERVICES)
    same(tell(session_folder / f"kill_{point}", postgres, broker, f"kill_{point}", arms), undisturbed)


def test_every_service_killed_between_sending_and_noting_it(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """What was sent is sent again: everybody gets it twice."""
    arms = {
        "declare": {"approver": "approver.after_send=1"},
        "first_look": {"observer": "observer.after_send=1", "differ": "differ.after_send=1"},
        "confirm": {"planner": "planner.after_send=1"},
        "approve": {"executor": "executor.after_send=2"},
        "wait_for_proof": {"auditor": "auditor.after_send=1"},
    }
    assert set(armed(arms)) == set(SERVICES)
    same(tell(session_folder / "kill_send", postgres, broker, "kill_send", arms), undisturbed)


@pytest.mark.parametrize("moment", ["appended", "committed"])
def test_people_and_feeds_interrupted_while_they_wait_for_an_answer(
    moment: str, undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """They send the same again. Work that is done outside messages is interrupted, too."""
    decision = {"approver": f"approver.decision_{moment}=1"}
    arms = {
        "declare": decision,
        "first_look": {"observer": f"observer.report_{moment}=1"},
        "confirm": {**decision, "planner": f"planner.draft_{moment}=1"},
        "approve": {**decision, "executor": f"executor.written_{moment}=1"},
        "carry_out": decision,
        "wait_for_proof": {"auditor": f"auditor.attestation_{moment}=1"},
    }
    told = tell(session_folder / f"kill_{moment}", postgres, broker, f"kill_{moment}", arms)
    decisions = armed(arms)["approver"] if moment == "committed" else 0
    assert told["repeated"]["already_decided"] == decisions, "only what was committed had gone through"
    same(told, undisturbed)


def test_the_executor_killed_around_its_actions(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """At Level 3 after the intent and after the effect; by hand after the intent, which is the task people see."""
    arms = {
        "approve": {"executor": "executor.after_intent=1"},
        "carry_out": {"executor": "executor.after_intent=1"},
    }
    same(tell(session_folder / "kill_intent", postgres, broker, "kill_intent", arms), undisturbed)


def test_the_executor_killed_between_an_effect_and_its_record(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """The target has done it and the ledger does not know: the receipt tells."""
    arms = {"approve": {"executor": "executor.after_action=2"}}
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
