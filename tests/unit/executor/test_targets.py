"""A system that actions need and that has no address is known before a plan is approved."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from common.errors import Permanent
from executor.core.targets import without_address
from executor.settings import watched_targets
from support.casework import findings_catalogue as catalogue


def test_a_system_without_an_address_is_named_with_what_can_not_run() -> None:
    (line,) = without_address(catalogue(), ["somewhere-else"])
    assert line.startswith("no address for ticketing: request-evidence can't run")
    assert "trueup targets add ticketing" in line


def test_what_is_done_by_hand_needs_none_and_what_has_one_is_not_named() -> None:
    assert without_address(catalogue(), ["ticketing"]) == []


def test_targets_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    path.write_text("{}")
    targets = watched_targets(path)
    assert targets() == {}
    path.write_text(json.dumps({"ticketing": "postgresql://x"}))
    assert targets() == {"ticketing": "postgresql://x"}
    path.write_text("not JSON")
    os.utime(path, ns=(1, 1))
    assert targets() == {"ticketing": "postgresql://x"}, "a file that can't be read leaves the former standing"


def test_without_a_file_there_are_none_and_a_bad_one_is_refused_at_the_start(tmp_path: Path) -> None:
    assert watched_targets(None)() == {}
    (tmp_path / "targets.json").write_text('["secret"]')
    with pytest.raises(Permanent, match="targets_malformed") as refusal:
        watched_targets(tmp_path / "targets.json")
    assert "secret" not in str(refusal.value)
