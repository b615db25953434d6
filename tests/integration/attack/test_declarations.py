"""Somebody with the approver's login to the database writes declarations that nobody signed: nobody acts on them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.clock import wall_now
from common.current import Current
from common.events import Event
from common.events.approver import DeclarationActivated, DeclarationProposed
from common.ledger import Appended, Ledger, NewEvent
from common.runtime import Runtime
from common.settings import SigningSettings
from executor import main as executor_main
from executor.settings import ExecutorSettings
from planner import main as planner_main
from planner.settings import PlannerSettings
from pydantic import SecretStr
from support import service_keys
from support.casework import findings_catalogue
from support.ledgers import connected
from support.office import write_directory
from support.walk import Walk, directory

pytestmark = pytest.mark.integration


def forged(walk: Walk) -> list[Event]:
    """Another text of an action, as if its author had proposed it and the activator had activated it."""
    found = []
    for kind in (DeclarationProposed.TYPE, DeclarationActivated.TYPE):
        event = next(item for item in walk.ledger if item.type == kind and item.data["kind"] == "ActionType")
        spec = {**event.data["spec"], "does": "Something that nobody has read."}
        found.append(replace(event, id=f"forged-{kind}", data={**event.data, "spec": spec}))
    return found


@pytest.mark.parametrize(("main", "kind"), [(planner_main, PlannerSettings), (executor_main, ExecutorSettings)])
async def test_a_declaration_that_nobody_signed_is_not_acted_on(
    database: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: ModuleType, kind: type[SigningSettings]
) -> None:
    """Asked of the service as it is composed."""
    made: list[Current] = []

    class Seen(Current):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(main, "Current", Seen)
    walk = Walk(realm=database.name, wall=wall_now())
    walk.found()
    walk.declare()
    async with connected(database, "approver") as writer:
        for event in [*walk.ledger, *forged(walk)]:
            (answer,) = await Ledger(writer).append([[NewEvent(replace(event, streamversion=None))]])
            assert isinstance(answer, Appended), answer  # the database knows no keys
    write_directory(tmp_path / "directory.json", directory(database.name))
    settings = kind(
        realm=database.name,
        database_url=SecretStr(database.url(main.NAME)),
        brokers="127.0.0.1:1",
        directory=tmp_path / "directory.json",
        **service_keys.write(tmp_path, main.NAME, database.name),
    )
    async with connected(database, main.NAME) as pool:
        await main.compose(Runtime(main.NAME, settings, pool, Ledger(pool), asyncio.Event()))
        catalogue = await made[0].catalogue(pool)
    assert catalogue.digest == findings_catalogue().digest
    assert [why.split(":")[0] for why in made[0].refused] == [forged(walk)[1].subject]
