"""`trueup audit verify --against URL` and `trueup audit show`, with a running auditor and its ledger."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from auditor.core import attestation
from cli.audit.commands import app
from common.clock import wall_now
from support.audit_room import AuditRoom
from support.service_keys import trusted
from support.walk import COMPLETE, directory, executed
from typer.testing import CliRunner

pytestmark = pytest.mark.integration


@pytest.fixture
async def attested(room: AuditRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[AuditRoom, Path]:
    """An attested case, and its file."""
    await room.copy(executed(room.realm.name, wall_now() - timedelta(seconds=60)))
    await room.advance("2023-08-31 12:00")
    walk = room.walk
    await room.make(
        lambda: walk.report("2023-08-31 09:00", corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-08-31 09:00"),
        walk.close_gap,
    )
    await room.advance("2023-10-01 00:00")
    file = tmp_path / "attestation.json"
    file.write_bytes((await room.get(f"/v1/attestations/{walk.id}")).content)
    monkeypatch.setenv("TRUEUP_TOKEN", room.token)
    return room, file


async def run(*arguments: object) -> tuple[int, str]:
    """Run the command beside the loop that serves the auditor."""
    words = [str(argument) for argument in arguments]
    result = await asyncio.to_thread(lambda: CliRunner().invoke(app, words))
    return result.exit_code, result.output


async def test_the_issued_file_is_the_ledgers(attested: tuple[AuditRoom, Path]) -> None:
    room, file = attested
    code, output = await run("verify", file, "--against", room.url, "--json")
    body = json.loads(output)
    assert code == 0, output
    assert [check["ok"] for check in body["checks"] if check["name"] in ("issued", "auditors_copy", "ledger")] == [
        True
    ] * 3


async def test_a_consistent_forgery_is_not_the_ledgers(attested: tuple[AuditRoom, Path]) -> None:
    """Nobody signs an observation: it can be written anew and holds in itself; the ledger has it otherwise."""
    room, file = attested
    document = attestation.parse(file.read_bytes())
    records = [(item.position, item.raw.replace(b"Questioned", b"Questionless")) for item in document.exhibits]
    issued = str(document.head["issued"])
    forged = attestation.issue(
        room.realm.name,
        document.case,
        issued,
        records,
        directory(room.realm.name).people.values(),
        trusted(room.realm.name),
    )
    file.write_bytes(forged.encode())
    assert (await run("verify", file))[0] == 0
    code, output = await run("verify", file, "--against", room.url, "--json")
    assert code == 1
    assert {check["name"] for check in json.loads(output)["checks"] if check["ok"] is False} == {
        "issued",
        "auditors_copy",
        "ledger",
    }


async def test_an_auditor_that_refuses_exits_2(
    attested: tuple[AuditRoom, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    room, file = attested
    monkeypatch.setenv("TRUEUP_TOKEN", "stale")
    assert (await run("verify", file, "--against", room.url))[0] == 2


async def test_show_tells_a_case_to_its_end(attested: tuple[AuditRoom, Path]) -> None:
    room, _ = attested
    code, output = await run("show", "2022-090", "--url", room.url)
    assert code == 0, output
    for words in ("attested", "a gap was found: fixed", "the case was closed as remedied", "How it was checked"):
        assert words in output
    code, output = await run("show", room.walk.id, "--url", room.url, "--json")
    assert json.loads(output)["attestation"]["case"] == room.walk.id
    assert (await run("show", "2022-999", "--url", room.url))[0] == 2
