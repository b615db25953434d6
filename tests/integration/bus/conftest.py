from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.stack.realm import Realm, drop_database, prepare_bus, prepare_database
from cli.stack.secretfiles import Passwords
from support.buses import Site
from support.ledgers import name


@pytest.fixture
def site(request: pytest.FixtureRequest, session_folder: Path) -> Iterator[Site]:
    """A realm of the test's own on the session's servers."""
    postgres, broker = request.getfixturevalue("postgres"), request.getfixturevalue("broker")
    realm_name = f"t{name()[:10]}"
    passwords = Passwords(session_folder / f"{realm_name}.json")
    prepare_database(postgres, realm_name, passwords)
    prepare_bus(broker, realm_name)
    yield Site(Realm(realm_name, postgres, passwords, broker))
    drop_database(postgres, realm_name)
