from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.ledger import Ledger
from support.ledgers import connected


@pytest.fixture
async def observer(database: Realm) -> AsyncIterator[Any]:
    """A pool of the observer's."""
    async with connected(database, "observer") as pool:
        yield pool


@pytest.fixture
def ledger(observer: Any) -> Ledger:
    return Ledger(observer)
