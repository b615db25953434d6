"""The files a fresh realm starts with: an empty directory, no feeds and a secret; what exists is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.demo import cast
from cli.stack import development
from cli.stack.errors import StackError
from cli.stack.services import config_environment
from common.directory import Directory
from transparency.notes import SigningKey
from transparency.policies import Policy


def test_a_fresh_realm_has_nobody_and_a_private_secret(tmp_path: Path) -> None:
    development.provide(tmp_path, "r")
    directory = Directory.read(tmp_path / "directory.json")
    assert (directory.realm, dict(directory.people)) == ("r", {})
    assert (tmp_path / "issuer.key").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "issuer.key").read_text()) > 40
    assert (tmp_path / "feeds.json").read_text() == "{}\n"
    for secret in ("targets.json", "polls.json"):
        assert (tmp_path / secret).read_text() == "{}\n"
        assert (tmp_path / secret).stat().st_mode & 0o777 == 0o600
    key = SigningKey.parse((tmp_path / "log.key").read_text().strip())
    assert ((tmp_path / "log.key").stat().st_mode & 0o777, key.name) == (0o600, "trueup/r")
    policy = Policy.parse((tmp_path / "log.policy").read_bytes())
    assert ([log.key for log in policy.logs], policy.quorum) == ([key.verifier], "none")


def test_what_exists_is_never_touched(tmp_path: Path) -> None:
    for name in ("directory.json", "feeds.json", "issuer.key", "targets.json", "polls.json", "log.key", "log.policy"):
        (tmp_path / name).write_text("mine")
    development.provide(tmp_path, "r")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


def test_a_demo_can_be_told_of_databases_while_it_runs_too(tmp_path: Path) -> None:
    (tmp_path / "targets.json").write_text("mine")
    cast.secrets_of(tmp_path, "r")
    assert config_environment("observer", tmp_path)["TRUEUP_POLLS"] == str(tmp_path / "polls.json")
    assert (tmp_path / "targets.json").read_text() == "mine"


def test_the_folder_of_another_realm_is_refused(tmp_path: Path) -> None:
    development.provide(tmp_path, "r")
    with pytest.raises(StackError, match=r"--realm r\b") as refusal:
        development.provide(tmp_path, "other")
    assert refusal.value.reason_code == "stack_differs"
