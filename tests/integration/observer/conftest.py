from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from support.observer_realm import FINDING, ObserverRealm, observer_realm, write_feeds


@pytest.fixture(scope="module")
def observer_stack(session_folder: Path, postgres: Postgres, broker: AnyBroker) -> Iterator[Stack]:
    """A realm of the module's own in which the observer runs."""
    name = f"t{secrets.token_hex(6)}"
    stack = Stack(session_folder / name, realm=name, postgres=postgres, broker=broker, run=("observer",))
    write_feeds(stack)
    with stack:
        yield stack


@pytest.fixture(scope="module")
async def running(observer_stack: Stack) -> AsyncIterator[ObserverRealm]:
    async with observer_realm(observer_stack) as realm:
        await realm.create()
        await realm.declare("finding", FINDING)
        yield realm


@pytest.fixture
async def stopped(make_stack: Any) -> AsyncIterator[ObserverRealm]:
    """A realm of the test's own whose observer the test starts and kills."""
    stack: Stack = make_stack(run=(), start=False)
    write_feeds(stack)
    stack.start()
    async with observer_realm(stack) as realm:
        await realm.create()
        await realm.declare("finding", FINDING)
        yield realm
