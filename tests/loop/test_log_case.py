"""A case made of events through the real services: what is computed of them is attested, and verified offline."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from auditor.core import attestation
from auditor.core.verification import verify
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker
from common.directory import Directory
from common.events.observer import EntityObserved
from common.service_keys import ServiceKeys

from .test_objective import Office, fetched, office

pytestmark = pytest.mark.loop
PATIENCE_S = 60.0
KEY = "R-1"
CASE = f"requests-checked/{KEY}/1"


def happens(here: Office, what: str, at: str, **cells: Any) -> None:
    """The log says that something happened to the request."""
    here.observed(
        f"{what}@{at}", at, {"entity_type": "request", "key": KEY, "row": {"id": KEY, "what": what, **cells}}
    )
    here.actors.settle("h.clock")


def test_a_case_of_events_is_remedied_attested_and_verified(
    session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    with office(session_folder / "requests", postgres, broker, "requests") as here:
        happens(here, "receive", "2023-07-01T09:00:00Z", amount=250)
        happens(here, "call", "2023-07-03T09:00:00Z")
        happens(here, "letter", "2023-07-02T09:00:00Z")  # late: the call stays the newest
        (rule,) = here.case(CASE)["gap"]["data"]["rules"]
        assert (rule["name"], rule["status"]) == ("checked", "missed")
        assert {fact["name"]: fact["value"] for fact in rule["facts"]} == {"unchecked": True}
        (listed,) = here.actors["c.lead"].cases()
        print(listed)

        here.do("c.lead", "confirm")
        here.do("d.owner", "approve")
        here.do("e.ops", "release")
        here.do("f.it", "outcome")
        here.to("2023-07-04T12:00:00Z")
        assert here.case(CASE)["stage"] == "to-verify", "the executor's word proves nothing"
        happens(here, "check", "2023-07-04T10:00:00Z")
        assert here.case(CASE)["stage"] == "soaking"
        here.to("2023-07-20T12:00:00Z")
        assert here.case(CASE)["stage"] == "attested"

        raw = fetched(here, CASE)
        directory = Directory.read(here.stack.config / "directory.json")
        trusted = ServiceKeys.read(here.stack.config / "service-keys.json")
        print(json.loads(raw)["narrative"])
        assert [check for check in verify(raw, directory, None, trusted) if check.ok is not True] == []
        bundle = session_folder / "requests.zip"
        bundle.write_bytes(exported(here))
        told = verified(bundle, here.stack.config)
        assert "VERIFIED" in told and "read again from the observations" in told, told
        events = [item for item in attestation.parse(raw).exhibits if item.event.type == EntityObserved.TYPE]
        assert [item.event.data["row"]["what"] for item in events] == ["receive", "call", "letter", "check"]
        for item in events:
            assert forged(raw, item.n) == {"facts"}, f"{item.event.data['row']} may be another"
            assert changed(raw, item.n) == {"event_hashes", "digest"}


def exported(here: Office) -> bytes:
    """The case's bundle, once the log has sealed its last event."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fetched(here, CASE, "exports")
        except AssertionError as refused:
            if "not_sealed_yet" not in str(refused) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def verified(bundle: Path, config: Path) -> str:
    """What `trueup audit verify` says of the bundle, which is all that it has."""
    lists = ("--policy", "log.policy"), ("--directory", "directory.json"), ("--service-keys", "service-keys.json")
    given = [word for option, name in lists for word in (option, str(config / name))]
    words = [sys.executable, "-m", "cli.main", "audit", "verify", str(bundle), *given]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return " ".join(ended.stdout.split())


def changed(raw: bytes, number: int) -> set[str]:
    """The checks that fail when one byte of this event differs."""
    at = raw.index(attestation.parse(raw).exhibits[number - 1].event.data["upstream_id"].encode())
    return {check.name for check in verify(raw[:at] + b"x" + raw[at + 1 :]) if check.ok is False}


def forged(raw: bytes, number: int) -> set[str]:
    """The checks that fail when this event says that something else happened, with every digest made again."""
    document = attestation.parse(raw)
    exhibits = list(document.exhibits)
    item = exhibits[number - 1]
    row = item.event.data["row"]
    other = {**row, "what": "call" if row["what"] == "check" else "check"}
    event = replace(item.event, data={**item.event.data, "row": other})
    exhibits[number - 1] = replace(item, event=event, raw=event.encode())
    made = attestation.assemble(document.head, document.narrative, exhibits)
    return {check.name for check in verify(made.encode()) if check.ok is False}
