"""Every service can be found by its name: whoever rebuilds or runs one goes by `<name>.main.SERVICE`."""

from __future__ import annotations

import importlib

import pytest
from cli.ledger import rebuilding
from common.errors import Refused
from common.runtime import Service
from common.topics import SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_found_by_its_name(name: str) -> None:
    service = importlib.import_module(f"{name}.main").SERVICE
    assert isinstance(service, Service)
    assert service.name == name


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_said_to_be_rebuilt_can_be(name: str) -> None:
    if name in rebuilding.REBUILT:
        assert rebuilding._projection(name) is not None
    else:
        with pytest.raises(Refused, match="keeps no copy"):
            rebuilding._projection(name)
