"""The end of a scenario: one attested case, told, and its attestation verified without any service."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import typer
from auditor.core.verification import verified, verify
from common.directory import Directory
from common.errors import Refused
from common.service_keys import ServiceKeys

from cli.demo.actors import Actors
from cli.demo.scene import Scene
from cli.demo.screen import Screen
from cli.demo.stage import shown

EXIT_FAILED = 1
TIMEOUT_S = 30.0


def show(screen: Screen, actors: Actors, stage: Scene, case: str) -> None:
    """Tell the case, keep its attestation, and check it. Raises `Refused`, and an exit where it does not verify."""
    session = actors["e.weber"].login()
    address = f"{stage.stack.urls['auditor']}/v1/attestations/{quote(case)}"
    answer = httpx.get(address, headers={"authorization": f"Bearer {session.token}"}, timeout=TIMEOUT_S)
    if not answer.is_success:
        raise Refused("no_attestation", f"the auditor has none for {case}: {answer.text[:300]}")
    document: dict[str, Any] = answer.json()
    screen.text(document["narrative"])
    file = stage.stack.folder / f"attestation-{case.split('/')[1]}.json"
    file.write_bytes(answer.content)
    directory, keys = stage.stack.config / "directory.json", stage.stack.config / "service-keys.json"
    options = (f"--directory {shown(directory)}", f"--service-keys {shown(keys)}")
    screen.text(" \\\n    ".join((f"trueup audit verify {shown(file)}", *options)))
    checks = verify(answer.content, Directory.read(directory), service_keys=ServiceKeys.read(keys))
    screen.checks(checks)
    if not verified(checks):
        raise typer.Exit(EXIT_FAILED)
    screen.text(f"Verified: {len(checks)} checks, none failed, without any service and without the network.")
