"""The real parts that tests run on, started once a session: PostgreSQL and a broker, private folders, free ports.

`TRUEUP_TEST_BROKER=kafka` runs the same tests on Apache Kafka (`make test-kafka`).
"""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:  # imported where they are used: most of what reads this file runs no test, or none with a server
    from cli.stack.postgres import Postgres
    from cli.stack.realm import Realm
    from cli.stack.stack import AnyBroker, BrokerKind, Stack

    StackFactory = Callable[..., Stack]

os.environ.pop("COLUMNS", None)  # what is printed is as wide as a test says, not as the terminal it runs in

gc.disable()  # until all is imported

FIRST_HALF = {"auditor", "bus", "cli", "core", "git", "ledger", "personal", "stack"}
"""Folders of unit tests whose subjects serve, meet others or print, and `personal`: the rest takes as long."""
ALSO_FIRST = {"approver/test_proposals.py", "observer/test_erasing.py", "transparency/test_verifying.py"}
"""Files that would bring all of that into the other half."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--half", type=int, choices=(1, 2), help="only this half of the unit tests' folders")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Two processes that share nothing import half as much as two that are told what to run (`make test-unit`); and
    what takes longest to import (web servers, the broker's client, PDF) is imported by only one of them."""
    half = config.getoption("half")
    unit = config.rootpath / "tests" / "unit"
    if half is None or unit not in collection_path.parents:
        return None
    path = collection_path.relative_to(unit)
    if collection_path.is_dir():
        first = path.parts[0] in FIRST_HALF
        return True if first and half == 2 else None
    first = path.parts[0] in FIRST_HALF or path.as_posix() in ALSO_FIRST
    return True if first is not (half == 1) else None


def pytest_configure(config: pytest.Config) -> None:
    """No deadline and no complaint about slowness: a busy machine is no failure. Each run tries other examples;
    `TRUEUP_EXAMPLES=2000` tries more at once; `make test` asks for 60, .ci/run for 200."""
    if config.getoption("numprocesses", None) or config.getoption("markexpr") == "not law":
        return  # runs no law itself
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "trueup",
        deadline=None,
        max_examples=int(os.environ.get("TRUEUP_EXAMPLES", "25")),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("trueup")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test of many examples is a law, whatever it is called. Laws that are not asked for are left out before
    Hypothesis sees them: it would read all our sources for constants to try, which takes seconds in a new clone."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("law")
    if config.getoption("markexpr") == "not law":
        laws = [item for item in items if item.get_closest_marker("law")]
        config.hook.pytest_deselected(items=laws)
        items[:] = [item for item in items if not item.get_closest_marker("law")]


def pytest_collection_finish() -> None:
    """What was imported stays until the end: looking for garbage in it, even once, takes a tenth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Looked for once, by pytest, the garbage of the tests is gone; the interpreter's end need not look again."""
    gc.freeze()


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder that the user PostgreSQL runs as can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="trueup-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(session_folder: Path) -> Iterator[Postgres]:
    """A running server; tests make databases of their own on it."""
    from cli.stack.postgres import Postgres

    with Postgres(session_folder / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def broker_kind() -> BrokerKind:
    kind = os.environ.get("TRUEUP_TEST_BROKER", "embedded")
    if kind not in ("embedded", "kafka"):
        pytest.exit(f"TRUEUP_TEST_BROKER={kind}: use `embedded` or `kafka`", returncode=2)
    return cast("BrokerKind", kind)


@pytest.fixture(scope="session")
def broker(session_folder: Path, broker_kind: BrokerKind) -> Iterator[AnyBroker]:
    """A running broker. Tests that restart or empty it start one of their own (`make_broker`)."""
    from cli.stack.stack import make_broker

    with make_broker(broker_kind, session_folder) as running:
        yield running


def _realm_name() -> str:
    return f"t{secrets.token_hex(6)}"


@pytest.fixture(scope="module")
def database(postgres: Postgres, session_folder: Path) -> Iterator[Realm]:
    """A realm of the module's own with roles and an empty ledger; it has no topics."""
    from cli.stack.realm import Realm, drop_database, prepare_database
    from cli.stack.secretfiles import Passwords

    name = _realm_name()
    passwords = Passwords(session_folder / f"{name}.json")
    prepare_database(postgres, name, passwords)
    yield Realm(name, postgres, passwords)
    drop_database(postgres, name)


@pytest.fixture(scope="module")
def realm(database: Realm, broker: AnyBroker) -> Realm:
    """The module's realm with its topics on the broker and, on Kafka, its access rules."""
    from cli.stack.realm import Realm, prepare_bus

    prepare_bus(broker, database.name)
    return Realm(database.name, database.server, database.passwords, broker)


@pytest.fixture
def make_stack(
    request: pytest.FixtureRequest, session_folder: Path, broker_kind: BrokerKind
) -> Iterator[StackFactory]:
    """`make_stack(**arguments of Stack)`: a started stack with a realm of its own, stopped after the test.

    It shares the session's servers unless `own_servers=True`, which tests need that restart or kill them.
    `start=False` gives it unstarted, to fill its `config` folder first; the test then calls `start()`.
    """
    from cli.stack.stack import Stack

    made: list[Stack] = []

    def make(*, own_servers: bool = False, start: bool = True, **arguments: Any) -> Stack:
        if own_servers:
            arguments.setdefault("broker", broker_kind)
        else:
            arguments.setdefault("postgres", request.getfixturevalue("postgres"))
            arguments.setdefault("broker", request.getfixturevalue("broker"))
        name = arguments.pop("realm", None) or _realm_name()
        stack = Stack(session_folder / name, realm=name, **arguments)
        made.append(stack)
        return stack.start() if start else stack

    yield make
    for stack in reversed(made):
        stack.stop()
