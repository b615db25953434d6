"""The small story, told once without disturbance: what every disturbed telling must come to, too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker

from .telling import Telling, telling


@pytest.fixture(scope="session")
def calm(session_folder: Path, postgres: Postgres, broker: AnyBroker) -> tuple[dict[str, Any], Telling]:
    """What came of the undisturbed story, and its stack, stopped."""
    with telling(session_folder / "calm", postgres, broker, "calm") as here:
        told = here.tell()
    assert told["deaths"] == Counter()
    assert told["repeated"] == Counter()
    return told, here


@pytest.fixture(scope="session")
def undisturbed(calm: tuple[dict[str, Any], Telling]) -> dict[str, Any]:
    return calm[0]
