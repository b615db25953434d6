"""`trueup audit verify`: what it prints and its exit codes."""

from __future__ import annotations

import json
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from auditor.core import attestation
from auditor.core.verification import verify
from cli.audit import service
from cli.audit.commands import app
from cli.audit.page import checks_table
from common import signing
from rich.console import Console
from support import service_keys, terminal
from support import walk as walks
from support.walk import directory
from transparency import archives


@cache
def raw() -> bytes:
    walk = walks.closed()
    people, keys = walk.directory.people.values(), service_keys.trusted()
    return attestation.issue("demo", walk.id, walk.ledger[-1].asof, walk.records, people, keys).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "case-2022-090.json"
    path.write_bytes(raw())
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = terminal.run(app, *arguments)
    return result.exit_code, result.output


def trusted(path: Path, **changes: str) -> Path:
    people = [person.model_dump(mode="json") | changes for person in directory().people.values()]
    path.write_text(json.dumps({"realm": "demo", "people": people}))
    return path


def test_the_original_is_verified_and_the_limits_are_told(file: Path) -> None:
    code, output = run("verify", file)
    assert code == 0
    assert "VERIFIED: case money-findings-closed/2022-090/1" in output
    assert "simulated" in output
    assert "--directory" in output
    assert "--service-keys" in output
    assert "--against" in output


def test_with_the_verifiers_own_directory_the_keys_are_compared(file: Path, tmp_path: Path) -> None:
    keys = service_keys.write(tmp_path, "auditor", "demo")["service_keys"]
    directory_file = trusted(tmp_path / "directory.json")
    code, output = run("verify", file, "--directory", directory_file, "--service-keys", keys)
    assert code == 0
    assert "not checked" not in output
    other = trusted(tmp_path / "other.json")
    other.write_text(
        other.read_text().replace(directory().people["r.osei"].key, directory("x").people["r.osei"].key[::-1])
    )
    assert run("verify", file, "--directory", other)[0] == 1


def test_with_the_verifiers_own_service_keys_another_key_or_another_time_exits_1(file: Path, tmp_path: Path) -> None:
    keys = service_keys.write(tmp_path, "auditor", "demo")["service_keys"]
    content = json.loads(keys.read_text())
    other = {**content, "keys": [one | {"key": signing.public_of(signing.new_key())} for one in content["keys"]]}
    early = {**content, "keys": [one | {"until": "2021-01-01T00:00:00Z"} for one in content["keys"]]}
    for changed, code in ((other, "service_key_unknown"), (early, "service_key_expired")):
        keys.write_text(json.dumps(changed))
        exit_code, output = run("verify", file, "--service-keys", keys)
        assert exit_code == 1
        assert code in output


@pytest.mark.parametrize("width", [80, 100])
def test_on_a_narrow_terminal_the_digest_is_there_whole(width: int) -> None:
    screen = Console(width=width, file=StringIO(), highlight=False)
    screen.print(checks_table(verify(raw())))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert json.loads(raw())["digest"] in "".join(text.split())
    assert "…" not in text
    assert any(line.startswith("ok           digest ") for line in text.splitlines()), "narrow marks"


@pytest.mark.parametrize("offset", [0, 1, 17, 5_000, 40_000, -2, -1])
def test_a_flipped_byte_exits_1(file: Path, offset: int) -> None:
    changed = bytearray(raw())
    changed[offset] ^= 0x01
    file.write_bytes(bytes(changed))
    code, output = run("verify", file)
    assert code == 1
    assert "NOT VERIFIED" in output


def test_another_digest_than_expected_exits_1(file: Path) -> None:
    assert run("verify", file, "--digest", "0" * 64)[0] == 1
    assert run("verify", file, "--digest", json.loads(raw())["digest"])[0] == 0


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"{}", b"[]", b"\x89\xff\x00random", b"{" * 5000])
def test_an_empty_or_foreign_file_could_not_be_checked(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    code, output = run("verify", file)
    assert code == 2
    assert "Not checked" in output and "can't be checked" in output
    told = json.loads(run("verify", file, "--json")[1])
    assert (told["verified"], told["error"]) == (None, "no_attestation")


def test_a_zip_file_with_something_before_it_is_told_as_an_archive(file: Path) -> None:
    file.write_bytes(b"#!/bin/sh\n" + archives.write({"VERIFY.md": b"x"}))
    code, output = run("verify", file)
    assert code == 2
    assert "archive" in output and "codec" not in output and "JSON" not in output


def test_a_newline_at_the_end_is_told_apart_from_the_canonical_bytes(file: Path) -> None:
    assert "newline" not in run("verify", file)[1]
    file.write_bytes(raw() + b"\n")
    code, output = run("verify", file)
    assert code == 0
    assert f"all {len(raw())} bytes" in output and "newline" in output
    file.write_bytes(raw() + b"\n\n")
    assert run("verify", file)[0] == 1


def test_what_cannot_be_read_or_asked_exits_2(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("verify", tmp_path / "missing.json")[0] == 2
    assert run("verify", tmp_path)[0] == 2
    assert run("verify", file, "--directory", tmp_path / "missing.json")[0] == 2
    assert run("verify", file, "--directory", file)[0] == 2
    assert run("verify", file, "--service-keys", tmp_path / "missing.json")[0] == 2
    assert run("verify", file, "--service-keys", file)[0] == 2
    monkeypatch.setenv("TRUEUP_TOKEN", "x")
    code, output = run("verify", file, "--against", "http://127.0.0.1:1")
    assert code == 2
    assert "does not answer" in output
    assert run("verify", file, "--against", "nonsense://")[0] == 2


def test_nobody_signed_in_exits_2(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUEUP_TOKEN", raising=False)
    monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(tmp_path))
    code, output = run("verify", file, "--against", "http://127.0.0.1:1")
    assert code == 2
    assert "trueup login" in output


def test_json_names_every_check(file: Path, tmp_path: Path) -> None:
    code, output = run("verify", file, "--json")
    body = json.loads(output)
    assert (code, body["verified"]) == (0, True)
    assert {check["name"] for check in body["checks"]} >= {"digest", "signatures", "gate_1", "gate_2", "soak"}
    file.write_bytes(raw()[:-1])
    code, output = run("verify", file, "--json")
    assert (code, json.loads(output)["verified"]) == (1, False)
    code, output = run("verify", tmp_path / "missing.json", "--json")
    assert (code, json.loads(output)["error"]) == (2, "file_unreadable")


def test_an_attestation_is_saved_byte_for_byte_and_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEUP_TOKEN", "x")
    monkeypatch.setattr(service.Auditor, "document", lambda _self, _case: raw())
    asked = ("save", "money-findings-closed/2022-090/1", tmp_path / "case.json", "--url", "http://127.0.0.1:1")
    assert run(*asked)[0] == 0
    assert (tmp_path / "case.json").read_bytes() == raw()
    assert run("verify", tmp_path / "case.json")[0] == 0
    code, output = run(*asked)
    assert code == 2 and "Not saved" in output
    assert (tmp_path / "case.json").read_bytes() == raw()
