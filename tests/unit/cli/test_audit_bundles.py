"""`trueup audit verify` with a bundle, and `trueup audit export`'s file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cli.audit import bundles
from cli.audit.commands import app
from cli.audit.service import Auditor
from common.errors import Refused
from common.signing import new_key, public_of
from support import terminal
from support.bundling import AUDITOR, bundle, changed, policy_of, resigned, service_keys
from support.service_keys import trusted
from transparency.bundles import HTML


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "trusted.policy").write_bytes(policy_of())
    (tmp_path / "keys.json").write_text(everybodys_keys())
    path = tmp_path / "case-2022-090.zip"
    path.write_bytes(bundle())
    return path


def everybodys_keys(without: str = "", **changes: str) -> str:
    """The realm's list and the key that signs statements here, with the entry of `without` left out, or changed."""
    told = json.loads(service_keys())["keys"]
    told += [one.model_dump(mode="json") for one in trusted().keys.values()]
    others = [one for one in told if one["service"] != without]
    mine = [{**one, **changes} for one in told if one["service"] == without] if changes else []
    return json.dumps({"realm": "demo", "keys": others + mine})


def run(*arguments: object) -> tuple[int, str]:
    result = terminal.run(app, "verify", *arguments)
    return result.exit_code, result.output


def trusting(file: Path) -> tuple[object, ...]:
    return (file, "--policy", file.parent / "trusted.policy", "--service-keys", file.parent / "keys.json")


def test_a_bundle_is_verified_with_everything_in_it(file: Path) -> None:
    code, output = run(*trusting(file))
    assert code == 0, output
    assert "VERIFIED: case money-findings-closed/2022-090/1" in output
    code, output = run(*trusting(file), "--json")
    body = json.loads(output)
    names = [check["name"] for check in body["checks"]]
    assert body["verified"] is True
    assert {"inclusion", "attestation_gate_2", "attestation_signatures", "pages"} <= set(names)


def test_without_a_policy_it_could_not_be_checked(file: Path) -> None:
    code, output = run(file)
    assert code == 2
    assert "could not be checked, or only against itself: policy" in output
    assert json.loads(run(file, "--json")[1])["verified"] is None


def test_a_broken_bundle_is_not_verified(file: Path) -> None:
    file.write_bytes(changed(bundle(), lambda files: files.update({HTML: b"All was well."})))
    code, output = run(*trusting(file))
    assert code == 1
    assert "NOT VERIFIED: files. Do not rely on case-2022-090.zip" in output
    file.write_bytes(bundle()[:-1])
    assert run(*trusting(file))[0] == 2


def test_another_narrative_that_the_auditor_itself_signed_is_not_what_the_records_give(file: Path) -> None:
    file.write_bytes(resigned(bundle(), lambda files: files.update({HTML: b"All was well."}), AUDITOR))
    code, output = run(*trusting(file))
    assert code == 1
    assert "NOT VERIFIED: pages" in output


@pytest.mark.parametrize(
    "keys",
    [
        service_keys().decode(),
        everybodys_keys("planner"),
        everybodys_keys("executor", key=public_of(new_key())),
        everybodys_keys("approver", until="2021-01-01T00:00:00Z"),
    ],
)
def test_records_in_a_bundle_are_signed_with_keys_of_ones_own_list(file: Path, keys: str) -> None:
    """Not only the statement: a superuser with keys made up for the purpose has put such records into the log."""
    (file.parent / "keys.json").write_text(keys)
    code, output = run(*trusting(file))
    assert code == 1, output
    assert "NOT VERIFIED: attestation service keys" in output


def test_the_digest_that_one_was_told_counts(file: Path) -> None:
    assert run(*trusting(file), "--digest", "0" * 64)[0] == 1


def test_a_policy_that_is_not_there_is_told(file: Path, tmp_path: Path) -> None:
    code, output = run(file, "--policy", tmp_path / "absent")
    assert code == 2
    assert "can't be read" in output


def test_a_download_is_there_when_it_is_whole(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise Refused("incomplete", "it broke off", "Try again.")

    out = tmp_path / "case.zip"
    with pytest.raises(Refused):
        bundles.save(broken(), out)
    assert list(tmp_path.iterdir()) == []
    assert bundles.save([b"one", b"two"], out) == 6
    with pytest.raises(Refused, match="there already"):
        bundles.save([b"other"], out)
    assert out.read_bytes() == b"onetwo"
    with pytest.raises(Refused, match="can't be written"):
        bundles.save([b"x"], tmp_path / "absent" / "case.zip")


def test_what_the_auditor_refuses_is_told_as_it_says() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        body = {"reason_code": "not_sealed_yet", "message": "soon", "what_to_do": "Wait."}
        return httpx.Response(409, json=body)

    with Auditor("http://127.0.0.1:1", "t", httpx.MockTransport(answer)) as auditor, pytest.raises(Refused) as told:
        list(auditor.bundle("a/b/1"))
    assert told.value.reason_code == "not_sealed_yet"
