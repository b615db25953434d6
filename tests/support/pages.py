"""Pages of declarations that many tests begin with."""

from __future__ import annotations

from functools import cache

import pytest
from cli.preview import commands
from common.declarations.loader import Loaded, load


@cache
def read_once(data: bytes, file: str) -> Loaded:
    return load(data, file)


@pytest.fixture(autouse=True)
def each_page_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the file that imports it, whose tests are of what becomes of a page: reading YAML with lines takes longest
    of all."""
    monkeypatch.setattr(commands, "load", read_once)
