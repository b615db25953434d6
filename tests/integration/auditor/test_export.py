"""A case exported by a running auditor, and verified where there is nothing but the package transparency."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cli.audit.commands import app
from common.clock import wall_now
from support.alone import Alone
from support.audit_room import AuditRoom
from support.bundling import changed
from support.walk import COMPLETE, executed
from transparency import archives
from typer.testing import CliRunner

pytestmark = pytest.mark.integration

SEALED_WITHIN_S = 30


@pytest.fixture
async def attested(room: AuditRoom, monkeypatch: pytest.MonkeyPatch) -> AuditRoom:
    """An attested case."""
    await room.copy(executed(room.realm.name, wall_now() - timedelta(seconds=60)))
    await room.advance("2023-08-31 12:00")
    walk = room.walk
    await room.make(
        lambda: walk.report("2023-08-31 09:00", corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-08-31 09:00"),
        walk.close_gap,
    )
    await room.advance("2023-10-01 00:00")
    monkeypatch.setenv("TRUEUP_TOKEN", room.token)
    return room


async def seal(room: AuditRoom) -> None:
    """Let the auditor seal everything that the ledger has."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(room.parts.tasks[name](stop)) for name in ("sealer", "witnesses")]
    try:
        async with asyncio.timeout(SEALED_WITHIN_S):
            while (await room.get("/v1/log")).json()["cosigned"] < len(room.walk.ledger):
                assert not any(task.done() for task in tasks)
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def run(*arguments: object) -> tuple[int, str]:
    """Run the command beside the loop that serves the auditor."""
    words = [str(argument) for argument in arguments]
    result = await asyncio.to_thread(lambda: CliRunner().invoke(app, words))
    return result.exit_code, result.output


@pytest.fixture(scope="session")
def alone(session_folder: Path) -> Alone:
    return Alone.make(session_folder / "alone")


async def test_a_bundle_is_exported_and_verified_without_trueup(
    attested: AuditRoom, tmp_path: Path, alone: Alone
) -> None:
    room, file = attested, tmp_path / "case.zip"
    code, output = await run("export", "--case", "2022-090", "--out", file, "--url", room.url)
    assert code == 2, "nothing is sealed yet"
    assert "no proof of position" in output
    assert not file.exists()

    await seal(room)
    code, output = await run("export", "--case", "2022-090", "--out", file, "--url", room.url, "--json")
    assert code == 0, output
    assert json.loads(output)["bytes"] == file.stat().st_size
    policy, keys = tmp_path / "log.policy", tmp_path / "service-keys.json"
    given = (file, "--policy", policy, "--service-keys", keys)

    done = alone.run(*given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED: everything that was checked holds." in done.stdout
    code, output = await run("verify", *given, "--against", room.url)
    assert code == 0, output

    again = tmp_path / "again.zip"
    assert (await run("export", "--case", room.walk.id, "--out", again, "--url", room.url))[0] == 0
    assert again.read_bytes() == file.read_bytes()

    raw = file.read_bytes()
    file.write_bytes(
        changed(
            raw, lambda files: files.update({"events.ndjson": files["events.ndjson"].replace(b"passed", b"failed")})
        )
    )
    done = alone.run(*given)
    assert (done.returncode, "FAILED" in done.stdout) == (1, True), done.stdout + done.stderr
    file.write_bytes(raw[:-100])
    assert alone.run(*given).returncode == 2

    await checked_by_the_ledger(room, raw)


async def checked_by_the_ledger(room: AuditRoom, raw: bytes) -> None:
    """The lines are the ledger's rows, byte for byte, at the positions that the proofs name."""
    files = archives.read(raw)
    positions = sorted(int(name[7:].split(".")[0]) for name in files if name.startswith("proofs/"))
    rows = await room.pool.fetch(
        "SELECT event FROM ledger.events WHERE position = ANY ($1::bigint[]) ORDER BY position", positions
    )
    assert [row["event"].encode() for row in rows] == files["events.ndjson"].split(b"\n")[:-1]


async def test_what_can_t_be_exported_is_told(attested: AuditRoom, tmp_path: Path) -> None:
    room = attested
    assert (await room.get(f"/v1/exports/{room.walk.id}", token="")).status_code == 401
    answer = await room.get("/v1/exports/money-findings-closed/2022-999/1")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "case_unknown")
    answer = await room.get(f"/v1/exports/{room.walk.id}")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "not_sealed_yet")
    await seal(room)
    occupied = tmp_path / "there.zip"
    occupied.write_bytes(b"")
    code, output = await run("export", "--case", "2022-090", "--out", occupied, "--url", room.url)
    assert code == 2
    assert "Not exported" in output


def test_the_package_stands_alone(alone: Alone) -> None:
    """What else is installed would not be found: only the package, cryptography, orjson and what these need."""
    program = (
        "import importlib.util as u, transparency.verifying; "
        "print([name for name in ('common', 'auditor', 'pydantic', 'asyncpg', 'rfc8785') if u.find_spec(name)])"
    )
    done = subprocess.run(
        [alone.python, "-I", "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
    assert sys.prefix != str(alone.python)
