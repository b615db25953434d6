"""Services are killed at the worst moments; what is decided in the end is what an unkilled run decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, BrokerKind, make_broker
from common.topics import SERVICES

from .telling import tell

pytestmark = [pytest.mark.loop, pytest.mark.kill]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, broker: AnyBroker) -> dict[str, Any]:
    told = tell(tmp_path_factory.mktemp("undisturbed"), postgres, broker, "calm")
    assert told["deaths"] == []
    return told


def test_the_undisturbed_story_closes_some_cases_and_leaves_the_undecided_visible(
    undisturbed: dict[str, Any],
) -> None:
    cases = undisturbed["cases"]
    stages = {name.split("/")[1]: case["stage"] for name, case in cases.items()}
    assert stages["2022-090"] == "attested"
    assert stages["2022-027"] == "undecided"
    assert stages["2022-014"] == "withheld"
    assert "2022-040" not in stages, "its promise lies ahead"
    assert len(undisturbed["requests"]) == sum(
        case["done"].get(number, False)
        for case in cases.values()
        for number, (action, *_) in enumerate(case["plan"] or (), 1)
        if action == "request-evidence"
    )


@pytest.mark.parametrize("point", ["after_fetch", "after_append", "after_commit"])
def test_every_service_killed_once(
    point: str, undisturbed: dict[str, Any], tmp_path: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    failpoints = {service: f"{service}.{point}=2" for service in SERVICES}
    told = tell(tmp_path, postgres, broker, f"kill_{point}", failpoints)
    assert set(told["deaths"]) == set(SERVICES), "each was killed"
    assert told["cases"] == undisturbed["cases"]
    assert told["requests"] == undisturbed["requests"]


@pytest.mark.parametrize("point", ["after_intent", "after_action"])
def test_the_executor_killed_around_an_action(
    point: str, undisturbed: dict[str, Any], tmp_path: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    told = tell(tmp_path, postgres, broker, f"kill_{point}", {"executor": f"executor.{point}=1"})
    assert told["deaths"] == ["executor"]
    assert told["cases"] == undisturbed["cases"]
    assert told["requests"] == undisturbed["requests"], "the action took effect once"


def test_the_broker_restarted(
    undisturbed: dict[str, Any], session_folder: Path, postgres: Postgres, broker_kind: BrokerKind
) -> None:
    """The embedded broker comes back empty."""
    folder = session_folder / "broker_gone"
    with make_broker(broker_kind, folder) as own:
        told = tell(folder / "story", postgres, own, "broker_gone", restart_broker_after="confirm")
    assert told["cases"] == undisturbed["cases"]
    assert told["requests"] == undisturbed["requests"]
